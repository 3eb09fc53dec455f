//! How the log finds events: by position, by stream and version, by event id.
//!
//! The segment that is being written is indexed in memory ([`recent`]). When it is sealed, its index is
//! written to a file, a **run**, and runs of neighbouring segments are merged, eight into one, so that there
//! are few of them however long the log is. Everything in a run follows from the segments: one that is
//! missing or damaged is made again, never believed.
//!
//! A run is `{first position, 20 digits}-{position after the last, 20 digits}.idx`. All numbers are little
//! endian. Sections follow each other without gaps, in this order.
//!
//! ```text
//! header     0 magic "LLIDX\x01\r\n"      8 format u32 = 1    12 header bytes u32 = 512
//!           16 organization 16 bytes      32 base position u64
//!           40 next position u64          48 binding u32       52 sections u32 = 10
//!           56 for each section: offset u64 | bytes u64 | CRC32C u32 (0 for sections of blocks)
//!          256 zeros                     508 CRC32C of bytes 0..508
//!
//! segments   one entry for each segment (read at opening):
//!            base position u64 | next position u64 | frames u64 | end offset u64 |
//!            last recorded at i64 µs | salt u32 | epoch u32 | chain u32
//!            (`binding` in the header is the CRC32C of this section)
//! places     blocks of: position u64 | offset u64, of a frame in every 16 KiB, and the first of a segment
//! ids        blocks of: fingerprint u64 | position u32, ascending
//! positions  blocks of: position u32; of one stream after the other, in order of version
//! streams    blocks of: name bytes + 1 u16 | name | hash u64 | first version u64 |
//!            first entry in positions u32 | entries u32; ascending by hash and name; name bytes 0: the
//!            block ends
//! fences     position of the first place, fingerprint of the first id, hash of the first stream of each
//!            block: three sections of u64 (read at opening)
//! filters    of fingerprints and of stream hashes: two sections, see [`filter`] (read at opening)
//!
//! block      content, at most 4,092 bytes | CRC32C over binding u32, section u32, block number u64, content
//! ```
//!
//! Positions of 32 bits are relative to the run's base position. All blocks of a section have the same
//! length, except that the last may be shorter.

pub(crate) mod block;
pub(crate) mod filter;
pub(crate) mod hash;
pub(crate) mod ids;
pub(crate) mod layout;
pub(crate) mod merge;
pub(crate) mod recent;
pub(crate) mod run;
pub(crate) mod runs;
pub(crate) mod sealed;
pub(crate) mod streams;
pub(crate) mod write;

#[cfg(test)]
mod tests;

use std::fmt;
use std::io;

use crate::vault::Damage;

/// An index file cannot answer.
#[derive(Debug)]
pub(crate) enum IndexError {
    /// Its bytes are not what was written.
    Damaged {
        /// The file's name.
        file: String,
        /// What is wrong.
        reason: &'static str,
    },
    /// Input or output failed.
    Io(io::Error),
}

impl fmt::Display for IndexError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Damaged { file, reason } => write!(f, "{file}: {reason}"),
            Self::Io(error) => error.fmt(f),
        }
    }
}

impl From<io::Error> for IndexError {
    fn from(error: io::Error) -> Self {
        match Damage::of(&error) {
            // What is damaged in a file before it is read as an index.
            Some(Damage { file, .. }) => {
                let reason = "the head of the encrypted file is damaged";
                Self::Damaged { file: file.clone(), reason }
            }
            None => Self::Io(error),
        }
    }
}
