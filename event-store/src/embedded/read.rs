//! Reading events by position. Every frame is verified each time it is read.

use std::collections::VecDeque;
use std::sync::Arc;

use ledgerline_schemas::{Position, Recorded, StreamId, Timestamp, Version};

use super::state::Shared;
use crate::engine::Batch;
use crate::log::{Direction, Filter, Page, ReadError};
use crate::segment::cursor::{Cursor, Step};
use crate::segment::frame::{Frame, Kind};
use crate::segment::header::HEADER_BYTES;
use crate::segment::record::{Records, TypeNames};

/// Goes through the durable frames of a log.
#[derive(Debug, Default)]
struct Walk {
    cursor: Option<Cursor>,
}

impl Walk {
    /// The frame that holds a durable position.
    fn seek(&mut self, shared: &Shared, position: u64) -> Result<Frame<'_>, ReadError> {
        let ahead = self.cursor.as_ref().and_then(Cursor::frame).is_some_and(|frame| {
            frame.head.base_position <= position && self.is_near(shared, position)
        });
        if !ahead {
            let (segment, offset) = {
                let state = shared.lock();
                let place = state.places.at_or_before(position);
                let found = place.and_then(|place| {
                    let segment = state.segments.get(place.segment as usize)?;
                    Some((Arc::clone(segment), place.offset))
                });
                found.ok_or_else(|| missing(position))?
            };
            self.cursor = Some(Cursor::new(segment, offset));
        }
        while !self.holds(position) {
            self.step(shared, position)?;
        }
        self.cursor.as_ref().and_then(Cursor::frame).ok_or_else(|| missing(position))
    }

    fn holds(&self, position: u64) -> bool {
        self.cursor.as_ref().and_then(Cursor::frame).is_some_and(|frame| {
            frame.head.kind == Kind::Events
                && (frame.head.base_position..frame.next_position()).contains(&position)
        })
    }

    /// Whether walking on from the current frame is no longer than jumping.
    fn is_near(&self, shared: &Shared, position: u64) -> bool {
        let Some(cursor) = &self.cursor else { return false };
        if cursor.frame().is_some_and(|frame| position <= frame.next_position()) {
            return true;
        }
        let state = shared.lock();
        let Some(place) = state.places.at_or_before(position) else { return false };
        let segment = state.segments.get(place.segment as usize);
        place.offset <= cursor.offset()
            && segment.is_some_and(|it| it.base_position == cursor.segment().base_position)
    }

    fn step(&mut self, shared: &Shared, position: u64) -> Result<(), ReadError> {
        let cursor = self.cursor.as_mut().ok_or_else(|| missing(position))?;
        let sealed = cursor.frame().is_some_and(|frame| frame.head.kind == Kind::Seal);
        if sealed {
            let base = cursor.frame().map_or(0, |frame| frame.head.base_position);
            let next = {
                let state = shared.lock();
                let number = state.segments.partition_point(|it| it.base_position < base);
                state.segments.get(number).map(Arc::clone)
            };
            let next = next.filter(|it| it.base_position == base).ok_or_else(|| missing(base))?;
            *cursor = Cursor::new(next, HEADER_BYTES as u64);
        }
        let damaged = |cursor: &Cursor, reason: &str| ReadError::Damaged {
            place: format!("{} offset {}", cursor.segment().name, cursor.offset()),
            reason: reason.to_owned(),
        };
        match cursor.step()? {
            Step::Frame => {}
            Step::Blank => return Err(damaged(cursor, "a durable frame is missing")),
            Step::Bad(reason) => return Err(damaged(cursor, reason)),
        }
        let passed = cursor.frame().is_some_and(|frame| frame.head.base_position > position);
        if passed { Err(damaged(cursor, "a durable frame is missing")) } else { Ok(()) }
    }
}

fn missing(position: u64) -> ReadError {
    ReadError::Damaged {
        place: format!("position {position}"),
        reason: "no segment holds it".to_owned(),
    }
}

/// Decodes the events of a frame from position `from` on while `want` says so.
fn decode(
    shared: &Shared,
    frame: &Frame<'_>,
    names: &mut TypeNames,
    from: u64,
    mut take: impl FnMut(Recorded) -> bool,
    filter: &Filter,
) -> Result<(), ReadError> {
    let recorded_at = Timestamp::from_micros(frame.head.recorded_at_micros);
    let mut records = Records::new(frame.body);
    for position in frame.head.base_position..frame.next_position() {
        let unreadable = || ReadError::Damaged {
            place: format!("position {position}"),
            reason: "the bytes are no event".to_owned(),
        };
        if position < from {
            records.skip().ok_or_else(unreadable)?;
            continue;
        }
        let record = records.read().ok_or_else(unreadable)?;
        if !filter.passes(record.stream, record.event_type) {
            continue;
        }
        let event = record.to_recorded(shared.org_id, Position(position), recorded_at, names);
        if !take(event) {
            break;
        }
    }
    Ok(())
}

/// Reads durable appends as they are stored, one after the other.
#[derive(Debug)]
pub(crate) struct Batches {
    shared: Arc<Shared>,
    walk: Walk,
}

impl Batches {
    pub(crate) fn new(shared: &Arc<Shared>) -> Self {
        Self { shared: Arc::clone(shared), walk: Walk::default() }
    }

    /// The append that holds a durable position.
    pub(crate) fn holding(&mut self, position: u64) -> Result<Batch, ReadError> {
        let frame = self.walk.seek(&self.shared, position)?;
        Ok(Batch {
            base_position: frame.head.base_position,
            recorded_at_micros: frame.head.recorded_at_micros,
            count: frame.head.count,
            body: bytes::Bytes::copy_from_slice(frame.body),
        })
    }
}

/// The events at these durable positions, which must ascend.
pub(crate) fn fetch(shared: &Shared, positions: &[u64]) -> Result<Vec<Recorded>, ReadError> {
    let all = Filter::all();
    let mut walk = Walk::default();
    let mut names = TypeNames::default();
    let mut events = Vec::with_capacity(positions.len());
    let mut wanted = positions.iter().copied().peekable();
    while let Some(first) = wanted.peek().copied() {
        let frame = walk.seek(shared, first)?;
        let take = |event: Recorded| {
            if wanted.next_if_eq(&event.header.position.0).is_some() {
                events.push(event);
            }
            let end = frame.next_position();
            wanted.peek().is_some_and(|next| *next < end)
        };
        decode(shared, &frame, &mut names, first, take, &all)?;
        if wanted.peek() == Some(&first) {
            return Err(missing(first));
        }
    }
    Ok(events)
}

pub(crate) fn stream(
    shared: &Shared,
    stream: &StreamId,
    from: Version,
    direction: Direction,
    max: usize,
) -> Result<Vec<Recorded>, ReadError> {
    let from = usize::try_from(from.0).unwrap_or(usize::MAX);
    let positions: Vec<u64> = {
        let state = shared.lock();
        let all = state.streams.positions(stream.as_str(), state.durable);
        match direction {
            Direction::Forward => all.iter().skip(from).take(max).copied().collect(),
            Direction::Backward => {
                let until = all.len().min(from.saturating_add(1));
                all.iter().take(until).skip(until.saturating_sub(max)).copied().collect()
            }
        }
    };
    let mut events = fetch(shared, &positions)?;
    if direction == Direction::Backward {
        events.reverse();
    }
    Ok(events)
}

pub(crate) fn all_forward(
    shared: &Shared,
    from: Position,
    filter: &Filter,
    max: usize,
) -> Result<Page, ReadError> {
    let durable = shared.lock().durable;
    let mut walk = Walk::default();
    let mut names = TypeNames::default();
    let mut events = Vec::new();
    let mut next = from.0.saturating_add(1);
    while next <= durable && events.len() < max {
        let frame = walk.seek(shared, next)?;
        let take = |event| {
            events.push(event);
            events.len() < max
        };
        decode(shared, &frame, &mut names, next, take, filter)?;
        next = frame.next_position();
    }
    let last = events.last().map(|event: &Recorded| event.header.position);
    let scanned_to = match last {
        Some(last) if events.len() == max => last,
        _ => Position(durable).max(from),
    };
    Ok(Page { events, scanned_to })
}

pub(crate) fn all_backward(
    shared: &Shared,
    from: Position,
    filter: &Filter,
    max: usize,
) -> Result<Page, ReadError> {
    let mut walk = Walk::default();
    let mut names = TypeNames::default();
    let mut events: Vec<Recorded> = Vec::new();
    let mut until = from.0.min(shared.lock().durable);
    while until > 0 && events.len() < max {
        let place = shared.lock().places.at_or_before(until).ok_or_else(|| missing(until))?;
        let mut stretch: Vec<Recorded> = Vec::new();
        let mut next = place.position;
        while next <= until {
            let frame = walk.seek(shared, next)?;
            let take = |event: Recorded| {
                let wanted = event.header.position.0 <= until;
                if wanted {
                    stretch.push(event);
                }
                wanted
            };
            decode(shared, &frame, &mut names, next, take, filter)?;
            next = frame.next_position();
        }
        let room = max - events.len();
        events.extend(stretch.into_iter().rev().take(room));
        until = place.position.saturating_sub(1);
    }
    let last = events.last().map(|event| event.header.position.0);
    let scanned_to = match last {
        Some(last) if events.len() == max => Position(last - 1),
        _ => Position::START,
    };
    Ok(Page { events, scanned_to })
}

/// Reads through the log from one position to the head at its beginning.
#[derive(Debug)]
pub struct Scan {
    shared: Arc<Shared>,
    walk: Walk,
    names: TypeNames,
    next: u64,
    until: u64,
    ready: VecDeque<Recorded>,
}

impl Scan {
    pub(crate) fn new(shared: &Arc<Shared>, after: Position) -> Self {
        let until = shared.lock().durable;
        Self {
            shared: Arc::clone(shared),
            walk: Walk::default(),
            names: TypeNames::default(),
            next: after.0.saturating_add(1),
            until,
            ready: VecDeque::new(),
        }
    }

    fn fill(&mut self) -> Result<(), ReadError> {
        let frame = self.walk.seek(&self.shared, self.next)?;
        let ready = &mut self.ready;
        let take = |event| {
            ready.push_back(event);
            true
        };
        decode(&self.shared, &frame, &mut self.names, self.next, take, &Filter::all())?;
        self.next = frame.next_position();
        Ok(())
    }
}

impl Iterator for Scan {
    type Item = Result<Recorded, ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ready.is_empty()
            && self.next <= self.until
            && let Err(error) = self.fill()
        {
            self.next = self.until.saturating_add(1);
            return Some(Err(error));
        }
        self.ready.pop_front().map(Ok)
    }
}

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

pub(crate) fn verify(shared: &Shared) -> Result<Verified, ReadError> {
    let durable = shared.lock().durable;
    let mut walk = Walk::default();
    let mut verified = Verified::default();
    let mut next = 1;
    while next <= durable {
        let frame = walk.seek(shared, next)?;
        verified.frames += 1;
        verified.events += u64::from(frame.head.count);
        verified.bytes += frame.body.len() as u64;
        next = frame.next_position();
    }
    Ok(verified)
}
