//! An alert that is open, as much of it as its end has to say.

use ledgerline_projections::{Row, TableDef, Value};
use ledgerline_schemas::Position;
use ledgerline_schemas::config::alert_rule::AlertSeverity;
use ledgerline_schemas::event::alert::{AlertClearReason, AlertCleared, AlertFired, AlertPlace};
use ledgerline_schemas::id::{AlertId, EntityId};

/// An alert that fired and has not cleared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Open {
    pub(super) alert_id: AlertId,
    pub(super) rule_id: EntityId,
    pub(super) dataset: String,
    pub(super) row_key: String,
    rule: String,
    severity: AlertSeverity,
    place: AlertPlace,
}

impl Open {
    /// The one that fires.
    pub(super) fn of(fired: &AlertFired) -> Self {
        Self {
            alert_id: fired.alert_id,
            rule_id: fired.rule_id,
            dataset: fired.dataset.clone(),
            row_key: fired.row_key.clone(),
            rule: fired.rule.clone(),
            severity: fired.severity,
            place: fired.place,
        }
    }

    /// The one of a row of `alerts`; none if the row does not say what is needed.
    pub(super) fn shown(table: &TableDef, row: &Row) -> Option<Self> {
        Some(Self {
            alert_id: text(table, row, "alert_id")?.parse().ok()?,
            rule_id: text(table, row, "rule_id")?.parse().ok()?,
            dataset: text(table, row, "dataset")?.to_owned(),
            row_key: text(table, row, "row_key")?.to_owned(),
            rule: text(table, row, "rule_name")?.to_owned(),
            severity: match text(table, row, "severity")? {
                "info" => AlertSeverity::Info,
                "critical" => AlertSeverity::Critical,
                _ => AlertSeverity::Warning,
            },
            place: place(table, row),
        })
    }

    /// Its end.
    pub(super) fn cleared(
        &self,
        reason: AlertClearReason,
        value: Option<i64>,
        read_position: Position,
    ) -> AlertCleared {
        AlertCleared {
            alert_id: self.alert_id,
            rule_id: self.rule_id,
            rule: self.rule.clone(),
            severity: self.severity,
            dataset: self.dataset.clone(),
            row_key: self.row_key.clone(),
            place: self.place,
            reason,
            value,
            read_position,
        }
    }
}

fn text<'a>(table: &TableDef, row: &'a Row, name: &str) -> Option<&'a str> {
    match row.get(table.column(name)?)? {
        Value::Text(text) => Some(text),
        _ => None,
    }
}

/// What a row says it belongs to.
pub(super) fn place(table: &TableDef, row: &Row) -> AlertPlace {
    macro_rules! ids {
        ($($field:ident),*) => {
            AlertPlace {
                $($field: text(table, row, stringify!($field)).and_then(|id| id.parse().ok()),)*
            }
        };
    }
    ids!(queue_id, entry_point_id, team_id, site_id, agent_id, interaction_id, flow_id)
}
