//! The history of an interaction: what belongs to it, in which words, and who may see it.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that cannot go on should stop where it is"
)]

mod support;

use std::collections::BTreeMap;

use axum::body::Body;
use axum::http::Request;
use http_body_util::BodyExt;
use ledgerline_analyzer_api::history;
use ledgerline_analyzer_api::router;
use ledgerline_event_store::{Append, EventWriter};
use ledgerline_schemas::config::ChannelType;
use ledgerline_schemas::event::agent::{AgentStateChanged, AgentStateName, StateCause};
use ledgerline_schemas::event::interaction::{Direction, InteractionCreated, Relationship};
use ledgerline_schemas::event::offer::OfferTimedOut;
use ledgerline_schemas::event::queue::{QueueEntered, QueueLeaveReason, QueueLeft, QueueSource};
use ledgerline_schemas::event::routing::{
    Candidate, DecisionTrigger, ExclusionReason, RoutingDecisionMade, TieBreak,
};
use ledgerline_schemas::id::{
    AgentSessionId, CommandId, CorrelationId, DecisionId, EventId, InteractionId, KeyId, LegId,
    OfferId, QueueId, TeamId, UserId,
};
use ledgerline_schemas::sensitive::SealScheme;
use ledgerline_schemas::{
    Actor, ActorType, Event, NewEvent, Position, Sensitive, StreamId, Timestamp,
};
use serde_json::Value;
use support::{ACME, World, world};
use tower::ServiceExt;

const ONE: InteractionId = InteractionId::from_u128(1);
const OTHER: InteractionId = InteractionId::from_u128(2);
const LEG: LegId = LegId::from_u128(3);
const QUEUE: QueueId = QueueId::from_u128(4);
const AGENT: UserId = UserId::from_u128(5);
const SESSION: AgentSessionId = AgentSessionId::from_u128(6);

struct Script<'a> {
    world: &'a World,
    next: u128,
}

impl Script<'_> {
    /// Appends the events of one command.
    async fn command(&mut self, actor: Actor, events: Vec<(StreamId, Event)>) {
        let command = CommandId::from_u128(1_000 + self.next);
        let events = events
            .into_iter()
            .map(|(stream, event)| {
                self.next += 1;
                NewEvent {
                    id: EventId::from_u128(10_000 + self.next),
                    stream,
                    event_type: event.event_type().into(),
                    time: Timestamp::from_millis(self.next as i64),
                    command_id: command,
                    correlation_id: CorrelationId::default(),
                    causation_id: None,
                    actor: actor.clone(),
                    config_position: Position::START,
                    traceparent: None,
                    data_subject_id: None,
                    payload: event.encode(),
                }
            })
            .collect();
        let append = Append { events, expected: Vec::new() };
        self.world.logs.0[&ACME].submit(append).unwrap().await.unwrap();
    }
}

fn created(interaction_id: InteractionId) -> Event {
    let origin = Sensitive::from_parts(
        KeyId::from_u128(77),
        SealScheme::XChaCha20Poly1305V1,
        vec![1; 24],
        b"+49 30 1234".to_vec(),
    );
    InteractionCreated {
        interaction_id,
        channel_type: ChannelType::Voice,
        channel_sub_type: None,
        direction: Direction::Inbound,
        entry_point_id: None,
        origin: Some(origin),
        destination: Some("+4930555".to_owned()),
        customer_code: None,
        parent_interaction_id: None,
        relationship: Relationship::None,
        reason: None,
        preferred_agent_id: None,
        campaign_id: None,
        media_ref: None,
    }
    .into()
}

fn decision() -> Event {
    RoutingDecisionMade {
        decision_id: DecisionId::from_u128(8),
        trigger: DecisionTrigger::ContactQueued,
        interaction_id: Some(ONE),
        queue_id: Some(QUEUE),
        leg_id: Some(LEG),
        policy: "longest_available_agent".to_owned(),
        policy_version: 1,
        config_position: Position(3),
        input_position: Position(5),
        waiting: Vec::new(),
        waiting_total: 0,
        candidates: vec![Candidate {
            agent_id: AGENT,
            agent_session_id: SESSION,
            team_id: TeamId::from_u128(9),
            group: 0,
            rank: 1,
            available_since: Timestamp::EPOCH,
            free_capacity: 1,
            skill_score: 0,
        }],
        candidates_total: 2,
        excluded: BTreeMap::from([(ExclusionReason::Idle, 4), (ExclusionReason::CapacityFull, 1)]),
        chosen_agent_id: Some(AGENT),
        tie_break: TieBreak::LongestAvailable,
        wait_ms: 0,
        shadow: false,
    }
    .into()
}

async fn story(world: &World) {
    let mut script = Script { world, next: 0 };
    let (own, other) = (StreamId::interaction(ONE), StreamId::interaction(OTHER));
    let customer = Actor::new(ActorType::Customer, "");
    script.command(customer.clone(), vec![(other.clone(), created(OTHER))]).await;
    script.command(customer, vec![(own.clone(), created(ONE))]).await;
    let entered = QueueEntered {
        interaction_id: ONE,
        leg_id: LEG,
        queue_id: QUEUE,
        leg_no: 1,
        priority: 10,
        wait_credit_ms: 0,
        requirements: Vec::new(),
        preferred_agent_id: None,
        source: QueueSource::Flow,
    };
    script
        .command(Actor::router(), vec![(own.clone(), entered.into()), (own.clone(), decision())])
        .await;
    let timed_out = OfferTimedOut {
        offer_id: OfferId::default(),
        interaction_id: ONE,
        leg_id: LEG,
        agent_id: AGENT,
    };
    let changed = AgentStateChanged {
        agent_session_id: SESSION,
        agent_id: AGENT,
        from: AgentStateName::Available,
        to: AgentStateName::NotResponding,
        aux_code_id: None,
        cause: StateCause::Rona,
        requested_by: None,
        requested_while_busy: false,
    };
    let left = QueueLeft {
        interaction_id: OTHER,
        leg_id: LEG,
        queue_id: QUEUE,
        reason: QueueLeaveReason::Abandoned,
        wait_ms: 1,
    };
    script
        .command(
            Actor::new(ActorType::Timer, ""),
            vec![
                (own.clone(), timed_out.into()),
                (StreamId::agent(AGENT), changed.clone().into()),
                (other, left.into()),
            ],
        )
        .await;
    // A later change of the same agent has nothing to do with the interaction.
    script.command(Actor::router(), vec![(StreamId::agent(AGENT), changed.into())]).await;
}

#[tokio::test]
async fn the_whole_story_in_order_and_nothing_else() {
    let world = world();
    story(&world).await;
    let steps = history::of(&world.logs.0[&ACME], ONE).unwrap();
    let types: Vec<&str> = steps.iter().map(|step| step.event_type.as_str()).collect();
    assert_eq!(
        types,
        [
            "interaction.created",
            "queue.entered",
            "routing.decision_made",
            "offer.timed_out",
            "agent_state.changed",
        ]
    );
    assert!(steps.is_sorted_by(|a, b| a.position < b.position));
    assert_eq!(steps[0].data["origin"], serde_json::json!({ "sealed": KeyId::from_u128(77) }));
    let why = steps[2].why.as_deref().unwrap();
    for part in [
        "contact_queued",
        "longest_available_agent version 1",
        "configuration at position 3",
        "2 candidates, 1 recorded:\n  1. ",
        "4 idle",
        "1 capacity full",
        "longest available",
    ] {
        assert!(why.contains(part), "{part} is missing in {why}");
    }
    assert!(!steps[2].explain.contains('\n') && steps[2].explain.ends_with("longest available."));
    assert_eq!(steps[2].by, "the router");
    assert_eq!(steps[4].why.as_deref(), Some("the agent did not answer an offer"));
    let text = history::render(&steps);
    assert!(text.contains("  routing.decision_made  [the router]\n"), "{text}");
    assert!(text.contains("did not answer") && text.ends_with("5 steps\n"), "{text}");
    assert!(!text.contains("+49 30 1234"));
    assert!(history::of(&world.logs.0[&ACME], InteractionId::from_u128(99)).unwrap().is_empty());
}

async fn get(world: &World, token: &str, id: &str, accept: &str) -> (u16, String) {
    let request = Request::get(format!("/v1/interactions/{id}/history"))
        .header("authorization", format!("Bearer {token}"))
        .header("accept", accept)
        .body(Body::empty())
        .unwrap();
    let response = router(world.state.clone()).oneshot(request).await.unwrap();
    let status = response.status().as_u16();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    (status, String::from_utf8_lossy(&body).into_owned())
}

#[tokio::test]
async fn histories_over_http_by_role_and_organization() {
    let world = world();
    story(&world).await;
    let id = ONE.to_string();
    for role in ["auditor", "supervisor", "administrator"] {
        let (status, body) = get(&world, &format!("acme-{role}"), &id, "application/json").await;
        assert_eq!(status, 200, "{role}");
        let body: Value = serde_json::from_str(&body).unwrap();
        assert_eq!(body["steps"].as_array().unwrap().len(), 5);
        assert_eq!(body["steps"][3]["what"], format!("agent {AGENT} did not answer"));
    }
    let (_, text) = get(&world, "acme-auditor", &id, "text/plain").await;
    assert!(text.contains("routing.decision_made"));
    assert_eq!(get(&world, "acme-analyst", &id, "*/*").await.0, 403);
    assert_eq!(get(&world, "globex-auditor", &id, "*/*").await.0, 404);
    assert_eq!(get(&world, "acme-auditor", "not-an-id", "*/*").await.0, 400);
    let viewed = world.access_events(ACME);
    let count = |name: &str| viewed.iter().filter(|event| event.event_type() == name).count();
    assert_eq!((count("access.history_viewed"), count("access.denied")), (4, 1));
    let foreign = world.access_events(support::GLOBEX);
    assert_eq!(foreign.len(), 1, "looking for what is not there is an access too");
}
