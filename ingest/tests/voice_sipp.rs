//! The voice edge over the real engine, with SIPp as callers and as agents' phones.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that cannot go on should stop where it is"
)]

mod support;

use ledgerline_ingest::voice::media::codec::Codec;
use ledgerline_schemas::config::EntityKind;
use ledgerline_schemas::event::Event;
use ledgerline_schemas::event::media::{MediaSide, RefusalReason, ReleaseSide};
use serde_json::json;
use support::center::{Center, NUMBER, Plan, id};
use support::sipp::{Run, free_port};
use support::tones::{Side, Tones, Voice, assert_paired};

fn ended_legs(events: &[Event]) -> usize {
    events.iter().filter(|event| matches!(event, Event::MediaLegEnded(_))).count()
}

/// The names, in this order, among those of the history.
fn assert_order(history: &[String], expected: &[&str]) {
    let mut rest = history.iter();
    for name in expected {
        assert!(rest.any(|event| event == name), "{name} not in its place: {history:#?}");
    }
}

const WHOLE_CALL: [&str; 8] = [
    "interaction.created",
    "media_leg.offered",
    "queue.entered",
    "media_leg.dialled",
    "media_leg.answered",
    "media_leg.bridged",
    "interaction.ended",
    "media_leg.ended",
];

async fn calls(tcp: bool, calls: u32, at_once: u32) {
    let callers = Tones::start(Side::Callers, Codec::Pcmu).await;
    let agents = Tones::start(Side::Agents, Codec::Pcmu).await;
    let phone = free_port();
    let addresses = (0..at_once).map(|agent| format!("sip:a{agent}@127.0.0.1:{phone}"));
    let center = Center::start(Plan::new(addresses)).await;
    let agent = Run::agent("agent.xml", calls).key("tone_port", agents.port).start(phone);
    let target = if tcp { center.server.tcp_addr } else { center.server.udp_addr };
    let mut caller = Run::caller("caller.xml", target, NUMBER)
        .key("tone_port", callers.port)
        .key("talk_ms", 3_500);
    (caller.tcp, caller.calls, caller.at_once) = (tcp, calls, at_once);
    caller.start(free_port()).succeed().await;
    agent.succeed().await;
    let legs = 2 * calls as usize;
    center.until("all legs ended", |events| ended_legs(events) == legs).await;
    assert_paired(&callers.heard(), &agents.heard(), calls as usize);
    let histories = center.histories();
    assert_eq!(histories.len(), calls as usize);
    for history in histories.values() {
        assert_order(history, &WHOLE_CALL);
    }
    for event in center.events() {
        if let Event::MediaLegEnded(it) = event {
            let by = if it.side == MediaSide::Customer {
                ReleaseSide::Remote
            } else {
                ReleaseSide::Local
            };
            assert_eq!((it.released_by, it.sip_status), (by, 200));
            assert!(it.packets_received > 20 && it.packets_sent > 20, "{it:?}");
        }
    }
    center.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn fifty_calls_ten_at_once_are_bridged_and_heard() {
    calls(false, 50, 10).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_over_tcp_is_bridged_and_heard() {
    calls(true, 2, 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_agent_hangs_up_and_codecs_may_differ() {
    let callers = Tones::start(Side::Callers, Codec::Pcma).await;
    let agents = Tones::start(Side::Agents, Codec::Pcmu).await;
    let phone = free_port();
    let center = Center::start(Plan::new([format!("sip:a@127.0.0.1:{phone}")])).await;
    let agent = Run::agent("agent_hangs_up.xml", 1)
        .key("tone_port", agents.port)
        .key("talk_ms", 2_000)
        .start(phone);
    let caller = Run::caller("caller_waits.xml", center.server.udp_addr, NUMBER)
        .key("tone_port", callers.port);
    caller.start(free_port()).succeed().await;
    agent.succeed().await;
    center.until("both legs ended", |events| ended_legs(events) == 2).await;
    assert_paired(&callers.heard(), &agents.heard(), 1);
    center.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_who_gives_up_in_the_queue_is_abandoned() {
    let callers = Tones::start(Side::Callers, Codec::Pcmu).await;
    let center = Center::start(Plan::new([])).await;
    Run::caller("caller.xml", center.server.udp_addr, NUMBER)
        .key("tone_port", callers.port)
        .key("talk_ms", 2_000)
        .start(free_port())
        .succeed()
        .await;
    center.until("the leg ended", |events| ended_legs(events) == 1).await;
    let histories = center.histories();
    let history = histories.values().next().unwrap();
    assert_order(history, &["queue.entered", "prompt.started", "queue.left", "interaction.ended"]);
    // Prompt and music were heard the whole time: a packet every 20 ms, less what the start took.
    let heard = callers.heard();
    assert!(heard.len() == 1 && heard[0].packets > 75, "{heard:?}");
    center.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_who_never_answers_is_followed_by_the_next() {
    let callers = Tones::start(Side::Callers, Codec::Pcmu).await;
    let agents = Tones::start(Side::Agents, Codec::Pcmu).await;
    let (silent, next) = (free_port(), free_port());
    let mut plan =
        Plan::new([format!("sip:silent@127.0.0.1:{silent}"), format!("sip:next@127.0.0.1:{next}")]);
    plan.ring_timeout_ms = 1_000;
    let center = Center::start(plan).await;
    let silent = Run::agent("agent_silent.xml", 1).start(silent);
    let next = Run::agent("agent.xml", 1).key("tone_port", agents.port).start(next);
    Run::caller("caller.xml", center.server.udp_addr, NUMBER)
        .key("tone_port", callers.port)
        .key("talk_ms", 5_000)
        .start(free_port())
        .succeed()
        .await;
    silent.succeed().await;
    next.succeed().await;
    center.until("all legs ended", |events| ended_legs(events) == 3).await;
    let histories = center.histories();
    let history = histories.values().next().unwrap();
    assert_order(history, &["media_leg.dialled", "offer.timed_out", "media_leg.dialled"]);
    assert_order(history, &WHOLE_CALL);
    let cancelled = center.events().into_iter().any(|event| {
        matches!(event, Event::MediaLegEnded(it)
            if it.side == MediaSide::Agent && it.sip_status == 487)
    });
    assert!(cancelled, "{history:#?}");
    assert_paired(&callers.heard(), &agents.heard(), 1);
    center.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_busy_agent_is_reported_with_its_status() {
    let callers = Tones::start(Side::Callers, Codec::Pcmu).await;
    let phone = free_port();
    let center = Center::start(Plan::new([format!("sip:a@127.0.0.1:{phone}")])).await;
    let agent = Run::agent("agent_busy.xml", 1).start(phone);
    Run::caller("caller.xml", center.server.udp_addr, NUMBER)
        .key("tone_port", callers.port)
        .key("talk_ms", 2_500)
        .start(free_port())
        .succeed()
        .await;
    agent.succeed().await;
    center
        .until("the failure recorded", |events| {
            events
                .iter()
                .any(|event| matches!(event, Event::MediaLegFailed(it) if it.sip_status == 486))
        })
        .await;
    center.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_number_and_a_foreign_codec_are_refused_and_recorded() {
    let center = Center::start(Plan::new([])).await;
    for (number, format, status, reason) in [
        ("999", 0, 404, RefusalReason::UnknownNumber),
        (NUMBER, 9, 488, RefusalReason::UnacceptableMedia),
    ] {
        Run::caller("caller_refused.xml", center.server.udp_addr, number)
            .key("refusal", status)
            .key("format", format)
            .start(free_port())
            .succeed()
            .await;
        center
            .until("refusal recorded", |events| {
                events.iter().any(|event| {
                    matches!(event, Event::EdgeRequestRefused(it)
                        if it.status == status && it.reason == reason
                            && it.destination.as_deref() == Some(number))
                })
            })
            .await;
    }
    center.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_choose_a_branch_of_the_menu() {
    // 8 is not offered by the menu's branches, 2 is.
    let callers =
        Tones::start_as(Voice { side: Side::Callers, codec: Codec::Pcma, keys: &[2] }).await;
    let mut plan = Plan::new([]);
    plan.flow = json!({
        "ask": {
            "does": {"menu": {"media": "music", "timeout_ms": 5_000}},
            "next": {"1": "queue", "2": "bye", "no_input": "queue", "no_match": "queue"},
        },
        "bye": {"does": {"disconnect": {}}},
        "queue": {"does": {"queue_contact": {"queue_id": id(EntityKind::Queue, "queue")}}},
    });
    let center = Center::start(plan).await;
    Run::caller("caller_waits.xml", center.server.udp_addr, NUMBER)
        .key("tone_port", callers.port)
        .start(free_port())
        .succeed()
        .await;
    center.until("the leg ended", |events| ended_legs(events) == 1).await;
    let histories = center.histories();
    let history = histories.values().next().unwrap();
    assert!(!history.iter().any(|name| name == "queue.entered"), "{history:#?}");
    center.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn shutdown_ends_the_calls_that_are_up() {
    let callers = Tones::start(Side::Callers, Codec::Pcma).await;
    let mut center = Center::start(Plan::new([])).await;
    let caller = Run::caller("caller_waits.xml", center.server.udp_addr, NUMBER)
        .key("tone_port", callers.port)
        .start(free_port());
    center
        .until("queued", |events| {
            events.iter().any(|event| matches!(event, Event::QueueEntered(_)))
        })
        .await;
    center.stop_edge().await;
    caller.succeed().await;
    assert_eq!(ended_legs(&center.events()), 1);
    center.stop().await;
}
