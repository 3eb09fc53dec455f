//! The KurrentDB protocol, over the log in memory and over segments, driven by a client made from the
//! same protocol files.

#![allow(
    clippy::expect_used,
    reason = "scenarios are plain functions; what fails should fail the test"
)]

mod kurrent_support;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use kurrent_support::wire::event_store::client as shared;
use kurrent_support::wire::event_store::client::streams::append_resp::wrong_expected_version as wrong;
use kurrent_support::wire::event_store::client::streams::read_req::options::filter_options::{
    Expression, Filter, Window,
};
use kurrent_support::wire::event_store::client::streams::read_req::options::{
    FilterOptions, ReadDirection,
};
use kurrent_support::wire::event_store::client::streams::read_resp::Content;
use kurrent_support::wire::event_store::client::streams::{self, append_resp};
use kurrent_support::{
    APPENDER, Engine, Expect, OUTSIDER, Place, READER, Running, event, event_of, ids, internal,
    stream_name, the_events, uuid_text,
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
    appends_are_read_back_byte_for_byte,
    a_wrong_version_is_an_answer,
    the_same_append_twice_is_one,
    everything_is_read_both_ways,
    our_streams_are_json_and_read_only,
    filters_leave_out_and_tell_how_far,
    a_subscription_has_no_gap_and_no_duplicate,
    a_stream_subscription_starts_after_its_revision,
    batches_are_answered_each,
    nobody_is_let_in_without_credentials,
    nothing_is_deleted,
    too_much_is_refused,
    a_stop_ends_subscriptions_with_unavailable,
    requests_that_make_no_sense_are_refused,
);

async fn appends_are_read_back_byte_for_byte(engine: Engine) {
    let server = Running::start(&engine).await;
    let raw = vec![0, 159, 146, 150, 255];
    let mut first = event(1, "OrderPlaced", b"{ \"spaces\" :  1 }");
    first.custom_metadata = br#"{"$correlationId": "x"}"#.to_vec().into();
    let mut second = event(2, "Picture", &raw);
    second.metadata.insert("content-type".to_owned(), "application/octet-stream".to_owned());
    let success =
        server.append("external-Größe/1", Expect::NoStream, vec![first, second]).await.expect("ok");
    assert_eq!(success, (1, 2), "revision and position of the last event");
    let found = server.read_stream("external-Größe/1", Place::Start, false, 10).await;
    let events = the_events(&found);
    assert_eq!(events.len(), 2);
    assert_eq!(events[0].data.as_ref(), b"{ \"spaces\" :  1 }");
    assert_eq!(events[0].custom_metadata.as_ref(), br#"{"$correlationId": "x"}"#);
    assert_eq!(events[0].metadata["type"], "OrderPlaced");
    assert_eq!(events[0].metadata["content-type"], "application/json");
    assert_eq!(events[1].data.as_ref(), raw);
    assert_eq!(events[1].metadata["content-type"], "application/octet-stream");
    // 100 ns units since 1970: 18 digits from 2001 to 2286.
    assert_eq!(events[1].metadata["created"], "770", "microsecond 77 of 1970");
    assert_eq!(
        uuid_text(events[1].id.as_ref()),
        event(2, "", b"").id.map(|it| uuid_text(Some(&it))).expect("id")
    );
    assert_eq!((events[1].stream_revision, events[1].commit_position), (1, 2));
    assert_eq!(events[1].prepare_position, 2);
    assert_eq!(stream_name(events[0]), "external-Größe/1");
}

async fn a_wrong_version_is_an_answer(engine: Engine) {
    let server = Running::start(&engine).await;
    server.append("external-a", Expect::Any, vec![event(1, "A", b"1")]).await.expect("ok");
    let wrong = |outcome: Result<(u64, u64), append_resp::Result>| match outcome {
        Err(append_resp::Result::WrongExpectedVersion(wrong)) => {
            // Clients unwrap both.
            (
                wrong.current_revision_option.expect("current"),
                wrong.expected_revision_option.expect("expected"),
            )
        }
        other => panic!("not a wrong version: {other:?}"),
    };
    let none = || shared::Empty {};
    let outcome = server.append("external-a", Expect::NoStream, vec![event(2, "A", b"1")]).await;
    assert_eq!(
        wrong(outcome),
        (
            wrong::CurrentRevisionOption::CurrentRevision(0),
            wrong::ExpectedRevisionOption::ExpectedNoStream(none())
        )
    );
    let outcome = server.append("external-a", Expect::Exact(4), vec![event(2, "A", b"1")]).await;
    assert_eq!(
        wrong(outcome),
        (
            wrong::CurrentRevisionOption::CurrentRevision(0),
            wrong::ExpectedRevisionOption::ExpectedRevision(4)
        )
    );
    let outcome = server.append("external-b", Expect::Exists, vec![event(2, "A", b"1")]).await;
    assert_eq!(
        wrong(outcome),
        (
            wrong::CurrentRevisionOption::CurrentNoStream(none()),
            wrong::ExpectedRevisionOption::ExpectedStreamExists(none())
        )
    );
    let ok = server.append("external-a", Expect::Exact(0), vec![event(2, "A", b"1")]).await;
    assert_eq!(ok.expect("the right version"), (1, 2));
    server.append("external-a", Expect::Exists, vec![event(3, "A", b"1")]).await.expect("exists");
}

async fn the_same_append_twice_is_one(engine: Engine) {
    let server = Running::start(&engine).await;
    let events = || vec![event(1, "A", b"1"), event(2, "A", b"2")];
    let first = server.append("external-a", Expect::NoStream, events()).await.expect("ok");
    server.append("external-a", Expect::Any, vec![event(3, "A", b"3")]).await.expect("ok");
    let again = server.append("external-a", Expect::NoStream, events()).await.expect("the same");
    assert_eq!(first, again);
    assert_eq!(engine.log().head().0, 3, "nothing was written again");
    let elsewhere = server.try_append("external-b", Expect::Any, events()).await;
    assert_eq!(elsewhere.expect_err("ids are taken").code(), Code::InvalidArgument);
}

async fn everything_is_read_both_ways(engine: Engine) {
    let server = Running::start(&engine).await;
    for id in 1..=300 {
        let stream = if id % 3 == 0 { "external-c" } else { "external-a" };
        server.append(stream, Expect::Any, vec![event(id, "A", b"1")]).await.expect("ok");
    }
    let forward = server.read_all(Place::Start, false, 1_000, None).await;
    assert_eq!(ids(&forward), (1..=300).collect::<Vec<_>>());
    let backward = server.read_all(Place::End, true, 1_000, None).await;
    assert_eq!(ids(&backward), (1..=300).rev().collect::<Vec<_>>());
    // Forward the position is included, backward it is not.
    assert_eq!(ids(&server.read_all(Place::At(298), false, 9, None).await), [298, 299, 300]);
    assert_eq!(ids(&server.read_all(Place::At(3), true, 9, None).await), [2, 1]);
    assert_eq!(ids(&server.read_all(Place::At(u64::MAX), true, 2, None).await), [300, 299]);
    assert!(ids(&server.read_all(Place::End, false, 9, None).await).is_empty());
    assert!(ids(&server.read_all(Place::Start, true, 9, None).await).is_empty());
    // In a stream both ways include the revision.
    let c = |place, backwards, count| server.read_stream("external-c", place, backwards, count);
    assert_eq!(ids(&c(Place::At(98), false, 9).await), [297, 300]);
    assert_eq!(ids(&c(Place::At(1), true, 9).await), [6, 3]);
    assert_eq!(ids(&c(Place::End, true, 1).await), [300]);
    assert_eq!(ids(&c(Place::Start, false, 200).await).len(), 100);
    assert!(ids(&c(Place::End, false, 9).await).is_empty());
    let missing = server.read_stream("external-none", Place::Start, false, 9).await;
    assert!(matches!(missing[..], [Content::StreamNotFound(_)]), "a message, then OK: {missing:?}");
    // Clients that ask for compatibility hear where the stream begins and ends.
    let mut request = Running::stream_request("external-c", Place::Start, ReadDirection::Forwards);
    if let Some(options) = &mut request.options {
        options.control_option =
            Some(streams::read_req::options::ControlOption { compatibility: 1 });
        options.count_option = Some(streams::read_req::options::CountOption::Count(1));
    }
    let found = server.read(READER, request).await.expect("read");
    assert!(matches!(
        found[..],
        [Content::FirstStreamPosition(0), Content::Event(_), Content::LastStreamPosition(99)]
    ));
}

async fn our_streams_are_json_and_read_only(engine: Engine) {
    let server = Running::start(&engine).await;
    let stored = internal(7, "agent-7");
    engine.append(vec![stored]).await;
    let found = server.read_stream("agent-7", Place::Start, false, 1).await;
    let event = the_events(&found)[0];
    assert_eq!(event.metadata["type"], "presence.observed");
    assert_eq!(event.metadata["content-type"], "application/json");
    let data: serde_json::Value = serde_json::from_slice(&event.data).expect("json");
    assert_eq!(data["provider"], "teams");
    let envelope: serde_json::Value = serde_json::from_slice(&event.custom_metadata).expect("json");
    assert_eq!(envelope["position"], 1);
    assert_eq!(envelope["actor"]["type"], "system");
    assert!(envelope.get("data").is_none(), "the payload is the data, once");
    for stream in ["agent-7", "interaction-1", "$$external-a", "external", "", "$all"] {
        let refused = server.try_append(stream, Expect::Any, vec![event_of(8)]).await;
        let status = refused.expect_err(stream);
        assert_eq!(status.code(), Code::PermissionDenied, "{stream}");
        assert_eq!(status.metadata().get("exception").expect("trailer"), "access-denied");
    }
    assert_eq!(engine.log().head().0, 1);
}

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

fn prefix(list: &[&str]) -> Expression {
    let prefix = list.iter().map(|it| (*it).to_owned()).collect();
    Expression { regex: String::new(), prefix }
}

async fn filters_leave_out_and_tell_how_far(engine: Engine) {
    let server = Running::start(&engine).await;
    for id in 1..=600_u128 {
        if id % 2 == 0 {
            engine.append(vec![internal(id, &format!("agent-{}", id % 4))]).await;
        } else {
            let name = if id % 100 == 1 { "Rare" } else { "Common" };
            server
                .append("external-a", Expect::Any, vec![event(id, name, b"1")])
                .await
                .expect("ok");
        }
    }
    let all = |by: Filter| server.read_all(Place::Start, false, 1_000, Some(filter(by, 32, 1)));
    let rare = vec![1, 101, 201, 301, 401, 501];
    assert_eq!(ids(&all(Filter::EventType(prefix(&["Ra", "Nothing"]))).await), rare);
    assert_eq!(ids(&all(Filter::EventType(regex("^R.*e$"))).await), rare);
    // What the Python client sends by default.
    assert_eq!(
        ids(&all(Filter::EventType(regex(r"^(?!(\$.+$|Common$|presence\..*))"))).await),
        rare
    );
    assert_eq!(ids(&all(Filter::EventType(prefix(&["presence."]))).await).len(), 300);
    assert_eq!(ids(&all(Filter::StreamIdentifier(prefix(&["agent-2"]))).await).len(), 150);
    assert_eq!(ids(&all(Filter::StreamIdentifier(regex("^agent-(0|2)$"))).await).len(), 300);
    // The count is of events that pass.
    let two = filter(Filter::EventType(prefix(&["Rare"])), 32, 1);
    assert_eq!(ids(&server.read_all(Place::End, true, 2, Some(two.clone())).await), [501, 401]);
    // A subscription: checkpoints as asked, a last one and caught_up at the head.
    let mut subscription = server.subscribe_all(Place::Start, Some(two)).await;
    let mut looked_to = 0;
    let mut seen = Vec::new();
    loop {
        match subscription.next().await.expect("a message") {
            Content::Checkpoint(checkpoint) => {
                assert!(checkpoint.commit_position > looked_to);
                assert!(
                    checkpoint.commit_position - looked_to >= 32
                        || checkpoint.commit_position == 600
                );
                looked_to = checkpoint.commit_position;
            }
            Content::Event(event) => {
                let position = event.event.as_ref().expect("event").commit_position;
                assert!(position > looked_to, "a checkpoint came before what it covers");
                seen.push(position);
            }
            Content::CaughtUp(caught_up) => {
                assert_eq!(caught_up.position.expect("position").commit_position, 600);
                break;
            }
            Content::Confirmation(_) => {}
            other => panic!("unexpected {other:?}"),
        }
    }
    assert_eq!(seen, [1, 101, 201, 301, 401, 501]);
    assert_eq!(looked_to, 600);
    // Live, nothing passes, and still it tells how far it looked.
    for id in 601..=640 {
        engine.append(vec![internal(id, "agent-1")]).await;
    }
    let next = subscription.next().await.expect("a message");
    assert!(matches!(next, Content::Checkpoint(it) if it.commit_position > 631), "{next:?}");
}

async fn a_subscription_has_no_gap_and_no_duplicate(engine: Engine) {
    let server = Arc::new(Running::start(&engine).await);
    const BEFORE: u128 = 400;
    const WRITERS: u128 = 4;
    const EACH: u128 = 150;
    for id in 1..=BEFORE {
        engine.append(vec![internal(id, "agent-1")]).await;
    }
    let mut subscription = server.subscribe_all(Place::Start, None).await;
    let writers: Vec<_> = (0..WRITERS)
        .map(|writer| {
            let server = Arc::clone(&server);
            tokio::spawn(async move {
                for number in 0..EACH {
                    let id = 10_000 * (writer + 1) + number;
                    let stream = format!("external-{writer}");
                    let one = vec![event(id, "A", b"1")];
                    server.append(&stream, Expect::Any, one).await.expect("ok");
                }
            })
        })
        .collect();
    let wanted = (BEFORE + WRITERS * EACH) as u64;
    let mut last = 0;
    let mut caught_up = 0;
    while last < wanted {
        match subscription.next().await.expect("a message") {
            Content::Event(event) => {
                let position = event.event.expect("event").commit_position;
                assert_eq!(position, last + 1, "every position once, in order");
                last = position;
            }
            Content::CaughtUp(_) => caught_up += 1,
            Content::Confirmation(_) => {}
            other => panic!("unexpected {other:?}"),
        }
    }
    for writer in writers {
        writer.await.expect("writer");
    }
    // Caught up with all of it before or after the last event; once.
    if caught_up == 0 {
        assert!(matches!(subscription.next().await, Ok(Content::CaughtUp(_))));
    }
    assert!(caught_up <= 1);
    // Resume: exclusive of the position given.
    let mut resumed = server.subscribe_all(Place::At(wanted - 2), None).await;
    let mut positions = Vec::new();
    while positions.len() < 2 {
        if let Content::Event(event) = resumed.next().await.expect("a message") {
            positions.push(event.event.expect("event").commit_position);
        }
    }
    assert_eq!(positions, [wanted - 1, wanted]);
}

async fn a_stream_subscription_starts_after_its_revision(engine: Engine) {
    let server = Running::start(&engine).await;
    // A stream that does not exist yet is waited for.
    let mut early = server.subscribe_stream("external-a", Place::Start).await;
    assert!(matches!(early.next().await, Ok(Content::Confirmation(_))));
    match early.next().await {
        Ok(Content::CaughtUp(it)) => assert_eq!((it.stream_revision, it.position), (None, None)),
        other => panic!("unexpected {other:?}"),
    }
    let events: Vec<_> = (1..=300).map(|id| event(id, "A", b"1")).collect();
    server.append("external-a", Expect::NoStream, events).await.expect("ok");
    let mut seen = Vec::new();
    while seen.len() < 300 {
        if let Content::Event(event) = early.next().await.expect("a message") {
            seen.push(event.event.expect("event").stream_revision);
        }
    }
    assert_eq!(seen, (0..300).collect::<Vec<_>>());
    let mut late = server.subscribe_stream("external-a", Place::At(297)).await;
    let mut tail = Vec::new();
    loop {
        match late.next().await.expect("a message") {
            Content::Event(event) => tail.push(event.event.expect("event").stream_revision),
            Content::CaughtUp(it) => {
                assert_eq!(it.stream_revision, Some(299));
                break;
            }
            _ => {}
        }
    }
    assert_eq!(tail, [298, 299]);
    let mut end = server.subscribe_stream("external-a", Place::End).await;
    assert!(matches!(end.next().await, Ok(Content::Confirmation(_))));
    assert!(matches!(end.next().await, Ok(Content::CaughtUp(_))));
    server.append("external-b", Expect::Any, vec![event(900, "A", b"1")]).await.expect("ok");
    server.append("external-a", Expect::Any, vec![event(901, "A", b"1")]).await.expect("ok");
    match end.next().await {
        Ok(Content::Event(event)) => assert_eq!(event.event.expect("event").stream_revision, 300),
        other => panic!("unexpected {other:?}"),
    }
}

async fn batches_are_answered_each(engine: Engine) {
    use streams::batch_append_resp::Result as Outcome;
    let server = Running::start(&engine).await;
    let requests = vec![
        Running::batch(1, Some(("external-a", Expect::NoStream)), vec![event_of(1)], false),
        Running::batch(2, Some(("external-b", Expect::Exact(7))), vec![event_of(2)], true),
        Running::batch(1, None, vec![event_of(3)], true),
        Running::batch(3, Some(("agent-1", Expect::Any)), vec![event_of(4)], true),
        Running::batch(4, Some(("external-a", Expect::Exact(1))), vec![event_of(5)], true),
    ];
    let answers = server.batch_append(requests).await.expect("answers");
    assert_eq!(answers.len(), 4);
    let order: Vec<String> =
        answers.iter().map(|it| uuid_text(it.correlation_id.as_ref())).collect();
    let number = |id: u128| uuid::Uuid::from_u128(id).to_string();
    assert_eq!(order, [number(2), number(1), number(3), number(4)], "in the order they ended");
    for answer in &answers {
        assert!(answer.stream_identifier.is_some() && answer.expected_stream_position.is_some());
    }
    let detail = |outcome: &Option<Outcome>| match outcome {
        Some(Outcome::Error(status)) => {
            (status.code, status.details.clone().expect("one detail").type_url)
        }
        other => panic!("not an error: {other:?}"),
    };
    let url = |name: &str| format!("type.googleapis.com/event_store.client.{name}");
    assert_eq!(
        detail(&answers[0].result),
        (Code::FailedPrecondition as i32, url("WrongExpectedVersion"))
    );
    assert_eq!(detail(&answers[2].result), (Code::PermissionDenied as i32, url("AccessDenied")));
    for (answer, revision) in [(&answers[1], 1), (&answers[3], 2)] {
        use streams::batch_append_resp::success::CurrentRevisionOption;
        match &answer.result {
            Some(Outcome::Success(success)) => assert_eq!(
                success.current_revision_option,
                Some(CurrentRevisionOption::CurrentRevision(revision))
            ),
            other => panic!("not taken: {other:?}"),
        }
    }
    assert_eq!(ids(&server.read_all(Place::Start, false, 9, None).await), [1, 3, 5]);
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
