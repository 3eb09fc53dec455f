//! Supervisors who listen to a call, whisper to its agent, barge in.

use ledgerline_routing_core::{MediaPhase, RejectionCode};
use ledgerline_schemas::command::Command;
use ledgerline_schemas::config::EntityKind;
use ledgerline_schemas::event::Event;
use ledgerline_schemas::event::agent::SignOutReason;
use ledgerline_schemas::event::media::{MediaLegEnded, MediaSide, ReleaseSide};
use ledgerline_schemas::event::monitor::MonitorMode::{Barge, Silent, Whisper};
use ledgerline_schemas::event::monitor::{MonitorEndReason, MonitorMode, MonitorType};
use ledgerline_schemas::id::{LegId, UserId};
use ledgerline_schemas::{Actor, ActorType};
use serde_json::json;

use crate::scenario::{
    Scenario, accept, calls, chats, connected, customer, customer_media_ended, ends, hold, left,
    listens, media_ended, moves, stops_listening, transfers, turns, unhold, user, wraps_up,
};

fn supervisor() -> Actor {
    Actor::new(ActorType::Supervisor, user("cat"))
}

/// Ann talks to customer 1.
fn talking() -> Scenario {
    Scenario::new()
        .straight_to("sales")
        .with_available(&[("ann", "one")])
        .given([calls(1), connected(1)])
        .phone_answers(1)
}

/// Cat listens to ann and customer 1 in this mode.
fn heard_by_cat(mode: MonitorMode) -> Scenario {
    talking().given([listens("cat", 1, mode)]).supervisor_answers(1)
}

/// Why the newest session ended or failed.
fn reason(it: &Scenario) -> MonitorEndReason {
    it.newest(|event| match event {
        Event::MonitorEnded(it) => it.reason,
        Event::MonitorFailed(it) => Some(it.reason),
        _ => None,
    })
}

fn mode(it: &Scenario) -> Option<MonitorMode> {
    let (_, monitor) = it.state.interaction(customer(1))?.monitor()?;
    Some(monitor.mode)
}

fn phone_ended(it: &Scenario, released_by: ReleaseSide) -> Command {
    let Command::MediaLegEnded(ended) = media_ended(1, it.listening(1), MediaSide::Supervisor)
    else {
        panic!("another command")
    };
    Command::MediaLegEnded(MediaLegEnded { released_by, ..ended })
}

#[test]
fn a_supervisor_is_called_and_listens_unheard() {
    talking()
        .when_by(supervisor(), listens("cat", 1, Silent))
        .then(&["monitor.requested", "media_leg.dialled"])
        .then_effects(&["dial sip:cat@pbx"])
        .and(|it| {
            assert_eq!(it.log.last().expect("an event").actor, supervisor());
            let asked = it.newest(|event| match event {
                Event::MonitorRequested(it) => Some(it.clone()),
                _ => None,
            });
            let who = (asked.supervisor_id, asked.agent_id, asked.interaction_id);
            assert_eq!(who, (user("cat"), user("ann"), customer(1)));
            assert_eq!((asked.monitor_type, asked.invisible), (MonitorType::Midcall, false));
            assert_eq!(mode(it), Some(Silent));
        })
        .supervisor_answers(1)
        .then(&["media_leg.answered", "monitor.started"])
        .then_effects(&["listen silent", "push ContactMonitored"])
        .and(|it| {
            let started = it.newest(|event| match event {
                Event::MonitorStarted(it) => Some(it.clone()),
                _ => None,
            });
            assert_eq!((started.supervisor_id, started.agent_id), (user("cat"), Some(user("ann"))));
            assert_eq!(started.interaction_id, Some(customer(1)));
        })
        // Said twice is once.
        .supervisor_answers(1)
        .then(&[]);
}

#[test]
fn a_supervisor_may_begin_in_any_mode() {
    for (mode, fact) in [(Whisper, "monitor.whispered"), (Barge, "monitor.barged_in")] {
        let listen = format!("listen {}", mode.name());
        heard_by_cat(mode).then(&["media_leg.answered", "monitor.started", fact]).then_effects(&[
            "listen silent",
            "push ContactMonitored",
            &listen,
            "push ContactMonitored",
        ]);
    }
}

#[test]
fn modes_follow_each_other_in_any_order() {
    heard_by_cat(Silent)
        .when_by(supervisor(), turns("cat", 1, Whisper))
        .then(&["monitor.whispered"])
        .then_effects(&["listen whisper", "push ContactMonitored"])
        .and(|it| assert_eq!(it.log.last().expect("an event").actor, supervisor()))
        .when(turns("cat", 1, Whisper))
        .then(&[])
        .when(turns("cat", 1, Barge))
        .then(&["monitor.barged_in"])
        .then_effects(&["listen barge", "push ContactMonitored"])
        .when(turns("cat", 1, Silent))
        .then(&["monitor.silenced"])
        .then_effects(&["listen silent", "push ContactMonitored"])
        .and(|it| assert_eq!(mode(it), Some(Silent)));
}

#[test]
fn an_invisible_supervisor_is_not_told_of() {
    let unseen = Command::StartMonitor {
        interaction_id: customer(1),
        leg_id: None,
        supervisor_id: user("cat"),
        dn: Some("sip:desk@pbx".to_owned()),
        mode: Silent,
        invisible: true,
    };
    talking()
        .when(unseen)
        .then_effects(&["dial sip:desk@pbx"])
        .supervisor_answers(1)
        .then_effects(&["listen silent"])
        .when(turns("cat", 1, Whisper))
        .then_effects(&["listen whisper"])
        .when(stops_listening("cat", 1))
        .then(&["monitor.ended"])
        .then_effects(&["release supervisor Done"]);
}

#[test]
fn what_cannot_be_listened_to_is_refused() {
    let stale = Command::StartMonitor {
        interaction_id: customer(1),
        leg_id: Some(LegId::from_u128(1)),
        supervisor_id: user("cat"),
        dn: None,
        mode: Silent,
        invisible: false,
    };
    let stranger = UserId::from_u128(7);
    let no_user = Command::StartMonitor {
        interaction_id: customer(1),
        leg_id: None,
        supervisor_id: stranger,
        dn: None,
        mode: Silent,
        invisible: false,
    };
    Scenario::new()
        .straight_to("sales")
        .given([calls(1), connected(1)])
        .when(listens("cat", 7, Silent))
        .then_refused(RejectionCode::NotFound, "interaction_id")
        .when(listens("cat", 1, Silent))
        .then_refused(RejectionCode::Conflict, "no agent talks")
        .with_available(&[("ann", "one")])
        .when(listens("cat", 1, Silent))
        .then_refused(RejectionCode::Conflict, "no agent talks")
        .phone_answers(1)
        .when(stale)
        .then_refused(RejectionCode::Conflict, "gone on")
        .when(no_user)
        .then_refused(RejectionCode::NotFound, "supervisor_id")
        .when(listens("ann", 1, Silent))
        .then_refused(RejectionCode::Conflict, "own conversation")
        .with(EntityKind::User, "cat", json!({"team_ids": []}))
        .when(listens("cat", 1, Silent))
        .then_refused(RejectionCode::Invalid, "dn")
        .given([listens("bob", 1, Silent)])
        .when(listens("bob", 1, Silent))
        .then_refused(RejectionCode::Conflict, "already");
    Scenario::new()
        .with_available(&[("ann", "one")])
        .given([chats(2), connected(2), accept("ann", 2)])
        .when(listens("cat", 2, Silent))
        .then_refused(RejectionCode::Conflict, "only calls");
}

#[test]
fn only_the_own_session_is_changed_or_ended() {
    talking()
        .when(turns("cat", 1, Barge))
        .then_refused(RejectionCode::NotFound, "interaction_id")
        .given([listens("cat", 1, Silent)])
        .when(turns("cat", 1, Barge))
        .then_refused(RejectionCode::Conflict, "mode")
        .supervisor_answers(1)
        .when(turns("bob", 1, Barge))
        .then_refused(RejectionCode::NotFound, "interaction_id")
        .when(stops_listening("bob", 1))
        .then_refused(RejectionCode::NotFound, "interaction_id")
        .when(stops_listening("cat", 7))
        .then_refused(RejectionCode::NotFound, "interaction_id")
        .when_by(supervisor(), stops_listening("cat", 1))
        .then(&["monitor.ended"])
        .then_effects(&["release supervisor Done", "push ContactMonitoringEnded"])
        .and(|it| assert_eq!(reason(it), MonitorEndReason::Supervisor))
        .when(stops_listening("cat", 1))
        .then_refused(RejectionCode::NotFound, "interaction_id");
}

#[test]
fn a_supervisor_who_hangs_up_leaves_the_call_as_it_was() {
    let scenario = heard_by_cat(Barge);
    let ended = phone_ended(&scenario, ReleaseSide::Remote);
    scenario
        .when(ended)
        .then(&["media_leg.ended", "monitor.ended"])
        .then_effects(&["push ContactMonitoringEnded"])
        .and(|it| {
            assert_eq!(reason(it), MonitorEndReason::Supervisor);
            assert_eq!(it.talks_to(1), Some(user("ann")));
        })
        // Another may come, and the same again.
        .given([listens("bob", 1, Silent)])
        .supervisor_answers(1)
        .when(stops_listening("bob", 1))
        .then(&["monitor.ended"])
        .when(listens("cat", 1, Whisper))
        .then(&["monitor.requested", "media_leg.dialled"]);
}

#[test]
fn a_phone_that_does_not_take_the_call_is_a_session_that_failed() {
    let scenario = talking().given([listens("cat", 1, Silent)]);
    let failed = Command::MediaLegFailed {
        interaction_id: customer(1),
        media_leg_id: scenario.listening(1),
        side: MediaSide::Supervisor,
        offer_id: None,
        sip_status: 486,
    };
    scenario
        .when(failed.clone())
        .then(&["media_leg.failed", "monitor.failed"])
        .then_effects(&[])
        .and(|it| assert_eq!(reason(it), MonitorEndReason::DeviceFailed))
        .when(failed)
        .then(&["media_leg.failed"])
        .when(listens("cat", 1, Silent))
        .then(&["monitor.requested", "media_leg.dialled"]);
}

#[test]
fn a_session_that_is_over_before_the_answer_releases_the_phone() {
    talking()
        .given([listens("cat", 1, Silent)])
        .when(stops_listening("cat", 1))
        .then(&["monitor.failed"])
        .then_effects(&["release supervisor Done"])
        .and(|it| assert_eq!(reason(it), MonitorEndReason::Supervisor))
        .supervisor_answers(1)
        .then(&["media_leg.answered"])
        .then_effects(&["release supervisor Done"]);
}

#[test]
fn a_session_ends_with_its_conversation_however_that_ends() {
    let logged_out =
        Command::AgentLogout { agent_id: user("ann"), reason: SignOutReason::Supervisor };
    let ways: [(Command, &str); 6] = [
        (left(1), "interaction.ended"),
        (customer_media_ended(1), "interaction.ended"),
        (ends("ann", 1), "interaction.ended"),
        (transfers("ann", 1, "support"), "transfer.completed"),
        (moves(1, "support"), "queue.entered"),
        (logged_out, "agent_session.ended"),
    ];
    for (way, last) in ways {
        for answered in [true, false] {
            let mut scenario = talking().given([listens("cat", 1, Silent)]);
            if answered {
                scenario = scenario.supervisor_answers(1);
            }
            let scenario = scenario.when(way.clone());
            let types = scenario.types();
            let over = if answered { "monitor.ended" } else { "monitor.failed" };
            assert_eq!(types.iter().filter(|name| **name == over).count(), 1, "{way:?}: {types:?}");
            assert!(types.contains(&last), "{way:?}: {types:?}");
            assert_eq!(reason(&scenario), MonitorEndReason::ConversationEnded);
            let released = |it: &Scenario| {
                let steps = it.last.as_ref().expect("accepted");
                let effects = steps.iter().flat_map(|step| &step.effects);
                effects.map(crate::scenario::effect_name).any(|it| it == "release supervisor Done")
            };
            assert!(released(&scenario), "{way:?}");
        }
    }
}

#[test]
fn hold_does_not_end_a_session() {
    heard_by_cat(Whisper)
        .given([hold("ann", 1), unhold("ann", 1)])
        .and(|it| assert_eq!(mode(it), Some(Whisper)))
        .when(turns("cat", 1, Barge))
        .then(&["monitor.barged_in"]);
}

#[test]
fn a_session_of_a_process_that_died_is_ended_at_the_next_start() {
    for (network, expected) in [
        (ReleaseSide::Network, MonitorEndReason::NetworkError),
        (ReleaseSide::Local, MonitorEndReason::NetworkError),
    ] {
        let scenario = heard_by_cat(Silent);
        let legs = scenario.state.media_legs().map(|(_, id, side)| (id, side));
        assert!(legs.collect::<Vec<_>>().contains(&(scenario.listening(1), MediaSide::Supervisor)));
        let lost = phone_ended(&scenario, network);
        scenario
            .when(lost)
            .then(&["media_leg.ended", "monitor.ended"])
            .and(|it| assert_eq!(reason(it), expected));
    }
    // Every leg is reported, in whatever order: nothing stays.
    heard_by_cat(Barge).wire_is_down(1).given([wraps_up("ann", 1)]).and(|it| {
        assert!(it.state.interaction(customer(1)).is_none());
        assert_eq!(reason(it), MonitorEndReason::ConversationEnded);
    });
}

#[test]
fn an_interaction_stays_until_the_supervisors_phone_is_off_the_wire() {
    let scenario = heard_by_cat(Silent).given([customer_media_ended(1), wraps_up("ann", 1)]);
    let agent = scenario.state.interaction(customer(1)).expect("on the wire").agent_media.clone();
    let agent = *agent.keys().next().expect("ann's phone");
    let phone = scenario.listening(1);
    scenario
        .given([media_ended(1, agent, MediaSide::Agent)])
        .and(|it| {
            let interaction = it.state.interaction(customer(1)).expect("cat's phone is up");
            assert_eq!(interaction.monitors[&phone].phase, MediaPhase::Releasing);
        })
        .given([media_ended(1, phone, MediaSide::Supervisor)])
        .and(|it| assert!(it.state.interaction(customer(1)).is_none()));
}
