//! Alerts: a live figure went out of bounds, and came back.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::config::alert_rule::{AlertComparison, AlertSeverity};
use crate::envelope::Position;
use crate::id::{
    AlertId, EntityId, EntryPointId, FlowId, InteractionId, QueueId, SiteId, TeamId, UserId,
};
use crate::time::Timestamp;

/// What a row that an alert is about belongs to: what its table says of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AlertPlace {
    /// Its queue.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub queue_id: Option<QueueId>,
    /// Its entry point.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entry_point_id: Option<EntryPointId>,
    /// Its team.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub team_id: Option<TeamId>,
    /// Its site.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub site_id: Option<SiteId>,
    /// Its agent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent_id: Option<UserId>,
    /// Its interaction.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interaction_id: Option<InteractionId>,
    /// Its flow.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub flow_id: Option<FlowId>,
}

/// A live figure was out of bounds for as long as its rule says.
///
/// Event type `alert.fired`. Whether it fired is decided once, by clock; replay takes it from here.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AlertFired {
    /// The alert: derived from rule, row and the position at which it began.
    pub alert_id: AlertId,
    /// The rule.
    pub rule_id: EntityId,
    /// Its name.
    pub rule: String,
    /// How bad it is.
    pub severity: AlertSeverity,
    /// What the rule says to whoever is told.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub message: String,
    /// The live table.
    pub dataset: String,
    /// Key of the row: values joined by `|`.
    pub row_key: String,
    /// What the row belongs to.
    pub place: AlertPlace,
    /// What was read of the row, as text.
    pub figure: String,
    /// When it is out of bounds.
    pub comparison: AlertComparison,
    /// The bound.
    pub threshold: i64,
    /// The figure; of a ratio the whole part.
    pub value: i64,
    /// When it went out of bounds.
    pub began_at: Timestamp,
    /// Position of the tables when that was seen.
    pub began_position: Position,
    /// Position of the tables at which `value` was read.
    pub read_position: Position,
}

/// Why an alert is no longer one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum AlertClearReason {
    /// The figure came back.
    #[default]
    Recovered,
    /// The row went, or belongs to something the rule does not speak of.
    RowGone,
    /// The rule was changed, switched off or deleted.
    RuleChanged,
}

impl AlertClearReason {
    /// The `lower_snake` name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Recovered => "recovered",
            Self::RowGone => "row_gone",
            Self::RuleChanged => "rule_changed",
        }
    }
}

/// An alert is over.
///
/// Event type `alert.cleared`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AlertCleared {
    /// The alert.
    pub alert_id: AlertId,
    /// The rule.
    pub rule_id: EntityId,
    /// Its name when the alert fired.
    pub rule: String,
    /// How bad it was.
    pub severity: AlertSeverity,
    /// The live table.
    pub dataset: String,
    /// Key of the row.
    pub row_key: String,
    /// What the row belonged to when the alert fired.
    pub place: AlertPlace,
    /// Why it is over.
    pub reason: AlertClearReason,
    /// The figure; absent when it is not known any more. Of a ratio the whole part.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<i64>,
    /// Position of the tables at which that was read.
    pub read_position: Position,
}
