//! Facts of a leg on their way to the engine: in order, and again until they are in.

use std::sync::Arc;
use std::time::Duration;

use ledgerline_schemas::command::Commanded;
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use tokio::time::Instant;
use tokio_util::task::TaskTracker;

use super::port::{CommandPort, PortError};

/// First pause after a refusal for load or absence.
const PAUSE_FIRST: Duration = Duration::from_millis(20);
/// Longest pause.
const PAUSE_MAX: Duration = Duration::from_secs(1);
/// How long a fact is offered before it is given up.
const PATIENCE: Duration = Duration::from_secs(60);

/// A queue of commands to one engine. What is in it is still sent after the outbox is dropped.
#[derive(Clone, Debug)]
pub struct Outbox {
    sender: UnboundedSender<Commanded>,
}

impl Outbox {
    /// A queue in front of this engine.
    #[must_use]
    pub fn new(port: Arc<dyn CommandPort>, tasks: &TaskTracker) -> Self {
        let (sender, mut receiver) = unbounded_channel::<Commanded>();
        tasks.spawn(async move {
            while let Some(command) = receiver.recv().await {
                deliver(port.as_ref(), command).await;
            }
        });
        Self { sender }
    }

    /// Puts a command at the end of the queue.
    pub fn push(&self, command: Commanded) {
        // The task lives as long as a sender does.
        let _ = self.sender.send(command);
    }
}

/// Commands are idempotent by id, so that offering one again is safe.
async fn deliver(port: &dyn CommandPort, command: Commanded) {
    let started = Instant::now();
    let mut pause = PAUSE_FIRST;
    loop {
        match port.submit(command.clone()).await {
            Ok(()) => return,
            // The state moved on; the fact has no meaning any more.
            Err(PortError::Rejected(rejection)) => {
                tracing::debug!(
                    interaction = %command.correlation_id,
                    code = rejection.code.name(),
                    "a fact of a media leg was refused"
                );
                return;
            }
            Err(error) if started.elapsed() < PATIENCE => {
                tracing::debug!(%error, "a fact of a media leg waits");
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(PAUSE_MAX);
            }
            Err(error) => {
                metrics::counter!("ledgerline_voice_facts_lost_total").increment(1);
                tracing::error!(
                    interaction = %command.correlation_id,
                    %error,
                    "a fact of a media leg was given up"
                );
                return;
            }
        }
    }
}
