//! What is in the bytes of a segment file: header, frames, seal. Every frame is verified.

use ledgerline_schemas::Timestamp;

use crate::fault::Faults;
use crate::segment::frame::{self, Frame, HEAD_BYTES, Kind};
use crate::segment::header::{HEADER_BYTES, SegmentHeader};
use crate::segment::writer::SealBody;

/// A place in a segment file that is not as it must be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Bad {
    /// Bytes from the beginning of the segment file.
    pub(crate) offset: u64,
    pub(crate) reason: String,
}

fn bad(offset: usize, reason: impl Into<String>) -> Bad {
    Bad { offset: offset as u64, reason: reason.into() }
}

/// What was found.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Contents {
    pub(crate) header: SegmentHeader,
    /// Offset behind the last frame.
    pub(crate) tail: usize,
    /// Position after the last event.
    pub(crate) next_position: u64,
    /// Frames before the seal.
    pub(crate) frames: u64,
    pub(crate) chain: u32,
    pub(crate) epoch: u32,
    pub(crate) sealed: bool,
    pub(crate) first_recorded_at: Timestamp,
    pub(crate) last_recorded_at: Timestamp,
}

/// Goes through a segment file up to its seal, or up to the first frame that `take` does not want.
/// Without a seal it ends at the first bytes that are no frame: zeros, or what is being written just now.
pub(crate) fn inspect(
    bytes: &[u8],
    mut take: impl FnMut(&Frame<'_>) -> bool,
) -> Result<Contents, Bad> {
    let header = bytes.get(..HEADER_BYTES).unwrap_or(bytes);
    let header = SegmentHeader::decode(header).map_err(|reason| bad(0, reason))?;
    let mut contents = Contents {
        header,
        tail: HEADER_BYTES,
        next_position: header.base_position,
        frames: 0,
        chain: 0,
        epoch: header.epoch,
        sealed: false,
        first_recorded_at: header.created_at,
        last_recorded_at: header.created_at,
    };
    while let Some((frame, length)) = frame_at(bytes, contents.tail, header.salt) {
        let offset = contents.tail;
        if frame.head.base_position != contents.next_position {
            return Err(bad(offset, "a frame's position does not follow the one before it"));
        }
        if frame.head.epoch < contents.epoch {
            return Err(bad(offset, "a frame is older than the one before it"));
        }
        if frame.head.kind == Kind::Seal {
            let expected = SealBody {
                first_position: header.base_position,
                next_position: contents.next_position,
                frames: contents.frames,
                chain: contents.chain,
            };
            if SealBody::decode(frame.body) != Some(expected) {
                return Err(bad(offset, "the seal does not fit the segment"));
            }
        }
        if !take(&frame) {
            break;
        }
        contents.epoch = frame.head.epoch;
        contents.tail += length;
        match frame.head.kind {
            Kind::Events => {
                let recorded_at = Timestamp::from_micros(frame.head.recorded_at_micros);
                if contents.next_position == header.base_position {
                    contents.first_recorded_at = recorded_at;
                }
                contents.last_recorded_at = recorded_at;
                contents.next_position = frame.next_position();
            }
            Kind::Mark => {}
            Kind::Seal => {
                contents.sealed = true;
                break;
            }
        }
        contents.frames += 1;
        contents.chain = crc32c::crc32c_append(contents.chain, &frame.crc.to_le_bytes());
    }
    Ok(contents)
}

/// As [`inspect`], of a segment that must be whole and end with its seal.
pub(crate) fn inspect_sealed(bytes: &[u8]) -> Result<Contents, Bad> {
    let contents = inspect(bytes, |_| true)?;
    if contents.sealed {
        return Ok(contents);
    }
    Err(bad(contents.tail, "a frame is damaged, or the segment ends without a seal"))
}

/// The good frame at an offset, with its length.
fn frame_at(bytes: &[u8], offset: usize, salt: u32) -> Option<(Frame<'_>, usize)> {
    let rest = bytes.get(offset..)?;
    let head = rest.get(..HEAD_BYTES)?;
    let length = frame::claimed_bytes(head).filter(|_| frame::may_begin(head, salt))?;
    let frame = frame::verify(rest.get(..length)?, salt, Faults::default()).ok()?;
    Some((frame, length))
}
