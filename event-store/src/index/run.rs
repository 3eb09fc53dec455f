//! Reading a run: what is looked up often is in memory, the rest is read block by block, each verified.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use ledgerline_schemas::id::OrgId;

use super::IndexError;
use super::block;
use super::filter::Filter;
use super::layout::{HEADER_BYTES, RunHeader, Section, SegmentFacts, positions_of};
use crate::disk::files::OpenFiles;
use crate::fault::Faults;
use crate::segment::Bytes;

/// Longest section that is read at opening, bytes: a length above it is damage.
const LOADED_BYTES_MAX: u64 = 8 << 30;

/// An index of neighbouring sealed segments.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) name: String,
    pub(crate) header: RunHeader,
    /// Its segments, in order.
    pub(crate) facts: Vec<SegmentFacts>,
    place_fences: Vec<u64>,
    id_fences: Vec<u64>,
    stream_fences: Vec<u64>,
    id_filter: Filter,
    stream_filter: Filter,
    files: Arc<OpenFiles>,
    faults: Faults,
    /// Whether another run took its place: then its file goes with the last reader.
    replaced: AtomicBool,
}

/// What a run has of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct StreamPart {
    /// Version of the first event.
    pub(crate) first_version: u64,
    /// Entry of its position.
    pub(crate) first_entry: u32,
    /// How many events.
    pub(crate) count: u32,
}

impl StreamPart {
    /// The version that follows.
    pub(crate) fn next_version(self) -> u64 {
        self.first_version + u64::from(self.count)
    }
}

/// A stream as it is listed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Listed<'a> {
    pub(crate) name: &'a str,
    pub(crate) hash: u64,
    pub(crate) part: StreamPart,
}

impl Run {
    /// Opens a run and reads what is kept in memory.
    pub(crate) fn load(
        files: &Arc<OpenFiles>,
        name: &str,
        org_id: OrgId,
        faults: Faults,
    ) -> Result<Self, IndexError> {
        let believe = faults.index_without_crc();
        let damaged = |reason| IndexError::Damaged { file: name.to_owned(), reason };
        let file = files.get(name)?;
        let mut bytes = [0; HEADER_BYTES];
        let read = file.read_at(&mut bytes, 0)?;
        let header =
            RunHeader::decode(bytes.get(..read).unwrap_or_default(), believe).map_err(damaged)?;
        if positions_of(name) != Some((header.base, header.next)) || header.base >= header.next {
            return Err(damaged("the file name is not the positions in the header"));
        }
        if header.org_id != org_id {
            return Err(damaged("it belongs to another organization"));
        }
        if header.next - header.base > u64::from(u32::MAX) {
            return Err(damaged("it has more positions than an index can have"));
        }
        let load = |section: Section| -> Result<Vec<u8>, IndexError> {
            let extent = header.section(section);
            if extent.bytes > LOADED_BYTES_MAX {
                return Err(damaged("a section is impossibly long"));
            }
            if extent.offset.saturating_add(extent.bytes) > file.len()? {
                return Err(damaged("the file is shorter than its sections"));
            }
            let mut bytes = vec![0; usize::try_from(extent.bytes).unwrap_or(usize::MAX)];
            let read = file.read_at(&mut bytes, extent.offset)?;
            if read < bytes.len() || (!believe && crc32c::crc32c(&bytes) != extent.crc) {
                return Err(damaged("a section's checksum does not match"));
            }
            Ok(bytes)
        };
        let segments = load(Section::Segments)?;
        if !believe && crc32c::crc32c(&segments) != header.binding {
            return Err(damaged("the header is not of these segments"));
        }
        let facts = SegmentFacts::decode_all(&segments, header.base, header.next)
            .ok_or_else(|| damaged("its segments do not follow each other"))?;
        let fences = |section| -> Result<Vec<u64>, IndexError> {
            let bytes = load(section)?;
            let (words, _) = bytes.as_chunks::<8>();
            Ok(words.iter().map(|word| u64::from_le_bytes(*word)).collect())
        };
        let filter = |section| {
            let bytes = load(section)?;
            Filter::decode(&bytes).ok_or_else(|| damaged("a filter has an impossible length"))
        };
        Ok(Self {
            name: name.to_owned(),
            place_fences: fences(Section::PlaceFences)?,
            id_fences: fences(Section::IdFences)?,
            stream_fences: fences(Section::StreamFences)?,
            id_filter: filter(Section::IdFilter)?,
            stream_filter: filter(Section::StreamFilter)?,
            header,
            facts,
            files: Arc::clone(files),
            faults,
            replaced: AtomicBool::new(false),
        })
    }

    pub(crate) const fn base(&self) -> u64 {
        self.header.base
    }

    pub(crate) const fn next(&self) -> u64 {
        self.header.next
    }

    /// Entries of a section whose entries have one length.
    pub(crate) fn entries(&self, section: Section) -> u64 {
        let (bytes, block) = (self.header.section(section).bytes, section.block_bytes() as u64);
        let rest = (bytes % block).saturating_sub(block::CRC_BYTES as u64);
        bytes / block * section.per_block() as u64 + rest / section.entry_bytes() as u64
    }

    /// Streams, or more: what the filter was made for.
    pub(crate) fn streams_max(&self) -> u64 {
        self.stream_filter.keys_max()
    }

    /// Bytes in memory.
    #[cfg(test)]
    pub(crate) fn memory_bytes(&self) -> u64 {
        let fences = self.place_fences.len() + self.id_fences.len() + self.stream_fences.len();
        let facts = self.facts.len() * size_of::<SegmentFacts>();
        (fences * 8 + facts) as u64 + self.id_filter.bytes() + self.stream_filter.bytes()
    }

    /// Removes the file once nobody reads it any more.
    pub(crate) fn replace(&self) {
        self.replaced.store(true, Ordering::Relaxed);
    }

    pub(crate) fn damaged(&self, reason: &'static str) -> IndexError {
        IndexError::Damaged { file: self.name.clone(), reason }
    }

    /// The content of one block.
    fn block(&self, section: Section, number: u64) -> Result<Vec<u8>, IndexError> {
        let mut bytes = self.blocks(section, number, 1)?;
        let length = self.check(section, number, &bytes)?.len();
        bytes.truncate(length);
        Ok(bytes)
    }

    /// Neighbouring blocks as they are stored, unverified.
    pub(crate) fn blocks(
        &self,
        section: Section,
        number: u64,
        count: u64,
    ) -> Result<Vec<u8>, IndexError> {
        let extent = self.header.section(section);
        let length = section.block_bytes() as u64;
        let from = number.saturating_mul(length);
        let bytes = extent.bytes.saturating_sub(from).min(length.saturating_mul(count));
        let mut bytes = vec![0; usize::try_from(bytes).unwrap_or(0)];
        let read = self.files.get(&self.name)?.read_at(&mut bytes, extent.offset + from)?;
        bytes.truncate(read);
        Ok(bytes)
    }

    /// The content of a block that was read.
    pub(crate) fn check<'a>(
        &self,
        section: Section,
        number: u64,
        block: &'a [u8],
    ) -> Result<&'a [u8], IndexError> {
        let believe = self.faults.index_without_crc();
        block::content(self.header.binding, section, number, block, believe)
            .ok_or_else(|| self.damaged("a block's checksum does not match"))
    }

    /// The last noted frame that begins at or before a position of this run, with its offset.
    pub(crate) fn place(&self, position: u64) -> Result<(u64, u64), IndexError> {
        let missing = || self.damaged("it has no place for a position");
        let after = self.place_fences.partition_point(|first| *first <= position);
        let number = after.checked_sub(1).ok_or_else(missing)?;
        let block = self.block(Section::Places, number as u64)?;
        let (entries, _) = block.as_chunks::<16>();
        let place = |entry: &[u8; 16]| {
            let mut entry = Bytes(entry);
            (entry.u64().unwrap_or(0), entry.u64().unwrap_or(0))
        };
        let after = entries.partition_point(|entry| place(entry).0 <= position);
        after.checked_sub(1).and_then(|at| entries.get(at)).map(place).ok_or_else(missing)
    }

    /// Adds the positions that may hold an id with this fingerprint.
    pub(crate) fn ids(&self, print: u64, found: &mut Vec<u64>) -> Result<(), IndexError> {
        if !self.id_filter.may_hold(print) {
            return Ok(());
        }
        // A fingerprint that occurs twice may lie across blocks.
        let mut number = self.id_fences.partition_point(|first| *first < print).saturating_sub(1);
        while self.id_fences.get(number).is_some_and(|first| *first <= print) {
            let block = self.block(Section::Ids, number as u64)?;
            let (entries, _) = block.as_chunks::<12>();
            let decode = |entry: &[u8; 12]| {
                let mut entry = Bytes(entry);
                (entry.u64().unwrap_or(0), entry.u32().unwrap_or(0))
            };
            let from = entries.partition_point(|entry| decode(entry).0 < print);
            let same = entries.iter().skip(from).map(decode).take_while(|(it, _)| *it == print);
            found.extend(same.map(|(_, relative)| self.base() + u64::from(relative)));
            number += 1;
        }
        Ok(())
    }

    /// What it has of a stream.
    pub(crate) fn stream(&self, hash: u64, name: &str) -> Result<Option<StreamPart>, IndexError> {
        if !self.stream_filter.may_hold(hash) {
            return Ok(None);
        }
        let mut number =
            self.stream_fences.partition_point(|first| *first < hash).saturating_sub(1);
        while self.stream_fences.get(number).is_some_and(|first| *first <= hash) {
            let block = self.block(Section::Streams, number as u64)?;
            let mut listed = Streams(Bytes(&block));
            while let Some(stream) = listed.next().map_err(|reason| self.damaged(reason))? {
                if stream.hash == hash && stream.name == name {
                    return Ok(Some(stream.part));
                }
                if stream.hash > hash {
                    return Ok(None);
                }
            }
            number += 1;
        }
        Ok(None)
    }

    /// Positions of a stream's events, from the `skip`th on, at most `max`, in order of version.
    pub(crate) fn positions(
        &self,
        part: StreamPart,
        skip: u64,
        max: usize,
    ) -> Result<Vec<u64>, IndexError> {
        let per_block = Section::Positions.per_block() as u64;
        let left = u64::from(part.count).saturating_sub(skip).min(max as u64);
        let from = u64::from(part.first_entry).saturating_add(skip);
        let until = from.saturating_add(left);
        let mut positions = Vec::with_capacity(usize::try_from(left).unwrap_or(0));
        let mut entry = from;
        while entry < until {
            let number = entry / per_block;
            let block = self.block(Section::Positions, number)?;
            let (entries, _) = block.as_chunks::<4>();
            let end = until.min((number + 1) * per_block);
            let range = usize::try_from(entry % per_block).unwrap_or(0)
                ..usize::try_from(end - number * per_block).unwrap_or(0);
            let some = entries
                .get(range)
                .ok_or_else(|| self.damaged("a stream's positions pass the end"))?;
            positions
                .extend(some.iter().map(|it| self.base() + u64::from(u32::from_le_bytes(*it))));
            entry = end;
        }
        Ok(positions)
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        if self.replaced.load(Ordering::Relaxed) {
            self.files.forget(&self.name);
            // It comes to light again at the next opening, and is removed then.
            let _ = self.files.disk().remove(&self.name);
        }
    }
}

/// The streams of a block, in order.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Streams<'a>(pub(crate) Bytes<'a>);

impl<'a> Streams<'a> {
    /// The next stream; `None` at the end of the block.
    pub(crate) fn next(&mut self) -> Result<Option<Listed<'a>>, &'static str> {
        let rest = &mut self.0;
        let length = match rest.u16() {
            None | Some(0) => return Ok(None),
            Some(length) => usize::from(length) - 1,
        };
        let mut read = || {
            Some(Listed {
                name: std::str::from_utf8(rest.take(length)?).ok()?,
                hash: rest.u64()?,
                part: StreamPart {
                    first_version: rest.u64()?,
                    first_entry: rest.u32()?,
                    count: rest.u32()?,
                },
            })
        };
        read().map(Some).ok_or("a block holds something that is no stream")
    }
}
