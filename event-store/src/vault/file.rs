//! A packed segment that reads as the segment file it was made of.

use std::fmt;
use std::io;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::cache::BlockCache;
use super::layout::{Block, FOOTER_BYTES, Layout, sha256};
use super::{Damage, Ends, unpack};
use crate::disk::DiskFile;

/// Blocks fetched at a time, at most.
const RUN_BLOCKS: usize = 16;

/// Where the bytes of a packed file are.
pub(crate) trait Stored: fmt::Debug + Send + Sync + 'static {
    /// Its bytes in a range; fewer where it ends before.
    fn read(&self, range: Range<u64>) -> io::Result<Vec<u8>>;
    /// Whether it is elsewhere: asking is slow, and the answer is held against SHA-256.
    fn is_remote(&self) -> bool;
}

/// A packed file on the log's own disk.
#[derive(Debug)]
pub(crate) struct OnDisk(pub(crate) Arc<dyn DiskFile>);

impl Stored for OnDisk {
    fn read(&self, range: Range<u64>) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; usize::try_from(range.end - range.start).unwrap_or(0)];
        let read = self.0.read_at(&mut bytes, range.start)?;
        bytes.truncate(read);
        Ok(bytes)
    }

    fn is_remote(&self) -> bool {
        false
    }
}

/// A packed file in memory.
impl Stored for Vec<u8> {
    fn read(&self, range: Range<u64>) -> io::Result<Vec<u8>> {
        let at = |offset: u64| usize::try_from(offset).unwrap_or(usize::MAX).min(self.len());
        Ok(self.get(at(range.start)..at(range.end)).unwrap_or_default().to_vec())
    }

    fn is_remote(&self) -> bool {
        false
    }
}

/// Reads footer and block table from the end of a packed file.
pub(crate) fn read_layout(name: &str, stored: &dyn Stored, bytes: u64) -> io::Result<Layout> {
    let damaged = |reason: &'static str| Damage::error(name, reason);
    let from = |length: usize| bytes.checked_sub(length as u64);
    let footer_at = from(FOOTER_BYTES).ok_or_else(|| damaged("it is shorter than a footer"))?;
    let footer = stored.read(footer_at..bytes)?;
    let length = Layout::table_bytes(&footer).map_err(damaged)? + FOOTER_BYTES;
    let table_at = from(length).ok_or_else(|| damaged("it is shorter than its block table"))?;
    let layout = Layout::decode(&stored.read(table_at..bytes)?).map_err(damaged)?;
    if layout.packed_bytes() == bytes {
        Ok(layout)
    } else {
        Err(damaged("it is not as long as it says"))
    }
}

/// An open packed segment. Reading works as on the segment file, writing does not.
pub(crate) struct PackedFile {
    name: String,
    stored: Box<dyn Stored>,
    layout: Arc<Layout>,
    /// Of a segment that is elsewhere: what is read without asking there.
    ends: Option<Ends>,
    cache: Arc<BlockCache>,
    number: u64,
    /// The block that a reader who goes straight on asks for next.
    expected: AtomicUsize,
}

impl fmt::Debug for PackedFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PackedFile").field("name", &self.name).finish_non_exhaustive()
    }
}

impl PackedFile {
    pub(crate) fn new(
        name: String,
        stored: Box<dyn Stored>,
        layout: Arc<Layout>,
        cache: Arc<BlockCache>,
    ) -> Self {
        let (number, expected) = (cache.number(), AtomicUsize::new(usize::MAX));
        Self { name, stored, layout, ends: None, cache, number, expected }
    }

    /// The same, with both ends at hand.
    pub(crate) fn with_ends(self, ends: Option<Ends>) -> Self {
        Self { ends, ..self }
    }

    /// A block, unpacked; with it those up to `until`, if they are asked for anyway.
    fn block(&self, number: usize, until: usize) -> io::Result<Arc<[u8]>> {
        if let Some(block) = self.cache.get((self.number, number)) {
            return Ok(block);
        }
        let goes_on = self.expected.load(Ordering::Relaxed) == number;
        let ahead = if goes_on && self.stored.is_remote() { RUN_BLOCKS } else { 0 };
        let end = until.max(number + ahead).min(number + RUN_BLOCKS - 1) + 1;
        let end = end.min(self.layout.blocks.len());
        self.expected.store(end, Ordering::Relaxed);
        let blocks = self.layout.blocks.get(number..end).unwrap_or_default();
        let (Some(first), Some(last)) = (blocks.first(), blocks.last()) else {
            return Err(Damage::error(&self.name, format!("there is no block {number}")));
        };
        let stored = self.stored.read(first.offset..last.offset + u64::from(last.bytes))?;
        let mut wanted = None;
        for (block, at) in blocks.iter().zip(number..) {
            let start = usize::try_from(block.offset - first.offset).unwrap_or(usize::MAX);
            let bytes = stored.get(start..start.saturating_add(block.bytes as usize));
            let unpacked: Arc<[u8]> = self.unpacked(at, block, bytes.unwrap_or_default())?.into();
            self.cache.put((self.number, at), Arc::clone(&unpacked));
            wanted = wanted.or(Some(unpacked));
        }
        wanted.ok_or_else(|| Damage::error(&self.name, format!("there is no block {number}")))
    }

    fn unpacked(&self, number: usize, block: &Block, stored: &[u8]) -> io::Result<Vec<u8>> {
        let damaged = |reason: &str| Damage::error(&self.name, format!("block {number}: {reason}"));
        if stored.len() != block.bytes as usize {
            return Err(damaged("it is cut off"));
        }
        if crc32c::crc32c(stored) != block.crc {
            return Err(damaged("its checksum does not match"));
        }
        if self.stored.is_remote() && sha256(stored) != block.sha256 {
            return Err(damaged("its SHA-256 does not match"));
        }
        unpack(stored, self.layout.raw_len(number)).map_err(damaged)
    }
}

impl DiskFile for PackedFile {
    fn len(&self) -> io::Result<u64> {
        Ok(self.layout.facts.raw_bytes)
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let block_bytes = u64::from(self.layout.block_bytes);
        let end = offset.saturating_add(buffer.len() as u64).min(self.layout.facts.raw_bytes);
        let number = |at: u64| usize::try_from(at / block_bytes).unwrap_or(usize::MAX);
        let wanted = usize::try_from(end.saturating_sub(offset)).unwrap_or(usize::MAX);
        let at_hand = self.ends.as_ref().and_then(|ends| ends.bytes(offset, wanted));
        if let (Some(bytes), Some(place)) = (at_hand, buffer.get_mut(..wanted)) {
            place.copy_from_slice(bytes);
            return Ok(wanted);
        }
        let mut done = 0;
        while offset + (done as u64) < end {
            let at = offset + done as u64;
            let block = self.block(number(at), number(end - 1))?;
            let from = usize::try_from(at % block_bytes).unwrap_or(usize::MAX);
            let part = block.get(from..).unwrap_or_default();
            let length = part.len().min(buffer.len() - done);
            let place = buffer.get_mut(done..done + length);
            match (place, part.get(..length)) {
                (Some(place), Some(part)) if length > 0 => place.copy_from_slice(part),
                _ => return Err(Damage::error(&self.name, "a block is shorter than it says")),
            }
            done += length;
        }
        Ok(done)
    }

    fn write_at(&self, _: &[u8], _: u64) -> io::Result<()> {
        Err(io::Error::new(io::ErrorKind::Unsupported, "a packed segment is not written to"))
    }

    fn allocate(&self, _: u64, _: u64) -> io::Result<()> {
        Err(io::Error::new(io::ErrorKind::Unsupported, "a packed segment does not grow"))
    }

    /// It was durable before it got its name.
    fn sync_data(&self) -> io::Result<()> {
        Ok(())
    }
}
