//! Tables of random rows, user profiles, and what they grant: told here once more, row by row, in the words of
//! `docs/access.md` and without the code that is tested.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use ledgerline_access::{Principal, Role};
use ledgerline_analyzer_api::ports::{SnapshotSource, Snapshotting};
use ledgerline_projections::{
    ColdFile, ColumnType, Past, Row, Snapshot, TableDef, TableSnapshot, Value, row_batch, schema,
    tables,
};
use ledgerline_schemas::Position;
use ledgerline_schemas::id::{OrgId, UserProfileId};
use parquet::arrow::ArrowWriter;
use serde_json::json;
use uuid::Uuid;

use crate::random::Random;

pub(crate) const ORG: OrgId = OrgId::from_u128(0xa);
/// Rows of each table.
const ROWS: usize = 120;
/// Tables that alerts are about.
const DATASETS: [&str; 8] = [
    "agent_live",
    "entry_point_live",
    "flow_live",
    "interaction_live",
    "interval_current",
    "queue_live",
    "site_live",
    "team_live",
];

pub(crate) fn id(kind: u128, number: usize) -> String {
    Uuid::from_u128(kind << 64 | number as u128).to_string()
}

fn ids(kind: u128, count: usize) -> Vec<String> {
    (1..=count).map(|number| id(kind, number)).collect()
}

pub(crate) fn sites() -> Vec<String> {
    ids(0x51, 3)
}

pub(crate) fn teams() -> Vec<String> {
    ids(0x71, 5)
}

/// Teams belong to the sites in turn.
fn site_of(team: &str) -> Option<String> {
    let at = teams().iter().position(|it| it == team)?;
    sites().get(at % 3).cloned()
}

pub(crate) fn queues() -> Vec<String> {
    ids(0x91, 5)
}

pub(crate) fn entry_points() -> Vec<String> {
    ids(0xe1, 3)
}

pub(crate) fn interactions() -> Vec<String> {
    ids(0x11, ROWS)
}

pub(crate) fn agents() -> Vec<String> {
    ids(0xa1, 6)
}

/// What one profile grants; `None` is everything.
#[derive(Clone, Debug)]
pub(crate) struct Profile {
    pub(crate) id: UserProfileId,
    pub(crate) modules: Option<BTreeSet<&'static str>>,
    pub(crate) sites: Option<BTreeSet<String>>,
    pub(crate) teams: Option<BTreeSet<String>>,
    pub(crate) queues: Option<BTreeSet<String>>,
    pub(crate) entry_points: Option<BTreeSet<String>>,
    pub(crate) masked: BTreeSet<&'static str>,
}

impl Profile {
    pub(crate) fn everything(number: u128) -> Self {
        Self {
            id: UserProfileId::from_u128(0xf1 << 64 | number),
            modules: None,
            sites: None,
            teams: None,
            queues: None,
            entry_points: None,
            masked: BTreeSet::new(),
        }
    }

    pub(crate) fn random(number: u128, random: &mut Random) -> Self {
        const MASKS: [&str; 8] = [
            "agent_name",
            "queue_leg.agent_id",
            "customer_code",
            "queue_name",
            "outcome",
            "queue_leg.queue_duration_ms",
            "interaction_id",
            "team_id",
        ];
        let mut granted = |all: Vec<String>| match random.below(10) {
            0..3 => None,
            3 => Some(BTreeSet::new()),
            _ => Some(random.some(&all).into_iter().collect()),
        };
        let (sites, teams) = (granted(sites()), granted(teams()));
        let (queues, entry_points) = (granted(queues()), granted(entry_points()));
        let modules = ["analyzer", "live", "history", "custody", "configuration", "audit"];
        Self {
            sites,
            teams,
            queues,
            entry_points,
            modules: random.chance(25).then(|| random.some(&modules).into_iter().collect()),
            masked: match random.chance(40) {
                true => (0..=random.below(2)).map(|_| *random.pick(&MASKS)).collect(),
                false => BTreeSet::new(),
            },
            ..Self::everything(number)
        }
    }

    pub(crate) fn document(&self) -> String {
        let granted = |these: &Option<BTreeSet<String>>| match these {
            None => json!("all"),
            Some(these) => json!(these),
        };
        json!({
            "name": self.id.to_string(),
            "modules": self.modules.as_ref().map_or(json!("all"), |these| json!(these)),
            "sites": granted(&self.sites),
            "teams": granted(&self.teams),
            "queues": granted(&self.queues),
            "entry_points": granted(&self.entry_points),
            "masked_columns": self.masked,
        })
        .to_string()
    }

    pub(crate) fn principal(&self) -> Principal {
        Principal {
            org_id: ORG,
            subject: "limited".to_owned(),
            roles: [Role::Analyst, Role::Auditor].into(),
            user_id: None,
            user_profile_id: Some(self.id),
        }
    }

    fn all_staff(&self) -> bool {
        self.sites.is_none() && self.teams.is_none()
    }

    fn all(&self) -> bool {
        self.all_staff() && self.queues.is_none() && self.entry_points.is_none()
    }
}

/// Somebody whom nothing limits.
pub(crate) fn anybody() -> Principal {
    let profile = Profile::everything(0);
    Principal { user_profile_id: None, ..profile.principal() }
}

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

/// Rows by table.
pub(crate) type Rows = BTreeMap<&'static str, Vec<Row>>;

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

pub(crate) fn def(name: &str) -> &'static TableDef {
    tables::ALL.iter().find(|def| def.name == name).expect("table")
}

/// Random rows of every table, with the profiles and teams among the configuration.
pub(crate) fn rows(random: &mut Random, profiles: &[Profile]) -> Rows {
    let mut rows: Rows = tables::ALL
        .iter()
        .map(|def| (def.name, (0..ROWS).map(|serial| row(def, serial, random)).collect()))
        .collect();
    let configured = rows.get_mut("config_entity").expect("table");
    let entity = |kind: &str, id: &str, document: String| -> Row {
        let columns = def("config_entity").columns.iter();
        let value = columns.map(|column| match column.name {
            "kind" => Value::Text(kind.into()),
            "entity_id" => Value::Text(id.into()),
            "document" => Value::Text(document.as_str().into()),
            "is_active" => Value::Bool(true),
            "is_deleted" => Value::Bool(false),
            _ => match column.column_type {
                ColumnType::Int => Value::Int(1),
                ColumnType::Time => Value::Time(1),
                _ => Value::Text("x".into()),
            },
        });
        value.collect()
    };
    for team in teams() {
        let document = json!({"name": team, "site_id": site_of(&team)}).to_string();
        configured.push(entity("team", &team, document));
    }
    for profile in profiles {
        configured.push(entity("user_profile", &profile.id.to_string(), profile.document()));
    }
    rows
}

fn row(def: &TableDef, serial: usize, random: &mut Random) -> Row {
    // Live rows belong to one entity each, rows of sessions to one interaction.
    let value = def.columns.iter().map(|column| {
        let name = column.name;
        if column.nullable && random.chance(25) {
            return Value::Null;
        }
        // A key is there once.
        if def.name == "customer_session" && name == "interaction_id" {
            return Value::Text(id(0x11, serial + 1).into());
        }
        match column.column_type {
            ColumnType::Int => Value::Int(random.below(50) as i64),
            ColumnType::Bool => Value::Bool(random.chance(50)),
            ColumnType::Time => {
                Value::Time(1_700_000_000_000_000 + random.below(20) as i64 * 900_000_000)
            }
            ColumnType::Json => Value::Text("{\"a\":1}".into()),
            ColumnType::Text => Value::Text(text(name, serial, random).into()),
        }
    });
    value.collect()
}

fn text(column: &str, serial: usize, random: &mut Random) -> String {
    let pool = if column.ends_with("queue_id") {
        queues()
    } else if column.ends_with("team_id") {
        teams()
    } else if column.ends_with("site_id") {
        sites()
    } else if column.ends_with("entry_point_id") {
        entry_points()
    } else if column.ends_with("interaction_id") {
        interactions()
    } else if column.ends_with("agent_id") {
        agents()
    } else if column == "kind" {
        ["site", "queue", "entry_point", "aux_code", "skill", "flow", "user_x"]
            .map(str::to_owned)
            .to_vec()
    } else if column == "dataset" {
        DATASETS.map(str::to_owned).to_vec()
    } else if column == "entity_id" {
        [sites(), queues(), entry_points()].concat()
    } else if column == "leg_id" || column == "offer_id" {
        return id(0x1e9, serial);
    } else {
        ["amber", "blue", "coral", "denim"].map(str::to_owned).to_vec()
    };
    random.pick(&pool).clone()
}

/// A snapshot of rows: the first half of each table in Parquet if `dir` says where.
pub(crate) fn snapshot(rows: &Rows, dir: Option<&Path>) -> Arc<Snapshot> {
    let tables = rows.iter().map(|(name, rows)| {
        let def = def(name);
        let cut =
            if dir.is_some() && !def.live && *name != "config_entity" { rows.len() / 2 } else { 0 };
        let (old, new) = rows.split_at(cut);
        let cold: Vec<ColdFile> = match dir {
            Some(dir) if !old.is_empty() => vec![cold(dir, def, old)],
            _ => Vec::new(),
        };
        let hot = vec![row_batch(def, new).expect("batch")];
        let table = TableSnapshot {
            kept: Default::default(),
            def,
            schema: schema(def),
            cold: cold.into(),
            hot: hot.into(),
        };
        (*name, table)
    });
    Arc::new(Snapshot {
        org_id: ORG,
        position: Position(42),
        epoch: 1,
        tables: tables.collect(),
        live: BTreeMap::new(),
    })
}

fn cold(dir: &Path, def: &'static TableDef, rows: &[Row]) -> ColdFile {
    let batch = row_batch(def, rows).expect("batch");
    let path = dir.join(format!("{}.parquet", def.name));
    let file = File::create(&path).expect("file");
    let mut writer = ArrowWriter::try_new(file, batch.schema(), None).expect("writer");
    writer.write(&batch).expect("write");
    writer.close().expect("close");
    let bytes = std::fs::metadata(&path).expect("size").len();
    ColdFile::plain(path, rows.len() as u64, bytes)
}

/// What a profile shows of rows, as rows of their own.
pub(crate) fn filtered(rows: &Rows, profile: &Profile) -> Rows {
    let oracle = Oracle::new(profile, rows);
    let tables = rows.iter().filter(|(name, _)| oracle.sees(name));
    tables
        .map(|(name, rows)| {
            let def = def(name);
            let granted = rows.iter().filter(|row| oracle.grants(def, row));
            (*name, granted.map(|row| oracle.shown(def, row)).collect())
        })
        .collect()
}

/// One snapshot for everybody.
#[derive(Debug)]
pub(crate) struct Fixed(pub(crate) Arc<Snapshot>);

impl SnapshotSource for Fixed {
    fn snapshot(&self, org_id: OrgId, _wait: Duration) -> Snapshotting<'_> {
        let known = (org_id == ORG).then(|| Arc::clone(&self.0));
        Box::pin(std::future::ready(known))
    }

    fn past(&self, _org_id: OrgId) -> Option<Arc<Past>> {
        None
    }
}
