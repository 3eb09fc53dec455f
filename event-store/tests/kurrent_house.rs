//! The rules of the house at the KurrentDB door: every read is noted before anything is sent, and what must not be
//! stored is not.

#![allow(
    clippy::expect_used,
    reason = "scenarios are plain functions; what fails should fail the test"
)]

mod kurrent_support;

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use futures::future::BoxFuture;
use kurrent_support::groups::Groups;
use kurrent_support::wire::event_store::client::streams::read_req::options::ReadDirection;
use kurrent_support::wire::event_store::client::streams::read_resp::Content;
use kurrent_support::{
    Engine, Expect, OUTSIDER, Place, READER, Running, event, event_of, ids, the_events,
};
use ledgerline_event_store::EventWriter;
use ledgerline_event_store::kurrent::{Caller, House, Reading, ReadingKind};
use ledgerline_schemas::StreamId;
use tonic::Code;

/// Notes reads, in memory and as events of the log that is read, and knows one secret.
#[derive(Debug)]
struct Notebook {
    log: Arc<dyn EventWriter>,
    noted: Mutex<Vec<(String, Reading)>>,
    full: AtomicBool,
}

impl Notebook {
    fn of(engine: &Engine) -> Arc<Self> {
        let log = Arc::clone(engine.log());
        Arc::new(Self { log, noted: Mutex::default(), full: AtomicBool::new(false) })
    }

    fn taken(&self) -> Vec<(String, Reading)> {
        std::mem::take(&mut *self.noted.lock().expect("not poisoned"))
    }
}

impl House for Notebook {
    fn reads(&self, caller: &Caller, reading: Reading) -> BoxFuture<'_, Result<(), String>> {
        let subject = caller.subject.clone();
        Box::pin(async move {
            if self.full.load(Ordering::SeqCst) {
                return Err("the notebook is full".to_owned());
            }
            let number = {
                let mut noted = self.noted.lock().expect("not poisoned");
                noted.push((subject, reading));
                noted.len()
            };
            let event = kurrent_support::internal(0xACCE_5500 + number as u128, "access-reader");
            let append =
                ledgerline_event_store::Append { events: vec![event], expected: Vec::new() };
            let submitted = self.log.submit(append).map_err(|error| error.to_string())?;
            submitted.await.map(|_| ()).map_err(|error| error.to_string())
        })
    }

    fn clean(&self, text: String) -> String {
        text.replace("secret", "****")
    }
}

async fn start(engine: &Engine) -> (Running, Arc<Notebook>) {
    let notebook = Notebook::of(engine);
    let listen = SocketAddr::from(([127, 0, 0, 1], 0));
    (Running::start_in(engine, listen, notebook.clone()).await, notebook)
}

fn reading(kind: ReadingKind, stream: Option<&str>, from: &str) -> Reading {
    Reading {
        kind,
        stream: stream.map(StreamId::new),
        group: String::new(),
        from: from.to_owned(),
        backward: false,
        events_max: None,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_read_is_noted_once() {
    let engine = Engine::memory();
    let (server, notebook) = start(&engine).await;
    let events = (1..=5).map(event_of).collect();
    server.append("external-a", Expect::NoStream, events).await.expect("ok");
    assert_eq!(notebook.taken(), []);

    assert_eq!(ids(&server.read_stream("external-a", Place::At(2), false, 10).await).len(), 3);
    assert_eq!(ids(&server.read_all(Place::End, true, 2, None).await).len(), 2);
    server.read_stream("external-none", Place::Start, false, 1).await;
    let refused = Running::all_request(Place::Start, ReadDirection::Forwards, None);
    let refused = server.read(OUTSIDER, refused).await.expect_err("may not read");
    assert_eq!(refused.code(), Code::PermissionDenied);
    let read = |stream, from, backward, count| Reading {
        backward,
        events_max: Some(count),
        ..reading(ReadingKind::Read, stream, from)
    };
    let expected = [
        read(Some("external-a"), "2", false, 10),
        read(None, "end", true, 2),
        read(Some("external-none"), "start", false, 1),
    ];
    assert_eq!(notebook.taken(), expected.map(|it| ("reader".to_owned(), it)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_subscription_to_everything_sees_its_own_note_and_makes_no_more() {
    let engine = Engine::memory();
    let (server, notebook) = start(&engine).await;
    server.append("external-a", Expect::NoStream, vec![event_of(1)]).await.expect("ok");
    let mut following = server.subscribe_all(Place::Start, None).await;
    server.append("external-a", Expect::Any, vec![event_of(2)]).await.expect("ok");
    let mut seen = Vec::new();
    while seen.len() < 3 {
        if let content @ Content::Event(_) = following.next().await.expect("goes on") {
            seen.extend(ids(&[content]));
        }
    }
    assert_eq!(seen, [1, 0xACCE_5501, 2]);
    // Nothing that came was answered with another note.
    assert_eq!(
        notebook.taken(),
        [("reader".to_owned(), reading(ReadingKind::Subscription, None, "start"))]
    );
    assert_eq!(engine.log().head().0, 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_consumer_of_a_group_is_noted_when_it_comes() {
    let engine = Engine::memory();
    let (server, notebook) = start(&engine).await;
    let groups = Groups::of(&server);
    server.append("external-a", Expect::NoStream, vec![event_of(1)]).await.expect("ok");
    groups.create(Some("external-a"), "work", Groups::settings()).await.expect("made");
    assert_eq!(notebook.taken(), []);
    let mut consumer = groups.consume(Some("external-a"), "work", 5).await.expect("in");
    assert_eq!(consumer.next().await.expect("an event").0, 1);
    let noted =
        Reading { group: "work".to_owned(), ..reading(ReadingKind::Group, Some("external-a"), "") };
    assert_eq!(notebook.taken(), [("manager".to_owned(), noted)]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_noted_is_not_answered() {
    let engine = Engine::memory();
    let (server, notebook) = start(&engine).await;
    server.append("external-a", Expect::NoStream, vec![event_of(1)]).await.expect("ok");
    notebook.full.store(true, Ordering::SeqCst);
    let request = Running::stream_request("external-a", Place::Start, ReadDirection::Forwards);
    let refused = server.read(READER, request).await.expect_err("not noted");
    assert_eq!(refused.code(), Code::Unavailable);
    assert!(!refused.message().contains("notebook"), "{}", refused.message());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn texts_in_json_are_cleaned_before_they_are_stored() {
    let engine = Engine::memory();
    let (server, _) = start(&engine).await;
    let mut first = event(1, "Note", br#"{ "text" :  "a secret", "n": 1.0 }"#);
    first.custom_metadata = br#"{"from":"secret"}"#.to_vec().into();
    let mut binary = event(2, "Picture", b"secret");
    binary.metadata.insert("content-type".to_owned(), "application/octet-stream".to_owned());
    let all = vec![first, binary, event(3, "Torn", b"{ secret")];
    server.append("external-a", Expect::NoStream, all).await.expect("ok");
    let batch = event(4, "Note", br#"["secret"]"#);
    let batch = Running::batch(1, Some(("external-a", Expect::Exact(2))), vec![batch], true);
    server.batch_append(vec![batch]).await.expect("answered");
    let found = server.read_stream("external-a", Place::Start, false, 10).await;
    let data: Vec<&[u8]> = the_events(&found).iter().map(|it| it.data.as_ref()).collect();
    let expected: [&[u8]; 4] =
        [br#"{ "text" :  "a ****", "n": 1.0 }"#, b"secret", b"{ ****", br#"["****"]"#];
    assert_eq!(data, expected);
    assert_eq!(the_events(&found)[0].custom_metadata.as_ref(), br#"{"from":"****"}"#);
}
