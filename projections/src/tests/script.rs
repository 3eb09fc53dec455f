//! Writing logs, folding them, reading tables.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use arrow::util::display::array_value_to_string;
use ledgerline_event_store::memory::MemoryLog;
use ledgerline_event_store::{Append, Direction, EventReader, EventWriter, Filter};
use ledgerline_schemas::config::{CallDistributionGroup, ChannelType, EntityKind, Queue};
use ledgerline_schemas::document::Document;
use ledgerline_schemas::event::{ConfigChange, ConfigVerb, Event};
use ledgerline_schemas::id::{EntityId, EventId, OrgId, TeamId};
use ledgerline_schemas::{Actor, ActorType, NewEvent, Position, StreamId, Timestamp};
use serde_json::json;

use crate::cold;
use crate::engine::{self, Engine};
use crate::error::ProjectionError;
use crate::hot::Sink;
use crate::manifest::SharedStore;
use crate::projections::Options;
use crate::retention::{Kept, Retention};
use crate::snapshot::Snapshot;

pub(super) const ORG: OrgId = OrgId::from_u128(0xa1);
/// 2024-03-01T09:00:00Z: the begin of a quarter of an hour.
pub(super) const START: i64 = 1_709_283_600_000;

/// A log being written.
pub(super) struct Script {
    pub(super) log: MemoryLog,
    /// Milliseconds since [`START`].
    pub(super) now: i64,
    /// Microseconds added to every instant.
    pub(super) micros: i64,
    pub(super) actor: Actor,
    serial: u128,
}

impl Script {
    pub(super) fn new() -> Self {
        let actor = Actor::router();
        Self { log: MemoryLog::new(ORG, || Timestamp::EPOCH), now: 0, micros: 0, actor, serial: 0 }
    }

    pub(super) fn reader(&self) -> Arc<dyn EventReader> {
        Arc::new(self.log.clone())
    }

    /// Appends an event at an instant.
    pub(super) fn at(&mut self, ms: i64, event: impl Into<Event>) -> EventId {
        self.now = ms;
        let event = event.into();
        self.raw(event.event_type(), event.encode())
    }

    /// Appends bytes of any type.
    pub(super) fn raw(&mut self, event_type: &str, payload: Vec<u8>) -> EventId {
        self.serial += 1;
        let id = EventId::from_u128(self.serial);
        let event = NewEvent {
            id,
            stream: StreamId::new("test"),
            event_type: event_type.into(),
            time: Timestamp::from_micros((START + self.now) * 1_000 + self.micros),
            command_id: Default::default(),
            correlation_id: Default::default(),
            causation_id: None,
            actor: self.actor.clone(),
            config_position: Position(1),
            traceparent: None,
            data_subject_id: None,
            payload,
        };
        let append = Append { events: vec![event], expected: Vec::new() };
        self.log.submit(append).expect("append");
        id
    }

    /// The last position of the log.
    pub(super) fn log_head(&self) -> Position {
        self.log.head()
    }

    /// What is kept of the tables at the end of the log.
    pub(super) fn retention(&self) -> Arc<Retention> {
        let dir = tempfile::tempdir().expect("dir");
        let mut engine = open(dir.path(), Options::default());
        advance(&mut engine, &self.log, self.log.head(), 1_000).expect("fold");
        Arc::clone(&engine.fold.retention)
    }

    /// The log up to a position, to be gone on with in another way.
    pub(super) fn cut(&self, to: Position) -> Self {
        let mut cut = Self::new();
        let max = usize::try_from(to.0).expect("few");
        let all = self.log.read_all(Position::START, Direction::Forward, &Filter::all(), max);
        for recorded in all.expect("readable").events {
            let header = &recorded.header;
            cut.actor = header.actor.clone();
            cut.now = header.time.micros() / 1_000 - START;
            cut.raw(&header.event_type, recorded.payload.to_vec());
        }
        cut
    }

    /// Configures an entity.
    pub(super) fn configure(&mut self, kind: EntityKind, id: EntityId, document: &Document) {
        let change = ConfigChange {
            kind,
            verb: ConfigVerb::Created,
            entity_id: id,
            entity_version: 1,
            before_sha256: None,
            after: Some(document.clone()),
            changed_paths: Vec::new(),
            reason: None,
        };
        let actor = std::mem::replace(&mut self.actor, Actor::new(ActorType::Admin, "admin"));
        self.at(self.now, change);
        self.actor = actor;
    }

    /// Configures an entity of which only the name matters.
    pub(super) fn name(&mut self, kind: EntityKind, id: EntityId, name: &str) {
        let document = Document::from_value(&json!({ "name": name })).expect("object");
        self.configure(kind, id, &document);
    }

    /// Configures a queue served by one team.
    pub(super) fn queue(&mut self, id: EntityId, name: &str, threshold_ms: u64, team: TeamId) {
        let document = json!({
            "name": name,
            "channel_type": ChannelType::Voice,
            "service_level_threshold_ms": threshold_ms,
            "call_distribution_groups": [CallDistributionGroup { team_ids: vec![team], wait_ms: 0 }],
        });
        let document = Document::from_value(&document).expect("object");
        document.parse::<Queue>().expect("a queue");
        self.configure(EntityKind::Queue, id, &document);
    }
}

pub(super) const fn options(flush_positions: u64, settle_positions: u64) -> Options {
    Options {
        flush_positions,
        settle_positions,
        publish_interval: std::time::Duration::from_millis(1),
        state_bytes_max: u64::MAX,
    }
}

/// Folds the log up to a position, `page` events at a time, with commits.
pub(super) fn advance(
    engine: &mut Engine,
    reader: &dyn EventReader,
    to: Position,
    page: usize,
) -> Result<(), ProjectionError> {
    while engine.fold.position < to {
        let left = (to.0 - engine.fold.position.0) as usize;
        let from = engine.fold.position;
        let read = reader.read_all(from, Direction::Forward, &Filter::all(), page.min(left))?;
        let mut events = read.events.as_slice();
        while !events.is_empty() {
            let taken = engine.apply(events, &mut Sink::new(false));
            events = &events[taken..];
            if engine.is_due() {
                engine.commit()?;
            }
        }
    }
    Ok(())
}

pub(super) fn open(dir: &Path, options: Options) -> Engine {
    open_with(engine::disk(), dir, options).expect("tables")
}

pub(super) fn open_with(
    store: SharedStore,
    dir: &Path,
    options: Options,
) -> Result<Engine, ProjectionError> {
    Engine::open(store, dir, ORG, options)
}

/// The tables after the whole log, all in memory.
pub(super) fn fold(script: &Script) -> Snapshot {
    let dir = tempfile::tempdir().expect("dir");
    let mut engine = open(dir.path(), Options::default());
    advance(&mut engine, &script.log, script.log.head(), 1_000).expect("fold");
    engine.snapshot().expect("snapshot")
}

/// A row by column name, as text; nulls are absent.
pub(super) type Cells = BTreeMap<String, String>;

/// All rows of a table that are shown, hot and cold, in key order.
pub(super) fn rows(snapshot: &Snapshot, table: &str) -> Vec<Cells> {
    let table = &snapshot.tables[table];
    let mut batches: Vec<_> = table.hot.to_vec();
    for file in table.cold.iter() {
        batches.extend(cold::read(file).expect("file").map(|batch| batch.expect("batch")));
    }
    let mut all = Vec::new();
    for batch in batches {
        let batch = match &table.kept {
            Kept::All => batch,
            Kept::Except(hidden) => hidden.rest(&batch).expect("columns"),
            Kept::Gone(removed) => panic!("{removed}"),
        };
        for row in 0..batch.num_rows() {
            let mut cells = Cells::new();
            for (column, field) in batch.columns().iter().zip(batch.schema().fields()) {
                if !column.is_null(row) {
                    let text = array_value_to_string(column, row).expect("text");
                    cells.insert(field.name().clone(), text);
                }
            }
            all.push(cells);
        }
    }
    let key = |cells: &Cells| -> Vec<String> {
        table.def.key.iter().map(|name| cells.get(*name).cloned().unwrap_or_default()).collect()
    };
    all.sort_by_key(key);
    all
}

/// The values of some columns of a row, absent ones as `-`.
pub(super) fn pick(cells: &Cells, columns: &[&str]) -> Vec<String> {
    columns.iter().map(|name| cells.get(*name).cloned().unwrap_or_else(|| "-".into())).collect()
}

/// The sum of a whole-number column over rows.
pub(super) fn sum(rows: &[Cells], column: &str) -> i64 {
    rows.iter().filter_map(|cells| cells.get(column)).map(|it| it.parse::<i64>().unwrap()).sum()
}
