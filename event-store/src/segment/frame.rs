//! The frame codec. The format is drawn in [`crate::segment`].

use super::Bytes;
use crate::fault::Faults;

/// Bytes before the body.
pub(crate) const HEAD_BYTES: usize = 48;
/// Bytes after the padding.
const TRAILER_BYTES: usize = 4;
/// Offset of the first byte under the checksum.
const CRC_FROM: usize = 8;
/// Longest frame, bytes: the longest append with every optional header field, with room to spare. A length
/// above it is damage.
pub(crate) const FRAME_BYTES_MAX: usize = 32 << 20;

/// What a frame holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Kind {
    /// One append.
    Events = 1,
    /// The end of a segment.
    Seal = 2,
    /// A statement that everything before it is durable.
    Mark = 3,
}

impl Kind {
    fn from_code(code: u8) -> Option<Self> {
        [Self::Events, Self::Seal, Self::Mark].into_iter().find(|kind| *kind as u8 == code)
    }
}

/// The fixed part of a frame, without lengths and checksum.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FrameHead {
    pub(crate) salt: u32,
    pub(crate) kind: Kind,
    pub(crate) count: u16,
    pub(crate) epoch: u32,
    pub(crate) group_bytes: u32,
    pub(crate) base_position: u64,
    pub(crate) recorded_at_micros: i64,
}

/// A verified frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Frame<'a> {
    pub(crate) head: FrameHead,
    pub(crate) crc: u32,
    pub(crate) body: &'a [u8],
}

impl Frame<'_> {
    /// The position that follows its last event.
    pub(crate) fn next_position(&self) -> u64 {
        self.head.base_position.saturating_add(u64::from(self.head.count))
    }
}

/// Length of a frame with a body of this length.
pub(crate) const fn frame_bytes(body_bytes: usize) -> usize {
    (HEAD_BYTES + body_bytes + TRAILER_BYTES).next_multiple_of(8)
}

/// Appends a frame to `out`; `write_body` appends exactly the body. Returns its checksum.
pub(crate) fn encode(
    out: &mut Vec<u8>,
    head: &FrameHead,
    write_body: impl FnOnce(&mut Vec<u8>),
) -> u32 {
    let start = out.len();
    out.extend_from_slice(&[0; HEAD_BYTES]);
    write_body(out);
    let body_bytes = out.len() - start - HEAD_BYTES;
    let bytes = frame_bytes(body_bytes);
    out.resize(start + bytes - TRAILER_BYTES, 0);
    // Appends are limited far below 4 GiB before they get here.
    let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
    out.extend_from_slice(&bytes.to_le_bytes());
    let mut fixed = [0; HEAD_BYTES];
    let mut at = 0;
    let mut put = |field: &[u8]| {
        if let Some(place) = fixed.get_mut(at..at + field.len()) {
            place.copy_from_slice(field);
        }
        at += field.len();
    };
    put(&bytes.to_le_bytes());
    put(&[0; 4]);
    put(&head.salt.to_le_bytes());
    put(&[head.kind as u8, 0]);
    put(&head.count.to_le_bytes());
    put(&head.epoch.to_le_bytes());
    put(&head.group_bytes.to_le_bytes());
    put(&head.base_position.to_le_bytes());
    put(&head.recorded_at_micros.to_le_bytes());
    put(&u32::try_from(body_bytes).unwrap_or(u32::MAX).to_le_bytes());
    let Some(frame) = out.get_mut(start..) else { return 0 };
    if let Some(place) = frame.get_mut(..HEAD_BYTES) {
        place.copy_from_slice(&fixed);
    }
    let crc = crc32c::crc32c(frame.get(CRC_FROM..).unwrap_or_default());
    if let Some(place) = frame.get_mut(4..CRC_FROM) {
        place.copy_from_slice(&crc.to_le_bytes());
    }
    crc
}

/// The length a frame that begins here claims; `None` when it cannot be one.
pub(crate) fn claimed_bytes(start: &[u8]) -> Option<usize> {
    let bytes = Bytes(start).u32()? as usize;
    let plausible = bytes >= frame_bytes(0) && bytes <= FRAME_BYTES_MAX && bytes.is_multiple_of(8);
    plausible.then_some(bytes)
}

/// Whether a frame of this segment may begin here: a cheap look before the checksum.
pub(crate) fn may_begin(start: &[u8], salt: u32) -> bool {
    claimed_bytes(start).is_some() && start.get(8..12) == Some(&salt.to_le_bytes())
}

/// Verifies the frame that is exactly `bytes`.
pub(crate) fn verify(bytes: &[u8], salt: u32, faults: Faults) -> Result<Frame<'_>, &'static str> {
    const SHORT: &str = "a frame is shorter than its head";
    let mut rest = Bytes(bytes);
    let claimed = rest.u32().ok_or(SHORT)?;
    let crc = rest.u32().ok_or(SHORT)?;
    if claimed as usize != bytes.len() {
        return Err("a frame's length is not what it claims");
    }
    if rest.u32().ok_or(SHORT)? != salt {
        return Err("a frame does not belong to this segment");
    }
    if !faults.no_crc() && crc32c::crc32c(bytes.get(CRC_FROM..).unwrap_or_default()) != crc {
        return Err("a frame's checksum does not match");
    }
    let kind = rest.u8().and_then(Kind::from_code).ok_or("a frame's kind is unknown")?;
    let _zero = rest.u8();
    let head = FrameHead {
        salt,
        kind,
        count: rest.u16().ok_or(SHORT)?,
        epoch: rest.u32().ok_or(SHORT)?,
        group_bytes: rest.u32().ok_or(SHORT)?,
        base_position: rest.u64().ok_or(SHORT)?,
        recorded_at_micros: rest.i64().ok_or(SHORT)?,
    };
    let body_bytes = rest.u32().ok_or(SHORT)? as usize;
    let _zeros = rest.u32();
    let trailer = bytes.last_chunk().map(|it| u32::from_le_bytes(*it));
    if trailer != Some(claimed) || frame_bytes(body_bytes) != bytes.len() {
        return Err("a frame's lengths contradict each other");
    }
    let body = rest.take(body_bytes).ok_or("a frame's body is longer than the frame")?;
    Ok(Frame { head, crc, body })
}
