//! What supervisors do with interactions: priority of those that wait.

use ledgerline_routing_core::RejectionCode;
use ledgerline_schemas::command::Command;
use ledgerline_schemas::event::Event;
use ledgerline_schemas::event::interaction::InteractionPrioritySet;
use ledgerline_schemas::id::LegId;
use ledgerline_schemas::{Actor, ActorType};

use crate::scenario::{
    Scenario, available, calls, connected, customer, left, login, prioritizes, user,
};

fn supervisor() -> Actor {
    Actor::new(ActorType::Supervisor, user("cat"))
}

/// Callers 1 to `n` wait for sales; nobody is there.
fn waiting(n: u32) -> Scenario {
    let mut scenario = Scenario::new().straight_to("sales");
    for caller in 1..=n {
        scenario = scenario.given([calls(caller), connected(caller)]).wait(10);
    }
    scenario
}

#[test]
fn a_changed_priority_changes_the_order_of_waiting_at_once() {
    waiting(3)
        .when_by(supervisor(), prioritizes(3, 2))
        .then(&["interaction.priority_set"])
        .then_effects(&[])
        .and(|it| {
            let set = it.log.last().expect("an event");
            let expected =
                InteractionPrioritySet { interaction_id: customer(3), old: 10, new: 2 };
            assert_eq!(set.event, Event::InteractionPrioritySet(expected));
            assert_eq!(set.actor, supervisor());
        })
        .when_by(supervisor(), prioritizes(2, 1))
        .then(&["interaction.priority_set"])
        .given([login("ann", "one"), available("ann")])
        .and(|it| {
            assert_eq!(it.offered_to(2), Some(user("ann")));
            let decision = it.newest(|event| match event {
                Event::RoutingDecisionMade(decision) => Some(decision.clone()),
                _ => None,
            });
            let ranked: Vec<_> =
                decision.waiting.iter().map(|it| (it.interaction_id, it.priority)).collect();
            assert_eq!(ranked, [(customer(2), 1), (customer(3), 2), (customer(1), 10)]);
        });
}

#[test]
fn a_lower_priority_goes_behind_and_the_same_is_nothing_new() {
    waiting(2)
        .given([prioritizes(1, 4), prioritizes(2, 4)])
        .when(prioritizes(2, 4))
        .then(&[])
        .when(prioritizes(1, 10))
        .then(&["interaction.priority_set"])
        .given([login("ann", "one"), available("ann")])
        .and(|it| assert_eq!(it.offered_to(2), Some(user("ann"))));
}

#[test]
fn priority_is_refused_where_nothing_waits_or_the_value_is_none() {
    waiting(1)
        .when(prioritizes(1, 0))
        .then_refused(RejectionCode::Invalid, "priority")
        .when(prioritizes(1, 11))
        .then_refused(RejectionCode::Invalid, "priority")
        .when(prioritizes(7, 1))
        .then_refused(RejectionCode::NotFound, "interaction_id")
        .when(Command::SetPriority {
            interaction_id: customer(1),
            leg_id: Some(LegId::from_u128(1)),
            priority: 1,
        })
        .then_refused(RejectionCode::Conflict, "gone on")
        .given([login("ann", "one"), available("ann")])
        .when(prioritizes(1, 1))
        .then_refused(RejectionCode::Conflict, "no longer waits")
        .phone_answers(1)
        .when(prioritizes(1, 1))
        .then_refused(RejectionCode::Conflict, "no longer waits")
        .given([left(1)])
        .when(prioritizes(1, 1))
        .then_refused(RejectionCode::NotFound, "interaction_id");
    // Still hears the welcome.
    Scenario::new()
        .given([calls(1), connected(1)])
        .when(prioritizes(1, 1))
        .then_refused(RejectionCode::Conflict, "neither in a queue");
}
