//! Callbacks.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::id::{CallbackId, InteractionId, LegId, QueueId, UserId};
use crate::sensitive::Sensitive;
use crate::time::Timestamp;

/// Kind of callback.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum CallbackType {
    /// Keeps the place in the queue.
    Courtesy,
    /// At an agreed time.
    Scheduled,
    /// Asked for on a page.
    Web,
}

impl CallbackType {
    /// The `lower_snake` name, as in JSON.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Courtesy => "courtesy",
            Self::Scheduled => "scheduled",
            Self::Web => "web",
        }
    }
}

/// The customer asked to be called.
///
/// Event type `callback.requested`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CallbackRequested {
    /// The callback.
    pub callback_id: CallbackId,
    /// The interaction it came from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interaction_id: Option<InteractionId>,
    /// Kind.
    pub callback_type: CallbackType,
    /// Number to call.
    pub number: Sensitive<String>,
    /// The queue.
    pub queue_id: QueueId,
    /// Leg whose place is kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keeps_leg_id: Option<LegId>,
    /// Start of the agreed window.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_before: Option<Timestamp>,
    /// End of the agreed window.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_after: Option<Timestamp>,
}

/// The customer is being called.
///
/// Event type `callback.dialling`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CallbackDialling {
    /// The callback.
    pub callback_id: CallbackId,
    /// Attempt, from 1.
    pub attempt: u32,
}

/// The customer answered.
///
/// Event type `callback.connected`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CallbackConnected {
    /// The callback.
    pub callback_id: CallbackId,
    /// The interaction of the call.
    pub interaction_id: InteractionId,
    /// The agent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent_id: Option<UserId>,
}

/// An attempt failed.
///
/// Event type `callback.failed`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CallbackFailed {
    /// The callback.
    pub callback_id: CallbackId,
    /// Attempt, from 1.
    pub attempt: u32,
    /// Stable code, lower_snake.
    pub code: String,
}

/// The callback was cancelled.
///
/// Event type `callback.cancelled`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CallbackCancelled {
    /// The callback.
    pub callback_id: CallbackId,
    /// Stable code, lower_snake.
    pub code: String,
}

/// The callback is done.
///
/// Event type `callback.completed`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CallbackCompleted {
    /// The callback.
    pub callback_id: CallbackId,
}
