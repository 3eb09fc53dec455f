//! What the live tables of a log are at every position, as SQL reads them `as_of` it, and the changes between.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use futures::StreamExt as _;
use futures::channel::mpsc;
use futures::future::BoxFuture;
use ledgerline_event_store::EventReader as _;
use ledgerline_projections::{
    ChangeBatch, ColumnType, Options, Projections, Row, RowChange, TableDef, Value,
};
use ledgerline_realtime::feed::LiveRows;
use ledgerline_realtime::{FeedSource, Follow, LiveState};
use ledgerline_schemas::id::OrgId;
use ledgerline_schemas::{Position, Timestamp};
use serde_json::{Value as Json, json};

use crate::day;

pub const ORG: OrgId = OrgId::from_u128(0xA);

/// A position and a table.
type Place = (usize, &'static str);

/// Live tables by position.
pub struct History {
    /// The live tables.
    pub tables: Vec<&'static TableDef>,
    /// Rows of all of them at position 0, 1, 2 …
    pub rows: Vec<BTreeMap<&'static str, LiveRows>>,
    /// All changes, in order.
    changes: Vec<RowChange>,
    /// Rows as JSON, by position and table, as far as somebody looked.
    json: Mutex<BTreeMap<Place, Arc<Vec<Json>>>>,
}

impl History {
    /// Folds a log of so many events.
    pub async fn of(seed: u64, events: usize) -> Arc<Self> {
        let log = day::write(ORG, seed, events);
        let dir = tempfile::tempdir().unwrap();
        let options = Options { flush_positions: 16, ..Options::default() };
        let empty = ledgerline_event_store::memory::MemoryLog::new(ORG, || Timestamp::EPOCH);
        let reader = Arc::new(empty.clone());
        let projections = Projections::start(reader, dir.path().to_owned(), options).unwrap();
        let (_, mut feed) = projections.follow().await.unwrap();
        copy(&log, &empty);
        let head = log.head();
        let mut changes = Vec::new();
        let mut reached = Position::START;
        while reached < head {
            let batch = feed.next().await.unwrap();
            assert_eq!(batch.from, reached, "the feed has a gap");
            reached = batch.to;
            changes.extend(batch.changes.iter().filter(|it| it.table.live).cloned());
        }
        projections.wait_for(head).await.unwrap();
        let snapshot = projections.snapshot();
        let defs = snapshot.tables.values().map(|table| table.def);
        let tables = defs.filter(|table| table.live).collect();
        let past = projections.past();
        let at = |position| past.snapshot_at(Position(position), &|| true).unwrap().live.clone();
        let rows = (0..=head.0).map(at).collect();
        projections.stop().await;
        Arc::new(Self { tables, rows, changes, json: Mutex::default() })
    }

    /// The last position.
    pub fn end(&self) -> usize {
        self.rows.len() - 1
    }

    /// Rows of a table at a position, as JSON objects with all columns.
    pub fn rows_at(&self, table: &TableDef, position: usize) -> Arc<Vec<Json>> {
        let mut json = self.json.lock().unwrap();
        let rows = json.entry((position, table.name)).or_insert_with(|| {
            let rows = self.rows[position].get(table.name);
            let rows = rows.into_iter().flat_map(|rows| rows.values());
            Arc::new(rows.map(|row| json_of(table, row)).collect())
        });
        Arc::clone(rows)
    }

    fn batch(&self, from: usize, to: usize) -> ChangeBatch {
        let (from, to) = (Position(from as u64), Position(to as u64));
        let first = self.changes.partition_point(|it| it.position <= from);
        let last = self.changes.partition_point(|it| it.position <= to);
        ChangeBatch { from, to, changes: self.changes[first..last].to_vec() }
    }
}

fn copy(
    from: &ledgerline_event_store::memory::MemoryLog,
    to: &ledgerline_event_store::memory::MemoryLog,
) {
    use ledgerline_event_store::log::{Append, EventWriter as _};
    for recorded in from.scan(Position::START) {
        let recorded = recorded.unwrap();
        let header = recorded.header;
        let new = ledgerline_schemas::NewEvent {
            id: header.id,
            stream: header.stream,
            event_type: header.event_type,
            time: header.time,
            command_id: header.command_id,
            correlation_id: header.correlation_id,
            causation_id: header.causation_id,
            actor: header.actor,
            config_position: header.config_position,
            traceparent: header.traceparent,
            data_subject_id: header.data_subject_id,
            payload: recorded.payload,
        };
        to.submit(Append { events: vec![new], expected: vec![] }).unwrap();
    }
}

fn json_of(table: &TableDef, row: &Row) -> Json {
    let cells = table.columns.iter().zip(row.iter()).map(|(column, value)| {
        let value = match value {
            Value::Null => Json::Null,
            Value::Text(text) if column.column_type == ColumnType::Json => {
                serde_json::from_str(text).unwrap()
            }
            Value::Text(text) => json!(&**text),
            Value::Int(number) => json!(number),
            Value::Bool(truth) => json!(truth),
            Value::Time(micros) => json!(Timestamp::from_micros(*micros).to_string()),
        };
        (column.name.to_owned(), value)
    });
    Json::Object(cells.collect())
}

struct Inner {
    /// Changes up to here were told.
    told: usize,
    /// New subscribers see the rows of here.
    shown: usize,
    listeners: Vec<mpsc::UnboundedSender<Arc<ChangeBatch>>>,
}

/// A history told bit by bit. Clones share it.
#[derive(Clone)]
pub struct Replay {
    history: Arc<History>,
    inner: Arc<Mutex<Inner>>,
}

impl Replay {
    pub fn new(history: Arc<History>) -> Self {
        let inner = Inner { told: 0, shown: 0, listeners: Vec::new() };
        Self { history, inner: Arc::new(Mutex::new(inner)) }
    }

    pub fn told(&self) -> usize {
        self.inner.lock().unwrap().told
    }

    /// Tells the changes of so many positions as one batch; new subscribers see the rows of `shown` positions before
    /// its end, if these are not older than what they saw before.
    pub fn tell(&self, positions: usize, shown_before: usize) {
        let mut inner = self.inner.lock().unwrap();
        let to = (inner.told + positions).min(self.history.end());
        let batch = Arc::new(self.history.batch(inner.told, to));
        inner.told = to;
        inner.shown = to.saturating_sub(shown_before).max(inner.shown);
        inner.listeners.retain(|it| it.unbounded_send(Arc::clone(&batch)).is_ok());
    }

    /// Ends the feed of everybody; they attach again.
    pub fn cut(&self) {
        let mut inner = self.inner.lock().unwrap();
        inner.listeners.clear();
        inner.shown = inner.told;
    }

    fn state(&self, position: usize) -> LiveState {
        let rows = self.history.rows[position].clone();
        LiveState { epoch: 1, position: Position(position as u64), rows }
    }
}

impl FeedSource for Replay {
    fn org_id(&self) -> OrgId {
        ORG
    }

    fn tables(&self) -> Vec<&'static TableDef> {
        self.history.tables.clone()
    }

    fn live(&self) -> LiveState {
        let shown = self.inner.lock().unwrap().shown;
        self.state(shown)
    }

    fn follow(&self) -> BoxFuture<'static, Option<Follow>> {
        let (sender, receiver) = mpsc::unbounded();
        let told = {
            let mut inner = self.inner.lock().unwrap();
            inner.listeners.push(sender);
            inner.told
        };
        let follow = Follow {
            live: self.state(told),
            directory: Default::default(),
            alert_rules: Default::default(),
            batches: receiver.boxed(),
        };
        Box::pin(std::future::ready(Some(follow)))
    }
}
