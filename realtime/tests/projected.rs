//! Subscriptions on real projections over a real log: what a client has equals the snapshot that SQL
//! reads, at the same position, in two organizations.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should stop where it is")]

mod common;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use common::{ORG_A, ORG_B, Replica, principal};
use ledgerline_access::Role;
use ledgerline_event_store::log::{Append, EventReader as _, EventWriter as _};
use ledgerline_event_store::memory::MemoryLog;
use ledgerline_projections::{ColumnType, Options, Projections, Row, TableDef, Value};
use ledgerline_realtime::resume::ResumeKey;
use ledgerline_realtime::session::{Now, Organization, Session};
use ledgerline_realtime::{Hub, Limits, ProjectionsFeed};
use ledgerline_schemas::event::Event;
use ledgerline_schemas::id::{EventId, OrgId};
use ledgerline_schemas::{Actor, NewEvent, Position, StreamId, Timestamp};
use proptest::prelude::*;
use serde_json::{Value as Json, json};
use uuid::Uuid;

fn id(kind: u64, number: u64) -> String {
    Uuid::from_u64_pair(kind, number).to_string()
}

struct World {
    log: MemoryLog,
    projections: Projections,
    hub: Arc<Hub>,
    task: tokio::task::JoinHandle<()>,
    session: Session,
    replica: Replica,
    now: Now,
    appended: u64,
    _dir: tempfile::TempDir,
}

impl World {
    fn new(org_id: OrgId) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let log = MemoryLog::new(org_id, || Timestamp::EPOCH);
        let options = Options {
            flush_positions: 16,
            publish_interval: Duration::from_millis(1),
            ..Options::default()
        };
        let projections =
            Projections::start(Arc::new(log.clone()), dir.path().to_owned(), options).unwrap();
        let feed = ProjectionsFeed::new(projections.clone());
        let (hub, follow) = Hub::new(Arc::new(feed), 1_000);
        let task = tokio::spawn(follow);
        let organization = Organization { hub: Arc::clone(&hub), log: None };
        let who = principal(org_id, Role::Supervisor);
        let key = ResumeKey::random().unwrap();
        let session = Session::new(who, organization, key, Arc::new(Limits::default())).unwrap();
        let now = Now { ms: 0, time: Timestamp::EPOCH };
        let replica = Replica::default();
        let mut world =
            Self { log, projections, hub, task, session, replica, now, appended: 0, _dir: dir };
        world.subscribe();
        world
    }

    fn subscribe(&mut self) {
        let wanted = json!({"type": "subscribe", "id": "q", "dataset": "queue_live"});
        self.session.handle(&wanted.to_string(), self.now);
    }

    fn append(&mut self, event_type: &str, stream: &str, payload: Json) {
        self.appended += 1;
        let event = Event::from_json(event_type, payload).unwrap();
        let org = self.log.org_id().uuid();
        let events = vec![NewEvent {
            id: EventId::derived(org, &self.appended.to_string()),
            stream: StreamId::new(stream),
            event_type: event.event_type().into(),
            time: Timestamp::from_millis(1_800_000_000_000 + i64::try_from(self.appended).unwrap()),
            command_id: Default::default(),
            correlation_id: Default::default(),
            causation_id: None,
            actor: Actor::router(),
            config_position: Position::START,
            traceparent: None,
            data_subject_id: None,
            payload: event.encode(),
        }];
        self.log.submit(Append { events, expected: vec![] }).unwrap();
    }

    fn apply(&mut self, what: &What) {
        match *what {
            What::Configure { queue, name } => {
                let entity = id(1, queue);
                let document =
                    json!({"name": format!("queue {name}"), "channel_type": "telephony"});
                self.append(
                    "config.queue.updated",
                    &format!("config-{entity}"),
                    json!({"entity_id": entity, "entity_version": 1, "after": document, "changed_paths": ["/name"]}),
                );
            }
            What::Enter { queue, leg } => {
                let interaction = id(2, leg);
                self.append(
                    "queue.entered",
                    &format!("interaction-{interaction}"),
                    json!({"interaction_id": interaction, "leg_id": id(3, leg),
                        "queue_id": id(1, queue), "leg_no": 1, "priority": 10,
                        "wait_credit_ms": 0, "requirements": [], "source": "flow"}),
                );
            }
        }
    }

    /// Waits until everything is visible and takes the frames, then compares.
    async fn compare(&mut self) {
        let head = self.log.head();
        self.projections.wait_for(head).await.unwrap();
        self.hub.watch_head().wait_for(|it| it.position >= head).await.unwrap();
        for _ in 0..3 {
            self.now.ms += 2_000;
            while let Some(frame) = self.session.next_frame(self.now) {
                self.replica.apply(&serde_json::from_str(&frame.text).unwrap());
            }
            if self.replica.resync.take().is_some() {
                // The hub attaches to its feed after the first snapshot can be had.
                self.subscribe();
            }
        }
        let snapshot = self.projections.snapshot();
        assert_eq!(self.replica.position, snapshot.position.0);
        let table = snapshot.tables["queue_live"].def;
        let expected: BTreeMap<String, Json> = snapshot.live["queue_live"]
            .iter()
            .map(|(key, row)| (key.to_string(), json_of(table, row)))
            .collect();
        assert_eq!(self.replica.rows, expected);
    }
}

fn json_of(table: &TableDef, row: &Row) -> Json {
    let cells = table.columns.iter().zip(row.iter()).map(|(column, value)| {
        let value = match value {
            Value::Null => Json::Null,
            Value::Text(text) if column.column_type == ColumnType::Json => {
                serde_json::from_str(text).unwrap()
            }
            Value::Text(text) => json!(&**text),
            Value::Int(number) => json!(number),
            Value::Bool(truth) => json!(truth),
            Value::Time(micros) => json!(Timestamp::from_micros(*micros).to_string()),
        };
        (column.name.to_owned(), value)
    });
    Json::Object(cells.collect())
}

#[derive(Clone, Debug)]
enum What {
    Configure { queue: u64, name: u8 },
    Enter { queue: u64, leg: u64 },
}

fn what() -> impl Strategy<Value = What> {
    prop_oneof![
        1 => (0_u64..4, any::<u8>()).prop_map(|(queue, name)| What::Configure { queue, name }),
        3 => (0_u64..4, 0_u64..1_000).prop_map(|(queue, leg)| What::Enter { queue, leg }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]

    #[test]
    fn a_client_has_what_the_snapshot_shows(
        rounds in prop::collection::vec(prop::collection::vec((any::<bool>(), what()), 0..20), 1..6),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let mut worlds = [World::new(ORG_A), World::new(ORG_B)];
            for round in rounds {
                for (b, what) in &round {
                    worlds[usize::from(*b)].apply(what);
                }
                for world in &mut worlds {
                    world.compare().await;
                }
            }
            for world in worlds {
                world.task.abort();
                world.projections.stop().await;
            }
        });
    }
}
