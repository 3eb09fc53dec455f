//! Lets results out, in order, each when its events are durable.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::Receiver;

use ledgerline_event_store::crypt::at_rest::FileCipher;
use ledgerline_event_store::{EventWriter, Submitted};
use ledgerline_routing_core::{Effect, EffectId};
use ledgerline_schemas::Position;
use tokio::sync::watch;

use super::effects::{EffectSinks, Routed};
use super::handle::{Accepted, EngineError, Reply};
use super::recovery::EFFECTS_CHECKPOINT;
use super::snapshot_file;

/// Positions between two saves of how far effects were handed out. Each save is one small sync.
const CHECKPOINT_EVERY: u64 = 2_000;

/// Something that waits for its place in the order.
pub(super) enum Pending {
    /// A decision on its way to the disk.
    Decision {
        submitted: Submitted,
        accepted: Accepted,
        effects: Vec<(Routed, EffectId, Effect)>,
        reply: Option<Reply>,
    },
    /// An answer that needs no event of its own.
    Answer { result: Result<Accepted, EngineError>, reply: Reply },
    /// The result of a read.
    Read(Box<dyn FnOnce() + Send>),
    /// A snapshot of the state after everything before it.
    Snapshot { position: Position, state: Vec<u8>, hash: [u8; 32] },
}

/// The completion thread's own state.
pub(super) struct Completion {
    pub(super) log: Arc<dyn EventWriter>,
    pub(super) sinks: EffectSinks,
    pub(super) durable: watch::Sender<Position>,
    pub(super) healthy: watch::Sender<Result<(), String>>,
    pub(super) snapshot_dir: PathBuf,
    pub(super) cipher: Arc<dyn FileCipher>,
}

impl Completion {
    /// Runs until the driver is gone and everything is out.
    pub(super) fn run(self, line: Receiver<Pending>) {
        let mut saved = *self.durable.borrow();
        for pending in line {
            match pending {
                Pending::Decision { submitted, accepted, effects, reply } => {
                    self.decision(submitted, accepted, effects, reply);
                }
                Pending::Answer { result, reply } => {
                    let result = match self.healthy.borrow().clone() {
                        Ok(()) => result,
                        Err(reason) => Err(EngineError::Unavailable(reason)),
                    };
                    let _ = reply.send(result);
                }
                Pending::Read(let_out) => {
                    if self.healthy.borrow().is_ok() {
                        let_out();
                    }
                }
                Pending::Snapshot { position, state, hash } => {
                    if self.healthy.borrow().is_ok() {
                        self.snapshot(position, &state, hash);
                    }
                }
            }
            let durable = *self.durable.borrow();
            if durable.0 >= saved.0 + CHECKPOINT_EVERY {
                self.save(durable);
                saved = durable;
            }
        }
        self.save(*self.durable.borrow());
    }

    fn decision(
        &self,
        submitted: Submitted,
        accepted: Accepted,
        effects: Vec<(Routed, EffectId, Effect)>,
        reply: Option<Reply>,
    ) {
        let outcome = submitted.wait_blocking();
        let result = match outcome {
            Ok(_) => {
                self.durable.send_replace(accepted.position);
                for (edge, id, effect) in effects {
                    self.sinks.deliver(edge, (id, effect));
                }
                Ok(accepted)
            }
            Err(error) => {
                self.poison(&error.to_string());
                Err(EngineError::Unavailable(error.to_string()))
            }
        };
        if let Some(reply) = reply {
            let _ = reply.send(result);
        }
    }

    fn poison(&self, reason: &str) {
        if self.healthy.borrow().is_ok() {
            tracing::error!(reason, "the engine stops: its log failed");
            let _ = self.healthy.send_replace(Err(reason.to_owned()));
        }
    }

    fn snapshot(&self, position: Position, state: &[u8], hash: [u8; 32]) {
        match snapshot_file::write(&self.snapshot_dir, position, state, hash, &*self.cipher) {
            Ok(()) => metrics::counter!("ledgerline_engine_snapshots_total").increment(1),
            // Without it the next start replays more; nothing is lost.
            Err(error) => tracing::warn!(%error, "a routing snapshot could not be written"),
        }
    }

    fn save(&self, position: Position) {
        if self.healthy.borrow().is_ok()
            && let Err(error) = self.log.save_checkpoint(EFFECTS_CHECKPOINT, position)
        {
            // Effects are handed out again from the older checkpoint after a restart.
            tracing::warn!(%error, "the effects checkpoint could not be saved");
        }
    }
}
