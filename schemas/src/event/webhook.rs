//! Endpoints of webhooks that were given up or taken up again, and events that could not be delivered.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::envelope::Position;
use crate::id::{EntityId, EventId};

/// An endpoint said that it is gone: nothing more is sent to it.
///
/// Event type `webhook.disabled`. Nothing is lost: what is not delivered waits.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct WebhookDisabled {
    /// The subscription.
    pub subscription_id: EntityId,
    /// Its name.
    pub subscription: String,
    /// Why. Nothing of what the other side said but its status.
    pub reason: String,
    /// Everything up to here was delivered or given up.
    pub done_position: Position,
}

/// An endpoint is sent to again.
///
/// Event type `webhook.enabled`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct WebhookEnabled {
    /// The subscription.
    pub subscription_id: EntityId,
    /// Its name.
    pub subscription: String,
    /// Subject of who asked for it; absent when a change of the subscription did it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requested_by: Option<String>,
    /// Everything up to here was delivered or given up.
    pub done_position: Position,
}

/// An event was sent to an endpoint as often as the schedule says, and never taken.
///
/// Event type `webhook.given_up`. It is kept as a dead letter, from where it can be sent again.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct WebhookGivenUp {
    /// The subscription.
    pub subscription_id: EntityId,
    /// Its name.
    pub subscription: String,
    /// The event.
    pub event_id: EventId,
    /// Where it is.
    pub position: Position,
    /// The type it was sent as.
    pub event_type: String,
    /// Attempts.
    pub attempts: u32,
    /// Why the last one failed. Nothing of what the other side said but its status.
    pub reason: String,
}

/// Dead letters are sent again.
///
/// Event type `webhook.replayed`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct WebhookReplayed {
    /// The subscription.
    pub subscription_id: EntityId,
    /// Its name.
    pub subscription: String,
    /// How many.
    pub count: u32,
    /// Subject of who asked for it.
    pub requested_by: String,
}
