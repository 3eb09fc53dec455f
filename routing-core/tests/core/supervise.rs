//! What supervisors do with interactions: priority, assignment to agents, moves to queues.

use ledgerline_routing_core::RejectionCode;
use ledgerline_schemas::command::Command;
use ledgerline_schemas::config::EntityKind;
use ledgerline_schemas::event::Event;
use ledgerline_schemas::event::agent::{AgentStateName, SlotState};
use ledgerline_schemas::event::interaction::InteractionPrioritySet;
use ledgerline_schemas::event::leg::LegEndReason;
use ledgerline_schemas::event::offer::RescindReason;
use ledgerline_schemas::event::queue::{QueueEntered, QueueLeaveReason, QueueSource};
use ledgerline_schemas::event::routing::{DecisionTrigger, RoutingDecisionMade};
use ledgerline_schemas::id::{LegId, UserId};
use ledgerline_schemas::{Actor, ActorType};
use serde_json::json;

use crate::scenario::{
    Scenario, accept, assigns, available, calls, chats, connected, customer, hold, idle, left,
    login, moves, prioritizes, queue, team, user, wraps_up,
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
            let expected = InteractionPrioritySet { interaction_id: customer(3), old: 10, new: 2 };
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

fn decision(it: &Scenario) -> RoutingDecisionMade {
    it.newest(|event| match event {
        Event::RoutingDecisionMade(decision) => Some(decision.clone()),
        _ => None,
    })
}

fn entry(it: &Scenario) -> QueueEntered {
    it.newest(|event| match event {
        Event::QueueEntered(entered) => Some(entered.clone()),
        _ => None,
    })
}

/// By whom and from whom the newest assignment was.
fn assignment(it: &Scenario) -> (Option<UserId>, UserId, Option<UserId>) {
    it.newest(|event| match event {
        Event::RoutingManualAssigned(it) => Some((it.by, it.agent_id, it.from_agent_id)),
        _ => None,
    })
}

/// Who acted in each event of the newest outcome.
fn actors(it: &Scenario) -> Vec<ActorType> {
    let newest = it.types().len();
    it.log[it.log.len() - newest..].iter().map(|event| event.actor.kind).collect()
}

#[test]
fn a_waiting_call_is_pulled_to_an_agent_whose_team_is_not_searched_yet() {
    waiting(2)
        .with_available(&[("cat", "two")])
        .when_by(supervisor(), assigns(2, "cat"))
        .then(&[
            "routing.manual_assigned",
            "routing.decision_made",
            "offer.made",
            "media_leg.dialled",
        ])
        .then_effects(&["push AgentOfferContact", "dial sip:cat@pbx"])
        .and(|it| {
            assert_eq!(it.offered_to(2), Some(user("cat")));
            assert_eq!(assignment(it), (Some(user("cat")), user("cat"), None));
            use ActorType::{Router, Supervisor};
            assert_eq!(actors(it), [Supervisor, Supervisor, Router, Router]);
            let decision = decision(it);
            assert_eq!(decision.trigger, DecisionTrigger::Manual);
            assert_eq!(decision.policy, "manual_assignment");
            assert_eq!(decision.chosen_agent_id, Some(user("cat")));
            assert_eq!((decision.candidates_total, decision.waiting_total), (1, 2));
            assert_eq!(decision.candidates[0].group, 1, "team two is in the second group");
        })
        .phone_answers(2)
        .and(|it| assert_eq!(it.talks_to(2), Some(user("cat"))));
}

#[test]
fn an_offer_by_hand_that_rings_out_goes_back_to_the_line() {
    let ring_ms = 20_000;
    let sales = json!({
        "channel_type": "voice",
        "call_distribution_groups": [{"team_ids": [team("one")]}],
        "ring_timeout_ms": ring_ms,
    });
    waiting(1)
        .with(EntityKind::Queue, "sales", sales)
        .after(0)
        .with_available(&[("cat", "two")])
        .given([assigns(1, "cat")])
        .and(|it| assert_eq!(decision(it).candidates[0].group, 1, "after all groups"))
        .after(ring_ms)
        .then(&[
            "timer.fired",
            "timer.fired",
            "offer.timed_out",
            "agent_state.changed",
            "routing.decision_made",
        ])
        .and(|it| {
            let cat = it.state.agent(user("cat")).expect("logged in");
            assert_eq!(cat.state, AgentStateName::NotResponding);
            assert_eq!(it.state.waiting_in(queue("sales")), 1);
        })
        .given([login("ann", "one"), available("ann")])
        .and(|it| assert_eq!(it.offered_to(1), Some(user("ann"))));
}

#[test]
fn an_offered_call_rings_at_another_agent_instead() {
    waiting(1)
        .with_available(&[("ann", "one"), ("bob", "one")])
        .and(|it| assert_eq!(it.offered_to(1), Some(user("ann"))))
        .when_by(supervisor(), assigns(1, "bob"))
        .then(&[
            "offer.rescinded",
            "routing.manual_assigned",
            "routing.decision_made",
            "offer.made",
            "media_leg.dialled",
        ])
        .then_effects(&[
            "push AgentOfferContactRescinded",
            "release agent Done",
            "push AgentOfferContact",
            "dial sip:bob@pbx",
        ])
        .and(|it| {
            assert_eq!(it.offered_to(1), Some(user("bob")));
            assert_eq!(assignment(it).2, Some(user("ann")));
            let reason = it.newest(|event| match event {
                Event::OfferRescinded(it) => Some(it.reason),
                _ => None,
            });
            assert_eq!(reason, RescindReason::Reassigned);
            let ann = it.state.agent(user("ann")).expect("logged in");
            assert!(ann.work.is_empty() && ann.state == AgentStateName::Available);
        });
}

#[test]
fn a_held_call_is_taken_from_its_agent_who_wraps_up_and_rings_at_another() {
    waiting(1)
        .with_available(&[("ann", "one"), ("bob", "one")])
        .phone_answers(1)
        .given([hold("ann", 1)])
        .wait(5_000)
        .when_by(supervisor(), assigns(1, "bob"))
        .then(&[
            "prompt.finished",
            "hold.ended",
            "leg.disconnected",
            "wrapup.started",
            "queue.entered",
            "prompt.started",
            "routing.manual_assigned",
            "routing.decision_made",
            "offer.made",
            "media_leg.dialled",
        ])
        .and(|it| {
            let reason = it.newest(|event| match event {
                Event::LegDisconnected(it) => Some(it.reason),
                _ => None,
            });
            assert_eq!(reason, LegEndReason::Supervisor);
            let entered = entry(it);
            assert_eq!(entered.source, QueueSource::Supervisor);
            assert_eq!((entered.queue_id, entered.leg_no), (queue("sales"), 2));
            let ann = it.state.agent(user("ann")).expect("logged in");
            assert!(ann.work.values().all(|work| work.slot == SlotState::Wrapup));
            assert_eq!(assignment(it), (Some(user("cat")), user("bob"), Some(user("ann"))));
        })
        .phone_answers(1)
        .and(|it| assert_eq!(it.talks_to(1), Some(user("bob"))))
        .given([wraps_up("ann", 1)]);
}

#[test]
fn a_chat_changes_hands_without_a_phone() {
    Scenario::new()
        .with_available(&[("ann", "one"), ("cat", "two")])
        .given([chats(1), connected(1), accept("ann", 1)])
        .when_by(supervisor(), assigns(1, "cat"))
        .then(&[
            "leg.disconnected",
            "wrapup.started",
            "queue.entered",
            "routing.manual_assigned",
            "routing.decision_made",
            "offer.made",
        ])
        .given([accept("cat", 1)])
        .and(|it| assert_eq!(it.talks_to(1), Some(user("cat"))));
}

#[test]
fn a_waiting_call_moves_to_another_queue_and_is_searched_there_at_once() {
    waiting(1)
        .with_available(&[("cat", "two")])
        .when_by(supervisor(), moves(1, "support"))
        .then(&[
            "queue.left",
            "queue.entered",
            "routing.decision_made",
            "offer.made",
            "media_leg.dialled",
        ])
        .and(|it| {
            let left = it.newest(|event| match event {
                Event::QueueLeft(left) => Some(left.clone()),
                _ => None,
            });
            assert_eq!((left.reason, left.queue_id), (QueueLeaveReason::Moved, queue("sales")));
            let entered = entry(it);
            assert_eq!((entered.source, entered.leg_no), (QueueSource::Supervisor, 2));
            assert_eq!(it.offered_to(1), Some(user("cat")));
            assert_eq!(actors(it)[..2], [ActorType::Supervisor, ActorType::Supervisor]);
        });
}

#[test]
fn offered_and_connected_calls_move_to_queues_too() {
    waiting(1)
        .with_available(&[("ann", "one")])
        .when(moves(1, "support"))
        .then(&["offer.rescinded", "queue.left", "queue.entered", "routing.decision_made"])
        .and(|it| assert_eq!(it.offered_to(1), None))
        .given([moves(1, "sales")])
        .phone_answers(1)
        .wait(1_000)
        .when(moves(1, "support"))
        .then(&[
            "leg.disconnected",
            "wrapup.started",
            "queue.entered",
            "prompt.started",
            "routing.decision_made",
        ])
        .and(|it| assert_eq!(entry(it).source, QueueSource::Supervisor))
        .given([wraps_up("ann", 1), moves(1, "sales")])
        .phone_answers(1)
        // Back to the queue it came from: somebody else of the team shall take it.
        .when(moves(1, "sales"))
        .and(|it| assert_eq!(it.state.waiting_in(queue("sales")), 1));
}

#[test]
fn what_cannot_be_given_is_refused_with_the_reason() {
    let full = json!({
        "channel_type": "voice",
        "call_distribution_groups": [{"team_ids": [team("two")]}],
        "max_active_interactions": 1,
    });
    let scenario = waiting(2)
        .when(assigns(9, "ann"))
        .then_refused(RejectionCode::NotFound, "interaction_id")
        .when(assigns(1, "ann"))
        .then_refused(RejectionCode::Conflict, "not logged in")
        .given([login("cat", "two")])
        .when(assigns(1, "cat"))
        .then_refused(RejectionCode::Conflict, "agent_id: this agent cannot be offered it: idle")
        .given([available("cat"), assigns(1, "cat")])
        .when(assigns(1, "cat"))
        .then_refused(RejectionCode::Conflict, "agent_id: this agent is offered")
        .when(assigns(2, "cat"))
        .then_refused(RejectionCode::Conflict, "capacity_full")
        .phone_answers(1)
        .when(assigns(1, "cat"))
        .then_refused(RejectionCode::Conflict, "has it already")
        .when(Command::AssignToAgent {
            interaction_id: customer(2),
            leg_id: Some(LegId::from_u128(1)),
            agent_id: user("cat"),
        })
        .then_refused(RejectionCode::Conflict, "gone on");
    scenario
        .when(moves(9, "support"))
        .then_refused(RejectionCode::NotFound, "interaction_id")
        .when(moves(2, "sales"))
        .then_refused(RejectionCode::Conflict, "queue_id")
        .when(moves(2, "nowhere"))
        .then_refused(RejectionCode::NotFound, "queue_id")
        .when(moves(2, "chats"))
        .then_refused(RejectionCode::Invalid, "wrong_channel")
        .with(EntityKind::Queue, "support", full)
        .given([moves(1, "support")])
        .when(moves(2, "support"))
        .then_refused(RejectionCode::Busy, "queue_id")
        .given([idle("cat"), left(1)])
        .when(moves(1, "sales"))
        .then_refused(RejectionCode::NotFound, "interaction_id");
    Scenario::new()
        .with_available(&[("ann", "one")])
        .given([calls(1), connected(1)])
        .when(assigns(1, "ann"))
        .then_refused(RejectionCode::Conflict, "neither in a queue")
        .when(moves(1, "sales"))
        .then_refused(RejectionCode::Conflict, "neither in a queue");
}
