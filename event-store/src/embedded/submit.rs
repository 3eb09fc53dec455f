//! Taking an append into the order: duplicates, expectations, positions, versions. Nothing here touches the
//! disk under the lock; what has to be looked up in index files or in the log is looked up before.

use std::collections::BTreeMap;
use std::sync::Arc;

use ledgerline_schemas::{Position, StreamId, Timestamp, Version};
use tokio::sync::oneshot;

use super::read;
use super::state::{Condition, InFlight, Job, Known, Shared, State, indexed_next_version};
use crate::index::hash;
use crate::index::runs::Runs;
use crate::log::{Append, AppendError, Appended, Submitted};
use crate::segment::recovery::Problem;
use crate::segment::{frame, record};
use crate::validate;

/// What is known of an append's ids.
enum Recognition {
    /// None of them is in the log.
    New,
    /// Events at these positions must be looked at first.
    Examine(Vec<u64>),
    /// All of them are, in this order.
    Duplicate(Appended),
}

/// What was looked up without the lock. It holds as long as the index files end where they did.
struct LookedUp {
    runs: Arc<Runs>,
    /// Positions in index files that may hold the append's ids, event by event.
    candidates: Vec<Vec<u64>>,
    /// Events that were read to compare their ids, by position.
    examined: BTreeMap<u64, Known>,
    /// The version that follows a stream's last event in the index files, by hash and name.
    next_versions: BTreeMap<StreamId, u64>,
}

/// An append, prepared as far as that is possible without its place in the order.
struct Prepared {
    append: Append,
    prints: Vec<u64>,
    streams: Vec<u64>,
    body: Vec<u8>,
}

impl Prepared {
    fn new(append: Append) -> Self {
        let events = &append.events;
        let mut body = Vec::with_capacity(events.iter().map(record::record_bytes).sum());
        for event in events {
            record::encode(&mut body, event, Version(0));
        }
        Self {
            prints: events.iter().map(|event| hash::of_id(event.id)).collect(),
            streams: events.iter().map(|event| hash::of_stream(event.stream.as_str())).collect(),
            body,
            append,
        }
    }
}

fn unreadable(problem: Problem) -> AppendError {
    let error = crate::log::ReadError::from(problem);
    AppendError::Unavailable { reason: format!("the log's index cannot be read: {error}") }
}

pub(crate) fn submit(shared: &Shared, append: Append) -> Result<Submitted, AppendError> {
    shared.outside.check()?;
    take(shared, append, None)
}

/// Takes an append of another log, with the time at which that one took it.
pub(crate) fn replicate(
    shared: &Shared,
    append: Append,
    recorded_at: Timestamp,
) -> Result<Submitted, AppendError> {
    take(shared, append, Some(recorded_at))
}

fn take(
    shared: &Shared,
    append: Append,
    recorded_at: Option<Timestamp>,
) -> Result<Submitted, AppendError> {
    validate::append(&append)?;
    let mut prepared = Prepared::new(append);
    let mut looked_up = look_up(shared, &prepared)?;
    loop {
        let mut state = shared.lock();
        state.check_open()?;
        if state.unindexed_from() != looked_up.runs.end() {
            drop(state);
            let examined = std::mem::take(&mut looked_up.examined);
            looked_up = LookedUp { examined, ..look_up(shared, &prepared)? };
            continue;
        }
        match state.recognize(&prepared, &looked_up)? {
            Recognition::New => {
                let missing = state.unknown_streams(&prepared, &looked_up);
                if !missing.is_empty() {
                    drop(state);
                    looked_up.find_streams(shared, missing)?;
                    continue;
                }
                let recorded_at = recorded_at.unwrap_or_else(|| (shared.options.clock)());
                let submitted = state.sequence(
                    &mut prepared,
                    &looked_up,
                    recorded_at,
                    shared.options.waiting_bytes_max,
                )?;
                let wake = state.wakes_writer();
                drop(state);
                if wake {
                    shared.wake_writer();
                }
                return Ok(submitted);
            }
            Recognition::Duplicate(appended) => {
                let (sender, receiver) = oneshot::channel();
                if appended.last.0 <= state.durable {
                    drop(state);
                    let _ = sender.send(Ok(()));
                } else {
                    state.queue.push_back(Job {
                        base_position: appended.first.0,
                        recorded_at: appended.recorded_at,
                        count: 0,
                        body: Vec::new(),
                        bytes: 0,
                        waiter: Some(sender),
                    });
                    let wake = state.wakes_writer();
                    drop(state);
                    if wake {
                        shared.wake_writer();
                    }
                }
                return Ok(Submitted::new(appended, receiver));
            }
            Recognition::Examine(positions) => {
                drop(state);
                looked_up.examine(shared, &positions)?;
            }
        }
    }
}

/// Asks the index files for the append's ids; mostly their filters answer.
fn look_up(shared: &Shared, prepared: &Prepared) -> Result<LookedUp, AppendError> {
    let mut runs = shared.sealed.runs();
    let mut candidates = Vec::with_capacity(prepared.prints.len());
    for print in &prepared.prints {
        let found = shared.sealed.ask(&mut runs, |runs| runs.ids(*print)).map_err(unreadable)?;
        candidates.push(found);
    }
    Ok(LookedUp { runs, candidates, examined: BTreeMap::new(), next_versions: BTreeMap::new() })
}

impl LookedUp {
    fn find_streams(&mut self, shared: &Shared, streams: Vec<StreamId>) -> Result<(), AppendError> {
        for stream in streams {
            let (hash, name) = (hash::of_stream(stream.as_str()), stream.as_str());
            let next = indexed_next_version(&shared.sealed, &mut self.runs, hash, name)
                .map_err(unreadable)?;
            self.next_versions.insert(stream, next);
        }
        Ok(())
    }

    fn examine(&mut self, shared: &Shared, positions: &[u64]) -> Result<(), AppendError> {
        let events = read::fetch(shared, positions).map_err(|error| AppendError::Unavailable {
            reason: format!("an event with a known id cannot be read: {error}"),
        })?;
        self.examined.extend(events.iter().map(|event| {
            let header = &event.header;
            let known = Known {
                id: header.id,
                position: header.position.0,
                version: header.version,
                recorded_at: header.recorded_at,
            };
            (known.position, known)
        }));
        Ok(())
    }
}

impl State {
    fn check_open(&self) -> Result<(), AppendError> {
        let reason = match &self.condition {
            Condition::Open => return Ok(()),
            Condition::Closing => "it is closed".to_owned(),
            Condition::Poisoned(reason) => format!("it must be reopened: {reason}"),
        };
        Err(AppendError::Unavailable { reason })
    }

    /// An event on its way.
    fn in_flight_at(&self, position: u64) -> Option<Known> {
        let at = position.checked_sub(self.durable + 1)?;
        let event = self.in_flight.get(usize::try_from(at).ok()?)?;
        let InFlight { id, version, recorded_at, .. } = *event;
        Some(Known { id, position, version, recorded_at })
    }

    fn recognize(
        &self,
        prepared: &Prepared,
        looked_up: &LookedUp,
    ) -> Result<Recognition, AppendError> {
        let mut known = Vec::new();
        let mut unseen = Vec::new();
        let events = prepared.append.events.iter().zip(&prepared.prints);
        for ((event, print), indexed) in events.zip(&looked_up.candidates) {
            let in_memory = self.recents().flat_map(|recent| recent.ids(*print));
            for position in in_memory.chain(indexed.iter().copied()) {
                let candidate = match self.in_flight_at(position) {
                    Some(event) => Some(event),
                    None => looked_up.examined.get(&position).copied(),
                };
                match candidate {
                    Some(candidate) if candidate.id == event.id => known.push(candidate),
                    Some(_) => {}
                    None => unseen.push(position),
                }
            }
        }
        if !unseen.is_empty() {
            unseen.sort_unstable();
            unseen.dedup();
            return Ok(Recognition::Examine(unseen));
        }
        let (Some(first), Some(last)) = (known.first(), known.last()) else {
            return Ok(Recognition::New);
        };
        let in_order = known.iter().zip(first.position..).all(|(it, at)| it.position == at);
        if known.len() < prepared.append.events.len() || !in_order {
            return Err(AppendError::PartialDuplicate { id: first.id });
        }
        Ok(Recognition::Duplicate(Appended {
            first: Position(first.position),
            last: Position(last.position),
            versions: known.iter().map(|it| it.version).collect(),
            recorded_at: first.recorded_at,
            duplicate: true,
        }))
    }

    /// Streams of the append that have to be looked up in index files.
    fn unknown_streams(&self, prepared: &Prepared, looked_up: &LookedUp) -> Vec<StreamId> {
        if looked_up.runs.end() == 1 {
            return Vec::new();
        }
        let unknown = |stream: &StreamId, hash: u64| {
            self.next_version(hash, stream.as_str()).is_none()
                && !looked_up.next_versions.contains_key(stream)
        };
        let append = &prepared.append;
        let written = append.events.iter().zip(&prepared.streams);
        let written = written
            .filter(|(event, hash)| unknown(&event.stream, **hash))
            .map(|(event, _)| event.stream.clone());
        let expected = append.expected.iter().map(|(stream, _)| stream);
        let expected =
            expected.filter(|stream| unknown(stream, hash::of_stream(stream.as_str()))).cloned();
        written.chain(expected).collect()
    }

    fn sequence(
        &mut self,
        prepared: &mut Prepared,
        looked_up: &LookedUp,
        now: Timestamp,
        waiting_bytes_max: usize,
    ) -> Result<Submitted, AppendError> {
        let indexed = |stream: &StreamId| looked_up.next_versions.get(stream).copied().unwrap_or(0);
        for (stream, expected) in &prepared.append.expected {
            let hash = hash::of_stream(stream.as_str());
            let next = self.next_version(hash, stream.as_str());
            let next = next.map_or_else(|| indexed(stream), |next| next.0);
            validate::expectation(stream, *expected, next.checked_sub(1).map(Version))?;
        }
        let bytes = frame::frame_bytes(prepared.body.len());
        if self.queued_bytes > 0 && self.queued_bytes + bytes > waiting_bytes_max {
            return Err(AppendError::Unavailable {
                reason: format!("{} bytes already wait for the disk", self.queued_bytes),
            });
        }
        // A clock that steps back must not make the log look out of order.
        let recorded_at = now.max(self.last_recorded_at);
        self.last_recorded_at = recorded_at;
        let base_position = self.next_position;
        let events = &prepared.append.events;
        let mut versions = Vec::with_capacity(events.len());
        let hashes = prepared.prints.iter().zip(&prepared.streams);
        for ((event, (print, stream)), position) in events.iter().zip(hashes).zip(base_position..) {
            let name = event.stream.as_str();
            let (key, version) = match self.recent.push_known(*stream, name, position) {
                Some(known) => known,
                None => {
                    let next = self.next_version(*stream, name);
                    let first = next.map_or_else(|| indexed(&event.stream), |next| next.0);
                    self.recent.push(*stream, name, first, position)
                }
            };
            self.recent.insert_id(*print, position);
            let (id, print, stream) = (event.id, *print, key);
            self.in_flight.push_back(InFlight { id, print, stream, version, recorded_at });
            versions.push(version);
        }
        record::set_versions(&mut prepared.body, &versions);
        self.next_position += events.len() as u64;
        let (sender, receiver) = oneshot::channel();
        self.queued_bytes += bytes;
        self.queue.push_back(Job {
            base_position,
            recorded_at,
            count: u16::try_from(events.len()).unwrap_or(u16::MAX),
            body: std::mem::take(&mut prepared.body),
            bytes,
            waiter: Some(sender),
        });
        let appended = Appended {
            first: Position(base_position),
            last: Position(self.next_position - 1),
            versions,
            recorded_at,
            duplicate: false,
        };
        Ok(Submitted::new(appended, receiver))
    }
}
