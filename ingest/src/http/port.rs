//! What the HTTP edges need of an organization's engine.
//!
//! A port, so that the edges know commands and facts but not the engine's insides. Everything read through
//! it is a copy: nothing here hands out the routing state itself.

use std::time::Duration;

use async_trait::async_trait;
use ledgerline_routing_core::Rejection;
use ledgerline_schemas::command::Commanded;
use ledgerline_schemas::config::{ChannelType, EntityKind};
use ledgerline_schemas::document::Document;
use ledgerline_schemas::event::agent::{AgentStateName, DeviceType};
use ledgerline_schemas::id::{
    AgentSessionId, AuxCodeId, EntityId, EntryPointId, InteractionId, LegId, OfferId, QueueId,
    SiteId, TeamId, UserId,
};
use ledgerline_schemas::{Event, Position, Timestamp};

/// A command was decided and its events are durable.
#[derive(Clone, Debug)]
pub struct Accepted {
    /// Position of the last event; the head of the log when there was nothing to record.
    pub position: Position,
    /// The facts, in order; empty when the command changed nothing.
    pub events: Vec<Event>,
}

/// A command was not carried out.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PortError {
    /// The core said no. Nothing happened.
    #[error(transparent)]
    Rejected(#[from] Rejection),
    /// Too many commands wait. Nothing happened; worth repeating.
    #[error("the engine is busy")]
    Busy,
    /// The engine is not there or the outcome is unknown; repeating the same command id is safe.
    #[error("the engine is not available: {0}")]
    Unavailable(String),
}

/// Names one configuration entity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EntityKey {
    /// By id.
    Id(EntityId),
    /// By its name, unique within the kind.
    Name(String),
}

impl EntityKey {
    /// A UUID is an id, everything else a name.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        text.parse().map_or_else(|_| Self::Name(text.to_owned()), Self::Id)
    }
}

/// A configuration entity as it is now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EntityView {
    /// Its id.
    pub id: EntityId,
    /// Its version, from 1.
    pub version: u32,
    /// Its document.
    pub document: Document,
}

/// How far one interaction of an agent is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TaskStage {
    /// It rings.
    Offered,
    /// In conversation.
    Connected,
    /// The customer is on hold.
    Held,
    /// After work.
    WrapUp,
}

impl TaskStage {
    /// The name at the desktop.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Offered => "offered",
            Self::Connected => "connected",
            Self::Held => "hold",
            Self::WrapUp => "wrapup",
        }
    }
}

/// One interaction an agent has in hand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TaskView {
    /// The interaction.
    pub interaction_id: InteractionId,
    /// The leg.
    pub leg_id: LegId,
    /// The queue it came from; absent in wrap-up.
    pub queue_id: Option<QueueId>,
    /// The offer, while it rings.
    pub offer_id: Option<OfferId>,
    /// Channel.
    pub channel_type: ChannelType,
    /// How far it is.
    pub stage: TaskStage,
    /// When the offer or the wrap-up ends by itself.
    pub deadline: Option<Timestamp>,
}

/// A logged-in agent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AgentView {
    /// The agent.
    pub agent_id: UserId,
    /// The session.
    pub agent_session_id: AgentSessionId,
    /// The team of this session.
    pub team_id: TeamId,
    /// The team's site.
    pub site_id: SiteId,
    /// Number or address of the device.
    pub dn: String,
    /// Kind of device.
    pub device_type: DeviceType,
    /// Base state.
    pub state: AgentStateName,
    /// Idle code, when idle.
    pub aux_code_id: Option<AuxCodeId>,
    /// Since when it is in this state.
    pub since: Timestamp,
    /// Interactions in hand, longest first in their stage.
    pub tasks: Vec<TaskView>,
}

/// The agent that has an interaction or is offered it, by place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StaffView {
    /// The agent.
    pub agent_id: UserId,
    /// The team of the session.
    pub team_id: TeamId,
    /// The team's site.
    pub site_id: SiteId,
}

/// The stay in a queue that an interaction is in, or is served from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StayView {
    /// The stay.
    pub leg_id: LegId,
    /// The queue.
    pub queue_id: QueueId,
    /// Who is offered it or has it; absent while it waits.
    pub staff: Option<StaffView>,
}

/// An interaction that routing still knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InteractionView {
    /// Channel.
    pub channel_type: ChannelType,
    /// Where it came in.
    pub entry_point_id: Option<EntryPointId>,
    /// Where it is; absent in a flow before the first queue, and once it is over.
    pub stay: Option<StayView>,
    /// Whether the customer is still there; if not, it is being wrapped up.
    pub customer_present: bool,
}

/// One organization's engine, as its HTTP doors see it.
#[async_trait]
pub trait EnginePort: Send + Sync + 'static {
    /// Decides a command; resolves after its events are durable.
    ///
    /// # Errors
    /// [`PortError`].
    async fn submit(&self, commanded: Commanded) -> Result<Accepted, PortError>;

    /// The agent's session; `None` when logged out.
    ///
    /// # Errors
    /// [`PortError::Busy`] or [`PortError::Unavailable`], as for every read here.
    async fn agent(&self, agent_id: UserId) -> Result<Option<AgentView>, PortError>;

    /// An interaction; `None` when everything about it is over or it never was.
    ///
    /// # Errors
    /// As [`EnginePort::agent`].
    async fn interaction(&self, id: InteractionId) -> Result<Option<InteractionView>, PortError>;

    /// Chats whose customer is still there, by id.
    ///
    /// # Errors
    /// As [`EnginePort::agent`].
    async fn open_chats(&self) -> Result<Vec<InteractionId>, PortError>;

    /// Interactions whose customer may still be there, calls and chats, by id.
    ///
    /// # Errors
    /// As [`EnginePort::agent`].
    async fn open_interactions(&self) -> Result<Vec<InteractionId>, PortError>;

    /// Entities of a kind, by name.
    ///
    /// # Errors
    /// As [`EnginePort::agent`].
    async fn entities(&self, kind: EntityKind) -> Result<Vec<EntityView>, PortError>;

    /// One entity.
    ///
    /// # Errors
    /// As [`EnginePort::agent`].
    async fn entity(
        &self,
        kind: EntityKind,
        key: EntityKey,
    ) -> Result<Option<EntityView>, PortError>;
}

/// Tries before a busy engine is given up.
const TRIES: u32 = 12;
/// First pause between two tries; doubles up to [`PAUSE_MAX`].
const PAUSE: Duration = Duration::from_millis(20);
const PAUSE_MAX: Duration = Duration::from_secs(5);

/// Submits what must not be lost: a busy engine is asked again, about half a minute long. The command id
/// makes that safe.
///
/// # Errors
/// [`PortError`]; a rejection at once.
pub(crate) async fn submit_surely(
    engine: &dyn EnginePort,
    commanded: Commanded,
) -> Result<Accepted, PortError> {
    let mut pause = PAUSE;
    for _ in 1..TRIES {
        match engine.submit(commanded.clone()).await {
            Err(PortError::Busy | PortError::Unavailable(_)) => {
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(PAUSE_MAX);
            }
            decided => return decided,
        }
    }
    engine.submit(commanded).await
}
