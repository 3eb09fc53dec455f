//! Persistent subscriptions over the KurrentDB protocol: consumers that share a stream.

#![allow(
    clippy::expect_used,
    reason = "scenarios are plain functions; what fails should fail the test"
)]

mod kurrent_support;

use std::collections::BTreeSet;

use kurrent_support::groups::{Consumer, Groups, Nack};
use kurrent_support::{Engine, Expect, Running, event_of, internal};
use tonic::Code;

/// Runs a scenario over every engine.
macro_rules! over_every_log {
    ($($name:ident),* $(,)?) => {$(
        mod $name {
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn memory() {
                super::$name(super::Engine::memory()).await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn embedded() {
                super::$name(super::Engine::embedded()).await;
            }
        }
    )*};
}

over_every_log!(
    two_consumers_share_everything_once,
    parked_events_are_replayed,
    a_retry_comes_again_and_then_is_parked,
    a_restart_goes_on_where_it_was_settled,
    groups_are_made_changed_listed_and_removed,
    a_group_over_everything_filters,
    who_may_not_is_refused,
);

const STREAM: &str = "external-a";

async fn fill(server: &Running, ids: std::ops::RangeInclusive<u128>) {
    for id in ids {
        server.append(STREAM, Expect::Any, vec![event_of(id)]).await.expect("ok");
    }
}

async fn two_consumers_share_everything_once(engine: Engine) {
    let server = Running::start(&engine).await;
    let groups = Groups::of(&server);
    fill(&server, 1..=20).await;
    groups.create(Some(STREAM), "work", Groups::settings()).await.expect("made");
    let mut first = groups.consume(Some(STREAM), "work", 5).await.expect("in");
    let mut second = groups.consume(Some(STREAM), "work", 5).await.expect("in");
    fill(&server, 21..=60).await;
    let mut seen = BTreeSet::new();
    let (mut of_first, mut of_second) = (0, 0);
    while seen.len() < 60 {
        let (id, who): (u128, &mut Consumer) = tokio::select! {
            got = first.next() => { of_first += 1; (got.expect("event").0, &mut first) }
            got = second.next() => { of_second += 1; (got.expect("event").0, &mut second) }
        };
        assert!(seen.insert(id), "{id} came twice");
        who.ack(&[id]).await;
    }
    assert_eq!(seen, (1..=60).collect());
    assert!(of_first > 5 && of_second > 5, "both work: {of_first} and {of_second}");
}

async fn parked_events_are_replayed(engine: Engine) {
    let server = Running::start(&engine).await;
    let groups = Groups::of(&server);
    fill(&server, 1..=6).await;
    groups.create(Some(STREAM), "work", Groups::settings()).await.expect("made");
    let mut consumer = groups.consume(Some(STREAM), "work", 10).await.expect("in");
    for id in 1..=6 {
        let (got, retries) = consumer.next().await.expect("event");
        assert_eq!((got, retries), (id, 0));
        match id {
            2 | 5 => consumer.nack(&[id], Nack::Park, "cannot").await,
            3 => consumer.nack(&[id], Nack::Skip, "not ours").await,
            _ => consumer.ack(&[id]).await,
        }
    }
    groups
        .until(Some(STREAM), "work", |info| {
            info.parked_message_count == 2 && info.total_in_flight_messages == 0
        })
        .await;
    // The oldest one only, then the rest; parked again, it counts again.
    groups.replay(Some(STREAM), "work", Some(1)).await.expect("replays");
    assert_eq!(consumer.next().await.expect("event").0, 2);
    consumer.nack(&[2], Nack::Park, "still cannot").await;
    groups.until(Some(STREAM), "work", |info| info.parked_message_count == 2).await;
    groups.replay(Some(STREAM), "work", None).await.expect("replays");
    let again = [consumer.next().await.expect("event").0, consumer.next().await.expect("event").0];
    assert_eq!(again, [2, 5]);
    // A crash now must not lose them: they stay parked until they are settled.
    drop(consumer);
    server.stop().await;
    let server = Running::start(&engine).await;
    let groups = Groups::of(&server);
    let info = groups.info(Some(STREAM), "work").await.expect("info");
    assert_eq!(info.parked_message_count, 2);
    let mut consumer = groups.consume(Some(STREAM), "work", 10).await.expect("in");
    groups.replay(Some(STREAM), "work", None).await.expect("replays");
    for id in [2, 5] {
        assert_eq!(consumer.next().await.expect("event").0, id);
        consumer.ack(&[id]).await;
    }
    groups
        .until(Some(STREAM), "work", |info| {
            info.parked_message_count == 0 && info.total_in_flight_messages == 0
        })
        .await;
    fill(&server, 7..=7).await;
    assert_eq!(consumer.next().await.expect("event").0, 7, "and nothing else came again");
}

async fn a_retry_comes_again_and_then_is_parked(engine: Engine) {
    let server = Running::start(&engine).await;
    let groups = Groups::of(&server);
    fill(&server, 1..=2).await;
    let mut settings = Groups::settings();
    settings.max_retry_count = 2;
    groups.create(Some(STREAM), "work", settings).await.expect("made");
    let mut consumer = groups.consume(Some(STREAM), "work", 1).await.expect("in");
    for retries in 0..=2 {
        assert_eq!(consumer.next().await.expect("event"), (1, retries));
        consumer.nack(&[1], Nack::Retry, "not yet").await;
    }
    assert_eq!(consumer.next().await.expect("event"), (2, 0), "the first one is parked");
    groups.until(Some(STREAM), "work", |info| info.parked_message_count == 1).await;
    // What a consumer holds when it goes is for the others, and a stop ends its connection.
    let mut other = groups.consume(Some(STREAM), "work", 1).await.expect("in");
    consumer.nack(&[2], Nack::Stop, "enough").await;
    assert_eq!(consumer.end().await.code(), Code::Cancelled);
    assert_eq!(other.next().await.expect("event").0, 2);
    // Kept too long, it comes again.
    let mut settings = Groups::settings();
    settings.message_timeout = Some(Groups::timeout_ms(50));
    groups.update(Some(STREAM), "work", settings).await.expect("changed");
    let dropped = other.end().await;
    assert_eq!(dropped.code(), Code::Cancelled);
    assert_eq!(
        dropped.metadata().get("exception").expect("trailer"),
        "persistent-subscription-dropped"
    );
    let mut again = groups.consume(Some(STREAM), "work", 1).await.expect("in");
    assert_eq!(again.next().await.expect("event"), (2, 0));
    assert_eq!(again.next().await.expect("event"), (2, 1), "it was not acknowledged in time");
}

async fn a_restart_goes_on_where_it_was_settled(engine: Engine) {
    let server = Running::start(&engine).await;
    let groups = Groups::of(&server);
    fill(&server, 1..=30).await;
    groups.create(Some(STREAM), "work", Groups::settings()).await.expect("made");
    let mut consumer = groups.consume(Some(STREAM), "work", 40).await.expect("in");
    for id in 1..=30 {
        assert_eq!(consumer.next().await.expect("event").0, id);
        if id <= 10 || id == 20 {
            consumer.ack(&[id]).await;
        }
    }
    groups.until(Some(STREAM), "work", |info| info.total_in_flight_messages == 19).await;
    server.stop().await;
    assert_eq!(consumer.end().await.code(), Code::Unavailable, "never OK");
    let server = Running::start(&engine).await;
    let groups = Groups::of(&server);
    let info = groups.info(Some(STREAM), "work").await.expect("info");
    assert_eq!(info.last_checkpointed_event_position, "9");
    assert_eq!(info.last_known_event_position, "29");
    let mut consumer = groups.consume(Some(STREAM), "work", 40).await.expect("in");
    for id in 11..=30 {
        assert_eq!(
            consumer.next().await.expect("event").0,
            id,
            "all after the last settled prefix"
        );
        consumer.ack(&[id]).await;
    }
}

async fn groups_are_made_changed_listed_and_removed(engine: Engine) {
    let server = Running::start(&engine).await;
    let groups = Groups::of(&server);
    let exception = |status: &tonic::Status| {
        status.metadata().get("exception").expect("trailer").to_str().expect("ascii").to_owned()
    };
    let missing = groups.consume(Some(STREAM), "work", 1).await.err().expect("no such group");
    assert_eq!(missing.code(), Code::NotFound);
    assert_eq!(exception(&missing), "persistent-subscription-does-not-exist");
    let mut settings = Groups::settings();
    settings.max_subscriber_count = 1;
    groups.create(Some(STREAM), "work", settings.clone()).await.expect("made");
    groups.create(None, "work", Groups::settings()).await.expect("another source, another group");
    let twice = groups.create(Some(STREAM), "work", settings.clone()).await.expect_err("twice");
    assert_eq!(twice.code(), Code::AlreadyExists);
    assert_eq!(exception(&twice), "persistent-subscription-exists");
    let mut odd = Groups::settings();
    odd.consumer_strategy = "PinnedByCorrelation".to_owned();
    let odd = groups.create(Some(STREAM), "odd", odd).await.expect_err("not known");
    assert_eq!(odd.code(), Code::InvalidArgument);
    let mut only = groups.consume(Some(STREAM), "work", 3).await.expect("in");
    let full = groups.consume(Some(STREAM), "work", 1).await.err().expect("one is the most");
    assert_eq!(full.code(), Code::FailedPrecondition);
    assert_eq!(exception(&full), "maximum-subscribers-reached");
    let info = groups.info(Some(STREAM), "work").await.expect("info");
    assert_eq!((info.event_source.as_str(), info.group_name.as_str()), (STREAM, "work"));
    assert_eq!(info.connections.len(), 1);
    assert_eq!(info.connections[0].username, "manager");
    assert_eq!(info.connections[0].available_slots, 3);
    assert_eq!(info.named_consumer_strategy, "RoundRobin");
    let all = groups.list(None).await.expect("list");
    assert_eq!(all.len(), 2);
    let of_stream = groups.list(Some(STREAM)).await.expect("list");
    assert_eq!(of_stream.len(), 1);
    groups.delete(Some(STREAM), "work").await.expect("removed");
    assert_eq!(only.end().await.code(), Code::Cancelled);
    let again = groups.delete(Some(STREAM), "work").await.expect_err("gone");
    assert_eq!(again.code(), Code::NotFound);
    let changed = groups.update(Some(STREAM), "work", settings).await.expect_err("gone");
    assert_eq!(changed.code(), Code::NotFound);
    assert_eq!(groups.list(None).await.expect("list").len(), 1);
}

async fn a_group_over_everything_filters(engine: Engine) {
    let server = Running::start(&engine).await;
    let groups = Groups::of(&server);
    for id in 1..=40_u128 {
        if id % 4 == 0 {
            fill(&server, id..=id).await;
        } else {
            engine.append(vec![internal(id, "agent-1")]).await;
        }
    }
    groups.create_filtered("work", "^external-(?!b)").await.expect("made");
    let mut consumer = groups.consume(None, "work", 3).await.expect("in");
    for id in (4..=40).step_by(4) {
        assert_eq!(consumer.next().await.expect("event").0, id);
        consumer.ack(&[id]).await;
    }
    // What is left out moves the position too.
    for id in 41..=50 {
        engine.append(vec![internal(id, "agent-1")]).await;
    }
    fill(&server, 51..=51).await;
    assert_eq!(consumer.next().await.expect("event").0, 51);
    consumer.ack(&[51]).await;
    groups.until(None, "work", |info| info.last_checkpointed_event_position == "C:51/P:51").await;
}

async fn who_may_not_is_refused(engine: Engine) {
    let server = Running::start(&engine).await;
    let groups = Groups::of(&server);
    groups.create(Some(STREAM), "work", Groups::settings()).await.expect("made");
    let reader = groups.like(kurrent_support::READER);
    let refused = reader.create(Some(STREAM), "mine", Groups::settings()).await.expect_err("no");
    assert_eq!(refused.code(), Code::PermissionDenied);
    let refused = reader.delete(Some(STREAM), "work").await.expect_err("no");
    assert_eq!(refused.code(), Code::PermissionDenied);
    assert!(reader.consume(Some(STREAM), "work", 1).await.is_ok(), "reading is enough to consume");
    let nobody = groups.like("");
    let refused = nobody.consume(Some(STREAM), "work", 1).await.err().expect("nobody");
    assert_eq!(refused.code(), Code::Unauthenticated);
    // Another organization has groups of its own.
    let elsewhere = groups.like("Bearer elsewhere");
    let missing = elsewhere.info(Some(STREAM), "work").await.expect_err("not theirs");
    assert_eq!(missing.code(), Code::NotFound);
    assert!(elsewhere.list(None).await.expect("list").is_empty());
}
