//! Legs connected to agents: conversation, hold, consult, conference, transfer.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::id::{
    AgentSessionId, ConferenceId, ConsultId, InteractionId, LegId, OfferId, QueueId, SiteId,
    TeamId, TransferId, UserId,
};

/// Why a conversation ended.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum LegEndReason {
    /// The customer left.
    CustomerLeft,
    /// The agent ended it.
    AgentEnded,
    /// It was transferred.
    Transferred,
    /// A supervisor ended it.
    Supervisor,
    /// The network failed.
    NetworkError,
    /// Ledgerline ended it.
    System,
    /// The source of an import does not say.
    Unknown,
}

impl LegEndReason {
    /// The `lower_snake` name, as in JSON.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::CustomerLeft => "customer_left",
            Self::AgentEnded => "agent_ended",
            Self::Transferred => "transferred",
            Self::Supervisor => "supervisor",
            Self::NetworkError => "network_error",
            Self::System => "system",
            Self::Unknown => "unknown",
        }
    }
}

/// Kind of a consult, conference or transfer target.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum PartyType {
    /// An agent.
    Agent,
    /// A queue.
    Queue,
    /// An entry point.
    EntryPoint,
    /// A number.
    Dn,
}

impl PartyType {
    /// The `lower_snake` name, as in JSON.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Agent => "agent",
            Self::Queue => "queue",
            Self::EntryPoint => "entry_point",
            Self::Dn => "dn",
        }
    }
}

/// How it was transferred.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum TransferKind {
    /// Without talking first.
    Blind,
    /// After a consult.
    Consult,
    /// By leaving a conference.
    Conference,
    /// To a queue, from the desktop.
    Vteam,
    /// By the flow.
    Straight,
}

impl TransferKind {
    /// The `lower_snake` name, as in JSON.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Blind => "blind",
            Self::Consult => "consult",
            Self::Conference => "conference",
            Self::Vteam => "vteam",
            Self::Straight => "straight",
        }
    }
}

/// An agent and the customer are connected.
///
/// Event type `leg.connected`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LegConnected {
    /// The interaction.
    pub interaction_id: InteractionId,
    /// The leg.
    pub leg_id: LegId,
    /// The queue it came from.
    pub queue_id: QueueId,
    /// The agent.
    pub agent_id: UserId,
    /// The session; absent in imported call records.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent_session_id: Option<AgentSessionId>,
    /// The team.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub team_id: Option<TeamId>,
    /// The site.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub site_id: Option<SiteId>,
    /// The offer that led here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub offer_id: Option<OfferId>,
}

/// The conversation is over for this agent.
///
/// Event type `leg.disconnected`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LegDisconnected {
    /// The interaction.
    pub interaction_id: InteractionId,
    /// The leg.
    pub leg_id: LegId,
    /// The agent.
    pub agent_id: UserId,
    /// Why.
    pub reason: LegEndReason,
    /// Time connected, ms. For imports the recorded figure.
    pub connected_ms: u64,
}

/// The customer is on hold.
///
/// Event type `hold.started`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct HoldStarted {
    /// The interaction.
    pub interaction_id: InteractionId,
    /// The leg.
    pub leg_id: LegId,
    /// Who put the customer on hold.
    pub agent_id: UserId,
}

/// The customer is off hold.
///
/// Event type `hold.ended`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct HoldEnded {
    /// The interaction.
    pub interaction_id: InteractionId,
    /// The leg.
    pub leg_id: LegId,
    /// The agent.
    pub agent_id: UserId,
}

/// An agent asked somebody while the customer waits.
///
/// Event type `consult.requested`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ConsultRequested {
    /// The interaction.
    pub interaction_id: InteractionId,
    /// The leg.
    pub leg_id: LegId,
    /// The consult.
    pub consult_id: ConsultId,
    /// Who asks.
    pub agent_id: UserId,
    /// Kind of party asked.
    pub to_type: PartyType,
    /// Which one (entity id or number).
    pub to_id: String,
    /// Whether the others are on hold meanwhile.
    pub hold_participants: bool,
}

/// The party asked answered.
///
/// Event type `consult.answered`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ConsultAnswered {
    /// The interaction.
    pub interaction_id: InteractionId,
    /// The consult.
    pub consult_id: ConsultId,
    /// Who answered, if an agent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent_id: Option<UserId>,
}

/// The consult is over.
///
/// Event type `consult.ended`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ConsultEnded {
    /// The interaction.
    pub interaction_id: InteractionId,
    /// The consult.
    pub consult_id: ConsultId,
}

/// The party asked could not be reached.
///
/// Event type `consult.failed`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ConsultFailed {
    /// The interaction.
    pub interaction_id: InteractionId,
    /// The consult.
    pub consult_id: ConsultId,
    /// Stable code, lower_snake.
    pub code: String,
}

/// Several parties are connected.
///
/// Event type `conference.started`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ConferenceStarted {
    /// The interaction.
    pub interaction_id: InteractionId,
    /// The conference.
    pub conference_id: ConferenceId,
    /// Who started it.
    pub agent_id: UserId,
}

/// A party joined.
///
/// Event type `conference.participant_joined`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ConferenceParticipantJoined {
    /// The interaction.
    pub interaction_id: InteractionId,
    /// The conference.
    pub conference_id: ConferenceId,
    /// Kind of party.
    pub party_type: PartyType,
    /// Which one.
    pub party_id: String,
}

/// A party left.
///
/// Event type `conference.participant_left`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ConferenceParticipantLeft {
    /// The interaction.
    pub interaction_id: InteractionId,
    /// The conference.
    pub conference_id: ConferenceId,
    /// Kind of party.
    pub party_type: PartyType,
    /// Which one.
    pub party_id: String,
}

/// The conference is over.
///
/// Event type `conference.ended`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ConferenceEnded {
    /// The interaction.
    pub interaction_id: InteractionId,
    /// The conference.
    pub conference_id: ConferenceId,
}

/// A transfer was asked for.
///
/// Event type `transfer.requested`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TransferRequested {
    /// The interaction.
    pub interaction_id: InteractionId,
    /// The leg that ends.
    pub leg_id: LegId,
    /// The transfer.
    pub transfer_id: TransferId,
    /// Who transfers.
    pub agent_id: UserId,
    /// How.
    pub kind: TransferKind,
    /// Kind of target.
    pub to_type: PartyType,
    /// Which one.
    pub to_id: String,
}

/// The transfer is done.
///
/// Event type `transfer.completed`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TransferCompleted {
    /// The interaction.
    pub interaction_id: InteractionId,
    /// The transfer.
    pub transfer_id: TransferId,
    /// The leg that goes on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub new_leg_id: Option<LegId>,
}

/// The transfer could not be done; the conversation goes on.
///
/// Event type `transfer.failed`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TransferFailed {
    /// The interaction.
    pub interaction_id: InteractionId,
    /// The transfer.
    pub transfer_id: TransferId,
    /// Stable code, lower_snake.
    pub code: String,
}

/// Post-call treatment (survey) began.
///
/// Event type `post_call.started`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PostCallStarted {
    /// The interaction.
    pub interaction_id: InteractionId,
    /// The leg.
    pub leg_id: LegId,
}

/// Post-call treatment is over.
///
/// Event type `post_call.ended`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PostCallEnded {
    /// The interaction.
    pub interaction_id: InteractionId,
    /// The leg.
    pub leg_id: LegId,
}
