//! Segments: the files of the embedded log.
//!
//! A log is a directory of segments `{first position, 20 digits}.seg`. All numbers are little endian.
//!
//! ```text
//! segment   header 512 | frame | frame | … | seal frame       (sealed)
//!           header 512 | frame | frame | … | zeros            (the last one, being written)
//!
//! header     0 magic "LLSEG\x01\r\n"      8 format u32 = 1    12 header bytes u32 = 512
//!           16 organization 16 bytes      32 base position u64
//!           40 salt u32                   44 epoch u32         48 created i64 µs
//!           56 zeros                     508 CRC32C of bytes 0..508
//!
//! frame      0 bytes u32, whole frame, a multiple of 8
//!            4 CRC32C u32 of everything after itself
//!            8 salt u32 of the segment
//!           12 kind u8 (1 events, 2 seal, 3 mark)   13 zero u8   14 count u16 of events
//!           16 epoch u32 of the writer (one more at every opening)
//!           20 group u32: distance back to the first byte of the write this frame was part of
//!           24 base position u64: of the first event; without events, of the next one
//!           32 recorded at i64 µs
//!           40 body bytes u32             44 zeros
//!           48 body | zeros | bytes u32 again
//!
//! body       events: the records of one append, see [`record`]
//!            seal:   first position u64 | next position u64 | frames u64 | chain u32
//!                    (chain = CRC32C over the CRCs of all frames before it)
//!            mark:   empty; everything before it was durable when it was written
//! ```
//!
//! One append is one frame: it is in the log whole or not at all. Several appends may be one write and one
//! sync (a group). `group` is what tells a torn last write from damage: when a frame is bad and a later
//! one is good, the later one's write began either at or before the bad place (then both were one
//! unfinished write, never acknowledged) or behind it (then the bad place was durable once, and the log
//! refuses to open). A mark at every opening and closing closes the window in which damage to the very
//! last write cannot be told from a tear.

pub(crate) mod cursor;
pub(crate) mod frame;
pub(crate) mod header;
pub(crate) mod record;
pub(crate) mod recovery;
pub(crate) mod writer;

use std::io;
use std::sync::Arc;

use crate::disk::DiskFile;
use crate::disk::files::OpenFiles;
use crate::fault::Faults;

/// A segment that can be read.
#[derive(Clone, Debug)]
pub(crate) struct Segment {
    /// Its file name.
    pub(crate) name: String,
    /// Position of its first event.
    pub(crate) base_position: u64,
    /// Bound into every frame.
    pub(crate) salt: u32,
    /// Where its file is opened when it is read.
    pub(crate) files: Arc<OpenFiles>,
    pub(crate) faults: Faults,
}

impl Segment {
    /// Its file, opened if it is not.
    pub(crate) fn file(&self) -> io::Result<Arc<dyn DiskFile>> {
        self.files.get(&self.name)
    }
}

/// The name of the segment that begins with this position.
pub(crate) fn file_name(base_position: u64) -> String {
    format!("{base_position:020}.seg")
}

/// The position in a segment's name.
pub(crate) fn base_position_of(name: &str) -> Option<u64> {
    let digits = name.strip_suffix(".seg")?;
    let plain = digits.len() == 20 && digits.bytes().all(|byte| byte.is_ascii_digit());
    plain.then(|| digits.parse().ok()).flatten()
}

/// Bytes taken from the front of a slice.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bytes<'a>(pub(crate) &'a [u8]);

impl<'a> Bytes<'a> {
    pub(crate) fn take(&mut self, bytes: usize) -> Option<&'a [u8]> {
        let (head, tail) = self.0.split_at_checked(bytes)?;
        self.0 = tail;
        Some(head)
    }

    pub(crate) fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (head, tail) = self.0.split_first_chunk::<N>()?;
        self.0 = tail;
        Some(*head)
    }

    pub(crate) fn u8(&mut self) -> Option<u8> {
        self.array::<1>().map(|[byte]| byte)
    }

    pub(crate) fn u16(&mut self) -> Option<u16> {
        self.array().map(u16::from_le_bytes)
    }

    pub(crate) fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_le_bytes)
    }

    pub(crate) fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_le_bytes)
    }

    pub(crate) fn i64(&mut self) -> Option<i64> {
        self.array().map(i64::from_le_bytes)
    }
}

#[cfg(test)]
mod tests;
