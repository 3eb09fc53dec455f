//! Conversations: from the connection to the end of wrap-up.

use ledgerline_schemas::event::leg::{
    ConferenceEnded, ConferenceStarted, ConsultAnswered, ConsultRequested, HoldEnded, HoldStarted,
    LegConnected, LegDisconnected, LegEndReason, TransferCompleted, TransferFailed,
    TransferRequested,
};
use ledgerline_schemas::event::queue::QueueSource;
use ledgerline_schemas::event::wrapup::{WrapUpCodeSet, WrapUpEnded, WrapUpStarted};
use ledgerline_schemas::id::{ConsultId, InteractionId, LegId};

use crate::column::{AgentActivityState, Stage};
use crate::fold::activity::{Step, destination_id};
use crate::fold::agent::Hand;
use crate::fold::interaction::{Conference, Consult, Interaction};
use crate::fold::{At, Fold, text};

impl Fold {
    fn underway(&mut self, id: InteractionId) -> Option<&mut Interaction> {
        self.interactions.get_mut(&id)
    }

    pub(super) fn leg_connected(&mut self, at: &mut At<'_>, it: &LegConnected) {
        let time = at.time();
        let agent_name = self.config.name(it.agent_id.uuid());
        let team_name = it.team_id.and_then(|id| self.config.name(id.uuid()));
        let site_name = it.site_id.and_then(|id| self.config.name(id.uuid()));
        self.leg(at, it.leg_id, |leg| {
            leg.agent_id = Some(it.agent_id);
            leg.agent_name.clone_from(&agent_name);
            leg.agent_session_id = it.agent_session_id;
            leg.team_id = it.team_id;
            leg.team_name = team_name;
            leg.site_id = it.site_id;
            leg.site_name = site_name;
            leg.connected_time = Some(time);
        });
        self.session(at, it.interaction_id, |row| {
            row.is_handled = true;
            row.connected_count += 1;
            row.last_agent_id = Some(it.agent_id);
            row.last_agent_name = agent_name;
            row.last_agent_session_id = it.agent_session_id;
            row.last_team_id = it.team_id;
            row.last_site_id = it.site_id;
            if row.preferred_agent_id == Some(it.agent_id) {
                row.is_handled_by_preferred_agent = Some(true);
            }
        });
        let session = self.tables.customer_session.get(&it.interaction_id);
        if let Some(channel_type) = session.map(|row| row.channel_type) {
            let leg = self.tables.queue_leg.get(&it.leg_id);
            let is_transferred = leg.is_some_and(|leg| leg.source == QueueSource::Transfer);
            let hand = Hand {
                interaction_id: it.interaction_id,
                leg_id: it.leg_id,
                queue_id: Some(it.queue_id),
                channel_type,
            };
            self.hand(at, it.agent_id, hand, AgentActivityState::Connected);
            if is_transferred {
                self.agent_counted_on(at, it.agent_id, channel_type, |row| row.transfers_in += 1);
            }
        }
        let step = Step {
            next: Some(Stage::Connected),
            leg_id: Some(it.leg_id),
            agent_id: Some(it.agent_id),
            ..Step::default()
        };
        self.step(at, it.interaction_id, step);
    }

    pub(super) fn leg_disconnected(&mut self, at: &mut At<'_>, it: &LegDisconnected) {
        let time = at.time();
        self.hold_over(at, it.interaction_id, it.leg_id);
        let transferred = it.reason == LegEndReason::Transferred;
        let leg = self.tables.queue_leg.get(&it.leg_id);
        let first = leg.filter(|leg| leg.disconnected_time.is_none()).map(|leg| leg.channel_type);
        if let Some(channel_type) = first {
            self.agent_counted_on(at, it.agent_id, channel_type, |row| {
                row.handled += 1;
                row.transfers_out += i64::from(transferred);
            });
        }
        self.leg(at, it.leg_id, |leg| {
            leg.disconnected_time = Some(time);
            leg.disconnect_reason = Some(it.reason);
            leg.connected_duration_ms = Some(it.connected_ms);
            leg.handle_duration_ms =
                Some(it.connected_ms + leg.wrapup_duration_ms.unwrap_or_default());
            leg.handle_type = Some(text(if transferred { "transferred" } else { "normal" }));
        });
        self.session(at, it.interaction_id, |row| row.connected_duration_ms += it.connected_ms);
        // Wrap-up may have begun already: then the leg stays in hand.
        let in_wrapup = self.held_state(it.agent_id, it.leg_id) == Some(AgentActivityState::Wrapup);
        if let (false, Some(state)) = (in_wrapup, self.held_state(it.agent_id, it.leg_id)) {
            self.hand_over(at, it.agent_id, it.leg_id, state);
        }
        let step = Step {
            next: self.stage_if_talking(it.interaction_id, it.leg_id, Stage::Disconnected),
            leg_id: Some(it.leg_id),
            agent_id: Some(it.agent_id),
            reason: Some(it.reason.name()),
            ..Step::default()
        };
        self.step(at, it.interaction_id, step);
    }

    /// The stage to go to if the interaction is with this leg; none if it has gone on already (waiting in
    /// another queue after a transfer, or ended).
    fn stage_if_talking(&self, id: InteractionId, leg_id: LegId, next: Stage) -> Option<Stage> {
        let interaction = self.interactions.get(&id)?;
        let talking = matches!(
            interaction.stage,
            Stage::Offered
                | Stage::Connected
                | Stage::Hold
                | Stage::Consulting
                | Stage::Conference
                | Stage::PostCall
                | Stage::Disconnected
        );
        (interaction.last_leg == Some(leg_id) && talking).then_some(next)
    }

    pub(super) fn hold_started(&mut self, at: &mut At<'_>, it: &HoldStarted) {
        let time = at.time();
        if let Some(interaction) = self.underway(it.interaction_id) {
            interaction.holds.insert(it.leg_id, time);
        }
        self.leg(at, it.leg_id, |leg| leg.hold_count += 1);
        self.session(at, it.interaction_id, |row| row.hold_count += 1);
        self.hand_becomes(at, it.agent_id, it.leg_id, AgentActivityState::Hold);
        let step = Step {
            next: self.stage_if_talking(it.interaction_id, it.leg_id, Stage::Hold),
            leg_id: Some(it.leg_id),
            agent_id: Some(it.agent_id),
            ..Step::default()
        };
        self.step(at, it.interaction_id, step);
    }

    pub(super) fn hold_ended(&mut self, at: &mut At<'_>, it: &HoldEnded) {
        self.hold_over(at, it.interaction_id, it.leg_id);
        self.hand_becomes(at, it.agent_id, it.leg_id, AgentActivityState::Connected);
        let step = Step {
            next: self.stage_if_talking(it.interaction_id, it.leg_id, Stage::Connected),
            leg_id: Some(it.leg_id),
            agent_id: Some(it.agent_id),
            ..Step::default()
        };
        self.step(at, it.interaction_id, step);
    }

    /// Adds the time on hold, once.
    fn hold_over(&mut self, at: &mut At<'_>, id: InteractionId, leg_id: LegId) {
        let since = self.underway(id).and_then(|it| it.holds.remove(&leg_id));
        let Some(since) = since else { return };
        let held_ms = at.time().ms_since(since);
        self.leg(at, leg_id, |leg| leg.hold_duration_ms += held_ms);
        self.session(at, id, |row| row.hold_duration_ms += held_ms);
    }

    pub(super) fn consult_requested(&mut self, at: &mut At<'_>, it: &ConsultRequested) {
        if let Some(interaction) = self.underway(it.interaction_id) {
            let consult = Consult { leg_id: it.leg_id, agent_id: it.agent_id, since: None };
            interaction.consults.insert(it.consult_id, consult);
        }
        self.hand_becomes(at, it.agent_id, it.leg_id, AgentActivityState::Consulting);
        let step = Step {
            next: self.stage_if_talking(it.interaction_id, it.leg_id, Stage::Consulting),
            leg_id: Some(it.leg_id),
            agent_id: Some(it.agent_id),
            destination: Some((it.to_type, &it.to_id)),
            ..Step::default()
        };
        self.step(at, it.interaction_id, step);
    }

    pub(super) fn consult_answered(&mut self, at: &mut At<'_>, it: &ConsultAnswered) {
        let time = at.time();
        let consult =
            self.underway(it.interaction_id).and_then(|all| all.consults.get_mut(&it.consult_id));
        let Some(consult) = consult else { return };
        consult.since = Some(time);
        let (leg_id, agent_id) = (consult.leg_id, consult.agent_id);
        self.leg(at, leg_id, |leg| leg.consult_count += 1);
        self.session(at, it.interaction_id, |row| row.consult_count += 1);
        let step = Step { leg_id: Some(leg_id), agent_id: Some(agent_id), ..Step::default() };
        self.step(at, it.interaction_id, step);
    }

    pub(super) fn consult_over(
        &mut self,
        at: &mut At<'_>,
        id: InteractionId,
        consult_id: ConsultId,
        reason: Option<&str>,
    ) {
        let consult = self.underway(id).and_then(|all| all.consults.remove(&consult_id));
        let Some(consult) = consult else { return };
        if let Some(since) = consult.since {
            let lasted_ms = at.time().ms_since(since);
            self.leg(at, consult.leg_id, |leg| leg.consult_duration_ms += lasted_ms);
            self.session(at, id, |row| row.consult_duration_ms += lasted_ms);
        }
        if self.held_state(consult.agent_id, consult.leg_id) == Some(AgentActivityState::Consulting)
        {
            self.hand_becomes(at, consult.agent_id, consult.leg_id, AgentActivityState::Connected);
        }
        let step = Step {
            next: self.stage_if_talking(id, consult.leg_id, Stage::Connected),
            leg_id: Some(consult.leg_id),
            agent_id: Some(consult.agent_id),
            reason,
            ..Step::default()
        };
        self.step(at, id, step);
    }

    pub(super) fn conference_started(&mut self, at: &mut At<'_>, it: &ConferenceStarted) {
        let time = at.time();
        let mut leg_id = None;
        if let Some(interaction) = self.underway(it.interaction_id) {
            leg_id = interaction.last_leg;
            let conference = Conference { leg_id, agent_id: it.agent_id, since: time };
            interaction.conferences.insert(it.conference_id, conference);
        }
        if let Some(leg_id) = leg_id {
            self.leg(at, leg_id, |leg| leg.conference_count += 1);
            self.hand_becomes(at, it.agent_id, leg_id, AgentActivityState::Conference);
        }
        self.session(at, it.interaction_id, |row| row.conference_count += 1);
        let step = Step {
            next: Some(Stage::Conference),
            leg_id,
            agent_id: Some(it.agent_id),
            ..Step::default()
        };
        self.step(at, it.interaction_id, step);
    }

    pub(super) fn conference_ended(&mut self, at: &mut At<'_>, it: &ConferenceEnded) {
        let conference = self
            .underway(it.interaction_id)
            .and_then(|interaction| interaction.conferences.remove(&it.conference_id));
        let Some(Conference { leg_id, agent_id, since }) = conference else { return };
        let lasted_ms = at.time().ms_since(since);
        if let Some(leg_id) = leg_id {
            self.leg(at, leg_id, |leg| leg.conference_duration_ms += lasted_ms);
            if self.held_state(agent_id, leg_id) == Some(AgentActivityState::Conference) {
                self.hand_becomes(at, agent_id, leg_id, AgentActivityState::Connected);
            }
        }
        self.session(at, it.interaction_id, |row| row.conference_duration_ms += lasted_ms);
        let next = leg_id
            .and_then(|leg_id| self.stage_if_talking(it.interaction_id, leg_id, Stage::Connected));
        self.step(at, it.interaction_id, Step { next, leg_id, ..Step::default() });
    }

    pub(super) fn transfer_requested(&mut self, at: &mut At<'_>, it: &TransferRequested) {
        if let Some(interaction) = self.underway(it.interaction_id) {
            interaction.transfers.insert(it.transfer_id, it.leg_id);
        }
        let destination = (it.to_type, it.to_id.as_str());
        self.leg(at, it.leg_id, |leg| {
            leg.transfer_kind = Some(it.kind);
            leg.next_destination_type = Some(it.to_type);
            leg.next_destination_id = destination_id(destination);
        });
        let step = Step {
            leg_id: Some(it.leg_id),
            agent_id: Some(it.agent_id),
            transfer_kind: Some(it.kind),
            destination: Some(destination),
            ..Step::default()
        };
        self.step(at, it.interaction_id, step);
    }

    pub(super) fn transfer_completed(&mut self, at: &mut At<'_>, it: &TransferCompleted) {
        let leg_id =
            self.underway(it.interaction_id).and_then(|all| all.transfers.remove(&it.transfer_id));
        if let Some(leg_id) = leg_id {
            self.leg(at, leg_id, |leg| leg.next_leg_id = it.new_leg_id.or(leg.next_leg_id));
        }
        self.session(at, it.interaction_id, |row| row.transfer_count += 1);
        let kind = leg_id
            .and_then(|leg_id| self.tables.queue_leg.get(&leg_id))
            .and_then(|leg| leg.transfer_kind);
        self.step(at, it.interaction_id, Step { leg_id, transfer_kind: kind, ..Step::default() });
    }

    pub(super) fn transfer_failed(&mut self, at: &mut At<'_>, it: &TransferFailed) {
        let leg_id =
            self.underway(it.interaction_id).and_then(|all| all.transfers.remove(&it.transfer_id));
        if let Some(leg_id) = leg_id {
            self.leg(at, leg_id, |leg| {
                leg.transfer_kind = None;
                leg.next_destination_type = None;
                leg.next_destination_id = None;
            });
        }
        self.session(at, it.interaction_id, |row| row.transfer_error_count += 1);
        let step = Step { leg_id, reason: Some(&it.code), ..Step::default() };
        self.step(at, it.interaction_id, step);
    }

    pub(super) fn post_call(
        &mut self,
        at: &mut At<'_>,
        id: InteractionId,
        leg_id: LegId,
        began: bool,
    ) {
        let next = if began { Stage::PostCall } else { Stage::Disconnected };
        let step = Step {
            next: self.stage_if_talking(id, leg_id, next),
            leg_id: Some(leg_id),
            ..Step::default()
        };
        self.step(at, id, step);
    }

    pub(super) fn wrapup_started(&mut self, at: &mut At<'_>, it: &WrapUpStarted) {
        let time = at.time();
        self.leg(at, it.leg_id, |leg| {
            leg.wrapup_time = Some(time);
            leg.wrapup_duration_ms = None;
        });
        self.session(at, it.interaction_id, |row| row.wrapup_count += 1);
        let leg = self.tables.queue_leg.get(&it.leg_id);
        if let Some((queue_id, channel_type)) = leg.map(|leg| (leg.queue_id, leg.channel_type)) {
            let hand = Hand {
                interaction_id: it.interaction_id,
                leg_id: it.leg_id,
                queue_id: Some(queue_id),
                channel_type,
            };
            self.hand(at, it.agent_id, hand, AgentActivityState::Wrapup);
        }
        let interaction = self.interactions.get(&it.interaction_id);
        // After a transfer the interaction is elsewhere already, while the first agent wraps up.
        let next = interaction.and_then(|interaction| {
            let here = interaction.last_leg == Some(it.leg_id);
            let over = matches!(interaction.stage, Stage::Disconnected | Stage::Ended);
            (here && over).then_some(Stage::Wrapup)
        });
        let step =
            Step { next, leg_id: Some(it.leg_id), agent_id: Some(it.agent_id), ..Step::default() };
        self.step(at, it.interaction_id, step);
    }

    pub(super) fn wrapup_code_set(&mut self, at: &mut At<'_>, it: &WrapUpCodeSet) {
        let name =
            it.reason.as_deref().map(text).or_else(|| self.config.name(it.aux_code_id.uuid()));
        self.leg(at, it.leg_id, |leg| {
            leg.wrapup_code_id = Some(it.aux_code_id);
            leg.wrapup_code = name;
        });
        self.session(at, it.interaction_id, |row| row.last_wrapup_code_id = Some(it.aux_code_id));
        if let Some(activity) = self.held_activity(it.agent_id, it.leg_id) {
            self.tables.agent_activity.change(at.sink, &activity, |row| {
                row.wrapup_code_id = Some(it.aux_code_id);
            });
        }
    }

    pub(super) fn wrapup_ended(&mut self, at: &mut At<'_>, it: &WrapUpEnded) {
        let time = at.time();
        let leg = self.tables.queue_leg.get(&it.leg_id);
        let began = leg.filter(|leg| leg.in_wrapup()).and_then(|leg| leg.wrapup_time);
        if let Some(began) = began {
            let lasted_ms = time.ms_since(began);
            self.leg(at, it.leg_id, |leg| {
                leg.wrapup_duration_ms = Some(lasted_ms);
                leg.handle_duration_ms =
                    leg.connected_duration_ms.map(|connected_ms| connected_ms + lasted_ms);
            });
            self.session(at, it.interaction_id, |row| row.wrapup_duration_ms += lasted_ms);
        }
        self.hand_over(at, it.agent_id, it.leg_id, AgentActivityState::Wrapup);
        let ended = self
            .tables
            .customer_session
            .get(&it.interaction_id)
            .is_some_and(|row| row.ended_time.is_some());
        let stage = self.interactions.get(&it.interaction_id).map(|interaction| interaction.stage);
        let next = match stage {
            Some(Stage::Wrapup) if ended => Some(Stage::Ended),
            Some(Stage::Wrapup) => Some(Stage::Disconnected),
            _ => None,
        };
        let step = Step {
            next,
            leg_id: Some(it.leg_id),
            agent_id: Some(it.agent_id),
            reason: Some(it.by.name()),
            ..Step::default()
        };
        self.step(at, it.interaction_id, step);
    }
}
