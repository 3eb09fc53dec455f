//! All chats of one organization: finds the session of an interaction and brings it effects, facts and
//! sockets.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ledgerline_event_store::crypt::KeyRing;
use ledgerline_event_store::log::{EventReader, Filter, ReadError};
use ledgerline_event_store::subscribe::{Delivery, Subscription};
use ledgerline_routing_core::{Effect, EffectId};
use ledgerline_schemas::command::{Command, Commanded};
use ledgerline_schemas::event::Event;
use ledgerline_schemas::id::{CommandId, CorrelationId, InteractionId, OrgId, SubjectId};
use ledgerline_schemas::{Actor, ActorType, DurationMs, Position};
use serde::{Deserialize, Serialize};
use tokio::sync::{mpsc, oneshot};

use super::frame::ToCustomer;
use super::session::{Input, Session};
use super::transcript::stage_after;
use crate::http::port::{EnginePort, PortError};

/// Frames that may wait for one socket; a customer's device that does not read loses the socket, not the
/// chat.
const SOCKET_FRAMES_MAX: usize = 64;
/// Settings of web chat.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ChatSettings {
    /// How long a customer without a socket is waited for, ms.
    pub reconnect_grace_ms: DurationMs,
}

impl Default for ChatSettings {
    fn default() -> Self {
        Self { reconnect_grace_ms: 30_000 }
    }
}

/// The chats of one organization.
pub struct ChatEdge {
    pub(super) org_id: OrgId,
    pub(super) engine: Arc<dyn EnginePort>,
    pub(super) reader: Arc<dyn EventReader>,
    pub(super) keys: KeyRing,
    pub(super) settings: ChatSettings,
    sessions: Mutex<Sessions>,
}

#[derive(Debug, Default)]
struct Sessions {
    open: BTreeMap<InteractionId, mpsc::UnboundedSender<Input>>,
    next_socket: u64,
}

impl std::fmt::Debug for ChatEdge {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "ChatEdge({})", self.org_id)
    }
}

/// One socket's end of a session.
#[derive(Debug)]
pub struct Attached {
    socket: u64,
    inbox: mpsc::UnboundedSender<Input>,
    frames: mpsc::Receiver<ToCustomer>,
}

impl Attached {
    /// The next frame for the customer; `None` when the session is over or dropped this socket.
    pub async fn next(&mut self) -> Option<ToCustomer> {
        self.frames.recv().await
    }

    /// Brings a line of the customer's and waits until it is durable or refused. Waiting is the
    /// backpressure: one line of a socket at a time.
    pub async fn say(&self, text: String, client_message_id: String) -> Option<ToCustomer> {
        let (answer, answered) = oneshot::channel();
        let said = Input::Said { socket: self.socket, text, client_message_id, answer };
        self.inbox.send(said).ok()?;
        answered.await.ok()
    }

    /// The customer closes the chat.
    pub fn leave(&self) {
        // A session that is gone needs no leaving.
        let _ = self.inbox.send(Input::Leave);
    }
}

impl Drop for Attached {
    fn drop(&mut self) {
        let _ = self.inbox.send(Input::Detach { socket: self.socket });
    }
}

impl ChatEdge {
    /// The chat edge of an organization.
    #[must_use]
    pub fn new(
        org_id: OrgId,
        engine: Arc<dyn EnginePort>,
        reader: Arc<dyn EventReader>,
        keys: KeyRing,
        settings: ChatSettings,
    ) -> Arc<Self> {
        let sessions = Mutex::default();
        Arc::new(Self { org_id, engine, reader, keys, settings, sessions })
    }

    fn sessions(&self) -> MutexGuard<'_, Sessions> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes the chat effects of an engine until it ends.
    pub async fn run(self: Arc<Self>, mut effects: mpsc::UnboundedReceiver<(EffectId, Effect)>) {
        while let Some((id, effect)) = effects.recv().await {
            let Some(interaction_id) = effect.interaction_id() else { continue };
            let inbox = self.session(interaction_id);
            // A session that ends at this moment needs no further effect.
            let _ = inbox.send(Input::Effect(id, effect));
        }
    }

    /// Follows the log from `after` on and tells sessions when their customer is queued or connected.
    ///
    /// # Errors
    /// [`ReadError`]; [`ReadError::Closed`] when the log is closed.
    pub async fn follow(self: Arc<Self>, after: Position) -> Result<(), ReadError> {
        let filter = Filter {
            stream_prefixes: Vec::new(),
            type_prefixes: vec!["queue.entered".to_owned(), "leg.connected".to_owned()],
        };
        let mut subscription = Subscription::new(self.reader.clone(), after, filter);
        loop {
            let Delivery::Event(recorded) = subscription.next().await? else { continue };
            let Ok(event) = recorded.decode() else { continue };
            let interaction_id = match &event {
                Event::QueueEntered(it) => it.interaction_id,
                Event::LegConnected(it) => it.interaction_id,
                _ => continue,
            };
            let inbox = self.sessions().open.get(&interaction_id).cloned();
            if let (Some(inbox), Some(stage)) = (inbox, stage_after(&event)) {
                let _ = inbox.send(Input::Stage(recorded.header.position, stage));
            }
        }
    }

    /// After a start: every chat that is still open waits for its customer again, for the grace period.
    ///
    /// # Errors
    /// [`PortError`].
    pub async fn resume(self: &Arc<Self>) -> Result<usize, PortError> {
        let open = self.engine.open_chats().await?;
        for interaction_id in &open {
            self.session(*interaction_id);
        }
        Ok(open.len())
    }

    /// The session of an interaction, begun if there is none.
    pub(super) fn session(
        self: &Arc<Self>,
        interaction_id: InteractionId,
    ) -> mpsc::UnboundedSender<Input> {
        let mut sessions = self.sessions();
        if let Some(inbox) = sessions.open.get(&interaction_id) {
            return inbox.clone();
        }
        let (inbox, input) = mpsc::unbounded_channel();
        sessions.open.insert(interaction_id, inbox.clone());
        metrics::gauge!("ledgerline_chat_sessions").set(sessions.open.len() as f64);
        drop(sessions);
        tokio::spawn(Session::new(self.clone(), interaction_id).run(input));
        inbox
    }

    /// Gives a session up that came to nothing.
    pub(super) fn forget(&self, interaction_id: InteractionId) {
        let mut sessions = self.sessions();
        sessions.open.remove(&interaction_id);
        metrics::gauge!("ledgerline_chat_sessions").set(sessions.open.len() as f64);
    }

    /// Connects a socket to a chat; the first frame is the history. `None` when the chat is over.
    ///
    /// # Errors
    /// [`PortError`].
    pub async fn attach(
        self: &Arc<Self>,
        interaction_id: InteractionId,
    ) -> Result<Option<Attached>, PortError> {
        let known = self.sessions().open.contains_key(&interaction_id);
        if !known {
            let interaction = self.engine.interaction(interaction_id).await?;
            if !interaction.is_some_and(|interaction| interaction.customer_present) {
                return Ok(None);
            }
        }
        let inbox = self.session(interaction_id);
        let socket = {
            let mut sessions = self.sessions();
            sessions.next_socket += 1;
            sessions.next_socket
        };
        let (to_socket, frames) = mpsc::channel(SOCKET_FRAMES_MAX);
        if inbox.send(Input::Attach { socket, frames: to_socket }).is_err() {
            return Ok(None);
        }
        Ok(Some(Attached { socket, inbox, frames }))
    }

    /// A command in the customer's name.
    pub(super) fn commanded(
        &self,
        interaction_id: InteractionId,
        command_id: CommandId,
        data_subject_id: Option<SubjectId>,
        command: Command,
    ) -> Commanded {
        Commanded {
            org_id: self.org_id,
            command_id,
            correlation_id: CorrelationId::new(interaction_id.uuid()),
            actor: Actor::new(ActorType::Customer, ""),
            traceparent: None,
            data_subject_id,
            command,
        }
    }
}
