//! Flows: every activity, treatment while waiting, publishing.

use ledgerline_routing_core::{Effect, RejectionCode};
use ledgerline_schemas::command::Command;
use ledgerline_schemas::config::{ChannelType, EntityKind};
use ledgerline_schemas::event::Event;
use ledgerline_schemas::event::flow::FlowExit;
use ledgerline_schemas::event::interaction::{LastStage, TerminationReason};
use serde_json::{Value, json};

use crate::scenario::{
    Scenario, calls, connected, customer, dials, left, put, queue, queue_flow, user, welcome_flow,
};

fn flow(document: Value) -> Scenario {
    Scenario::new().with(EntityKind::Flow, "main", document)
}

fn exit_of(scenario: &Scenario) -> FlowExit {
    scenario.newest(|event| match event {
        Event::FlowEnded(ended) => Some(ended.exit),
        _ => None,
    })
}

#[test]
fn a_prompt_is_played_to_its_end_and_then_the_flow_goes_on() {
    Scenario::new()
        .when(calls(1))
        .then(&["interaction.created", "media_leg.offered"])
        .then_effects(&["answer"])
        .when(calls(1))
        .then(&[])
        .when(connected(1))
        .then(&["media_leg.answered", "flow.started", "flow.step_entered", "prompt.started"])
        .then_effects(&["play welcome"])
        .when(connected(1))
        .then(&[])
        .wait(3_000)
        .prompt_ends(1)
        .then(&[
            "prompt.finished",
            "flow.step_exited",
            "flow.step_entered",
            "queue.entered",
            "flow.step_exited",
            "flow.ended",
            "prompt.started",
            "routing.decision_made",
        ])
        .then_effects(&["loop music"])
        .and(|it| assert_eq!(exit_of(it), FlowExit::Queued));
}

#[test]
fn a_prompt_that_ends_late_or_twice_does_nothing() {
    let scenario = Scenario::new().given([calls(1), connected(1)]);
    let (run_id, seq) = scenario.step(1);
    let finished = Command::PromptFinished { interaction_id: customer(1), run_id, seq };
    scenario
        .given([finished.clone()])
        .when(finished.clone())
        .then(&[])
        .given([left(1)])
        .when(finished)
        .then(&[]);
}

#[test]
fn an_unknown_number_and_a_full_entry_point_are_refused() {
    let mut entry = crate::scenario::entry_point("voice", "100", "main");
    entry["max_active_interactions"] = json!(1);
    let mut chat = calls(9);
    if let Command::StartInteraction { channel_type, .. } = &mut chat {
        *channel_type = ChannelType::Chat;
    }
    Scenario::new()
        .with(EntityKind::EntryPoint, "hotline", entry)
        .when(dials(1, "999"))
        .then_refused(RejectionCode::UnknownNumber, "destination")
        .when(chat)
        .then_refused(RejectionCode::UnknownNumber, "destination")
        .given([calls(1)])
        .when(calls(2))
        .then_refused(RejectionCode::Busy, "destination")
        .given([left(1)])
        .when(calls(2))
        .then(&["interaction.created", "media_leg.offered"]);
}

#[test]
fn a_customer_may_leave_before_and_during_the_flow() {
    Scenario::new()
        .given([calls(1)])
        .when(left(1))
        .then(&["interaction.ended"])
        .when(connected(1))
        .then(&[])
        .given([calls(2), connected(2)])
        .when(left(2))
        .then(&["flow.ended", "interaction.ended"])
        .and(|it| {
            assert_eq!(exit_of(it), FlowExit::CustomerLeft);
            let stage = it.newest(|event| match event {
                Event::InteractionEnded(ended) => Some(ended.last_stage),
                _ => None,
            });
            assert_eq!(stage, LastStage::Ivr);
        });
}

fn menu() -> Value {
    json!({"start": "menu", "activities": {
        "menu": {
            "does": {"menu": {"media": "menu", "text": "1 or 2", "timeout_ms": 5_000}},
            "next": {"1": "queue", "no_input": "menu", "no_match": "bye"},
        },
        "queue": {"does": {"queue_contact": {"queue_id": queue("sales")}}},
        "bye": {"does": {"disconnect": {}}},
    }})
}

#[test]
fn a_menu_takes_the_branch_of_the_choice() {
    flow(menu())
        .given([calls(1)])
        .when(connected(1))
        .then(&["media_leg.answered", "flow.started", "flow.step_entered"])
        .then_effects(&["collect menu"])
        .enters(1, "no_input")
        .then(&["flow.input_collected", "flow.step_exited", "flow.step_entered"])
        .then_effects(&["collect menu"])
        .enters(1, "1")
        .then(&[
            "flow.input_collected",
            "flow.step_exited",
            "flow.step_entered",
            "queue.entered",
            "flow.step_exited",
            "flow.ended",
            "prompt.started",
            "routing.decision_made",
        ]);
}

#[test]
fn an_input_that_is_no_choice_is_masked() {
    flow(menu())
        .given([calls(1), connected(1)])
        .enters(1, "4111")
        .then(&[
            "flow.input_collected",
            "flow.step_exited",
            "flow.step_entered",
            "flow.ended",
            "interaction.ended",
        ])
        .and(|it| {
            let input = it.newest(|event| match event {
                Event::FlowInputCollected(input) => Some(input.clone()),
                _ => None,
            });
            assert_eq!((input.outcome.as_str(), input.input_masked.as_str()), ("no_match", "*"));
            assert_eq!(exit_of(it), FlowExit::Disconnected);
            let reason = it.newest(|event| match event {
                Event::InteractionEnded(ended) => Some(ended.reason),
                _ => None,
            });
            assert_eq!(reason, TerminationReason::FlowEnded);
        });
}

fn treatment() -> Value {
    json!({"start": "queue", "activities": {
        "queue": {
            "does": {"queue_contact": {"queue_id": queue("sales")}},
            "next": {"queued": "music"},
        },
        "music": {
            "does": {"play_music": {"media": "jazz", "duration_ms": 5_000}},
            "next": {"next": "comfort"},
        },
        "comfort": {"does": {"play_message": {"media": "comfort"}}, "next": {"next": "pause"}},
        "pause": {"does": {"wait": {"duration_ms": 1_000}}, "next": {"next": "music"}},
    }})
}

#[test]
fn treatment_goes_round_until_an_agent_answers() {
    flow(treatment())
        .given([calls(1)])
        .when(connected(1))
        .then_effects(&["loop jazz"])
        .after(5_000)
        .then(&[
            "timer.fired",
            "prompt.finished",
            "flow.step_exited",
            "flow.step_entered",
            "prompt.started",
        ])
        .then_effects(&["stop", "play comfort"])
        .prompt_ends(1)
        .then(&["prompt.finished", "flow.step_exited", "flow.step_entered"])
        .after(1_000)
        .then(&["timer.fired", "flow.step_exited", "flow.step_entered", "prompt.started"])
        .with_available(&[("ann", "one")])
        .phone_answers(1)
        .then(&[
            "media_leg.answered",
            "offer.accepted",
            "queue.left",
            "prompt.finished",
            "flow.ended",
            "leg.connected",
            "media_leg.bridged",
        ])
        .and(|it| {
            assert_eq!(exit_of(it), FlowExit::Transferred);
            assert_eq!(it.talks_to(1), Some(user("ann")));
        });
}

#[test]
fn a_run_stays_on_its_version_when_a_newer_one_is_published() {
    Scenario::new()
        .given([calls(1), connected(1)])
        .when(put(EntityKind::Flow, "main", queue_flow("support")))
        .then(&["config.flow.updated", "flow.published"])
        .prompt_ends(1)
        .and(|it| {
            let leg = it.state.interaction(customer(1)).and_then(|it| it.leg.as_ref());
            assert_eq!(leg.map(|leg| leg.queue_id), Some(queue("sales")));
        })
        .given([calls(2), connected(2)])
        .and(|it| {
            let started = it.newest(|event| match event {
                Event::FlowStarted(started) => Some(started.flow_version),
                _ => None,
            });
            assert_eq!(started, 2);
            let leg = it.state.interaction(customer(2)).and_then(|it| it.leg.as_ref());
            assert_eq!(leg.map(|leg| leg.queue_id), Some(queue("support")));
        });
}

#[test]
fn texts_for_channels_without_sound_come_with_the_prompt() {
    let document = welcome_flow("chats");
    Scenario::new()
        .with(EntityKind::Flow, "chat", document)
        .given([crate::scenario::chats(1)])
        .when(connected(1))
        .and(|it| {
            let steps = it.last.as_ref().expect("accepted");
            let texts: Vec<_> = steps
                .iter()
                .flat_map(|step| &step.effects)
                .filter_map(|effect| match effect {
                    Effect::Play { text, wait, .. } => Some((text.as_str(), wait.is_some())),
                    _ => None,
                })
                .collect();
            assert_eq!(texts, [("Welcome", true)]);
        });
}

#[test]
fn a_flow_that_could_go_wrong_is_not_published() {
    let broken = [
        ("start", json!({"start": "nowhere", "activities": {}})),
        (
            "next/next",
            json!({"start": "a", "activities": {
                "a": {"does": {"wait": {"duration_ms": 1}}, "next": {"next": "b"}},
            }}),
        ),
        (
            "no such branch",
            json!({"start": "a", "activities": {
                "a": {"does": {"wait": {"duration_ms": 1}}, "next": {"error": "a"}},
            }}),
        ),
        (
            "activities/b",
            json!({"start": "a", "activities": {
                "a": {"does": {"disconnect": {}}},
                "b": {"does": {"disconnect": {}}},
            }}),
        ),
        (
            "circles",
            json!({"start": "a", "activities": {
                "a": {"does": {"set_priority": {"priority": 1}}, "next": {"next": "b"}},
                "b": {"does": {"set_priority": {"priority": 2}}, "next": {"next": "a"}},
            }}),
        ),
        (
            "priority",
            json!({"start": "a", "activities": {
                "a": {"does": {"set_priority": {"priority": 11}}},
            }}),
        ),
        (
            "duration_ms",
            json!({"start": "a", "activities": {"a": {"does": {"wait": {"duration_ms": 0}}}}}),
        ),
        (
            "activities",
            json!({"start": "a", "activities": {
                "a": {"does": {"queue_contact": {"queue_id": queue("nowhere")}}},
            }}),
        ),
    ];
    let mut scenario = Scenario::new();
    for (field, document) in broken {
        scenario = scenario
            .when(put(EntityKind::Flow, "broken", document))
            .then_refused(RejectionCode::Invalid, field);
    }
}
