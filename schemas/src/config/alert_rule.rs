//! Rules over live figures: what is watched, what is too much or too little of it, and for how long.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::yes;
use crate::id::{EntryPointId, QueueId, SiteId, TeamId};
use crate::time::DurationMs;

/// A rule over the rows of one live table. Each row that is meant is watched by itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AlertRule {
    /// Name, unique among alert rules.
    pub name: String,
    /// The live table: one of [`DATASETS`].
    pub dataset: String,
    /// What is read of a row.
    pub figure: AlertFigure,
    /// When it is out of bounds.
    pub comparison: AlertComparison,
    /// The bound, in the unit of the figure.
    pub threshold: i64,
    /// Fires once the figure was out of bounds for so long without a break; 0: at once.
    #[serde(default)]
    pub for_ms: DurationMs,
    /// Clears when the figure is no longer beyond this bound, on the safe side of `threshold`; `threshold` itself if
    /// absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clear_threshold: Option<i64>,
    /// Only rows of these queues; all if empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub queue_ids: Vec<QueueId>,
    /// Only rows of these teams; all if empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub team_ids: Vec<TeamId>,
    /// Only rows of these sites; all if empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub site_ids: Vec<SiteId>,
    /// Only rows of these entry points; all if empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub entry_point_ids: Vec<EntryPointId>,
    /// Only rows in one of these states, such as `idle`; all if empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub states: Vec<String>,
    /// How bad it is.
    #[serde(default)]
    pub severity: AlertSeverity,
    /// What whoever is told should know.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub message: String,
    /// Switched on.
    #[serde(default = "yes")]
    pub active: bool,
}

impl AlertRule {
    /// The bound at which an alert clears.
    #[must_use]
    pub fn clears_at(&self) -> i64 {
        self.clear_threshold.unwrap_or(self.threshold)
    }
}

/// What is read of a row. A null among what is read makes it unknown, and what is unknown is never out of bounds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum AlertFigure {
    /// A column of whole numbers.
    Column(String),
    /// Time since the instant in a column, ms.
    Age(String),
    /// Some columns per others.
    Ratio(AlertRatio),
}

impl AlertFigure {
    /// The figure as text: `in_queue_now`, `age(since)`, `100 * a / (b + c)`.
    #[must_use]
    pub fn text(&self) -> String {
        let sum = |columns: &[String]| match columns {
            [one] => one.clone(),
            more => format!("({})", more.join(" + ")),
        };
        match self {
            Self::Column(column) => column.clone(),
            Self::Age(column) => format!("age({column})"),
            Self::Ratio(it) if it.times == 1 => format!("{} / {}", sum(&it.of), sum(&it.per)),
            Self::Ratio(it) => format!("{} * {} / {}", it.times, sum(&it.of), sum(&it.per)),
        }
    }
}

/// `times` × the sum of `of` / the sum of `per`. It is compared exactly, not rounded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AlertRatio {
    /// Columns that are added up.
    pub of: Vec<String>,
    /// Columns whose sum it is divided by.
    pub per: Vec<String>,
    /// 1 to 1,000,000: 100 makes a share a percentage.
    #[serde(default = "one")]
    pub times: u32,
    /// The ratio is unknown while the sum of `per` is less; at least 1.
    #[serde(default = "one")]
    pub per_min: u32,
}

const fn one() -> u32 {
    1
}

/// When a figure is out of bounds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum AlertComparison {
    /// Greater than the threshold.
    #[default]
    Above,
    /// Greater than the threshold or the same.
    AtLeast,
    /// Less than the threshold.
    Below,
    /// Less than the threshold or the same.
    AtMost,
}

impl AlertComparison {
    /// The `lower_snake` name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Above => "above",
            Self::AtLeast => "at_least",
            Self::Below => "below",
            Self::AtMost => "at_most",
        }
    }

    /// Whether what is out of bounds is greater.
    #[must_use]
    pub const fn is_upward(self) -> bool {
        matches!(self, Self::Above | Self::AtLeast)
    }
}

/// How bad an alert is.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum AlertSeverity {
    /// Good to know.
    Info,
    /// Somebody should look.
    #[default]
    Warning,
    /// Somebody has to act.
    Critical,
}

impl AlertSeverity {
    /// The `lower_snake` name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Critical => "critical",
        }
    }
}

/// A live table as rules know it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AlertDataset {
    /// Its name.
    pub name: &'static str,
    /// Columns of whole numbers.
    pub numbers: &'static [&'static str],
    /// Columns of instants.
    pub times: &'static [&'static str],
    /// Columns that say what a row belongs to: rules can name them.
    pub places: &'static [&'static str],
    /// What its column `state` can say; nothing when it has none.
    pub states: &'static [&'static str],
}

const STAFF: &[&str] = &[
    "logged_on_agents",
    "available_agents",
    "engaged_agents",
    "idle_agents",
    "not_responding_agents",
    "in_contact_agents",
    "wrapup_agents",
    "voice_count",
    "chat_count",
    "other_count",
    "ringing_count",
    "connected_count",
    "wrapup_count",
    "any_contact_today_ms",
    "ready_today_ms",
];

/// Every live table that rules can watch. What the tables have in truth is compared by a test where they are defined.
pub const DATASETS: &[AlertDataset] = &[
    AlertDataset {
        name: "agent_live",
        numbers: &[
            "voice_count",
            "chat_count",
            "other_count",
            "ringing_count",
            "connected_count",
            "wrapup_count",
            "any_contact_today_ms",
            "ready_today_ms",
        ],
        times: &["since", "login_time"],
        places: &["team_id", "site_id"],
        states: &["available", "idle", "logged_out", "not_responding"],
    },
    AlertDataset {
        name: "entry_point_live",
        numbers: &[
            "interactions_now",
            "in_flow_now",
            "waiting_now",
            "connected_now",
            "wrapup_now",
            "elsewhere_now",
            "created",
        ],
        times: &[],
        places: &["entry_point_id"],
        states: &[],
    },
    AlertDataset {
        name: "flow_live",
        numbers: &["flow_version", "in_flow_now", "started", "ended", "errors"],
        times: &["last_error_time"],
        places: &[],
        states: &[],
    },
    AlertDataset {
        name: "interaction_live",
        numbers: &["priority", "hold_count", "queue_count", "transfer_count"],
        times: &["since", "created_time", "entered_time"],
        places: &["queue_id", "entry_point_id", "team_id", "site_id"],
        states: &[
            "conference",
            "connected",
            "consulting",
            "disconnected",
            "hold",
            "ivr",
            "new",
            "offered",
            "post_call",
            "queued",
            "wrapup",
        ],
    },
    AlertDataset {
        name: "interval_current",
        numbers: &[
            "offered",
            "transferred_in",
            "requeued",
            "open",
            "answered",
            "answered_in_sl",
            "abandoned",
            "abandoned_in_sl",
            "other",
            "max_time",
            "overflowed",
            "opt_out",
            "callback_requested",
            "waited",
            "sum_wait_answered_ms",
            "sum_wait_abandoned_ms",
            "offers",
            "rejects",
            "ronas",
            "handled",
            "transferred_out",
            "sum_connected_ms",
            "sum_hold_ms",
            "wrapups",
            "sum_wrapup_ms",
        ],
        times: &["interval_start"],
        places: &["queue_id"],
        states: &[],
    },
    AlertDataset {
        name: "queue_live",
        numbers: &[
            "sl_threshold_ms",
            "in_queue_now",
            "connected_now",
            "wrapup_now",
            "offered",
            "answered",
            "abandoned",
            "other",
            "open",
            "answered_in_sl",
            "abandoned_in_sl",
            "sum_wait_answered_ms",
            "sum_wait_abandoned_ms",
            "sum_connected_ms",
            "ronas",
            "logged_on_agents",
            "available_agents",
            "offered_today",
            "answered_today",
            "answered_in_sl_today",
            "abandoned_today",
            "abandoned_in_sl_today",
            "other_today",
            "sum_wait_answered_today_ms",
            "ewt_ms",
        ],
        times: &["oldest_entered_time"],
        places: &["queue_id"],
        states: &[],
    },
    AlertDataset {
        name: "site_live",
        numbers: STAFF,
        times: &[],
        places: &["site_id"],
        states: &[],
    },
    AlertDataset {
        name: "team_live",
        numbers: STAFF,
        times: &[],
        places: &["team_id", "site_id"],
        states: &[],
    },
];
