//! Reading a segment back at opening: where it ends, and whether what follows is an unfinished write or
//! damage.

use std::io;
use std::sync::Arc;

use super::Segment;
use super::cursor::{Cursor, Step};
use super::frame::{self, Frame, Kind};
use super::header::HEADER_BYTES;
use super::writer::{SEAL_BYTES, SealBody};
use crate::index::layout::SegmentFacts;
use crate::log::ReadError;

const ALIGNMENT: usize = 8;

/// Why a segment cannot be read back.
#[derive(Debug)]
pub(crate) enum Problem {
    /// Stored bytes are damaged.
    Damaged { segment: String, offset: u64, reason: String },
    /// Input or output failed.
    Io(io::Error),
}

impl From<Problem> for ReadError {
    fn from(problem: Problem) -> Self {
        match problem {
            Problem::Damaged { segment, offset, reason } => {
                Self::Damaged { place: format!("{segment} offset {offset}"), reason }
            }
            Problem::Io(error) => error.into(),
        }
    }
}

/// Why a visitor does not go on.
#[derive(Debug)]
pub(crate) enum Refused {
    /// The frame cannot be what was written there.
    Frame(String),
    /// Something else went wrong.
    Because(Problem),
}

impl From<io::Error> for Problem {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// What is in a segment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scanned {
    /// Offset behind the last good frame.
    pub(crate) tail: u64,
    /// Where the last write to the segment began; the header's end if there was none.
    pub(crate) last_write: u64,
    /// Whether the last good frame is a seal.
    pub(crate) sealed: bool,
    /// Where bytes of an unfinished write end, if there are any behind the tail.
    pub(crate) torn_until: Option<u64>,
    /// Frames before the seal.
    pub(crate) frames: u64,
    /// Checksum over their checksums.
    pub(crate) chain: u32,
    /// Position after the last event.
    pub(crate) next_position: u64,
    /// Highest writer epoch.
    pub(crate) epoch: u32,
}

/// Reads a whole segment, showing `visit` every frame of events with its offset. Only the `last` segment
/// may end without a seal.
pub(crate) fn scan(
    segment: &Arc<Segment>,
    epoch: u32,
    last: bool,
    mut visit: impl FnMut(&Frame<'_>, u64) -> Result<(), Refused>,
) -> Result<Scanned, Problem> {
    let damaged = |offset: u64, reason: &str| Problem::Damaged {
        segment: segment.name.clone(),
        offset,
        reason: reason.to_owned(),
    };
    let mut cursor = Cursor::new(Arc::clone(segment), HEADER_BYTES as u64);
    let mut scanned = Scanned {
        tail: HEADER_BYTES as u64,
        last_write: HEADER_BYTES as u64,
        sealed: false,
        torn_until: None,
        frames: 0,
        chain: 0,
        next_position: segment.base_position,
        epoch,
    };
    loop {
        let reason = match cursor.step()? {
            Step::Frame => None,
            Step::Blank => Some("the segment ends without a seal"),
            Step::Bad(reason) => Some(reason),
        };
        let (offset, Some(frame)) = (cursor.offset(), cursor.frame()) else {
            if last {
                if scanned.frames == 0 && foreign_frame(segment)? {
                    return Err(damaged(
                        0,
                        "the header is not the one its frames were written under",
                    ));
                }
                scanned.torn_until = unfinished(segment, scanned.tail, reason.unwrap_or_default())?;
                return Ok(scanned);
            }
            return Err(damaged(scanned.tail, reason.unwrap_or("a frame is missing")));
        };
        if frame.head.base_position != scanned.next_position {
            return Err(damaged(offset, "a frame's position does not follow the one before it"));
        }
        if frame.head.epoch < scanned.epoch {
            return Err(damaged(offset, "a frame is older than the one before it"));
        }
        scanned.epoch = frame.head.epoch;
        scanned.tail = cursor.next_offset();
        scanned.last_write = offset.saturating_sub(u64::from(frame.head.group_bytes));
        match frame.head.kind {
            Kind::Events => {
                visit(&frame, offset).map_err(|refused| match refused {
                    Refused::Frame(reason) => damaged(offset, &reason),
                    Refused::Because(problem) => problem,
                })?;
                scanned.next_position = frame.next_position();
            }
            Kind::Mark => {}
            Kind::Seal => {
                let expected = SealBody {
                    first_position: segment.base_position,
                    next_position: scanned.next_position,
                    frames: scanned.frames,
                    chain: scanned.chain,
                };
                if SealBody::decode(frame.body) != Some(expected) {
                    return Err(damaged(offset, "the seal does not fit the segment"));
                }
                scanned.sealed = true;
                return Ok(scanned);
            }
        }
        scanned.frames += 1;
        scanned.chain = crc32c::crc32c_append(scanned.chain, &frame.crc.to_le_bytes());
    }
}

/// Whether the segment ends with the seal that these facts say. What is before it is not read.
pub(crate) fn is_sealed_as(segment: &Segment, facts: &SegmentFacts) -> io::Result<bool> {
    let Some(offset) = facts.end.checked_sub(SEAL_BYTES as u64) else { return Ok(false) };
    let mut bytes = [0; SEAL_BYTES];
    let read = segment.file()?.read_at(&mut bytes, offset)?;
    let bytes = bytes.get(..read).unwrap_or_default();
    let Ok(frame) = frame::verify(bytes, segment.salt, segment.faults) else { return Ok(false) };
    let expected = SealBody {
        first_position: facts.base,
        next_position: facts.next,
        frames: facts.frames,
        chain: facts.chain,
    };
    Ok(segment.salt == facts.salt
        && frame.head.kind == Kind::Seal
        && frame.head.epoch == facts.epoch
        && SealBody::decode(frame.body) == Some(expected))
}

/// Whether the first frame is intact and of another segment. The first stretch of a segment was zeros, and
/// durable, before it became part of the log: what an earlier file left on the disk cannot show there. So
/// it is the header that is from elsewhere, and calling the log empty would lose it.
fn foreign_frame(segment: &Segment) -> Result<bool, Problem> {
    let mut head = [0; 12];
    let file = segment.file()?;
    file.read_at(&mut head, HEADER_BYTES as u64)?;
    let Some(bytes) = frame::claimed_bytes(&head) else { return Ok(false) };
    let salt = head.last_chunk().map_or(0, |salt| u32::from_le_bytes(*salt));
    if salt == segment.salt {
        return Ok(false);
    }
    let mut frame = vec![0; bytes];
    let read = file.read_at(&mut frame, HEADER_BYTES as u64)?;
    let frame = frame.get(..read).unwrap_or_default();
    Ok(frame::verify(frame, salt, segment.faults).is_ok())
}

/// Looks at everything behind the tail. `None`: all zeros. `Some`: an unfinished last write, up to there.
/// Fails when a later frame proves that the bytes at the tail were durable once.
fn unfinished(segment: &Segment, tail: u64, reason: &str) -> Result<Option<u64>, Problem> {
    let file = segment.file()?;
    let length = file.len()?;
    let mut rest = vec![0; usize::try_from(length.saturating_sub(tail)).unwrap_or(0)];
    let read = file.read_at(&mut rest, tail)?;
    rest.truncate(read);
    let Some(last_used) = rest.iter().rposition(|byte| *byte != 0) else { return Ok(None) };
    let torn_until = tail + last_used as u64 + 1;
    if segment.faults.cut_at_any_damage() {
        return Ok(Some(torn_until));
    }
    let mut at = ALIGNMENT;
    while let Some(start) = rest.get(at..=last_used) {
        let claimed = frame::claimed_bytes(start).filter(|_| frame::may_begin(start, segment.salt));
        let found = claimed
            .and_then(|bytes| rest.get(at..at + bytes))
            .and_then(|bytes| frame::verify(bytes, segment.salt, segment.faults).ok());
        let Some(later) = found else {
            at += ALIGNMENT;
            continue;
        };
        if u64::from(later.head.group_bytes) < at as u64 {
            return Err(Problem::Damaged {
                segment: segment.name.clone(),
                offset: tail,
                reason: format!(
                    "{reason}, but a later write is intact at offset {}",
                    tail + at as u64
                ),
            });
        }
        at += frame::frame_bytes(later.body.len());
    }
    Ok(Some(torn_until))
}
