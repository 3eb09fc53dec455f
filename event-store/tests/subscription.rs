//! From history into the live tail, with writers at work.

mod common;

use std::collections::BTreeMap;
use std::sync::Arc;

use common::{ORG, append, event, small_segments};
use ledgerline_event_store::{
    Delivery, Direction, EmbeddedLog, EventReader as _, EventWriter as _, Expected, Filter,
    Subscription,
};
use ledgerline_schemas::{Position, StreamId, Version};

const WRITERS: u64 = 6;
const APPENDS: u64 = 120;

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn every_event_comes_once_and_in_order_while_others_write() {
    let directory = tempfile::tempdir().unwrap();
    let log = EmbeddedLog::open(directory.path(), ORG, small_segments()).unwrap();
    for id in 1..=200 {
        log.submit(append(vec![event(id, "interaction-0")])).unwrap();
    }
    let writers: Vec<_> = (1..=WRITERS)
        .map(|writer| {
            let log = log.clone();
            tokio::spawn(async move {
                let stream = format!("interaction-{writer}");
                for n in 0..APPENDS {
                    let id = u128::from(writer * 1_000_000 + n * 2);
                    let events = vec![event(id, &stream), event(id + 1, &stream)];
                    let done = log.submit(append(events)).unwrap().await.unwrap();
                    assert!(log.head() >= done.last, "what is acknowledged can be read");
                }
            })
        })
        .collect();
    let expected = 200 + WRITERS * APPENDS * 2;
    let readers: Vec<_> = [0, 1, 57, 199]
        .into_iter()
        .map(|after| {
            let log: Arc<EmbeddedLog> = Arc::new(log.clone());
            tokio::spawn(async move {
                let mut subscription =
                    Subscription::new(log.clone(), Position(after), Filter::all());
                let mut last = after;
                let mut versions: BTreeMap<StreamId, u64> = BTreeMap::new();
                while last < expected {
                    match subscription.next().await.unwrap() {
                        Delivery::Event(event) => {
                            assert_eq!(event.header.position.0, last + 1, "no gap, no duplicate");
                            last += 1;
                            assert!(log.head().0 >= last, "nothing is shown before it is durable");
                            let version = event.header.version.0;
                            let before = versions.insert(event.header.stream.clone(), version);
                            assert!(before.is_none_or(|before| before + 1 == version));
                        }
                        Delivery::CaughtUp(position) => assert_eq!(position.0, last),
                    }
                }
            })
        })
        .collect();
    for task in writers.into_iter().chain(readers) {
        task.await.unwrap();
    }
    assert_eq!(log.head(), Position(expected));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_competing_writers_that_expect_the_same_version_one_wins() {
    let directory = tempfile::tempdir().unwrap();
    let log = EmbeddedLog::open(directory.path(), ORG, small_segments()).unwrap();
    let racers: Vec<_> = (0..8_u128)
        .map(|racer| {
            let log = log.clone();
            tokio::spawn(async move {
                let mut won = 0_u64;
                for round in 0..50_u64 {
                    let expected = round
                        .checked_sub(1)
                        .map_or(Expected::NoStream, |version| Expected::Exact(Version(version)));
                    let id = racer * 1_000 + u128::from(round);
                    let attempt =
                        common::expecting(vec![event(id, "agent-1")], "agent-1", expected);
                    if let Ok(submitted) = log.submit(attempt) {
                        submitted.await.unwrap();
                        won += 1;
                    }
                    let mut head = log.watch_head();
                    head.wait_for(|head| head.0 > round).await.unwrap();
                }
                won
            })
        })
        .collect();
    let mut won = 0;
    for racer in racers {
        won += racer.await.unwrap();
    }
    assert_eq!(won, 50);
    let stream = StreamId::new("agent-1");
    let events = log.read_stream(&stream, Version(0), Direction::Forward, 100).unwrap();
    assert_eq!(events.len(), 50);
}

#[tokio::test]
async fn a_filtered_subscription_passes_over_the_rest() {
    let directory = tempfile::tempdir().unwrap();
    let log = EmbeddedLog::open(directory.path(), ORG, small_segments()).unwrap();
    for id in 1..=50 {
        let stream = if id % 10 == 0 { "agent-1" } else { "interaction-1" };
        log.submit(append(vec![event(id, stream)])).unwrap().await.unwrap();
    }
    let filter = Filter { stream_prefixes: vec!["agent-".to_owned()], ..Filter::all() };
    let mut subscription = Subscription::new(Arc::new(log), Position::START, filter);
    let mut seen = Vec::new();
    loop {
        match subscription.next().await.unwrap() {
            Delivery::Event(event) => seen.push(event.header.position.0),
            Delivery::CaughtUp(position) => {
                assert_eq!(position, Position(50));
                break;
            }
        }
    }
    assert_eq!(seen, [10, 20, 30, 40, 50]);
}
