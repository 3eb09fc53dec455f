//! `alerts`: what is out of bounds now.

use std::sync::Arc;

use ledgerline_schemas::config::alert_rule::{AlertComparison, AlertSeverity};
use ledgerline_schemas::id::{
    AlertId, EntityId, EntryPointId, FlowId, InteractionId, QueueId, SiteId, TeamId, UserId,
};
use ledgerline_schemas::{Position, Timestamp};

table! {
    /// An alert that fired and has not cleared. It is shown to whom the row that it is about is shown.
    Alerts = "alerts", key AlertId = [alert_id], sort [alert_id], live true;
    /// The alert.
    alert_id: AlertId,
    /// The rule.
    rule_id: EntityId,
    /// Its name when the alert fired.
    rule_name: Arc<str>,
    /// How bad it is: info, warning, critical.
    severity: AlertSeverity,
    /// What the rule says to whoever is told.
    message: Arc<str>,
    /// The live table.
    dataset: Arc<str>,
    /// Key of the row in it.
    row_key: Arc<str>,
    /// What was read of the row.
    figure: Arc<str>,
    /// When that is out of bounds: above, at_least, below, at_most.
    comparison: AlertComparison,
    /// The bound.
    threshold: i64,
    /// The figure when the alert fired; of a ratio the whole part.
    value: i64,
    /// When it went out of bounds.
    began_time: Timestamp,
    /// When the alert fired.
    fired_time: Timestamp,
    /// Position of the tables at which the value was read.
    read_position: Position,
    /// Queue of the row.
    @Queue queue_id: Option<QueueId>,
    /// Name of the queue when the alert fired.
    queue_name: Option<Arc<str>>,
    /// Entry point of the row.
    @EntryPoint entry_point_id: Option<EntryPointId>,
    /// Team of the row.
    @Team team_id: Option<TeamId>,
    /// Name of the team when the alert fired.
    team_name: Option<Arc<str>>,
    /// Site of the row.
    @Site site_id: Option<SiteId>,
    /// Agent of the row.
    agent_id: Option<UserId>,
    /// Interaction of the row.
    interaction_id: Option<InteractionId>,
    /// Flow of the row.
    flow_id: Option<FlowId>,
}
