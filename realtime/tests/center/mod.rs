//! A small center that serves real projections over a log in memory: events one by one on demand, and the rows of
//! every dataset at every position to compare with. The clients' tests run against it.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should stop where it is")]
#![allow(dead_code, unreachable_pub, reason = "each test uses a part")]

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Query, State};
use axum::routing::{get, post};
use axum::{Json as Body, Router};
use ledgerline_access::{Grant, Role, TokenIssuer};
use ledgerline_event_store::log::{Append, Direction, EventReader, EventWriter as _, Filter};
use ledgerline_event_store::memory::MemoryLog;
use ledgerline_projections::{ColumnType, Options, Projections, Row, TableDef, Value};
use ledgerline_realtime::{Hub, Limits, ProjectionsFeed, RealtimeState, router};
use ledgerline_schemas::event::Event;
use ledgerline_schemas::id::{EventId, OrgId, UserId};
use ledgerline_schemas::{Actor, NewEvent, Position, StreamId, Timestamp};
use serde::Deserialize;
use serde_json::{Value as Json, json};
use uuid::Uuid;

pub const ORG: OrgId = OrgId::from_u128(0xA);
/// Agents who log in first.
const AGENTS: u64 = 3;

fn id(kind: u64, number: u64) -> String {
    Uuid::from_u64_pair(kind, number).to_string()
}

/// What happens while the `n`th customer comes and an earlier one gives up.
fn visit(n: u64) -> Vec<(&'static str, Json)> {
    let (agent, session) = (id(4, n % AGENTS), id(5, n % AGENTS));
    let state = |n: u64| if n.is_multiple_of(2) { "available" } else { "idle" };
    let staff = if n < AGENTS {
        let started = json!({"agent_session_id": session, "agent_id": agent, "team_id": id(6, n % 2),
            "site_id": id(7, 0), "device_type": "browser", "dn": format!("10{n}"),
            "multimedia_profile_id": id(8, 0), "profile_config_position": 0, "skills": []});
        ("agent_session.started", started)
    } else {
        let (before, after) = (state(n / AGENTS - 1), state(n / AGENTS));
        let changed = json!({"agent_session_id": session, "agent_id": agent, "from": before,
            "to": after, "cause": "agent", "requested_while_busy": false});
        ("agent_state.changed", changed)
    };
    let name = json!({"name": format!("Línea \"{}\" №{n}", n % 5), "channel_type": "telephony"});
    let mut events = vec![
        staff,
        (
            "config.queue.updated",
            json!({"entity_id": id(1, n % 5), "entity_version": n, "after": name, "changed_paths": ["/name"]}),
        ),
        (
            "interaction.created",
            json!({"interaction_id": id(2, n), "channel_type": "voice", "direction": "inbound",
                "relationship": "none"}),
        ),
        (
            "queue.entered",
            json!({"interaction_id": id(2, n), "leg_id": id(3, n), "queue_id": id(1, n % 5),
                "leg_no": 1, "priority": 10, "wait_credit_ms": 0, "requirements": [], "source": "flow"}),
        ),
    ];
    if let Some(gone) = n.checked_sub(4) {
        events.push((
            "queue.left",
            json!({"interaction_id": id(2, gone), "leg_id": id(3, gone), "queue_id": id(1, gone % 5),
                "reason": "abandoned", "wait_ms": 4_000}),
        ));
        events.push((
            "interaction.ended",
            json!({"interaction_id": id(2, gone), "terminating_end": "customer",
                "reason": "customer_left", "last_stage": "queue"}),
        ));
    }
    events
}

/// Rows by dataset.
type Tables = BTreeMap<&'static str, Vec<Json>>;

struct Script {
    visits: u64,
    waiting: Vec<(&'static str, Json)>,
    /// What every dataset is at every position.
    history: BTreeMap<u64, Tables>,
}

/// The center. Clones share it.
#[derive(Clone)]
pub struct Center {
    pub log: MemoryLog,
    pub issuer: TokenIssuer,
    projections: Projections,
    hub: Arc<Hub>,
    script: Arc<tokio::sync::Mutex<Script>>,
    state: RealtimeState,
    _dir: Arc<tempfile::TempDir>,
}

impl Center {
    pub fn new(limits: Limits) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let issuer = TokenIssuer::open(dir.path()).unwrap();
        let log = MemoryLog::new(ORG, || Timestamp::EPOCH);
        let options = Options { publish_interval: Duration::from_millis(1), ..Options::default() };
        let tables = dir.path().join("tables");
        let projections = Projections::start(Arc::new(log.clone()), tables, options).unwrap();
        let state = RealtimeState::new(issuer.clone(), limits).unwrap();
        let feed = Arc::new(ProjectionsFeed::new(projections.clone()));
        let reader: Arc<dyn EventReader> = Arc::new(log.clone());
        let hub = state.add_organization(feed, Some(reader));
        let script = Script { visits: 0, waiting: Vec::new(), history: BTreeMap::new() };
        let script = Arc::new(tokio::sync::Mutex::new(script));
        Self { log, issuer, projections, hub, script, state, _dir: Arc::new(dir) }
    }

    /// The doors of real time, and those that move and tell the truth.
    pub fn router(&self) -> Router {
        let control = Router::new()
            .route("/center/token", get(token))
            .route("/center/step", post(step))
            .route("/center/rows", get(rows))
            .route("/center/events", get(events))
            .with_state(self.clone());
        router(self.state.clone()).merge(control)
    }

    pub async fn serve(&self) -> SocketAddr {
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let app = self.router();
        tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        address
    }

    pub fn token(&self, role: Role) -> String {
        let grant = Grant {
            org_id: ORG,
            subject: "someone".to_owned(),
            roles: [role].into(),
            user_id: (role == Role::Agent).then(|| UserId::from_u128(1)),
            user_profile_id: None,
            ttl_s: 600,
        };
        self.issuer.issue(&grant).unwrap()
    }

    /// Appends so many events, one by one, and notes the rows after each. The position of the last.
    pub async fn step(&self, count: u64) -> u64 {
        let mut script = self.script.lock().await;
        for _ in 0..count {
            if script.waiting.is_empty() {
                script.waiting = visit(script.visits);
                script.visits += 1;
            }
            let (event_type, payload) = script.waiting.remove(0);
            let position = self.append(event_type, payload).await;
            script.history.insert(position, self.tables(position));
        }
        self.log.head().0
    }

    async fn append(&self, event_type: &str, payload: Json) -> u64 {
        let number = self.log.head().0 + 1;
        let event = Event::from_json(event_type, payload).unwrap();
        let events = vec![NewEvent {
            id: EventId::derived(ORG.uuid(), &number.to_string()),
            stream: StreamId::new("center"),
            event_type: event.event_type().into(),
            time: Timestamp::from_millis(
                1_800_000_000_000 + i64::try_from(number).unwrap() * 1_000,
            ),
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
        head.0
    }

    fn tables(&self, position: u64) -> Tables {
        let snapshot = self.projections.snapshot();
        assert_eq!(snapshot.position.0, position, "somebody else appends");
        let table = |(name, rows): (&&'static str, &ledgerline_realtime::feed::LiveRows)| {
            let def = snapshot.tables[*name].def;
            (*name, rows.values().map(|row| json_of(def, row)).collect())
        };
        snapshot.live.iter().map(table).collect()
    }

    /// The rows of a dataset at a position, in the order of their keys.
    pub async fn rows(&self, dataset: &str, position: u64) -> Vec<Json> {
        let script = self.script.lock().await;
        let tables = script.history.get(&position);
        tables.and_then(|tables| tables.get(dataset)).cloned().unwrap_or_default()
    }

    /// Type and id of every event after a position.
    pub fn events(&self, after: u64) -> Vec<Json> {
        let all = Filter::all();
        let page = self.log.read_all(Position(after), Direction::Forward, &all, 1_000_000).unwrap();
        page.events.iter().map(|event| event.to_json()).collect()
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

#[derive(Deserialize)]
struct Who {
    role: Option<Role>,
}

#[derive(Deserialize)]
struct Count {
    count: u64,
}

#[derive(Deserialize)]
struct At {
    dataset: String,
    position: u64,
}

#[derive(Deserialize)]
struct After {
    after: u64,
}

async fn token(State(center): State<Center>, Query(who): Query<Who>) -> String {
    center.token(who.role.unwrap_or(Role::Supervisor))
}

async fn step(State(center): State<Center>, Query(count): Query<Count>) -> Body<Json> {
    Body(json!({"position": center.step(count.count).await}))
}

async fn rows(State(center): State<Center>, Query(at): Query<At>) -> Body<Json> {
    Body(Json::Array(center.rows(&at.dataset, at.position).await))
}

async fn events(State(center): State<Center>, Query(after): Query<After>) -> Body<Json> {
    Body(Json::Array(center.events(after.after)))
}
