//! Processor time, memory and written bytes of a process and those it started, from `/proc`.

use std::fs;

use serde::{Deserialize, Serialize};

/// What a family of processes has used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Usage {
    /// Processor time since they started, seconds (in steps of the kernel's clock, 10 ms).
    pub(crate) cpu_s: f64,
    /// Memory now, bytes: what is theirs alone and their share of what is shared (PSS).
    pub(crate) memory_bytes: u64,
    /// Bytes they caused to be written to the disk since they started.
    pub(crate) written_bytes: u64,
}

/// The process and everything that descends from it and lives.
pub(crate) fn family(pid: u32) -> Vec<u32> {
    let mut parents = Vec::new();
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        if let Some(process) = entry.file_name().to_str().and_then(|name| name.parse().ok()) {
            parents.push((process, parent(process)));
        }
    }
    let mut members = vec![pid];
    let mut next = 0;
    while let Some(of) = members.get(next).copied() {
        let children = parents.iter().filter(|(_, parent)| *parent == Some(of));
        members.extend(children.map(|(process, _)| process));
        next += 1;
    }
    members
}

/// What a process and its descendants have used. Processes that ended count with their processor time, if
/// somebody waited for them.
pub(crate) fn usage(pid: u32) -> Usage {
    family(pid).into_iter().fold(Usage::default(), |sum, member| Usage {
        cpu_s: sum.cpu_s + cpu_s(member).unwrap_or(0.0),
        memory_bytes: sum.memory_bytes + memory_bytes(member).unwrap_or(0),
        written_bytes: sum.written_bytes + written_bytes(member).unwrap_or(0),
    })
}

/// Most memory this process has had, bytes.
pub(crate) fn own_peak_bytes() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    kib_after(&status, "VmHWM:").unwrap_or(0) << 10
}

/// Fields of `/proc/PID/stat` behind the name, which may hold spaces.
fn stat(pid: u32) -> Option<Vec<String>> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, fields) = text.rsplit_once(')')?;
    Some(fields.split_whitespace().map(str::to_owned).collect())
}

fn parent(pid: u32) -> Option<u32> {
    stat(pid)?.get(1)?.parse().ok()
}

fn cpu_s(pid: u32) -> Option<f64> {
    let fields = stat(pid)?;
    // utime, stime, cutime, cstime: fields 14 to 17 of proc_pid_stat(5).
    let ticks: u64 = fields.get(11..15)?.iter().filter_map(|it| it.parse::<u64>().ok()).sum();
    Some(ticks as f64 / rustix::param::clock_ticks_per_second() as f64)
}

fn memory_bytes(pid: u32) -> Option<u64> {
    let rollup = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).ok()?;
    Some(kib_after(&rollup, "Pss:")? << 10)
}

fn written_bytes(pid: u32) -> Option<u64> {
    let io = fs::read_to_string(format!("/proc/{pid}/io")).ok()?;
    kib_after(&io, "write_bytes:")
}

/// The number behind a name at the start of a line.
fn kib_after(text: &str, name: &str) -> Option<u64> {
    let rest = text.lines().find_map(|line| line.strip_prefix(name))?;
    rest.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_uses_memory_and_is_its_own_family() {
        let own = std::process::id();
        assert_eq!(family(own).first(), Some(&own));
        assert!(usage(own).memory_bytes > 100_000);
        assert!(own_peak_bytes() > 100_000);
        assert!(parent(own).is_some_and(|parent| family(parent).contains(&own)));
    }

    #[test]
    fn numbers_behind_names_are_found() {
        assert_eq!(kib_after("rchar: 5\nwrite_bytes: 4096\n", "write_bytes:"), Some(4_096));
        assert_eq!(kib_after("Rss: 1 kB\n", "Pss:"), None);
    }
}
