//! Two calls on a log, their tables, and the addresses of the audit over them.
#![allow(unreachable_pub, reason = "a module of a test")]

use std::cell::Cell;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::http::Request;
use http_body_util::BodyExt;
use ledgerline_analyzer_api::ports::{SnapshotSource, Snapshotting};
use ledgerline_analyzer_api::{AnalyzerState, Engine, Limits, router};
use ledgerline_event_store::memory::MemoryLog;
use ledgerline_event_store::{Append, Direction, EventReader as _, EventWriter as _, Filter};
use ledgerline_projections::{Options, Past, Projections};
use ledgerline_schemas::config::ChannelType;
use ledgerline_schemas::event::Event;
use ledgerline_schemas::event::interaction::{self, InteractionCreated, Relationship};
use ledgerline_schemas::event::queue::{QueueEntered, QueueLeaveReason, QueueLeft, QueueSource};
use ledgerline_schemas::event::routing::{
    Candidate, DecisionTrigger, ExclusionReason, RoutingDecisionMade, TieBreak,
};
use ledgerline_schemas::id::{
    AgentSessionId, DecisionId, EventId, InteractionId, LegId, OrgId, QueueId, TeamId, UserId,
};
use ledgerline_schemas::{Actor, NewEvent, Position, StreamId, Timestamp};
use serde_json::Value;
use tower::ServiceExt;

use crate::support::{ACME, World, world};

pub const ONE: InteractionId = InteractionId::from_u128(1);
pub const TWO: InteractionId = InteractionId::from_u128(2);
pub const DECISION: DecisionId = DecisionId::from_u128(8);

#[derive(Clone, Debug)]
pub struct Live(Projections);

impl SnapshotSource for Live {
    fn snapshot(&self, org_id: OrgId, wait: Duration) -> Snapshotting<'_> {
        Box::pin(
            async move { if org_id == ACME { Some(self.0.caught_up(wait).await) } else { None } },
        )
    }

    fn past(&self, org_id: OrgId) -> Option<Arc<Past>> {
        (org_id == ACME).then(|| self.0.past())
    }
}

/// Tables of a log. Event `n` happened and was recorded at `n` seconds:
/// 1 call one, 2 its leg, 3 the decision, 4 abandoned, 5 call two, 6 its leg.
pub struct Audited {
    pub state: AnalyzerState,
    pub log: MemoryLog,
    _dir: tempfile::TempDir,
    _world: World,
}

pub fn leg(interaction: InteractionId) -> LegId {
    LegId::new(interaction.uuid())
}

pub fn created(interaction_id: InteractionId) -> InteractionCreated {
    InteractionCreated {
        interaction_id,
        channel_type: ChannelType::Voice,
        channel_sub_type: None,
        direction: interaction::Direction::Inbound,
        entry_point_id: None,
        origin: None,
        destination: None,
        customer_code: None,
        parent_interaction_id: None,
        relationship: Relationship::None,
        reason: None,
        preferred_agent_id: None,
        campaign_id: None,
        media_ref: None,
    }
}

pub fn entered(interaction_id: InteractionId) -> QueueEntered {
    QueueEntered {
        interaction_id,
        leg_id: leg(interaction_id),
        queue_id: QueueId::from_u128(4),
        leg_no: 1,
        priority: 10,
        wait_credit_ms: 0,
        requirements: Vec::new(),
        preferred_agent_id: None,
        source: QueueSource::Flow,
    }
}

pub fn decision() -> RoutingDecisionMade {
    RoutingDecisionMade {
        decision_id: DECISION,
        trigger: DecisionTrigger::ContactQueued,
        interaction_id: Some(ONE),
        queue_id: Some(QueueId::from_u128(4)),
        leg_id: Some(leg(ONE)),
        policy: "longest_available_agent".to_owned(),
        policy_version: 1,
        config_position: Position(0),
        input_position: Position(2),
        waiting: Vec::new(),
        waiting_total: 0,
        candidates: vec![Candidate {
            agent_id: UserId::from_u128(5),
            agent_session_id: AgentSessionId::from_u128(6),
            team_id: TeamId::from_u128(9),
            group: 0,
            rank: 1,
            available_since: Timestamp::EPOCH,
            free_capacity: 1,
            skill_score: 0,
        }],
        candidates_total: 1,
        excluded: BTreeMap::from([(ExclusionReason::Idle, 4)]),
        chosen_agent_id: Some(UserId::from_u128(5)),
        tie_break: TieBreak::LongestAvailable,
        wait_ms: 0,
        shadow: false,
    }
}

pub fn append(log: &MemoryLog, stream: StreamId, event: impl Into<Event>) {
    let event = event.into();
    let serial = log.head().0 + 1;
    let new = NewEvent {
        id: EventId::from_u128(u128::from(serial)),
        stream,
        event_type: event.event_type().into(),
        time: Timestamp::from_millis(serial as i64 * 1_000),
        command_id: Default::default(),
        correlation_id: Default::default(),
        causation_id: None,
        actor: Actor::router(),
        config_position: Position(0),
        traceparent: None,
        data_subject_id: None,
        payload: event.encode(),
    };
    log.submit(Append { events: vec![new], expected: Vec::new() }).expect("append");
}

thread_local! {
    /// The clock of the log that this thread writes.
    static SECONDS: Cell<i64> = const { Cell::new(0) };
}

pub async fn audited(limits: Limits) -> Audited {
    SECONDS.set(0);
    let log = MemoryLog::new(ACME, || {
        SECONDS.set(SECONDS.get() + 1);
        Timestamp::from_millis(SECONDS.get() * 1_000)
    });
    let (one, two) = (StreamId::interaction(ONE), StreamId::interaction(TWO));
    append(&log, one.clone(), created(ONE));
    append(&log, one.clone(), entered(ONE));
    append(&log, one.clone(), decision());
    let reason = QueueLeaveReason::Abandoned;
    let (leg_id, queue_id) = (leg(ONE), QueueId::from_u128(4));
    append(&log, one, QueueLeft { interaction_id: ONE, leg_id, queue_id, reason, wait_ms: 2_000 });
    append(&log, two.clone(), created(TWO));
    append(&log, two, entered(TWO));
    let dir = tempfile::tempdir().expect("dir");
    let reader = Arc::new(log.clone());
    let projections =
        Projections::start(reader, dir.path().to_owned(), Options::default()).expect("tables");
    projections.wait_for(log.head()).await.expect("folded");
    let mut world = world();
    world.logs.0.insert(ACME, log.clone());
    let ports = world.ports(Arc::new(Live(projections)));
    let state = AnalyzerState::new(Engine::new(limits).expect("engine"), ports);
    Audited { state, log, _dir: dir, _world: world }
}

impl Audited {
    async fn send(&self, token: &str, request: Request<Body>) -> (u16, Value) {
        let (mut parts, body) = request.into_parts();
        let bearer = format!("Bearer {token}").parse().unwrap();
        parts.headers.insert("authorization", bearer);
        let request = Request::from_parts(parts, body);
        let response = router(self.state.clone()).oneshot(request).await.unwrap();
        let status = response.status().as_u16();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        (status, serde_json::from_slice(&body).unwrap_or_default())
    }

    pub async fn get_as(&self, token: &str, path: &str) -> (u16, Value) {
        self.send(token, Request::get(path).body(Body::empty()).unwrap()).await
    }

    pub async fn get(&self, path: &str) -> Value {
        let (status, body) = self.get_as("acme-auditor", path).await;
        assert_eq!(status, 200, "{path}: {body}");
        body
    }

    pub async fn refused(&self, path: &str) -> (u16, String) {
        let (status, body) = self.get_as("acme-auditor", path).await;
        (
            status,
            format!("{}: {}", body["code"].as_str().unwrap(), body["detail"].as_str().unwrap()),
        )
    }

    pub async fn sql(&self, token: &str, sql: &str) -> u16 {
        let request = Request::post("/v1/sql").header("content-type", "application/sql");
        self.send(token, request.body(Body::from(sql.to_owned())).unwrap()).await.0
    }

    /// Access events since a position, decoded.
    pub fn accesses(&self, after: Position) -> Vec<Event> {
        let all = Filter::all();
        let page = self.log.read_all(after, Direction::Forward, &all, 1_000).unwrap();
        page.events.iter().filter_map(|event| event.decode().ok()).collect()
    }
}
