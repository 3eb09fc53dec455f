//! Group commit: what waits becomes one write and one sync; then readers see it, then it is acknowledged.
//!
//! The committer has no thread of its own; something drives it with groups. In the program that is
//! [`super::drive`], in the crash simulation the simulation itself.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;

use ledgerline_schemas::Position;

use super::outside::NotShipped;
use super::state::{Condition, Job, Shared};
use crate::fault::Faults;
use crate::log::AppendError;
use crate::segment::frame::{self, FrameHead, Kind};
use crate::segment::writer::{Active, Birth};

/// Buffer kept between groups, bytes.
const BUFFER_KEPT_BYTES: usize = 1 << 20;

/// The one writer of a log.
#[derive(Debug)]
pub(crate) struct Committer {
    pub(crate) shared: Arc<Shared>,
    pub(crate) active: Active,
    pub(crate) epoch: u32,
    pub(crate) faults: Faults,
    pub(crate) marked: bool,
    buffer: Vec<u8>,
}

/// Appends that are written and synced together.
#[derive(Debug, Default)]
struct Group {
    jobs: Vec<Job>,
    crcs: Vec<u32>,
    /// Offsets of the frames, one for each append with events.
    offsets: Vec<u64>,
}

/// Why a group is not in the log.
#[derive(Debug)]
pub(crate) enum Failure {
    /// Nothing was written; the log goes on.
    NothingWritten(io::Error),
    /// Something may have been written; only reopening can tell.
    Unknown(&'static str, io::Error),
    /// Nothing was written here; upstream it may have been.
    NotShipped(NotShipped),
}

impl Failure {
    /// Only a full disk, found while reserving space, leaves the log as it was.
    fn of_reserving(error: io::Error) -> Self {
        use io::ErrorKind::{QuotaExceeded, StorageFull};
        match error.kind() {
            StorageFull | QuotaExceeded => Self::NothingWritten(error),
            _ => Self::Unknown("reserving space", error),
        }
    }
}

impl Committer {
    pub(crate) fn new(shared: Arc<Shared>, active: Active, epoch: u32, faults: Faults) -> Self {
        Self { shared, active, epoch, faults, marked: true, buffer: Vec::new() }
    }

    /// Marks the end of a log that closes in peace.
    pub(crate) fn finish(&mut self) {
        let (condition, next) = {
            let state = self.shared.lock();
            (state.condition.clone(), state.next_position)
        };
        if condition == Condition::Closing && !self.marked {
            // Without the mark the log is whole as well; only damage to its very end is harder to tell.
            if let Err(error) = self.active.mark(next) {
                tracing::warn!(%error, "the log was closed without its closing mark");
            }
            self.marked = true;
        }
    }

    /// Commits appends in their order, in as many groups as segments ask for.
    pub(crate) fn commit(&mut self, jobs: VecDeque<Job>) {
        let mut rest = jobs;
        let mut group = Group::default();
        if let Err(failure) = self.commit_all(&mut rest, &mut group) {
            self.fail(&failure, group, rest);
        }
        if self.buffer.capacity() > BUFFER_KEPT_BYTES {
            self.buffer = Vec::new();
        }
    }

    fn commit_all(&mut self, rest: &mut VecDeque<Job>, group: &mut Group) -> Result<(), Failure> {
        while let Some(job) = rest.pop_front() {
            let fits = job.count == 0 || self.active.has_room(self.buffer.len(), job.bytes);
            if !fits {
                rest.push_front(job);
                self.flush(group)?;
                self.roll(rest.front().map_or(0, |job| job.base_position))?;
                continue;
            }
            self.encode(&job, group);
            group.jobs.push(job);
        }
        self.flush(group)
    }

    fn encode(&mut self, job: &Job, group: &mut Group) {
        if job.count == 0 {
            return;
        }
        let offset = self.buffer.len();
        group.offsets.push(self.active.tail() + offset as u64);
        let head = FrameHead {
            count: job.count,
            group_bytes: u32::try_from(offset).unwrap_or(u32::MAX),
            recorded_at_micros: job.recorded_at.micros(),
            ..self.active.head(Kind::Events, job.base_position)
        };
        let crc = frame::encode(&mut self.buffer, &head, |out| out.extend_from_slice(&job.body));
        group.crcs.push(crc);
    }

    /// Ship (if there is an upstream), write, sync, show, acknowledge: in this order.
    fn flush(&mut self, group: &mut Group) -> Result<(), Failure> {
        if !self.buffer.is_empty() {
            self.active.reserve(self.buffer.len()).map_err(Failure::of_reserving)?;
            self.shared.outside.ship(&group.jobs)?;
            self.marked = false;
            self.active
                .write(&self.buffer, &group.crcs)
                .map_err(|error| Failure::Unknown("writing", error))?;
            if self.faults.visible_before_durable() {
                self.publish(group);
            }
            if self.faults.acknowledge_before_sync() {
                group.jobs.iter_mut().for_each(|job| job.answer(Ok(())));
            }
            let synced = match self.active.sync() {
                Err(_) if self.faults.retry_failed_sync() => self.active.sync(),
                outcome => outcome,
            };
            synced.map_err(|error| Failure::Unknown("the sync", error))?;
            self.buffer.clear();
            self.publish(group);
        }
        for mut job in std::mem::take(group).jobs {
            job.answer(Ok(()));
        }
        Ok(())
    }

    /// Lets readers see a durable group.
    fn publish(&self, group: &Group) {
        let mut state = self.shared.lock();
        let appends = group.jobs.iter().filter(|job| job.count > 0);
        for (job, offset) in appends.zip(&group.offsets) {
            state.recent.note(job.base_position, *offset, job.recorded_at);
            let until = job.base_position + u64::from(job.count);
            // Nothing is left to be done when a group is shown for a second time.
            let shown = until.saturating_sub(state.durable + 1);
            state.in_flight.drain(..usize::try_from(shown).unwrap_or(0));
            state.durable = state.durable.max(until - 1);
        }
        let durable = Position(state.durable);
        drop(state);
        self.shared.head.send_replace(durable);
    }

    /// Goes on to a new segment. It is made first: if there is no space for it, nothing has changed.
    fn roll(&mut self, next_position: u64) -> Result<(), Failure> {
        let salt = (self.shared.options.salt)()
            .map_err(|error| Failure::Unknown("drawing a salt", error))?;
        let birth = Birth {
            org_id: self.shared.org_id,
            base_position: next_position,
            salt,
            epoch: self.epoch,
            created_at: (self.shared.options.clock)(),
        };
        let sizes = self.shared.options.sizes();
        let files = Arc::clone(&self.shared.sealed.files);
        let next =
            Active::prepare(&files, &birth, sizes, self.faults).map_err(Failure::of_reserving)?;
        let recorded_until = self.shared.lock().recent.recorded_until;
        let facts = self
            .active
            .seal(next_position, recorded_until)
            .map_err(|error| Failure::Unknown("sealing", error))?;
        next.adopt().map_err(|error| Failure::Unknown("adding a segment", error))?;
        self.shared.roll(facts, Arc::clone(next.segment()));
        self.active = next;
        self.marked = true;
        Ok(())
    }

    /// Answers everybody who waits.
    fn fail(&mut self, failure: &Failure, group: Group, rest: VecDeque<Job>) {
        self.buffer.clear();
        let mut jobs: Vec<Job> = group.jobs.into_iter().chain(rest).collect();
        let mut state = self.shared.lock();
        jobs.extend(state.queue.drain(..));
        state.queued_bytes = 0;
        let reason = match failure {
            Failure::NothingWritten(error) => {
                state.forget();
                error.to_string()
            }
            Failure::Unknown(what, error) => format!("{what} failed: {error}"),
            Failure::NotShipped(why) => why.to_string(),
        };
        if !matches!(failure, Failure::NothingWritten(_)) {
            state.condition = Condition::Poisoned(reason.clone());
        }
        drop(state);
        tracing::error!(%reason, appends = jobs.len(), "appends failed");
        for mut job in jobs {
            let reason = reason.clone();
            let answer = match failure {
                Failure::NothingWritten(_) => AppendError::Unavailable { reason },
                Failure::Unknown(..) => AppendError::Unknown { reason },
                Failure::NotShipped(why) => why.answer(job.base_position),
            };
            job.answer(Err(answer));
        }
    }
}

impl Drop for Committer {
    /// Whatever ends the writer, nobody waits for it in vain.
    fn drop(&mut self) {
        let mut state = self.shared.lock();
        if state.condition == Condition::Open {
            state.condition = Condition::Poisoned("its writer ended".to_owned());
        }
        let jobs = std::mem::take(&mut state.queue);
        drop(state);
        for mut job in jobs {
            job.answer(Err(AppendError::Unknown { reason: "the log's writer ended".to_owned() }));
        }
    }
}
