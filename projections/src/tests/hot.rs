//! Rows in memory against a plain map: whatever happens to them, the batches say what the rows say.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{Array, AsArray as _};
use arrow::datatypes::{Int64Type, TimestampMicrosecondType};
use arrow::record_batch::RecordBatch;
use ledgerline_schemas::id::QueueId;
use ledgerline_schemas::{Position, Timestamp};
use proptest::prelude::*;

use crate::column::{Json, Outcome};
use crate::hot::{Appended, Keyed, Sink};
use crate::table::{ColumnType, Row, TableDef, Value, key_text};
use crate::tables::{TableRow, table};
use crate::{cold, encode};

table! {
    /// Every type of column, with and without nulls.
    Thing = "thing", key QueueId = [thing_id], sort [time, thing_id], live true;
    /// Key.
    thing_id: QueueId,
    /// Text.
    name: Option<Arc<str>>,
    /// Number.
    count: u32,
    /// Large number, beyond what a column holds.
    large: Option<u64>,
    /// Truth.
    is_even: Option<bool>,
    /// One of a few names.
    outcome: Outcome,
    /// JSON.
    document: Option<Json>,
    /// Instant.
    time: Timestamp,
}

fn thing(id: u16, count: u32) -> Thing {
    Thing {
        thing_id: QueueId::from_u128(u128::from(id)),
        name: (!count.is_multiple_of(3)).then(|| format!("thing {count}").into()),
        count,
        large: (!count.is_multiple_of(4)).then_some(u64::MAX - u64::from(count)),
        is_even: (!count.is_multiple_of(5)).then_some(count.is_multiple_of(2)),
        outcome: if count.is_multiple_of(2) { Outcome::Open } else { Outcome::Other },
        document: (!count.is_multiple_of(7)).then(|| Json::of(&[count])),
        time: Timestamp::from_micros(i64::from(count) - 50),
        valid_from_position: Position::START,
    }
}

/// The rows of a batch as values.
fn values(def: &TableDef, batch: &RecordBatch) -> Vec<Vec<Value>> {
    let value = |column: &dyn Array, column_type: ColumnType, row: usize| match column_type {
        _ if column.is_null(row) => Value::Null,
        ColumnType::Text | ColumnType::Json => {
            Value::Text(column.as_string::<i32>().value(row).into())
        }
        ColumnType::Int => Value::Int(column.as_primitive::<Int64Type>().value(row)),
        ColumnType::Bool => Value::Bool(column.as_boolean().value(row)),
        ColumnType::Time => {
            Value::Time(column.as_primitive::<TimestampMicrosecondType>().value(row))
        }
    };
    (0..batch.num_rows())
        .map(|row| {
            let columns = batch.columns().iter().zip(def.columns);
            columns.map(|(column, it)| value(column.as_ref(), it.column_type, row)).collect()
        })
        .collect()
}

#[derive(Clone, Debug)]
enum Step {
    Put(u16, u32),
    Change(u16, u32),
    Remove(u16),
    /// Takes out what counts a multiple of this.
    Evict(u32),
    Show,
    /// Keeps the table in a state and loads it again.
    Reload,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        20 => (0..900_u16, 0..100_u32).prop_map(|(id, count)| Step::Put(id, count)),
        10 => (0..900_u16, 0..100_u32).prop_map(|(id, count)| Step::Change(id, count)),
        5 => (0..900_u16).prop_map(Step::Remove),
        1 => (1..9_u32).prop_map(Step::Evict),
        1 => Just(Step::Show),
        1 => Just(Step::Reload),
    ]
}

fn shown(table: &mut Keyed<Thing>) -> Vec<Vec<Value>> {
    let batches = table.batches(&encode::schema(Thing::DEF)).unwrap();
    let mut rows: Vec<_> = batches.iter().flat_map(|batch| values(Thing::DEF, batch)).collect();
    rows.sort_unstable();
    rows
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn batches_states_and_changes_say_what_a_plain_map_says(
        steps in prop::collection::vec(step(), 1..1_500),
    ) {
        let mut table: Keyed<Thing> = Keyed::default();
        let mut model: BTreeMap<QueueId, Thing> = BTreeMap::new();
        let mut sink = Sink::new(true);
        for (position, step) in (1..).zip(steps) {
            sink.position = Position(position);
            sink.changes.clear();
            match step {
                Step::Put(id, count) => {
                    let mut row = thing(id, count);
                    table.put(&mut sink, row.clone());
                    row.valid_from_position = sink.position;
                    let before = model.insert(row.thing_id, row.clone());
                    prop_assert_eq!(sink.changes.len(), 1);
                    prop_assert_eq!(&sink.changes[0].before, &before.map(|row| row.row()));
                    prop_assert_eq!(&sink.changes[0].after, &Some(row.row()));
                }
                Step::Change(id, count) => {
                    let id = QueueId::from_u128(u128::from(id));
                    let changed = table.change(&mut sink, &id, |row| row.count = count);
                    prop_assert_eq!(changed, model.contains_key(&id));
                    if let Some(row) = model.get_mut(&id) {
                        prop_assert_eq!(&sink.changes[0].before, &Some(row.row()));
                        row.count = count;
                        row.valid_from_position = sink.position;
                        prop_assert_eq!(&sink.changes[0].after, &Some(row.row()));
                    }
                }
                Step::Remove(id) => {
                    let id = QueueId::from_u128(u128::from(id));
                    table.remove(&mut sink, &id);
                    let before = model.remove(&id);
                    prop_assert_eq!(sink.changes.len(), usize::from(before.is_some()));
                    if let Some(row) = before {
                        prop_assert_eq!(&sink.changes[0].before, &Some(row.row()));
                        prop_assert_eq!(&sink.changes[0].after, &None);
                    }
                }
                Step::Evict(multiple) => {
                    let mut evicted = table.evict(|row| row.count.is_multiple_of(multiple));
                    evicted.sort_unstable_by_key(|row| row.thing_id);
                    let expected: Vec<Thing> =
                        model.values().filter(|row| row.count.is_multiple_of(multiple)).cloned().collect();
                    prop_assert_eq!(evicted, expected);
                    model.retain(|_, row| !row.count.is_multiple_of(multiple));
                }
                Step::Show => {
                    let rows: Vec<_> = model.values().map(|row| row.row().to_vec()).collect();
                    prop_assert_eq!(shown(&mut table), rows);
                    let by_key: BTreeMap<Arc<str>, Row> = model
                        .values()
                        .map(TableRow::row)
                        .map(|row| (key_text(Thing::DEF, &row).into(), row))
                        .collect();
                    prop_assert_eq!(&*table.shown(), &by_key);
                }
                Step::Reload => {
                    let state = rmp_serde::to_vec(&table).unwrap();
                    table = rmp_serde::from_slice(&state).unwrap();
                    prop_assert_eq!(rmp_serde::to_vec(&table).unwrap(), state);
                }
            }
            for (id, row) in model.iter().take(3) {
                prop_assert_eq!(table.get(id), Some(row));
            }
        }
        let rows: Vec<_> = model.values().map(|row| row.row().to_vec()).collect();
        prop_assert_eq!(shown(&mut table), rows);
    }

    #[test]
    fn appended_rows_are_shown_and_taken_out_in_order(
        counts in prop::collection::vec((0..100_u32, prop::bool::weighted(0.05)), 0..600),
    ) {
        let schema = encode::schema(Thing::DEF);
        let mut table: Appended<Thing> = Appended::default();
        let mut expected = Vec::new();
        let mut sink = Sink::new(false);
        for (position, (count, show)) in (1_u16..).zip(counts) {
            sink.position = Position(u64::from(position));
            let mut row = thing(position, count);
            table.push(&mut sink, row.clone());
            row.valid_from_position = sink.position;
            expected.push(row.row().to_vec());
            if show {
                let batches = table.batches(&schema).unwrap();
                let rows: Vec<_> =
                    batches.iter().flat_map(|batch| values(Thing::DEF, batch)).collect();
                prop_assert_eq!(&rows, &expected);
            }
        }
        let evicted = table.evict(&schema).unwrap();
        let rows = evicted.map_or_else(Vec::new, |batch| values(Thing::DEF, &batch));
        prop_assert_eq!(rows, expected);
        prop_assert!(table.batches(&schema).unwrap().is_empty());
    }
}

#[test]
fn a_cold_file_is_sorted_as_its_table_says() {
    let rows: Vec<Thing> = (0..500).map(|id| thing(id, u32::from(id) * 37 % 100)).collect();
    let batch = cold::sorted(&encode::schema(Thing::DEF), &rows).unwrap();
    let mut expected: Vec<Vec<Value>> = rows.iter().map(|row| row.row().to_vec()).collect();
    let columns = Thing::DEF.sort.iter().map(|name| Thing::DEF.column(name).unwrap());
    let columns: Vec<usize> = columns.collect();
    expected.sort_by_key(|row| columns.iter().map(|index| row[*index].clone()).collect::<Vec<_>>());
    assert_eq!(values(Thing::DEF, &batch), expected);
}
