//! Erasures that the log names, carried out at a standby.
//!
//! The leader's feed carries them as well. But a leader may die between the erasure's event and telling its
//! standby; and a standby may have been away. The log names the ids of the keys, so it decides.

use std::collections::BTreeSet;
use std::sync::Arc;

use ledgerline_event_store::crypt::KeyRing;
use ledgerline_event_store::{EmbeddedLog, EventReader as _};
use ledgerline_schemas::Position;
use ledgerline_schemas::event::Event;
use ledgerline_schemas::id::{KeyId, OrgId};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::failure::Failure;

/// What the types of these events begin with.
const TYPES: &str = "erasure.";

/// Follows the logs of a standby until it takes over.
#[derive(Debug)]
pub(crate) struct Erasures {
    ending: CancellationToken,
    tasks: Vec<JoinHandle<Result<(), String>>>,
}

impl Erasures {
    /// Begins with the first event of each log.
    pub(crate) fn follow(keys: &KeyRing, logs: Vec<Arc<EmbeddedLog>>) -> Self {
        let ending = CancellationToken::new();
        let tasks = logs
            .into_iter()
            .map(|log| {
                let following = Following {
                    keys: keys.clone(),
                    log,
                    read_to: Position::START,
                    named: BTreeSet::new(),
                };
                tokio::spawn(following.run(ending.clone()))
            })
            .collect();
        Self { ending, tasks }
    }

    /// Looks at everything up to the heads, and once more at every key that was named: one that came here
    /// after its erasure was read goes as well.
    pub(crate) async fn finish(self) -> Result<(), Failure> {
        self.ending.cancel();
        for task in self.tasks {
            match task.await {
                Ok(Ok(())) => {}
                // Not a reason to leave callers without anybody; what is erased is erased by repeating it.
                Ok(Err(reason)) => {
                    metrics::counter!("ledgerline_key_copy_erasure_failures_total").increment(1);
                    tracing::error!(%reason, "erasures of the log were not all looked at");
                }
                Err(error) => return Err(Failure::software(error)),
            }
        }
        Ok(())
    }
}

struct Following {
    keys: KeyRing,
    log: Arc<EmbeddedLog>,
    read_to: Position,
    named: BTreeSet<KeyId>,
}

impl Following {
    async fn run(mut self, ending: CancellationToken) -> Result<(), String> {
        let mut head = self.log.watch_head();
        loop {
            let last = ending.is_cancelled();
            head.mark_unchanged();
            let step = tokio::task::spawn_blocking(move || {
                let done = self.step(last);
                (self, done)
            });
            let (this, done) = step.await.map_err(|error| error.to_string())?;
            self = this;
            done?;
            if last {
                return Ok(());
            }
            tokio::select! {
                () = ending.cancelled() => {}
                changed = head.changed() => if changed.is_err() {
                    return Ok(());
                },
            }
        }
    }

    /// Reads what is new, and destroys what it names; `all`: what was named before as well.
    fn step(&mut self, all: bool) -> Result<(), String> {
        let mut new = BTreeSet::new();
        for recorded in self.log.scan(self.read_to) {
            let recorded = recorded.map_err(|error| error.to_string())?;
            self.read_to = recorded.header.position;
            if !recorded.header.event_type.starts_with(TYPES) {
                continue;
            }
            match recorded.decode() {
                Ok(Event::ErasureRequested(it)) => new.extend(it.key_ids),
                Ok(Event::ErasureCompleted(it)) => {
                    new.insert(it.key_id);
                }
                _ => {}
            }
        }
        self.named.extend(new.iter().copied());
        let wanted = if all { &self.named } else { &new };
        if wanted.is_empty() {
            return Ok(());
        }
        let org: OrgId = self.log.org_id();
        let gone = self.keys.destroy_keys(org, wanted).map_err(|error| error.to_string())?;
        if gone > 0 {
            tracing::info!(%org, keys = gone, "keys that the log says are erased were destroyed here");
        }
        Ok(())
    }
}
