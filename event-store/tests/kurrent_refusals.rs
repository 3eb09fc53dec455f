//! What the KurrentDB protocol refuses, and how it ends.

#![allow(
    clippy::expect_used,
    reason = "scenarios are plain functions; what fails should fail the test"
)]

mod kurrent_support;

use std::collections::BTreeSet;
use std::time::Duration;

use kurrent_support::wire::event_store::client as shared;
use kurrent_support::wire::event_store::client::streams;
use kurrent_support::wire::event_store::client::streams::read_req::options::filter_options::{
    Expression, Filter, Window,
};
use kurrent_support::wire::event_store::client::streams::read_req::options::{
    FilterOptions, ReadDirection,
};
use kurrent_support::wire::event_store::client::streams::read_resp::Content;
use kurrent_support::{
    APPENDER, Engine, Expect, OUTSIDER, Place, READER, Running, event, event_of, ids, internal,
    the_events, uuid_text,
};
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
    nobody_is_let_in_without_credentials,
    nothing_is_deleted,
    too_much_is_refused,
    a_stop_ends_subscriptions_with_unavailable,
    requests_that_make_no_sense_are_refused,
    a_subscription_ends_with_its_credentials,
);

fn filter(by: Filter, window: u32, multiplier: u32) -> FilterOptions {
    FilterOptions {
        filter: Some(by),
        window: Some(Window::Max(window)),
        checkpoint_interval_multiplier: multiplier,
    }
}

fn regex(text: &str) -> Expression {
    Expression { regex: text.to_owned(), prefix: Vec::new() }
}

async fn a_subscription_ends_with_its_credentials(engine: Engine) {
    let server = Running::start(&engine).await;
    engine.append(vec![internal(1, "agent-1")]).await;
    let mut brief = server.subscribe_all_as("Bearer brief", Place::Start, None).await;
    assert_eq!(brief.end().await.code(), Code::Unauthenticated);
}

async fn nobody_is_let_in_without_credentials(engine: Engine) {
    let server = Running::start(&engine).await;
    engine.append(vec![internal(1, "agent-1")]).await;
    let request = || Running::all_request(Place::Start, ReadDirection::Forwards, None);
    for bad in ["", "Bearer wrong", "Basic d3Jvbmc6d3Jvbmc=", "Digest x"] {
        let refused = server.read(bad, request()).await.expect_err(bad);
        assert_eq!(refused.code(), Code::Unauthenticated, "{bad}");
    }
    // The appender may not read, the reader may not append, and who may nothing does nothing.
    let refused = server.read(OUTSIDER, request()).await.expect_err("no right");
    assert_eq!(refused.code(), Code::PermissionDenied);
    let refused = server
        .append_as(READER, "external-a", Expect::Any, vec![event_of(2)])
        .await
        .expect_err("no right");
    assert_eq!(refused.code(), Code::PermissionDenied);
    let refused = server
        .append_as("", "external-a", Expect::Any, vec![event_of(2)])
        .await
        .expect_err("nobody");
    assert_eq!(refused.code(), Code::Unauthenticated);
    // Basic and Bearer are the same to the door.
    for good in [READER, "Basic cmVhZGVyOnNlY3JldA=="] {
        assert_eq!(ids(&server.read(good, request()).await.expect("in")), [1]);
    }
    // Another organization's reader sees its own log only.
    let other = server.read("Bearer elsewhere", request()).await.expect("in");
    assert!(ids(&other).is_empty());
    // Clients ask for features and members before they have anything to show.
    let features = server.features().await.expect("features");
    assert!(features.methods.iter().any(|it| it.method_name == "batchappend"));
    assert!(features.event_store_server_version.split('.').count() == 3);
    let members = server.gossip().await.expect("members").members;
    assert_eq!(members.len(), 1);
    let address = members[0].http_end_point.clone().expect("address");
    assert_eq!(address.port, u32::from(server.address.port()));
}

async fn nothing_is_deleted(engine: Engine) {
    let server = Running::start(&engine).await;
    server.append("external-a", Expect::Any, vec![event_of(1)]).await.expect("ok");
    for status in [server.delete("external-a").await, server.tombstone("external-a").await] {
        let status = status.expect_err("refused");
        assert_eq!(status.code(), Code::PermissionDenied);
        assert_eq!(status.metadata().get("exception").expect("trailer"), "access-denied");
    }
    assert_eq!(ids(&server.read_stream("external-a", Place::Start, false, 9).await), [1]);
}

async fn too_much_is_refused(engine: Engine) {
    let server = Running::start(&engine).await;
    let limit = ledgerline_schemas::limits::EVENT_PAYLOAD_BYTES_MAX;
    let big = |id: u128, bytes: usize| event(id, "A", &vec![b'x'; bytes]);
    let status = server
        .try_append("external-a", Expect::Any, vec![big(1, limit + 1)])
        .await
        .expect_err("an event that is too large");
    assert_eq!(status.code(), Code::InvalidArgument);
    assert_eq!(
        status.metadata().get("exception").expect("trailer"),
        "maximum-append-size-exceeded"
    );
    assert_eq!(status.metadata().get("maximum-append-size").expect("trailer"), "1048576");
    // One append of 17 events of almost 1 MiB.
    let many = (0..17).map(|id| big(100 + id, limit - 4_096)).collect();
    let status = server.try_append("external-a", Expect::Any, many).await.expect_err("too much");
    assert_eq!(status.code(), Code::InvalidArgument);
    let few: Vec<_> = (0..15).map(|id| big(200 + id, limit - 4_096)).collect();
    server.append("external-a", Expect::Any, few).await.expect("within the limits");
    let found = server.read_stream("external-a", Place::Start, false, 99).await;
    assert_eq!(the_events(&found).len(), 15);
    let mut untyped = event_of(300);
    untyped.metadata.remove("type");
    let status = server
        .try_append("external-a", Expect::Any, vec![untyped])
        .await
        .expect_err("an event without type");
    assert_eq!(
        status.metadata().get("exception").expect("trailer"),
        "missing-required-metadata-property"
    );
    let name = format!("external-{}", "x".repeat(200));
    let status = server.try_append(&name, Expect::Any, vec![event_of(301)]).await;
    assert_eq!(status.expect_err("a name that is too long").code(), Code::InvalidArgument);
}

async fn a_stop_ends_subscriptions_with_unavailable(engine: Engine) {
    let server = Running::start(&engine).await;
    for id in 1..=200 {
        engine.append(vec![internal(id, "agent-1")]).await;
    }
    let mut idle = server.subscribe_all(Place::End, None).await;
    assert!(matches!(idle.next().await, Ok(Content::Confirmation(_))));
    let mut stream = server.subscribe_stream("agent-1", Place::Start).await;
    let mut seen = BTreeSet::new();
    while seen.len() < 120 {
        if let Content::Event(event) = stream.next().await.expect("a message") {
            seen.insert(event.event.expect("event").stream_revision);
        }
    }
    server.stop().await;
    assert_eq!(idle.end().await.code(), Code::Unavailable);
    assert_eq!(stream.end().await.code(), Code::Unavailable);
    // The log outlived the server; a new one goes on where the client was.
    let server = Running::start(&engine).await;
    let last = *seen.last().expect("seen");
    let mut resumed = server.subscribe_stream("agent-1", Place::At(last)).await;
    loop {
        if let Content::Event(event) = resumed.next().await.expect("a message") {
            assert_eq!(event.event.expect("event").stream_revision, last + 1);
            break;
        }
    }
    assert!(tokio::time::timeout(Duration::from_secs(60), server.stop()).await.is_ok());
}

async fn requests_that_make_no_sense_are_refused(engine: Engine) {
    let server = Running::start(&engine).await;
    let empty = streams::ReadReq { options: None };
    let refused = server.read(READER, empty).await.expect_err("no options");
    assert_eq!(refused.code(), Code::InvalidArgument);
    let costly = filter(Filter::StreamIdentifier(regex("(")), 32, 1);
    let request = Running::all_request(Place::Start, ReadDirection::Forwards, Some(costly));
    let refused = server.read(READER, request).await.expect_err("no regex");
    assert_eq!(refused.code(), Code::InvalidArgument);
    let refused = server.append_nothing_first(APPENDER).await.expect_err("no options first");
    assert_eq!(refused.code(), Code::InvalidArgument);
    let refused = server.unknown_service().await.expect_err("no such service");
    assert_eq!(refused.code(), Code::Unimplemented);
    // Structured ids, for clients that ask.
    server.append("external-a", Expect::Any, vec![event_of(5)]).await.expect("ok");
    let mut request = Running::stream_request("external-a", Place::Start, ReadDirection::Forwards);
    if let Some(options) = &mut request.options {
        use streams::read_req::options::{UuidOption, uuid_option};
        let structured = uuid_option::Content::Structured(shared::Empty {});
        options.uuid_option = Some(UuidOption { content: Some(structured) });
    }
    let found = server.read(READER, request).await.expect("read");
    let id = the_events(&found)[0].id.clone().expect("id");
    assert!(matches!(id.value, Some(shared::uuid::Value::Structured(_))));
    assert_eq!(uuid_text(Some(&id)), uuid::Uuid::from_u128(5).to_string());
}
