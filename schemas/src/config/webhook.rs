//! Subscriptions of webhooks: which events go to which server of an integrator.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::yes;
use crate::time::DurationMs;

/// Events that are sent to a server, each once it is on the log, in the order of each stream.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WebhookSubscription {
    /// Name, unique among subscriptions.
    pub name: String,
    /// What it is for.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// Where to, `https://`; no secret belongs into it.
    pub url: String,
    /// Names of [`crate::webhook::EVENT_TYPES`], or all of a resource as `task.*`; at least one.
    pub event_types: Vec<String>,
    /// Names of signing keys in the server's settings, one or two. With two each request has both signatures, so that
    /// the receiver can change from one key to the other at its own time.
    pub secrets: Vec<String>,
    /// Longest time for a request, 1,000 to 30,000 ms.
    #[serde(default = "timeout_ms")]
    pub timeout_ms: DurationMs,
    /// Requests at the same time, 1 to 32; of one stream there is never more than one.
    #[serde(default = "max_in_flight")]
    pub max_in_flight: u32,
    /// Switched on. What happens while it is off is sent when it is on again.
    #[serde(default = "yes")]
    pub active: bool,
}

const fn timeout_ms() -> DurationMs {
    15_000
}

const fn max_in_flight() -> u32 {
    4
}
