//! Presence seen at an outside provider.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::id::UserId;

/// A provider reported presence; the state change that may follow has this event as its cause.
///
/// Event type `presence.observed`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PresenceObserved {
    /// The agent.
    pub agent_id: UserId,
    /// Provider, e.g. `teams`.
    pub provider: String,
    /// Availability as reported.
    pub availability: String,
    /// Activity as reported.
    pub activity: String,
}
