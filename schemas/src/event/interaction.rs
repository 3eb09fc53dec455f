//! Interactions: the thing that is handled, from its creation to its end.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::config::ChannelType;
use crate::id::{CampaignId, EntryPointId, InteractionId, UserId};
use crate::sensitive::Sensitive;

/// Which side began.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// The customer began.
    Inbound,
    /// The center began.
    Outbound,
}

impl Direction {
    /// The `lower_snake` name, as in JSON.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Inbound => "inbound",
            Self::Outbound => "outbound",
        }
    }
}

/// Why a child interaction exists.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Relationship {
    /// It stands alone.
    None,
    /// It continues another after a transfer.
    Transfer,
    /// It is a consult for another.
    Consult,
    /// It returns a call.
    Callback,
    /// A campaign began it.
    Campaign,
}

impl Relationship {
    /// The `lower_snake` name, as in JSON.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Transfer => "transfer",
            Self::Consult => "consult",
            Self::Callback => "callback",
            Self::Campaign => "campaign",
        }
    }
}

/// Which side ended the interaction.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum TerminatingEnd {
    /// The customer.
    Customer,
    /// The agent.
    Agent,
    /// Ledgerline or the network.
    System,
    /// The source of an import does not say.
    Unknown,
}

impl TerminatingEnd {
    /// The `lower_snake` name, as in JSON.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Customer => "customer",
            Self::Agent => "agent",
            Self::System => "system",
            Self::Unknown => "unknown",
        }
    }
}

/// Why the interaction ended. Closed.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum TerminationReason {
    /// The customer hung up or closed the chat.
    CustomerLeft,
    /// The agent ended it.
    AgentEnded,
    /// The flow ended it.
    FlowEnded,
    /// The longest time in queue passed and no overflow was configured.
    MaxTimeInQueue,
    /// It was handed to an overflow number.
    Overflow,
    /// It was handed to an outside number.
    TransferredOut,
    /// The network or the customer's device failed.
    NetworkError,
    /// The queue's or entry point's limit of active contacts was reached.
    QueueFull,
    /// No queue or flow could take it.
    NoRoute,
    /// Ledgerline could not go on.
    SystemError,
    /// No media arrived for too long.
    MediaTimeout,
    /// The source of an import does not say.
    Unknown,
}

impl TerminationReason {
    /// The `lower_snake` name, as in JSON.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::CustomerLeft => "customer_left",
            Self::AgentEnded => "agent_ended",
            Self::FlowEnded => "flow_ended",
            Self::MaxTimeInQueue => "max_time_in_queue",
            Self::Overflow => "overflow",
            Self::TransferredOut => "transferred_out",
            Self::NetworkError => "network_error",
            Self::QueueFull => "queue_full",
            Self::NoRoute => "no_route",
            Self::SystemError => "system_error",
            Self::MediaTimeout => "media_timeout",
            Self::Unknown => "unknown",
        }
    }
}

/// How far the interaction came.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum LastStage {
    /// In the flow, before a queue.
    Ivr,
    /// Waiting in a queue.
    Queue,
    /// Being offered to an agent.
    Offer,
    /// Connected to an agent.
    Connected,
    /// After the conversation.
    Wrapup,
}

impl LastStage {
    /// The `lower_snake` name, as in JSON.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ivr => "ivr",
            Self::Queue => "queue",
            Self::Offer => "offer",
            Self::Connected => "connected",
            Self::Wrapup => "wrapup",
        }
    }
}

/// An interaction began.
///
/// Event type `interaction.created`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct InteractionCreated {
    /// The interaction.
    pub interaction_id: InteractionId,
    /// Its channel.
    pub channel_type: ChannelType,
    /// Finer kind (`whatsapp`, `sms`), lower_snake.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub channel_sub_type: Option<String>,
    /// Which side began.
    pub direction: Direction,
    /// Where it came in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entry_point_id: Option<EntryPointId>,
    /// Caller's number or address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<Sensitive<String>>,
    /// Number or address it was sent to (one of the organization's own).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub destination: Option<String>,
    /// Code that stands for the customer in imported history; never the source's id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub customer_code: Option<String>,
    /// The interaction it grew from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent_interaction_id: Option<InteractionId>,
    /// Why it has a parent.
    pub relationship: Relationship,
    /// Contact reason as given by the source.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The agent the customer should reach.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub preferred_agent_id: Option<UserId>,
    /// The campaign.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub campaign_id: Option<CampaignId>,
    /// Call-ID, thread id or the like of the source.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub media_ref: Option<String>,
}

/// Attributes were set.
///
/// Event type `interaction.attributes_set`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct InteractionAttributesSet {
    /// The interaction.
    pub interaction_id: InteractionId,
    /// New and old values by name.
    pub changes: BTreeMap<String, AttributeChange>,
    /// New values of sensitive attributes by name.
    pub sensitive: BTreeMap<String, Sensitive<String>>,
}

/// One attribute's change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AttributeChange {
    /// Value before, if there was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub old: Option<String>,
    /// Value now; absent when removed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub new: Option<String>,
}

/// The priority was changed.
///
/// Event type `interaction.priority_set`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct InteractionPrioritySet {
    /// The interaction.
    pub interaction_id: InteractionId,
    /// Before, 1 (highest) to 10 (default).
    pub old: u8,
    /// Now.
    pub new: u8,
}

/// The interaction was merged into another.
///
/// Event type `interaction.merged`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct InteractionMerged {
    /// The interaction.
    pub interaction_id: InteractionId,
    /// The one that goes on.
    pub into: InteractionId,
}

/// Another agent owns the interaction.
///
/// Event type `interaction.owner_changed`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct InteractionOwnerChanged {
    /// The interaction.
    pub interaction_id: InteractionId,
    /// Owner before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from_agent_id: Option<UserId>,
    /// Owner now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to_agent_id: Option<UserId>,
}

/// The interaction is over for the customer; wrap-up may still run.
///
/// Event type `interaction.ended`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct InteractionEnded {
    /// The interaction.
    pub interaction_id: InteractionId,
    /// Which side ended it.
    pub terminating_end: TerminatingEnd,
    /// Why.
    pub reason: TerminationReason,
    /// How far it came.
    pub last_stage: LastStage,
}

/// The interaction could not be handled.
///
/// Event type `interaction.failed`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct InteractionFailed {
    /// The interaction.
    pub interaction_id: InteractionId,
    /// Stable code, lower_snake.
    pub code: String,
    /// What went wrong, without personal data.
    pub reason: String,
}
