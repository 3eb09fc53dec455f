//! A quarter of an hour of a small center, event by event, folded by the real projections.
#![allow(dead_code, unreachable_pub, reason = "each test file uses a part of it")]

use std::collections::BTreeSet;
use std::sync::Arc;

use ledgerline_access::{Principal, Role};
use ledgerline_event_store::memory::MemoryLog;
use ledgerline_event_store::{Append, EventReader as _, EventWriter as _};
use ledgerline_projections::{Options, Projections, Snapshot};
use ledgerline_schemas::config::{CallDistributionGroup, ChannelType, EntityKind};
use ledgerline_schemas::document::Document;
use ledgerline_schemas::event::access::AccessHistoryViewed;
use ledgerline_schemas::event::agent::{
    AgentSessionEnded, AgentSessionStarted, AgentStateChanged, AgentStateName, DeviceType,
    SignOutReason, StateCause,
};
use ledgerline_schemas::event::callback::{
    CallbackCancelled, CallbackConnected, CallbackRequested, CallbackType,
};
use ledgerline_schemas::event::flow::FlowStarted;
use ledgerline_schemas::event::interaction::{
    Direction, InteractionCreated, InteractionEnded, LastStage, Relationship, TerminatingEnd,
    TerminationReason,
};
use ledgerline_schemas::event::leg::{
    HoldEnded, HoldStarted, LegConnected, LegDisconnected, LegEndReason, PartyType,
    TransferCompleted, TransferKind, TransferRequested,
};
use ledgerline_schemas::event::offer::{
    OfferAccepted, OfferMade, OfferRescinded, OfferTimedOut, RescindReason,
};
use ledgerline_schemas::event::queue::{QueueEntered, QueueLeaveReason, QueueLeft, QueueSource};
use ledgerline_schemas::event::wrapup::{WrapUpEnded, WrapUpEndedBy, WrapUpStarted};
use ledgerline_schemas::event::{ConfigChange, ConfigVerb, Event};
use ledgerline_schemas::id::{
    AgentSessionId, CallbackId, EntityId, EntryPointId, EventId, InteractionId, LegId, OfferId,
    OrgId, QueueId, SiteId, TeamId, TransferId, UserId,
};
use ledgerline_schemas::sensitive::SealScheme;
use ledgerline_schemas::{Actor, NewEvent, Position, Sensitive, StreamId, Timestamp};
use serde_json::json;
use tempfile::TempDir;

/// The organization that `acme-…` users belong to.
const ORG: OrgId = OrgId::from_u128(0xa);
/// 2024-03-01T09:00:00Z.
pub const NINE: i64 = 1_709_283_600;
const ANN: u128 = 0x91;
const BOB: u128 = 0x92;
const SALES: u128 = 0x51;
const CARE: u128 = 0x52;
const TEAM: u128 = 0x71;

/// The tables after that morning.
pub struct Morning {
    snapshot: Arc<Snapshot>,
    _dir: TempDir,
}

impl Morning {
    pub async fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let log = log();
        let reader = Arc::new(log.clone());
        let tables = Projections::start(reader, dir.path().to_owned(), Options::default()).unwrap();
        tables.wait_for(log.head()).await.unwrap();
        let snapshot = tables.snapshot();
        tables.stop().await;
        Self { snapshot, _dir: dir }
    }

    pub fn snapshot(&self) -> Arc<Snapshot> {
        Arc::clone(&self.snapshot)
    }

    /// Somebody who may see every table.
    pub fn principal(&self) -> Principal {
        who(Role::Auditor)
    }

    pub fn analyst(&self) -> Principal {
        who(Role::Analyst)
    }
}

/// The log of that morning.
pub fn log() -> MemoryLog {
    let log = MemoryLog::new(ORG, || Timestamp::EPOCH);
    for (serial, (second, event)) in (1..).zip(events()) {
        let append = Append { events: vec![new_event(serial, second, &event)], expected: vec![] };
        drop(log.submit(append).unwrap());
    }
    log
}

fn who(role: Role) -> Principal {
    Principal {
        org_id: ORG,
        subject: "somebody".to_owned(),
        roles: BTreeSet::from([role]),
        user_id: None,
        user_profile_id: None,
    }
}

fn new_event(serial: u128, second: i64, event: &Event) -> NewEvent {
    NewEvent {
        id: EventId::from_u128(serial),
        stream: StreamId::new("morning"),
        event_type: event.event_type().into(),
        time: Timestamp::from_millis((NINE + second) * 1_000),
        command_id: Default::default(),
        correlation_id: Default::default(),
        causation_id: None,
        actor: Actor::router(),
        config_position: Position(1),
        traceparent: None,
        data_subject_id: None,
        payload: event.encode(),
    }
}

/// The events in the order of their times.
fn events() -> Vec<(i64, Event)> {
    let mut script = Script::default();
    script.configuration();
    script.agents();
    script.answered_and_transferred();
    script.answered();
    script.rona_and_hung_up();
    script.abandoned();
    script.dequeued();
    script.self_service();
    let principal = "eve".to_owned();
    script.at(905, AccessHistoryViewed { principal, interaction_id: call(1) });
    script.events.sort_by_key(|(second, _)| *second);
    script.events
}

const fn call(number: u128) -> InteractionId {
    InteractionId::from_u128(number)
}

const fn leg(number: u128) -> LegId {
    LegId::from_u128(0x100 + number)
}

#[derive(Default)]
struct Script {
    events: Vec<(i64, Event)>,
}

impl Script {
    fn at(&mut self, second: i64, event: impl Into<Event>) {
        self.events.push((second, event.into()));
    }

    fn configure(&mut self, kind: EntityKind, id: u128, document: &serde_json::Value) {
        self.at(
            -60,
            ConfigChange {
                kind,
                verb: ConfigVerb::Created,
                entity_id: EntityId::from_u128(id),
                entity_version: 1,
                before_sha256: None,
                after: Some(Document::from_value(document).unwrap()),
                changed_paths: Vec::new(),
                reason: None,
            },
        );
    }

    fn configuration(&mut self) {
        for (id, name) in [(ANN, "ann"), (BOB, "bob")] {
            self.configure(EntityKind::User, id, &json!({ "name": name }));
        }
        for (id, name) in [(SALES, "sales"), (CARE, "care")] {
            let group =
                CallDistributionGroup { team_ids: vec![TeamId::from_u128(TEAM)], wait_ms: 0 };
            let document = json!({
                "name": name,
                "channel_type": ChannelType::Voice,
                "service_level_threshold_ms": 20_000,
                "call_distribution_groups": [group],
            });
            self.configure(EntityKind::Queue, id, &document);
        }
    }

    /// Both log in at nine; Ann out after ten minutes; Bob does not respond from 115 to 130.
    fn agents(&mut self) {
        for agent in [ANN, BOB] {
            self.at(
                0,
                AgentSessionStarted {
                    agent_session_id: AgentSessionId::from_u128(agent),
                    agent_id: UserId::from_u128(agent),
                    team_id: TeamId::from_u128(TEAM),
                    site_id: SiteId::from_u128(0x81),
                    device_type: DeviceType::Extension,
                    dn: "1".into(),
                    multimedia_profile_id: Default::default(),
                    profile_config_position: Default::default(),
                    skills: Vec::new(),
                },
            );
            self.state(0, agent, AgentStateName::Available);
        }
        self.state(115, BOB, AgentStateName::NotResponding);
        self.state(130, BOB, AgentStateName::Available);
        let (agent_id, reason) = (UserId::from_u128(ANN), SignOutReason::Agent);
        let agent_session_id = AgentSessionId::from_u128(ANN);
        self.at(600, AgentSessionEnded { agent_session_id, agent_id, reason });
    }

    fn state(&mut self, second: i64, agent: u128, to: AgentStateName) {
        self.at(
            second,
            AgentStateChanged {
                agent_session_id: AgentSessionId::from_u128(agent),
                agent_id: UserId::from_u128(agent),
                from: AgentStateName::LoggedOut,
                to,
                aux_code_id: None,
                cause: StateCause::Agent,
                requested_by: None,
                requested_while_busy: false,
            },
        );
    }

    /// A call comes in and its flow begins.
    fn begins(&mut self, second: i64, number: u128) {
        let interaction_id = call(number);
        let customer = if number <= 2 { 1 } else { number };
        self.at(
            second,
            InteractionCreated {
                interaction_id,
                channel_type: ChannelType::Voice,
                channel_sub_type: None,
                direction: Direction::Inbound,
                entry_point_id: Some(EntryPointId::from_u128(0x61)),
                origin: None,
                destination: Some("100".into()),
                customer_code: Some(format!("c{customer}")),
                parent_interaction_id: None,
                relationship: Relationship::None,
                reason: Some("order".into()),
                preferred_agent_id: None,
                campaign_id: None,
                media_ref: None,
            },
        );
        let (flow_id, run_id) = Default::default();
        self.at(
            second,
            FlowStarted { interaction_id, flow_id, flow_version: 1, flow_tag: None, run_id },
        );
    }

    /// A call of the same number enters sales 5 s after it came in.
    fn queued(&mut self, second: i64, number: u128) {
        self.begins(second - 5, number);
        self.entered(second, number, number, SALES, QueueSource::Flow);
    }

    fn entered(
        &mut self,
        second: i64,
        number: u128,
        leg_number: u128,
        queue: u128,
        source: QueueSource,
    ) {
        self.at(
            second,
            QueueEntered {
                interaction_id: call(number),
                leg_id: leg(leg_number),
                queue_id: QueueId::from_u128(queue),
                leg_no: if leg_number == number { 1 } else { 2 },
                priority: 10,
                wait_credit_ms: 0,
                requirements: Vec::new(),
                preferred_agent_id: None,
                source,
            },
        );
    }

    fn left(&mut self, second: i64, number: u128, reason: QueueLeaveReason, wait_ms: u64) {
        let (interaction_id, leg_id) = (call(number), leg(number));
        let queue_id = QueueId::from_u128(SALES);
        self.at(second, QueueLeft { interaction_id, leg_id, queue_id, reason, wait_ms });
    }

    fn offered(&mut self, second: i64, number: u128, offer: u128, agent: u128) {
        self.at(
            second,
            OfferMade {
                offer_id: OfferId::from_u128(offer),
                interaction_id: call(number),
                leg_id: leg(number),
                queue_id: QueueId::from_u128(SALES),
                decision_id: Default::default(),
                agent_id: UserId::from_u128(agent),
                agent_session_id: AgentSessionId::from_u128(agent),
                team_id: TeamId::from_u128(TEAM),
                site_id: None,
                channel_type: ChannelType::Voice,
                ring_timeout_ms: 10_000,
                expires_at: Timestamp::EPOCH,
            },
        );
    }

    /// The agent takes the offer and talks.
    fn accepted(&mut self, second: i64, number: u128, offer: u128, agent: u128, wait_ms: u64) {
        let (interaction_id, leg_id) = (call(number), leg(number));
        let (offer_id, agent_id) = (OfferId::from_u128(offer), UserId::from_u128(agent));
        self.at(second, OfferAccepted { offer_id, interaction_id, leg_id, agent_id });
        self.left(second, number, QueueLeaveReason::Assigned, wait_ms);
        self.at(
            second,
            LegConnected {
                interaction_id,
                leg_id,
                queue_id: QueueId::from_u128(SALES),
                agent_id,
                agent_session_id: Some(AgentSessionId::from_u128(agent)),
                team_id: Some(TeamId::from_u128(TEAM)),
                site_id: None,
                offer_id: Some(offer_id),
            },
        );
    }

    /// The conversation is over; the agent wraps up.
    fn talked(
        &mut self,
        second: i64,
        number: u128,
        agent: u128,
        (reason, connected_ms): (LegEndReason, u64),
        wrapup_s: i64,
    ) {
        let (interaction_id, leg_id) = (call(number), leg(number));
        let agent_id = UserId::from_u128(agent);
        self.at(second, LegDisconnected { interaction_id, leg_id, agent_id, reason, connected_ms });
        let (auto_end_at, by) = (None, WrapUpEndedBy::Agent);
        self.at(second, WrapUpStarted { interaction_id, leg_id, agent_id, auto_end_at });
        self.at(second + wrapup_s, WrapUpEnded { interaction_id, leg_id, agent_id, by });
    }

    fn ended(&mut self, second: i64, number: u128, end: TerminatingEnd, last_stage: LastStage) {
        let reason = match end {
            TerminatingEnd::Customer => TerminationReason::CustomerLeft,
            TerminatingEnd::Agent => TerminationReason::AgentEnded,
            _ => TerminationReason::FlowEnded,
        };
        let interaction_id = call(number);
        self.at(
            second,
            InteractionEnded { interaction_id, terminating_end: end, reason, last_stage },
        );
    }

    fn answered_and_transferred(&mut self) {
        self.queued(10, 1);
        self.offered(10, 1, 1, ANN);
        self.accepted(10, 1, 1, ANN, 0);
        let (interaction_id, leg_id, agent_id) = (call(1), leg(1), UserId::from_u128(ANN));
        self.at(30, HoldStarted { interaction_id, leg_id, agent_id });
        self.at(40, HoldEnded { interaction_id, leg_id, agent_id });
        let transfer_id = TransferId::from_u128(1);
        self.at(
            110,
            TransferRequested {
                interaction_id,
                leg_id,
                transfer_id,
                agent_id,
                kind: TransferKind::Vteam,
                to_type: PartyType::Queue,
                to_id: QueueId::from_u128(CARE).to_string(),
            },
        );
        self.talked(110, 1, ANN, (LegEndReason::Transferred, 100_000), 20);
        self.entered(110, 1, 8, CARE, QueueSource::Transfer);
        self.at(110, TransferCompleted { interaction_id, transfer_id, new_leg_id: Some(leg(8)) });
    }

    fn answered(&mut self) {
        self.queued(20, 2);
        self.offered(30, 2, 2, BOB);
        self.accepted(35, 2, 2, BOB, 15_000);
        self.talked(95, 2, BOB, (LegEndReason::AgentEnded, 60_000), 10);
        self.ended(95, 2, TerminatingEnd::Agent, LastStage::Connected);
    }

    fn rona_and_hung_up(&mut self) {
        self.queued(40, 3);
        self.offered(105, 3, 3, BOB);
        let (interaction_id, leg_id) = (call(3), leg(3));
        let (offer_id, agent_id) = (OfferId::from_u128(3), UserId::from_u128(BOB));
        self.at(115, OfferTimedOut { offer_id, interaction_id, leg_id, agent_id });
        self.offered(130, 3, 4, ANN);
        self.accepted(140, 3, 4, ANN, 100_000);
        self.talked(143, 3, ANN, (LegEndReason::CustomerLeft, 3_000), 10);
        self.ended(143, 3, TerminatingEnd::Customer, LastStage::Connected);
    }

    fn abandoned(&mut self) {
        self.queued(50, 4);
        self.left(58, 4, QueueLeaveReason::Abandoned, 8_000);
        self.ended(58, 4, TerminatingEnd::Customer, LastStage::Queue);
        self.queued(60, 5);
        self.offered(155, 5, 5, BOB);
        let (interaction_id, leg_id) = (call(5), leg(5));
        let (offer_id, agent_id) = (OfferId::from_u128(5), UserId::from_u128(BOB));
        let reason = RescindReason::CustomerLeft;
        self.at(160, OfferRescinded { offer_id, interaction_id, leg_id, agent_id, reason });
        self.left(160, 5, QueueLeaveReason::Abandoned, 100_000);
        self.ended(160, 5, TerminatingEnd::Customer, LastStage::Offer);
    }

    fn dequeued(&mut self) {
        self.queued(70, 6);
        self.left(190, 6, QueueLeaveReason::MaxTime, 120_000);
        self.ended(190, 6, TerminatingEnd::System, LastStage::Queue);
        self.queued(80, 7);
        self.left(92, 7, QueueLeaveReason::CallbackRequested, 12_000);
        self.ended(92, 7, TerminatingEnd::System, LastStage::Ivr);
        let scheme = SealScheme::XChaCha20Poly1305V1;
        for number in [1, 2] {
            self.at(
                92,
                CallbackRequested {
                    callback_id: CallbackId::from_u128(number),
                    interaction_id: None,
                    callback_type: CallbackType::Courtesy,
                    number: Sensitive::from_parts(
                        Default::default(),
                        scheme,
                        vec![7; 24],
                        b"sealed".to_vec(),
                    ),
                    queue_id: QueueId::from_u128(SALES),
                    keeps_leg_id: None,
                    not_before: None,
                    not_after: None,
                },
            );
        }
        let (interaction_id, agent_id) = (InteractionId::from_u128(0x77), None);
        let callback_id = CallbackId::from_u128(1);
        self.at(300, CallbackConnected { callback_id, interaction_id, agent_id });
        let (callback_id, code) = (CallbackId::from_u128(2), "withdrawn".to_owned());
        self.at(310, CallbackCancelled { callback_id, code });
    }

    /// One gives up after 6 s, one is served in 30 s.
    fn self_service(&mut self) {
        self.begins(200, 9);
        self.ended(206, 9, TerminatingEnd::Customer, LastStage::Ivr);
        self.begins(210, 10);
        self.ended(240, 10, TerminatingEnd::System, LastStage::Ivr);
    }
}
