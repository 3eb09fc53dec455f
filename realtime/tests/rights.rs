//! Live rows under a user profile: only what is granted, masked where it says so, until the profile changes.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should stop where it is")]

mod common;

use std::sync::Arc;
use std::time::Duration;

use common::{ORG_A, Replica, principal};
use ledgerline_access::{Principal, Role};
use ledgerline_event_store::log::{Append, EventReader as _, EventWriter as _};
use ledgerline_event_store::memory::MemoryLog;
use ledgerline_projections::{Options, Projections};
use ledgerline_realtime::resume::ResumeKey;
use ledgerline_realtime::session::{Now, Organization, Session};
use ledgerline_realtime::{Hub, Limits, ProjectionsFeed};
use ledgerline_schemas::event::Event;
use ledgerline_schemas::id::{EventId, UserProfileId};
use ledgerline_schemas::{Actor, NewEvent, Position, StreamId, Timestamp};
use serde_json::{Value as Json, json};
use uuid::Uuid;

const PROFILE: u64 = 9;

fn id(kind: u64, number: u64) -> String {
    Uuid::from_u64_pair(kind, number).to_string()
}

/// A log, its tables and its hub.
struct Center {
    log: MemoryLog,
    projections: Projections,
    hub: Arc<Hub>,
    task: tokio::task::JoinHandle<()>,
    key: ResumeKey,
    appended: u64,
    _dir: tempfile::TempDir,
}

impl Center {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let log = MemoryLog::new(ORG_A, || Timestamp::EPOCH);
        let options = Options { publish_interval: Duration::from_millis(1), ..Options::default() };
        let reader = Arc::new(log.clone());
        let projections = Projections::start(reader, dir.path().to_owned(), options).unwrap();
        let feed = ProjectionsFeed::new(projections.clone());
        let (hub, follow) = Hub::new(Arc::new(feed), 1_000);
        let task = tokio::spawn(follow);
        let key = ResumeKey::random().unwrap();
        Self { log, projections, hub, task, key, appended: 0, _dir: dir }
    }

    /// Appends an event and waits until rows and rights know it.
    async fn append(&mut self, event_type: &str, payload: Json) {
        self.appended += 1;
        let event = Event::from_json(event_type, payload).unwrap();
        let events = vec![NewEvent {
            id: EventId::from_u128(u128::from(self.appended)),
            stream: StreamId::new("test"),
            event_type: event.event_type().into(),
            time: Timestamp::from_millis(1_800_000_000_000),
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
        let head = self.log.head();
        self.projections.wait_for(head).await.unwrap();
        self.hub.watch_head().wait_for(|it| it.position >= head).await.unwrap();
    }

    async fn enter(&mut self, queue: u64) {
        let leg = self.appended;
        let created = json!({"interaction_id": id(2, leg), "channel_type": "voice",
            "direction": "inbound", "relationship": "none"});
        self.append("interaction.created", created).await;
        let payload = json!({"interaction_id": id(2, leg), "leg_id": id(3, leg),
            "queue_id": id(1, queue), "leg_no": 1, "priority": 10, "wait_credit_ms": 0,
            "requirements": [], "source": "flow"});
        self.append("queue.entered", payload).await;
    }

    async fn configure(&mut self, kind: &str, entity: String, verb: &str, document: Option<Json>) {
        let payload = json!({"entity_id": entity, "entity_version": 1, "after": document,
            "changed_paths": ["/name"]});
        self.append(&format!("config.{kind}.{verb}"), payload).await;
    }

    /// A profile with these queues and, besides, what `more` says.
    async fn profile(&mut self, queues: &[u64], more: Json) {
        let queues: Vec<String> = queues.iter().map(|queue| id(1, *queue)).collect();
        let mut document = json!({"name": "P", "queues": queues});
        document.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        self.configure("user_profile", id(8, PROFILE), "updated", Some(document)).await;
    }

    fn client(&self, who: Principal) -> Option<Client> {
        let log = Arc::new(self.log.clone());
        let organization = Organization { hub: Arc::clone(&self.hub), log: Some(log) };
        let limits = Arc::new(Limits::default());
        let session = Session::new(who, organization, self.key.clone(), limits)?;
        let now = Now { ms: 0, time: Timestamp::EPOCH };
        Some(Client { session, replica: Replica::default(), now, said: Vec::new() })
    }

    async fn end(self) {
        self.task.abort();
        self.projections.stop().await;
    }
}

fn limited() -> Principal {
    let profile = Uuid::from_u64_pair(8, PROFILE);
    let who = principal(ORG_A, Role::Supervisor);
    Principal { user_profile_id: Some(UserProfileId::new(profile)), ..who }
}

struct Client {
    session: Session,
    replica: Replica,
    now: Now,
    /// Frames as they came.
    said: Vec<Json>,
}

impl Client {
    fn subscribe(&mut self, wanted: Json) {
        self.session.handle(&wanted.to_string(), self.now);
        self.take();
    }

    fn queues(&mut self) {
        self.subscribe(json!({"type": "subscribe", "id": "q", "dataset": "queue_live"}));
    }

    /// Takes every frame that is due.
    fn take(&mut self) {
        for _ in 0..3 {
            self.now.ms += 2_000;
            while let Some(frame) = self.session.next_frame(self.now) {
                let frame: Json = serde_json::from_str(&frame.text).unwrap();
                if frame["type"] != "error" {
                    self.replica.apply(&frame);
                }
                self.said.push(frame);
            }
        }
    }

    /// Queue, name and legs waiting of every row.
    fn rows(&self) -> Vec<(String, String, i64)> {
        let row = |row: &Json| {
            let text = |name: &str| row[name].as_str().unwrap_or("-").to_owned();
            (text("queue_id"), text("queue_name"), row["in_queue_now"].as_i64().unwrap())
        };
        self.replica.rows.values().map(row).collect()
    }

    fn refused(&mut self) -> String {
        let error = self.said.iter().rev().find(|frame| frame["type"] == "error").unwrap();
        assert_eq!(error["code"], "forbidden");
        error["message"].as_str().unwrap().to_owned()
    }

    fn resynced(&mut self) -> Option<String> {
        let found = self.said.iter().rposition(|frame| frame["type"] == "resync");
        found.map(|at| self.said.remove(at)["reason"].as_str().unwrap().to_owned())
    }
}

#[tokio::test]
async fn rows_and_names_are_those_that_are_granted() {
    let mut center = Center::new();
    for queue in [1, 2] {
        let document = json!({"name": format!("queue {queue}"), "channel_type": "voice"});
        center.configure("queue", id(1, queue), "created", Some(document)).await;
    }
    center.profile(&[1], json!({"masked_columns": ["queue_name"]})).await;
    let mut client = center.client(limited()).unwrap();
    client.queues();
    let ready = client.said[0].clone();
    let offered: Vec<&str> = ready["datasets"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| it["name"].as_str().unwrap())
        .collect();
    let live = [
        "agent_live",
        "alerts",
        "entry_point_live",
        "interaction_live",
        "interval_current",
        "queue_live",
        "site_live",
        "team_live",
    ];
    assert_eq!(offered, live, "neither the log nor what belongs to no place");
    center.enter(1).await;
    center.enter(2).await;
    center.enter(2).await;
    client.take();
    assert_eq!(client.rows(), [(id(1, 1), "***".to_owned(), 1)]);
    let told = client.said.iter().map(Json::to_string).collect::<String>();
    assert!(!told.contains(&id(1, 2)) && !told.contains("queue 1"), "{told}");

    // A masked value is not found by a filter, its mask is.
    for (name, found) in [("queue 1", 0), ("***", 1)] {
        let mut other = center.client(limited()).unwrap();
        other.subscribe(json!({"type": "subscribe", "id": "q", "dataset": "queue_live",
            "filter": {"queue_name": name}}));
        assert_eq!(other.rows().len(), found, "{name}");
    }

    client.subscribe(json!({"type": "subscribe", "id": "e", "dataset": "events", "after": 0}));
    assert!(client.refused().contains("does not open the event stream"));
    center.end().await;
}

#[tokio::test]
async fn a_changed_profile_ends_what_it_changes_and_nothing_else() {
    let mut center = Center::new();
    center.profile(&[1], json!({})).await;
    center.enter(1).await;
    center.enter(2).await;
    let mut client = center.client(limited()).unwrap();
    let mut whole = center.client(principal(ORG_A, Role::Supervisor)).unwrap();
    client.queues();
    whole.queues();
    assert_eq!((client.rows().len(), whole.rows().len()), (1, 2));
    let token = client.said.iter().rev().find_map(|it| it["token"].as_str()).unwrap().to_owned();

    // Other configuration is none of its business.
    let document = json!({"name": "renamed", "channel_type": "voice"});
    center.configure("queue", id(1, 1), "updated", Some(document)).await;
    client.take();
    assert_eq!(client.resynced(), None);

    center.profile(&[2], json!({})).await;
    // A leg of the queue that was granted until now: no frame may tell of it any more.
    center.enter(1).await;
    let before = client.said.len();
    client.take();
    let told = client.said[before..].iter().map(Json::to_string).collect::<String>();
    assert!(!told.contains(&id(1, 1)), "{told}");
    assert_eq!(client.resynced().as_deref(), Some("policy_changed"));
    whole.take();
    assert_eq!(whole.resynced(), None, "nothing limits it");

    // Nor does an old token go on where it was.
    client.subscribe(
        json!({"type": "subscribe", "id": "q", "dataset": "queue_live", "resume": token}),
    );
    assert_eq!(client.resynced().as_deref(), Some("policy_changed"));
    client.replica = Replica::default();
    client.queues();
    assert_eq!(client.rows().iter().map(|row| row.0.clone()).collect::<Vec<_>>(), [id(1, 2)]);

    center.profile(&[2], json!({"modules": ["analyzer"]})).await;
    client.take();
    assert_eq!(client.resynced().as_deref(), Some("policy_changed"));
    client.queues();
    assert!(client.refused().contains("does not open queue_live"));

    center
        .configure(
            "user_profile",
            id(8, PROFILE),
            "deactivated",
            Some(json!({"name": "P", "active": false})),
        )
        .await;
    assert!(center.client(limited()).is_none(), "switched off, it grants nothing");
    client.queues();
    assert!(client.refused().contains("is gone or switched off"));
    center.end().await;
}
