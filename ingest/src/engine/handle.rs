//! What edges hold: submit commands, read the state.

use std::sync::Arc;
use std::sync::mpsc::{SyncSender, TrySendError};

use ledgerline_routing_core::{Committed, Rejection, State};
use ledgerline_schemas::Position;
use ledgerline_schemas::command::Commanded;
use ledgerline_schemas::id::OrgId;
use tokio::sync::{oneshot, watch};

/// A command was decided and its events are durable.
#[derive(Clone, Debug)]
pub struct Accepted {
    /// Position of the last event; the head of the log when the command changed nothing.
    pub position: Position,
    /// The events, in order.
    pub events: Arc<[Committed]>,
}

/// A command was not carried out.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EngineError {
    /// The core said no. Nothing happened.
    #[error(transparent)]
    Rejected(#[from] Rejection),
    /// Too many commands wait. Nothing happened.
    #[error("the engine is busy")]
    Busy,
    /// The engine is stopped or poisoned; the outcome may be unknown. Repeating the command with the same
    /// id is safe.
    #[error("the engine is not available: {0}")]
    Unavailable(String),
}

/// Runs on the driver with the state, and returns what lets its answer out once that is allowed.
pub(super) type Read = Box<dyn FnOnce(&State) -> Box<dyn FnOnce() + Send> + Send>;
pub(super) type Reply = oneshot::Sender<Result<Accepted, EngineError>>;

/// What the driver receives.
pub(super) enum Input {
    Command(Box<Commanded>, Reply),
    Read(Read),
    Stop,
}

/// A cloneable handle to one organization's engine.
#[derive(Clone)]
pub struct EngineHandle {
    pub(super) org_id: OrgId,
    pub(super) inputs: SyncSender<Input>,
    pub(super) durable: watch::Receiver<Position>,
    pub(super) healthy: watch::Receiver<Result<(), String>>,
}

impl std::fmt::Debug for EngineHandle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "EngineHandle({})", self.org_id)
    }
}

fn gone() -> EngineError {
    EngineError::Unavailable("it has stopped".to_owned())
}

impl EngineHandle {
    /// The organization.
    #[must_use]
    pub const fn org_id(&self) -> OrgId {
        self.org_id
    }

    fn send(&self, input: Input) -> Result<(), EngineError> {
        self.inputs.try_send(input).map_err(|error| match error {
            TrySendError::Full(_) => {
                metrics::counter!("ledgerline_engine_busy_total").increment(1);
                EngineError::Busy
            }
            TrySendError::Disconnected(_) => gone(),
        })
    }

    /// Decides a command. Resolves after its events are durable; a command id that was decided before
    /// gives the same answer again and changes nothing.
    ///
    /// # Errors
    /// [`EngineError`].
    pub async fn submit(&self, commanded: Commanded) -> Result<Accepted, EngineError> {
        let (reply, answer) = oneshot::channel();
        self.send(Input::Command(Box::new(commanded), reply))?;
        answer.await.map_err(|_| gone())?
    }

    /// Like [`EngineHandle::submit`] for threads without a runtime.
    ///
    /// # Errors
    /// [`EngineError`].
    pub fn submit_blocking(&self, commanded: Commanded) -> Result<Accepted, EngineError> {
        let (reply, answer) = oneshot::channel();
        self.send(Input::Command(Box::new(commanded), reply))?;
        answer.blocking_recv().map_err(|_| gone())?
    }

    /// Runs a closure on the routing state. The answer arrives when everything it may rest on is durable.
    /// The closure holds up all decisions: it should look, copy and leave.
    ///
    /// # Errors
    /// [`EngineError::Busy`] or [`EngineError::Unavailable`].
    pub async fn read<T: Send + 'static>(
        &self,
        look: impl FnOnce(&State) -> T + Send + 'static,
    ) -> Result<T, EngineError> {
        let (reply, answer) = oneshot::channel();
        self.send(Input::Read(Box::new(move |state| {
            let found = look(state);
            Box::new(move || {
                let _ = reply.send(found);
            })
        })))?;
        answer.await.map_err(|_| gone())
    }

    /// Canonical hash of the state and the position of the newest event in it.
    ///
    /// # Errors
    /// As [`EngineHandle::read`].
    pub async fn state_hash(&self) -> Result<(Position, [u8; 32]), EngineError> {
        self.read(|state| (state.position(), ledgerline_routing_core::snapshot::hash(state))).await
    }

    /// Position up to which this engine's events are durable.
    #[must_use]
    pub fn durable(&self) -> Position {
        *self.durable.borrow()
    }

    /// `Err` with the reason once the engine no longer takes commands.
    ///
    /// # Errors
    /// The reason.
    pub fn health(&self) -> Result<(), String> {
        self.healthy.borrow().clone()
    }

    /// A watch on [`EngineHandle::health`].
    #[must_use]
    pub fn watch_health(&self) -> watch::Receiver<Result<(), String>> {
        self.healthy.clone()
    }

    /// Asks the driver to stop after what it has received. Blocks while the queue is full.
    pub(super) fn request_stop(&self) {
        let _ = self.inputs.send(Input::Stop);
    }
}
