//! Taking an append into the order: duplicates, expectations, positions, versions. Nothing here touches the
//! disk, except to look at an event whose id seems to be known.

use std::collections::BTreeMap;

use ledgerline_schemas::{Position, StreamId, Timestamp, Version};
use tokio::sync::oneshot;

use super::read;
use super::state::{Condition, Job, Known, Shared, State};
use crate::log::{Append, AppendError, Appended, Submitted};
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

/// Events that were read to compare their ids, by position.
type Examined = BTreeMap<u64, Known>;

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
    let mut examined = Examined::new();
    loop {
        let mut state = shared.lock();
        state.check_open()?;
        match state.recognize(&append, &examined)? {
            Recognition::New => {
                let recorded_at = recorded_at.unwrap_or_else(|| (shared.options.clock)());
                let submitted =
                    state.sequence(append, recorded_at, shared.options.waiting_bytes_max)?;
                drop(state);
                shared.wake_writer();
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
                        versions: Vec::new(),
                        events: Vec::new(),
                        bytes: 0,
                        waiter: Some(sender),
                    });
                    drop(state);
                    shared.wake_writer();
                }
                return Ok(Submitted::new(appended, receiver));
            }
            Recognition::Examine(positions) => {
                drop(state);
                let events =
                    read::fetch(shared, &positions).map_err(|error| AppendError::Unavailable {
                        reason: format!("an event with a known id cannot be read: {error}"),
                    })?;
                examined.extend(events.iter().map(|event| {
                    let header = &event.header;
                    let known = Known {
                        id: header.id,
                        position: header.position.0,
                        version: header.version,
                        recorded_at: header.recorded_at,
                    };
                    (known.position, known)
                }));
            }
        }
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

    fn recognize(&self, append: &Append, examined: &Examined) -> Result<Recognition, AppendError> {
        let mut known = Vec::new();
        let mut unseen = Vec::new();
        for event in &append.events {
            if let Some(pending) = self.pending.get(&event.id) {
                known.push(*pending);
                continue;
            }
            for position in self.ids.candidates(event.id) {
                match examined.get(&position) {
                    Some(candidate) if candidate.id == event.id => known.push(*candidate),
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
        if known.len() < append.events.len() || !in_order {
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

    fn head_of(&self, stream: &StreamId) -> Option<Version> {
        self.streams.head(stream.as_str())
    }

    fn sequence(
        &mut self,
        append: Append,
        now: Timestamp,
        waiting_bytes_max: usize,
    ) -> Result<Submitted, AppendError> {
        for (stream, expected) in &append.expected {
            validate::expectation(stream, *expected, self.head_of(stream))?;
        }
        let body_bytes = append.events.iter().map(record::record_bytes).sum();
        let bytes = frame::frame_bytes(body_bytes);
        if self.queued_bytes > 0 && self.queued_bytes + bytes > waiting_bytes_max {
            return Err(AppendError::Unavailable {
                reason: format!("{} bytes already wait for the disk", self.queued_bytes),
            });
        }
        // A clock that steps back must not make the log look out of order.
        let recorded_at = now.max(self.last_recorded_at);
        self.last_recorded_at = recorded_at;
        let base_position = self.next_position;
        let mut versions = Vec::with_capacity(append.events.len());
        for (event, position) in append.events.iter().zip(base_position..) {
            let version = self.streams.push(event.stream.as_str(), position);
            versions.push(version);
            self.pending.insert(event.id, Known { id: event.id, position, version, recorded_at });
        }
        self.next_position += append.events.len() as u64;
        let appended = Appended {
            first: Position(base_position),
            last: Position(self.next_position - 1),
            versions: versions.clone(),
            recorded_at,
            duplicate: false,
        };
        let (sender, receiver) = oneshot::channel();
        self.queued_bytes += bytes;
        self.queue.push_back(Job {
            base_position,
            recorded_at,
            versions,
            events: append.events,
            bytes,
            waiter: Some(sender),
        });
        Ok(Submitted::new(appended, receiver))
    }
}
