//! The mapping language: the shape of a mapping's TOML.

use std::collections::BTreeMap;

use ledgerline_schemas::config::{ChannelType, RoutingType, WaitCredit};
use ledgerline_schemas::limits::PRIORITY_DEFAULT;
use serde::Deserialize;

/// A mapping as it is written down. Unknown keys are refused, so that a typing error never goes unnoticed.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Spec {
    pub(super) name: String,
    #[serde(default = "voice")]
    pub(super) channel: ChannelType,
    #[serde(default = "utc")]
    pub(super) timezone: String,
    pub(super) file: FileSpec,
    pub(super) time: TimeSpec,
    pub(super) flow: Option<FlowSpec>,
    pub(super) wait: StageSpec,
    pub(super) service: StageSpec,
    pub(super) outcome: OutcomeSpec,
    pub(super) agent: Option<AgentSpec>,
    pub(super) customer: Option<CustomerSpec>,
    pub(super) priority: Option<PrioritySpec>,
    pub(super) queues: QueuesSpec,
    #[serde(default)]
    pub(super) queue: Vec<QueueSpec>,
}

const fn voice() -> ChannelType {
    ChannelType::Voice
}

fn utc() -> String {
    "UTC".to_owned()
}

/// `[file]`: how rows and fields are told apart, and what makes a row the same row again.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FileSpec {
    #[serde(default = "comma")]
    pub(super) delimiter: String,
    pub(super) quote: Option<String>,
    #[serde(default = "yes")]
    pub(super) header: bool,
    #[serde(default)]
    pub(super) columns: Vec<String>,
    #[serde(default)]
    pub(super) repair_blanks: bool,
    pub(super) key: Vec<String>,
}

fn comma() -> String {
    ",".to_owned()
}

const fn yes() -> bool {
    true
}

/// `[time]`: how times are written.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TimeSpec {
    pub(super) date_column: Option<String>,
    pub(super) date_format: Option<String>,
    pub(super) format: String,
    #[serde(default)]
    pub(super) absent: Vec<String>,
    #[serde(default)]
    pub(super) unit: Unit,
}

/// Unit of duration columns.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
pub(super) enum Unit {
    #[default]
    #[serde(rename = "s")]
    Seconds,
    #[serde(rename = "ms")]
    Milliseconds,
}

impl Unit {
    pub(super) const fn in_ms(self) -> i64 {
        match self {
            Self::Seconds => 1_000,
            Self::Milliseconds => 1,
        }
    }
}

/// `[flow]`: the self-service part before a queue.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FlowSpec {
    pub(super) name: String,
    pub(super) entry_point: String,
    pub(super) start: String,
    pub(super) end: Option<String>,
    pub(super) duration: Option<String>,
}

/// `[wait]` and `[service]`: the stay in the queue and the conversation.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct StageSpec {
    pub(super) start: Option<String>,
    pub(super) end: Option<String>,
    pub(super) duration: Option<String>,
}

/// `[outcome]`: what became of the row.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct OutcomeSpec {
    pub(super) column: String,
    pub(super) answered: Vec<String>,
    pub(super) hung_up: Vec<String>,
    #[serde(default)]
    pub(super) skipped: Vec<String>,
}

/// `[agent]`: who answered.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct AgentSpec {
    pub(super) column: String,
    #[serde(default)]
    pub(super) unnamed: Vec<String>,
    #[serde(default = "unnamed")]
    pub(super) unnamed_code: String,
}

pub(super) fn unnamed() -> String {
    "unnamed".to_owned()
}

/// `[customer]`: who called.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CustomerSpec {
    pub(super) column: String,
    #[serde(default)]
    pub(super) unidentified: Vec<String>,
    #[serde(default)]
    pub(super) digits_only: bool,
}

/// `[priority]`: how the source's priorities become 1 (highest) to 10 (default).
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PrioritySpec {
    pub(super) column: String,
    pub(super) values: BTreeMap<String, u8>,
    #[serde(default = "default_priority")]
    pub(super) default: u8,
}

const fn default_priority() -> u8 {
    PRIORITY_DEFAULT
}

/// `[queues]`: which column names the queue.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct QueuesSpec {
    pub(super) column: String,
    #[serde(default)]
    pub(super) unknown: UnknownQueue,
}

/// What happens to a queued row whose queue no `[[queue]]` lists.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum UnknownQueue {
    #[default]
    Reject,
    Create,
}

/// One `[[queue]]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct QueueSpec {
    pub(super) value: String,
    pub(super) name: Option<String>,
    #[serde(default)]
    pub(super) routing_type: RoutingType,
    #[serde(default = "threshold")]
    pub(super) service_level_threshold_ms: u64,
    #[serde(default)]
    pub(super) wait_credits: Vec<WaitCredit>,
}

const fn threshold() -> u64 {
    20_000
}

impl QueueSpec {
    /// The queue made for a value that no `[[queue]]` lists.
    pub(super) fn unlisted(value: &str) -> Self {
        Self {
            value: value.to_owned(),
            name: None,
            routing_type: RoutingType::default(),
            service_level_threshold_ms: threshold(),
            wait_credits: Vec::new(),
        }
    }

    pub(super) fn name(&self) -> &str {
        self.name.as_deref().unwrap_or(&self.value)
    }
}
