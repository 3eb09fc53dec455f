//! Memory that the machine has used before, and keeps.
//!
//! A virtual machine gets a page of memory from its host when it uses it for the first time, and that costs
//! more than to fill the page: on such a machine, that was just started, a page cache grows several times
//! more slowly than later on. What is measured first would pay for what is measured last. A guest that reports
//! free pages gives them back to its host after seconds and pays again, so that is switched off meanwhile.

use std::fs;

/// Memory that is left alone, MiB.
const SPARE_MIB: u64 = 2 << 10;
/// Bytes taken at a time.
const PIECE_BYTES: usize = 64 << 20;
const PAGE_BYTES: usize = 4 << 10;

/// The smallest free block that a Linux guest gives back, as a power of two of pages.
const REPORTING: &str = "/sys/module/page_reporting/parameters/page_reporting_order";
/// A block that does not exist: larger than any that the kernel keeps.
const NEVER: &str = "11";

/// Free pages stay with the guest while this lives.
#[derive(Debug)]
pub(crate) struct Kept(Option<String>);

/// Switches the reporting of free pages off, where there is any and the user may; says whether.
pub(crate) fn keep() -> Kept {
    let before = fs::read_to_string(REPORTING).ok().map(|it| it.trim().to_owned());
    let changed = before.filter(|it| it != NEVER && fs::write(REPORTING, NEVER).is_ok());
    Kept(changed)
}

impl Kept {
    /// Whether anything was switched off.
    pub(crate) const fn changed(&self) -> bool {
        self.0.is_some()
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        if let Some(before) = &self.0
            && let Err(error) = fs::write(REPORTING, before)
        {
            crate::report::complain(&format!(
                "{REPORTING} was {before} and is {NEVER} now: {error}"
            ));
        }
    }
}

/// Uses most of the free memory once and gives it back; how much that was, MiB.
pub(crate) fn touch() -> u64 {
    let wanted = available_mib().saturating_sub(SPARE_MIB);
    let pieces = wanted / (PIECE_BYTES as u64 >> 20);
    let mut held = Vec::new();
    for _ in 0..pieces {
        let mut piece = vec![0_u8; PIECE_BYTES];
        for page in piece.chunks_mut(PAGE_BYTES) {
            if let Some(byte) = page.first_mut() {
                *byte = 1;
            }
        }
        held.push(std::hint::black_box(piece));
    }
    held.len() as u64 * (PIECE_BYTES as u64 >> 20)
}

/// What the kernel says can be had without swapping, MiB.
fn available_mib() -> u64 {
    let known = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let line = known.lines().find_map(|line| line.strip_prefix("MemAvailable:"));
    let kib = line.and_then(|it| it.split_whitespace().next()?.parse::<u64>().ok());
    kib.unwrap_or(0) >> 10
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernel_tells_how_much_memory_there_is() {
        assert!(available_mib() > 0);
    }
}
