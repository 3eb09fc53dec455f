//! Queues: order, widening, limits, longest wait, overflow.

use ledgerline_schemas::config::EntityKind;
use ledgerline_schemas::event::Event;
use ledgerline_schemas::event::interaction::{LastStage, TerminationReason};
use ledgerline_schemas::event::queue::{QueueLeaveReason, QueueSource};
use serde_json::json;

use crate::scenario::{
    Scenario, available, calls, connected, customer, customer_media_ended, dials, entity,
    entry_point, left, login, queue, team, user,
};

fn waiting(n: u32) -> Scenario {
    let mut scenario = Scenario::new().straight_to("sales");
    for caller in 1..=n {
        scenario = scenario.given([calls(caller), connected(caller)]).wait(10);
    }
    scenario
}

#[test]
fn an_agent_who_becomes_available_takes_the_longest_waiting() {
    waiting(3)
        .given([login("ann", "one")])
        .when(available("ann"))
        .then(&["agent_state.changed", "routing.decision_made", "offer.made", "media_leg.dialled"])
        .and(|it| {
            assert_eq!(it.offered_to(1), Some(user("ann")));
            assert_eq!(it.offered_to(2), None);
            let decision = it.newest(|event| match event {
                Event::RoutingDecisionMade(decision) => Some(decision.clone()),
                _ => None,
            });
            assert_eq!(decision.waiting_total, 3);
            let ranked: Vec<_> = decision.waiting.iter().map(|it| it.interaction_id).collect();
            assert_eq!(ranked, [customer(1), customer(2), customer(3)]);
        });
}

#[test]
fn priority_goes_before_time() {
    let urgent = json!({"start": "first", "activities": {
        "first": {"does": {"set_priority": {"priority": 1}}, "next": {"next": "queue"}},
        "queue": {"does": {"queue_contact": {"queue_id": queue("sales")}}},
    }});
    waiting(1)
        .with(EntityKind::Flow, "urgent", urgent)
        .with(EntityKind::EntryPoint, "vip", entry_point("voice", "911", "urgent"))
        .given([dials(2, "911"), connected(2)])
        .given([login("ann", "one"), available("ann")])
        .and(|it| assert_eq!(it.offered_to(2), Some(user("ann"))));
}

#[test]
fn a_wait_credit_counts_as_time_waited() {
    let sales = json!({
        "channel_type": "voice",
        "call_distribution_groups": [{"team_ids": [team("one")]}],
        "wait_credits": [{"priority": 10, "credit_ms": 5_000}],
    });
    // The first caller entered before the credit existed; the second gets it and passes.
    waiting(1)
        .with(EntityKind::Queue, "sales", sales)
        .after(1)
        .given([calls(2), connected(2), login("ann", "one"), available("ann")])
        .and(|it| assert_eq!(it.offered_to(2), Some(user("ann"))));
}

#[test]
fn the_search_widens_after_the_groups_wait() {
    waiting(1)
        .with_available(&[("cat", "two")])
        .and(|it| assert_eq!(it.offered_to(1), None))
        .after(10_000)
        .then(&[
            "timer.fired",
            "queue.group_escalated",
            "routing.decision_made",
            "offer.made",
            "media_leg.dialled",
        ])
        .and(|it| assert_eq!(it.offered_to(1), Some(user("cat"))));
}

#[test]
fn groups_without_wait_are_searched_at_once() {
    let sales = json!({
        "channel_type": "voice",
        "call_distribution_groups": [{"team_ids": [team("one")]}, {"team_ids": [team("two")]}],
    });
    Scenario::new()
        .with(EntityKind::Queue, "sales", sales)
        .straight_to("sales")
        .with_available(&[("cat", "two")])
        .given([calls(1), connected(1)])
        .and(|it| {
            assert_eq!(it.offered_to(1), Some(user("cat")));
            let group = it.newest(|event| match event {
                Event::RoutingDecisionMade(decision) => Some(decision.candidates[0].group),
                _ => None,
            });
            assert_eq!(group, 1);
        });
}

#[test]
fn a_changed_queue_is_searched_again_at_the_next_tick() {
    let sales = json!({
        "channel_type": "voice",
        "call_distribution_groups": [{"team_ids": [team("one"), team("two")]}],
    });
    waiting(1)
        .with_available(&[("cat", "two")])
        .with(EntityKind::Queue, "sales", sales)
        .after(0)
        .then(&["routing.decision_made", "offer.made", "media_leg.dialled"])
        .and(|it| assert_eq!(it.offered_to(1), Some(user("cat"))));
}

#[test]
fn a_changed_queue_nobody_can_serve_comes_to_rest() {
    let sales = json!({"channel_type": "voice"});
    waiting(2)
        .with(EntityKind::Queue, "sales", sales)
        .after(0)
        .then(&["routing.decision_made"])
        .after(0)
        .then(&[]);
}

fn short_wait(overflow: bool) -> Scenario {
    let mut sales = json!({
        "channel_type": "voice",
        "call_distribution_groups": [{"team_ids": [team("one")]}],
        "max_time_in_queue_ms": 15_000,
    });
    if overflow {
        sales["overflow_queue_id"] = json!(queue("support"));
    }
    let scenario = Scenario::new().with(EntityKind::Queue, "sales", sales).straight_to("sales");
    scenario.given([calls(1), connected(1)])
}

#[test]
fn the_longest_wait_ends_the_interaction() {
    short_wait(false)
        .after(15_000)
        .then(&["timer.fired", "queue.left", "interaction.ended"])
        .then_effects(&["release customer Done"])
        .and(|it| {
            let ended = it.newest(|event| match event {
                Event::InteractionEnded(ended) => Some(ended.clone()),
                _ => None,
            });
            assert_eq!(ended.reason, TerminationReason::MaxTimeInQueue);
            assert_eq!(ended.last_stage, LastStage::Queue);
        })
        .given([customer_media_ended(1)])
        .and(|it| assert_eq!(it.state.interactions().count(), 0));
}

#[test]
fn the_longest_wait_leads_into_the_overflow_queue() {
    short_wait(true)
        .with_available(&[("cat", "two")])
        .after(15_000)
        .then(&[
            "timer.fired",
            "queue.left",
            "queue.entered",
            "routing.decision_made",
            "offer.made",
            "media_leg.dialled",
        ])
        .and(|it| {
            assert_eq!(it.offered_to(1), Some(user("cat")));
            let entered = it.newest(|event| match event {
                Event::QueueEntered(entered) => Some(entered.clone()),
                _ => None,
            });
            assert_eq!((entered.source, entered.leg_no), (QueueSource::Overflow, 2));
            let reason = it.newest(|event| match event {
                Event::QueueLeft(left) => Some(left.reason),
                _ => None,
            });
            assert_eq!(reason, QueueLeaveReason::MaxTime);
        });
}

#[test]
fn an_open_offer_outlives_the_longest_wait() {
    short_wait(true)
        .after(10_000)
        .with_available(&[("ann", "one"), ("bob", "one")])
        .after(6_000)
        .then(&["timer.fired"])
        .and(|it| assert_eq!(it.offered_to(1), Some(user("ann"))))
        .phone_fails(1, 503)
        .then(&[
            "media_leg.failed",
            "offer.failed",
            "agent_state.changed",
            "queue.left",
            "queue.entered",
            "routing.decision_made",
        ]);
}

#[test]
fn a_full_queue_takes_the_error_branch() {
    let sales = json!({
        "channel_type": "voice",
        "call_distribution_groups": [{"team_ids": [team("one")]}],
        "max_active_interactions": 1,
    });
    Scenario::new()
        .with(EntityKind::Queue, "sales", sales)
        .straight_to("sales")
        .given([calls(1), connected(1), calls(2)])
        .when(connected(2))
        .then(&[
            "media_leg.answered",
            "flow.started",
            "flow.step_entered",
            "flow.error",
            "flow.ended",
            "interaction.ended",
        ])
        .then_effects(&["release customer Busy"]);
}

#[test]
fn a_customer_who_leaves_the_queue_has_abandoned() {
    waiting(1)
        .wait(2_000)
        .when(left(1))
        .then(&["queue.left", "interaction.ended"])
        .then_effects(&[])
        .and(|it| {
            let left = it.newest(|event| match event {
                Event::QueueLeft(left) => Some(left.clone()),
                _ => None,
            });
            assert_eq!((left.reason, left.wait_ms), (QueueLeaveReason::Abandoned, 2_010));
            assert_eq!(it.state.interactions().count(), 0);
        })
        .when(left(1))
        .then(&[])
        .when(customer_media_ended(1))
        .then(&["media_leg.ended"]);
}

#[test]
fn a_queue_with_waiting_legs_is_not_deleted() {
    use ledgerline_routing_core::RejectionCode;
    use ledgerline_schemas::command::Command;
    let delete = |name: &str| Command::DeleteEntity {
        kind: EntityKind::Queue,
        entity_id: entity(EntityKind::Queue, name),
        reason: None,
    };
    let other = crate::scenario::queue_flow("support");
    waiting(1)
        .when(delete("sales"))
        .then_refused(RejectionCode::Conflict, "activities")
        .with(EntityKind::Flow, "main", other)
        .when(delete("sales"))
        .then_refused(RejectionCode::Conflict, "in use")
        .given([left(1)])
        .when(delete("sales"))
        .then(&["config.queue.deleted"]);
}
