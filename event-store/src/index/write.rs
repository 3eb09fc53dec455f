//! Writing a run: streams, ids and places come in order, from memory or from other runs.

use std::io;
use std::sync::Arc;

use ledgerline_schemas::id::OrgId;

use super::block::{SectionWriter, section_bytes};
use super::filter::Filter;
use super::layout::{
    Extent, HEADER_BYTES, RunHeader, SECTIONS, Section, SegmentFacts, file_name, temporary_name,
};
use super::recent::Recent;
use crate::disk::DiskFile;
use crate::disk::files::OpenFiles;
use crate::fault::Faults;

/// Longest entry of a stream beside its name, bytes.
const STREAM_FIXED_BYTES: usize = 26;

/// What a run will be about.
#[derive(Clone, Debug)]
pub(crate) struct Subject {
    pub(crate) org_id: OrgId,
    pub(crate) facts: Vec<SegmentFacts>,
    /// Exact number of places.
    pub(crate) places: u64,
    /// Streams, or more.
    pub(crate) streams_max: u64,
}

impl Subject {
    pub(crate) fn base(&self) -> u64 {
        self.facts.first().map_or(0, |facts| facts.base)
    }

    pub(crate) fn next(&self) -> u64 {
        self.facts.last().map_or(0, |facts| facts.next)
    }
}

/// A run that is being written under a temporary name.
#[derive(Debug)]
pub(crate) struct RunWriter {
    file: Arc<dyn DiskFile>,
    header: RunHeader,
    places: SectionWriter,
    ids: SectionWriter,
    positions: SectionWriter,
    streams: SectionWriter,
    place_fences: Vec<u8>,
    id_fences: Vec<u8>,
    stream_fences: Vec<u8>,
    id_filter: Filter,
    stream_filter: Filter,
    position_entries: u32,
    entry: Vec<u8>,
}

impl RunWriter {
    fn begin(files: &OpenFiles, subject: &Subject) -> io::Result<Self> {
        let (base, next) = (subject.base(), subject.next());
        let temporary = temporary_name(base, next);
        let file = match files.disk().create(&temporary) {
            // Left behind by a try whose cleaning up failed as well.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                files.disk().remove(&temporary)?;
                files.disk().create(&temporary)?
            }
            outcome => outcome?,
        };
        let mut segments = Vec::new();
        subject.facts.iter().for_each(|facts| facts.encode(&mut segments));
        let binding = crc32c::crc32c(&segments);
        let events = next - base;
        let mut sections = [Extent::default(); SECTIONS];
        let mut offset = HEADER_BYTES as u64;
        let mut place = |section: Section, bytes: u64, crc: u32| {
            if let Some(extent) = sections.get_mut(section as usize) {
                *extent = Extent { offset, bytes, crc };
            }
            let at = offset;
            offset += bytes;
            at
        };
        let segments_at = place(Section::Segments, segments.len() as u64, binding);
        let of = |section: Section, entries| section_bytes(entries, section.entry_bytes());
        let places_at = place(Section::Places, of(Section::Places, subject.places), 0);
        let ids_at = place(Section::Ids, of(Section::Ids, events), 0);
        let positions_at = place(Section::Positions, of(Section::Positions, events), 0);
        let streams_at = place(Section::Streams, 0, 0);
        file.write_at(&segments, segments_at)?;
        let writer =
            |section, offset| SectionWriter::new(Arc::clone(&file), binding, section, offset);
        Ok(Self {
            places: writer(Section::Places, places_at),
            ids: writer(Section::Ids, ids_at),
            positions: writer(Section::Positions, positions_at),
            streams: writer(Section::Streams, streams_at),
            header: RunHeader { org_id: subject.org_id, base, next, binding, sections },
            file,
            place_fences: Vec::new(),
            id_fences: Vec::new(),
            stream_fences: Vec::new(),
            id_filter: Filter::for_keys(events),
            stream_filter: Filter::for_keys(subject.streams_max),
            position_entries: 0,
            entry: Vec::new(),
        })
    }

    /// Adds a place; places ascend.
    pub(crate) fn place(&mut self, position: u64, offset: u64) -> io::Result<()> {
        self.entry.clear();
        self.entry.extend_from_slice(&position.to_le_bytes());
        self.entry.extend_from_slice(&offset.to_le_bytes());
        if self.places.push(&self.entry, false)? {
            self.place_fences.extend_from_slice(&position.to_le_bytes());
        }
        Ok(())
    }

    /// Adds an id; fingerprints ascend.
    pub(crate) fn id(&mut self, print: u64, relative: u32) -> io::Result<()> {
        self.entry.clear();
        self.entry.extend_from_slice(&print.to_le_bytes());
        self.entry.extend_from_slice(&relative.to_le_bytes());
        if self.ids.push(&self.entry, false)? {
            self.id_fences.extend_from_slice(&print.to_le_bytes());
        }
        self.id_filter.insert(print);
        Ok(())
    }

    /// Adds a position of the stream that is added next.
    pub(crate) fn position(&mut self, relative: u32) -> io::Result<()> {
        self.positions.push(&relative.to_le_bytes(), false)?;
        self.position_entries += 1;
        Ok(())
    }

    /// Adds a stream whose `count` positions were just added; streams ascend by hash and name.
    pub(crate) fn stream(
        &mut self,
        hash: u64,
        name: &str,
        first_version: u64,
        count: u32,
    ) -> io::Result<()> {
        self.entry.clear();
        self.entry.reserve(STREAM_FIXED_BYTES + name.len());
        let length = u16::try_from(name.len() + 1).unwrap_or(u16::MAX);
        self.entry.extend_from_slice(&length.to_le_bytes());
        self.entry.extend_from_slice(name.as_bytes());
        self.entry.extend_from_slice(&hash.to_le_bytes());
        self.entry.extend_from_slice(&first_version.to_le_bytes());
        self.entry.extend_from_slice(&(self.position_entries - count).to_le_bytes());
        self.entry.extend_from_slice(&count.to_le_bytes());
        if self.streams.push(&self.entry, true)? {
            self.stream_fences.extend_from_slice(&hash.to_le_bytes());
        }
        self.stream_filter.insert(hash);
        Ok(())
    }

    /// Closes the sections and writes what is read at opening, the header last.
    fn finish(self) -> io::Result<()> {
        let Self { file, mut header, .. } = self;
        self.places.finish()?;
        self.ids.finish()?;
        self.positions.finish()?;
        let mut offset = self.streams.finish()?;
        if let Some(streams) = header.sections.get_mut(Section::Streams as usize) {
            streams.bytes = offset - streams.offset;
        }
        for (section, bytes) in [
            (Section::PlaceFences, self.place_fences),
            (Section::IdFences, self.id_fences),
            (Section::StreamFences, self.stream_fences),
            (Section::IdFilter, self.id_filter.encode()),
            (Section::StreamFilter, self.stream_filter.encode()),
        ] {
            file.write_at(&bytes, offset)?;
            let extent = Extent { offset, bytes: bytes.len() as u64, crc: crc32c::crc32c(&bytes) };
            if let Some(place) = header.sections.get_mut(section as usize) {
                *place = extent;
            }
            offset += extent.bytes;
        }
        file.write_at(&header.encode(), 0)
    }
}

/// Writes a run and makes it part of the directory, durably: the bytes first, then the name. `fill` puts
/// places, ids and streams in. After an error nothing is left of it.
pub(crate) fn write(
    files: &OpenFiles,
    subject: &Subject,
    faults: Faults,
    fill: impl FnOnce(&mut RunWriter) -> Result<(), super::IndexError>,
) -> Result<(), super::IndexError> {
    let (base, next) = (subject.base(), subject.next());
    let temporary = temporary_name(base, next);
    let name = file_name(base, next);
    let disk = files.disk();
    let written = || -> Result<(), super::IndexError> {
        let mut writer = RunWriter::begin(files, subject)?;
        fill(&mut writer)?;
        let file = Arc::clone(&writer.file);
        writer.finish()?;
        if !faults.index_renamed_before_sync() {
            file.sync_data()?;
        }
        disk.rename(&temporary, &name)?;
        files.forget(&name);
        disk.sync_directory()?;
        Ok(())
    };
    written().inspect_err(|_| {
        // A leftover would stand in the way of the next try; opening removes it as well.
        let _ = disk.remove(&temporary);
    })
}

/// Writes the index of one sealed segment from memory.
pub(crate) fn write_recent(
    files: &OpenFiles,
    org_id: OrgId,
    recent: &Recent,
    facts: SegmentFacts,
    faults: Faults,
) -> Result<(), super::IndexError> {
    let streams = recent.sorted_streams();
    let subject = Subject {
        org_id,
        facts: vec![facts],
        places: recent.places().len() as u64,
        streams_max: streams.len() as u64,
    };
    write(files, &subject, faults, |writer| {
        for (position, offset) in recent.places() {
            writer.place(*position, *offset)?;
        }
        for (print, relative) in recent.sorted_ids() {
            writer.id(print, relative)?;
        }
        for (stream, relative) in &streams {
            for position in *relative {
                writer.position(*position)?;
            }
            let count = u32::try_from(relative.len()).unwrap_or(u32::MAX);
            writer.stream(stream.hash, &stream.name, stream.first_version, count)?;
        }
        Ok(())
    })
}
