//! Tables, rules and an evaluator whose time is told to it.

use std::collections::BTreeMap;
use std::sync::Arc;

use ledgerline_projections::{
    ChangeBatch, ColumnDef, ColumnType, Dimension, Row, RowChange, TableDef, Value,
};
use ledgerline_realtime::LiveState;
use ledgerline_realtime::alerts::Evaluator;
use ledgerline_schemas::config::AlertRule;
use ledgerline_schemas::id::EntityId;
use ledgerline_schemas::{Event, Position, Timestamp};
use serde_json::{Value as Json, json};

const fn column(name: &'static str, column_type: ColumnType) -> ColumnDef {
    ColumnDef { name, column_type, nullable: true, doc: "", dimension: Dimension::None }
}

pub(crate) static QUEUES: TableDef = TableDef {
    name: "queue_live",
    doc: "one row a queue",
    columns: &[
        column("queue_id", ColumnType::Text),
        column("in_queue_now", ColumnType::Int),
        column("answered_in_sl_today", ColumnType::Int),
        column("answered_today", ColumnType::Int),
        column("abandoned_today", ColumnType::Int),
        column("oldest_entered_time", ColumnType::Time),
        column("state", ColumnType::Text),
    ],
    key: &["queue_id"],
    sort: &["queue_id"],
    live: true,
};

pub(crate) static CONFIG: TableDef = TableDef {
    name: "config_entity",
    doc: "configuration",
    columns: &[
        column("kind", ColumnType::Text),
        column("entity_id", ColumnType::Text),
        column("document", ColumnType::Json),
        column("is_active", ColumnType::Bool),
        column("is_deleted", ColumnType::Bool),
    ],
    key: &["kind", "entity_id"],
    sort: &["kind", "entity_id"],
    live: false,
};

pub(crate) static ALERTS: TableDef = TableDef {
    name: "alerts",
    doc: "open alerts",
    columns: &[
        column("alert_id", ColumnType::Text),
        column("rule_id", ColumnType::Text),
        column("rule_name", ColumnType::Text),
        column("severity", ColumnType::Text),
        column("dataset", ColumnType::Text),
        column("row_key", ColumnType::Text),
        column("queue_id", ColumnType::Text),
    ],
    key: &["alert_id"],
    sort: &["alert_id"],
    live: true,
};

pub(crate) const RULE: EntityId = EntityId::from_u128(0x7);
pub(crate) const SALES: &str = "00000000-0000-0000-0000-000000000051";
pub(crate) const CARE: &str = "00000000-0000-0000-0000-000000000052";

pub(crate) fn text(text: &str) -> Value {
    Value::Text(text.into())
}

pub(crate) fn at(ms: i64) -> Timestamp {
    Timestamp::from_micros((1_800_000_000_000 + ms) * 1_000)
}

/// A row of the figures that are given, null the others.
pub(crate) fn row(queue: &str, figures: &[(&str, Value)]) -> Row {
    let value = |name: &str| match figures.iter().find(|(column, _)| *column == name) {
        _ if name == "queue_id" => text(queue),
        Some((_, value)) => value.clone(),
        None => Value::Null,
    };
    QUEUES.columns.iter().map(|column| value(column.name)).collect()
}

pub(crate) fn waiting(queue: &str, count: i64) -> Row {
    row(queue, &[("in_queue_now", Value::Int(count))])
}

/// A rule on `queue_live`: more than 10 waiting, unless a test says otherwise.
pub(crate) fn rule(changes: Json) -> AlertRule {
    let mut document = json!({
        "name": "crowded",
        "dataset": "queue_live",
        "figure": {"column": "in_queue_now"},
        "comparison": "above",
        "threshold": 10,
    });
    if let (Json::Object(document), Json::Object(changes)) = (&mut document, changes) {
        document.extend(changes);
    }
    serde_json::from_value(document).unwrap()
}

/// An evaluator, its virtual time, and what it told so far.
pub(crate) struct World {
    pub(crate) evaluator: Evaluator,
    position: u64,
    pub(crate) rows: BTreeMap<&'static str, BTreeMap<Arc<str>, Row>>,
    pub(crate) told: Vec<String>,
    pub(crate) facts: Vec<Event>,
}

pub(crate) fn state(
    position: u64,
    rows: &BTreeMap<&'static str, BTreeMap<Arc<str>, Row>>,
) -> LiveState {
    let rows = rows.iter().map(|(name, rows)| (*name, Arc::new(rows.clone()))).collect();
    LiveState { epoch: 1, position: Position(position), rows }
}

impl World {
    pub(crate) fn new(rule: AlertRule) -> Self {
        Self::begun(0, BTreeMap::new(), Some(rule), 0)
    }

    pub(crate) fn begun(
        position: u64,
        rows: BTreeMap<&'static str, BTreeMap<Arc<str>, Row>>,
        rule: Option<AlertRule>,
        now: i64,
    ) -> Self {
        let state = state(position, &rows);
        let mut evaluator = Evaluator::new(&[&QUEUES, &ALERTS], &state);
        evaluator.attach(&state, rule.into_iter().map(|rule| (RULE, rule)).collect(), at(now));
        let mut world = Self { evaluator, position, rows, told: Vec::new(), facts: Vec::new() };
        world.listen();
        world
    }

    pub(crate) fn listen(&mut self) {
        while let Some(fact) = self.evaluator.next_fact().cloned() {
            let ms = (fact.time.micros() - at(0).micros()) / 1_000;
            self.told.push(match &fact.event {
                Event::AlertFired(it) => {
                    let began = (it.began_at.micros() - at(0).micros()) / 1_000;
                    format!("{ms} fired {} since {began}", it.value)
                }
                Event::AlertCleared(it) => match it.value {
                    Some(value) => format!("{ms} cleared {value}"),
                    None => format!("{ms} {}", it.reason.name()),
                },
                other => panic!("{}", other.event_type()),
            });
            self.facts.push(fact.event);
            self.evaluator.recorded();
        }
    }

    /// Lets time pass.
    pub(crate) fn pass(&mut self, now: i64) {
        while let Some(due) = self.evaluator.next_due().filter(|due| *due <= at(now)) {
            self.evaluator.tick(due);
            self.listen();
        }
    }

    pub(crate) fn change(
        &mut self,
        now: i64,
        changes: Vec<(&'static TableDef, &str, Option<Row>)>,
    ) {
        self.pass(now);
        let from = Position(self.position);
        self.position += 1;
        let position = Position(self.position);
        let changes = changes.into_iter().map(|(table, key, after)| {
            let rows = self.rows.entry(table.name).or_default();
            let before = match &after {
                Some(row) => rows.insert(key.into(), Arc::clone(row)),
                None => rows.remove(key),
            };
            RowChange { table, key: key.into(), before, after, position }
        });
        let batch = ChangeBatch { from, to: position, changes: changes.collect() };
        self.evaluator.take(&batch, at(now));
        self.listen();
    }

    pub(crate) fn put(&mut self, now: i64, queue: &str, row: Row) {
        self.change(now, vec![(&QUEUES, queue, Some(row))]);
    }

    pub(crate) fn configure(&mut self, now: i64, rule: Option<&AlertRule>) {
        let document = rule.map_or(Json::Null, |rule| serde_json::to_value(rule).unwrap());
        let row: Row = Arc::from([
            text("alert_rule"),
            text(&RULE.to_string()),
            text(&document.to_string()),
            Value::Bool(rule.is_some()),
            Value::Bool(rule.is_none()),
        ]);
        self.change(now, vec![(&CONFIG, "alert_rule|7", Some(row))]);
    }
}
