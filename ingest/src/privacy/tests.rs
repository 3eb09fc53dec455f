use std::sync::Mutex;

use ledgerline_event_store::capability::Capabilities;
use ledgerline_event_store::crypt::Binding;
use ledgerline_event_store::crypt::KeyRing;
use ledgerline_event_store::log::{
    AppendError, Direction, EventReader, Filter, Page, ReadError, Submitted,
};
use ledgerline_event_store::memory::MemoryLog;
use ledgerline_event_store::{Append, EventWriter};
use ledgerline_schemas::id::{CommandId, EventId, InteractionId, KeyId, OrgId, SubjectId};
use ledgerline_schemas::{
    Actor, ActorType, Event, Position, Recorded, StreamId, Timestamp, Version,
};
use tokio::sync::watch;

use super::*;

const ORG: OrgId = OrgId::from_u128(1);
const PERSON: SubjectId = SubjectId::from_u128(7);
const SAID: Binding = Binding::said(InteractionId::from_u128(9));

/// A log that takes so many appends and then none.
#[derive(Debug)]
struct Failing {
    log: MemoryLog,
    left: Mutex<usize>,
}

impl EventReader for Failing {
    fn org_id(&self) -> OrgId {
        self.log.org_id()
    }
    fn capabilities(&self) -> Capabilities {
        self.log.capabilities()
    }
    fn head(&self) -> Position {
        self.log.head()
    }
    fn watch_head(&self) -> watch::Receiver<Position> {
        self.log.watch_head()
    }
    fn stream_head(&self, stream: &StreamId) -> Result<Option<Version>, ReadError> {
        EventReader::stream_head(&self.log, stream)
    }
    fn read_stream(
        &self,
        stream: &StreamId,
        from: Version,
        direction: Direction,
        max: usize,
    ) -> Result<Vec<Recorded>, ReadError> {
        self.log.read_stream(stream, from, direction, max)
    }
    fn read_all(
        &self,
        from: Position,
        direction: Direction,
        filter: &Filter,
        max: usize,
    ) -> Result<Page, ReadError> {
        self.log.read_all(from, direction, filter, max)
    }
    fn find_event(&self, id: EventId) -> Result<Option<Position>, ReadError> {
        self.log.find_event(id)
    }
    fn load_checkpoint(&self, consumer: &str) -> Result<Option<Position>, ReadError> {
        self.log.load_checkpoint(consumer)
    }
}

impl EventWriter for Failing {
    fn submit(&self, append: Append) -> Result<Submitted, AppendError> {
        let mut left = self.left.lock().expect("lock");
        *left = left
            .checked_sub(1)
            .ok_or(AppendError::Unavailable { reason: "the disk is full".to_owned() })?;
        self.log.submit(append)
    }
    fn save_checkpoint(&self, consumer: &str, position: Position) -> Result<(), AppendError> {
        self.log.save_checkpoint(consumer, position)
    }
}

fn request(id: u128) -> ErasureRequest {
    ErasureRequest {
        request_id: CommandId::from_u128(id),
        actor: Actor::new(ActorType::Admin, "ann"),
        reason: "asked by letter".to_owned(),
        time: Timestamp::EPOCH,
        subjects: vec![PERSON, SubjectId::from_u128(8)],
        dry_run: false,
    }
}

/// What is recorded: requests with their keys, completions with theirs.
fn recorded(log: &dyn EventReader) -> Vec<(&'static str, CommandId, Vec<KeyId>)> {
    let page =
        log.read_all(Position::START, Direction::Forward, &Filter::all(), 100).expect("page");
    page.events
        .iter()
        .map(|recorded| match recorded.decode().expect("ours") {
            Event::ErasureRequested(it) => {
                assert_eq!((it.subject_id, &*it.reason), (PERSON, "asked by letter"));
                assert_eq!(recorded.header.actor, Actor::new(ActorType::Admin, "ann"));
                ("requested", it.request_id, it.key_ids)
            }
            Event::ErasureCompleted(it) => ("completed", it.request_id, vec![it.key_id]),
            other => panic!("{other:?}"),
        })
        .collect()
}

#[tokio::test]
async fn every_key_of_a_person_is_destroyed_and_recorded() {
    let log: Arc<dyn EventWriter> = Arc::new(MemoryLog::new(ORG, || Timestamp::EPOCH));
    let keys = KeyRing::in_memory().expect("keys");
    let first = keys.seal(ORG, PERSON, SAID, &"one".to_owned()).expect("sealed");
    let second = keys.rotate_subject(ORG, PERSON).expect("rotated");
    let other = keys.seal(ORG, SubjectId::from_u128(99), SAID, &"two".to_owned()).expect("sealed");
    let dry = ErasureRequest { dry_run: true, ..request(1) };
    let report = erase(&log, &keys, dry).await.expect("report");
    assert_eq!(report.erased.len(), 1);
    assert!(keys.open(ORG, SAID, &first).is_ok() && recorded(&*log).is_empty());
    let report = erase(&log, &keys, request(1)).await.expect("report");
    let expected: std::collections::BTreeSet<KeyId> = [first.key_id, second].into();
    assert_eq!(report.erased, [Erased { subject_id: PERSON, key_ids: expected.clone() }]);
    assert_eq!(report.position, log.head());
    assert!(keys.open(ORG, SAID, &first).is_err());
    assert_eq!(keys.open(ORG, SAID, &other).expect("kept"), "two");
    let events = recorded(&*log);
    assert_eq!(events.len(), 3);
    let ids: Vec<KeyId> = expected.iter().copied().collect();
    assert_eq!(events[0].2.iter().copied().collect::<std::collections::BTreeSet<_>>(), expected);
    assert_eq!(events[1..].iter().map(|event| event.2[0]).collect::<Vec<_>>(), ids);
    // The same request again gives the same answer and leaves whoever came back alone.
    let back = keys.seal(ORG, PERSON, SAID, &"back".to_owned()).expect("sealed");
    let again = erase(&log, &keys, request(1)).await.expect("report");
    assert_eq!(again.erased, report.erased);
    assert_eq!(keys.open(ORG, SAID, &back).expect("opens"), "back");
    assert_eq!(recorded(&*log).len(), 3);
    // Another request is about the new key.
    erase(&log, &keys, request(2)).await.expect("report");
    assert!(keys.open(ORG, SAID, &back).is_err());
    let report = erase(&log, &keys, request(3)).await.expect("report");
    assert!(report.erased.is_empty() && recorded(&*log).len() == 5, "nothing is left");
}

#[tokio::test]
async fn a_crash_between_two_steps_leaves_something_that_a_repetition_finishes() {
    for repeated in [1, 2] {
        for taken in [0, 1] {
            let memory = MemoryLog::new(ORG, || Timestamp::EPOCH);
            let failing = Failing { log: memory.clone(), left: Mutex::new(taken) };
            let keys = KeyRing::in_memory().expect("keys");
            let sealed = keys.seal(ORG, PERSON, SAID, &1_u8).expect("sealed");
            let broken: Arc<dyn EventWriter> = Arc::new(failing);
            let error = erase(&broken, &keys, request(1)).await.expect_err("the log fails");
            assert!(matches!(error, ErasureError::Append(_)), "{error}");
            // No key goes before its request is on the log.
            assert_eq!(keys.open(ORG, SAID, &sealed).is_ok(), taken == 0);
            let log: Arc<dyn EventWriter> = Arc::new(memory);
            let report = erase(&log, &keys, request(repeated)).await.expect("report");
            assert_eq!(report.erased[0].key_ids, [sealed.key_id].into());
            assert!(keys.open(ORG, SAID, &sealed).is_err());
            let named = CommandId::from_u128(if taken == 0 { repeated } else { 1 });
            let key = vec![sealed.key_id];
            let expected = [("requested", named, key.clone()), ("completed", named, key)];
            assert_eq!(recorded(&*log), expected, "{taken} appends, then request {repeated}");
        }
    }
}

#[tokio::test]
async fn keys_that_a_crash_left_after_the_request_are_destroyed_by_the_next_one() {
    let log: Arc<dyn EventWriter> = Arc::new(MemoryLog::new(ORG, || Timestamp::EPOCH));
    let keys = KeyRing::in_memory().expect("keys");
    let sealed = keys.seal(ORG, PERSON, SAID, &1_u8).expect("sealed");
    // A process that got as far as the request.
    let fact = ledgerline_schemas::event::access::ErasureRequested {
        request_id: CommandId::from_u128(1),
        subject_id: PERSON,
        reason: "asked by letter".to_owned(),
        key_ids: vec![sealed.key_id],
    };
    let fact = Event::ErasureRequested(fact);
    let fact = erase::event(&request(1), PERSON, "requested", &fact);
    let append = Append { events: vec![fact], expected: Vec::new() };
    log.submit(append).expect("taken").await.expect("durable");
    for repeated in [1, 1] {
        erase(&log, &keys, request(repeated)).await.expect("report");
        assert!(keys.open(ORG, SAID, &sealed).is_err());
        let events = recorded(&*log);
        assert_eq!(events.len(), 2);
        assert_eq!(events[1], ("completed", CommandId::from_u128(1), vec![sealed.key_id]));
    }
}
