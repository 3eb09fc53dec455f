//! Due, run, delivered, exactly as far as the log says: under random failures, crashes, restarts and downtimes.

use std::collections::{BTreeMap, BTreeSet};

use futures::FutureExt as _;
use ledgerline_connectors::reports::due::Due;
use ledgerline_connectors::reports::{Asked, Clock as _, Scheduler};
use ledgerline_schemas::event::ConfigVerb;
use ledgerline_schemas::event::report::{AttemptOutcome, ReportTrigger};
use ledgerline_schemas::{Event, Timestamp};
use proptest::prelude::*;
use serde_json::json;

use super::world::{Fate, World, document};

const BEGIN: &str = "2026-03-28T10:00:00Z";
const HOUR_MS: u64 = 3_600_000;

/// One step, ended by a crash if one comes; true when it crashed.
fn step(world: &World, scheduler: &Scheduler) -> bool {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        // Of several that crash together, the others have told too.
        let _ = world.fates.crash.notified().now_or_never();
        tokio::select! {
            done = scheduler.step() => { done.unwrap(); false }
            () = world.fates.crash.notified() => true,
        }
    })
}

fn outcomes(world: &World) -> Vec<String> {
    let told = world.told().into_iter().map(|(_, event)| match event {
        Event::AccessReportRun(it) => format!("run {} {}", it.attempt, it.outcome.name()),
        Event::AccessReportDelivered(it) => {
            format!("{} {} {}", it.channel, it.attempt, it.outcome.name())
        }
        other => panic!("{other:?}"),
    });
    told.collect()
}

/// What has to hold whatever happened, once everything is quiet: `since` is when the schedule began.
fn check(world: &World, due: &Due, since: Timestamp, all: bool) -> Result<(), TestCaseError> {
    let told = world.told();
    let mut over = BTreeMap::new();
    let mut runs: BTreeMap<Timestamp, (AttemptOutcome, u32, BTreeSet<_>)> = BTreeMap::new();
    for (position, event) in &told {
        match event {
            Event::AccessReportRun(it) => {
                if let Some((before, ..)) = runs.get(&it.due_at) {
                    prop_assert_eq!(*before, AttemptOutcome::Failed, "run again: {:?}", it);
                }
                let ids = it.delivery_ids.iter().copied().collect();
                runs.insert(it.due_at, (it.outcome, it.skipped, ids));
            }
            Event::AccessReportDelivered(it) => {
                prop_assert!(!over.contains_key(&it.delivery_id), "told after its end: {it:?}");
                if it.outcome != AttemptOutcome::Failed {
                    over.insert(it.delivery_id, (*position, it.outcome));
                }
            }
            other => prop_assert!(false, "{other:?}"),
        }
    }
    // Nothing is lost: every run is over, and everything it had to deliver.
    for (due_at, (outcome, _, ids)) in &runs {
        prop_assert!(*outcome != AttemptOutcome::Failed, "{due_at} is still open");
        for id in ids {
            prop_assert!(over.contains_key(id), "{due_at}: {id} is neither delivered nor given up");
        }
    }
    // Every due time was run or is accounted for.
    let (times, more) = due.between(since, world.clock.now());
    prop_assert_eq!(more, 0);
    if all {
        let ran: Vec<_> = runs.keys().copied().collect();
        prop_assert_eq!(ran, times);
    } else {
        prop_assert!(runs.keys().all(|at| times.contains(at)));
        let skipped: usize = runs.values().map(|(_, skipped, _)| *skipped as usize).sum();
        prop_assert_eq!(runs.len() + skipped, times.len());
        prop_assert_eq!(runs.keys().last(), times.last());
    }
    // Nothing is delivered again once the log says that it is over, and what the log says is true.
    let taken = world.fates.taken.lock().unwrap();
    for (id, head) in &*taken {
        let (position, _) = over.get(id).copied().unwrap_or_default();
        prop_assert!(*head < position, "{id} was delivered at {head}, after its end at {position}");
    }
    for (id, (_, outcome)) in over {
        let was_taken = taken.iter().any(|(it, _)| *it == id);
        prop_assert!(outcome != AttemptOutcome::Done || was_taken, "{id} was never delivered");
    }
    Ok(())
}

fn fate() -> impl Strategy<Value = Fate> {
    prop_oneof![
        4 => Just(Fate::Well),
        3 => Just(Fate::Later),
        1 => Just(Fate::Never),
        2 => Just(Fate::CrashBefore),
        2 => Just(Fate::CrashAfter),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn nothing_is_lost_and_nothing_comes_after_its_end(
        runs in proptest::collection::vec(fate(), 0..40),
        deliveries in proptest::collection::vec(fate(), 0..80),
        // How long until the next look, ms, and whether the process was down meanwhile.
        passes in proptest::collection::vec((1_000_u64..5 * HOUR_MS, any::<bool>(), any::<bool>()), 1..25),
        all in any::<bool>(),
    ) {
        let world = World::at(BEGIN);
        let since = world.clock.now();
        let when = json!({"hourly": {"minute": 30}});
        world.configure(document(when, if all { "all" } else { "newest" }));
        world.fates.runs.lock().unwrap().extend(runs);
        world.fates.deliveries.lock().unwrap().extend(deliveries);
        let mut scheduler = world.scheduler(false);
        for (ms, restart, by_tables) in passes {
            world.pass_ms(ms);
            if restart {
                scheduler = world.scheduler(by_tables);
            }
            while step(&world, &scheduler) {
                scheduler = world.scheduler(by_tables);
            }
        }
        // Better times: retries come to their end. Less than an hour each, so that no run is left out.
        world.fates.runs.lock().unwrap().clear();
        world.fates.deliveries.lock().unwrap().clear();
        for _ in 0..12 {
            world.pass_ms(HOUR_MS / 4);
            prop_assert!(!step(&world, &scheduler));
        }
        let due = Due::new(
            &ledgerline_schemas::config::report_schedule::ScheduleWhen::Hourly { minute: 30 },
            "Europe/Brussels",
        ).unwrap();
        check(&world, &due, since, all)?;
    }
}

#[test]
fn failures_are_tried_again_later_and_given_up_at_last() {
    let world = World::at(BEGIN);
    world.configure(document(json!({"daily": {"at": "12:00"}}), "newest"));
    world.fates.runs.lock().unwrap().extend([Fate::Later, Fate::Well]);
    let fates = [Fate::Later, Fate::Never, Fate::Later, Fate::Later, Fate::Later];
    world.fates.deliveries.lock().unwrap().extend(fates);
    let scheduler = world.scheduler(false);
    // 12:00 in Brussels is 11:00 UTC.
    assert!(!step(&world, &scheduler));
    assert!(outcomes(&world).is_empty());
    world.pass_ms(HOUR_MS);
    let mut seen = Vec::new();
    let mut waits = Vec::new();
    for _ in 0..100 {
        let before = outcomes(&world).len();
        assert!(!step(&world, &scheduler));
        if outcomes(&world).len() > before {
            seen = outcomes(&world);
            waits.push(world.clock.now());
        }
        world.pass_ms(10_000);
    }
    assert_eq!(
        seen,
        [
            "run 1 failed",
            "run 2 done",
            "file 1 failed",
            "webhook 1 given_up",
            "file 2 failed",
            "file 3 failed",
            "file 4 given_up",
        ]
    );
    let gaps: Vec<u64> = waits.windows(2).map(|pair| pair[1].ms_since(pair[0])).collect();
    // 30 s, then from the delivery's first failure 30, 60 and 120 s, each with a quarter to either side.
    for (gap, wait) in gaps.iter().zip([30_000, 30_000, 60_000, 120_000]) {
        assert!((wait * 3 / 4..=wait * 5 / 4 + 10_000).contains(gap), "{gaps:?}");
    }
    assert_eq!(gaps.len(), 4);
}

#[test]
fn a_schedule_counts_from_its_last_change_and_ends_with_it() {
    let world = World::at(BEGIN);
    let scheduler = world.scheduler(false);
    // Nothing is due for the time before it was written.
    world.configure(document(json!({"every_minutes": 30}), "all"));
    world.pass_ms(HOUR_MS);
    assert!(!step(&world, &scheduler));
    assert_eq!(outcomes(&world).len(), 6, "{:?}", outcomes(&world));
    // Other times count from the change on.
    world.pass_ms(10 * 60_000);
    world.configure(document(json!({"every_minutes": 5}), "all"));
    world.pass_ms(5 * 60_000);
    assert!(!step(&world, &scheduler));
    assert_eq!(outcomes(&world).len(), 9);
    // Switched off, with a delivery still open: nothing more.
    world.fates.deliveries.lock().unwrap().extend([Fate::Later, Fate::Later]);
    world.pass_ms(5 * 60_000);
    assert!(!step(&world, &scheduler));
    let mut off = document(json!({"every_minutes": 5}), "all");
    off["active"] = json!(false);
    world.configure(off);
    world.pass_ms(HOUR_MS);
    assert!(!step(&world, &scheduler));
    assert_eq!(outcomes(&world).len(), 12);
    assert_eq!(scheduler.list().unwrap()[0].next_due, None);
    // On again, then gone.
    world.configure(document(json!({"every_minutes": 5}), "all"));
    let next = scheduler.list().unwrap()[0].next_due.unwrap();
    assert_eq!(next.ms_since(world.clock.now()), 5 * 60_000);
    world.change(ConfigVerb::Deleted, None);
    world.pass_ms(HOUR_MS);
    assert!(!step(&world, &scheduler));
    assert_eq!(outcomes(&world).len(), 12);
    assert!(scheduler.list().unwrap().is_empty());
}

#[test]
fn somebody_can_ask_for_a_run_which_is_not_the_one_that_is_due() {
    let world = World::at(BEGIN);
    world.configure(document(json!({"daily": {"at": "12:00"}}), "newest"));
    let scheduler = world.scheduler(false);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    world.fates.deliveries.lock().unwrap().extend([Fate::Well, Fate::Later]);
    let asked = runtime.block_on(scheduler.deliver_now("Queues", "ann")).unwrap();
    let Asked::Ran(ran) = asked else { panic!("{asked:?}") };
    let told: Vec<_> = ran.deliveries.iter().map(|it| (it.channel.as_str(), it.outcome)).collect();
    assert!(told.contains(&("file", AttemptOutcome::Done)), "{told:?}");
    assert!(told.contains(&("webhook", AttemptOutcome::Failed)), "{told:?}");
    let (_, Event::AccessReportRun(run)) = &world.told()[0] else { panic!("no run") };
    assert_eq!((run.trigger, run.requested_by.as_deref()), (ReportTrigger::Requested, Some("ann")));
    assert_eq!(runtime.block_on(scheduler.deliver_now("Nothing", "ann")).unwrap(), Asked::Unknown);
    // What failed is tried again, also after a restart; what is due comes all the same.
    let scheduler = world.scheduler(true);
    world.pass_ms(HOUR_MS);
    assert!(!step(&world, &scheduler));
    let expected =
        ["run 1 done", "file 1 done", "webhook 1 failed", "webhook 2 done", "run 1 done"];
    let all = outcomes(&world);
    for one in expected {
        assert!(all.contains(&one.to_owned()), "{all:?}");
    }
    assert_eq!(all.len(), 7, "{all:?}");
}
