//! An encrypted file that reads and writes as one in clear.

use std::io;
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

use super::edge::Edge;
use super::xts::{BLOCK_BYTES, Xts};
use crate::crypt::at_rest::log_head::{HEAD_BYTES, Head, LogKeys};
use crate::disk::DiskFile;
use crate::fault::Faults;

const BLOCK: u64 = BLOCK_BYTES as u64;
/// Where the content begins in the file.
pub(super) const BEGIN: u64 = HEAD_BYTES as u64;
/// Zeros behind the content: with them every block that holds a byte of it is whole, whatever its length, and the
/// length of the content follows from that of the file.
pub(super) const BEHIND: u64 = BLOCK;

type Block = [u8; BLOCK_BYTES];

/// What all handles of an open file share.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) head: Head,
    pub(super) xts: Xts,
    /// Where the last write ended inside a block: the block's offset and its bytes. Held while writing.
    ended: Mutex<Option<(u64, Block)>>,
    edge: Edge,
}

impl Shared {
    pub(super) fn new(head: Head, keys: &LogKeys) -> Self {
        let (ended, edge) = (Mutex::default(), Edge::default());
        Self { head, xts: Xts::new(keys), ended, edge }
    }
}

/// A handle of an encrypted file.
#[derive(Debug)]
pub(super) struct VeiledFile {
    pub(super) stored: Arc<dyn DiskFile>,
    pub(super) shared: Arc<Shared>,
    pub(super) faults: Faults,
}

/// The whole blocks that hold these bytes.
pub(super) const fn around(bytes: &Range<u64>) -> Range<u64> {
    bytes.start / BLOCK * BLOCK..bytes.end.next_multiple_of(BLOCK)
}

fn bytes(range: &Range<u64>) -> usize {
    usize::try_from(range.end - range.start).unwrap_or(usize::MAX)
}

impl VeiledFile {
    /// Reads stored blocks from `at` on; how many bytes the file has of them.
    fn fetch(&self, blocks: &mut [u8], at: u64) -> io::Result<usize> {
        loop {
            let (edge, lowered) = self.shared.edge.look();
            let free = usize::try_from(edge.saturating_sub(at)).unwrap_or(usize::MAX);
            let (before, behind) = blocks.split_at_mut(free.min(blocks.len()));
            let mut read = 0;
            if !before.is_empty() {
                read = self.stored.read_at(before, BEGIN + at)?;
            }
            if read == before.len() && !behind.is_empty() {
                let _reading = self.shared.edge.reading();
                read += self.stored.read_at(behind, BEGIN + at + read as u64)?;
            }
            if self.shared.edge.held(lowered) {
                return Ok(read);
            }
        }
    }

    /// Reads and decrypts whole blocks into `blocks`; what the file does not have stays as it is.
    fn read_blocks(&self, blocks: &mut [u8], at: u64) -> io::Result<usize> {
        let read = self.fetch(blocks, at)? / BLOCK_BYTES * BLOCK_BYTES;
        self.shared.xts.decrypt(at / BLOCK, blocks.get_mut(..read).unwrap_or_default());
        Ok(read)
    }

    /// The bytes of a block; those behind the end are zeros.
    fn block(&self, at: u64, ended: Option<(u64, Block)>) -> io::Result<Block> {
        let mut block = [0; BLOCK_BYTES];
        match ended {
            Some((known, bytes)) if known == at => return Ok(bytes),
            _ if self.faults.shared_block_forgotten() => {}
            // Nobody else writes now.
            _ => match self.stored.read_at(&mut block, BEGIN + at)? {
                BLOCK_BYTES => self.shared.xts.decrypt(at / BLOCK, &mut block),
                _ => block.fill(0),
            },
        }
        Ok(block)
    }

    fn write(&self, bytes: &[u8], offset: u64, ended: &mut Option<(u64, Block)>) -> io::Result<()> {
        let end = offset + bytes.len() as u64;
        let length = self.len()?;
        let blocks = around(&(offset..end));
        let last_at = blocks.end.saturating_sub(BLOCK);
        let known = ended.take();
        let before = usize::try_from(offset - blocks.start).unwrap_or(0);
        let whole = usize::try_from(blocks.end - blocks.start).unwrap_or(usize::MAX);
        let mut stored = Vec::with_capacity(whole + BLOCK_BYTES);
        if before > 0 {
            let first = self.block(blocks.start, known)?;
            stored.extend_from_slice(first.get(..before).unwrap_or_default());
        }
        stored.extend_from_slice(bytes);
        if end < blocks.end {
            let last = if end < length { self.block(last_at, known)? } else { [0; BLOCK_BYTES] };
            let from = usize::try_from(end - last_at).unwrap_or(0);
            stored.extend_from_slice(last.get(from..).unwrap_or_default());
        }
        let next = stored.last_chunk().filter(|_| end < blocks.end).map(|last| (last_at, *last));
        self.shared.xts.encrypt(blocks.start / BLOCK, &mut stored);
        if end > length {
            // The zeros behind the content.
            let until = usize::try_from(end + BEHIND - blocks.start).unwrap_or(usize::MAX);
            stored.resize(until, 0);
        }
        let shares_last = end < blocks.end && end < length;
        let _alone = if before > 0 {
            Some(self.shared.edge.rewrite(blocks.start))
        } else {
            shares_last.then(|| self.shared.edge.rewrite(last_at))
        };
        self.stored.write_at(&stored, BEGIN + blocks.start)?;
        self.shared.edge.written(end / BLOCK * BLOCK);
        *ended = next;
        Ok(())
    }

    /// Zeros on the disk read as zeros, so they are written as they are; only of a block that is reserved in part
    /// the rest has to stay.
    fn take_space(
        &self,
        offset: u64,
        bytes: u64,
        take: impl FnOnce(u64, u64) -> io::Result<()>,
    ) -> io::Result<()> {
        static ZEROS: Block = [0; BLOCK_BYTES];
        let mut ended = self.shared.ended.lock().unwrap_or_else(PoisonError::into_inner);
        let (end, length) = (offset + bytes, self.len()?);
        let from = offset.next_multiple_of(BLOCK);
        let until = if end < length { end / BLOCK * BLOCK } else { end + BEHIND };
        *ended = None;
        if from < until {
            take(BEGIN + from, until - from)?;
        }
        let zeros = |from: u64, until: u64| {
            let count = usize::try_from(until.saturating_sub(from)).unwrap_or(0);
            ZEROS.get(..count).unwrap_or_default()
        };
        let part = zeros(offset, from.min(end));
        if !part.is_empty() && offset < length {
            self.write(part, offset, &mut ended)?;
        }
        let part = zeros(until.max(offset), end);
        if end < length && from <= until && !part.is_empty() {
            self.write(part, until, &mut ended)?;
        }
        Ok(())
    }
}

impl DiskFile for VeiledFile {
    fn len(&self) -> io::Result<u64> {
        Ok(self.stored.len()?.saturating_sub(BEGIN + BEHIND))
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let end = offset.saturating_add(buffer.len() as u64).min(self.len()?);
        if end <= offset {
            return Ok(0);
        }
        let wanted = offset..end;
        let buffer = buffer.get_mut(..bytes(&wanted)).unwrap_or_default();
        let blocks = around(&wanted);
        if blocks == wanted {
            return self.read_blocks(buffer, offset);
        }
        let mut whole = vec![0; bytes(&blocks)];
        let read = self.read_blocks(&mut whole, blocks.start)?;
        let skipped = bytes(&(blocks.start..offset));
        let got = whole.get(skipped..read).unwrap_or_default();
        let got = got.get(..buffer.len()).unwrap_or(got);
        buffer.get_mut(..got.len()).unwrap_or_default().copy_from_slice(got);
        Ok(got.len())
    }

    fn will_read(&self) {
        self.stored.will_read();
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        if bytes.is_empty() {
            return Ok(());
        }
        let mut ended = self.shared.ended.lock().unwrap_or_else(PoisonError::into_inner);
        self.write(bytes, offset, &mut ended)
    }

    fn allocate(&self, offset: u64, bytes: u64) -> io::Result<()> {
        self.take_space(offset, bytes, |from, bytes| self.stored.allocate(from, bytes))
    }

    fn reserve(&self, offset: u64, bytes: u64) -> io::Result<()> {
        self.take_space(offset, bytes, |from, bytes| self.stored.reserve(from, bytes))
    }

    fn sync_data(&self) -> io::Result<()> {
        self.stored.sync_data()?;
        if self.faults.head_after_sync() {
            self.stored.write_at(&self.shared.head, 0)?;
        }
        Ok(())
    }

    fn is_encrypted(&self) -> bool {
        true
    }
}
