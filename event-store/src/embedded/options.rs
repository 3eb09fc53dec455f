//! How an embedded log is set up.

use std::fmt;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use ledgerline_schemas::Timestamp;

use crate::crypt::at_rest::StorageKeys;
use crate::disk::veil::Unveiled;
use crate::segment::writer::Sizes;
use crate::vault::{self, ArchiveReader};

/// Gives the time that becomes `recorded_at`.
pub type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;
/// Gives the salt of a new segment; must not repeat itself.
pub type Salt = Arc<dyn Fn() -> std::io::Result<u32> + Send + Sync>;

/// Set-up of an embedded log. [`Options::default`] is right outside tests.
#[derive(Clone)]
pub struct Options {
    /// A segment is closed before it grows beyond this, bytes; default 64 MiB. One append that is longer
    /// gets a segment of its own.
    pub segment_bytes: u64,
    /// Space is reserved and zeroed in steps of this, bytes; default 1 MiB.
    pub reserve_step_bytes: u64,
    /// Most bytes written before a sync; default 8 MiB. What waits longer goes into the next group.
    pub group_bytes_max: usize,
    /// Most bytes of appends that may wait for the disk; default 256 MiB. Above it appends are refused.
    pub waiting_bytes_max: usize,
    /// Files of the log kept open for reading; default 64. Others are opened when they are read.
    pub open_files_max: usize,
    /// Index files of about the same size that are merged into one, at least 2; default 8.
    pub index_fan_in: usize,
    /// Sealed segments that stay as they were written; older ones are packed in the background. Default 4;
    /// `None`: none is packed.
    pub raw_segments: Option<usize>,
    /// Most bytes of unpacked blocks kept in memory for reading packed and archived segments; default 64
    /// MiB.
    pub block_cache_bytes: usize,
    /// Where segments are read from that are in an archive only. Without it, they cannot be read.
    pub archive: Option<Arc<dyn ArchiveReader>>,
    /// Keys of files that are encrypted at rest, and whether new ones are. Default `None`: new files are in clear,
    /// and a log with encrypted ones does not open.
    pub keys: Option<StorageKeys>,
    /// The clock; default the system's.
    pub clock: Clock,
    /// Salts; default the operating system's random numbers.
    pub salt: Salt,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            segment_bytes: 64 << 20,
            reserve_step_bytes: 1 << 20,
            group_bytes_max: 8 << 20,
            waiting_bytes_max: 256 << 20,
            open_files_max: 64,
            index_fan_in: 8,
            raw_segments: Some(4),
            block_cache_bytes: 64 << 20,
            archive: None,
            keys: None,
            clock: Arc::new(system_time),
            salt: Arc::new(random_salt),
        }
    }
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options")
            .field("segment_bytes", &self.segment_bytes)
            .field("reserve_step_bytes", &self.reserve_step_bytes)
            .field("group_bytes_max", &self.group_bytes_max)
            .field("waiting_bytes_max", &self.waiting_bytes_max)
            .field("open_files_max", &self.open_files_max)
            .field("index_fan_in", &self.index_fan_in)
            .field("raw_segments", &self.raw_segments)
            .field("block_cache_bytes", &self.block_cache_bytes)
            .field("archive", &self.archive)
            .field("keys", &self.keys)
            .finish_non_exhaustive()
    }
}

impl Options {
    pub(crate) fn vault(&self) -> vault::Settings {
        let unveiled = |archive| Arc::new(Unveiled::new(archive, self.keys.clone())) as _;
        vault::Settings {
            cache_bytes: self.block_cache_bytes,
            raw_segments: self.raw_segments,
            archive: self.archive.clone().map(unveiled),
        }
    }

    pub(crate) const fn sizes(&self) -> Sizes {
        Sizes { segment_bytes: self.segment_bytes, step_bytes: self.reserve_step_bytes }
    }
}

fn system_time() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_micros(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
}

fn random_salt() -> std::io::Result<u32> {
    getrandom::u32().map_err(|_| std::io::Error::other("the operating system gave no random bytes"))
}
