//! The engine: the single writer of one organization.
//!
//! ```text
//! commands ──▶ driver thread ── submit ──▶ log ── durable ──▶ completion thread ──▶ effects, answers
//!              decide, evolve   (ordered)                      (same order)
//! ```
//!
//! The driver decides the next command while earlier ones are on their way to the disk (pipelining); the
//! completion thread lets results out in order, each after its own events are durable. Rejections and
//! reads wait in the same line, because they too may rest on events that are not durable yet.

mod completion;
mod driver;
mod effects;
mod handle;
mod recent;
mod recorded;
mod recovery;
mod snapshot_file;

use std::path::PathBuf;
use std::sync::Arc;

use ledgerline_event_store::EventWriter;
use ledgerline_event_store::crypt::at_rest::{ClearFiles, FileCipher};
use ledgerline_schemas::Timestamp;
use ledgerline_schemas::id::OrgId;

pub use effects::{Delivery, EffectSinks, Routed};
pub use handle::{Accepted, EngineError, EngineHandle};
pub use recovery::{Recovered, replay};

/// How an engine is set up.
#[derive(Clone, Debug)]
pub struct Options {
    /// Folder of routing snapshots.
    pub snapshot_dir: PathBuf,
    /// Events between snapshots.
    pub snapshot_every: u64,
    /// Commands that may wait before the engine says it is busy.
    pub queue_max: usize,
    /// The clock; read once a decision and never allowed to go back.
    pub clock: fn() -> Timestamp,
    /// Encrypts snapshots, or does not.
    pub cipher: Arc<dyn FileCipher>,
}

impl Options {
    /// The usual settings with snapshots in this folder, in clear.
    #[must_use]
    pub fn new(snapshot_dir: PathBuf, clock: fn() -> Timestamp) -> Self {
        Self {
            snapshot_dir,
            snapshot_every: 20_000,
            queue_max: ledgerline_schemas::limits::ENGINE_QUEUE_MAX,
            clock,
            cipher: Arc::new(ClearFiles),
        }
    }
}

/// Starting failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// The log could not be read.
    #[error("replaying the log: {0}")]
    Read(#[from] ledgerline_event_store::ReadError),
    /// An event of ours does not decode.
    #[error("event at position {position}: {source}")]
    Decode {
        /// Where.
        position: ledgerline_schemas::Position,
        /// Why.
        source: ledgerline_schemas::event::DecodeError,
    },
    /// The snapshot folder or a thread could not be set up.
    #[error("engine: {0}")]
    Io(#[from] std::io::Error),
    /// The engine's first event was not taken.
    #[error("the log did not take the engine's first event: {0}")]
    Append(#[from] ledgerline_event_store::AppendError),
}

/// A running engine. Stopping it waits for everything submitted.
#[derive(Debug)]
pub struct Engine {
    handle: EngineHandle,
    driver: Option<std::thread::JoinHandle<()>>,
    completion: Option<std::thread::JoinHandle<()>>,
}

impl Engine {
    /// Recovers the state (newest snapshot, then the log) and starts.
    ///
    /// # Errors
    /// [`StartError`] if the log cannot be read or does not take the first event.
    pub fn start(
        org_id: OrgId,
        log: Arc<dyn EventWriter>,
        sinks: EffectSinks,
        options: Options,
    ) -> Result<Self, StartError> {
        std::fs::create_dir_all(&options.snapshot_dir)?;
        let recovered = recovery::recover(log.as_ref(), &options.snapshot_dir, &*options.cipher)?;
        driver::spawn(org_id, log, sinks, options, recovered)
    }

    /// A handle for edges.
    #[must_use]
    pub fn handle(&self) -> EngineHandle {
        self.handle.clone()
    }

    /// Stops after everything that was submitted is durable and answered.
    pub fn stop(mut self) {
        self.shut_down();
    }

    fn shut_down(&mut self) {
        self.handle.request_stop();
        for thread in [self.driver.take(), self.completion.take()].into_iter().flatten() {
            if thread.join().is_err() {
                tracing::error!("an engine thread panicked");
            }
        }
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        self.shut_down();
    }
}
