//! Offers: made to the longest available, accepted, timed out, declined, failed, taken back.

use ledgerline_routing_core::RejectionCode;
use ledgerline_schemas::event::Event;
use ledgerline_schemas::event::agent::AgentStateName;
use ledgerline_schemas::event::media::MediaSide;
use ledgerline_schemas::event::routing::{DecisionTrigger, ExclusionReason, TieBreak};

use crate::scenario::{
    Scenario, accept, available, calls, connected, customer, idle, left, media_ended, reject, user,
};

fn one_call() -> Scenario {
    Scenario::new().straight_to("sales").given([calls(1), connected(1)])
}

#[test]
fn a_call_is_offered_connected_and_bridged() {
    Scenario::new()
        .straight_to("sales")
        .with_available(&[("ann", "one")])
        .given([calls(1)])
        .when(connected(1))
        .then(&[
            "media_leg.answered",
            "flow.started",
            "flow.step_entered",
            "queue.entered",
            "flow.step_exited",
            "flow.ended",
            "prompt.started",
            "routing.decision_made",
            "offer.made",
            "media_leg.dialled",
        ])
        .then_effects(&["loop music", "push AgentOfferContact", "dial sip:ann@pbx"])
        .wait(4_000)
        .phone_answers(1)
        .then(&[
            "media_leg.answered",
            "offer.accepted",
            "queue.left",
            "prompt.finished",
            "leg.connected",
            "media_leg.bridged",
        ])
        .then_effects(&["stop", "push AgentContactAssigned", "bridge"])
        .and(|it| {
            assert_eq!(it.talks_to(1), Some(user("ann")));
            let wait_ms = it.newest(|event| match event {
                Event::QueueLeft(left) => Some(left.wait_ms),
                _ => None,
            });
            assert_eq!(wait_ms, 4_000);
        });
}

#[test]
fn the_longest_available_agent_comes_first() {
    Scenario::new()
        .straight_to("sales")
        .with_available(&[("bob", "one"), ("ann", "one")])
        .given([calls(1), connected(1)])
        .and(|it| {
            assert_eq!(it.offered_to(1), Some(user("bob")));
            let decision = it.newest(|event| match event {
                Event::RoutingDecisionMade(decision) => Some(decision.clone()),
                _ => None,
            });
            assert_eq!(decision.trigger, DecisionTrigger::ContactQueued);
            assert_eq!(decision.tie_break, TieBreak::LongestAvailable);
            assert_eq!(decision.candidates_total, 2);
            assert_eq!(decision.config_position, it.state.config_position());
            assert!(decision.input_position < it.state.position());
            let ranked: Vec<_> = decision.candidates.iter().map(|it| it.agent_id).collect();
            assert_eq!(ranked, [user("bob"), user("ann")]);
        });
}

#[test]
fn agents_available_since_the_same_instant_are_told_apart_by_id() {
    use crate::scenario::login;
    let first = user("ann").min(user("bob"));
    Scenario::new()
        .straight_to("sales")
        .given([login("ann", "one"), login("bob", "one"), available("bob"), available("ann")])
        .given([calls(1), connected(1)])
        .and(|it| {
            assert_eq!(it.offered_to(1), Some(first));
            let tie_break = it.newest(|event| match event {
                Event::RoutingDecisionMade(decision) => Some(decision.tie_break),
                _ => None,
            });
            assert_eq!(tie_break, TieBreak::AgentId);
        });
}

#[test]
fn a_decision_without_candidate_says_who_was_left_out_and_why() {
    Scenario::new()
        .straight_to("sales")
        .with_available(&[("ann", "one"), ("bob", "one"), ("cat", "two")])
        .given([idle("ann"), calls(1), connected(1), calls(2), connected(2)])
        .and(|it| {
            let decision = it.newest(|event| match event {
                Event::RoutingDecisionMade(decision) => Some(decision.clone()),
                _ => None,
            });
            assert_eq!(decision.chosen_agent_id, None);
            assert_eq!(decision.excluded.get(&ExclusionReason::Idle), Some(&1));
            assert_eq!(decision.excluded.get(&ExclusionReason::CapacityFull), Some(&1));
            assert_eq!(decision.excluded.get(&ExclusionReason::NotInGroup), Some(&1));
            assert_eq!(decision.waiting_total, 1);
        });
}

#[test]
fn an_offer_that_rings_too_long_goes_to_the_next_agent() {
    one_call()
        .with_available(&[("ann", "one"), ("bob", "one")])
        .after(18_000)
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
        .then_effects(&[
            "push AgentOfferContactRona",
            "release agent NoAnswer",
            "push AgentStateChange",
            "push AgentOfferContact",
            "dial sip:bob@pbx",
        ])
        .and(|it| {
            let ann = it.state.agent(user("ann")).expect("logged in");
            assert_eq!(ann.state, AgentStateName::NotResponding);
            assert_eq!(it.offered_to(1), Some(user("bob")));
        })
        .phone_answers(1)
        .and(|it| assert_eq!(it.talks_to(1), Some(user("bob"))))
        .when(available("ann"))
        .then(&["agent_state.changed"]);
}

#[test]
fn a_busy_phone_is_a_rejection_and_any_other_failure_a_failed_offer() {
    one_call()
        .with_available(&[("ann", "one"), ("bob", "one")])
        .phone_fails(1, 486)
        .then(&[
            "media_leg.failed",
            "offer.rejected",
            "agent_state.changed",
            "routing.decision_made",
            "offer.made",
            "media_leg.dialled",
        ])
        .phone_fails(1, 503)
        .then(&["media_leg.failed", "offer.failed", "agent_state.changed", "routing.decision_made"])
        .and(|it| {
            assert_eq!(it.offered_to(1), None);
            let code = it.newest(|event| match event {
                Event::OfferFailed(failed) => Some(failed.code.clone()),
                _ => None,
            });
            assert_eq!(code, "sip_503");
        });
}

#[test]
fn a_phone_that_hangs_up_while_it_rings_is_a_failed_offer() {
    let scenario = one_call().with_available(&[("ann", "one")]);
    let (media_leg_id, _) = scenario.ringing(1);
    scenario.when(media_ended(1, media_leg_id, MediaSide::Agent)).then(&[
        "media_leg.ended",
        "offer.failed",
        "agent_state.changed",
        "routing.decision_made",
    ]);
}

#[test]
fn a_declined_offer_goes_on_without_that_agent() {
    one_call()
        .with_available(&[("ann", "one"), ("bob", "one")])
        .when(reject("ann", 1))
        .then(&[
            "offer.rejected",
            "agent_state.changed",
            "routing.decision_made",
            "offer.made",
            "media_leg.dialled",
        ])
        .when(reject("ann", 1))
        .then_refused(RejectionCode::Conflict, "interaction_id")
        .when(accept("bob", 1))
        .then_refused(RejectionCode::Conflict, "device");
}

#[test]
fn a_customer_who_leaves_while_it_rings_cancels_the_phone() {
    one_call()
        .with_available(&[("ann", "one")])
        .when(left(1))
        .then(&["offer.rescinded", "queue.left", "interaction.ended"])
        .then_effects(&["push AgentOfferContactRescinded", "release agent CallerLeft"])
        .wire_is_down(1)
        .and(|it| {
            assert!(it.state.interaction(customer(1)).is_none());
            assert!(it.state.agent(user("ann")).expect("logged in").work.is_empty());
        });
}

#[test]
fn going_idle_while_it_rings_gives_the_offer_back() {
    one_call()
        .with_available(&[("ann", "one"), ("bob", "one")])
        .when(idle("ann"))
        .then(&[
            "agent_state.changed",
            "offer.rescinded",
            "routing.decision_made",
            "offer.made",
            "media_leg.dialled",
        ])
        .and(|it| assert_eq!(it.offered_to(1), Some(user("bob"))));
}

#[test]
fn a_phone_that_answers_after_its_offer_is_released() {
    let scenario = one_call().with_available(&[("ann", "one")]);
    let (media_leg_id, offer_id) = scenario.ringing(1);
    let late = ledgerline_schemas::command::Command::MediaLegAnswered {
        interaction_id: customer(1),
        media_leg_id,
        side: MediaSide::Agent,
        offer_id: Some(offer_id),
        codec: "pcmu".to_owned(),
    };
    scenario
        .when(idle("ann"))
        .when(late.clone())
        .then(&["media_leg.answered"])
        .then_effects(&["release agent Done"])
        .given([left(1)])
        .wire_is_down(1)
        .when(late)
        .then(&["media_leg.answered"])
        .then_effects(&["release agent Done"]);
}
