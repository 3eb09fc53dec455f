//! What this process has used, from `/proc/self`.

use std::fs;

/// `USER_HZ`: what Linux counts in towards programs, whatever its own clock does (time(7)).
const TICKS_PER_SECOND: f64 = 100.0;

/// Processor time so far, seconds, in steps of the kernel's clock (10 ms).
#[must_use]
pub fn cpu_s() -> f64 {
    let text = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields = text.rsplit_once(')').map_or("", |(_, fields)| fields);
    // utime and stime: fields 14 and 15 of proc_pid_stat(5), the name being the second.
    let ticks: u64 =
        fields.split_whitespace().skip(11).take(2).filter_map(|it| it.parse::<u64>().ok()).sum();
    ticks as f64 / TICKS_PER_SECOND
}

/// Most memory it has had, bytes.
#[must_use]
pub fn peak_bytes() -> u64 {
    status_bytes("VmHWM:")
}

/// Memory it has now, bytes.
#[must_use]
pub fn resident_bytes() -> u64 {
    status_bytes("VmRSS:")
}

fn status_bytes(name: &str) -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    let kib = line.and_then(|rest| rest.split_whitespace().next()?.parse::<u64>().ok());
    kib.unwrap_or(0) << 10
}
