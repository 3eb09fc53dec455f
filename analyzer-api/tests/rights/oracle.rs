//! What a profile grants of rows, told once more.

use std::collections::BTreeSet;

use ledgerline_projections::{ColumnType, Row, TableDef, Value};

use crate::world::{DATASETS, Profile, Rows, def, site_of};

/// A row with its columns by name.
struct Named<'a>(&'a TableDef, &'a Row);

impl Named<'_> {
    fn text(&self, column: &str) -> Option<&str> {
        match &self.1[self.0.column(column)?] {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }
}

fn has(granted: &Option<BTreeSet<String>>, id: Option<&str>) -> bool {
    match (granted, id) {
        (None, _) => true,
        (Some(these), Some(id)) => these.contains(id),
        (Some(_), None) => false,
    }
}

/// What a profile grants of rows.
pub(crate) struct Oracle<'a> {
    profile: &'a Profile,
    interactions: BTreeSet<String>,
}

impl<'a> Oracle<'a> {
    pub(crate) fn new(profile: &'a Profile, rows: &Rows) -> Self {
        let mut oracle = Self { profile, interactions: BTreeSet::new() };
        let of = |table: &str| {
            let def = def(table);
            rows[table].iter().map(move |row| Named(def, row))
        };
        let legs = of("queue_leg").filter(|row| oracle.leg(row));
        let legs = legs.filter_map(|row| row.text("interaction_id").map(str::to_owned));
        let alone = of("customer_session").filter(|row| oracle.without_queue(row));
        let alone = alone.filter_map(|row| row.text("interaction_id").map(str::to_owned));
        oracle.interactions = legs.chain(alone).collect();
        oracle
    }

    fn staff(&self, team: Option<&str>, site: Option<&str>) -> bool {
        let of_team = team.and_then(site_of);
        let site = site.or(of_team.as_deref());
        self.profile.all_staff()
            || (has(&self.profile.sites, site) && has(&self.profile.teams, team))
    }

    fn staff_of(&self, row: &Named<'_>) -> bool {
        self.staff(row.text("team_id"), row.text("site_id"))
    }

    fn staff_or_nobody(&self, row: &Named<'_>) -> bool {
        let nobody = ["agent_id", "team_id", "site_id"].iter().all(|it| row.text(it).is_none());
        nobody || self.staff_of(row)
    }

    fn queue(&self, row: &Named<'_>) -> bool {
        has(&self.profile.queues, row.text("queue_id"))
    }

    fn queue_or_none(&self, row: &Named<'_>) -> bool {
        row.text("queue_id").is_none() || self.queue(row)
    }

    fn leg(&self, row: &Named<'_>) -> bool {
        self.queue(row) && self.staff_or_nobody(row)
    }

    fn without_queue(&self, row: &Named<'_>) -> bool {
        let (agent, team) = (row.text("last_agent_id"), row.text("last_team_id"));
        let site = row.text("last_site_id");
        row.text("first_queue_id").is_none()
            && has(&self.profile.entry_points, row.text("entry_point_id"))
            && ([agent, team, site].iter().all(Option::is_none) || self.staff(team, site))
    }

    fn interaction(&self, id: Option<&str>) -> bool {
        id.is_some_and(|id| self.interactions.contains(id))
    }

    /// Whether a table is there.
    pub(crate) fn sees(&self, table: &str) -> bool {
        let module = match table {
            "queue_live" | "agent_live" | "team_live" | "site_live" | "interaction_live"
            | "entry_point_live" | "flow_live" | "interval_current" | "alerts" => "live",
            "config_entity" | "config_history" | "retention_status" => "configuration",
            "access_log" | "event_log" => "audit",
            _ => "analyzer",
        };
        let whole_only =
            ["access_log", "event_log", "flow_live", "retention_status", "routing_decision"]
                .contains(&table);
        self.profile.modules.as_ref().is_none_or(|open| open.contains(module))
            && (!whole_only || self.profile.all())
    }

    /// Whether a row is granted.
    pub(crate) fn grants(&self, table: &TableDef, row: &Row) -> bool {
        if table.name == "alerts" {
            return self.alert(table, row);
        }
        if self.profile.all() {
            return true;
        }
        let row = Named(table, row);
        let of_interaction = self.interaction(row.text("interaction_id"));
        match table.name {
            "queue_leg" => self.leg(&row),
            "queue_interval" | "queue_live" | "interval_current" => self.queue(&row),
            "entry_point_interval" | "entry_point_live" => {
                has(&self.profile.entry_points, row.text("entry_point_id"))
            }
            "agent_interval" | "agent_live" | "agent_session" | "team_live" => self.staff_of(&row),
            "site_live" => {
                self.profile.teams.is_none() && has(&self.profile.sites, row.text("site_id"))
            }
            "interaction_live" => {
                let from = || has(&self.profile.entry_points, row.text("entry_point_id"));
                let here = if row.text("queue_id").is_some() { self.queue(&row) } else { from() };
                here && self.staff_or_nobody(&row)
            }
            "agent_activity" => self.staff_of(&row) && self.queue_or_none(&row),
            "offer" => self.queue(&row) && self.staff_of(&row),
            "routing_candidate" => self.queue(&row) && self.staff(row.text("team_id"), None),
            "routing_order" => self.queue(&row) && of_interaction,
            "customer_session" | "campaign_contact" | "feedback" | "flow_trace"
            | "monitor_session" => of_interaction,
            "message" | "recording" => of_interaction && self.queue_or_none(&row),
            "customer_activity" => {
                of_interaction && self.queue_or_none(&row) && self.staff_or_nobody(&row)
            }
            "callback" => {
                let free = |id: Option<&str>| id.is_none() || self.interaction(id);
                self.queue(&row)
                    && free(row.text("interaction_id"))
                    && free(row.text("call_interaction_id"))
            }
            "config_entity" | "config_history" => {
                let id = row.text("entity_id");
                match row.text("kind") {
                    Some("site") => has(&self.profile.sites, id),
                    Some("team") => {
                        has(&self.profile.teams, id)
                            && has(&self.profile.sites, id.and_then(site_of).as_deref())
                    }
                    Some("queue") => has(&self.profile.queues, id),
                    Some("entry_point") => has(&self.profile.entry_points, id),
                    kind => matches!(kind, Some("aux_code" | "skill" | "multimedia_profile")),
                }
            }
            "metric_definition" => true,
            _ => false,
        }
    }

    /// An alert is shown to whom the row that it is about is, unless what it tells of the row is masked there.
    fn alert(&self, table: &TableDef, row: &Row) -> bool {
        let alert = Named(table, row);
        let Some(dataset) = alert.text("dataset").filter(|it| DATASETS.contains(it)) else {
            return false;
        };
        let about = def(dataset);
        let is_masked = |name: &str| {
            let full = format!("{}.{name}", about.name);
            self.profile.masked.iter().any(|it| *it == name || *it == full)
        };
        let is_told = |column: &&ledgerline_projections::ColumnDef| {
            matches!(column.column_type, ColumnType::Int | ColumnType::Time)
                || about.key.contains(&column.name)
                || table.column(column.name).is_some()
        };
        if about.columns.iter().filter(is_told).any(|column| is_masked(column.name)) {
            return false;
        }
        if dataset == "flow_live" {
            return self.profile.all();
        }
        // Alerts have the columns that the rights of their rows follow from.
        let place = about.columns.iter().map(|column| match table.column(column.name) {
            Some(at) => row[at].clone(),
            None => Value::Null,
        });
        self.grants(about, &place.collect())
    }

    /// The row as it is shown.
    pub(crate) fn shown(&self, table: &TableDef, row: &Row) -> Row {
        let shown = table.columns.iter().zip(row.iter()).map(|(column, value)| {
            let full = format!("{}.{}", table.name, column.name);
            let masked = self.profile.masked.iter().any(|it| *it == column.name || *it == full);
            match (masked, column.column_type) {
                (false, _) => value.clone(),
                (true, ColumnType::Text) => Value::Text("***".into()),
                (true, ColumnType::Json) => Value::Text("\"***\"".into()),
                (true, _) => Value::Null,
            }
        });
        shown.collect()
    }
}
