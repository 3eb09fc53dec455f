//! The tables as they were: at every position, change by change, commit by commit.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray as _, Int64Array};
use arrow::datatypes::Int64Type;
use arrow::record_batch::RecordBatch;
use ledgerline_event_store::EventReader as _;
use ledgerline_schemas::Position;

use crate::blocks::Blocks;
use crate::chain;
use crate::checksum::checksum;
use crate::cold;
use crate::engine::Engine;
use crate::error::ProjectionError;
use crate::manifest::{Manifest, sha256};
use crate::past::{Past, Wanted};
use crate::projections::Options;
use crate::rights::Rights;
use crate::table::Row;
use crate::tables;
use crate::tests::script::{Script, advance, open, options, rows};
use crate::tests::storage::calls;

/// Tables of the whole script in a folder, and their past.
fn told(script: &Script, dir: &Path, options: Options) -> (Engine, Past) {
    let mut engine = open(dir, options);
    advance(&mut engine, &script.log, script.log.head(), 7).expect("fold");
    let past = Past::new(script.reader(), Arc::clone(engine.ledger()), options);
    (engine, past)
}

/// The tables after the first events, never committed.
fn fresh(script: &Script, to: Position) -> crate::Snapshot {
    let dir = tempfile::tempdir().expect("dir");
    let mut engine = open(dir.path(), options(u64::MAX, 0));
    advance(&mut engine, &script.log, to, 1_000).expect("fold");
    engine.snapshot().expect("snapshot")
}

const ON: &(dyn Fn() -> bool + Sync) = &|| true;

#[test]
fn every_position_is_what_it_was_whichever_states_are_left() {
    let script = calls(20);
    let head = script.log.head();
    for state_bytes_max in [u64::MAX, 6_000, 0] {
        let dir = tempfile::tempdir().expect("dir");
        let options = Options { state_bytes_max, ..options(16, 8) };
        let (engine, past) = told(&script, dir.path(), options);
        let states = std::fs::read_dir(engine.generation().states()).expect("states").count();
        let commits = (head.0 / 16) as usize;
        match state_bytes_max {
            0 => assert_eq!(states, 2),
            u64::MAX => assert_eq!(states, commits),
            _ => assert!(states > 2 && states < commits, "{states} states of {commits} commits"),
        }
        for position in 0..=head.0 {
            let then = past.snapshot_at(Position(position), ON).expect("past");
            assert_eq!(then.position, Position(position));
            assert_eq!(
                checksum(&then).expect("sum"),
                checksum(&fresh(&script, Position(position))).expect("sum"),
                "position {position}, room {state_bytes_max}"
            );
        }
    }
}

#[test]
fn the_past_stays_when_the_tables_are_opened_again() {
    let script = calls(30);
    let dir = tempfile::tempdir().expect("dir");
    drop(told(&script, dir.path(), options(16, 8)));
    let engine = open(dir.path(), options(16, 8));
    let states = std::fs::read_dir(engine.generation().states()).expect("states").count();
    assert_eq!(states as u64, script.log.head().0 / 16, "opening gave up states");
}

#[test]
fn what_is_not_there_yet_is_said_and_nobody_is_waited_for() {
    let script = calls(3);
    let dir = tempfile::tempdir().expect("dir");
    let (_engine, past) = told(&script, dir.path(), options(16, 8));
    let head = script.log.head();
    let beyond = past.snapshot_at(head.next(), ON).expect_err("beyond the log");
    assert!(matches!(beyond, ProjectionError::NotYet { asked, log }
        if asked == head.next() && log == head));
    let given_up = past.snapshot_at(Position(3), &|| false).expect_err("nobody waits");
    assert!(matches!(given_up, ProjectionError::Cancelled));
}

/// Rows by key after changes were made to them.
fn changed(
    past: &Past,
    table: &'static crate::TableDef,
    from: Position,
    to: Position,
    rows: &mut BTreeMap<Arc<str>, Row>,
) {
    let wanted =
        Wanted { table, from, to, key: None, rights: Rights::Whole, changes_max: usize::MAX };
    let mut last = from;
    for change in past.changes(&wanted, ON).expect("changes") {
        assert!(change.position > from && change.position >= last && change.position <= to);
        last = change.position;
        let before = match change.after {
            Some(after) => rows.insert(change.key, after),
            None => rows.remove(&change.key),
        };
        assert_eq!(before, change.before, "a change begins where the one before ended");
    }
}

#[test]
fn changes_lead_from_one_position_to_the_next() {
    let script = calls(30);
    let head = script.log.head();
    let dir = tempfile::tempdir().expect("dir");
    let (mut engine, past) = told(&script, dir.path(), options(16, 8));
    let now = engine.snapshot().expect("snapshot");
    for table in tables::ALL {
        let mut found = BTreeMap::new();
        for step in [0, 1, 17, 40, head.0].windows(2) {
            changed(&past, table, Position(step[0]), Position(step[1]), &mut found);
        }
        let found: Vec<Row> = found.into_values().collect();
        let batch = crate::row_batch(table, &found).expect("batch");
        let expected = rows(&now, table.name);
        assert_eq!(batch.num_rows(), expected.len(), "{}", table.name);
        let position = table.columns.len() - 1;
        let sum: i64 = batch.column(position).as_primitive::<Int64Type>().values().iter().sum();
        let expected: i64 =
            expected.iter().map(|row| row["valid_from_position"].parse::<i64>().expect("n")).sum();
        assert_eq!(sum, expected, "{}", table.name);
    }
}

#[test]
fn one_rows_story_and_no_more_changes_than_asked_for() {
    let script = calls(30);
    let head = script.log.head();
    let dir = tempfile::tempdir().expect("dir");
    let (_engine, past) = told(&script, dir.path(), options(16, 8));
    let key = ledgerline_schemas::id::LegId::from_u128(5).to_string();
    let mut wanted = Wanted {
        table: tables::ALL.iter().find(|def| def.name == "queue_leg").expect("table"),
        from: Position::START,
        to: head,
        key: Some(key.clone()),
        rights: Rights::Whole,
        changes_max: 2,
    };
    let story = past.changes(&wanted, ON).expect("changes");
    let positions: Vec<u64> = story.iter().map(|change| change.position.0).collect();
    // The fifth call: created, entered, left, ended are events 17 to 20.
    assert_eq!(positions, [18, 19]);
    assert!(story.iter().all(|change| *change.key == *key));
    wanted.changes_max = 1;
    let refused = past.changes(&wanted, ON).expect_err("more than one");
    assert!(matches!(refused, ProjectionError::TooMany { max: 1 }));
}

/// The file with one row's position changed, as long as before.
fn forged(file: &crate::ColdFile, def: &'static crate::TableDef) -> Vec<u8> {
    let batch = cold::read(file).expect("file").next().expect("rows").expect("batch");
    let length = std::fs::metadata(&file.path).expect("file").len();
    let last = batch.num_columns() - 1;
    let positions = batch.column(last).as_primitive::<Int64Type>().values().to_vec();
    for delta in 1..10_000 {
        let mut forged = positions.clone();
        forged[0] += delta;
        let mut columns: Vec<ArrayRef> = batch.columns().to_vec();
        columns[last] = Arc::new(Int64Array::from(forged));
        let forged = RecordBatch::try_new(batch.schema(), columns).expect("batch");
        let bytes = cold::encode_batch(def, &forged).expect("file");
        if bytes.len() as u64 == length {
            return bytes;
        }
    }
    panic!("no forgery of the same length");
}

#[test]
fn a_commit_is_held_against_the_log() {
    let script = calls(30);
    let head = script.log.head();
    let dir = tempfile::tempdir().expect("dir");
    let (mut engine, past) = told(&script, dir.path(), options(16, 8));
    let def = tables::ALL.iter().find(|def| def.name == "queue_leg").expect("table");
    let checks = past.check(def, Position(20), head, ON).expect("check");
    let ends: Vec<u64> = checks.iter().map(|check| check.to.0).collect();
    assert_eq!(ends, [32, 48, 64, 80, 96, 112]);
    assert!(checks.iter().all(|check| check.stored == check.replayed));
    assert!(checks.iter().any(|check| check.stored.rows > 0));

    // Somebody who can write every file changes a row of the newest commit and all that vouches for it.
    let file =
        engine.snapshot().expect("snapshot").tables[def.name].cold.last().expect("file").clone();
    let (files, generation) = (&engine.ledger().files, engine.generation());
    let mut manifest =
        Manifest::chain(&*files.store, generation).expect("chain").pop().expect("commit").0;
    let forged = forged(&file, def);
    std::fs::write(&file.path, &forged).expect("forged");
    let changed = past.check(def, Position::START, head, ON).expect_err("its checksums do not fit");
    assert!(matches!(changed, ProjectionError::Damaged { .. }));
    let entry = manifest.add.get_mut(def.name).expect("entry");
    entry.sha256 = sha256(&forged);
    entry.blocks = Some(Blocks::of(&forged));
    std::fs::remove_file(generation.manifests().join(chain::name(manifest.seq))).expect("manifest");
    manifest.publish(&*files.store, generation).expect("manifest");
    drop(engine);
    let engine = open(dir.path(), options(16, 8));
    let past = Past::new(script.reader(), Arc::clone(engine.ledger()), options(16, 8));
    let checks = past.check(def, Position::START, head, ON).expect("check");
    let differ: Vec<_> = checks.iter().filter(|check| check.stored != check.replayed).collect();
    assert_eq!(differ.len(), 1, "{differ:?}");
    assert_eq!(differ[0].to, manifest.to);
}
