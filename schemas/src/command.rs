//! Commands: what edges ask the core to do.
//!
//! A command carries everything that is not in the state: ids it brings into being, what a device
//! reported, sealed personal data. The core decides from state, command and `now` alone.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::config::{ChannelType, EntityKind};
use crate::document::Document;
use crate::envelope::{Actor, StreamId};
use crate::event::agent::{DeviceType, SignOutReason};
use crate::event::broadcast::Audience;
use crate::event::media::{EdgeRequestRefused, MediaLegEnded, MediaSide};
use crate::event::monitor::MonitorMode;
use crate::id::{
    AgentSessionId, AuxCodeId, CommandId, CorrelationId, EntityId, InteractionId, LegId,
    MediaLegId, MessageId, OfferId, OrgId, QueueId, RunId, SubjectId, TeamId, UserId,
};
use crate::sensitive::Sensitive;
use crate::time::DurationMs;

/// A command with what the envelope of its events needs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Commanded {
    /// The organization.
    pub org_id: OrgId,
    /// Id of the command: ids of its events and of everything it creates are derived from it, so that a
    /// repeated command changes nothing.
    pub command_id: CommandId,
    /// The piece of work; the interaction's id where there is one.
    pub correlation_id: CorrelationId,
    /// Who asks.
    pub actor: Actor,
    /// W3C trace context.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub traceparent: Option<String>,
    /// Whose key seals the sensitive fields.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data_subject_id: Option<SubjectId>,
    /// What is asked.
    pub command: Command,
}

/// What an edge asks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[allow(clippy::large_enum_variant, reason = "commands are moved once, through one queue")]
pub enum Command {
    /// A customer came in: creates the interaction and starts the entry point's flow.
    StartInteraction {
        /// Id chosen by the edge.
        interaction_id: InteractionId,
        /// Its channel.
        channel_type: ChannelType,
        /// Number or address asked for; leads to the entry point.
        destination: String,
        /// The customer's number or address.
        origin: Option<Sensitive<String>>,
        /// The customer's media leg.
        media_leg_id: MediaLegId,
        /// Call-ID or socket id.
        call_ref: String,
        /// `udp`, `tcp`, `websocket`.
        transport: String,
    },
    /// The customer's media leg is up (SIP ACK seen or chat socket open).
    CustomerConnected {
        /// The interaction.
        interaction_id: InteractionId,
        /// `pcmu`, `pcma`, `text`.
        codec: String,
    },
    /// The customer hung up or closed the chat.
    CustomerLeft {
        /// The interaction.
        interaction_id: InteractionId,
    },
    /// A prompt of the flow ended.
    PromptFinished {
        /// The interaction.
        interaction_id: InteractionId,
        /// The run that started it.
        run_id: RunId,
        /// The step that started it.
        seq: u32,
    },
    /// The customer entered something the flow waits for.
    InputCollected {
        /// The interaction.
        interaction_id: InteractionId,
        /// The run.
        run_id: RunId,
        /// The step.
        seq: u32,
        /// Branch the input decides (the digit, `no_input`).
        choice: String,
        /// The input itself.
        input: Option<Sensitive<String>>,
    },
    /// A media leg ended; facts of the wire.
    MediaLegEnded(MediaLegEnded),
    /// A media leg is up that the core asked for (an agent's or a supervisor's phone answered).
    MediaLegAnswered {
        /// The interaction.
        interaction_id: InteractionId,
        /// The media leg.
        media_leg_id: MediaLegId,
        /// Whose.
        side: MediaSide,
        /// The offer it serves.
        offer_id: Option<OfferId>,
        /// Codec.
        codec: String,
    },
    /// A media leg that the core asked for failed.
    MediaLegFailed {
        /// The interaction.
        interaction_id: InteractionId,
        /// The media leg.
        media_leg_id: MediaLegId,
        /// Whose.
        side: MediaSide,
        /// The offer it served.
        offer_id: Option<OfferId>,
        /// Final SIP status; 408 when none came.
        sip_status: u16,
    },
    /// An edge refused a request.
    RecordRefusal(EdgeRequestRefused),
    /// An agent logs in.
    AgentLogin {
        /// The agent.
        agent_id: UserId,
        /// Session id chosen by the edge.
        agent_session_id: AgentSessionId,
        /// Team for this session.
        team_id: TeamId,
        /// Dial number or SIP address; the user's default if absent.
        dn: Option<String>,
        /// Kind of device.
        device_type: DeviceType,
    },
    /// An agent logs out (or is logged out).
    AgentLogout {
        /// The agent.
        agent_id: UserId,
        /// Why.
        reason: SignOutReason,
    },
    /// An agent becomes available.
    SetAvailable {
        /// The agent.
        agent_id: UserId,
    },
    /// An agent becomes idle. While busy it takes effect for new work at once.
    SetIdle {
        /// The agent.
        agent_id: UserId,
        /// Idle code; the default code if absent.
        aux_code_id: Option<AuxCodeId>,
    },
    /// An agent accepts an offer (channels without a phone).
    AcceptOffer {
        /// The agent.
        agent_id: UserId,
        /// The interaction offered.
        interaction_id: InteractionId,
    },
    /// An agent declines an offer.
    RejectOffer {
        /// The agent.
        agent_id: UserId,
        /// The interaction offered.
        interaction_id: InteractionId,
    },
    /// An agent puts the customer on hold.
    Hold {
        /// The agent.
        agent_id: UserId,
        /// The interaction.
        interaction_id: InteractionId,
    },
    /// An agent takes the customer off hold.
    Unhold {
        /// The agent.
        agent_id: UserId,
        /// The interaction.
        interaction_id: InteractionId,
    },
    /// An agent transfers to a queue.
    TransferToQueue {
        /// The agent.
        agent_id: UserId,
        /// The interaction.
        interaction_id: InteractionId,
        /// The queue.
        queue_id: QueueId,
    },
    /// An agent ends the conversation for the customer too. Also: the agent's phone hung up.
    EndInteraction {
        /// The agent.
        agent_id: UserId,
        /// The interaction.
        interaction_id: InteractionId,
    },
    /// An agent ends wrap-up with a code.
    WrapUp {
        /// The agent.
        agent_id: UserId,
        /// The interaction.
        interaction_id: InteractionId,
        /// The code; the default code if absent.
        aux_code_id: Option<AuxCodeId>,
    },
    /// A supervisor changes the priority of an interaction that waits in a queue.
    SetPriority {
        /// The interaction.
        interaction_id: InteractionId,
        /// The stay in a queue it was seen in: refused when it is in another by now. Absent: whichever.
        leg_id: Option<LegId>,
        /// 1 (highest) to 10.
        priority: u8,
    },
    /// A supervisor offers an interaction to an agent: one that waits is pulled from its queue's line, one that
    /// another agent is offered or has is taken away there.
    AssignToAgent {
        /// The interaction.
        interaction_id: InteractionId,
        /// The stay in a queue it was seen in, as with [`Command::SetPriority`].
        leg_id: Option<LegId>,
        /// The agent.
        agent_id: UserId,
    },
    /// A supervisor moves an interaction to a queue, from another queue or from the agent who is offered it or
    /// has it.
    MoveToQueue {
        /// The interaction.
        interaction_id: InteractionId,
        /// The stay in a queue it was seen in, as with [`Command::SetPriority`].
        leg_id: Option<LegId>,
        /// The queue.
        queue_id: QueueId,
    },
    /// A supervisor listens to the conversation of a call; the supervisor's phone is called.
    StartMonitor {
        /// The interaction.
        interaction_id: InteractionId,
        /// The stay in a queue it was seen in, as with [`Command::SetPriority`].
        leg_id: Option<LegId>,
        /// The supervisor.
        supervisor_id: UserId,
        /// Number or SIP address of the supervisor's phone; the user's default if absent.
        dn: Option<String>,
        /// Who is to hear the supervisor from the start.
        mode: MonitorMode,
        /// Whether the agent is not told.
        invisible: bool,
    },
    /// A listening supervisor changes who hears.
    SetMonitorMode {
        /// The interaction.
        interaction_id: InteractionId,
        /// The supervisor.
        supervisor_id: UserId,
        /// Who hears from now on.
        mode: MonitorMode,
    },
    /// A listening supervisor stops.
    EndMonitor {
        /// The interaction.
        interaction_id: InteractionId,
        /// The supervisor.
        supervisor_id: UserId,
    },
    /// A supervisor tells agents something.
    Broadcast {
        /// Whom.
        audience: Audience,
        /// 1 to 1,000 characters, not only spaces.
        text: String,
        /// How long it is shown, ms: 1 s to 24 h.
        ttl_ms: DurationMs,
    },
    /// The customer wrote.
    ReceiveMessage {
        /// The interaction.
        interaction_id: InteractionId,
        /// Id chosen by the edge.
        message_id: MessageId,
        /// Sealed text.
        body: Sensitive<String>,
        /// Keyed hash of the text, lower-case hex.
        sha256: String,
    },
    /// An agent writes.
    SendMessage {
        /// The agent.
        agent_id: UserId,
        /// The interaction.
        interaction_id: InteractionId,
        /// Id chosen by the edge.
        message_id: MessageId,
        /// Sealed text.
        body: Sensitive<String>,
        /// Keyed hash of the text, lower-case hex.
        sha256: String,
    },
    /// An administrator puts an entity: creates it, or updates it if the document differs.
    PutEntity {
        /// Kind.
        kind: EntityKind,
        /// Id; derived from kind and name if absent.
        entity_id: Option<EntityId>,
        /// The document.
        document: Document,
        /// Why.
        reason: Option<String>,
    },
    /// An administrator deletes an entity.
    DeleteEntity {
        /// Kind.
        kind: EntityKind,
        /// The entity.
        entity_id: EntityId,
        /// Why.
        reason: Option<String>,
    },
    /// Time passed: fires every timer that is due.
    Tick,
}

impl Command {
    /// The stream an edge usually watches for the command's result, if it has one.
    #[must_use]
    pub fn stream(&self) -> Option<StreamId> {
        match self {
            Self::StartInteraction { interaction_id, .. }
            | Self::CustomerConnected { interaction_id, .. }
            | Self::CustomerLeft { interaction_id }
            | Self::PromptFinished { interaction_id, .. }
            | Self::InputCollected { interaction_id, .. }
            | Self::MediaLegAnswered { interaction_id, .. }
            | Self::MediaLegFailed { interaction_id, .. }
            | Self::AcceptOffer { interaction_id, .. }
            | Self::RejectOffer { interaction_id, .. }
            | Self::Hold { interaction_id, .. }
            | Self::Unhold { interaction_id, .. }
            | Self::TransferToQueue { interaction_id, .. }
            | Self::EndInteraction { interaction_id, .. }
            | Self::WrapUp { interaction_id, .. }
            | Self::SetPriority { interaction_id, .. }
            | Self::AssignToAgent { interaction_id, .. }
            | Self::MoveToQueue { interaction_id, .. }
            | Self::StartMonitor { interaction_id, .. }
            | Self::SetMonitorMode { interaction_id, .. }
            | Self::EndMonitor { interaction_id, .. }
            | Self::ReceiveMessage { interaction_id, .. }
            | Self::SendMessage { interaction_id, .. } => {
                Some(StreamId::interaction(*interaction_id))
            }
            Self::MediaLegEnded(ended) => Some(StreamId::interaction(ended.interaction_id)),
            Self::AgentLogin { agent_id, .. }
            | Self::AgentLogout { agent_id, .. }
            | Self::SetAvailable { agent_id }
            | Self::SetIdle { agent_id, .. } => Some(StreamId::agent(*agent_id)),
            Self::Broadcast { .. } => Some(StreamId::broadcasts()),
            Self::DeleteEntity { entity_id, .. } => Some(StreamId::config(*entity_id)),
            Self::PutEntity { .. } | Self::RecordRefusal(_) | Self::Tick => None,
        }
    }
}
