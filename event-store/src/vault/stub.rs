//! The stub codec: what stays of a segment whose file is in the archive only.
//!
//! ```text
//!  0 magic "LLSTUB\r\n"     8 format u32 = 2     12 name bytes u32
//! 16 dropped at i64 µs     24 bytes of the object u64
//! 32 SHA-256 of the object 32
//! 64 name of the object | ends | block table | footer (both as in the object) | CRC32C of everything before
//!
//! ends      0 offset of the seal in the segment file u64
//!           8 header of the segment file 512       520 its seal
//! ```
//!
//! Format 1 has no ends: opening the log then asks the archive for them. It is still read.

use ledgerline_schemas::Timestamp;

use super::contents::{Bad, inspect_sealed};
use super::layout::{Facts, Layout, Sha};
use crate::fault::Faults;
use crate::segment::Bytes;
use crate::segment::frame::{self, Kind};
use crate::segment::header::{HEADER_BYTES, SegmentHeader};
use crate::segment::writer::{SEAL_BYTES, SealBody};

const MAGIC: [u8; 8] = *b"LLSTUB\r\n";
const WITHOUT_ENDS: u32 = 1;
const FORMAT: u32 = 2;

/// Both ends of a segment file: all that opening a log looks at when the segment has an index.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Ends {
    header: [u8; HEADER_BYTES],
    /// Where the seal begins in the segment file.
    seal_at: u64,
    seal: [u8; SEAL_BYTES],
}

impl Ends {
    /// The ends of a segment file, every frame of which is verified before.
    pub(crate) fn of(raw: &[u8]) -> Result<Self, Bad> {
        let contents = inspect_sealed(raw)?;
        let bad = || Bad { offset: contents.tail as u64, reason: "the seal is cut off".to_owned() };
        let seal_at = contents.tail.checked_sub(SEAL_BYTES).ok_or_else(bad)?;
        let header = raw.first_chunk().ok_or_else(bad)?;
        let seal = raw.get(seal_at..).and_then(|rest| rest.first_chunk()).ok_or_else(bad)?;
        Ok(Self { header: *header, seal_at: seal_at as u64, seal: *seal })
    }

    /// Whether they are of the segment that these facts describe.
    fn fit(&self, facts: &Facts) -> bool {
        let Ok(header) = SegmentHeader::decode(&self.header) else { return false };
        let Ok(frame) = frame::verify(&self.seal, header.salt, Faults::default()) else {
            return false;
        };
        let expected = SealBody {
            first_position: facts.base_position,
            next_position: facts.next_position,
            frames: facts.frames,
            chain: facts.chain,
        };
        (header.org_id, header.base_position, header.salt)
            == (facts.org_id, facts.base_position, facts.salt)
            && frame.head.kind == Kind::Seal
            && frame.head.epoch == facts.epoch
            && SealBody::decode(frame.body) == Some(expected)
            && self.seal_at >= HEADER_BYTES as u64
            && self.seal_at.saturating_add(SEAL_BYTES as u64) <= facts.raw_bytes
    }

    /// Bytes of the segment file from an offset on, if these ends have all of them.
    pub(crate) fn bytes(&self, offset: u64, length: usize) -> Option<&[u8]> {
        let within = |start: u64, end: &'_ [u8]| {
            let from = usize::try_from(offset.checked_sub(start)?).ok()?;
            Some(from..from.checked_add(length)?).filter(|range| range.end <= end.len())
        };
        if let Some(range) = within(0, &self.header) {
            return self.header.get(range);
        }
        self.seal.get(within(self.seal_at, &self.seal)?)
    }

    fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.seal_at.to_le_bytes());
        out.extend_from_slice(&self.header);
        out.extend_from_slice(&self.seal);
    }

    fn decode(rest: &mut Bytes<'_>) -> Option<Self> {
        let seal_at = rest.u64()?;
        Some(Self { header: rest.array()?, seal_at, seal: rest.array()? })
    }
}

/// What stays.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Stub {
    pub(crate) dropped_at: Timestamp,
    /// Name of the object in the archive.
    pub(crate) object: String,
    /// SHA-256 of the object.
    pub(crate) sha256: Sha,
    /// Absent in a stub of an earlier version.
    pub(crate) ends: Option<Ends>,
    pub(crate) layout: Layout,
}

impl Stub {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = MAGIC.to_vec();
        let format = if self.ends.is_some() { FORMAT } else { WITHOUT_ENDS };
        out.extend_from_slice(&format.to_le_bytes());
        out.extend_from_slice(&u32::try_from(self.object.len()).unwrap_or(u32::MAX).to_le_bytes());
        out.extend_from_slice(&self.dropped_at.micros().to_le_bytes());
        out.extend_from_slice(&self.layout.packed_bytes().to_le_bytes());
        out.extend_from_slice(&self.sha256);
        out.extend_from_slice(self.object.as_bytes());
        if let Some(ends) = &self.ends {
            ends.encode(&mut out);
        }
        out.extend_from_slice(&self.layout.encode());
        let crc = crc32c::crc32c(&out);
        out.extend_from_slice(&crc.to_le_bytes());
        out
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, &'static str> {
        const SHORT: &str = "it is shorter than a stub";
        let at = bytes.len().checked_sub(4).ok_or(SHORT)?;
        let (covered, crc) = bytes.split_at_checked(at).ok_or(SHORT)?;
        if Bytes(crc).u32() != Some(crc32c::crc32c(covered)) {
            return Err("its checksum does not match");
        }
        let mut rest = Bytes(covered);
        if rest.array() != Some(MAGIC) {
            return Err("it does not begin like a stub");
        }
        let has_ends = match rest.u32() {
            Some(WITHOUT_ENDS) => false,
            Some(FORMAT) => true,
            _ => return Err("it has a format this version does not know"),
        };
        let name_bytes = rest.u32().ok_or(SHORT)? as usize;
        let dropped_at = Timestamp::from_micros(rest.i64().ok_or(SHORT)?);
        let object_bytes = rest.u64().ok_or(SHORT)?;
        let sha256 = rest.array().ok_or(SHORT)?;
        let object = std::str::from_utf8(rest.take(name_bytes).ok_or(SHORT)?)
            .map_err(|_| "the name of its object is not UTF-8")?
            .to_owned();
        let ends = if has_ends { Some(Ends::decode(&mut rest).ok_or(SHORT)?) } else { None };
        let layout = Layout::decode(rest.0)?;
        if layout.packed_bytes() != object_bytes {
            return Err("its block table is not that of the object");
        }
        if ends.as_ref().is_some_and(|ends| !ends.fit(&layout.facts)) {
            return Err("the header and seal in it are not those of its segment");
        }
        Ok(Self { dropped_at, object, sha256, ends, layout })
    }
}
