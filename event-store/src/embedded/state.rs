//! What all handles of a log share.

use std::collections::VecDeque;
use std::fmt;
use std::ops::Range;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use ledgerline_schemas::id::{EventId, OrgId};
use ledgerline_schemas::{Position, Timestamp, Version};
use tokio::sync::{oneshot, watch};

use super::options::Options;
use super::outside::Outside;
use crate::index::layout::SegmentFacts;
use crate::index::recent::Recent;
use crate::index::runs::{Place, Runs};
use crate::index::sealed::Sealed;
use crate::index::streams::StreamKey;
use crate::log::AppendError;
use crate::segment::Segment;

/// Shared between handles, readers, the writer and the indexer.
pub(crate) struct Shared {
    pub(crate) org_id: OrgId,
    pub(crate) options: Options,
    pub(crate) head: watch::Sender<Position>,
    /// The index of the segments whose index is on disk.
    pub(crate) sealed: Sealed,
    pub(crate) outside: Outside,
    state: Mutex<State>,
    work: Condvar,
    index_work: Condvar,
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
    /// Whether a thread commits now.
    pub(crate) committing: bool,
    /// Whether the writer thread came to its end: no more segments are sealed.
    pub(crate) writer_ended: bool,
    /// Whether the writer thread waits to be woken.
    pub(crate) writer_waits: bool,
    /// Last position on stable storage: what readers may see.
    pub(crate) durable: u64,
    /// The next position to be given out.
    pub(crate) next_position: u64,
    /// The index of the last segment, events on their way included.
    pub(crate) recent: Recent,
    /// Sealed segments whose index is not on disk yet, oldest first.
    pub(crate) frozen: VecDeque<Arc<Frozen>>,
    /// Events on their way: the first has the position after `durable`.
    pub(crate) in_flight: VecDeque<InFlight>,
    pub(crate) queue: VecDeque<Job>,
    pub(crate) queued_bytes: usize,
    pub(crate) last_recorded_at: Timestamp,
    /// All of them, in order.
    pub(crate) segments: Arc<Vec<Arc<Segment>>>,
}

/// A sealed segment that is indexed in memory only.
#[derive(Debug)]
pub(crate) struct Frozen {
    pub(crate) recent: Recent,
    pub(crate) facts: SegmentFacts,
}

/// What is known of an event without reading it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Known {
    pub(crate) id: EventId,
    pub(crate) position: u64,
    pub(crate) version: Version,
    pub(crate) recorded_at: Timestamp,
}

/// An event on its way to the disk.
#[derive(Clone, Copy, Debug)]
pub(crate) struct InFlight {
    pub(crate) id: EventId,
    pub(crate) print: u64,
    pub(crate) stream: StreamKey,
    pub(crate) version: Version,
    pub(crate) recorded_at: Timestamp,
}

/// One append on its way to the disk. Without events it only waits for what was queued before it.
#[derive(Debug)]
pub(crate) struct Job {
    pub(crate) base_position: u64,
    pub(crate) recorded_at: Timestamp,
    /// How many events.
    pub(crate) count: u16,
    /// Their records, as they are stored.
    pub(crate) body: Vec<u8>,
    /// Length of the frame.
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
    pub(crate) fn new(org_id: OrgId, options: Options, sealed: Sealed, state: State) -> Self {
        let head = watch::Sender::new(Position(state.durable));
        Self {
            org_id,
            options,
            head,
            sealed,
            outside: Outside::default(),
            state: Mutex::new(state),
            work: Condvar::new(),
            index_work: Condvar::new(),
        }
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells the writer that there is something to do.
    pub(crate) fn wake_writer(&self) {
        self.work.notify_one();
    }

    /// Waits for appends and for the turn to commit them; `None` when there will be none any more.
    pub(crate) fn next_group(&self) -> Option<VecDeque<Job>> {
        let mut state = self.lock();
        loop {
            if !state.committing {
                if !state.queue.is_empty() {
                    return Some(state.begin_turn(self.options.group_bytes_max));
                }
                if state.condition != Condition::Open {
                    return None;
                }
            }
            state.writer_waits = true;
            state = self.work.wait(state).unwrap_or_else(PoisonError::into_inner);
            state.writer_waits = false;
        }
    }

    /// The appends that wait, if nobody commits now: the turn is the caller's then.
    pub(crate) fn idle_group(&self) -> Option<VecDeque<Job>> {
        let mut state = self.lock();
        let idle = !state.committing && !state.queue.is_empty();
        idle.then(|| state.begin_turn(self.options.group_bytes_max))
    }

    /// The appends that wait now.
    #[cfg(any(test, feature = "simulation"))]
    pub(crate) fn waiting_group(&self) -> VecDeque<Job> {
        self.lock().take_group(self.options.group_bytes_max)
    }

    /// Goes on to a new segment.
    pub(crate) fn roll(&self, facts: SegmentFacts, next: Arc<Segment>) {
        let mut state = self.lock();
        let segments = Arc::make_mut(&mut state.segments);
        if facts.base == facts.next {
            // It had no events: the new one takes its name and its place.
            segments.pop();
        }
        segments.push(next);
        if facts.base < facts.next {
            state.freeze(facts);
        }
        drop(state);
        self.index_work.notify_one();
    }

    /// Waits until there are other sealed segments without an index than `seen`, by base position of the
    /// last; `None` when the writer has ended.
    pub(crate) fn next_frozen(&self, seen: Option<u64>) -> Option<u64> {
        let mut state = self.lock();
        loop {
            let last = state.frozen.back().map(|frozen| frozen.facts.base);
            if last.is_some() && last != seen {
                return last;
            }
            if state.writer_ended {
                return None;
            }
            state = self.index_work.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
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

    /// The writer thread came to its end.
    pub(crate) fn end_writer(&self) {
        self.lock().writer_ended = true;
        self.index_work.notify_all();
    }

    /// The frame that holds a durable position begins at this place or behind it.
    pub(crate) fn place(&self, position: u64) -> Result<Option<Place>, crate::log::ReadError> {
        let mut runs = {
            let state = self.lock();
            if position >= state.unindexed_from() {
                return Ok(state.place(position));
            }
            self.sealed.runs()
        };
        Ok(self.sealed.ask(&mut runs, |runs| runs.place(position))?)
    }
}

impl State {
    fn begin_turn(&mut self, bytes_max: usize) -> VecDeque<Job> {
        self.committing = true;
        self.take_group(bytes_max)
    }

    /// Ends a turn; whether the writer must be woken to go on.
    pub(crate) fn end_turn(&mut self) -> bool {
        self.committing = false;
        self.wakes_writer() || self.condition != Condition::Open
    }

    /// Whether the writer must be woken for what waits. Says so once.
    pub(crate) fn wakes_writer(&mut self) -> bool {
        let wakes = self.writer_waits && !self.committing && !self.queue.is_empty();
        if wakes {
            self.writer_waits = false;
        }
        wakes
    }

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

    /// Forgets the appends that are not durable: they will not be written.
    pub(crate) fn forget(&mut self) {
        while let Some(event) = self.in_flight.pop_back() {
            self.recent.pop(event.stream);
        }
        self.next_position = self.durable + 1;
        self.recent.forget_ids(self.next_position);
    }

    /// What is in memory from the newest segment to the oldest.
    pub(crate) fn recents(&self) -> impl Iterator<Item = &Recent> {
        let frozen = self.frozen.iter().rev().map(|frozen| &frozen.recent);
        std::iter::once(&self.recent).chain(frozen)
    }

    /// From this position on, the index is in memory; before it, on disk.
    pub(crate) fn unindexed_from(&self) -> u64 {
        self.frozen.front().map_or(self.recent.base, |frozen| frozen.recent.base)
    }

    /// Seals the index of the last segment and begins a new one, with the events on their way that are not
    /// in the sealed segment.
    fn freeze(&mut self, facts: SegmentFacts) {
        let mut old = std::mem::replace(&mut self.recent, Recent::new(facts.next));
        old.end = facts.next;
        let moved = usize::try_from(facts.next.saturating_sub(self.durable + 1)).unwrap_or(0);
        for (event, position) in self.in_flight.iter_mut().skip(moved).zip(facts.next..) {
            if let Some(stream) = old.stream_of(event.stream) {
                let (hash, name) = (stream.hash, &stream.name);
                (event.stream, _) = self.recent.push(hash, name, event.version.0, position);
            }
            self.recent.insert_id(event.print, position);
        }
        self.frozen.push_back(Arc::new(Frozen { recent: old, facts }));
    }

    /// The index of the oldest of the frozen segments is on disk.
    pub(crate) fn thaw(&mut self) {
        self.frozen.pop_front();
    }

    fn place(&self, position: u64) -> Option<Place> {
        let recent = self.recents().find(|recent| recent.base <= position)?;
        let (at, offset) = recent.place(position)?;
        Some(Place { segment: recent.base, position: at, offset })
    }

    /// Durable positions of a stream that are indexed in memory and have these versions; and the version of
    /// the first event of the stream that is in memory.
    pub(crate) fn positions(
        &self,
        hash: u64,
        name: &str,
        versions: &Range<u64>,
    ) -> (Vec<u64>, Option<u64>) {
        let mut parts: Vec<Vec<u64>> = Vec::new();
        let mut first = None;
        for recent in self.recents() {
            let Some(stream) = recent.stream(hash, name) else { continue };
            first = Some(stream.first_version);
            let count = recent.count_before(stream, self.durable + 1) as u64;
            let from = versions.start.saturating_sub(stream.first_version).min(count);
            let until = versions.end.saturating_sub(stream.first_version).min(count);
            let range = usize::try_from(from).unwrap_or(0)..usize::try_from(until).unwrap_or(0);
            let relative = stream.relative.get(range).unwrap_or_default();
            parts.push(relative.iter().map(|it| recent.base + u64::from(*it)).collect());
            if stream.first_version <= versions.start {
                break;
            }
        }
        (parts.into_iter().rev().flatten().collect(), first)
    }

    /// The version that follows a stream's last durable event, if it is known from memory.
    pub(crate) fn durable_next_version(&self, hash: u64, name: &str) -> Option<u64> {
        let stream = |recent: &Recent| {
            let stream = recent.stream(hash, name)?;
            let count = recent.count_before(stream, self.durable + 1) as u64;
            Some(stream.first_version + count)
        };
        self.recents().find_map(stream)
    }

    /// The version that follows a stream's last event, events on their way included, if it is known from
    /// memory.
    pub(crate) fn next_version(&self, hash: u64, name: &str) -> Option<Version> {
        self.recents().find_map(|recent| recent.next_version(hash, name))
    }
}

/// The version that follows a stream's last event in the runs.
pub(crate) fn indexed_next_version(
    sealed: &Sealed,
    runs: &mut Arc<Runs>,
    hash: u64,
    name: &str,
) -> Result<u64, crate::segment::recovery::Problem> {
    let next = sealed.ask(runs, |runs| runs.next_version(hash, name))?;
    Ok(next.unwrap_or(0))
}
