//! Time: what is due, late ticks, history of others.

use ledgerline_routing_core::{Committed, evolve, next_timeout, react, snapshot};
use ledgerline_schemas::command::Command;
use ledgerline_schemas::event::Event;
use ledgerline_schemas::{Actor, ActorType};

use crate::scenario::{Scenario, calls, connected, left};

#[test]
fn nothing_timed_means_no_timeout_and_an_empty_tick() {
    let scenario = Scenario::new();
    assert_eq!(next_timeout(&scenario.state), None);
    scenario.when(Command::Tick).then(&[]);
}

#[test]
fn the_earliest_timer_is_due_first() {
    let scenario = Scenario::new().straight_to("sales").given([calls(1), connected(1)]);
    let widening = scenario.now.plus_ms(10_000);
    assert_eq!(next_timeout(&scenario.state), Some(widening));
    let scenario = scenario.with_available(&[("ann", "one")]);
    assert_eq!(next_timeout(&scenario.state), Some(widening));
    let expiry = scenario.now.minus_ms(1).plus_ms(18_000);
    let scenario = scenario.after(10_000);
    assert_eq!(next_timeout(&scenario.state), Some(expiry));
    let scenario = scenario.given([left(1)]);
    assert_eq!(next_timeout(&scenario.state), None);
}

#[test]
fn a_late_tick_fires_everything_in_order_with_the_time_it_was_due() {
    Scenario::new()
        .straight_to("sales")
        .given([calls(1), connected(1)])
        .with_available(&[("ann", "one"), ("bob", "one")])
        .wait(100_000)
        .when(Command::Tick)
        .then(&[
            "timer.fired",
            "queue.group_escalated",
            "timer.fired",
            "offer.timed_out",
            "agent_state.changed",
            "routing.decision_made",
            "offer.made",
            "media_leg.dialled",
        ])
        .when(Command::Tick)
        .then(&[])
        .and(|it| {
            let due: Vec<_> = it
                .log
                .iter()
                .filter_map(|committed| match &committed.event {
                    Event::TimerFired(fired) => Some(fired.due_at),
                    _ => None,
                })
                .collect();
            assert!(due.is_sorted());
            assert!(due.iter().all(|at| *at < it.now));
        });
}

#[test]
fn history_that_others_import_changes_nothing() {
    let scenario = Scenario::new().given([calls(1), connected(1)]);
    let mut state = scenario.state.clone();
    for committed in &scenario.log {
        let imported = Committed {
            actor: Actor::new(ActorType::Importer, "anonymous-bank"),
            ..committed.clone()
        };
        evolve(&mut state, &imported);
        assert_eq!(react(&state, &imported), []);
    }
    assert_eq!(snapshot::hash(&state), snapshot::hash(&scenario.state));
}
