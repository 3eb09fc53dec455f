//! `customer_session`: interactions from creation to end.

use std::collections::BTreeMap;

use ledgerline_schemas::event::flow::{FlowEnded, FlowStarted};
use ledgerline_schemas::event::interaction::{
    InteractionCreated, InteractionEnded, InteractionFailed, InteractionPrioritySet, LastStage,
    TerminatingEnd,
};
use ledgerline_schemas::id::{
    ConferenceId, ConsultId, EventId, LegId, OfferId, RunId, TransferId, UserId,
};
use ledgerline_schemas::limits::PRIORITY_DEFAULT;
use ledgerline_schemas::{Position, Timestamp};
use serde::{Deserialize, Serialize};

use crate::column::{Outcome, Stage};
use crate::fold::activity::Step;
use crate::fold::{At, Fold, text};
use crate::tables::CustomerSession;

/// What is under way in an interaction.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Interaction {
    pub(super) stage: Stage,
    /// Begin of that stage.
    pub(super) stage_since: Timestamp,
    /// The present step.
    pub(super) step: Option<EventId>,
    /// Steps so far.
    pub(super) steps: u32,
    /// The leg entered last.
    pub(super) last_leg: Option<LegId>,
    /// Begin of the flow run, until it ended or the interaction was queued.
    pub(super) flow_since: Option<Timestamp>,
    /// Offers that ring.
    pub(super) offers: BTreeMap<OfferId, Timestamp>,
    /// Begin of hold by leg.
    pub(super) holds: BTreeMap<LegId, Timestamp>,
    pub(super) consults: BTreeMap<ConsultId, Consult>,
    pub(super) conferences: BTreeMap<ConferenceId, Conference>,
    /// Legs that are being transferred.
    pub(super) transfers: BTreeMap<TransferId, LegId>,
    /// The present step of its flow run.
    pub(super) flow_step: Option<(RunId, u32)>,
    /// All its legs.
    pub(super) legs: Vec<LegId>,
    /// Position of the last event that concerned it.
    pub(super) touched: Position,
}

/// A consult under way.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Consult {
    pub(super) leg_id: LegId,
    pub(super) agent_id: UserId,
    /// When it was answered.
    pub(super) since: Option<Timestamp>,
}

/// A conference under way.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Conference {
    pub(super) leg_id: Option<LegId>,
    /// Who started it.
    pub(super) agent_id: UserId,
    pub(super) since: Timestamp,
}

impl Fold {
    pub(super) fn interaction_created(&mut self, at: &mut At<'_>, it: &InteractionCreated) {
        if self.interactions.contains_key(&it.interaction_id) {
            return;
        }
        let row = CustomerSession {
            interaction_id: it.interaction_id,
            channel_type: it.channel_type,
            channel_sub_type: it.channel_sub_type.as_deref().map(text),
            direction: it.direction,
            state: Stage::New,
            is_active: true,
            created_time: at.time(),
            ended_time: None,
            duration_ms: None,
            destination: it.destination.as_deref().map(text),
            customer_code: it.customer_code.as_deref().map(text),
            entry_point_id: it.entry_point_id,
            entry_point_name: it.entry_point_id.and_then(|id| self.config.name(id.uuid())),
            first_queue_id: None,
            last_queue_id: None,
            last_queue_name: None,
            last_site_id: None,
            last_team_id: None,
            last_agent_id: None,
            last_agent_name: None,
            last_agent_session_id: None,
            preferred_agent_id: it.preferred_agent_id,
            is_handled_by_preferred_agent: it.preferred_agent_id.map(|_| false),
            priority: PRIORITY_DEFAULT,
            reason: it.reason.as_deref().map(text),
            flow_id: None,
            flow_version: None,
            termination_reason: None,
            terminating_end: None,
            last_stage: None,
            is_ivr_ended: false,
            abandoned_type: None,
            is_offered: false,
            is_handled: false,
            queue_count: 0,
            queue_duration_ms: 0,
            self_service_count: 0,
            self_service_duration_ms: 0,
            offer_count: 0,
            reject_count: 0,
            rona_count: 0,
            ringing_duration_ms: 0,
            connected_count: 0,
            connected_duration_ms: 0,
            hold_count: 0,
            hold_duration_ms: 0,
            consult_count: 0,
            consult_duration_ms: 0,
            conference_count: 0,
            conference_duration_ms: 0,
            wrapup_count: 0,
            wrapup_duration_ms: 0,
            transfer_count: 0,
            transfer_error_count: 0,
            overflow_count: 0,
            callback_count: 0,
            message_received_count: 0,
            message_sent_count: 0,
            last_wrapup_code_id: None,
            failure_code: None,
            parent_interaction_id: it.parent_interaction_id,
            relationship: it.relationship,
            campaign_id: it.campaign_id,
            valid_from_position: at.header.position,
        };
        self.tables.customer_session.put(at.sink, row);
        self.interactions.insert(
            it.interaction_id,
            Interaction {
                stage: Stage::New,
                stage_since: at.time(),
                step: None,
                steps: 0,
                last_leg: None,
                flow_since: None,
                offers: BTreeMap::new(),
                holds: BTreeMap::new(),
                consults: BTreeMap::new(),
                conferences: BTreeMap::new(),
                transfers: BTreeMap::new(),
                flow_step: None,
                legs: Vec::new(),
                touched: at.header.position,
            },
        );
        self.step(at, it.interaction_id, Step { reason: it.reason.as_deref(), ..Step::default() });
        self.entry_point(at, it.entry_point_id, |row| row.created += 1);
        if let Some(entry_point_id) = it.entry_point_id {
            self.entry_point_live(at, entry_point_id, |row| row.created += 1);
        }
    }

    pub(super) fn interaction_priority_set(
        &mut self,
        at: &mut At<'_>,
        it: &InteractionPrioritySet,
    ) {
        self.session(at, it.interaction_id, |row| row.priority = it.new);
        // A stay that is over keeps the priority it was served with.
        let last = self.interactions.get(&it.interaction_id).and_then(|it| it.last_leg);
        let waits = |leg_id: &LegId| {
            self.tables.queue_leg.get(leg_id).is_some_and(|leg| leg.outcome == Outcome::Open)
        };
        if let Some(leg_id) = last.filter(waits) {
            self.leg(at, leg_id, |leg| leg.priority = it.new);
        }
    }

    pub(super) fn interaction_ended(&mut self, at: &mut At<'_>, it: &InteractionEnded) {
        self.flow_time_over(at, it.interaction_id);
        let Some(interaction) = self.interactions.get(&it.interaction_id) else { return };
        // The agent's wrap-up may go on after the customer is gone.
        let next = if interaction.stage == Stage::Wrapup { Stage::Wrapup } else { Stage::Ended };
        self.step(
            at,
            it.interaction_id,
            Step { next: Some(next), reason: Some(it.reason.name()), ..Step::default() },
        );
        let time = at.time();
        let was_active =
            self.tables.customer_session.get(&it.interaction_id).is_some_and(|row| row.is_active);
        self.session(at, it.interaction_id, |row| {
            row.is_active = false;
            row.ended_time = Some(time);
            row.duration_ms = Some(time.ms_since(row.created_time));
            row.termination_reason = Some(it.reason);
            row.terminating_end = Some(it.terminating_end);
            row.last_stage = Some(it.last_stage);
            row.is_ivr_ended = !row.is_offered && it.last_stage == LastStage::Ivr;
            let gave_up = it.terminating_end == TerminatingEnd::Customer
                && matches!(it.last_stage, LastStage::Ivr | LastStage::Queue | LastStage::Offer);
            row.abandoned_type = gave_up.then(|| text(it.last_stage.name()));
        });
        if was_active {
            self.ended_in_ivr_counted(at, it);
        }
    }

    pub(super) fn interaction_failed(&mut self, at: &mut At<'_>, it: &InteractionFailed) {
        self.step(at, it.interaction_id, Step { reason: Some(&it.code), ..Step::default() });
        self.session(at, it.interaction_id, |row| row.failure_code = Some(text(&it.code)));
    }

    pub(super) fn flow_started(&mut self, at: &mut At<'_>, it: &FlowStarted) {
        let time = at.time();
        self.flow_time_over(at, it.interaction_id);
        if let Some(interaction) = self.interactions.get_mut(&it.interaction_id) {
            interaction.flow_since = Some(time);
        }
        self.session(at, it.interaction_id, |row| {
            row.self_service_count += 1;
            row.flow_id = Some(it.flow_id);
            row.flow_version = Some(it.flow_version);
        });
        let step = Step { next: Some(Stage::Ivr), flow_id: Some(it.flow_id), ..Step::default() };
        self.step(at, it.interaction_id, step);
        if self.interactions.contains_key(&it.interaction_id) {
            self.flow_live(at, it.flow_id, |row| {
                row.started += 1;
                row.flow_version = Some(it.flow_version);
            });
        }
    }

    pub(super) fn flow_ended(&mut self, at: &mut At<'_>, it: &FlowEnded) {
        self.flow_time_over(at, it.interaction_id);
        let flow_id =
            self.tables.customer_session.get(&it.interaction_id).and_then(|row| row.flow_id);
        let step = Step { flow_id, reason: Some(it.exit.name()), ..Step::default() };
        self.step(at, it.interaction_id, step);
        if let Some(flow_id) = flow_id {
            self.flow_live(at, flow_id, |row| row.ended += 1);
        }
    }

    /// Adds the time in the flow run up to now, once.
    pub(super) fn flow_time_over(
        &mut self,
        at: &mut At<'_>,
        id: ledgerline_schemas::id::InteractionId,
    ) {
        let time = at.time();
        let since = self.interactions.get_mut(&id).and_then(|it| it.flow_since.take());
        if let Some(since) = since {
            let spent_ms = time.ms_since(since);
            self.session(at, id, |row| row.self_service_duration_ms += spent_ms);
            self.self_service_counted(at, id, spent_ms);
        }
    }
}
