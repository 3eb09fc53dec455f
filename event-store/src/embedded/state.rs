//! What all handles of a log share.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use ledgerline_schemas::id::{EventId, OrgId};
use ledgerline_schemas::{NewEvent, Position, Timestamp, Version};
use tokio::sync::{oneshot, watch};

use super::options::Options;
use super::outside::Outside;
use crate::index::ids::Ids;
use crate::index::places::Places;
use crate::index::streams::Streams;
use crate::log::AppendError;
use crate::segment::Segment;

/// Shared between handles, readers and the writer.
pub(crate) struct Shared {
    pub(crate) org_id: OrgId,
    pub(crate) options: Options,
    pub(crate) head: watch::Sender<Position>,
    pub(crate) outside: Outside,
    state: Mutex<State>,
    work: Condvar,
}

/// Whether appends are taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Condition {
    /// Yes.
    Open,
    /// No: the log closes after what is queued.
    Closing,
    /// No, and nothing that was queued gets written: the outcome of the last write is unknown.
    Poisoned(String),
}

/// Everything under the one lock.
#[derive(Debug)]
pub(crate) struct State {
    pub(crate) condition: Condition,
    /// Last position on stable storage: what readers may see.
    pub(crate) durable: u64,
    /// The next position to be given out.
    pub(crate) next_position: u64,
    /// Events on their way included.
    pub(crate) streams: Streams,
    /// Durable events only.
    pub(crate) ids: Ids,
    /// Events on their way.
    pub(crate) pending: BTreeMap<EventId, Known>,
    pub(crate) queue: VecDeque<Job>,
    pub(crate) queued_bytes: usize,
    pub(crate) last_recorded_at: Timestamp,
    pub(crate) segments: Vec<Arc<Segment>>,
    pub(crate) places: Places,
}

/// What is known of an event without reading it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Known {
    pub(crate) id: EventId,
    pub(crate) position: u64,
    pub(crate) version: Version,
    pub(crate) recorded_at: Timestamp,
}

/// One append on its way to the disk. Without events it only waits for what was queued before it.
#[derive(Debug)]
pub(crate) struct Job {
    pub(crate) base_position: u64,
    pub(crate) recorded_at: Timestamp,
    pub(crate) versions: Vec<Version>,
    pub(crate) events: Vec<NewEvent>,
    pub(crate) bytes: usize,
    pub(crate) waiter: Option<oneshot::Sender<Result<(), AppendError>>>,
}

impl Job {
    pub(crate) fn answer(&mut self, outcome: Result<(), AppendError>) {
        if let Some(waiter) = self.waiter.take() {
            // Nobody has to wait for an append.
            let _ = waiter.send(outcome);
        }
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").field("org_id", &self.org_id).finish_non_exhaustive()
    }
}

impl Shared {
    pub(crate) fn new(org_id: OrgId, options: Options, state: State) -> Self {
        let head = watch::Sender::new(Position(state.durable));
        Self {
            org_id,
            options,
            head,
            outside: Outside::default(),
            state: Mutex::new(state),
            work: Condvar::new(),
        }
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells the writer that there is something to do.
    pub(crate) fn wake_writer(&self) {
        self.work.notify_one();
    }

    /// Waits for appends; `None` when there will be none any more.
    pub(crate) fn next_group(&self) -> Option<VecDeque<Job>> {
        let mut state = self.lock();
        loop {
            if !state.queue.is_empty() {
                return Some(state.take_group(self.options.group_bytes_max));
            }
            if state.condition != Condition::Open {
                return None;
            }
            state = self.work.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// The appends that wait now.
    #[cfg(any(test, feature = "simulation"))]
    pub(crate) fn waiting_group(&self) -> VecDeque<Job> {
        self.lock().take_group(self.options.group_bytes_max)
    }

    /// Takes no more appends.
    pub(crate) fn close(&self) {
        let mut state = self.lock();
        if state.condition == Condition::Open {
            state.condition = Condition::Closing;
        }
        drop(state);
        self.work.notify_all();
    }
}

impl State {
    /// Takes queued appends up to a number of bytes, at least one.
    fn take_group(&mut self, bytes_max: usize) -> VecDeque<Job> {
        if self.queued_bytes <= bytes_max {
            self.queued_bytes = 0;
            return std::mem::take(&mut self.queue);
        }
        let mut group = VecDeque::new();
        let mut bytes = 0;
        while let Some(job) = self.queue.pop_front() {
            bytes += job.bytes;
            self.queued_bytes -= job.bytes;
            group.push_back(job);
            if bytes >= bytes_max {
                break;
            }
        }
        group
    }

    /// Forgets appends that will not be written, newest first.
    pub(crate) fn forget(&mut self, jobs: &[Job]) {
        for event in jobs.iter().rev().flat_map(|job| job.events.iter().rev()) {
            self.streams.pop(event.stream.as_str());
            self.pending.remove(&event.id);
        }
        self.next_position = self.durable + 1;
    }
}
