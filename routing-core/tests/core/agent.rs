//! Agents: log-in, states, log-out, log-in again.

use ledgerline_routing_core::RejectionCode;
use ledgerline_schemas::command::Command;
use ledgerline_schemas::config::EntityKind;
use ledgerline_schemas::event::Event;
use ledgerline_schemas::event::agent::{AgentStateName, SignOutReason, StateCause};
use ledgerline_schemas::{Actor, ActorType};
use serde_json::json;

use crate::scenario::{
    Scenario, accept, answers, aux_code, available, calls, chats, connected, ends, idle, left,
    login, login_as, team, user, wraps_up,
};

fn logout(name: &str, reason: SignOutReason) -> Command {
    Command::AgentLogout { agent_id: user(name), reason }
}

#[test]
fn log_in_starts_idle_with_the_default_code() {
    Scenario::new()
        .when(login("ann", "one"))
        .then(&["agent_session.started", "agent_state.changed"])
        .then_effects(&["push StationLogin", "push AgentStateChange"])
        .and(|it| {
            let ann = it.state.agent(user("ann")).expect("logged in");
            assert_eq!(ann.state, AgentStateName::Idle);
            assert_eq!(ann.aux_code_id, Some(aux_code("break")));
            assert_eq!(ann.dn, "sip:ann@pbx");
        })
        .when(login("ann", "one"))
        .then(&[])
        .when(available("ann"))
        .then(&["agent_state.changed"])
        .when(available("ann"))
        .then(&[])
        .when(idle("ann"))
        .then(&["agent_state.changed"])
        .when(idle("ann"))
        .then(&[]);
}

#[test]
fn a_log_in_that_the_configuration_does_not_allow_is_refused() {
    let inactive = json!({"team_ids": [team("one")], "active": false});
    let no_phone = json!({"team_ids": [team("one")]});
    Scenario::new()
        .with(EntityKind::User, "gone", inactive)
        .with(EntityKind::User, "mute", no_phone)
        .when(login("nobody", "one"))
        .then_refused(RejectionCode::NotFound, "agent_id")
        .when(login("gone", "one"))
        .then_refused(RejectionCode::NotFound, "agent_id")
        .when(login("ann", "two"))
        .then_refused(RejectionCode::Invalid, "team_id")
        .when(login("mute", "one"))
        .then_refused(RejectionCode::Invalid, "dn")
        .when(available("ann"))
        .then_refused(RejectionCode::NotFound, "agent_id");
}

#[test]
fn an_idle_code_must_exist_and_be_one() {
    let scenario = Scenario::new().given([login("ann", "one"), available("ann")]);
    let with =
        |name: &str| Command::SetIdle { agent_id: user("ann"), aux_code_id: Some(aux_code(name)) };
    scenario
        .when(with("nonsense"))
        .then_refused(RejectionCode::Invalid, "aux_code_id")
        .when(with("done"))
        .then_refused(RejectionCode::Invalid, "aux_code_id")
        .with(EntityKind::AuxCode, "lunch", json!({"kind": "idle"}))
        .when(with("lunch"))
        .then(&["agent_state.changed"])
        .when(with("break"))
        .then(&["agent_state.changed"]);
}

#[test]
fn idle_during_a_conversation_counts_for_new_work_at_once() {
    Scenario::new()
        .with_available(&[("ann", "one")])
        .given([chats(1), connected(1), accept("ann", 1)])
        .when(idle("ann"))
        .then(&["agent_state.changed"])
        .and(|it| {
            let change = it.newest(|event| match event {
                Event::AgentStateChanged(change) => Some(change.clone()),
                _ => None,
            });
            assert!(change.requested_while_busy);
            assert_eq!(change.cause, StateCause::Agent);
        })
        .given([chats(2), connected(2)])
        .and(|it| assert_eq!(it.offered_to(2), None))
        .given([ends("ann", 1), wraps_up("ann", 1)])
        .and(|it| assert_eq!(it.offered_to(2), None))
        .given([available("ann")])
        .and(|it| assert_eq!(it.offered_to(2), Some(user("ann"))));
}

#[test]
fn a_supervisor_forces_a_state() {
    Scenario::new()
        .with_available(&[("ann", "one")])
        .when_by(Actor::new(ActorType::Supervisor, user("cat")), idle("ann"))
        .then(&["agent_state.forced", "agent_state.changed"])
        .and(|it| {
            let change = it.newest(|event| match event {
                Event::AgentStateChanged(change) => Some(change.clone()),
                _ => None,
            });
            assert_eq!(change.cause, StateCause::Supervisor);
            assert_eq!(change.requested_by, Some(user("cat")));
        });
}

#[test]
fn a_connected_agent_cannot_log_out_but_can_be_logged_out() {
    Scenario::new()
        .straight_to("sales")
        .with_available(&[("ann", "one"), ("bob", "one")])
        .given([calls(1), connected(1)])
        .phone_answers(1)
        .when(logout("ann", SignOutReason::Agent))
        .then_refused(RejectionCode::Conflict, "agent_id")
        .when(logout("ann", SignOutReason::Supervisor))
        .then(&[
            "agent_state.changed",
            "leg.disconnected",
            "queue.entered",
            "prompt.started",
            "agent_session.ended",
            "routing.decision_made",
            "offer.made",
            "media_leg.dialled",
        ])
        .and(|it| {
            assert_eq!(it.offered_to(1), Some(user("bob")));
            assert!(it.state.agent(user("ann")).is_none());
        })
        .when(logout("ann", SignOutReason::Agent))
        .then(&[]);
}

#[test]
fn log_out_during_an_offer_and_a_wrap_up_closes_both() {
    Scenario::new()
        .with_available(&[("ann", "one")])
        .given([chats(1), connected(1), accept("ann", 1), left(1), chats(2), connected(2)])
        .and(|it| assert_eq!(it.offered_to(2), Some(user("ann"))))
        .when(logout("ann", SignOutReason::Agent))
        .then(&[
            "agent_state.changed",
            "offer.rescinded",
            "wrapup.ended",
            "agent_session.ended",
            "routing.decision_made",
        ])
        .and(|it| assert_eq!(it.state.agents().count(), 0));
}

#[test]
fn a_log_in_from_elsewhere_takes_over_the_work_in_hand() {
    let profile = json!({"voice": 1, "chat": 0});
    Scenario::new()
        .with_available(&[("ann", "one")])
        .given([chats(1), connected(1), accept("ann", 1), chats(2), connected(2)])
        // The profile shrinks meanwhile: work in hand keeps the slots it was given.
        .with(EntityKind::MultimediaProfile, "all", profile)
        .when(login_as("ann", "one", 2))
        .then(&[
            "offer.rescinded",
            "agent_state.changed",
            "agent_session.ended",
            "agent_session.started",
            "agent_state.changed",
            "routing.decision_made",
        ])
        .and(|it| {
            assert_eq!(it.talks_to(1), Some(user("ann")));
            let in_hand: Vec<_> = it.state.work_of(user("ann")).collect();
            assert_eq!(in_hand.len(), 1);
        })
        .when(answers("ann", 1, "still here"))
        .then(&["message.sent"]);
}

#[test]
fn a_log_in_to_another_team_is_refused_while_work_is_in_hand() {
    let both = json!({"team_ids": [team("one"), team("two")], "default_dn": "sip:ann@pbx"});
    Scenario::new()
        .with(EntityKind::User, "ann", both)
        .with_available(&[("ann", "one")])
        .given([chats(1), connected(1), accept("ann", 1)])
        .when(login_as("ann", "two", 2))
        .then_refused(RejectionCode::Conflict, "team_id")
        .given([ends("ann", 1), wraps_up("ann", 1)])
        .when(login_as("ann", "two", 2))
        .and(|it| {
            assert_eq!(it.state.agent(user("ann")).map(|it| it.team_id), Some(team("two")));
        });
}
