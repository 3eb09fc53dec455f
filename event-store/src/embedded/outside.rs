//! What a log that mirrors another system's has beside itself: who may append to it, and where appends go
//! before they are written here. A log of its own has an empty one.

use std::fmt;
use std::sync::{Arc, OnceLock, PoisonError, RwLock};

use ledgerline_schemas::Timestamp;

use super::commit::Failure;
use super::state::{Condition, Job, Shared};
use super::{EmbeddedLog, submit};
use crate::capability::Capabilities;
use crate::engine::Batch;
use crate::log::{Append, AppendError, Submitted};

/// The system whose log this one mirrors.
pub(crate) trait Upstream: Send + Sync + fmt::Debug {
    /// Brings appends there and waits until they count. Called by the writer alone, one group after the other.
    fn ship(&self, batches: Vec<Batch>) -> Result<(), NotShipped>;

    /// What both together promise.
    fn capabilities(&self) -> Capabilities;
}

/// Why a group is not upstream, or may not be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum NotShipped {
    /// Somebody else writes now. What begins before `accepted_until` is in, what follows never will be.
    Fenced { epoch: u64, accepted_until: u64 },
    /// Nobody knows.
    Unknown { reason: String },
}

impl fmt::Display for NotShipped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fenced { epoch, .. } => {
                write!(f, "another process writes this log now, since epoch {epoch}")
            }
            Self::Unknown { reason } => f.write_str(reason),
        }
    }
}

impl NotShipped {
    /// What to tell the caller of an append.
    pub(crate) fn answer(&self, base_position: u64) -> AppendError {
        match self {
            Self::Fenced { epoch, accepted_until } if base_position >= *accepted_until => {
                AppendError::Fenced { epoch: *epoch }
            }
            Self::Fenced { .. } | Self::Unknown { .. } => {
                AppendError::Unknown { reason: self.to_string() }
            }
        }
    }
}

/// Beside a log.
#[derive(Debug, Default)]
pub(crate) struct Outside {
    /// Why callers may not append; `None`: they may.
    closed: RwLock<Option<String>>,
    upstream: OnceLock<Arc<dyn Upstream>>,
}

impl Outside {
    /// Refuses callers' appends from now on.
    pub(crate) fn close_to_callers(&self, reason: &str) {
        *self.closed.write().unwrap_or_else(PoisonError::into_inner) = Some(reason.to_owned());
    }

    /// Lets callers append; every group goes upstream first. Whatever was replicated must be durable.
    pub(crate) fn open_to_callers(&self, upstream: Arc<dyn Upstream>) {
        // A log leads at most once: after its turn it has to be opened again.
        let _ = self.upstream.set(upstream);
        *self.closed.write().unwrap_or_else(PoisonError::into_inner) = None;
    }

    pub(crate) fn check(&self) -> Result<(), AppendError> {
        match &*self.closed.read().unwrap_or_else(PoisonError::into_inner) {
            None => Ok(()),
            Some(reason) => Err(AppendError::Unavailable { reason: reason.clone() }),
        }
    }

    pub(crate) fn capabilities(&self) -> Option<Capabilities> {
        self.upstream.get().map(|upstream| upstream.capabilities())
    }

    /// Brings a group upstream, if there is one. Nothing of it may be written here before.
    pub(crate) fn ship(&self, jobs: &[Job]) -> Result<(), Failure> {
        let Some(upstream) = self.upstream.get() else { return Ok(()) };
        let batches: Vec<Batch> = jobs
            .iter()
            .filter(|job| job.count > 0)
            .map(|job| Batch {
                base_position: job.base_position,
                recorded_at_micros: job.recorded_at.micros(),
                count: job.count,
                body: job.body.clone().into(),
            })
            .collect();
        if batches.is_empty() {
            return Ok(());
        }
        upstream.ship(batches).map_err(Failure::NotShipped)
    }
}

impl Shared {
    /// Takes no more writes until the log is opened again.
    pub(crate) fn poison(&self, reason: &str) {
        let mut state = self.lock();
        if state.condition == Condition::Open {
            state.condition = Condition::Poisoned(reason.to_owned());
        }
        drop(state);
        self.outside.close_to_callers(&format!("it must be reopened: {reason}"));
        self.wake_writer();
    }
}

impl EmbeddedLog {
    /// Takes an append that another log has at the next position.
    pub(crate) fn replicate(
        &self,
        append: Append,
        recorded_at: Timestamp,
    ) -> Result<Submitted, AppendError> {
        submit::replicate(&self.inner.shared, append, recorded_at)
    }

    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.inner.shared
    }
}
