//! The log in memory: the model the other engines are tested against, and the log of unit tests.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ledgerline_schemas::id::{EventId, OrgId};
use ledgerline_schemas::{Header, Position, Recorded, StreamId, Timestamp, Version};
use tokio::sync::{oneshot, watch};

use crate::capability::{Atomicity, Capabilities, ConcurrencyControl, Durability, Idempotence};
use crate::log::{
    Append, AppendError, Appended, Direction, EventReader, EventWriter, Expected, Filter, Page,
    ReadError, Submitted,
};
use crate::validate;

/// A log that lives as long as its handles. Clones share it.
#[derive(Clone, Debug)]
pub struct MemoryLog {
    org_id: OrgId,
    inner: Arc<Mutex<Inner>>,
    head: watch::Sender<Position>,
    clock: fn() -> Timestamp,
}

#[derive(Debug, Default)]
struct Inner {
    events: Vec<Recorded>,
    streams: BTreeMap<StreamId, Vec<usize>>,
    ids: BTreeMap<EventId, usize>,
    checkpoints: BTreeMap<String, Position>,
}

impl MemoryLog {
    /// An empty log; `clock` gives `recorded_at`.
    #[must_use]
    pub fn new(org_id: OrgId, clock: fn() -> Timestamp) -> Self {
        Self { org_id, inner: Arc::default(), head: watch::Sender::new(Position::START), clock }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn stream_head(&self, stream: &StreamId) -> Option<Version> {
        self.streams.get(stream).map(|events| Version(events.len() as u64 - 1))
    }

    /// The answer to an append whose events are all known, or the refusal of one that is known in part.
    fn duplicate(&self, append: &Append) -> Result<Option<Appended>, AppendError> {
        let known: Vec<usize> =
            append.events.iter().filter_map(|event| self.ids.get(&event.id).copied()).collect();
        let (Some(first), Some(last)) = (known.first(), known.last()) else { return Ok(None) };
        let in_order = known.iter().zip(*first..).all(|(index, expected)| *index == expected);
        if known.len() < append.events.len() || !in_order {
            let id =
                append.events.iter().map(|event| event.id).find(|id| self.ids.contains_key(id));
            return Err(AppendError::PartialDuplicate { id: id.unwrap_or_default() });
        }
        let headers =
            || known.iter().filter_map(|index| self.events.get(*index)).map(|it| &it.header);
        Ok(Some(Appended {
            first: Position(*first as u64 + 1),
            last: Position(*last as u64 + 1),
            versions: headers().map(|header| header.version).collect(),
            recorded_at: headers().next().map_or(Timestamp::EPOCH, |header| header.recorded_at),
            duplicate: true,
        }))
    }
}

impl EventReader for MemoryLog {
    fn org_id(&self) -> OrgId {
        self.org_id
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities {
            engine: "memory",
            durability: Durability::PageCache,
            atomicity: Atomicity::Log,
            concurrency: ConcurrencyControl::Native,
            idempotence: Idempotence::Exact,
        }
    }

    fn head(&self) -> Position {
        *self.head.borrow()
    }

    fn watch_head(&self) -> watch::Receiver<Position> {
        self.head.subscribe()
    }

    fn stream_head(&self, stream: &StreamId) -> Result<Option<Version>, ReadError> {
        Ok(self.lock().stream_head(stream))
    }

    fn read_stream(
        &self,
        stream: &StreamId,
        from: Version,
        direction: Direction,
        max: usize,
    ) -> Result<Vec<Recorded>, ReadError> {
        let inner = self.lock();
        let Some(indexes) = inner.streams.get(stream) else { return Ok(Vec::new()) };
        let from = usize::try_from(from.0).unwrap_or(usize::MAX);
        let pick = |index: &usize| inner.events.get(*index).cloned();
        Ok(match direction {
            Direction::Forward => indexes.iter().skip(from).take(max).filter_map(pick).collect(),
            Direction::Backward => indexes
                .iter()
                .take(from.saturating_add(1))
                .rev()
                .take(max)
                .filter_map(pick)
                .collect(),
        })
    }

    fn read_all(
        &self,
        from: Position,
        direction: Direction,
        filter: &Filter,
        max: usize,
    ) -> Result<Page, ReadError> {
        let inner = self.lock();
        let passes =
            |it: &&Recorded| filter.passes(it.header.stream.as_str(), &it.header.event_type);
        let from_index = usize::try_from(from.0).unwrap_or(usize::MAX);
        let events: Vec<Recorded> = match direction {
            Direction::Forward => {
                inner.events.iter().skip(from_index).filter(passes).take(max).cloned().collect()
            }
            Direction::Backward => inner
                .events
                .iter()
                .take(from_index)
                .rev()
                .filter(passes)
                .take(max)
                .cloned()
                .collect(),
        };
        let head = Position(inner.events.len() as u64);
        let full = events.len() == max;
        let last = events.last().map(|it| it.header.position);
        let scanned_to = match (direction, full, last) {
            (Direction::Forward, true, Some(last)) => last,
            (Direction::Forward, ..) => head.max(from),
            (Direction::Backward, true, Some(last)) => Position(last.0 - 1),
            (Direction::Backward, ..) => Position::START,
        };
        Ok(Page { events, scanned_to })
    }

    fn find_event(&self, id: EventId) -> Result<Option<Position>, ReadError> {
        Ok(self.lock().ids.get(&id).map(|index| Position(*index as u64 + 1)))
    }

    fn load_checkpoint(&self, consumer: &str) -> Result<Option<Position>, ReadError> {
        Ok(self.lock().checkpoints.get(consumer).copied())
    }
}

impl EventWriter for MemoryLog {
    fn submit(&self, append: Append) -> Result<Submitted, AppendError> {
        validate::append(&append)?;
        let mut inner = self.lock();
        let (sender, receiver) = oneshot::channel();
        let _ = sender.send(Ok(()));
        if let Some(appended) = inner.duplicate(&append)? {
            return Ok(Submitted::new(appended, receiver));
        }
        for (stream, expected) in &append.expected {
            let actual = inner.stream_head(stream);
            validate::expectation(stream, *expected, actual)?;
        }
        let recorded_at = (self.clock)();
        let first = Position(inner.events.len() as u64 + 1);
        let mut versions = Vec::with_capacity(append.events.len());
        for event in append.events {
            let index = inner.events.len();
            let of_stream = inner.streams.entry(event.stream.clone()).or_default();
            let version = Version(of_stream.len() as u64);
            of_stream.push(index);
            inner.ids.insert(event.id, index);
            versions.push(version);
            inner.events.push(Recorded {
                header: Header {
                    id: event.id,
                    event_type: event.event_type,
                    org_id: self.org_id,
                    stream: event.stream,
                    version,
                    position: Position(index as u64 + 1),
                    time: event.time,
                    recorded_at,
                    command_id: event.command_id,
                    correlation_id: event.correlation_id,
                    causation_id: event.causation_id,
                    actor: event.actor,
                    config_position: event.config_position,
                    traceparent: event.traceparent,
                    data_subject_id: event.data_subject_id,
                },
                payload: event.payload,
            });
        }
        let last = Position(inner.events.len() as u64);
        // Under the lock: heads must not overtake each other.
        self.head.send_replace(last);
        drop(inner);
        let appended = Appended { first, last, versions, recorded_at, duplicate: false };
        Ok(Submitted::new(appended, receiver))
    }

    fn save_checkpoint(&self, consumer: &str, position: Position) -> Result<(), AppendError> {
        self.lock().checkpoints.insert(consumer.to_owned(), position);
        Ok(())
    }
}

/// Whether a stream head meets an expectation; for engines.
#[must_use]
pub(crate) fn meets(expected: Expected, actual: Option<Version>) -> bool {
    match expected {
        Expected::Any => true,
        Expected::NoStream => actual.is_none(),
        Expected::Exists => actual.is_some(),
        Expected::Exact(version) => actual == Some(version),
    }
}
