//! The consumer: log to sink, from a saved position, with patience.

use std::sync::Arc;
use std::time::Duration;

use ledgerline_event_store::log::{Direction, EventReader, Filter, ReadError};
use ledgerline_schemas::Position;
use tokio::sync::watch;

use crate::position_file::{PositionError, PositionFile};
use crate::sink::{Sink, SinkError};

/// Events handed over at once.
pub const BATCH_EVENTS: usize = 200;

/// The outbox cannot go on. Nothing was skipped.
#[derive(Debug, thiserror::Error)]
pub enum OutboxError {
    /// The log cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The position cannot be kept.
    #[error(transparent)]
    Position(#[from] PositionError),
    /// The saved position is beyond the log, which must have been replaced by an older one.
    #[error("saved position {saved} is beyond the log's head {head}")]
    Ahead {
        /// The saved position.
        saved: Position,
        /// The log's head.
        head: Position,
    },
    /// The sink refuses an event for good.
    #[error("events after position {after} are {error}")]
    Refused {
        /// Everything up to here was taken.
        after: Position,
        /// Why.
        error: SinkError,
    },
}

/// How long to wait before the same batch is tried again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    /// After the first failure; doubled after each further one.
    pub first: Duration,
    /// The longest wait.
    pub longest: Duration,
}

impl Default for Backoff {
    fn default() -> Self {
        Self { first: Duration::from_secs(1), longest: Duration::from_secs(300) }
    }
}

impl Backoff {
    /// The wait after so many failures in a row, from 1.
    #[must_use]
    pub fn wait(self, failures: u32) -> Duration {
        let doublings = failures.saturating_sub(1).min(30);
        self.first.saturating_mul(1 << doublings).min(self.longest)
    }
}

/// A durable consumer of one organization's log.
#[derive(Debug)]
pub struct Outbox<S> {
    reader: Arc<dyn EventReader>,
    filter: Filter,
    position: PositionFile,
    sink: S,
    backoff: Backoff,
}

impl<S: Sink> Outbox<S> {
    /// A consumer that goes on after the saved position.
    ///
    /// # Errors
    /// [`OutboxError::Ahead`].
    pub fn new(
        reader: Arc<dyn EventReader>,
        filter: Filter,
        position: PositionFile,
        sink: S,
        backoff: Backoff,
    ) -> Result<Self, OutboxError> {
        let (saved, head) = (position.position(), reader.head());
        if saved > head {
            return Err(OutboxError::Ahead { saved, head });
        }
        Ok(Self { reader, filter, position, sink, backoff })
    }

    /// Everything up to here is with the other side.
    #[must_use]
    pub const fn position(&self) -> Position {
        self.position.position()
    }

    /// Hands over everything up to the log's present head.
    ///
    /// Dropping the future is like a crash: events not yet saved as delivered come again.
    ///
    /// # Errors
    /// [`OutboxError`]. A sink that fails for now is tried again, for ever.
    pub async fn catch_up(&mut self) -> Result<Position, OutboxError> {
        let head = self.reader.head();
        while self.position() < head {
            let after = self.position();
            let page =
                self.reader.read_all(after, Direction::Forward, &self.filter, BATCH_EVENTS)?;
            if !page.events.is_empty() {
                self.deliver(&page.events).await?;
            }
            if page.scanned_to <= after {
                // A reader that shows nothing new below its own head would be asked for ever.
                return Err(ReadError::Closed.into());
            }
            self.position.save(page.scanned_to)?;
        }
        Ok(self.position())
    }

    /// Follows the log until `stop` turns true or is dropped; gives the position reached.
    ///
    /// # Errors
    /// As [`Self::catch_up`].
    pub async fn run(mut self, mut stop: watch::Receiver<bool>) -> Result<Position, OutboxError> {
        let mut head = self.reader.watch_head();
        loop {
            head.mark_unchanged();
            let stopped = async {
                // An error says that whoever could stop us is gone.
                let _ = stop.wait_for(|stop| *stop).await;
            };
            let next = async {
                self.catch_up().await?;
                head.changed().await.map_err(|_| OutboxError::from(ReadError::Closed))
            };
            tokio::select! {
                biased;
                () = stopped => return Ok(self.position()),
                next = next => next?,
            }
        }
    }

    async fn deliver(
        &mut self,
        events: &[ledgerline_schemas::Recorded],
    ) -> Result<(), OutboxError> {
        let mut failures = 0_u32;
        loop {
            match self.sink.deliver(events).await {
                Ok(()) => return Ok(()),
                Err(error @ SinkError::Refused(_)) => {
                    return Err(OutboxError::Refused { after: self.position(), error });
                }
                Err(SinkError::Later(reason)) => {
                    failures = failures.saturating_add(1);
                    let wait = self.backoff.wait(failures);
                    tracing::warn!(
                        org_id = %self.reader.org_id(),
                        after = %self.position(),
                        failures,
                        wait_ms = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX),
                        reason,
                        "events are not taken, trying again"
                    );
                    tokio::time::sleep(wait).await;
                }
            }
        }
    }
}
