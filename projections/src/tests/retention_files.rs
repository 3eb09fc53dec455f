//! Dropped rows and the files they lie in: hidden, removed, asked for as they were; against a model that goes
//! through the log step by step and knows nothing of conditions, files or states.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use ledgerline_event_store::EventReader as _;
use ledgerline_schemas::{Position, Timestamp};
use proptest::prelude::*;
use serde_json::json;

use crate::checksum::checksum;
use crate::cold;
use crate::error::ProjectionError;
use crate::past::{Past, Wanted};
use crate::projections::Options;
use crate::retention::Kept;
use crate::rights::Rights;
use crate::snapshot::Snapshot;
use crate::tables;
use crate::tests::retention::{HOLD, apply, hold, release};
use crate::tests::script::{Cells, START, Script, advance, open, options, rows};
use crate::tests::storage::{Dying, calls, content, more_calls, unsynced};
use crate::tests::upkeep::{
    LIMITS, ON, copied, fresh, kept_up, opens_and_is_whole, run, sums, upkeep,
};
use crate::upkeep::Done;

const LEGS: &str = "queue_leg";

/// Something that happens.
#[derive(Clone, Debug)]
enum Step {
    /// So many calls.
    Calls(u8),
    /// A run: what ended before this second, and the past given up so many seconds ago.
    Run { before: u8, past: u8 },
    /// A hold of a queue, of an interaction, or of a time.
    Hold { number: u8, kind: u8, what: u8 },
    /// It ends.
    Release(u8),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        3 => (1_u8..5).prop_map(Step::Calls),
        3 => (0_u8..90, 0_u8..40).prop_map(|(before, past)| Step::Run { before, past }),
        1 => (0_u8..3, 0_u8..3, 0_u8..40).prop_map(|(number, kind, what)| Step::Hold { number, kind, what }),
        1 => (0_u8..3).prop_map(Step::Release),
    ];
    prop::collection::vec(step, 4..24)
}

/// What a hold of the model covers.
#[derive(Clone, Debug)]
enum Scope {
    Queue(u128),
    Interaction(u128),
    /// Seconds: what had not ended before the first and began before the second.
    Time(i64, i64),
}

impl Scope {
    fn covers(&self, row: &Cells) -> bool {
        let id = |column: &str| row[column].parse::<uuid::Uuid>().expect("an id").as_u128();
        match self {
            Self::Queue(queue) => id("queue_id") == *queue,
            Self::Interaction(interaction) => id("interaction_id") == *interaction,
            Self::Time(from, to) => {
                seconds(&row["left_time"]) >= *from && seconds(&row["entered_time"]) < *to
            }
        }
    }
}

fn seconds(time: &str) -> i64 {
    let time = Timestamp::parse(time).unwrap_or_else(|_| panic!("{time}"));
    (time.micros() / 1_000 - START) / 1_000
}

/// A log, and where in it something is dropped or held.
struct Story {
    script: Script,
    /// What is held and dropped after each position that is about it.
    marks: Vec<(Position, Mark)>,
}

enum Mark {
    Run { before: i64, time: i64, past: i64 },
    Hold(u8, Scope),
    Release(u8),
}

fn story(steps: &[Step]) -> Story {
    let mut script = Script::new();
    let (mut marks, mut calls) = (Vec::new(), 0_u128);
    let hold_id =
        |number: u8| ledgerline_schemas::id::EntityId::from_u128(0xf1_00 + u128::from(number));
    for step in steps {
        match step {
            Step::Calls(count) => {
                more_calls(&mut script, calls + 1, u128::from(*count));
                calls += u128::from(*count);
                continue;
            }
            Step::Run { before, past } => {
                let (before, time) = (i64::from(*before), script.now);
                let past = time - i64::from(*past) * 1_000;
                apply(&mut script, LEGS, before * 1_000, past);
                marks.push((script.log.head(), Mark::Run { before, time, past }));
            }
            Step::Hold { number, kind, what } => {
                let what = i64::from(*what);
                let uuid =
                    |number: i64| uuid::Uuid::from_u128(number.unsigned_abs().into()).to_string();
                let (scope, document) = match kind {
                    0 => (Scope::Queue((what % 3) as u128), json!({"queues": [uuid(what % 3)]})),
                    1 => (Scope::Interaction(what as u128), json!({"interactions": [uuid(what)]})),
                    _ => (
                        Scope::Time(what + 8, what + 9),
                        json!({
                            "from": Timestamp::from_millis(START + (what + 8) * 1_000),
                            "to": Timestamp::from_millis(START + (what + 9) * 1_000),
                        }),
                    ),
                };
                hold(&mut script, hold_id(*number), &document);
                marks.push((script.log.head(), Mark::Hold(*number, scope)));
            }
            Step::Release(number) => {
                release(&mut script, hold_id(*number));
                marks.push((script.log.head(), Mark::Release(*number)));
            }
        }
    }
    Story { script, marks }
}

/// The legs that are shown after each position, and the position before which the past is given up.
fn modelled(story: &Story) -> (Vec<BTreeSet<String>>, Vec<Position>) {
    let dir = tempfile::tempdir().unwrap();
    let mut engine = open(dir.path(), options(u64::MAX, 0));
    let mut marks = story.marks.iter().peekable();
    let (mut shown, mut removed) = (Vec::new(), Vec::new());
    let mut holds: BTreeMap<u8, Scope> = BTreeMap::new();
    let mut gone: BTreeSet<(String, String)> = BTreeSet::new();
    let (mut floor, mut given_up) = (i64::MIN, Position::START);
    let mut runs: Vec<(Position, i64)> = Vec::new();
    for position in 0..=story.script.log.head().0 {
        advance(&mut engine, &story.script.log, Position(position), 1).unwrap();
        let mut snapshot = engine.snapshot().unwrap();
        snapshot.tables.get_mut(LEGS).unwrap().kept = Kept::All;
        let all = rows(&snapshot, LEGS);
        let name = |row: &Cells| (row["leg_id"].clone(), row["valid_from_position"].clone());
        while let Some((_, mark)) = marks.next_if(|(at, _)| at.0 == position) {
            match mark {
                Mark::Hold(number, scope) => drop(holds.insert(*number, scope.clone())),
                Mark::Release(number) => drop(holds.remove(number)),
                Mark::Run { before, time, past } => {
                    floor = floor.max(*before);
                    for row in &all {
                        let over = row.get("left_time").is_some_and(|at| seconds(at) < floor);
                        if over && !holds.values().any(|scope| scope.covers(row)) {
                            gone.insert(name(row));
                        }
                    }
                    runs.push((Position(position), *time));
                    let last = runs.iter().rev().find(|(_, time)| time <= past);
                    given_up = given_up.max(last.map_or(Position::START, |(at, _)| *at));
                }
            }
        }
        shown.push(
            all.iter().map(name).filter(|it| !gone.contains(it)).map(|(leg, _)| leg).collect(),
        );
        removed.push(given_up);
    }
    (shown, removed)
}

fn legs(snapshot: &Snapshot) -> BTreeSet<String> {
    rows(snapshot, LEGS).iter().map(|row| row["leg_id"].clone()).collect()
}

/// Whoever has a snapshot can read it, whatever was removed since.
fn check_held(held: &[Snapshot], shown: &[BTreeSet<String>]) {
    for snapshot in held {
        let at = snapshot.position;
        assert_eq!(legs(snapshot), shown[at.0 as usize], "held {at}");
    }
}

fn check_story(steps: &[Step], cuts: &[u8], reopened: u8) {
    let story = story(steps);
    let (shown, removed) = modelled(&story);
    let head = story.script.log.head();
    let settings = Options { state_bytes_max: 40_000, ..options(12, 6) };
    let dir = tempfile::tempdir().unwrap();
    let mut engine = open(dir.path(), settings);
    let mut held: Vec<Snapshot> = Vec::new();
    for (round, cut) in cuts.iter().chain([&255]).enumerate() {
        let to = match cut {
            255 => head,
            cut => Position((engine.fold.position.0 + u64::from(*cut)).min(head.0)),
        };
        advance(&mut engine, &story.script.log, to, 7).unwrap();
        let here = engine.fold.position;
        held.push(engine.snapshot().unwrap());
        kept_up(upkeep(&engine, &story.script, settings, LIMITS)).unwrap();
        assert_eq!(legs(&engine.snapshot().unwrap()), shown[here.0 as usize], "at {here}");
        if round % 3 == usize::from(reopened % 3) {
            // A restart goes back to the newest commit, where it shows what was shown there. No snapshot outlives
            // its process.
            check_held(&std::mem::take(&mut held), &shown);
            drop(engine);
            engine = open(dir.path(), settings);
            let here = engine.fold.position;
            assert_eq!(
                legs(&engine.snapshot().unwrap()),
                shown[here.0 as usize],
                "opened at {here}"
            );
            advance(&mut engine, &story.script.log, to, 7).unwrap();
        }
    }
    assert_eq!(engine.fold.position, head);
    check_held(&held, &shown);
    drop(held);
    assert_eq!(sums(&mut engine), fresh(&story.script, head), "as built anew");
    // What the newest commit gave up is in no file.
    kept_up(upkeep(&engine, &story.script, settings, LIMITS)).unwrap();
    let committed = engine.ledger().committed_retention();
    let removable = committed.and_then(|(_, retention)| retention.removable(LEGS));
    for placed in engine.ledger().layout().tables.get(LEGS).into_iter().flatten() {
        for batch in cold::read(&placed.file).unwrap() {
            let hidden = removable.as_ref().map(|it| it.of_rows(&batch.unwrap()).unwrap());
            assert!(!hidden.unwrap_or_default().contains(&true), "rows stayed in a file");
        }
    }
    let now = removed[head.0 as usize];
    let past = Past::new(story.script.reader(), Arc::clone(engine.ledger()), settings);
    for position in 0..=head.0 {
        let then = past.snapshot_at(Position(position), ON).unwrap();
        match &then.tables[LEGS].kept {
            Kept::Gone(removed) => {
                assert!(Position(position) < now, "{removed}");
                assert_eq!((removed.from, removed.asked), (now, Position(position)));
                assert!(matches!(checksum(&then), Err(ProjectionError::Removed(_))));
            }
            _ => {
                assert!(Position(position) >= now, "{position} is given up, {now}");
                assert_eq!(legs(&then), shown[position as usize], "as of {position}");
                if position % 11 == 0 {
                    let built = fresh(&story.script, Position(position));
                    assert_eq!(checksum(&then).unwrap(), built, "as of {position}");
                }
            }
        }
        if position % 5 != 0 {
            continue;
        }
        let wanted = Wanted {
            table: tables::ALL.iter().find(|def| def.name == LEGS).unwrap(),
            from: Position(position),
            to: head,
            key: None,
            rights: Rights::Whole,
            changes_max: 10_000,
        };
        let changes = past.changes(&wanted, ON);
        assert_eq!(matches!(changes, Err(ProjectionError::Removed(_))), Position(position) < now);
    }
    for def in tables::ALL {
        let checks = past.check(def, Position::START, head, ON).unwrap();
        assert!(checks.iter().all(|it| it.stored == it.replayed), "{}", def.name);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]
    /// Any policies, holds, restarts, merges and removals show what the model shows, at every position that is
    /// answered; those that are not answered say so.
    #[test]
    fn rows_are_those_of_a_plain_model(
        steps in steps(),
        cuts in prop::collection::vec(1_u8..60, 0..6),
        reopened in 0_u8..3,
    ) {
        check_story(&steps, &cuts, reopened);
    }
}

/// Calls, of which runs drop some and give up the past of others, with a hold that ends.
fn dropped_from() -> Script {
    let mut script = calls(12);
    hold(&mut script, HOLD, &json!({"queues": [uuid::Uuid::from_u128(1).to_string()]}));
    apply(&mut script, LEGS, 15_000, script_now(12));
    apply(&mut script, "offer", 15_000, script_now(12));
    more_calls(&mut script, 13, 12);
    release(&mut script, HOLD);
    apply(&mut script, LEGS, 19_000, script_now(24));
    apply(&mut script, "customer_session", 19_000, script_now(24));
    more_calls(&mut script, 25, 12);
    apply(&mut script, LEGS, 30_000, -1);
    more_calls(&mut script, 37, 10);
    script
}

/// When the last of so many calls ends, ms.
fn script_now(calls: i64) -> i64 {
    calls * 1_000 + 10_000
}

#[test]
fn rows_leave_the_files_and_tables_say_from_where_on_they_are_answered() {
    let script = dropped_from();
    let head = script.log.head();
    let settings = options(16, 8);
    let dir = tempfile::tempdir().unwrap();
    let mut engine = open(dir.path(), settings);
    advance(&mut engine, &script.log, head, 16).unwrap();
    let before = sums(&mut engine);
    let done = kept_up(upkeep(&engine, &script, settings, LIMITS)).unwrap();
    let removed: u64 =
        done.iter().map(|it| if let Done::Removed(rows) = it { *rows } else { 0 }).sum();
    // Legs and sessions that ended before 19 s: eight of each.
    assert_eq!(removed, 16, "{done:?}");
    assert_eq!(sums(&mut engine), before);
    assert_eq!(before, fresh(&script, head));
    assert_eq!(before[LEGS].rows, 46 - 19);
    assert_eq!(before["customer_session"].rows, 46 - 8);
    // The next look finds nothing, and a restart neither.
    drop(engine);
    let on_disk = content(dir.path());
    let mut engine = open(dir.path(), settings);
    let done = kept_up(upkeep(&engine, &script, settings, LIMITS)).unwrap();
    assert!(done.iter().all(|it| *it == Done::Verified), "{done:?}");
    assert_eq!(content(dir.path()), on_disk);
    advance(&mut engine, &script.log, head, 16).unwrap();
    let past = Past::new(script.reader(), Arc::clone(engine.ledger()), settings);
    let from = engine.fold.retention.removed(LEGS);
    let then = past.snapshot_at(Position(from.0 - 1), ON).unwrap();
    let Kept::Gone(removed) = &then.tables[LEGS].kept else { panic!("answered") };
    let said = removed.to_string();
    for part in
        ["queue_leg", "2024-03-01T09:00:19.000000Z", &from.to_string(), &(from.0 - 1).to_string()]
    {
        assert!(said.contains(part), "{said} without {part}");
    }
    // Other tables, and the same one from there on, are answered.
    assert!(!matches!(then.tables["event_log"].kept, Kept::Gone(_)));
    assert_eq!(rows(&then, "event_log").len() as u64, from.0 - 1);
    let then = past.snapshot_at(from, ON).unwrap();
    assert_eq!(rows(&then, LEGS).len(), 24 - 8);
}

#[test]
fn a_crash_at_any_write_while_rows_are_removed_leaves_the_same_tables() {
    let script = dropped_from();
    let settings = options(40, 8);
    let calm = tempfile::tempdir().unwrap();
    let mut engine = run(unsynced(), calm.path(), &script, settings).unwrap();
    let expected = sums(&mut engine);
    assert_eq!(expected, fresh(&script, script.log.head()));
    let left: u64 = engine.ledger().layout().tables[LEGS].iter().map(|it| it.entry.rows).sum();
    assert!(left < engine.ledger().layout().rows(LEGS, Position::START, script.log.head()));
    drop(engine);
    let expected_files = content(calm.path());
    let mut crashes = 0;
    for writes in 0.. {
        let dir = tempfile::tempdir().unwrap();
        let disk = Dying::after(writes);
        let done = run(disk.clone(), dir.path(), &script, settings).is_ok();
        if !done {
            crashes += 1;
            disk.die();
        }
        let mut engine = run(unsynced(), dir.path(), &script, settings)
            .unwrap_or_else(|error| panic!("after {writes} writes: {error}"));
        assert_eq!(sums(&mut engine), expected, "after {writes} writes");
        drop(engine);
        assert_eq!(content(dir.path()), expected_files, "after {writes} writes");
        if done {
            break;
        }
    }
    assert!(crashes > 60, "{crashes} crashes");
}

#[test]
fn a_lost_file_of_which_rows_were_removed_comes_back_without_them() {
    let script = dropped_from();
    let settings = options(16, 8);
    let dir = tempfile::tempdir().unwrap();
    let mut engine = open(dir.path(), settings);
    advance(&mut engine, &script.log, script.log.head(), 16).unwrap();
    kept_up(upkeep(&engine, &script, settings, LIMITS)).unwrap();
    let expected = sums(&mut engine);
    drop(engine);
    for name in content(dir.path()).into_keys() {
        let copy = copied(dir.path());
        std::fs::remove_file(copy.path().join(&name)).unwrap();
        let what = format!("{} is lost", name.display());
        opens_and_is_whole(copy.path(), &script, settings, &expected, &what);
    }
}
