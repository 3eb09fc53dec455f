//! At least once, in order, never skipped: over failures, crashes and restarts, in two organizations.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should stop where it is")]

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use ledgerline_connectors::{
    Backoff, JsonLines, Outbox, OutboxError, PositionError, PositionFile, Sink, SinkError,
};
use ledgerline_event_store::log::{Append, EventReader as _, EventWriter as _, Filter};
use ledgerline_event_store::memory::MemoryLog;
use ledgerline_schemas::id::{EventId, OrgId};
use ledgerline_schemas::{Actor, NewEvent, Position, Recorded, StreamId, Timestamp};
use proptest::prelude::*;
use serde_json::Value as Json;
use tokio::sync::watch;

const ORG_A: OrgId = OrgId::from_u128(0xA);
const ORG_B: OrgId = OrgId::from_u128(0xB);

fn log_of(org_id: OrgId, events: u64) -> MemoryLog {
    let log = MemoryLog::new(org_id, || Timestamp::EPOCH);
    append(&log, events);
    log
}

fn append(log: &MemoryLog, count: u64) {
    for n in log.head().0 + 1..=log.head().0 + count {
        let event_type = if n % 2 == 0 { "test.even" } else { "test.odd" };
        let events = vec![NewEvent {
            id: EventId::derived(log.org_id().uuid(), &n.to_string()),
            stream: StreamId::new("external-test"),
            event_type: event_type.into(),
            time: Timestamp::EPOCH,
            command_id: Default::default(),
            correlation_id: Default::default(),
            causation_id: None,
            actor: Actor::system("test"),
            config_position: Position::START,
            traceparent: None,
            data_subject_id: None,
            payload: vec![1, 2, 3],
        }];
        log.submit(Append { events, expected: vec![] }).unwrap();
    }
}

/// What happens at a delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Taken,
    /// Fails for now, before anything is taken.
    Later,
    /// The events are taken, but the process ends before it learns of it.
    Crash,
}

/// Remembers what it was given; its fate is laid down.
#[derive(Clone, Default)]
struct Fated {
    taken: Arc<Mutex<Vec<u64>>>,
    fates: Arc<Mutex<Vec<Fate>>>,
}

impl Sink for Fated {
    async fn deliver(&mut self, events: &[Recorded]) -> Result<(), SinkError> {
        let fate = self.fates.lock().unwrap().pop().unwrap_or(Fate::Taken);
        if fate == Fate::Later {
            return Err(SinkError::Later("down".to_owned()));
        }
        let positions = events.iter().map(|event| event.header.position.0);
        self.taken.lock().unwrap().extend(positions);
        match fate {
            Fate::Crash => Err(SinkError::Refused("crash".to_owned())),
            _ => Ok(()),
        }
    }
}

fn outbox<S: Sink>(log: &MemoryLog, path: &Path, sink: S, filter: Filter) -> Outbox<S> {
    let position = PositionFile::open(path, log.org_id()).unwrap();
    Outbox::new(Arc::new(log.clone()), filter, position, sink, Backoff::default()).unwrap()
}

fn fate() -> impl Strategy<Value = Fate> {
    prop_oneof![Just(Fate::Taken), Just(Fate::Later), Just(Fate::Crash)]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn nothing_is_skipped(
        rounds in prop::collection::vec((0_u64..450, prop::collection::vec(fate(), 0..6)), 1..6),
    ) {
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
        runtime.unwrap().block_on(async {
            let dir = tempfile::tempdir().unwrap();
            let path = dir.path().join("position.json");
            let log = log_of(ORG_A, 0);
            let sink = Fated::default();
            for (events, fates) in rounds {
                append(&log, events);
                *sink.fates.lock().unwrap() = fates;
                loop {
                    // A new process: all it has is the file.
                    let mut outbox = outbox(&log, &path, sink.clone(), Filter::all());
                    let before = outbox.position();
                    let seen = sink.taken.lock().unwrap().len();
                    let outcome = outbox.catch_up().await;
                    let taken = sink.taken.lock().unwrap()[seen..].to_vec();
                    let expected: Vec<u64> = (before.0 + 1..).take(taken.len()).collect();
                    assert_eq!(taken, expected, "not the events after the saved position");
                    match outcome {
                        Ok(position) => {
                            assert_eq!(position, log.head());
                            assert_eq!(taken.len() as u64, log.head().0 - before.0);
                            break;
                        }
                        Err(error) => assert!(matches!(error, OutboxError::Refused { .. })),
                    }
                }
            }
        });
    }

    /// The file of a process that died at any byte, with any older saved position, has every event once.
    #[test]
    fn a_cut_file_is_continued_without_loss_or_repetition(cut in 1_u64..2_000, saved in 0_u64..=5) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let dir = tempfile::tempdir().unwrap();
            let (path, lines) = (dir.path().join("position.json"), dir.path().join("events.jsonl"));
            let log = log_of(ORG_A, 5);
            let run = async || {
                let sink = JsonLines::open(&lines).unwrap();
                outbox(&log, &path, sink, Filter::all()).catch_up().await.unwrap()
            };
            run().await;
            let safe = std::fs::metadata(&lines).unwrap().len();
            append(&log, 5);
            run().await;
            let expected = std::fs::read(&lines).unwrap();
            let length = (safe + cut).min(expected.len() as u64);
            std::fs::write(&lines, &expected[..usize::try_from(length).unwrap()]).unwrap();
            PositionFile::open(&path, ORG_A).unwrap().save(Position(saved)).unwrap();
            run().await;
            assert_eq!(std::fs::read(&lines).unwrap(), expected);
            let positions: Vec<u64> = std::str::from_utf8(&expected)
                .unwrap()
                .lines()
                .map(|line| serde_json::from_str::<Json>(line).unwrap())
                .map(|event| {
                    assert_eq!(event["specversion"], "1.0");
                    assert_eq!(event["org_id"], ORG_A.to_string());
                    event["position"].as_u64().unwrap()
                })
                .collect();
            assert_eq!(positions, (1..=10).collect::<Vec<u64>>());
        });
    }
}

#[tokio::test(start_paused = true)]
async fn two_organizations_stay_apart() {
    let dir = tempfile::tempdir().unwrap();
    let (a, b) = (log_of(ORG_A, 3), log_of(ORG_B, 2));
    let (path, other) = (dir.path().join("a.json"), dir.path().join("b.json"));
    let (to_a, to_b) = (Fated::default(), Fated::default());
    outbox(&a, &path, to_a.clone(), Filter::all()).catch_up().await.unwrap();
    outbox(&b, &other, to_b.clone(), Filter::all()).catch_up().await.unwrap();
    assert_eq!(*to_a.taken.lock().unwrap(), [1, 2, 3]);
    assert_eq!(*to_b.taken.lock().unwrap(), [1, 2]);
    let error = PositionFile::open(&path, ORG_B).unwrap_err();
    assert!(matches!(error, PositionError::OtherOrganization { found: ORG_A, .. }), "{error}");
}

#[tokio::test(start_paused = true)]
async fn follows_the_log_filters_and_stops() {
    let dir = tempfile::tempdir().unwrap();
    let log = log_of(ORG_A, 3);
    let sink = Fated::default();
    let filter = Filter { type_prefixes: vec!["test.even".to_owned()], ..Filter::all() };
    let path = dir.path().join("position.json");
    let (stop, stopped) = watch::channel(false);
    let running = tokio::spawn(outbox(&log, &path, sink.clone(), filter).run(stopped));
    append(&log, 4);
    while sink.taken.lock().unwrap().len() < 3 {
        tokio::task::yield_now().await;
    }
    stop.send(true).unwrap();
    let reached = running.await.unwrap().unwrap();
    assert_eq!(*sink.taken.lock().unwrap(), [2, 4, 6]);
    assert_eq!(PositionFile::open(&path, ORG_A).unwrap().position(), reached);
}

/// Never answers.
struct Silent;

impl Sink for Silent {
    async fn deliver(&mut self, _: &[Recorded]) -> Result<(), SinkError> {
        std::future::pending().await
    }
}

#[tokio::test(start_paused = true)]
async fn a_sink_that_never_answers_can_be_left() {
    let dir = tempfile::tempdir().unwrap();
    let log = log_of(ORG_A, 3);
    let path = dir.path().join("position.json");
    let (stop, stopped) = watch::channel(false);
    let running = tokio::spawn(outbox(&log, &path, Silent, Filter::all()).run(stopped));
    tokio::task::yield_now().await;
    stop.send(true).unwrap();
    assert_eq!(running.await.unwrap().unwrap(), Position::START);
}

#[tokio::test]
async fn what_cannot_be_right_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("position.json");
    let log = log_of(ORG_A, 3);
    PositionFile::open(&path, ORG_A).unwrap().save(Position(9)).unwrap();
    let position = PositionFile::open(&path, ORG_A).unwrap();
    let sink = Fated::default();
    let ahead =
        Outbox::new(Arc::new(log.clone()), Filter::all(), position, sink, Backoff::default());
    assert!(matches!(
        ahead.map(|_| ()),
        Err(OutboxError::Ahead { saved: Position(9), head: Position(3) })
    ));
    std::fs::write(&path, "{").unwrap();
    let error = PositionFile::open(&path, ORG_A).unwrap_err();
    assert!(matches!(error, PositionError::Damaged { .. }), "{error}");
    let lines = dir.path().join("events.jsonl");
    std::fs::write(&lines, "no event\n").unwrap();
    assert!(JsonLines::open(&lines).is_err());
}

#[test]
fn waits_double_up_to_the_longest() {
    let backoff = Backoff { first: Duration::from_secs(1), longest: Duration::from_secs(300) };
    let waits: Vec<u64> =
        [1, 2, 3, 9, 10, u32::MAX].map(|failures| backoff.wait(failures).as_secs()).to_vec();
    assert_eq!(waits, [1, 2, 4, 256, 300, 300]);
}
