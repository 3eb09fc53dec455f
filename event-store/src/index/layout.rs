//! The header of a run and what it says about segments. The format is drawn in [`crate::index`].

use ledgerline_schemas::Timestamp;
use ledgerline_schemas::id::OrgId;
use uuid::Uuid;

use super::block::{self, CONTENT_BYTES, CRC_BYTES};
use crate::segment::Bytes;

/// Length of the header, bytes.
pub(crate) const HEADER_BYTES: usize = 512;
const MAGIC: [u8; 8] = *b"LLIDX\x01\r\n";
const FORMAT: u32 = 1;
const CRC_AT: usize = HEADER_BYTES - 4;
/// Length of the entry of a segment, bytes.
const FACTS_BYTES: usize = 52;
/// Name ending of a run.
const ENDING: &str = ".idx";
/// Name ending of a run that is being written.
pub(crate) const TEMPORARY: &str = ".idx.tmp";

/// Parts of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub(crate) enum Section {
    Segments = 0,
    Places = 1,
    Ids = 2,
    Positions = 3,
    Streams = 4,
    PlaceFences = 5,
    IdFences = 6,
    StreamFences = 7,
    IdFilter = 8,
    StreamFilter = 9,
}

pub(crate) const SECTIONS: usize = 10;

impl Section {
    /// Length of an entry; of a whole block where entries differ in length.
    pub(crate) const fn entry_bytes(self) -> usize {
        match self {
            Self::Segments => FACTS_BYTES,
            Self::Places => 16,
            Self::Ids => 12,
            Self::Positions => 4,
            Self::Streams => CONTENT_BYTES,
            Self::PlaceFences | Self::IdFences | Self::StreamFences => 8,
            Self::IdFilter | Self::StreamFilter => super::filter::FILTER_BLOCK_BYTES,
        }
    }

    /// Length of its blocks, but for the last.
    pub(crate) const fn block_bytes(self) -> usize {
        block::block_bytes(self.entry_bytes())
    }

    /// Entries in a full block.
    pub(crate) const fn per_block(self) -> usize {
        (self.block_bytes() - CRC_BYTES) / self.entry_bytes()
    }
}

/// Where a section is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Extent {
    pub(crate) offset: u64,
    pub(crate) bytes: u64,
    /// Over the whole section; 0 for sections of blocks.
    pub(crate) crc: u32,
}

/// What a run says about itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RunHeader {
    pub(crate) org_id: OrgId,
    pub(crate) base: u64,
    pub(crate) next: u64,
    /// Checksum of the segments it was made from, bound into every block.
    pub(crate) binding: u32,
    pub(crate) sections: [Extent; SECTIONS],
}

impl RunHeader {
    pub(crate) fn section(&self, section: Section) -> Extent {
        self.sections.get(section as usize).copied().unwrap_or_default()
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(HEADER_BYTES);
        bytes.extend_from_slice(&MAGIC);
        bytes.extend_from_slice(&FORMAT.to_le_bytes());
        bytes.extend_from_slice(&(HEADER_BYTES as u32).to_le_bytes());
        bytes.extend_from_slice(self.org_id.uuid().as_bytes());
        bytes.extend_from_slice(&self.base.to_le_bytes());
        bytes.extend_from_slice(&self.next.to_le_bytes());
        bytes.extend_from_slice(&self.binding.to_le_bytes());
        bytes.extend_from_slice(&(SECTIONS as u32).to_le_bytes());
        for extent in &self.sections {
            bytes.extend_from_slice(&extent.offset.to_le_bytes());
            bytes.extend_from_slice(&extent.bytes.to_le_bytes());
            bytes.extend_from_slice(&extent.crc.to_le_bytes());
        }
        bytes.resize(CRC_AT, 0);
        let crc = crc32c::crc32c(&bytes);
        bytes.extend_from_slice(&crc.to_le_bytes());
        bytes
    }

    /// Reads a header back. `believe` leaves the checksum alone.
    pub(crate) fn decode(bytes: &[u8], believe: bool) -> Result<Self, &'static str> {
        const SHORT: &str = "the file is shorter than its header";
        let covered = bytes.get(..CRC_AT).ok_or(SHORT)?;
        let crc = Bytes(bytes.get(CRC_AT..).unwrap_or_default()).u32().ok_or(SHORT)?;
        let mut rest = Bytes(covered);
        if rest.array() != Some(MAGIC) {
            return Err("the file does not begin like an index");
        }
        if !believe && crc32c::crc32c(covered) != crc {
            return Err("the header's checksum does not match");
        }
        if rest.u32() != Some(FORMAT) || rest.u32() != Some(HEADER_BYTES as u32) {
            return Err("the index has a format this version does not know");
        }
        let org_id = OrgId::new(Uuid::from_bytes(rest.array().ok_or(SHORT)?));
        let base = rest.u64().ok_or(SHORT)?;
        let next = rest.u64().ok_or(SHORT)?;
        let binding = rest.u32().ok_or(SHORT)?;
        if rest.u32() != Some(SECTIONS as u32) {
            return Err("the index has other sections than this version knows");
        }
        let mut sections = [Extent::default(); SECTIONS];
        for extent in &mut sections {
            *extent = Extent {
                offset: rest.u64().ok_or(SHORT)?,
                bytes: rest.u64().ok_or(SHORT)?,
                crc: rest.u32().ok_or(SHORT)?,
            };
        }
        Ok(Self { org_id, base, next, binding, sections })
    }
}

/// What is known of a sealed segment without reading it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SegmentFacts {
    /// Position of its first event.
    pub(crate) base: u64,
    /// Position after its last event.
    pub(crate) next: u64,
    /// Frames before the seal.
    pub(crate) frames: u64,
    /// Offset behind the seal.
    pub(crate) end: u64,
    /// Latest `recorded_at` in it or in a segment before it.
    pub(crate) recorded_until: Timestamp,
    /// Bound into every frame.
    pub(crate) salt: u32,
    /// Epoch of its seal.
    pub(crate) epoch: u32,
    /// Checksum over the checksums of its frames.
    pub(crate) chain: u32,
}

impl SegmentFacts {
    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        for number in [self.base, self.next, self.frames, self.end] {
            out.extend_from_slice(&number.to_le_bytes());
        }
        out.extend_from_slice(&self.recorded_until.micros().to_le_bytes());
        for number in [self.salt, self.epoch, self.chain] {
            out.extend_from_slice(&number.to_le_bytes());
        }
    }

    fn decode(rest: &mut Bytes<'_>) -> Option<Self> {
        Some(Self {
            base: rest.u64()?,
            next: rest.u64()?,
            frames: rest.u64()?,
            end: rest.u64()?,
            recorded_until: Timestamp::from_micros(rest.i64()?),
            salt: rest.u32()?,
            epoch: rest.u32()?,
            chain: rest.u32()?,
        })
    }

    /// All entries of a section; `None` when they do not follow each other.
    pub(crate) fn decode_all(bytes: &[u8], base: u64, next: u64) -> Option<Vec<Self>> {
        if !bytes.len().is_multiple_of(FACTS_BYTES) {
            return None;
        }
        let mut rest = Bytes(bytes);
        let mut facts: Vec<Self> = Vec::with_capacity(bytes.len() / FACTS_BYTES);
        let mut at = base;
        while !rest.0.is_empty() {
            let one = Self::decode(&mut rest)?;
            if one.base != at || one.next <= at {
                return None;
            }
            at = one.next;
            facts.push(one);
        }
        (at == next && !facts.is_empty()).then_some(facts)
    }
}

/// The name of the run over these positions.
pub(crate) fn file_name(base: u64, next: u64) -> String {
    format!("{base:020}-{next:020}{ENDING}")
}

/// Its name while it is written.
pub(crate) fn temporary_name(base: u64, next: u64) -> String {
    format!("{base:020}-{next:020}{TEMPORARY}")
}

/// First position and position after the last in a run's name.
pub(crate) fn positions_of(name: &str) -> Option<(u64, u64)> {
    let (base, next) = name.strip_suffix(ENDING)?.split_once('-')?;
    let plain = |digits: &str| digits.len() == 20 && digits.bytes().all(|it| it.is_ascii_digit());
    if !plain(base) || !plain(next) {
        return None;
    }
    Some((base.parse().ok()?, next.parse().ok()?))
}
