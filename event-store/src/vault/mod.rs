//! Where the segments of a log are: as they were written, packed, or in an archive.
//!
//! To everything above, a segment is the file `{first position}.seg`. [`Vault`] is the [`Disk`] that makes
//! it so: it shows a packed or archived segment under that name and with those bytes. Only segments that
//! are sealed are packed, and only packed ones are dropped for their copy in an archive.
//!
//! ```text
//! {first position, 20 digits}.seg    the segment as it was written
//!                            .segz   the segment packed
//!                            .segr   a stub: the segment is in the archive, see [`stub`]
//!                            .segz.tmp, .segr.tmp   unfinished; removed at opening
//!
//! packed    block | block | … | table | footer 256
//!
//! block     raw bytes of the segment file, 256 KiB (the last one: what is left), one zstd frame
//!
//! table     an entry of 48 bytes a block
//!            0 offset u64        8 bytes u32      12 CRC32C of the stored block u32
//!           16 SHA-256 of the stored block 32
//!
//! footer     0 magic "LLPACK\r\n"                   8 format u32 = 1      12 footer bytes u32 = 256
//!           16 organization 16 bytes               32 base position u64   40 next position u64
//!           48 raw bytes u64, whole segment file   56 offset of the table u64
//!           64 raw bytes of a block u32            68 blocks u32
//!           72 frames u64     80 chain u32         84 salt u32            88 epoch u32
//!           92 flags u32 (1 sealed)                96 first recorded at i64 µs
//!          104 last recorded at i64 µs            112 key id 16 (zeros: frames are not encrypted)
//!          128 SHA-256 of the segment file 32     160 CRC32C of the table u32
//!          164 zeros                              252 CRC32C of bytes 0..252 of the footer
//! ```
//!
//! All numbers are little endian. A block is checked by CRC32C when it comes from the log's own disk, by
//! SHA-256 as well when it comes from an archive: the stub stays on the log's own disk, so an archive need
//! not be trusted. Frames are verified after that as always. A stub has both ends of its segment file, so
//! that a log opens without its archive; everything else of the segment is not readable then, and the error
//! names archive and segment.
//!
//! **Invariants**
//!
//! * At any time at least one whole form of a segment is durable. If there are several, the one nearest to
//!   how it was written counts, and opening removes the others.
//! * A form is removed only after the next one was written, synced, read back whole and given its name
//!   durably; a segment file only if every frame in it is good.

mod cache;
pub(crate) mod contents;
pub(crate) mod disk;
pub(crate) mod file;
mod handle;
mod keeper;
pub(crate) mod layout;
mod pack;
mod stub;

use std::fmt;
use std::io;
use std::ops::Range;

pub(crate) use disk::{Form, Settings, Vault};
pub(crate) use keeper::Keeper;
pub(crate) use pack::{Packed, pack, pack_unsealed, unpack, unpack_all};
pub(crate) use stub::{Ends, Stub};

/// Where archived segments are read from.
///
/// Called from any thread, async ones included; blocks until it has the answer.
pub trait ArchiveReader: fmt::Debug + Send + Sync + 'static {
    /// Bytes of an object in a range that lies within it.
    ///
    /// # Errors
    /// [`io::Error`]; [`io::ErrorKind::NotFound`] when there is no such object.
    fn read(&self, object: &str, range: Range<u64>) -> io::Result<Vec<u8>>;

    /// What the archive is called in messages; no secrets.
    fn name(&self) -> String {
        "the archive".to_owned()
    }
}

/// Stored bytes are not as they must be. Travels inside an [`io::Error`], for what reads files without
/// knowing how they are kept.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{file}: {reason}")]
pub(crate) struct Damage {
    /// Name of the file.
    pub(crate) file: String,
    /// What is wrong with it.
    pub(crate) reason: String,
}

impl Damage {
    pub(crate) fn error(file: &str, reason: impl Into<String>) -> io::Error {
        let damage = Self { file: file.to_owned(), reason: reason.into() };
        io::Error::new(io::ErrorKind::InvalidData, damage)
    }

    /// The damage that an error is about.
    pub(crate) fn of(error: &io::Error) -> Option<&Self> {
        error.get_ref()?.downcast_ref()
    }
}

#[cfg(test)]
mod tests;
