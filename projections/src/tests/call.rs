//! A call in which much happens, event by event.

use crate::tests::script::Script;
use ledgerline_schemas::config::{ChannelType, EntityKind};
use ledgerline_schemas::event::agent::{
    AgentSessionStarted, AgentStateChanged, AgentStateName, DeviceType, StateCause,
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
use ledgerline_schemas::event::wrapup::{WrapUpCodeSet, WrapUpEnded, WrapUpEndedBy, WrapUpStarted};
use ledgerline_schemas::id::{
    AgentSessionId, AuxCodeId, EntityId, EntryPointId, InteractionId, LegId, OfferId, QueueId,
    SiteId, TeamId, TransferId, UserId,
};
use ledgerline_schemas::sensitive::SealScheme;
use ledgerline_schemas::{Sensitive, Timestamp};

pub(super) const SALES: u128 = 0x51;
pub(super) const CARE: u128 = 0x52;
pub(super) const TEAM: u128 = 0x71;
pub(super) const SITE: u128 = 0x81;
pub(super) const ANN: u128 = 0x91;
pub(super) const BOB: u128 = 0x92;
pub(super) const CALL: InteractionId = InteractionId::from_u128(0x1);
pub(super) const LEG1: LegId = LegId::from_u128(0x11);
pub(super) const LEG2: LegId = LegId::from_u128(0x12);

pub(super) fn created(id: InteractionId) -> InteractionCreated {
    InteractionCreated {
        interaction_id: id,
        channel_type: ChannelType::Voice,
        channel_sub_type: None,
        direction: Direction::Inbound,
        entry_point_id: Some(EntryPointId::from_u128(0x61)),
        origin: Some(Sensitive::from_parts(
            Default::default(),
            SealScheme::XChaCha20Poly1305V1,
            vec![7; 24],
            b"sealed-number".to_vec(),
        )),
        destination: Some("100".into()),
        customer_code: None,
        parent_interaction_id: None,
        relationship: Relationship::None,
        reason: None,
        preferred_agent_id: None,
        campaign_id: None,
        media_ref: None,
    }
}

pub(super) fn entered(
    id: InteractionId,
    leg_id: LegId,
    queue: u128,
    source: QueueSource,
) -> QueueEntered {
    QueueEntered {
        interaction_id: id,
        leg_id,
        queue_id: QueueId::from_u128(queue),
        leg_no: if leg_id == LEG2 { 2 } else { 1 },
        priority: 10,
        wait_credit_ms: 0,
        requirements: Vec::new(),
        preferred_agent_id: None,
        source,
    }
}

pub(super) fn left(
    id: InteractionId,
    leg_id: LegId,
    queue: u128,
    reason: QueueLeaveReason,
    wait_ms: u64,
) -> QueueLeft {
    QueueLeft { interaction_id: id, leg_id, queue_id: QueueId::from_u128(queue), reason, wait_ms }
}

pub(super) fn offer(number: u128, leg_id: LegId, queue: u128, agent: u128) -> OfferMade {
    OfferMade {
        offer_id: OfferId::from_u128(number),
        interaction_id: CALL,
        leg_id,
        queue_id: QueueId::from_u128(queue),
        decision_id: Default::default(),
        agent_id: UserId::from_u128(agent),
        agent_session_id: AgentSessionId::from_u128(agent + 0x1000),
        team_id: TeamId::from_u128(TEAM),
        site_id: Some(SiteId::from_u128(SITE)),
        channel_type: ChannelType::Voice,
        ring_timeout_ms: 10_000,
        expires_at: Timestamp::EPOCH,
    }
}

pub(super) fn log_in(script: &mut Script, agent: u128) {
    let (agent_id, agent_session_id) =
        (UserId::from_u128(agent), AgentSessionId::from_u128(agent + 0x1000));
    let now = script.now;
    script.at(
        now,
        AgentSessionStarted {
            agent_session_id,
            agent_id,
            team_id: TeamId::from_u128(TEAM),
            site_id: SiteId::from_u128(SITE),
            device_type: DeviceType::Extension,
            dn: "1001".into(),
            multimedia_profile_id: Default::default(),
            profile_config_position: Default::default(),
            skills: Vec::new(),
        },
    );
    become_state(script, now, agent, AgentStateName::Available, StateCause::Agent);
}

pub(super) fn become_state(
    script: &mut Script,
    ms: i64,
    agent: u128,
    to: AgentStateName,
    cause: StateCause,
) {
    let event = AgentStateChanged {
        agent_session_id: AgentSessionId::from_u128(agent + 0x1000),
        agent_id: UserId::from_u128(agent),
        from: AgentStateName::LoggedOut,
        to,
        aux_code_id: None,
        cause,
        requested_by: None,
        requested_while_busy: false,
    };
    script.at(ms, event);
}

/// Offered to Ann (RONA), answered by Bob, held, transferred to another queue, abandoned there while
/// being offered, wrapped up by Bob.
pub(super) fn long_call() -> Script {
    let mut script = Script::new();
    let team = TeamId::from_u128(TEAM);
    script.name(EntityKind::Site, EntityId::from_u128(SITE), "Haifa");
    script.name(EntityKind::Team, EntityId::from_u128(TEAM), "first");
    script.name(EntityKind::User, EntityId::from_u128(ANN), "ann");
    script.name(EntityKind::User, EntityId::from_u128(BOB), "bob");
    script.queue(EntityId::from_u128(SALES), "sales", 20_000, team);
    script.queue(EntityId::from_u128(CARE), "care", 5_000, team);
    log_in(&mut script, ANN);
    log_in(&mut script, BOB);
    let flow_id = Default::default();
    let bob = UserId::from_u128(BOB);
    let s = &mut script;
    s.at(1_000, created(CALL));
    s.at(
        1_000,
        FlowStarted {
            interaction_id: CALL,
            flow_id,
            flow_version: 3,
            flow_tag: None,
            run_id: Default::default(),
        },
    );
    s.at(5_000, entered(CALL, LEG1, SALES, QueueSource::Flow));
    s.at(6_000, offer(1, LEG1, SALES, ANN));
    s.at(
        16_000,
        OfferTimedOut {
            offer_id: OfferId::from_u128(1),
            interaction_id: CALL,
            leg_id: LEG1,
            agent_id: UserId::from_u128(ANN),
        },
    );
    become_state(s, 16_000, ANN, AgentStateName::NotResponding, StateCause::Rona);
    s.at(16_000, offer(2, LEG1, SALES, BOB));
    s.at(
        19_000,
        OfferAccepted {
            offer_id: OfferId::from_u128(2),
            interaction_id: CALL,
            leg_id: LEG1,
            agent_id: bob,
        },
    );
    s.at(19_000, left(CALL, LEG1, SALES, QueueLeaveReason::Assigned, 14_000));
    s.at(
        19_000,
        LegConnected {
            interaction_id: CALL,
            leg_id: LEG1,
            queue_id: QueueId::from_u128(SALES),
            agent_id: bob,
            agent_session_id: Some(AgentSessionId::from_u128(BOB + 0x1000)),
            team_id: Some(team),
            site_id: Some(SiteId::from_u128(SITE)),
            offer_id: Some(OfferId::from_u128(2)),
        },
    );
    s.at(25_000, HoldStarted { interaction_id: CALL, leg_id: LEG1, agent_id: bob });
    s.at(30_000, HoldEnded { interaction_id: CALL, leg_id: LEG1, agent_id: bob });
    let transfer_id = TransferId::from_u128(1);
    s.at(
        40_000,
        TransferRequested {
            interaction_id: CALL,
            leg_id: LEG1,
            transfer_id,
            agent_id: bob,
            kind: TransferKind::Vteam,
            to_type: PartyType::Queue,
            to_id: QueueId::from_u128(CARE).to_string(),
        },
    );
    s.at(
        40_000,
        LegDisconnected {
            interaction_id: CALL,
            leg_id: LEG1,
            agent_id: bob,
            reason: LegEndReason::Transferred,
            connected_ms: 21_000,
        },
    );
    s.at(
        40_000,
        WrapUpStarted { interaction_id: CALL, leg_id: LEG1, agent_id: bob, auto_end_at: None },
    );
    s.at(40_000, entered(CALL, LEG2, CARE, QueueSource::Transfer));
    s.at(40_000, TransferCompleted { interaction_id: CALL, transfer_id, new_leg_id: Some(LEG2) });
    become_state(s, 41_000, ANN, AgentStateName::Available, StateCause::Agent);
    s.at(42_000, offer(3, LEG2, CARE, ANN));
    s.at(
        50_000,
        OfferRescinded {
            offer_id: OfferId::from_u128(3),
            interaction_id: CALL,
            leg_id: LEG2,
            agent_id: UserId::from_u128(ANN),
            reason: RescindReason::CustomerLeft,
        },
    );
    s.at(50_000, left(CALL, LEG2, CARE, QueueLeaveReason::Abandoned, 10_000));
    s.at(
        50_000,
        InteractionEnded {
            interaction_id: CALL,
            terminating_end: TerminatingEnd::Customer,
            reason: TerminationReason::CustomerLeft,
            last_stage: LastStage::Offer,
        },
    );
    s.at(
        55_000,
        WrapUpCodeSet {
            interaction_id: CALL,
            leg_id: LEG1,
            agent_id: bob,
            aux_code_id: AuxCodeId::from_u128(5),
            reason: Some("sold".into()),
        },
    );
    s.at(
        60_000,
        WrapUpEnded { interaction_id: CALL, leg_id: LEG1, agent_id: bob, by: WrapUpEndedBy::Agent },
    );
    script
}
