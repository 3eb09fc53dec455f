//! Importing again, after a crash, and after something changed.

use std::sync::atomic::{AtomicU64, Ordering};

use ledgerline_event_store::capability::Capabilities;
use ledgerline_event_store::memory::MemoryLog;
use ledgerline_event_store::{
    Append, AppendError, Direction, EventReader, EventWriter, Filter, Page, ReadError, Submitted,
};
use ledgerline_ingest::import::ImportError;
use ledgerline_schemas::event::Event;
use ledgerline_schemas::id::{EventId, OrgId, UserId};
use ledgerline_schemas::{NewEvent, Position, Recorded, StreamId, Version};
use tokio::sync::watch;

use crate::support::{ABANDONED, Bench, file, row, with};

/// Takes some appends, then fails for good: nothing after that is written.
#[derive(Debug)]
pub(crate) struct Failing {
    pub(crate) log: MemoryLog,
    pub(crate) appends_left: AtomicU64,
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
        self.log.stream_head(stream)
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
        if self.appends_left.load(Ordering::SeqCst) == 0 {
            return Err(AppendError::Unavailable { reason: "the disk is full".to_owned() });
        }
        self.appends_left.fetch_sub(1, Ordering::SeqCst);
        self.log.submit(append)
    }
    fn save_checkpoint(&self, consumer: &str, position: Position) -> Result<(), AppendError> {
        self.log.save_checkpoint(consumer, position)
    }
}

fn a_file() -> String {
    let mut rows: Vec<String> =
        (1..=20).map(|id| row(id, if id % 3 == 0 { ABANDONED } else { &[] })).collect();
    rows.push(row(99, &[("outcome", "LOST")]));
    rows.push(row(98, &[("outcome", "PHANTOM")]));
    rows.push(row(97, &[("server", "OTTOLINE"), ("type", "NE")]));
    file(&rows)
}

fn payloads(bench: &Bench) -> Vec<(String, Vec<u8>)> {
    let told = |it: &Recorded| (it.header.id.to_string(), it.payload.clone());
    bench.recorded().iter().map(told).collect()
}

#[tokio::test]
async fn a_second_import_adds_nothing_and_says_so() {
    let bench = Bench::bank();
    let first = bench.import(&a_file()).await;
    assert_eq!((first.interactions, first.already_there), (21, 0));
    let head = bench.log.head();
    assert_eq!(first.events_appended, head.0);
    let second = bench.import(&a_file()).await;
    assert_eq!(bench.log.head(), head);
    assert_eq!((second.interactions, second.already_there), (21, 21));
    assert_eq!(second.events_appended, 0);
    assert_eq!(
        (second.rows, second.skipped, &second.rejected, &second.quirks),
        (first.rows, first.skipped, &first.rejected, &first.quirks)
    );
}

#[tokio::test]
async fn an_import_that_stopped_anywhere_goes_on_where_it_stopped() {
    let whole = Bench::bank();
    whole.import(&a_file()).await;
    let appends = 60;
    for stops_after in 0..appends {
        let bench = Bench { keyring: whole.keyring.clone(), ..Bench::bank() };
        let failing = Failing { log: bench.log.clone(), appends_left: AtomicU64::new(stops_after) };
        let stopped = bench.import_into(&failing, a_file().as_bytes()).await;
        match stopped {
            Err(ImportError::Append { source: AppendError::Unavailable { .. }, .. }) => {}
            Ok(report) => {
                assert_eq!(report.interactions, 21);
                assert!(stops_after > 25, "{stops_after} appends cannot be enough");
                return;
            }
            Err(error) => panic!("{error}"),
        }
        let resumed = bench.import(&a_file()).await;
        assert_eq!(resumed.interactions, 21);
        assert_eq!(payloads(&bench), payloads(&whole), "stopped after {stops_after} appends");
    }
    panic!("an import of 23 rows needs more than {appends} appends");
}

#[tokio::test]
async fn overlapping_files_share_their_rows() {
    let bench = Bench::bank();
    bench.import(&file(&[row(1, &[]), row(2, &[])])).await;
    let report = bench.import(&file(&[row(2, &[]), row(3, &[])])).await;
    assert_eq!((report.interactions, report.already_there), (2, 1));
    let created = bench
        .facts()
        .iter()
        .filter(|(_, event)| matches!(event, Event::InteractionCreated(_)))
        .count();
    assert_eq!(created, 3);
}

#[tokio::test]
async fn a_row_that_changed_since_is_refused_instead_of_taken_for_the_old_one() {
    let bench = Bench::bank();
    bench.import(&file(&[row(1, &[]), row(2, &[])])).await;
    for changed in [with(&[], &[("q_time", "31")]), with(ABANDONED, &[])] {
        let before = bench.facts();
        let report = bench.import(&file(&[row(1, &changed), row(2, &[])])).await;
        assert_eq!((report.interactions, report.already_there), (1, 1));
        let [refused] = report.rejected.as_slice() else { panic!("{:?}", report.rejected) };
        assert!(refused.reason.starts_with("was imported before with other events"), "{refused:?}");
        assert_eq!(refused.line, 2);
        assert_eq!(bench.facts(), before);
    }
}

#[tokio::test]
async fn names_join_and_configuration_is_created_once() {
    let bench = Bench::bank();
    bench.import(&file(&[row(1, &[])])).await;
    bench.import(&file(&[row(2, &[("type", "NE")])])).await;
    let created = |prefix: &str| {
        let of_type = |it: &&Recorded| it.header.event_type.starts_with(prefix);
        bench.recorded().iter().filter(of_type).count()
    };
    assert_eq!(created("config.queue."), 6);
    assert_eq!(created("config.user."), 1);
    assert_eq!(created("config.flow."), 1);
    assert_eq!(created("config.entry_point."), 1);

    let mut configured = Vec::new();
    let mut newest = Position::START;
    for recorded in bench.recorded() {
        assert_eq!(recorded.header.actor.id, "anonymous-bank");
        match recorded.decode().expect("decodes") {
            Event::Config(change) => {
                let document = change.after.clone().expect("a document");
                ledgerline_schemas::config::Entity::parse(change.kind, &document).expect("fits");
                configured.push(change.entity_id.uuid());
                newest = recorded.header.position;
            }
            Event::QueueEntered(it) => {
                assert!(configured.contains(&it.queue_id.uuid()));
                assert_eq!(recorded.header.config_position, newest);
            }
            Event::LegConnected(it) => {
                assert_ne!(it.agent_id, UserId::default());
                assert!(configured.contains(&it.agent_id.uuid()));
            }
            Event::InteractionCreated(it) => {
                let entry_point = it.entry_point_id.expect("an entry point");
                assert!(configured.contains(&entry_point.uuid()));
            }
            _ => {}
        }
    }
}

#[tokio::test]
async fn the_configuration_in_force_decides_the_credit() {
    let first = Bench::bank();
    first.import(&file(&[row(1, &[("priority", "2")])])).await;
    let queues =
        first.recorded().into_iter().filter(|it| &*it.header.event_type == "config.queue.created");

    // An administrator configured the queues before, with another credit.
    let bench = Bench::bank();
    for recorded in queues {
        let mut event = recorded.decode().expect("decodes");
        if let Event::Config(change) = &mut event {
            let mut document = change.after.as_ref().expect("a document").to_value();
            *document.pointer_mut("/wait_credits/0/credit_ms").expect("a credit") = 45_000.into();
            change.after = Some(
                ledgerline_schemas::document::Document::from_value(&document).expect("an object"),
            );
        }
        let header = recorded.header;
        let events = vec![NewEvent {
            id: header.command_id.uuid().into(),
            stream: header.stream,
            event_type: header.event_type,
            time: header.time,
            command_id: header.command_id,
            correlation_id: header.correlation_id,
            causation_id: None,
            actor: header.actor,
            config_position: Position::START,
            traceparent: None,
            data_subject_id: None,
            payload: event.encode(),
        }];
        bench
            .log
            .submit(Append { events, expected: Vec::new() })
            .expect("taken")
            .await
            .expect("durable");
    }
    bench.import(&file(&[row(1, &[("priority", "2")])])).await;
    let story = bench.story();
    assert!(story.iter().any(|line| line.ends_with("queue.entered credit 45000 ms")), "{story:?}");
}
