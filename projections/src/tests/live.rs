//! Live tables at every position: they say what the tables they are counted from say, and their changes lead from one
//! state to the next.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use ledgerline_event_store::{Direction, EventReader as _, Filter};
use ledgerline_schemas::Position;
use proptest::prelude::*;

use crate::hot::Sink;
use crate::snapshot::Snapshot;
use crate::table::Row;
use crate::tests::script::{Cells, open_with, options, rows, sum};
use crate::tests::storage::unsynced;
use crate::tests::totals::{log_from, plan};

fn number(cells: &Cells, column: &str) -> i64 {
    sum(std::slice::from_ref(cells), column)
}

/// Rows in groups by a column; those without it are in none.
fn by<'a>(all: &'a [Cells], column: &str) -> BTreeMap<&'a str, Vec<&'a Cells>> {
    let mut groups: BTreeMap<&str, Vec<&Cells>> = BTreeMap::new();
    for cells in all {
        if let Some(value) = cells.get(column) {
            groups.entry(value).or_default().push(cells);
        }
    }
    groups
}

fn count(all: &[&Cells], is_meant: impl Fn(&Cells) -> bool) -> i64 {
    all.iter().filter(|cells| is_meant(cells)).count() as i64
}

fn total(all: &[&Cells], column: &str) -> i64 {
    all.iter().map(|cells| number(cells, column)).sum()
}

/// Holds the live tables of a snapshot against what they are counted from.
pub(super) fn check(snapshot: &Snapshot) {
    check_interactions(snapshot);
    check_staff(snapshot, "team_live", "team_id");
    check_staff(snapshot, "site_live", "site_id");
    check_interval(snapshot);
    check_today(snapshot);
}

/// The figures of today are those of the quarters of the newest event's day.
fn check_today(snapshot: &Snapshot) {
    let log = rows(snapshot, "event_log");
    let Some(newest) = log.iter().map(|it| it["time"].clone()).max() else { return };
    let of_today = |table: &str| -> Vec<Cells> {
        let all = rows(snapshot, table).into_iter();
        all.filter(|it| it["interval_start"][..10] == newest[..10]).collect()
    };
    let quarters = of_today("queue_interval");
    let quarters = by(&quarters, "queue_id");
    for row in rows(snapshot, "queue_live") {
        let mine = quarters.get(row["queue_id"].as_str()).cloned().unwrap_or_default();
        for (figure, of_quarter) in [
            ("offered_today", "offered"),
            ("answered_today", "answered"),
            ("answered_in_sl_today", "answered_in_sl"),
            ("abandoned_today", "abandoned"),
            ("abandoned_in_sl_today", "abandoned_in_sl"),
            ("other_today", "other"),
            ("sum_wait_answered_today_ms", "sum_wait_answered_ms"),
        ] {
            assert_eq!(number(&row, figure), total(&mine, of_quarter), "{figure}");
        }
    }
    let quarters = of_today("agent_interval");
    let quarters: Vec<Cells> =
        quarters.into_iter().filter(|it| !it.contains_key("channel_type")).collect();
    let quarters = by(&quarters, "agent_id");
    for row in rows(snapshot, "agent_live") {
        let mine = quarters.get(row["agent_id"].as_str()).cloned().unwrap_or_default();
        for (figure, of_quarter) in
            [("any_contact_today_ms", "any_contact_ms"), ("ready_today_ms", "ready_ms")]
        {
            assert_eq!(number(&row, figure), total(&mine, of_quarter), "{figure}");
        }
    }
}

fn check_interactions(snapshot: &Snapshot) {
    let (sessions, legs) = (rows(snapshot, "customer_session"), rows(snapshot, "queue_leg"));
    let live = rows(snapshot, "interaction_live");
    let goes_on = |leg: &Cells| {
        let has = |column: &str| leg.contains_key(column);
        leg["outcome"] == "open"
            || (has("connected_time") && !has("disconnected_time"))
            || (has("wrapup_time") && !has("wrapup_duration_ms"))
    };
    let busy: BTreeSet<&str> =
        legs.iter().filter(|leg| goes_on(leg)).map(|leg| leg["interaction_id"].as_str()).collect();
    let under_way = sessions
        .iter()
        .filter(|it| it["is_active"] == "true" || busy.contains(it["interaction_id"].as_str()));
    let expected: BTreeMap<&str, &Cells> =
        under_way.map(|it| (it["interaction_id"].as_str(), it)).collect();
    let found: BTreeSet<&str> = live.iter().map(|it| it["interaction_id"].as_str()).collect();
    assert_eq!(found, expected.keys().copied().collect());
    for row in &live {
        let session = expected[row["interaction_id"].as_str()];
        for (mine, its) in [
            ("state", "state"),
            ("created_time", "created_time"),
            ("entry_point_id", "entry_point_id"),
            ("queue_id", "last_queue_id"),
            ("agent_id", "last_agent_id"),
            ("queue_count", "queue_count"),
            ("hold_count", "hold_count"),
        ] {
            assert_eq!(row.get(mine), session.get(its), "{mine}");
        }
        let waits = legs
            .iter()
            .any(|leg| Some(&leg["leg_id"]) == row.get("leg_id") && leg["outcome"] == "open");
        assert_eq!(row["is_waiting"] == "true", waits);
        assert!(row["since"] >= row["created_time"]);
    }

    let (created, now) = (by(&sessions, "entry_point_id"), by(&live, "entry_point_id"));
    let entry_points = rows(snapshot, "entry_point_live");
    assert_eq!(entry_points.len(), created.len());
    for row in &entry_points {
        let id = row["entry_point_id"].as_str();
        let mine = now.get(id).cloned().unwrap_or_default();
        let at = |states: &[&str]| count(&mine, |it| states.contains(&it["state"].as_str()));
        assert_eq!(number(row, "created"), created[id].len() as i64);
        assert_eq!(number(row, "interactions_now"), mine.len() as i64);
        assert_eq!(number(row, "in_flow_now"), at(&["new", "ivr"]));
        assert_eq!(number(row, "waiting_now"), at(&["queued", "offered"]));
        assert_eq!(
            number(row, "connected_now"),
            at(&["connected", "hold", "consulting", "conference"])
        );
        assert_eq!(number(row, "wrapup_now"), at(&["wrapup"]));
        assert_eq!(number(row, "elsewhere_now"), at(&["post_call", "disconnected", "ended"]));
    }

    let in_flow: Vec<Cells> = live.iter().filter(|it| it["state"] == "ivr").cloned().collect();
    let in_flow = by(&in_flow, "flow_id");
    let flows = rows(snapshot, "flow_live");
    let started = rows(snapshot, "event_log");
    let started = started.iter().filter(|it| it["event_type"] == "flow.started").count() as i64;
    assert_eq!(sum(&flows, "started"), started);
    for row in &flows {
        let mine = in_flow.get(row["flow_id"].as_str()).map_or(0, Vec::len);
        assert_eq!(number(row, "in_flow_now"), mine as i64);
    }
}

fn check_staff(snapshot: &Snapshot, table: &str, column: &str) {
    let agents = rows(snapshot, "agent_live");
    let agents = by(&agents, column);
    let found = rows(snapshot, table);
    assert_eq!(found.len(), agents.len(), "{table}");
    for row in &found {
        let mine: Vec<&Cells> = agents[row[column].as_str()]
            .iter()
            .filter(|it| it.contains_key("agent_session_id"))
            .copied()
            .collect();
        let in_hand =
            |it: &Cells| ["voice_count", "chat_count", "other_count"].map(|at| number(it, at));
        let busy = |it: &Cells| in_hand(it).iter().sum::<i64>() > 0;
        let is = |it: &Cells, state: &str| it["state"] == state;
        for (figure, expected) in [
            ("logged_on_agents", mine.len() as i64),
            ("available_agents", count(&mine, |it| is(it, "available") && !busy(it))),
            ("engaged_agents", count(&mine, |it| is(it, "available") && busy(it))),
            ("idle_agents", count(&mine, |it| is(it, "idle") || is(it, "logged_out"))),
            ("not_responding_agents", count(&mine, |it| is(it, "not_responding"))),
            ("in_contact_agents", count(&mine, |it| number(it, "connected_count") > 0)),
            ("wrapup_agents", count(&mine, |it| number(it, "wrapup_count") > 0)),
        ] {
            assert_eq!(number(row, figure), expected, "{table}.{figure}");
        }
        for figure in [
            "voice_count",
            "chat_count",
            "other_count",
            "ringing_count",
            "connected_count",
            "wrapup_count",
            "any_contact_today_ms",
            "ready_today_ms",
        ] {
            assert_eq!(number(row, figure), total(&mine, figure), "{table}.{figure}");
        }
    }
}

fn check_interval(snapshot: &Snapshot) {
    let newest = rows(snapshot, "event_log").iter().map(|it| it["time"].clone()).max();
    let quarters = rows(snapshot, "queue_interval");
    let current = rows(snapshot, "interval_current");
    let Some(newest) = newest else { return };
    // A quarter as text: the hour, and which of the four.
    let quarter = |time: &str| {
        let minute: u32 = time[14..16].parse().expect("minutes");
        (time[..13].to_owned(), minute / 15)
    };
    let mut expected: Vec<Cells> = quarters
        .into_iter()
        .filter(|it| quarter(&it["interval_start"]) == quarter(&newest))
        .collect();
    for row in &mut expected {
        row.remove("first_position");
    }
    let key = |it: &Cells| (it["queue_id"].clone(), it["channel_type"].clone());
    expected.sort_by_key(key);
    assert_eq!(current, expected);
}

/// Rows of live tables as the changes so far tell them.
type Told = BTreeMap<&'static str, BTreeMap<Arc<str>, Row>>;

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, ..ProptestConfig::default() })]

    #[test]
    fn live_tables_and_their_changes_are_right_at_every_position(
        plans in prop::collection::vec(plan(), 1..12),
        flush in 7..60_u64,
        every in 1..20_u64,
        over_midnight in any::<bool>(),
    ) {
        // From 9:00, or from 23:30 over midnight.
        let script = log_from(if over_midnight { 14 * 3_600_000 + 1_800_000 } else { 0 }, &plans);
        let dir = tempfile::tempdir().unwrap();
        let mut engine = open_with(unsynced(), dir.path(), options(flush, 150)).unwrap();
        let head = usize::try_from(script.log.head().0).unwrap();
        let all = script.log.read_all(Position::START, Direction::Forward, &Filter::all(), head);
        let mut told = Told::new();
        for event in all.unwrap().events {
            let mut sink = Sink::new(true);
            prop_assert_eq!(engine.apply(std::slice::from_ref(&event), &mut sink), 1);
            for change in sink.changes.into_iter().filter(|it| it.table.live) {
                let rows = told.entry(change.table.name).or_default();
                prop_assert_eq!(rows.get(&change.key), change.before.as_ref());
                match change.after {
                    Some(row) => rows.insert(change.key, row),
                    None => rows.remove(&change.key),
                };
            }
            if engine.is_due() {
                engine.commit().unwrap();
            }
            if engine.fold.position.0.is_multiple_of(every) {
                let snapshot = engine.snapshot().unwrap();
                check(&snapshot);
                for (table, rows) in &snapshot.live {
                    prop_assert_eq!(&**rows, told.entry(table).or_default(), "{}", table);
                }
            }
        }
        let snapshot = engine.snapshot().unwrap();
        check(&snapshot);
        let tables = snapshot.tables.values().filter(|table| table.def.live);
        let live: BTreeSet<&str> = tables.map(|table| table.def.name).collect();
        prop_assert_eq!(snapshot.live.keys().copied().collect::<BTreeSet<_>>(), live);
    }
}
