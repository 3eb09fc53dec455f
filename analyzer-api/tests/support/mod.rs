//! A small world for tests: two organizations with the same tables and different rows, partly in memory
//! and partly in Parquet, with tokens, database users and logs in memory.
#![allow(dead_code, unused_imports, unreachable_pub, reason = "each test file uses a part of it")]

pub mod tls;

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use datafusion::arrow::array::{
    ArrayRef, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray,
};
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use ledgerline_access::{AccessError, Principal, Role};
use ledgerline_analyzer_api::ports::{
    AuthError, Authenticator, LogSource, ScramStore, ScramVerifier, SnapshotSource, Snapshotting,
    Verifying,
};
use ledgerline_analyzer_api::record::{LogRecorder, WriterSource};
use ledgerline_analyzer_api::{AnalyzerState, Engine, Limits, Ports};
use ledgerline_event_store::memory::MemoryLog;
use ledgerline_event_store::{Direction, EventReader, EventWriter, Filter};
use ledgerline_projections::{
    ColdFile, ColumnDef, ColumnType, Dimension, Past, Snapshot, TableDef, TableSnapshot,
};
use ledgerline_schemas::id::OrgId;
use ledgerline_schemas::{Event, Position, Timestamp};
use parquet::arrow::ArrowWriter;
use tempfile::TempDir;

/// First organization.
pub const ACME: OrgId = OrgId::from_u128(0xa);
/// Second organization.
pub const GLOBEX: OrgId = OrgId::from_u128(0xb);
/// Position of the snapshots.
pub const POSITION: Position = Position(42);
/// Password of every database user.
pub const PASSWORD: &str = "correct horse";

const fn column(
    name: &'static str,
    column_type: ColumnType,
    nullable: bool,
    doc: &'static str,
) -> ColumnDef {
    ColumnDef { name, column_type, nullable, doc, dimension: Dimension::None }
}

/// A cut of the real `queue_leg`.
pub static QUEUE_LEG: TableDef = TableDef {
    name: "queue_leg",
    doc: "one row per stay of an interaction in a queue",
    columns: &[
        column("leg_id", ColumnType::Text, false, "the stay"),
        column("queue", ColumnType::Text, false, "name of the queue"),
        column("outcome", ColumnType::Text, false, "answered, abandoned, other or open"),
        column("queue_duration_ms", ColumnType::Int, true, "time in the queue"),
        column("threshold_ms", ColumnType::Int, false, "threshold agreed for the queue"),
        column("entered_at", ColumnType::Time, false, "when the stay began"),
        column("valid_from_position", ColumnType::Int, false, "position of the row's last event"),
    ],
    key: &["leg_id"],
    sort: &["entered_at", "leg_id"],
    live: false,
};

/// A cut of the real `event_log`.
pub static EVENT_LOG: TableDef = TableDef {
    name: "event_log",
    doc: "one row per event",
    columns: &[
        column("position", ColumnType::Int, false, "place in the log"),
        column("event_type", ColumnType::Text, false, "type of the event"),
        column("valid_from_position", ColumnType::Int, false, "position of the event"),
    ],
    key: &["position"],
    sort: &["position"],
    live: false,
};

/// One stay: queue, outcome, wait, threshold.
pub type Stay = (&'static str, &'static str, Option<i64>, i64);

/// Stays of the first organization; 3 answered, 2 abandoned, one other, one open.
pub const ACME_STAYS: [Stay; 7] = [
    ("sales", "answered", Some(0), 20_000),
    ("sales", "answered", Some(20_000), 20_000),
    ("sales", "answered", Some(20_001), 20_000),
    ("sales", "abandoned", Some(5_000), 20_000),
    ("support", "abandoned", Some(90_000), 60_000),
    ("support", "other", Some(1_000), 60_000),
    ("support", "open", None, 60_000),
];
/// Stays of the second organization.
pub const GLOBEX_STAYS: [Stay; 2] =
    [("globex-desk", "answered", Some(1), 1_000), ("globex-desk", "abandoned", Some(9_000), 1_000)];

fn schema(def: &TableDef) -> SchemaRef {
    let fields = def.columns.iter().map(|column| {
        let data_type = match column.column_type {
            ColumnType::Text | ColumnType::Json => DataType::Utf8,
            ColumnType::Int => DataType::Int64,
            ColumnType::Bool => DataType::Boolean,
            ColumnType::Time => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
        };
        Field::new(column.name, data_type, column.nullable)
    });
    Arc::new(Schema::new(fields.collect::<Vec<_>>()))
}

/// Rows of stays; ids begin with the tag.
pub fn stays(tag: &str, from: usize, stays: &[Stay]) -> RecordBatch {
    let ids =
        StringArray::from_iter_values((0..stays.len()).map(|i| format!("{tag}-{}", from + i)));
    let times = TimestampMicrosecondArray::from_iter_values(
        (0..stays.len()).map(|i| 1_700_000_000_000_000 + (from + i) as i64),
    );
    let columns: Vec<ArrayRef> = vec![
        Arc::new(ids),
        Arc::new(StringArray::from_iter_values(stays.iter().map(|stay| stay.0))),
        Arc::new(StringArray::from_iter_values(stays.iter().map(|stay| stay.1))),
        Arc::new(Int64Array::from_iter(stays.iter().map(|stay| stay.2))),
        Arc::new(Int64Array::from_iter_values(stays.iter().map(|stay| stay.3))),
        Arc::new(times.with_timezone("UTC")),
        Arc::new(Int64Array::from_iter_values((0..stays.len()).map(|i| (from + i) as i64))),
    ];
    RecordBatch::try_new(schema(&QUEUE_LEG), columns).unwrap()
}

/// Writes a batch as a cold file.
pub fn cold(dir: &Path, name: &str, batch: &RecordBatch) -> ColdFile {
    let path = dir.join(name);
    let mut writer =
        ArrowWriter::try_new(File::create(&path).unwrap(), batch.schema(), None).unwrap();
    writer.write(batch).unwrap();
    writer.close().unwrap();
    let bytes = std::fs::metadata(&path).unwrap().len();
    ColdFile::plain(path, batch.num_rows() as u64, bytes)
}

/// A table of these parts.
pub fn queue_leg(cold: Vec<ColdFile>, hot: Vec<RecordBatch>) -> TableSnapshot {
    TableSnapshot {
        kept: Default::default(),
        def: &QUEUE_LEG,
        schema: schema(&QUEUE_LEG),
        cold: cold.into(),
        hot: hot.into(),
    }
}

/// A snapshot of these stays: the first half in Parquet, the rest in memory.
pub fn snapshot(org_id: OrgId, tag: &str, dir: &Path, rows: &[Stay]) -> Arc<Snapshot> {
    let (old, new) = rows.split_at(rows.len() / 2);
    let file = cold(dir, &format!("{tag}.parquet"), &stays(tag, 0, old));
    let table = queue_leg(vec![file], vec![stays(tag, old.len(), new)]);
    let events = RecordBatch::try_new(
        schema(&EVENT_LOG),
        vec![
            Arc::new(Int64Array::from(vec![1_i64])),
            Arc::new(StringArray::from(vec!["interaction.created"])),
            Arc::new(Int64Array::from(vec![1_i64])),
        ],
    )
    .unwrap();
    let log = TableSnapshot {
        kept: Default::default(),
        def: &EVENT_LOG,
        schema: schema(&EVENT_LOG),
        cold: Vec::new().into(),
        hot: vec![events].into(),
    };
    Arc::new(Snapshot {
        org_id,
        position: POSITION,
        epoch: 1,
        tables: [("queue_leg", table), ("event_log", log)].into(),
        live: BTreeMap::new(),
    })
}

#[derive(Debug)]
struct Snapshots(BTreeMap<OrgId, Arc<Snapshot>>);

impl SnapshotSource for Snapshots {
    fn snapshot(&self, org_id: OrgId, _wait: Duration) -> Snapshotting<'_> {
        Box::pin(std::future::ready(self.0.get(&org_id).cloned()))
    }

    fn past(&self, _org_id: OrgId) -> Option<Arc<Past>> {
        None
    }
}

#[derive(Clone, Debug)]
pub struct Logs(pub BTreeMap<OrgId, MemoryLog>);

impl LogSource for Logs {
    fn reader(&self, org_id: OrgId) -> Option<Arc<dyn EventReader>> {
        self.0.get(&org_id).map(|log| Arc::new(log.clone()) as Arc<dyn EventReader>)
    }
}

impl WriterSource for Logs {
    fn writer(&self, org_id: OrgId) -> Option<Arc<dyn EventWriter>> {
        self.0.get(&org_id).map(|log| Arc::new(log.clone()) as Arc<dyn EventWriter>)
    }
}

/// `acme-analyst`: organization and role of tokens and users alike.
pub fn principal(name: &str) -> Option<Principal> {
    let (org, role) = name.split_once('-')?;
    let org_id = match org {
        "acme" => ACME,
        "globex" => GLOBEX,
        _ => return None,
    };
    let role = match role {
        "agent" => Role::Agent,
        "analyst" => Role::Analyst,
        "auditor" => Role::Auditor,
        "supervisor" => Role::Supervisor,
        "administrator" => Role::Administrator,
        _ => return None,
    };
    Some(Principal {
        org_id,
        subject: name.to_owned(),
        roles: BTreeSet::from([role]),
        user_id: None,
        user_profile_id: None,
    })
}

#[derive(Debug)]
struct Tokens;

impl Authenticator for Tokens {
    fn verify<'a>(&'a self, token: &'a str) -> Verifying<'a> {
        let found = principal(token).ok_or(AccessError::BadSignature);
        Box::pin(std::future::ready(found))
    }
}

#[derive(Debug)]
struct Users;

impl ScramStore for Users {
    fn verifier(&self, user: &str) -> Result<ScramVerifier, AuthError> {
        let salt = b"0123456789abcdef".to_vec();
        let iterations = 4_096;
        let salted_password =
            pgwire::api::auth::sasl::scram::gen_salted_password(PASSWORD, &salt, iterations);
        Ok(ScramVerifier {
            principal: principal(user),
            salt,
            iterations: iterations as u32,
            salted_password,
        })
    }
}

/// Everything a test needs.
pub struct World {
    pub state: AnalyzerState,
    pub snapshots: Arc<dyn SnapshotSource>,
    pub logs: Logs,
    pub dir: TempDir,
}

pub fn world() -> World {
    world_with(Limits::default())
}

pub fn world_with(limits: Limits) -> World {
    let dir = tempfile::tempdir().unwrap();
    let acme = snapshot(ACME, "acme", dir.path(), &ACME_STAYS);
    world_over(limits, dir, acme)
}

/// A world whose first organization has these tables.
pub fn world_over(limits: Limits, dir: TempDir, acme: Arc<Snapshot>) -> World {
    let globex = snapshot(GLOBEX, "globex", dir.path(), &GLOBEX_STAYS);
    let snapshots = Snapshots(BTreeMap::from([(ACME, acme), (GLOBEX, globex)]));
    let logs =
        Logs([ACME, GLOBEX].map(|org| (org, MemoryLog::new(org, || Timestamp::EPOCH))).into());
    let snapshots: Arc<dyn SnapshotSource> = Arc::new(snapshots);
    let ports = ports(Arc::clone(&snapshots), &logs);
    World { state: AnalyzerState::new(Engine::new(limits).unwrap(), ports), snapshots, logs, dir }
}

fn ports(snapshots: Arc<dyn SnapshotSource>, logs: &Logs) -> Ports {
    Ports {
        snapshots,
        logs: Arc::new(logs.clone()),
        recorder: Arc::new(LogRecorder::new(logs.clone())),
        authenticator: Arc::new(Tokens),
        scram: Arc::new(Users),
    }
}

impl World {
    /// The same logs and users with other tables.
    pub fn ports(&self, snapshots: Arc<dyn SnapshotSource>) -> Ports {
        ports(snapshots, &self.logs)
    }

    /// The access events on an organization's log.
    pub fn access_events(&self, org: OrgId) -> Vec<Event> {
        let filter = Filter { stream_prefixes: vec!["access-".into()], ..Filter::default() };
        let page = self.logs.0[&org]
            .read_all(Position::START, Direction::Forward, &filter, 1_000)
            .unwrap();
        page.events.iter().map(|event| event.decode().unwrap()).collect()
    }
}
