//! Verifying the whole log, on all cores: segments stand for themselves, so each is read by one thread.

use std::num::NonZero;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::state::Shared;
use crate::log::ReadError;
use crate::segment::Segment;
use crate::segment::cursor::{Cursor, Step};
use crate::segment::frame::{Frame, Kind};
use crate::segment::header::HEADER_BYTES;
use crate::segment::recovery;

/// What a verification went through.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Verified {
    /// Appends.
    pub frames: u64,
    /// Events.
    pub events: u64,
    /// Bytes of the events' records.
    pub bytes: u64,
}

impl Verified {
    fn count(&mut self, frame: &Frame<'_>) {
        self.frames += 1;
        self.events += u64::from(frame.head.count);
        self.bytes += frame.body.len() as u64;
    }

    fn add(&mut self, other: Self) {
        self.frames += other.frames;
        self.events += other.events;
        self.bytes += other.bytes;
    }
}

/// The first bad segment by number, and what was found.
type Outcome = Result<Verified, (usize, ReadError)>;

/// Reads every durable frame: its checksum, that positions follow each other, and that the seal of every
/// sealed segment fits its frames.
pub(crate) fn verify(shared: &Shared) -> Result<Verified, ReadError> {
    let (segments, durable) = {
        let state = shared.lock();
        (Arc::clone(&state.segments), state.durable)
    };
    let cores = std::thread::available_parallelism().map_or(1, NonZero::get);
    let next = AtomicUsize::new(0);
    let work = || -> Outcome {
        let mut verified = Verified::default();
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            let Some(segment) = segments.get(number) else { return Ok(verified) };
            if let Some(ahead) = segments.get(number + cores) {
                ahead.file().map_err(|error| (number + cores, error.into()))?.will_read();
            }
            let one = match segments.get(number + 1) {
                Some(following) => sealed(segment, following.base_position),
                None => last(segment, durable),
            };
            verified.add(one.map_err(|error| (number, error))?);
        }
    };
    let outcomes: Vec<Outcome> = std::thread::scope(|scope| {
        let others: Vec<_> = (1..cores.min(segments.len())).map(|_| scope.spawn(work)).collect();
        let mut outcomes = vec![work()];
        for other in others {
            match other.join() {
                Ok(outcome) => outcomes.push(outcome),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        outcomes
    });
    let mut verified = Verified::default();
    let mut first: Option<(usize, ReadError)> = None;
    for outcome in outcomes {
        match outcome {
            Ok(part) => verified.add(part),
            Err(bad) if first.as_ref().is_none_or(|(number, _)| bad.0 < *number) => {
                first = Some(bad);
            }
            Err(_) => {}
        }
    }
    first.map_or(Ok(verified), |(_, error)| Err(error))
}

fn damaged(segment: &Segment, offset: u64, reason: &str) -> ReadError {
    ReadError::Damaged {
        place: format!("{} offset {offset}", segment.name),
        reason: reason.to_owned(),
    }
}

fn sealed(segment: &Arc<Segment>, following: u64) -> Result<Verified, ReadError> {
    let mut verified = Verified::default();
    let scanned = recovery::scan(segment, 0, false, |frame, _| {
        verified.count(frame);
        Ok(())
    })?;
    if scanned.next_position != following {
        return Err(damaged(segment, scanned.tail, "the next segment does not follow this one"));
    }
    Ok(verified)
}

/// The last segment may be written meanwhile: it is read up to what was durable.
fn last(segment: &Arc<Segment>, durable: u64) -> Result<Verified, ReadError> {
    let mut verified = Verified::default();
    let mut cursor = Cursor::new(Arc::clone(segment), HEADER_BYTES as u64);
    let mut next = segment.base_position;
    while next <= durable {
        let step = cursor.step()?;
        let (offset, frame) = (cursor.offset(), cursor.frame());
        let Some(frame) = frame else {
            let reason = match step {
                Step::Bad(reason) => reason,
                Step::Blank | Step::Frame => "a durable frame is missing",
            };
            return Err(damaged(segment, offset, reason));
        };
        if frame.head.base_position != next {
            return Err(damaged(
                segment,
                offset,
                "a frame's position does not follow the one before it",
            ));
        }
        match frame.head.kind {
            Kind::Events => {
                verified.count(&frame);
                next = frame.next_position();
            }
            Kind::Mark => {}
            // Durable positions of this segment come before its seal.
            Kind::Seal => return Err(damaged(segment, offset, "a durable frame is missing")),
        }
    }
    Ok(verified)
}
