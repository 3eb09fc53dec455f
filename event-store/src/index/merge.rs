//! Merging neighbouring runs into one, in one pass with little memory beside the new filters.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::Arc;

use super::IndexError;
use super::layout::{Section, SegmentFacts};
use super::run::{Run, StreamPart, Streams};
use super::write::{self, RunWriter, Subject};
use crate::disk::files::OpenFiles;
use crate::fault::Faults;
use crate::segment::Bytes;

/// Blocks read at a time.
const READ_BLOCKS: u64 = 32;
/// Entries between two looks at whether the work is still wanted.
const LOOK_EVERY: u64 = 1 << 16;

/// Reads a section from its beginning, block by block.
#[derive(Debug)]
struct Reading<'a> {
    run: &'a Run,
    section: Section,
    blocks: Vec<u8>,
    /// Number of the first block in `blocks`, and of the current one.
    first: u64,
    number: u64,
    /// Place in the current block's content.
    at: usize,
}

impl<'a> Reading<'a> {
    const fn new(run: &'a Run, section: Section) -> Self {
        Self { run, section, blocks: Vec::new(), first: 0, number: 0, at: 0 }
    }

    /// The rest of the current block, or of the next one; `None` at the end of the section.
    fn rest(&mut self) -> Result<Option<&[u8]>, IndexError> {
        let length = self.section.block_bytes();
        loop {
            let start = usize::try_from(self.number - self.first).unwrap_or(usize::MAX) * length;
            let end = (start + length).min(self.blocks.len());
            if start >= end {
                self.first = self.number;
                self.blocks = self.run.blocks(self.section, self.number, READ_BLOCKS)?;
                if self.blocks.is_empty() {
                    return Ok(None);
                }
                continue;
            }
            let block = self.blocks.get(start..end).unwrap_or_default();
            // Verified when it is entered.
            let content = if self.at == 0 {
                self.run.check(self.section, self.number, block)?
            } else {
                block.get(..block.len().saturating_sub(super::block::CRC_BYTES)).unwrap_or_default()
            };
            if self.at >= content.len() {
                self.number += 1;
                self.at = 0;
                continue;
            }
            let (from, to) = (start + self.at, start + content.len());
            return Ok(self.blocks.get(from..to));
        }
    }

    /// The next entry of a section whose entries have one length.
    fn entry<const N: usize>(&mut self) -> Result<Option<[u8; N]>, IndexError> {
        let Some(rest) = self.rest()? else { return Ok(None) };
        let Some(entry) = rest.first_chunk::<N>().copied() else {
            return Err(self.run.damaged("a block ends inside an entry"));
        };
        self.at += N;
        Ok(Some(entry))
    }

    fn id(&mut self) -> Result<Option<(u64, u32)>, IndexError> {
        Ok(self.entry::<12>()?.and_then(|entry| {
            let mut entry = Bytes(&entry);
            Some((entry.u64()?, entry.u32()?))
        }))
    }

    fn stream(&mut self) -> Result<Option<OwnedStream>, IndexError> {
        loop {
            let run = self.run;
            let Some(rest) = self.rest()? else { return Ok(None) };
            let mut streams = Streams(Bytes(rest));
            let before = rest.len();
            let listed = streams.next().map_err(|reason| run.damaged(reason))?;
            let Some(listed) = listed else {
                self.number += 1;
                self.at = 0;
                continue;
            };
            let stream =
                OwnedStream { hash: listed.hash, name: listed.name.to_owned(), part: listed.part };
            self.at += before - streams.0.0.len();
            return Ok(Some(stream));
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct OwnedStream {
    hash: u64,
    name: String,
    part: StreamPart,
}

/// Merges runs that follow each other. `wanted` is asked from time to time; when it says no, nothing is
/// left of the work and `false` is returned.
pub(crate) fn merge(
    files: &Arc<OpenFiles>,
    runs: &[Arc<Run>],
    faults: Faults,
    wanted: &dyn Fn() -> bool,
) -> Result<bool, IndexError> {
    let Some(first) = runs.first() else { return Ok(false) };
    let facts: Vec<SegmentFacts> = runs.iter().flat_map(|run| run.facts.iter().copied()).collect();
    let subject = Subject {
        org_id: first.header.org_id,
        facts,
        places: runs.iter().map(|run| run.entries(Section::Places)).sum(),
        // Many are in several runs: the new filter is roomier than it has to be.
        streams_max: runs.iter().map(|run| run.streams_max()).sum(),
    };
    let mut gave_up = false;
    let outcome = write::write(files, &subject, faults, |writer| {
        let mut watch = Watch { wanted, entries: 0 };
        places(runs, writer)?;
        let done = ids(runs, writer, &mut watch)? && streams(runs, writer, &mut watch)?;
        if done {
            return Ok(());
        }
        gave_up = true;
        Err(IndexError::Io(std::io::ErrorKind::Interrupted.into()))
    });
    match outcome {
        Err(_) if gave_up => Ok(false),
        outcome => outcome.map(|()| true),
    }
}

struct Watch<'a> {
    wanted: &'a dyn Fn() -> bool,
    entries: u64,
}

impl Watch<'_> {
    fn goes_on(&mut self) -> bool {
        self.entries += 1;
        !self.entries.is_multiple_of(LOOK_EVERY) || (self.wanted)()
    }
}

fn places(runs: &[Arc<Run>], writer: &mut RunWriter) -> Result<(), IndexError> {
    for run in runs {
        let mut places = Reading::new(run, Section::Places);
        while let Some(entry) = places.entry::<16>()? {
            let mut entry = Bytes(&entry);
            if let (Some(position), Some(offset)) = (entry.u64(), entry.u64()) {
                writer.place(position, offset)?;
            }
        }
    }
    Ok(())
}

/// How much the positions of each run are moved.
fn shifts(runs: &[Arc<Run>]) -> Result<Vec<u32>, IndexError> {
    let base = runs.first().map_or(0, |run| run.base());
    runs.iter()
        .map(|run| {
            u32::try_from(run.base() - base)
                .map_err(|_| run.damaged("it is too far from the first to be merged with it"))
        })
        .collect()
}

fn ids(
    runs: &[Arc<Run>],
    writer: &mut RunWriter,
    watch: &mut Watch<'_>,
) -> Result<bool, IndexError> {
    let shifts = shifts(runs)?;
    let mut readings: Vec<Reading<'_>> =
        runs.iter().map(|run| Reading::new(run, Section::Ids)).collect();
    let mut heap = BinaryHeap::new();
    for (number, reading) in readings.iter_mut().enumerate() {
        heap.extend(reading.id()?.map(|(print, relative)| Reverse((print, number, relative))));
    }
    while let Some(Reverse((print, number, relative))) = heap.pop() {
        let shift = shifts.get(number).copied().unwrap_or(0);
        writer.id(print, relative.saturating_add(shift))?;
        if let Some(reading) = readings.get_mut(number) {
            heap.extend(reading.id()?.map(|(print, relative)| Reverse((print, number, relative))));
        }
        if !watch.goes_on() {
            return Ok(false);
        }
    }
    Ok(true)
}

fn streams(
    runs: &[Arc<Run>],
    writer: &mut RunWriter,
    watch: &mut Watch<'_>,
) -> Result<bool, IndexError> {
    let shifts = shifts(runs)?;
    let mut listed: Vec<Reading<'_>> =
        runs.iter().map(|run| Reading::new(run, Section::Streams)).collect();
    // Positions lie in the order of the streams, so they are read from beginning to end as well.
    let mut positions: Vec<Reading<'_>> =
        runs.iter().map(|run| Reading::new(run, Section::Positions)).collect();
    let mut next: BinaryHeap<Reverse<(u64, String, usize)>> = BinaryHeap::new();
    let mut parts: Vec<Option<StreamPart>> = vec![None; runs.len()];
    let mut advance = |number: usize,
                       next: &mut BinaryHeap<Reverse<(u64, String, usize)>>,
                       parts: &mut Vec<Option<StreamPart>>|
     -> Result<(), IndexError> {
        let Some(reading) = listed.get_mut(number) else { return Ok(()) };
        if let Some(stream) = reading.stream()? {
            next.push(Reverse((stream.hash, stream.name, number)));
            if let Some(part) = parts.get_mut(number) {
                *part = Some(stream.part);
            }
        }
        Ok(())
    };
    for number in 0..runs.len() {
        advance(number, &mut next, &mut parts)?;
    }
    let mut current: Option<(u64, String, u64, u32)> = None;
    while let Some(Reverse((hash, name, number))) = next.pop() {
        let Some(part) = parts.get_mut(number).and_then(Option::take) else { continue };
        let same = current.as_ref().is_some_and(|(at, known, ..)| *at == hash && *known == name);
        if !same {
            if let Some((hash, name, first_version, count)) = current.take() {
                writer.stream(hash, &name, first_version, count)?;
            }
            current = Some((hash, name, part.first_version, 0));
        }
        let shift = shifts.get(number).copied().unwrap_or(0);
        for _ in 0..part.count {
            let entry = match positions.get_mut(number) {
                Some(positions) => positions.entry::<4>()?,
                None => None,
            };
            let Some(run) = runs.get(number) else { continue };
            let entry = entry.ok_or_else(|| run.damaged("positions are missing"))?;
            writer.position(u32::from_le_bytes(entry).saturating_add(shift))?;
            if !watch.goes_on() {
                return Ok(false);
            }
        }
        if let Some((_, _, first_version, count)) = &mut current {
            if *first_version + u64::from(*count) != part.first_version
                && let Some(run) = runs.get(number)
            {
                return Err(run.damaged("a stream's versions do not follow those before it"));
            }
            *count = count.saturating_add(part.count);
        }
        advance(number, &mut next, &mut parts)?;
    }
    if let Some((hash, name, first_version, count)) = current.take() {
        writer.stream(hash, &name, first_version, count)?;
    }
    Ok(true)
}
