//! A feed in memory, and a replica that a client would keep.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should stop where it is")]
#![allow(dead_code, unreachable_pub, reason = "each test uses a part")]

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use futures::StreamExt as _;
use futures::channel::mpsc;
use futures::future::BoxFuture;
use ledgerline_access::{Principal, Role};
use ledgerline_projections::rights::Directory;
use ledgerline_projections::{
    ChangeBatch, ColumnDef, ColumnType, Dimension, Row, RowChange, TableDef, Value,
};
use ledgerline_realtime::feed::LiveRows;
use ledgerline_realtime::{FeedSource, Follow, LiveState};
use ledgerline_schemas::id::OrgId;
use ledgerline_schemas::{Position, Timestamp};
use serde_json::{Value as Json, json};

pub const ORG_A: OrgId = OrgId::from_u128(0xA);
pub const ORG_B: OrgId = OrgId::from_u128(0xB);

const fn column(name: &'static str, column_type: ColumnType, nullable: bool) -> ColumnDef {
    ColumnDef { name, column_type, nullable, doc: "", dimension: Dimension::None }
}

pub static QUEUE_LIVE: TableDef = TableDef {
    name: "queue_live",
    doc: "one row a queue",
    columns: &[
        column("queue_id", ColumnType::Text, false),
        column("channel", ColumnType::Text, true),
        column("waiting", ColumnType::Int, false),
        column("open", ColumnType::Bool, false),
        column("longest_since", ColumnType::Time, true),
        column("detail", ColumnType::Json, true),
        column("valid_from_position", ColumnType::Int, false),
    ],
    key: &["queue_id"],
    sort: &["queue_id"],
    live: true,
};

pub static AGENT_LIVE: TableDef = TableDef {
    name: "agent_live",
    doc: "one row an agent",
    columns: &[
        column("agent_id", ColumnType::Text, false),
        column("state", ColumnType::Text, false),
        column("valid_from_position", ColumnType::Int, false),
    ],
    key: &["agent_id"],
    sort: &["agent_id"],
    live: true,
};

/// A closed table: its changes are in the feed and must reach nobody.
pub static CLOSED: TableDef = TableDef { name: "queue_leg", live: false, ..QUEUE_LIVE };

pub fn text(text: &str) -> Value {
    Value::Text(text.into())
}

/// A row of `queue_live`.
pub fn queue(key: &str, channel: Option<&str>, waiting: i64, position: u64) -> Row {
    let longest = (waiting > 0).then(|| Value::Time(1_800_000_000_000_000 + waiting));
    Arc::from(vec![
        text(key),
        channel.map_or(Value::Null, text),
        Value::Int(waiting),
        Value::Bool(waiting % 2 == 0),
        longest.unwrap_or_default(),
        text(&format!(r#"{{"waiting":{waiting}}}"#)),
        Value::Int(i64::try_from(position).unwrap()),
    ])
}

/// What a client should see of a row of `queue_live`.
pub fn queue_json(row: &Row) -> Json {
    let plain = |value: &Value| match value {
        Value::Null => Json::Null,
        Value::Text(text) => json!(&**text),
        Value::Int(number) => json!(number),
        Value::Bool(truth) => json!(truth),
        Value::Time(micros) => json!(Timestamp::from_micros(*micros).to_string()),
    };
    json!({
        "queue_id": plain(&row[0]),
        "channel": plain(&row[1]),
        "waiting": plain(&row[2]),
        "open": plain(&row[3]),
        "longest_since": plain(&row[4]),
        "detail": {"waiting": plain(&row[2])},
        "valid_from_position": plain(&row[6]),
    })
}

struct Inner {
    epoch: u64,
    position: u64,
    rows: BTreeMap<&'static str, LiveRows>,
    /// What `live` shows: snapshots may lag behind the changes.
    shown: LiveState,
    listeners: Vec<mpsc::UnboundedSender<Arc<ChangeBatch>>>,
}

impl Inner {
    fn show(&mut self) {
        let position = Position(self.position);
        self.shown = LiveState { epoch: self.epoch, position, rows: self.rows.clone() };
    }
}

/// A feed in memory. Clones share it.
#[derive(Clone)]
pub struct TestFeed {
    org_id: OrgId,
    inner: Arc<Mutex<Inner>>,
}

impl TestFeed {
    pub fn new(org_id: OrgId) -> Self {
        let shown = LiveState { epoch: 1, position: Position(0), rows: BTreeMap::new() };
        let inner =
            Inner { epoch: 1, position: 0, rows: BTreeMap::new(), shown, listeners: Vec::new() };
        Self { org_id, inner: Arc::new(Mutex::new(inner)) }
    }

    pub fn position(&self) -> u64 {
        self.inner.lock().unwrap().position
    }

    /// The rows of `queue_live` now.
    pub fn queues(&self) -> BTreeMap<Arc<str>, Row> {
        self.inner
            .lock()
            .unwrap()
            .rows
            .get("queue_live")
            .map(|it| (**it).clone())
            .unwrap_or_default()
    }

    /// Folds events: each gives a table's key its row or takes it away, or (`None`) does nothing.
    pub fn fold(&self, events: Vec<Option<(&'static TableDef, String, Option<Row>)>>) -> u64 {
        self.fold_showing(events, None)
    }

    /// Like `fold`; what so many of the events make becomes visible to `live`, be it amid the batch.
    pub fn fold_showing(
        &self,
        events: Vec<Option<(&'static TableDef, String, Option<Row>)>>,
        shown: Option<usize>,
    ) -> u64 {
        let mut inner = self.inner.lock().unwrap();
        let from = Position(inner.position);
        let mut changes = Vec::new();
        for (index, event) in events.into_iter().enumerate() {
            if shown == Some(index) {
                inner.show();
            }
            inner.position += 1;
            let position = Position(inner.position);
            let Some((table, key, after)) = event else { continue };
            let key: Arc<str> = key.into();
            let rows = Arc::make_mut(inner.rows.entry(table.name).or_default());
            let before = match &after {
                Some(row) => rows.insert(Arc::clone(&key), Arc::clone(row)),
                None => rows.remove(&key),
            };
            if before.is_some() || after.is_some() {
                changes.push(RowChange { table, key, before, after, position });
            }
        }
        let to = Position(inner.position);
        let batch = Arc::new(ChangeBatch { from, to, changes });
        inner.listeners.retain(|listener| listener.unbounded_send(Arc::clone(&batch)).is_ok());
        to.0
    }

    /// Makes what was folded visible to `live`.
    pub fn publish(&self) {
        self.inner.lock().unwrap().show();
    }

    /// Sets a queue's row and publishes.
    pub fn set(&self, key: &str, waiting: i64) -> u64 {
        let row = queue(key, Some("voice"), waiting, self.position() + 1);
        let position = self.fold(vec![Some((&QUEUE_LIVE, key.to_owned(), Some(row)))]);
        self.publish();
        position
    }

    /// Ends every stream, as if the reader fell behind or, with a new epoch, the tables were built anew
    /// by folds that see things differently: then the first queue is no longer there.
    pub fn cut(&self, new_epoch: bool) {
        let mut inner = self.inner.lock().unwrap();
        if new_epoch {
            inner.epoch += 1;
            Arc::make_mut(inner.rows.entry("queue_live").or_default()).pop_first();
        }
        inner.listeners.clear();
        drop(inner);
        self.publish();
    }
}

impl FeedSource for TestFeed {
    fn org_id(&self) -> OrgId {
        self.org_id
    }

    fn tables(&self) -> Vec<&'static TableDef> {
        vec![&QUEUE_LIVE, &AGENT_LIVE, &CLOSED]
    }

    fn live(&self) -> LiveState {
        self.inner.lock().unwrap().shown.clone()
    }

    fn follow(&self) -> BoxFuture<'static, Option<Follow>> {
        let (sender, receiver) = mpsc::unbounded();
        let mut inner = self.inner.lock().unwrap();
        inner.listeners.push(sender);
        let live = LiveState {
            epoch: inner.epoch,
            position: Position(inner.position),
            rows: inner.rows.clone(),
        };
        Box::pin(std::future::ready(Some(Follow {
            live,
            directory: Directory::default(),
            alert_rules: Default::default(),
            batches: receiver.boxed(),
        })))
    }
}

pub fn principal(org_id: OrgId, role: Role) -> Principal {
    let roles = [role].into();
    Principal { org_id, subject: "someone".to_owned(), roles, user_id: None, user_profile_id: None }
}

/// The rows a client keeps, fed with frames as they come.
#[derive(Debug, Default)]
pub struct Replica {
    pub rows: BTreeMap<String, Json>,
    pub position: u64,
    pub token: Option<String>,
    pub complete: bool,
    pub in_snapshot: bool,
    pub resync: Option<String>,
    pub deltas: u64,
}

impl Replica {
    /// Applies a frame; checks that nothing is left out between this frame and the last.
    pub fn apply(&mut self, frame: &Json) {
        let position = |name: &str| frame[name].as_u64().unwrap();
        let key = |row: &Json| row["queue_id"].as_str().unwrap().to_owned();
        match frame["type"].as_str().unwrap() {
            "snapshot_begin" => {
                assert!(!self.in_snapshot);
                *self =
                    Self { position: position("position"), in_snapshot: true, ..Self::default() };
            }
            "rows" => {
                assert!(self.in_snapshot);
                for row in frame["rows"].as_array().unwrap() {
                    assert!(self.rows.insert(key(row), row.clone()).is_none(), "twice: {row}");
                }
            }
            "snapshot_end" => {
                assert!(self.in_snapshot);
                assert_eq!(position("position"), self.position);
                (self.in_snapshot, self.complete) = (false, true);
            }
            "delta" => {
                assert!(!self.in_snapshot);
                assert_eq!(position("from"), self.position, "gap or overlap: {frame}");
                assert!(position("to") > self.position, "nothing new: {frame}");
                self.position = position("to");
                self.deltas += 1;
                for row in frame["upserts"].as_array().unwrap() {
                    self.rows.insert(key(row), row.clone());
                }
                for row in frame["deletes"].as_array().unwrap() {
                    assert!(self.rows.remove(&key(row)).is_some(), "never had {row}");
                }
            }
            "progress" => {
                assert!(!self.in_snapshot);
                assert!(position("position") >= self.position);
                self.position = position("position");
                self.complete = true;
            }
            "resync" => self.resync = frame["reason"].as_str().map(str::to_owned),
            "ready" | "pong" => {}
            other => panic!("unexpected frame {other}: {frame}"),
        }
        if let Some(token) = frame["token"].as_str() {
            self.token = Some(token.to_owned());
        }
    }
}
