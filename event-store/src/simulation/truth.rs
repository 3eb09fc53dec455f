//! What was appended, beside the log: the ledger the log is held against.

use ledgerline_schemas::id::{CommandId, CorrelationId, EventId};
use ledgerline_schemas::{Actor, NewEvent, Position, Recorded, StreamId, Timestamp, Version};

use super::random::Random;
use crate::log::{
    Append, Appended, Direction, EventReader, EventWriter, Expected, Filter, ReadError,
};

const STREAMS: u64 = 4;
const PAGE_EVENTS: usize = 7;

/// Every event that was taken, in order.
#[derive(Clone, Debug, Default)]
pub(crate) struct Truth {
    events: Vec<(NewEvent, Version)>,
    /// Positions at which an append ends.
    ends: Vec<u64>,
    /// Up to here events were acknowledged or shown: they must survive.
    pub(crate) claimed: u64,
}

impl Truth {
    pub(crate) fn len(&self) -> u64 {
        self.events.len() as u64
    }

    /// Takes note of an append the log took.
    pub(crate) fn note(&mut self, events: Vec<NewEvent>, appended: &Appended) {
        if !appended.duplicate {
            self.events.extend(events.into_iter().zip(appended.versions.iter().copied()));
            self.ends.push(appended.last.0);
        }
    }

    /// An append with random sizes; `tag` makes its contents differ from those of another life.
    pub(crate) fn next_append(&self, tag: u64, random: &mut Random) -> Append {
        let count = if random.one_in(2) { 1 } else { 1 + random.below(4) };
        let events: Vec<NewEvent> = (0..count).map(|_| new_event(tag, random)).collect();
        let mut expected = Vec::new();
        if let Some(first) = events.first().filter(|_| random.one_in(3)) {
            let mut of_stream =
                self.events.iter().filter(|(event, _)| event.stream == first.stream);
            let head = of_stream.next_back().map(|(_, version)| *version);
            let expectation = head.map_or(Expected::NoStream, Expected::Exact);
            expected.push((first.stream.clone(), expectation));
        }
        Append { events, expected }
    }

    /// An append that was taken before.
    pub(crate) fn old_append(&self, random: &mut Random) -> Option<Append> {
        self.append_at(random.index(self.ends.len()))
    }

    fn append_at(&self, number: usize) -> Option<Append> {
        let end = usize::try_from(*self.ends.get(number)?).ok()?;
        let start = number.checked_sub(1).and_then(|it| self.ends.get(it)).copied().unwrap_or(0);
        let events = self.events.get(usize::try_from(start).ok()?..end)?;
        Some(Append {
            events: events.iter().map(|(event, _)| event.clone()).collect(),
            expected: Vec::new(),
        })
    }

    /// Forgets what was refused: everything from this position on.
    pub(crate) fn never_was(&mut self, first: u64) {
        let before = first.saturating_sub(1);
        self.events.truncate(usize::try_from(before).unwrap_or(usize::MAX));
        self.ends.retain(|end| *end <= before);
    }

    /// Holds an open log against the ledger: it shows what was acknowledged, and nothing else.
    pub(crate) fn shows(&self, log: &dyn EventReader) -> Result<(), String> {
        if log.head().0 != self.claimed {
            return Err(format!("{} was acknowledged, {} is shown", self.claimed, log.head().0));
        }
        let stored = read_all(log)?;
        if stored.len() as u64 != self.claimed {
            return Err(format!("{} events are read of {}", stored.len(), self.claimed));
        }
        stored.iter().zip(self.events.iter().zip(1..)).try_for_each(
            |(recorded, ((event, version), position))| same(recorded, event, *version, position),
        )
    }

    /// Holds a reopened log against the ledger; what is beyond its end never happened.
    pub(crate) fn settle(&mut self, log: &dyn EventReader) -> Result<(), String> {
        let head = log.head().0;
        if head < self.claimed {
            return Err(format!(
                "position {} was acknowledged or shown, the log ends at {head}",
                self.claimed
            ));
        }
        if head > self.len() || (head > 0 && !self.ends.contains(&head)) {
            return Err(format!("the log ends at {head}, where no append ended"));
        }
        let stored = read_all(log)?;
        if stored.len() as u64 != head {
            return Err(format!("{} events are read, the head is {head}", stored.len()));
        }
        for (recorded, ((event, version), position)) in
            stored.iter().zip(self.events.iter().zip(1..))
        {
            same(recorded, event, *version, position)?;
        }
        self.events.truncate(stored.len());
        self.ends.retain(|end| *end <= head);
        self.claimed = head;
        self.check_streams(log)
    }

    /// Holds a damaged log against the ledger: what it still shows is what was appended.
    pub(crate) fn shows_nothing_else(&self, log: &dyn EventReader) -> Result<(), String> {
        for ((event, version), position) in self.events.iter().zip(1..) {
            let read = log.read_all(Position(position - 1), Direction::Forward, &Filter::all(), 1);
            match read.as_ref().map(|page| page.events.as_slice()) {
                Ok([recorded]) => same(recorded, event, *version, position)?,
                Ok(_) => return Err(format!("position {position} is not shown, and no error is")),
                Err(ReadError::Damaged { .. }) => {}
                Err(error) => return Err(error.to_string()),
            }
        }
        Ok(())
    }

    /// Every append that was taken is recognized when it comes again.
    pub(crate) fn recognizes_all(&self, log: &dyn EventWriter) -> Result<(), String> {
        for number in 0..self.ends.len() {
            let Some(append) = self.append_at(number) else { continue };
            let submitted = log.submit(append).map_err(|error| error.to_string())?;
            if !submitted.appended.duplicate {
                return Err(format!("append {number} was taken a second time"));
            }
        }
        Ok(())
    }

    fn check_streams(&self, log: &dyn EventReader) -> Result<(), String> {
        for number in 0..STREAMS {
            let stream = stream(number);
            let wanted: Vec<EventId> = self
                .events
                .iter()
                .filter(|(event, _)| event.stream == stream)
                .map(|(event, _)| event.id)
                .collect();
            let found = log
                .read_stream(&stream, Version(0), Direction::Forward, usize::MAX)
                .map_err(|error| error.to_string())?;
            if !found.iter().map(|event| event.header.id).eq(wanted.iter().copied()) {
                return Err(format!("stream {stream} does not have the events it was given"));
            }
        }
        Ok(())
    }
}

fn read_all(log: &dyn EventReader) -> Result<Vec<Recorded>, String> {
    let mut events = Vec::new();
    let mut after = Position::START;
    loop {
        let page = log
            .read_all(after, Direction::Forward, &Filter::all(), PAGE_EVENTS)
            .map_err(|error| error.to_string())?;
        if page.events.is_empty() {
            return Ok(events);
        }
        after = page.scanned_to;
        events.extend(page.events);
    }
}

fn same(
    recorded: &Recorded,
    event: &NewEvent,
    version: Version,
    position: u64,
) -> Result<(), String> {
    let header = &recorded.header;
    let same = header.id == event.id
        && header.position == Position(position)
        && header.version == version
        && header.stream == event.stream
        && header.event_type == event.event_type
        && header.time == event.time
        && header.causation_id == event.causation_id
        && recorded.payload == event.payload;
    if same {
        Ok(())
    } else {
        Err(format!("position {position} holds another event than was appended"))
    }
}

fn stream(number: u64) -> StreamId {
    StreamId::new(format!("interaction-{number}"))
}

fn new_event(tag: u64, random: &mut Random) -> NewEvent {
    let id = EventId::from_u128(u128::from(random.next()) << 64 | u128::from(random.next() ^ tag));
    let length = match random.below(8) {
        0 => 0,
        1 => 1_500 + random.below(1_500),
        _ => random.below(600),
    };
    let fill = random.next() ^ tag;
    let words = (0..length.div_ceil(8)).flat_map(|n| fill.wrapping_mul(n | 1).to_le_bytes());
    let payload = words.take(usize::try_from(length).unwrap_or(0)).collect();
    NewEvent {
        id,
        stream: stream(random.below(STREAMS)),
        event_type: "queue.entered".into(),
        time: Timestamp::from_micros(i64::try_from(random.below(1 << 50)).unwrap_or(0)),
        command_id: CommandId::from_u128(u128::from(tag)),
        correlation_id: CorrelationId::from_u128(2),
        causation_id: random.one_in(4).then_some(id),
        actor: Actor::router(),
        config_position: Position::START,
        traceparent: None,
        data_subject_id: None,
        payload,
    }
}
