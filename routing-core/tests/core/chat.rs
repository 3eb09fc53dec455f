//! Digital interactions: accepted at the desktop, messages both ways, several at once.

use ledgerline_routing_core::RejectionCode;
use ledgerline_schemas::config::EntityKind;
use serde_json::json;

use crate::scenario::{
    Scenario, accept, answers, calls, chats, connected, customer, customer_media_ended, ends, hold,
    left, transfers, user, wraps_up, writes,
};

fn chatting(n: u32) -> Scenario {
    let mut scenario = Scenario::new().with_available(&[("ann", "one")]);
    for it in 1..=n {
        scenario = scenario.given([chats(it), connected(it)]).wait(1);
    }
    scenario
}

#[test]
fn a_chat_is_offered_accepted_and_answered() {
    Scenario::new()
        .with_available(&[("ann", "one")])
        .when(chats(1))
        .then(&["interaction.created", "media_leg.offered"])
        .then_effects(&["answer"])
        .when(connected(1))
        .then(&[
            "media_leg.answered",
            "flow.started",
            "flow.step_entered",
            "queue.entered",
            "flow.step_exited",
            "flow.ended",
            "routing.decision_made",
            "offer.made",
        ])
        .then_effects(&["push AgentOfferContact"])
        .when(answers("ann", 1, "too early"))
        .then_refused(RejectionCode::Conflict, "interaction_id")
        .when(writes(1, "hello?"))
        .then(&["message.received"])
        .then_effects(&[])
        .when(accept("ann", 1))
        .then(&["offer.accepted", "queue.left", "leg.connected"])
        .then_effects(&["push AgentContactAssigned"])
        .when(accept("ann", 1))
        .then(&[])
        .when(writes(1, "good morning"))
        .then(&["message.received"])
        .then_effects(&["push ContactMessage"])
        .when(answers("ann", 1, "how can I help"))
        .then(&["message.sent"])
        .then_effects(&["deliver agent"])
        .when(hold("ann", 1))
        .then_refused(RejectionCode::Conflict, "only calls")
        .when(ends("ann", 1))
        .then(&["leg.disconnected", "wrapup.started", "interaction.ended"])
        .then_effects(&["push ContactEnded", "push AgentWrapup", "release customer Done"])
        .when(writes(1, "too late"))
        .then(&[])
        .given([customer_media_ended(1), wraps_up("ann", 1)])
        .and(|it| assert!(it.state.interaction(customer(1)).is_none()));
}

#[test]
fn an_agent_takes_as_many_chats_as_the_profile_allows() {
    chatting(3)
        .and(|it| {
            assert_eq!(it.offered_to(1), Some(user("ann")));
            assert_eq!(it.offered_to(2), Some(user("ann")));
            assert_eq!(it.offered_to(3), None);
        })
        .given([accept("ann", 1)])
        .when(left(1))
        .then(&["leg.disconnected", "wrapup.started", "interaction.ended"])
        .when(wraps_up("ann", 1))
        .and(|it| assert_eq!(it.offered_to(3), Some(user("ann"))));
}

#[test]
fn calls_and_chats_block_each_other_when_real_time_is_not_blended() {
    chatting(1)
        .straight_to("sales")
        .given([calls(2), connected(2)])
        .and(|it| assert_eq!(it.offered_to(2), None))
        .when(left(1))
        .and(|it| assert_eq!(it.offered_to(2), Some(user("ann"))));
}

#[test]
fn an_exclusive_profile_takes_one_channel_at_a_time_and_a_blended_one_all() {
    for (mode, offered) in [("exclusive", None), ("blended", Some(user("ann")))] {
        let profile = json!({"voice": 1, "chat": 2, "blending_mode": mode});
        Scenario::new()
            .with(EntityKind::MultimediaProfile, "all", profile)
            .straight_to("sales")
            .with_available(&[("ann", "one")])
            .given([chats(1), connected(1), chats(2), connected(2), calls(3), connected(3)])
            .and(|it| {
                assert_eq!(it.offered_to(2), Some(user("ann")), "{mode}");
                assert_eq!(it.offered_to(3), offered, "{mode}");
            });
    }
}

#[test]
fn a_chat_is_transferred_and_reaches_the_longest_available() {
    chatting(1)
        .given([accept("ann", 1)])
        .with_available(&[("bob", "one")])
        .when(transfers("ann", 1, "chats"))
        .then(&[
            "transfer.requested",
            "leg.disconnected",
            "wrapup.started",
            "queue.entered",
            "transfer.completed",
            "routing.decision_made",
            "offer.made",
        ])
        .and(|it| assert_eq!(it.offered_to(1), Some(user("bob"))));
}
