//! The disk: what is free, what was written to the device, and emptying the page cache.

use std::fs::{self, File};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use crate::outcome::Outcome;

/// Bytes of a sector in `/proc/diskstats`, whatever the device says.
const SECTOR_BYTES: u64 = 512;

/// Bytes that are free for this user.
pub(crate) fn free_bytes(directory: &Path) -> Outcome<u64> {
    let of = rustix::fs::statvfs(directory)?;
    Ok(of.f_bavail * of.f_frsize)
}

/// Bytes written so far to the device under a directory, by everybody. `None` where it has no line in
/// `/proc/diskstats`.
pub(crate) fn device_written_bytes(directory: &Path) -> Option<u64> {
    let device = fs::metadata(directory).ok()?.dev();
    let (major, minor) = (rustix::fs::major(device), rustix::fs::minor(device));
    let stats = fs::read_to_string("/proc/diskstats").ok()?;
    stats.lines().find_map(|line| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let same = fields.first()?.parse() == Ok(major) && fields.get(1)?.parse() == Ok(minor);
        same.then(|| Some(fields.get(9)?.parse::<u64>().ok()? * SECTOR_BYTES)).flatten()
    })
}

/// Writes everything that waits for the disk, so that it does not fall into the next measurement.
pub(crate) fn settle(directory: &Path) -> Outcome<()> {
    rustix::fs::syncfs(File::open(directory)?)?;
    Ok(())
}

/// Empties the page cache. False where this user may not: then "cold" cannot be measured.
pub(crate) fn drop_caches() -> bool {
    rustix::fs::sync();
    fs::write("/proc/sys/vm/drop_caches", "3").is_ok()
}

/// Bytes of all files in a directory, as long as they are.
pub(crate) fn size_bytes(directory: &Path) -> u64 {
    let Ok(entries) = fs::read_dir(directory) else { return 0 };
    let size = |entry: fs::DirEntry| match entry.metadata() {
        Ok(of) if of.is_dir() => size_bytes(&entry.path()),
        Ok(of) => of.len(),
        Err(_) => 0,
    };
    entries.flatten().map(size).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_add_up_and_space_is_known() -> Outcome<()> {
        let directory = tempfile::tempdir()?;
        fs::create_dir(directory.path().join("inner"))?;
        fs::write(directory.path().join("inner/one"), [0; 700])?;
        fs::write(directory.path().join("two"), [0; 300])?;
        assert_eq!(size_bytes(directory.path()), 1_000);
        assert!(free_bytes(directory.path())? > 0);
        Ok(())
    }
}
