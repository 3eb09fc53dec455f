//! Two organizations with real tables over logs in memory, behind the real router.

#![allow(unreachable_pub, reason = "two tests include this file")]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderMap, Request, StatusCode};
use http_body_util::BodyExt as _;
use ledgerline_analyzer_api::ports::{SnapshotSource, Snapshotting};
use ledgerline_analyzer_api::{AnalyzerState, Engine, Limits, router};
use ledgerline_event_store::memory::MemoryLog;
use ledgerline_event_store::{Append, EventReader as _, EventWriter as _};
use ledgerline_projections::{Options, Past, Projections};
use ledgerline_schemas::config::ChannelType;
use ledgerline_schemas::event::Event;
use ledgerline_schemas::event::access::AccessQueryRun;
use ledgerline_schemas::event::interaction::{Direction, InteractionCreated, Relationship};
use ledgerline_schemas::id::{EventId, InteractionId, OrgId};
use ledgerline_schemas::{Actor, NewEvent, Position, StreamId, Timestamp};
use serde_json::{Value, json};
use tower::ServiceExt as _;

use crate::morning;
use crate::support::{ACME, GLOBEX, World, world};

#[derive(Clone, Debug)]
struct Live(BTreeMap<OrgId, Projections>);

impl SnapshotSource for Live {
    fn snapshot(&self, org_id: OrgId, wait: Duration) -> Snapshotting<'_> {
        Box::pin(async move {
            match self.0.get(&org_id) {
                Some(tables) => Some(tables.caught_up(wait).await),
                None => None,
            }
        })
    }

    fn past(&self, org_id: OrgId) -> Option<Arc<Past>> {
        self.0.get(&org_id).map(Projections::past)
    }
}

pub struct Searched {
    pub state: AnalyzerState,
    pub acme: MemoryLog,
    world: World,
    _dir: tempfile::TempDir,
}

pub struct Reply {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub text: String,
}

impl Reply {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|_| panic!("not JSON: {}", self.text))
    }

    /// The data of an answer without errors.
    pub fn data(&self) -> Value {
        let body = self.json();
        assert!(body.get("errors").is_none(), "{}", self.text);
        body["data"].clone()
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
}

impl Searched {
    /// The morning in one organization, one call in the other.
    pub async fn new() -> Self {
        let globex = MemoryLog::new(GLOBEX, || Timestamp::EPOCH);
        append(&globex, 0x6_0000, call_at(morning::NINE * 1_000 + 1, 0x6_0000));
        Self::over(morning::log(), globex, Limits::default()).await
    }

    pub async fn over(acme: MemoryLog, globex: MemoryLog, limits: Limits) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut world = world();
        let mut live = BTreeMap::new();
        for (org_id, log) in [(ACME, &acme), (GLOBEX, &globex)] {
            let options =
                Options { flush_positions: 16, settle_positions: 4, ..Options::default() };
            let reader: Arc<MemoryLog> = Arc::new(log.clone());
            let home = dir.path().join(org_id.to_string());
            std::fs::create_dir(&home).unwrap();
            let tables = Projections::start(reader, home, options).unwrap();
            tables.wait_for(log.head()).await.unwrap();
            live.insert(org_id, tables);
            world.logs.0.insert(org_id, log.clone());
        }
        let ports = world.ports(Arc::new(Live(live)));
        let state = AnalyzerState::new(Engine::new(limits).unwrap(), ports);
        Self { state, acme, world, _dir: dir }
    }

    pub async fn send(&self, request: Request<Body>) -> Reply {
        let response = router(self.state.clone()).oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let body = body.collect().await.unwrap().to_bytes().to_vec();
        Reply {
            status: parts.status,
            headers: parts.headers,
            text: String::from_utf8(body).unwrap(),
        }
    }

    pub async fn post(&self, token: &str, address: &str, body: &Value) -> Reply {
        let request = Request::post(address)
            .header("content-type", "application/json")
            .header("authorization", format!("Bearer {token}"));
        self.send(request.body(Body::from(body.to_string())).unwrap()).await
    }

    pub async fn search(&self, query: &str) -> Reply {
        self.post("acme-analyst", "/v1/search", &json!({ "query": query })).await
    }

    pub async fn search_with(&self, query: &str, variables: Value) -> Reply {
        let body = json!({ "query": query, "variables": variables });
        self.post("acme-analyst", "/v1/search", &body).await
    }

    pub async fn data(&self, query: &str) -> Value {
        self.search(query).await.data()
    }

    /// The first error of an answer: code and message.
    pub async fn error(&self, query: &str) -> (String, String) {
        first_error(&self.search(query).await)
    }

    /// Questions on the log of an organization.
    pub fn questions(&self, org_id: OrgId) -> Vec<AccessQueryRun> {
        let run = |event: Event| match event {
            Event::AccessQueryRun(run) => Some(run),
            _ => None,
        };
        self.world.access_events(org_id).into_iter().filter_map(run).collect()
    }
}

pub fn first_error(reply: &Reply) -> (String, String) {
    let body = reply.json();
    let error = &body["errors"][0];
    let text = |value: &Value| value.as_str().unwrap_or_else(|| panic!("{body}")).to_owned();
    (text(&error["extensions"]["code"]), text(&error["message"]))
}

/// A call that came in at so many milliseconds.
pub fn call_at(millis: i64, number: u128) -> (i64, InteractionCreated) {
    let created = InteractionCreated {
        interaction_id: InteractionId::from_u128(number),
        channel_type: ChannelType::Voice,
        channel_sub_type: None,
        direction: Direction::Inbound,
        entry_point_id: None,
        origin: None,
        destination: Some("100".into()),
        customer_code: None,
        parent_interaction_id: None,
        relationship: Relationship::None,
        reason: None,
        preferred_agent_id: None,
        campaign_id: None,
        media_ref: None,
    };
    (millis, created)
}

pub fn append(log: &MemoryLog, serial: u128, (millis, event): (i64, impl Into<Event>)) {
    let event = event.into();
    let new = NewEvent {
        id: EventId::from_u128(0xf_0000_0000 + serial),
        stream: StreamId::new("test"),
        event_type: event.event_type().into(),
        time: Timestamp::from_millis(millis),
        command_id: Default::default(),
        correlation_id: Default::default(),
        causation_id: None,
        actor: Actor::router(),
        config_position: Position(1),
        traceparent: None,
        data_subject_id: None,
        payload: event.encode(),
    };
    drop(log.submit(Append { events: vec![new], expected: Vec::new() }).unwrap());
}

/// The id that a call of this number has.
pub fn id(number: u128) -> String {
    InteractionId::from_u128(number).to_string()
}
