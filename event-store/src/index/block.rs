//! Sections of blocks: how they are written and how a block proves that it is the one that was meant.

use std::io;
use std::sync::Arc;

use super::layout::Section;
use crate::disk::DiskFile;

/// Most bytes of entries in a block.
pub(crate) const CONTENT_BYTES: usize = 4_092;
/// Length of the checksum behind them.
pub(crate) const CRC_BYTES: usize = 4;
/// Written at a time.
const WRITE_BYTES: usize = 256 << 10;
/// What is written is made durable in steps of this, so that the log's own syncs do not wait behind one
/// long one.
const SYNC_BYTES: u64 = 8 << 20;

/// Length of full blocks with entries of one length.
pub(crate) const fn block_bytes(entry_bytes: usize) -> usize {
    CONTENT_BYTES / entry_bytes * entry_bytes + CRC_BYTES
}

/// Bytes of a section with so many entries of one length.
pub(crate) const fn section_bytes(entries: u64, entry_bytes: usize) -> u64 {
    let per_block = (CONTENT_BYTES / entry_bytes) as u64;
    entries * entry_bytes as u64 + entries.div_ceil(per_block) * CRC_BYTES as u64
}

/// The checksum of a block.
pub(crate) fn crc(binding: u32, section: Section, number: u64, content: &[u8]) -> u32 {
    let mut crc = crc32c::crc32c(&binding.to_le_bytes());
    crc = crc32c::crc32c_append(crc, &(section as u32).to_le_bytes());
    crc = crc32c::crc32c_append(crc, &number.to_le_bytes());
    crc32c::crc32c_append(crc, content)
}

/// The content of a block; `None` when it is not the block that was written there.
pub(crate) fn content(
    binding: u32,
    section: Section,
    number: u64,
    block: &[u8],
    believe: bool,
) -> Option<&[u8]> {
    let (content, stored) = block.split_last_chunk::<CRC_BYTES>()?;
    let good = believe || crc(binding, section, number, content) == u32::from_le_bytes(*stored);
    good.then_some(content)
}

/// Writes one section after another into its part of a file.
#[derive(Debug)]
pub(crate) struct SectionWriter {
    file: Arc<dyn DiskFile>,
    binding: u32,
    section: Section,
    /// Offset of the first byte in `buffer`.
    offset: u64,
    buffer: Vec<u8>,
    /// Where the open block begins in `buffer`.
    block_at: usize,
    number: u64,
    unsynced: u64,
}

impl SectionWriter {
    pub(crate) fn new(
        file: Arc<dyn DiskFile>,
        binding: u32,
        section: Section,
        offset: u64,
    ) -> Self {
        Self {
            file,
            binding,
            section,
            offset,
            buffer: Vec::new(),
            block_at: 0,
            number: 0,
            unsynced: 0,
        }
    }

    /// Adds an entry; whether it is the first of a block. A block that is closed before its content is
    /// full is filled with zeros when `fill` is set.
    pub(crate) fn push(&mut self, entry: &[u8], fill: bool) -> io::Result<bool> {
        if self.buffer.len() - self.block_at + entry.len() > CONTENT_BYTES {
            if fill {
                self.buffer.resize(self.block_at + CONTENT_BYTES, 0);
            }
            self.close_block()?;
        }
        let first = self.buffer.len() == self.block_at;
        self.buffer.extend_from_slice(entry);
        Ok(first)
    }

    fn close_block(&mut self) -> io::Result<()> {
        let content = self.buffer.get(self.block_at..).unwrap_or_default();
        let crc = crc(self.binding, self.section, self.number, content);
        self.buffer.extend_from_slice(&crc.to_le_bytes());
        self.block_at = self.buffer.len();
        self.number += 1;
        if self.buffer.len() >= WRITE_BYTES { self.write() } else { Ok(()) }
    }

    fn write(&mut self) -> io::Result<()> {
        if self.buffer.is_empty() {
            return Ok(());
        }
        self.file.write_at(&self.buffer, self.offset)?;
        self.offset += self.buffer.len() as u64;
        self.unsynced += self.buffer.len() as u64;
        self.buffer.clear();
        self.block_at = 0;
        if self.unsynced >= SYNC_BYTES {
            self.unsynced = 0;
            self.file.sync_data()?;
        }
        Ok(())
    }

    /// Closes the section; the offset behind it.
    pub(crate) fn finish(mut self) -> io::Result<u64> {
        if self.buffer.len() > self.block_at {
            self.close_block()?;
        }
        self.write()?;
        Ok(self.offset)
    }
}
