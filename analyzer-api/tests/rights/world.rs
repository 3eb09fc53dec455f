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

use crate::oracle::Oracle;
use crate::random::Random;

pub(crate) const ORG: OrgId = OrgId::from_u128(0xa);
/// Rows of each table.
const ROWS: usize = 120;
/// Tables that alerts are about.
pub(crate) const DATASETS: [&str; 8] = [
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
pub(crate) fn site_of(team: &str) -> Option<String> {
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

    pub(crate) fn all_staff(&self) -> bool {
        self.sites.is_none() && self.teams.is_none()
    }

    pub(crate) fn all(&self) -> bool {
        self.all_staff() && self.queues.is_none() && self.entry_points.is_none()
    }
}

/// Somebody whom nothing limits.
pub(crate) fn anybody() -> Principal {
    let profile = Profile::everything(0);
    Principal { user_profile_id: None, ..profile.principal() }
}

/// Rows by table.
pub(crate) type Rows = BTreeMap<&'static str, Vec<Row>>;

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
