//! Alert rules on rows that change, in virtual time.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should stop where it is")]

mod world;

use std::collections::BTreeMap;
use std::sync::Arc;

use ledgerline_projections::{Row, Value};
use ledgerline_realtime::alerts::AlertRules;
use ledgerline_schemas::event::alert::AlertClearReason;
use ledgerline_schemas::{Event, Position};
use proptest::prelude::*;
use serde_json::json;

use crate::world::{CARE, QUEUES, RULE, SALES, World, at, row, rule, state, text, waiting};

#[test]
fn a_row_is_meant_as_long_as_it_is_in_one_of_the_states() {
    let mut world = World::new(rule(json!({"states": ["idle", "lost"]})));
    let waiting = |count: i64, state: &str| {
        row(SALES, &[("in_queue_now", Value::Int(count)), ("state", text(state))])
    };
    world.put(1, SALES, waiting(20, "logged_out"));
    world.put(2, SALES, waiting(20, "idle"));
    world.put(3, SALES, waiting(21, "lost"));
    world.put(4, SALES, waiting(21, "available"));
    assert_eq!(world.told, ["2 fired 20 since 2", "4 row_gone"]);
}

#[test]
fn a_bound_fires_when_it_is_crossed_and_clears_on_the_safe_side() {
    for (given, when, then) in [
        // Crossed, then back.
        (
            json!({}),
            &[(1, 10), (2, 11), (3, 12), (4, 10)][..],
            &["2 fired 11 since 2", "4 cleared 10"][..],
        ),
        (
            json!({"comparison": "at_least"}),
            &[(1, 9), (2, 10), (3, 9)],
            &["2 fired 10 since 2", "3 cleared 9"],
        ),
        (
            json!({"comparison": "below"}),
            &[(1, 10), (2, 9), (3, 10)],
            &["2 fired 9 since 2", "3 cleared 10"],
        ),
        (
            json!({"comparison": "at_most"}),
            &[(1, 11), (2, 10), (3, 11)],
            &["2 fired 10 since 2", "3 cleared 11"],
        ),
        // Between the bounds it stays what it is.
        (
            json!({"clear_threshold": 5}),
            &[(1, 8), (2, 11), (3, 8), (4, 11), (5, 6), (6, 5), (7, 8), (8, 12)],
            &["2 fired 11 since 2", "6 cleared 5", "8 fired 12 since 8"],
        ),
        (
            json!({"comparison": "below", "threshold": 3, "clear_threshold": 6}),
            &[(1, 4), (2, 2), (3, 5), (4, 6)],
            &["2 fired 2 since 2", "4 cleared 6"],
        ),
        // For so long without a break.
        (
            json!({"for_ms": 100}),
            &[(0, 11), (99, 12), (150, 9)],
            &["100 fired 12 since 0", "150 cleared 9"],
        ),
        (json!({"for_ms": 100}), &[(0, 11), (99, 10), (99, 11), (198, 3)], &[]),
        (
            json!({"for_ms": 100}),
            &[(0, 11), (50, 10), (60, 11), (200, 30)],
            &["160 fired 11 since 60"],
        ),
    ] {
        let mut world = World::new(rule(given.clone()));
        for (now, count) in when {
            world.put(*now, SALES, waiting(SALES, *count));
        }
        assert_eq!(world.told, then, "{given} {when:?}");
    }
}

#[test]
fn an_age_gets_out_of_bounds_by_time_alone() {
    let oldest = |ms: i64| row(SALES, &[("oldest_entered_time", Value::Time(at(ms).micros()))]);
    let rule = rule(json!({
        "figure": {"age": "oldest_entered_time"}, "comparison": "at_least",
        "threshold": 60_000, "clear_threshold": 20_000, "for_ms": 5_000,
    }));
    let mut world = World::new(rule);
    world.put(0, SALES, oldest(0));
    world.pass(64_999);
    assert_eq!(world.told, [""; 0]);
    world.pass(70_000);
    assert_eq!(world.told, ["65000 fired 65000 since 60000"]);
    // The next one waits for 30 s: not long, but not short either.
    world.put(80_000, SALES, oldest(50_000));
    world.put(90_000, SALES, oldest(80_000));
    assert_eq!(world.told[1..], ["90000 cleared 10000"]);
    // Nobody waits: unknown is never out of bounds.
    world.put(100_000, SALES, row(SALES, &[]));
    world.pass(10_000_000);
    assert_eq!(world.told.len(), 2);
    // Without the 5 s in which somebody answers there is no alert.
    world.put(10_000_000, SALES, oldest(9_940_000));
    world.put(10_004_999, SALES, row(SALES, &[]));
    world.pass(20_000_000);
    assert_eq!(world.told.len(), 2);
}

#[test]
fn a_ratio_is_compared_exactly_and_is_unknown_of_too_few() {
    let service_level = rule(json!({
        "figure": {"ratio": {
            "of": ["answered_in_sl_today"], "per": ["answered_today", "abandoned_today"],
            "times": 100, "per_min": 4,
        }},
        "comparison": "below", "threshold": 80,
    }));
    let day = |in_sl: i64, answered: i64, abandoned: i64| {
        let figures = [
            ("answered_in_sl_today", Value::Int(in_sl)),
            ("answered_today", Value::Int(answered)),
            ("abandoned_today", Value::Int(abandoned)),
        ];
        row(SALES, &figures)
    };
    let mut world = World::new(service_level);
    world.put(1, SALES, day(0, 2, 1));
    assert_eq!(world.told, [""; 0], "three are too few");
    world.put(2, SALES, day(4, 4, 1));
    assert_eq!(world.told, [""; 0], "80 is not below 80");
    world.put(3, SALES, day(799, 900, 100));
    assert_eq!(world.told, ["3 fired 79 since 3"], "79.9 is");
    world.put(4, SALES, day(800, 900, 100));
    assert_eq!(world.told[1..], ["4 cleared 80"]);
}

#[test]
fn rows_are_watched_each_by_itself_and_only_those_that_are_meant() {
    let mut world = World::new(rule(json!({"queue_ids": [SALES]})));
    world.put(1, CARE, waiting(CARE, 50));
    world.put(2, SALES, waiting(SALES, 11));
    assert_eq!(world.told, ["2 fired 11 since 2"]);
    let Event::AlertFired(fired) = &world.facts[0] else { panic!("fired") };
    assert_eq!((fired.row_key.as_str(), fired.place.queue_id), (SALES, SALES.parse().ok()));
    assert_eq!((fired.began_position, fired.read_position), (Position(2), Position(2)));

    let mut world = World::new(rule(json!({"for_ms": 10})));
    world.put(0, CARE, waiting(CARE, 50));
    world.put(5, SALES, waiting(SALES, 20));
    world.pass(100);
    assert_eq!(world.told, ["10 fired 50 since 0", "15 fired 20 since 5"]);
    // A row that goes takes its alert along.
    world.change(200, vec![(&QUEUES, CARE, None)]);
    assert_eq!(world.told[2..], ["200 row_gone"]);
}

#[test]
fn one_event_counts_once_however_often_it_changes_a_row() {
    let mut world = World::new(rule(json!({})));
    let twice = [50, 3].map(|count| (&QUEUES, SALES, Some(waiting(SALES, count))));
    world.change(1, twice.to_vec());
    assert_eq!(world.told, [""; 0]);
}

#[test]
fn rules_change_while_alerts_are_open() {
    let mut world = World::new(rule(json!({})));
    world.put(1, SALES, waiting(SALES, 20));
    assert_eq!(world.told, ["1 fired 20 since 1"]);
    // Another message or a lower bound: the same alert goes on.
    world.configure(2, Some(&rule(json!({"message": "help", "threshold": 15}))));
    assert_eq!(world.told.len(), 1);
    // A higher bound: it is over.
    world.configure(3, Some(&rule(json!({"threshold": 30}))));
    assert_eq!(world.told[1..], ["3 cleared 20"]);
    world.configure(4, Some(&rule(json!({"threshold": 10}))));
    assert_eq!(world.told[2..], ["4 fired 20 since 4"]);
    // Another figure: what the alert said is no longer asked.
    let other = rule(json!({"figure": {"column": "answered_today"}}));
    world.configure(5, Some(&other));
    assert_eq!(world.told[3..], ["5 rule_changed"]);
    world.configure(6, Some(&rule(json!({}))));
    world.configure(7, None);
    assert_eq!(world.told[4..], ["6 fired 20 since 6", "7 rule_changed"]);
    world.put(8, SALES, waiting(SALES, 99));
    assert_eq!(world.told.len(), 6, "a rule that is gone watches nothing");
}

/// A row of `alerts` as the fold makes it of an event.
fn shown(event: &Event) -> BTreeMap<Arc<str>, Row> {
    let Event::AlertFired(fired) = event else { panic!("fired") };
    let id = fired.alert_id.to_string();
    let row: Row = Arc::from([
        text(&id),
        text(&fired.rule_id.to_string()),
        text(&fired.rule),
        text(fired.severity.name()),
        text(&fired.dataset),
        text(&fired.row_key),
        text(&fired.row_key),
    ]);
    BTreeMap::from([(Arc::from(id), row)])
}

#[test]
fn after_a_restart_nothing_fires_twice_and_what_is_over_clears() {
    let mut before = World::new(rule(json!({"severity": "critical"})));
    before.put(1, SALES, waiting(SALES, 20));
    let fired = before.facts[0].clone();
    let mut rows = before.rows.clone();
    rows.insert("alerts", shown(&fired));

    let again = World::begun(2, rows.clone(), Some(rule(json!({}))), 100);
    assert_eq!(again.told, [""; 0], "it is open already");

    rows.get_mut("queue_live").unwrap().insert(SALES.into(), waiting(SALES, 4));
    let again = World::begun(2, rows.clone(), Some(rule(json!({}))), 100);
    assert_eq!(again.told, ["100 cleared 4"]);
    let (Event::AlertFired(fired), Event::AlertCleared(cleared)) = (&fired, &again.facts[0]) else {
        panic!("fired and cleared")
    };
    assert_eq!(cleared.alert_id, fired.alert_id);
    assert_eq!((cleared.severity, cleared.place), (fired.severity, fired.place));
    assert_eq!(cleared.reason, AlertClearReason::Recovered);

    let again = World::begun(2, rows.clone(), None, 100);
    assert_eq!(again.told, ["100 rule_changed"]);
    rows.remove("queue_live");
    let again = World::begun(2, rows, Some(rule(json!({}))), 100);
    assert_eq!(again.told, ["100 row_gone"]);
}

#[test]
fn the_id_of_an_alert_follows_from_rule_row_and_where_it_began() {
    let told = |began: i64| {
        let mut world = World::new(rule(json!({"for_ms": 10})));
        for count in 0..began {
            world.put(count, SALES, waiting(SALES, count));
        }
        world.put(began, SALES, waiting(SALES, 20));
        world.pass(100);
        let Event::AlertFired(fired) = &world.facts[0] else { panic!("fired") };
        (fired.alert_id, fired.began_position)
    };
    assert_eq!(told(3), told(3));
    assert_ne!(told(3).0, told(4).0);
}

#[test]
fn a_feed_that_begins_again_changes_nothing_that_is_known() {
    let mut world = World::new(rule(json!({"for_ms": 100})));
    world.put(0, SALES, waiting(SALES, 20));
    world.put(0, CARE, waiting(CARE, 20));
    world.pass(100);
    assert_eq!(world.told.len(), 2);
    world.put(110, SALES, waiting(SALES, 0));
    world.put(120, SALES, waiting(SALES, 20));
    // What was missed: care came back.
    let mut rows = world.rows.clone();
    rows.get_mut("queue_live").unwrap().insert(CARE.into(), waiting(CARE, 1));
    let rules: AlertRules = [(RULE, rule(json!({"for_ms": 100})))].into_iter().collect();
    world.evaluator.attach(&state(9, &rows), rules, at(200));
    world.listen();
    assert_eq!(world.told[2..], ["110 cleared 0", "200 cleared 1"]);
    world.pass(300);
    assert_eq!(world.told[4..], ["300 fired 20 since 200"], "how long it was out is not known");
}

proptest! {
    /// A figure that jumps about: alerts are where the signal says, fire after the whole time out of bounds, and never
    /// flap while it stays between the bounds.
    #[test]
    fn alerts_follow_the_signal(
        steps in prop::collection::vec((0..60_i64, 0..20_i64), 1..80),
        clear in 0..=10_i64,
        for_ms in prop_oneof![Just(0_i64), 1..150_i64],
    ) {
        let mut world =
            World::new(rule(json!({"clear_threshold": clear, "for_ms": for_ms})));
        let (mut now, mut signal) = (0, Vec::new());
        for (wait, count) in steps {
            now += wait;
            world.put(now, SALES, waiting(SALES, count));
            signal.push((now, count));
        }
        world.pass(now + 1_000);

        // The signal by itself: from when to when it has which value, later values of the same instant winning.
        let ends = signal.iter().skip(1).map(|(at, _)| *at).chain([now + 1_000]);
        let (mut expected, mut is_open, mut out_since) = (Vec::new(), false, None);
        for ((from, count), to) in signal.iter().copied().zip(ends) {
            if is_open && count <= clear {
                expected.push(format!("{from} cleared {count}"));
                is_open = false;
            }
            if is_open {
                continue;
            }
            out_since = (count > 10).then(|| out_since.unwrap_or(from));
            if let Some(since) = out_since.filter(|since| since + for_ms <= to) {
                let fires = (since + for_ms).max(from);
                expected.push(format!("{fires} fired {count} since {since}"));
                (is_open, out_since) = (true, None);
            }
        }
        prop_assert_eq!(&world.told, &expected);

        // What holds of any of it, said in another way.
        let is_beyond = |from: i64, to: i64, bound: i64| {
            let ends = signal.iter().skip(1).map(|(at, _)| *at).chain([i64::MAX]);
            let mut pieces = signal.iter().zip(ends).filter(|((at, _), end)| at < end);
            pieces.all(|((at, count), end)| end <= from || *at >= to || *count > bound)
        };
        let mut open_since = None;
        for fact in &world.facts {
            match fact {
                Event::AlertFired(it) => {
                    let began = (it.began_at.micros() - at(0).micros()) / 1_000;
                    prop_assert!(open_since.is_none(), "fired while open");
                    prop_assert!(is_beyond(began, began + for_ms, 10));
                    open_since = Some(began + for_ms);
                }
                Event::AlertCleared(it) => {
                    prop_assert!(open_since.take().is_some(), "cleared while calm");
                    prop_assert!(it.value.is_some_and(|value| value <= clear));
                }
                other => prop_assert!(false, "{}", other.event_type()),
            }
        }
    }
}
