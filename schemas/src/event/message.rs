//! Messages of digital interactions, and digital channels.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::id::{ChannelId, InteractionId, MessageId, UserId};
use crate::sensitive::Sensitive;

/// Who wrote or typed.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum MessageAuthor {
    /// The customer.
    Customer,
    /// The agent.
    Agent,
    /// Ledgerline (greeting, position).
    System,
    /// A virtual agent.
    Bot,
}

impl MessageAuthor {
    /// The `lower_snake` name, as in JSON.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Customer => "customer",
            Self::Agent => "agent",
            Self::System => "system",
            Self::Bot => "bot",
        }
    }
}

/// A file with a message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Attachment {
    /// File name.
    pub name: Sensitive<String>,
    /// MIME type.
    pub media_type: String,
    /// Size, bytes.
    pub bytes: u64,
    /// Hash, lower-case hex.
    pub sha256: String,
    /// Where it is kept.
    pub reference: String,
}

/// A message came from the customer.
///
/// Event type `message.received`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct MessageReceived {
    /// The interaction.
    pub interaction_id: InteractionId,
    /// The message.
    pub message_id: MessageId,
    /// Text, when kept in the log.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<Sensitive<String>>,
    /// Where the body is kept otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body_ref: Option<String>,
    /// Keyed hash of the body (HMAC-SHA-256), lower-case hex: equal bodies can be told, the body cannot be guessed.
    pub sha256: String,
    /// Id at the provider.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub external_message_id: Option<String>,
    /// Thread at the provider.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub thread_external_id: Option<String>,
    /// Author at the provider.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub author_external_id: Option<Sensitive<String>>,
    /// Files.
    pub attachments: Vec<Attachment>,
}

/// A message was sent to the customer.
///
/// Event type `message.sent`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct MessageSent {
    /// The interaction.
    pub interaction_id: InteractionId,
    /// The message.
    pub message_id: MessageId,
    /// Who wrote it.
    pub author: MessageAuthor,
    /// The agent, if one wrote it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent_id: Option<UserId>,
    /// Text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<Sensitive<String>>,
    /// Where the body is kept otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body_ref: Option<String>,
    /// Keyed hash of the body, lower-case hex.
    pub sha256: String,
    /// Files.
    pub attachments: Vec<Attachment>,
}

/// The message reached the customer's device.
///
/// Event type `message.delivered`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct MessageDelivered {
    /// The interaction.
    pub interaction_id: InteractionId,
    /// The message.
    pub message_id: MessageId,
}

/// The customer read it.
///
/// Event type `message.read`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct MessageRead {
    /// The interaction.
    pub interaction_id: InteractionId,
    /// The message.
    pub message_id: MessageId,
}

/// The message could not be delivered.
///
/// Event type `message.failed`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct MessageFailed {
    /// The interaction.
    pub interaction_id: InteractionId,
    /// The message.
    pub message_id: MessageId,
    /// Stable code, lower_snake.
    pub code: String,
}

/// Somebody types.
///
/// Event type `typing.started`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TypingStarted {
    /// The interaction.
    pub interaction_id: InteractionId,
    /// Who.
    pub author: MessageAuthor,
}

/// Nobody types any more.
///
/// Event type `typing.stopped`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TypingStopped {
    /// The interaction.
    pub interaction_id: InteractionId,
    /// Who.
    pub author: MessageAuthor,
}

/// A digital channel was connected.
///
/// Event type `channel.connected`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ChannelConnected {
    /// The channel.
    pub channel_id: ChannelId,
    /// Provider, lower_snake.
    pub provider: String,
}

/// The channel's credentials no longer work.
///
/// Event type `channel.reconnect_required`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ChannelReconnectRequired {
    /// The channel.
    pub channel_id: ChannelId,
    /// Stable code, lower_snake.
    pub code: String,
}

/// The channel was removed.
///
/// Event type `channel.removed`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ChannelRemoved {
    /// The channel.
    pub channel_id: ChannelId,
}
