//! The running projections of one organization: a fold on its own thread, read through snapshots.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use ledgerline_event_store::EventReader;
use ledgerline_event_store::crypt::at_rest::{ClearFiles, FileCipher};
use ledgerline_schemas::Position;
use tokio::sync::watch;

use crate::engine;
use crate::error::ProjectionError;
use crate::feed::{ChangeFeed, Hub};
use crate::past::Past;
use crate::run::Runner;
use crate::snapshot::Snapshot;
use crate::stop::Stop;
use crate::store::Files;

/// How the projections run. The rows of the tables depend on none of it, as long as no event concerns
/// something that was over for more than `settle_positions`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// Final rows go to cold files whenever the log passes a multiple of so many positions, at least 1.
    pub flush_positions: u64,
    /// Rows of what is over are final when no event touched them for so many positions; an event that
    /// comes later still appears in `event_log` only.
    pub settle_positions: u64,
    /// Longest time between two snapshots while events keep coming; twenty times as long while the tables
    /// are more than 20,000 events behind the log.
    pub publish_interval: Duration,
    /// Room for states of the folds beside the newest two, bytes: the more there are, the shorter is the way
    /// back to an earlier position ([`Past`]).
    pub state_bytes_max: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            flush_positions: 50_000,
            settle_positions: 50_000,
            publish_interval: Duration::from_millis(100),
            state_bytes_max: 1 << 30,
        }
    }
}

/// What handles and the fold's thread share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) reader: Arc<dyn EventReader>,
    pub(crate) past: Arc<Past>,
    pub(crate) snapshot: ArcSwap<Snapshot>,
    /// Position of the newest snapshot.
    pub(crate) published: watch::Sender<Position>,
    /// Whether the newest snapshot shows rows of a commit that is still being written.
    pub(crate) underway: watch::Sender<bool>,
    pub(crate) hub: Mutex<Hub>,
    pub(crate) stop: Stop,
    /// How the thread ended, once it has.
    pub(crate) ended: watch::Sender<Option<ProjectionError>>,
}

impl Shared {
    pub(crate) fn hub(&self) -> std::sync::MutexGuard<'_, Hub> {
        self.hub.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Stops the thread when the last handle goes.
#[derive(Debug)]
struct Owner(Arc<Shared>);

impl Drop for Owner {
    fn drop(&mut self) {
        self.0.stop.now();
    }
}

/// A handle of running projections; clones share them. Dropping the last one stops the fold.
#[derive(Clone, Debug)]
pub struct Projections {
    shared: Arc<Shared>,
    _owner: Arc<Owner>,
}

impl Projections {
    /// Opens the tables in `dir` (made if absent) and follows the log on a thread of its own. The first
    /// snapshot is the one of the newest commit; [`Projections::wait_for`] waits for the tail.
    ///
    /// The caller must be the only one that has these tables open (the data directory's lock sees to it).
    ///
    /// # Errors
    /// [`ProjectionError`] when the tables cannot be read, are of another organization, or know more than
    /// the log.
    pub fn start(
        reader: Arc<dyn EventReader>,
        dir: PathBuf,
        options: Options,
    ) -> Result<Self, ProjectionError> {
        Self::start_encrypted(reader, dir, options, Arc::new(ClearFiles))
    }

    /// As [`Projections::start`]; new files are written as `cipher` says, and it opens those that are
    /// encrypted.
    ///
    /// # Errors
    /// As [`Projections::start`]; [`ProjectionError::Cipher`] when a file needs a key that is not there.
    pub fn start_encrypted(
        reader: Arc<dyn EventReader>,
        dir: PathBuf,
        options: Options,
        cipher: Arc<dyn FileCipher>,
    ) -> Result<Self, ProjectionError> {
        let files = Files { store: engine::disk(), cipher };
        Self::run(Runner::open(reader, files, &dir, options)?)
    }

    pub(crate) fn run(runner: Runner) -> Result<Self, ProjectionError> {
        let shared = runner.shared();
        let thread = std::thread::Builder::new().name("projections".to_owned());
        thread.spawn(move || runner.run()).map_err(|error| ProjectionError::Io {
            path: PathBuf::from("thread"),
            reason: error.to_string(),
        })?;
        Ok(Self { _owner: Arc::new(Owner(Arc::clone(&shared))), shared })
    }

    /// The newest snapshot. Costs no lock; it stays valid as long as it is held.
    #[must_use]
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.shared.snapshot.load_full()
    }

    /// The newest snapshot, once no commit is being written whose rows are not in its files yet; or, when the fold has ended,
    /// the newest there is.
    pub async fn at_rest(&self) -> Arc<Snapshot> {
        let mut underway = self.shared.underway.subscribe();
        let mut ended = self.shared.ended.subscribe();
        tokio::select! {
            _ = underway.wait_for(|underway| !underway) => {}
            _ = ended.wait_for(Option::is_some) => {}
        }
        self.snapshot()
    }

    /// The newest snapshot once it holds everything that is durable now; after `wait`, or when the fold has
    /// ended, the newest there is. Its position tells which of the two it is.
    pub async fn caught_up(&self, wait: Duration) -> Arc<Snapshot> {
        let head = self.shared.reader.head();
        // Either way the newest snapshot is the best answer there is.
        let _ = tokio::time::timeout(wait, self.wait_for(head)).await;
        self.snapshot()
    }

    /// The tables as they were.
    #[must_use]
    pub fn past(&self) -> Arc<Past> {
        Arc::clone(&self.shared.past)
    }

    /// A watch on the position of the newest snapshot.
    #[must_use]
    pub fn position_watch(&self) -> watch::Receiver<Position> {
        self.shared.published.subscribe()
    }

    /// How far the events are folded. Far behind the log the newest snapshot is much older.
    #[must_use]
    pub fn folded(&self) -> Position {
        self.shared.hub().folded()
    }

    /// Waits until the newest snapshot contains everything up to `position`.
    ///
    /// # Errors
    /// The error that ended the fold; [`ProjectionError::Stopped`] if it was stopped.
    pub async fn wait_for(&self, position: Position) -> Result<(), ProjectionError> {
        let mut published = self.shared.published.subscribe();
        let mut ended = self.shared.ended.subscribe();
        tokio::select! {
            biased;
            reached = published.wait_for(|now| *now >= position) => {
                reached.map(|_| ()).map_err(|_| ProjectionError::Stopped)
            }
            ended = ended.wait_for(Option::is_some) => {
                Err(ended.ok().and_then(|it| it.clone()).unwrap_or(ProjectionError::Stopped))
            }
        }
    }

    /// Every change from now on. Start from a snapshot at or after [`ChangeFeed::start`], or use
    /// [`Projections::follow`].
    #[must_use]
    pub fn subscribe_changes(&self) -> ChangeFeed {
        self.shared.hub().subscribe()
    }

    /// A snapshot and the feed of every change after it, without gap or duplicate.
    ///
    /// # Errors
    /// As [`Projections::wait_for`].
    pub async fn follow(&self) -> Result<(Arc<Snapshot>, ChangeFeed), ProjectionError> {
        let mut feed = self.subscribe_changes();
        self.wait_for(feed.start()).await?;
        let snapshot = self.snapshot();
        feed.skip_to(snapshot.position);
        Ok((snapshot, feed))
    }

    /// Events in the log that the newest snapshot does not contain yet.
    #[must_use]
    pub fn lag(&self) -> u64 {
        let published = *self.shared.published.borrow();
        self.shared.reader.head().0.saturating_sub(published.0)
    }

    /// Whether the fold runs.
    ///
    /// # Errors
    /// The error that ended it; [`ProjectionError::Stopped`] if it was stopped.
    pub fn health(&self) -> Result<(), ProjectionError> {
        self.shared.ended.borrow().clone().map_or(Ok(()), Err)
    }

    /// Stops the fold and waits until its thread has let go of the tables.
    pub async fn stop(&self) {
        self.shared.stop.now();
        let mut ended = self.shared.ended.subscribe();
        // The sender lives in `shared`, which this handle holds: the wait ends with the thread.
        let _ = ended.wait_for(Option::is_some).await;
    }
}
