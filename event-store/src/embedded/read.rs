//! Reading events by position. Every frame is verified each time it is read.

use std::ops::Deref;
use std::sync::Arc;

use ledgerline_schemas::id::{EventId, OrgId};
use ledgerline_schemas::{Position, Recorded, StreamId, Timestamp, Version};

use super::state::{Shared, indexed_next_version};
use crate::engine::Batch;
use crate::index::hash;
use crate::index::runs::Place;
use crate::log::{Direction, Filter, Page, ReadError};
use crate::segment::Segment;
use crate::segment::cursor::{Cursor, Step};
use crate::segment::frame::{Frame, Kind};
use crate::segment::header::HEADER_BYTES;
use crate::segment::record::{Records, TypeNames};

/// Goes through the durable frames of a log.
#[derive(Debug)]
pub(super) struct Walk<S> {
    shared: S,
    segments: Arc<Vec<Arc<Segment>>>,
    cursor: Option<Cursor>,
    /// Base position of the last segment that was announced.
    announced: u64,
}

impl<S: Deref<Target = Shared>> Walk<S> {
    /// A walk up to the present head, which is returned.
    pub(super) fn begin(shared: S) -> (Self, u64) {
        let (segments, durable) = {
            let state = shared.lock();
            (Arc::clone(&state.segments), state.durable)
        };
        (Self { shared, segments, cursor: None, announced: 0 }, durable)
    }

    pub(super) fn org_id(&self) -> OrgId {
        self.shared.org_id
    }

    /// The frame that holds a durable position.
    pub(super) fn seek(&mut self, position: u64) -> Result<Frame<'_>, ReadError> {
        if !self.is_next(position) {
            let place = self.shared.place(position)?.ok_or_else(|| missing(position))?;
            if !self.leads_to(position, &place) {
                let segment = self.segment(place.segment).ok_or_else(|| missing(position))?;
                self.cursor = Some(Cursor::new(segment, place.offset));
            }
        }
        while !self.holds(position) {
            self.step(position)?;
        }
        self.cursor.as_ref().and_then(Cursor::frame).ok_or_else(|| missing(position))
    }

    /// The segment that begins with this position.
    fn segment(&self, base: u64) -> Option<Arc<Segment>> {
        let number = self.segments.partition_point(|it| it.base_position < base);
        self.segments.get(number).filter(|it| it.base_position == base).map(Arc::clone)
    }

    /// Says of the segment behind the one that holds a position that it will be read.
    pub(super) fn read_ahead(&mut self, position: u64) {
        if position < self.announced {
            return;
        }
        let number = self.segments.partition_point(|it| it.base_position <= position);
        let next = self.segments.get(number);
        self.announced = next.map_or(u64::MAX, |next| next.base_position);
        if let Some(file) = next.and_then(|next| next.file().ok()) {
            file.will_read();
        }
    }

    /// Whether the current frame holds a position, or the one behind it does.
    fn is_next(&self, position: u64) -> bool {
        self.cursor.as_ref().and_then(Cursor::frame).is_some_and(|frame| {
            (frame.head.base_position..=frame.next_position()).contains(&position)
        })
    }

    /// Whether walking on from the current frame is no longer than jumping.
    fn leads_to(&self, position: u64, place: &Place) -> bool {
        self.cursor.as_ref().is_some_and(|cursor| {
            cursor.segment().base_position == place.segment
                && place.offset <= cursor.offset()
                && cursor.frame().is_some_and(|frame| frame.head.base_position <= position)
        })
    }

    fn holds(&self, position: u64) -> bool {
        self.cursor.as_ref().and_then(Cursor::frame).is_some_and(|frame| {
            frame.head.kind == Kind::Events
                && (frame.head.base_position..frame.next_position()).contains(&position)
        })
    }

    fn step(&mut self, position: u64) -> Result<(), ReadError> {
        let frame = self.cursor.as_ref().and_then(Cursor::frame);
        if let Some(seal) = frame.filter(|frame| frame.head.kind == Kind::Seal) {
            let base = seal.head.base_position;
            let next = self.segment(base).ok_or_else(|| missing(base))?;
            self.cursor = Some(Cursor::new(next, HEADER_BYTES as u64));
        }
        let cursor = self.cursor.as_mut().ok_or_else(|| missing(position))?;
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

pub(super) fn missing(position: u64) -> ReadError {
    ReadError::Damaged {
        place: format!("position {position}"),
        reason: "no segment holds it".to_owned(),
    }
}

/// Decodes the events of a frame from position `from` on while `want` says so.
pub(super) fn decode(
    org_id: OrgId,
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
        let event = record.to_recorded(org_id, Position(position), recorded_at, names);
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
    walk: Walk<Arc<Shared>>,
    /// Last position the walk knows the segment of.
    until: u64,
}

impl Batches {
    pub(crate) fn new(shared: &Arc<Shared>) -> Self {
        let (walk, until) = Walk::begin(Arc::clone(shared));
        Self { shared: Arc::clone(shared), walk, until }
    }

    /// The append that holds a durable position.
    pub(crate) fn holding(&mut self, position: u64) -> Result<Batch, ReadError> {
        if position > self.until {
            (self.walk, self.until) = Walk::begin(Arc::clone(&self.shared));
        }
        let frame = self.walk.seek(position)?;
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
    let (mut walk, _) = Walk::begin(shared);
    let mut names = TypeNames::default();
    let mut events = Vec::with_capacity(positions.len());
    let mut wanted = positions.iter().copied().peekable();
    while let Some(first) = wanted.peek().copied() {
        let frame = walk.seek(first)?;
        let take = |event: Recorded| {
            if wanted.next_if_eq(&event.header.position.0).is_some() {
                events.push(event);
            }
            let end = frame.next_position();
            wanted.peek().is_some_and(|next| *next < end)
        };
        decode(shared.org_id, &frame, &mut names, first, take, &all)?;
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
    let positions = stream_positions(shared, stream, from.0, direction, max)?;
    let mut events = fetch(shared, &positions)?;
    if direction == Direction::Backward {
        events.reverse();
    }
    Ok(events)
}

/// Positions of a stream's events in the order of version.
fn stream_positions(
    shared: &Shared,
    stream: &StreamId,
    from: u64,
    direction: Direction,
    max: usize,
) -> Result<Vec<u64>, ReadError> {
    let (hash, name) = (hash::of_stream(stream.as_str()), stream.as_str());
    let max = max as u64;
    let asked = match direction {
        Direction::Forward => from..from.saturating_add(max),
        Direction::Backward => {
            let head = match stream_head(shared, stream)? {
                Some(head) => head.0.saturating_add(1),
                None => return Ok(Vec::new()),
            };
            let until = head.min(from.saturating_add(1));
            until.saturating_sub(max)..until
        }
    };
    let (recent, mut runs, first) = {
        let state = shared.lock();
        let (recent, first) = state.positions(hash, name, &asked);
        (recent, shared.sealed.runs(), first)
    };
    let before = asked.start..first.map_or(asked.end, |first| asked.end.min(first));
    let mut positions = if before.is_empty() {
        Vec::new()
    } else {
        shared.sealed.ask(&mut runs, |runs| runs.positions(hash, name, before.clone()))?
    };
    positions.extend(recent);
    Ok(positions)
}

/// Last durable version of a stream.
pub(crate) fn stream_head(
    shared: &Shared,
    stream: &StreamId,
) -> Result<Option<Version>, ReadError> {
    let (hash, name) = (hash::of_stream(stream.as_str()), stream.as_str());
    let (known, mut runs) = {
        let state = shared.lock();
        (state.durable_next_version(hash, name), shared.sealed.runs())
    };
    let next = match known {
        Some(next) => next,
        None => indexed_next_version(&shared.sealed, &mut runs, hash, name)?,
    };
    Ok(next.checked_sub(1).map(Version))
}

/// Where the durable event with this id is. Mostly no fingerprint matches, and nothing is read.
pub(crate) fn find_event(shared: &Shared, id: EventId) -> Result<Option<Position>, ReadError> {
    let print = hash::of_id(id);
    let (mut candidates, mut runs) = {
        let state = shared.lock();
        let in_memory = state.recents().flat_map(|recent| recent.ids(print));
        let durable: Vec<u64> = in_memory.filter(|position| *position <= state.durable).collect();
        (durable, shared.sealed.runs())
    };
    candidates.extend(shared.sealed.ask(&mut runs, |runs| runs.ids(print))?);
    candidates.sort_unstable();
    candidates.dedup();
    let events = fetch(shared, &candidates)?;
    let found = events.iter().find(|event| event.header.id == id);
    Ok(found.map(|event| event.header.position))
}

pub(crate) fn all_forward(
    shared: &Shared,
    from: Position,
    filter: &Filter,
    max: usize,
) -> Result<Page, ReadError> {
    let (mut walk, durable) = Walk::begin(shared);
    let mut names = TypeNames::default();
    let mut events = Vec::new();
    let mut next = from.0.saturating_add(1);
    while next <= durable && events.len() < max {
        let frame = walk.seek(next)?;
        let take = |event| {
            events.push(event);
            events.len() < max
        };
        decode(shared.org_id, &frame, &mut names, next, take, filter)?;
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
    let (mut walk, durable) = Walk::begin(shared);
    let mut names = TypeNames::default();
    let mut events: Vec<Recorded> = Vec::new();
    let mut until = from.0.min(durable);
    while until > 0 && events.len() < max {
        let place = shared.place(until)?.ok_or_else(|| missing(until))?;
        let mut stretch: Vec<Recorded> = Vec::new();
        let mut next = place.position;
        while next <= until {
            let frame = walk.seek(next)?;
            let take = |event: Recorded| {
                let wanted = event.header.position.0 <= until;
                if wanted {
                    stretch.push(event);
                }
                wanted
            };
            decode(shared.org_id, &frame, &mut names, next, take, filter)?;
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
