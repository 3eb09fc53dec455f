//! Conversations: hold, transfer, end from either side, wrap-up.

use ledgerline_routing_core::RejectionCode;
use ledgerline_schemas::config::EntityKind;
use ledgerline_schemas::event::Event;
use ledgerline_schemas::event::agent::SlotState;
use ledgerline_schemas::event::interaction::{LastStage, TerminatingEnd, TerminationReason};
use ledgerline_schemas::event::media::MediaSide;
use ledgerline_schemas::event::queue::QueueSource;
use ledgerline_schemas::event::wrapup::WrapUpEndedBy;
use serde_json::{Value, json};

use crate::scenario::{
    Scenario, calls, connected, customer, customer_media_ended, ends, hold, left, media_ended,
    queue, team, transfers, unhold, user, wraps_up,
};

fn talking() -> Scenario {
    talking_in(Scenario::new())
}

fn talking_in(scenario: Scenario) -> Scenario {
    scenario
        .straight_to("sales")
        .with_available(&[("ann", "one")])
        .given([calls(1), connected(1)])
        .phone_answers(1)
        .wait(30_000)
}

fn sales_with(wrapup: Value) -> Value {
    json!({
        "channel_type": "voice",
        "call_distribution_groups": [{"team_ids": [team("one")]}],
        "wrapup_ms": wrapup,
    })
}

#[test]
fn the_agent_ends_wraps_up_and_is_free_again() {
    talking()
        .when(ends("ann", 1))
        .then(&["leg.disconnected", "wrapup.started", "interaction.ended"])
        .then_effects(&[
            "push ContactEnded",
            "release agent Done",
            "push AgentWrapup",
            "release customer Done",
        ])
        .and(|it| {
            let ended = it.newest(|event| match event {
                Event::InteractionEnded(ended) => Some(ended.clone()),
                _ => None,
            });
            assert_eq!(ended.terminating_end, TerminatingEnd::Agent);
            assert_eq!(ended.reason, TerminationReason::AgentEnded);
            assert_eq!(ended.last_stage, LastStage::Connected);
            let connected_ms = it.newest(|event| match event {
                Event::LegDisconnected(it) => Some(it.connected_ms),
                _ => None,
            });
            assert_eq!(connected_ms, 30_000);
        })
        .given([calls(2), connected(2)])
        .and(|it| assert_eq!(it.offered_to(2), None, "wrap-up keeps the slot"))
        .when(wraps_up("ann", 1))
        .then(&[
            "wrapup.code_set",
            "wrapup.ended",
            "routing.decision_made",
            "offer.made",
            "media_leg.dialled",
        ])
        .and(|it| assert_eq!(it.offered_to(2), Some(user("ann"))))
        .wire_is_down(1)
        .and(|it| assert!(it.state.interaction(customer(1)).is_none()))
        .when(ends("ann", 1))
        .then_refused(RejectionCode::NotFound, "interaction_id")
        .when(wraps_up("ann", 1))
        .then_refused(RejectionCode::Conflict, "interaction_id");
}

#[test]
fn the_customer_hangs_up() {
    talking()
        .when(customer_media_ended(1))
        .then(&["media_leg.ended", "leg.disconnected", "wrapup.started", "interaction.ended"])
        .then_effects(&["push ContactEnded", "release agent Done", "push AgentWrapup"])
        .when(left(1))
        .then(&[]);
}

#[test]
fn the_agents_phone_hangs_up() {
    let scenario = talking();
    let media = scenario.state.interaction(customer(1)).expect("live").connection().cloned();
    let media_leg_id = media.expect("connected").media_leg_id.expect("a phone");
    scenario
        .when(media_ended(1, media_leg_id, MediaSide::Agent))
        .then(&["media_leg.ended", "leg.disconnected", "wrapup.started", "interaction.ended"])
        .then_effects(&["push ContactEnded", "push AgentWrapup", "release customer Done"])
        .when(media_ended(1, media_leg_id, MediaSide::Agent))
        .then(&["media_leg.ended"]);
}

#[test]
fn hold_plays_music_and_unhold_bridges_again() {
    talking()
        .when(hold("ann", 1))
        .then(&["hold.started", "prompt.started"])
        .then_effects(&["unbridge", "push AgentContactHeld", "loop music"])
        .and(|it| {
            let ann = it.state.agent(user("ann")).expect("logged in");
            assert!(ann.work.values().all(|work| work.slot == SlotState::Hold));
        })
        .when(hold("ann", 1))
        .then(&[])
        .when(unhold("ann", 1))
        .then(&["prompt.finished", "hold.ended", "media_leg.bridged"])
        .then_effects(&["stop", "push AgentContactUnheld", "bridge"])
        .when(unhold("ann", 1))
        .then(&[])
        .when(hold("bob", 1))
        .then_refused(RejectionCode::Conflict, "interaction_id");
}

#[test]
fn a_customer_who_leaves_on_hold_closes_the_hold() {
    talking().given([hold("ann", 1)]).when(left(1)).then(&[
        "prompt.finished",
        "hold.ended",
        "leg.disconnected",
        "wrapup.started",
        "interaction.ended",
    ]);
}

#[test]
fn a_transfer_makes_a_new_leg_in_the_other_queue() {
    talking()
        .with_available(&[("cat", "two")])
        .when(transfers("ann", 1, "support"))
        .then(&[
            "transfer.requested",
            "leg.disconnected",
            "wrapup.started",
            "queue.entered",
            "transfer.completed",
            "prompt.started",
            "routing.decision_made",
            "offer.made",
            "media_leg.dialled",
        ])
        .then_effects(&[
            "push AgentVteamTransferred",
            "release agent Done",
            "push AgentWrapup",
            "loop music",
            "push AgentOfferContact",
            "dial sip:cat@pbx",
        ])
        .and(|it| {
            let entered = it.newest(|event| match event {
                Event::QueueEntered(entered) => Some(entered.clone()),
                _ => None,
            });
            assert_eq!((entered.leg_no, entered.source), (2, QueueSource::Transfer));
            assert_eq!(entered.queue_id, queue("support"));
        })
        .phone_answers(1)
        .and(|it| assert_eq!(it.talks_to(1), Some(user("cat"))))
        .given([wraps_up("ann", 1), ends("cat", 1), wraps_up("cat", 1)])
        .wire_is_down(1)
        .and(|it| assert_eq!(it.state.interactions().count(), 0));
}

#[test]
fn a_transfer_to_a_queue_that_cannot_take_it_is_refused() {
    let full = json!({"channel_type": "voice", "max_active_interactions": 0});
    talking()
        .with(EntityKind::Queue, "full", full)
        .when(transfers("ann", 1, "full"))
        .then_refused(RejectionCode::Busy, "queue_id")
        .when(transfers("ann", 1, "nowhere"))
        .then_refused(RejectionCode::NotFound, "queue_id")
        .when(transfers("ann", 1, "chats"))
        .then_refused(RejectionCode::Invalid, "queue_id")
        .and(|it| assert_eq!(it.talks_to(1), Some(user("ann"))));
}

#[test]
fn wrap_up_ends_by_itself() {
    talking()
        .given([left(1)])
        .after(29_999)
        .then(&[])
        .after(1)
        .then(&["timer.fired", "wrapup.ended"])
        .and(|it| {
            let by = it.newest(|event| match event {
                Event::WrapUpEnded(ended) => Some(ended.by),
                _ => None,
            });
            assert_eq!(by, WrapUpEndedBy::Timer);
        });
}

#[test]
fn a_queue_without_wrap_up_frees_the_agent_at_once() {
    talking_in(Scenario::new().with(EntityKind::Queue, "sales", sales_with(json!(0))))
        .given([calls(2), connected(2)])
        .when(ends("ann", 1))
        .then(&[
            "leg.disconnected",
            "interaction.ended",
            "routing.decision_made",
            "offer.made",
            "media_leg.dialled",
        ])
        .and(|it| assert_eq!(it.offered_to(2), Some(user("ann"))));
}

#[test]
fn wrap_up_without_limit_waits_for_the_agent() {
    talking_in(Scenario::new().with(EntityKind::Queue, "sales", sales_with(Value::Null)))
        .given([left(1)])
        .after(86_400_000)
        .then(&[])
        .when(wraps_up("ann", 1))
        .then(&["wrapup.code_set", "wrapup.ended"]);
}
