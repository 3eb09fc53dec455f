//! How long rows of the analyzer's tables are kept, and what keeps them longer.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::yes;
use crate::id::{InteractionId, QueueId, UserId};
use crate::time::Timestamp;

/// Tables whose rows may be dropped, by name.
pub const RETAINED_TABLES: [&str; 18] = [
    "agent_activity",
    "agent_interval",
    "agent_session",
    "callback",
    "customer_activity",
    "customer_session",
    "entry_point_interval",
    "feedback",
    "flow_trace",
    "message",
    "monitor_session",
    "offer",
    "queue_interval",
    "queue_leg",
    "recording",
    "routing_candidate",
    "routing_decision",
    "routing_order",
];

/// Why a table that exists may not have a policy; none for those that may, and for names of no table.
#[must_use]
pub fn never_dropped(table: &str) -> Option<&'static str> {
    Some(match table {
        "event_log" => "it is the log itself, which keeps everything",
        "access_log" => "it tells who looked, also at what is gone",
        "config_entity" | "config_history" | "metric_definition" => {
            "other rows are understood by it"
        }
        "retention_status" => "it tells what was dropped",
        "agent_live" | "alerts" | "entry_point_live" | "flow_live" | "interaction_live"
        | "interval_current" | "queue_live" | "site_live" | "team_live" => {
            "it shows the present only"
        }
        "campaign_contact" => "a contact may be called again",
        _ => return None,
    })
}

/// Days in which `as_of` still shows what was dropped, unless a policy says otherwise.
const PAST_DAYS_DEFAULT: u32 = 30;

const fn past_days() -> u32 {
    PAST_DAYS_DEFAULT
}

/// How long the rows of one table are kept. A table has at most one policy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RetentionPolicy {
    /// Name, unique among policies.
    pub name: String,
    /// The table, by name; not every table may have a policy.
    pub table: String,
    /// Days for which rows are kept after they ended, 1 to 36,500.
    pub keep_days: u32,
    /// Days after rows were dropped in which the table can still be asked for as it was before, 0 to 36,500.
    /// Only then their files are removed.
    #[serde(default = "past_days")]
    pub past_days: u32,
    /// Switched on.
    #[serde(default = "yes")]
    pub active: bool,
}

impl RetentionPolicy {
    /// Most days of either kind.
    pub const DAYS_MAX: u32 = 36_500;
}

/// Rows that are not dropped, whatever their age, until the hold is switched off or deleted.
///
/// What is named in several fields has to hold together; what is left out is not asked. A hold that names nothing
/// covers everything.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LegalHold {
    /// Name, unique among holds.
    pub name: String,
    /// Why, 1 to 500 bytes.
    pub reason: String,
    /// These interactions.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub interactions: Vec<InteractionId>,
    /// What went through these queues.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub queues: Vec<QueueId>,
    /// What these users had a hand in.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub agents: Vec<UserId>,
    /// What had not ended before this instant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<Timestamp>,
    /// What began before this instant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<Timestamp>,
    /// In force.
    #[serde(default = "yes")]
    pub active: bool,
}

impl LegalHold {
    /// Longest reason, bytes.
    pub const REASON_BYTES_MAX: usize = 500;
}
