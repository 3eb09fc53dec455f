//! The little of a file system that the log needs, as a trait: the same log code runs on the operating
//! system and on a simulated disk that loses power.
//!
//! What the log may rely on: a write is durable once [`DiskFile::sync_data`] of its file returned `Ok`; a
//! name is durable once [`Disk::sync_directory`] returned `Ok`; a sector of 512 bytes is written whole or
//! not at all. Nothing else: unsynced writes may be lost, torn between sectors and reordered.

pub(crate) mod files;
pub(crate) mod os;
#[cfg(any(test, feature = "simulation"))]
pub(crate) mod sim;
pub(crate) mod veil;

use std::fmt;
use std::io;
use std::sync::Arc;

/// One flat directory.
pub(crate) trait Disk: fmt::Debug + Send + Sync + 'static {
    /// Names of the files, in no order.
    fn list(&self) -> io::Result<Vec<String>>;
    /// Makes a new empty file; fails if the name is taken.
    fn create(&self, name: &str) -> io::Result<Arc<dyn DiskFile>>;
    /// Opens an existing file for reading and writing.
    fn open(&self, name: &str) -> io::Result<Arc<dyn DiskFile>>;
    /// Gives a file another name; the old one is gone afterwards.
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;
    /// Removes a file.
    fn remove(&self, name: &str) -> io::Result<()>;
    /// Makes creations, renames and removals durable.
    fn sync_directory(&self) -> io::Result<()>;
}

/// One open file.
pub(crate) trait DiskFile: fmt::Debug + Send + Sync + 'static {
    /// Length, bytes.
    fn len(&self) -> io::Result<u64>;
    /// Reads from `offset` until `buffer` is full or the file ends; how many bytes it got.
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize>;
    /// Says that all of the file will be read soon, from its beginning to its end.
    fn will_read(&self) {}
    /// Writes all of `bytes`.
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()>;
    /// Reserves space for a range and fills it with zeros; fails with
    /// [`io::ErrorKind::StorageFull`] before it changes bytes that were there.
    fn allocate(&self, offset: u64, bytes: u64) -> io::Result<()>;
    /// Reserves space like [`DiskFile::allocate`] for a range that reads as zeros, but leaves the zeros
    /// unwritten where the file system can: for a range of which most is written at once. Then nothing is
    /// copied twice, and the next sync pays once for the file system's own records.
    fn reserve(&self, offset: u64, bytes: u64) -> io::Result<()> {
        self.allocate(offset, bytes)
    }
    /// Makes everything written so far durable, with the length needed to read it.
    fn sync_data(&self) -> io::Result<()>;
    /// Whether its bytes are encrypted on the disk.
    fn is_encrypted(&self) -> bool {
        false
    }
}
