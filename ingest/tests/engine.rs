//! The engine over a real core: durability before results, recovery, repeated commands, poisoning.

#![allow(clippy::expect_used, reason = "a test helper that cannot go on should fail the test")]

use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex};

use ledgerline_event_store::capability::Capabilities;
use ledgerline_event_store::memory::MemoryLog;
use ledgerline_event_store::{
    Append, AppendError, Direction, EventReader, EventWriter, Filter, Page, ReadError, Submitted,
};
use ledgerline_ingest::engine::{
    EffectSinks, Engine, EngineError, EngineHandle, Options, Routed, replay,
};
use ledgerline_routing_core::{Effect, RejectionCode, event_id, snapshot};
use ledgerline_schemas::command::{Command, Commanded};
use ledgerline_schemas::config::{ChannelType, EntityKind};
use ledgerline_schemas::document::Document;
use ledgerline_schemas::id::{CommandId, CorrelationId, EventId, InteractionId, MediaLegId, OrgId};
use ledgerline_schemas::{
    Actor, ActorType, NewEvent, Position, Recorded, StreamId, Timestamp, Version,
};
use serde_json::{Value, json};
use tokio::sync::{oneshot, watch};

const ORG: OrgId = OrgId::from_u128(0xa);

static NOW: AtomicI64 = AtomicI64::new(1_700_000_000_000_000);

fn clock() -> Timestamp {
    Timestamp::from_micros(NOW.fetch_add(1_000, Ordering::Relaxed))
}

fn commanded(number: u128, command: Command) -> Commanded {
    Commanded {
        org_id: ORG,
        command_id: CommandId::from_u128(number),
        correlation_id: CorrelationId::from_u128(number),
        actor: Actor::new(ActorType::Admin, "tester"),
        traceparent: None,
        data_subject_id: None,
        command,
    }
}

fn put(kind: EntityKind, document: &Value) -> Command {
    let document = Document::from_value(document).expect("an object");
    Command::PutEntity { kind, entity_id: None, document, reason: None }
}

async fn configure(engine: &EngineHandle) {
    let queue = EntityKind::Queue.derive_id(ORG, "help");
    let flow = EntityKind::Flow.derive_id(ORG, "main");
    let commands = [
        put(EntityKind::Queue, &json!({"name": "help", "channel_type": "chat"})),
        put(
            EntityKind::Flow,
            &json!({"name": "main", "start": "q", "activities": {
                "q": {"does": {"queue_contact": {"queue_id": queue}}}
            }}),
        ),
        put(
            EntityKind::EntryPoint,
            &json!({"name": "web", "channel_type": "chat", "numbers": ["web"], "flow_id": flow}),
        ),
    ];
    for (number, command) in (1_000..).zip(commands) {
        engine.submit(commanded(number, command)).await.expect("configuration is accepted");
    }
}

fn start_at(number: u128, destination: &str) -> Command {
    Command::StartInteraction {
        interaction_id: InteractionId::from_u128(number),
        channel_type: ChannelType::Chat,
        destination: destination.to_owned(),
        origin: None,
        media_leg_id: MediaLegId::from_u128(number),
        call_ref: number.to_string(),
        transport: "websocket".to_owned(),
    }
}

fn start(number: u128) -> Command {
    start_at(number, "web")
}

type Held = Arc<Mutex<Vec<oneshot::Sender<Result<(), AppendError>>>>>;

/// A log whose acknowledgements can be held back or turned into failures.
#[derive(Clone, Debug)]
struct Gate {
    inner: MemoryLog,
    holding: Arc<AtomicBool>,
    held: Held,
}

impl Gate {
    fn new() -> Self {
        Self { inner: MemoryLog::new(ORG, clock), holding: Arc::default(), held: Arc::default() }
    }

    async fn wait_until_held(&self) {
        while self.held.lock().expect("not poisoned").is_empty() {
            tokio::task::yield_now().await;
        }
    }

    fn release(&self, outcome: &Result<(), AppendError>) {
        self.holding.store(false, Ordering::SeqCst);
        for sender in self.held.lock().expect("not poisoned").drain(..) {
            let _ = sender.send(outcome.clone());
        }
    }
}

impl EventReader for Gate {
    fn org_id(&self) -> OrgId {
        self.inner.org_id()
    }
    fn capabilities(&self) -> Capabilities {
        self.inner.capabilities()
    }
    fn head(&self) -> Position {
        self.inner.head()
    }
    fn watch_head(&self) -> watch::Receiver<Position> {
        self.inner.watch_head()
    }
    fn stream_head(&self, stream: &StreamId) -> Result<Option<Version>, ReadError> {
        self.inner.stream_head(stream)
    }
    fn read_stream(
        &self,
        stream: &StreamId,
        from: Version,
        direction: Direction,
        max: usize,
    ) -> Result<Vec<Recorded>, ReadError> {
        self.inner.read_stream(stream, from, direction, max)
    }
    fn read_all(
        &self,
        from: Position,
        direction: Direction,
        filter: &Filter,
        max: usize,
    ) -> Result<Page, ReadError> {
        self.inner.read_all(from, direction, filter, max)
    }
    fn find_event(&self, id: EventId) -> Result<Option<Position>, ReadError> {
        self.inner.find_event(id)
    }
    fn load_checkpoint(&self, consumer: &str) -> Result<Option<Position>, ReadError> {
        self.inner.load_checkpoint(consumer)
    }
}

impl EventWriter for Gate {
    fn submit(&self, append: Append) -> Result<Submitted, AppendError> {
        let submitted = self.inner.submit(append)?;
        if !self.holding.load(Ordering::SeqCst) {
            return Ok(submitted);
        }
        let (sender, receiver) = oneshot::channel();
        self.held.lock().expect("not poisoned").push(sender);
        Ok(Submitted::new(submitted.appended.clone(), receiver))
    }
    fn save_checkpoint(&self, consumer: &str, position: Position) -> Result<(), AppendError> {
        self.inner.save_checkpoint(consumer, position)
    }
}

fn engine(log: &Gate, dir: &Path, sinks: EffectSinks) -> Engine {
    let options = Options { snapshot_every: 10, ..Options::new(dir.to_path_buf(), clock) };
    Engine::start(ORG, Arc::new(log.clone()), sinks, options).expect("starts")
}

fn submit(
    handle: &EngineHandle,
    number: u128,
    command: Command,
) -> tokio::task::JoinHandle<Result<ledgerline_ingest::engine::Accepted, EngineError>> {
    let handle = handle.clone();
    tokio::spawn(async move { handle.submit(commanded(number, command)).await })
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_leaves_before_it_is_durable() {
    let dir = tempfile::tempdir().expect("folder");
    let log = Gate::new();
    let mut sinks = EffectSinks::default();
    let mut chat = sinks.open(Routed::Chat);
    let engine = engine(&log, dir.path(), sinks);
    let handle = engine.handle();
    configure(&handle).await;
    log.holding.store(true, Ordering::SeqCst);
    let first = submit(&handle, 1, start(1));
    log.wait_until_held().await;
    // A rejection and a read behind it may rest on the event that is not durable yet.
    let rejected = submit(&handle, 2, start_at(2, "nowhere"));
    let (looked, seen) = oneshot::channel();
    let read = tokio::spawn({
        let handle = handle.clone();
        async move {
            handle
                .read(move |state| {
                    let _ = looked.send(());
                    state.interactions().count()
                })
                .await
        }
    });
    seen.await.expect("the driver came to the read");
    assert!(chat.try_recv().is_err(), "an effect ran before its event was durable");
    assert!(!first.is_finished() && !rejected.is_finished() && !read.is_finished());
    log.release(&Ok(()));
    let accepted = first.await.expect("joins").expect("accepted");
    assert!(!accepted.events.is_empty());
    let no = rejected.await.expect("joins").expect_err("no such entry point");
    assert!(matches!(no, EngineError::Rejected(it) if it.code == RejectionCode::UnknownNumber));
    assert_eq!(read.await.expect("joins"), Ok(1));
    let (id, effect) = chat.recv().await.expect("an effect");
    assert!(matches!(effect, Effect::AnswerCustomer { .. }));
    assert!(id.position <= accepted.position);
    engine.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_finds_the_same_state_from_snapshot_and_from_the_whole_log() {
    let dir = tempfile::tempdir().expect("folder");
    let log = Gate::new();
    for round in 0..4_u128 {
        let engine = engine(&log, dir.path(), EffectSinks::default());
        let handle = engine.handle();
        configure(&handle).await;
        for number in (1..=10).map(|number| number + round * 100) {
            handle.submit(commanded(number, start(number))).await.expect("accepted");
            let interaction_id = InteractionId::from_u128(number);
            if number % 2 == 0 {
                let left = Command::CustomerLeft { interaction_id };
                handle.submit(commanded(number + 50, left)).await.expect("accepted");
            }
        }
        let (_, hash) = handle.state_hash().await.expect("readable");
        engine.stop();
        let (replayed, head) = replay(&log).expect("replays");
        assert_eq!(snapshot::hash(&replayed), hash, "round {round}");
        assert_eq!(head, log.head());
        let snapshots = std::fs::read_dir(dir.path()).expect("readable").count();
        assert!((1..=2).contains(&snapshots), "{snapshots} snapshots are kept");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeated_command_gets_its_first_answer_even_after_a_restart() {
    let dir = tempfile::tempdir().expect("folder");
    let log = Gate::new();
    let running = engine(&log, dir.path(), EffectSinks::default());
    configure(&running.handle()).await;
    let first = running.handle().submit(commanded(7, start(7))).await.expect("accepted");
    let again = running.handle().submit(commanded(7, start(7))).await.expect("accepted");
    assert_eq!((first.position, &first.events), (again.position, &again.events));
    running.stop();
    let before = log.head();
    let running = engine(&log, dir.path(), EffectSinks::default());
    let later = running.handle().submit(commanded(7, start(7))).await.expect("accepted");
    assert_eq!((first.position, &first.events), (later.position, &later.events));
    assert_eq!(log.head(), Position(before.0 + 1), "only the new term was recorded");
    running.stop();
}

/// Events of another program, as many as bury everything that the engine remembers after a restart.
async fn bury(log: &Gate) {
    let mut number = 1 << 64;
    for _ in 0..6 {
        let events = (0..4_000).map(|_| {
            number += 1;
            foreign(EventId::from_u128(number))
        });
        let append = Append { events: events.collect(), expected: Vec::new() };
        log.submit(append).expect("taken").await.expect("durable");
    }
}

fn foreign(id: EventId) -> NewEvent {
    NewEvent {
        id,
        stream: StreamId::new("external-crm"),
        event_type: "Noted".into(),
        time: clock(),
        command_id: CommandId::from_u128(id.uuid().as_u128()),
        correlation_id: CorrelationId::from_u128(1),
        causation_id: None,
        actor: Actor::new(ActorType::Admin, "crm"),
        config_position: Position::START,
        traceparent: None,
        data_subject_id: None,
        payload: b"{}".to_vec(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_killed_before_each_snapshot_is_due_gets_one_all_the_same() {
    let (dir, other) = (tempfile::tempdir().expect("folder"), tempfile::tempdir().expect("folder"));
    let log = Gate::new();
    let running = engine(&log, other.path(), EffectSinks::default());
    configure(&running.handle()).await;
    for number in 1..=10 {
        running.handle().submit(commanded(number, start(number))).await.expect("accepted");
    }
    running.stop();
    // Nothing of that was kept in this folder, as after a kill.
    let running = engine(&log, dir.path(), EffectSinks::default());
    running.handle().submit(commanded(11, start(11))).await.expect("accepted");
    // The snapshot stands in the line before the answer of the second command.
    running.handle().submit(commanded(12, start(12))).await.expect("accepted");
    let snapshots = std::fs::read_dir(dir.path()).expect("readable").count();
    assert!(snapshots > 0, "12 calls and no snapshot");
    running.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_that_nobody_remembers_gets_its_first_answer_from_the_log() {
    let dir = tempfile::tempdir().expect("folder");
    let log = Gate::new();
    let running = engine(&log, dir.path(), EffectSinks::default());
    configure(&running.handle()).await;
    let first = running.handle().submit(commanded(7, start(7))).await.expect("accepted");
    assert!(first.events.len() > 1);
    running.stop();
    bury(&log).await;
    let running = engine(&log, dir.path(), EffectSinks::default());
    let handle = running.handle();
    let before = log.head();
    // The same id after a long time, with something else in it: the first answer, and nothing happens.
    for again in [start(7), start(8)] {
        let later = handle.submit(commanded(7, again)).await.expect("accepted");
        assert_eq!((first.position, &first.events), (later.position, &later.events));
    }
    assert_eq!(log.head(), before);
    assert_eq!(handle.read(|state| state.interactions().count()).await, Ok(1));
    // The engine goes on.
    let next = handle.submit(commanded(9, start(9))).await.expect("accepted");
    assert!(next.position > before);
    let (_, hash) = handle.state_hash().await.expect("readable");
    running.stop();
    assert_eq!(snapshot::hash(&replay(&log).expect("replays").0), hash);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_whose_ids_another_program_took_is_refused_and_the_engine_goes_on() {
    let dir = tempfile::tempdir().expect("folder");
    let log = Gate::new();
    let running = engine(&log, dir.path(), EffectSinks::default());
    let handle = running.handle();
    configure(&handle).await;
    let taken = foreign(event_id(CommandId::from_u128(7), 0));
    let append = Append { events: vec![taken], expected: Vec::new() };
    log.submit(append).expect("taken").await.expect("durable");
    let no = handle.submit(commanded(7, start(7))).await.expect_err("its id is taken");
    assert!(matches!(no, EngineError::Rejected(it) if it.code == RejectionCode::Conflict));
    handle.submit(commanded(8, start(8))).await.expect("the engine goes on");
    running.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_sync_stops_the_engine_and_tells_everybody() {
    let dir = tempfile::tempdir().expect("folder");
    let log = Gate::new();
    let mut sinks = EffectSinks::default();
    let mut chat = sinks.open(Routed::Chat);
    let engine = engine(&log, dir.path(), sinks);
    let handle = engine.handle();
    configure(&handle).await;
    log.holding.store(true, Ordering::SeqCst);
    let lost = submit(&handle, 1, start(1));
    log.wait_until_held().await;
    log.release(&Err(AppendError::Unknown { reason: "disk".to_owned() }));
    assert!(matches!(lost.await.expect("joins"), Err(EngineError::Unavailable(_))));
    let after = handle.submit(commanded(2, start(2))).await;
    assert!(matches!(after, Err(EngineError::Unavailable(_))), "{after:?}");
    assert!(handle.health().is_err());
    assert!(chat.try_recv().is_err(), "an effect of an event that may be lost ran");
    engine.stop();
}
