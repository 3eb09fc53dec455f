//! `customer_activity`: the steps of interactions.

use std::sync::Arc;

use ledgerline_schemas::event::leg::{PartyType, TransferKind};
use ledgerline_schemas::id::{FlowId, InteractionId, LegId, UserId};

use crate::column::Stage;
use crate::fold::{At, Fold, text};
use crate::tables::{CustomerActivity, CustomerSession};

/// What a step says besides its event.
#[derive(Default)]
pub(super) struct Step<'a> {
    /// What the interaction is at now; unchanged if absent.
    pub(super) next: Option<Stage>,
    pub(super) leg_id: Option<LegId>,
    pub(super) agent_id: Option<UserId>,
    pub(super) flow_id: Option<FlowId>,
    pub(super) transfer_kind: Option<TransferKind>,
    pub(super) destination: Option<(PartyType, &'a str)>,
    pub(super) reason: Option<&'a str>,
}

/// The id of a consult's or transfer's target, unless it is an outside number: that would be personal data.
pub(super) fn destination_id(destination: (PartyType, &str)) -> Option<Arc<str>> {
    (destination.0 != PartyType::Dn).then(|| text(destination.1))
}

impl Fold {
    /// Ends the present step of an interaction and begins the next.
    pub(super) fn step(&mut self, at: &mut At<'_>, id: InteractionId, step: Step<'_>) {
        let Some(interaction) = self.interactions.get_mut(&id) else { return };
        let Some(session) = self.tables.customer_session.get(&id) else { return };
        let previous_state = interaction.stage;
        let next_state = step.next.unwrap_or(previous_state);
        let before = interaction.step.replace(at.header.id);
        if next_state != previous_state {
            interaction.stage_since = at.header.time;
        }
        interaction.stage = next_state;
        interaction.steps += 1;
        interaction.touched = at.header.position;
        let leg = step.leg_id.and_then(|leg_id| self.tables.queue_leg.get(&leg_id));
        let agent = step.agent_id.and_then(|agent_id| self.agents.get(&agent_id));
        let time = at.time();
        let over = next_state == Stage::Ended;
        let row = CustomerActivity {
            activity_id: at.header.id,
            interaction_id: id,
            seq: interaction.steps,
            leg_id: step.leg_id,
            event_name: at.header.event_type.clone(),
            previous_state,
            next_state,
            created_time: time,
            // Nothing follows the end; should something follow all the same, it is a step of its own.
            ended_time: over.then_some(time),
            duration_ms: over.then_some(0),
            channel_type: session.channel_type,
            entry_point_id: session.entry_point_id,
            queue_id: leg.map(|leg| leg.queue_id),
            agent_id: step.agent_id,
            agent_name: step.agent_id.and_then(|agent_id| self.config.name(agent_id.uuid())),
            agent_session_id: agent.and_then(|agent| agent.session).map(|session| session.id),
            team_id: agent
                .and_then(|agent| agent.session)
                .map(|session| session.team_id)
                .or_else(|| leg.and_then(|leg| leg.team_id)),
            site_id: agent
                .and_then(|agent| agent.session)
                .map(|session| session.site_id)
                .or_else(|| leg.and_then(|leg| leg.site_id)),
            flow_id: step.flow_id,
            transfer_kind: step.transfer_kind,
            destination_type: step.destination.map(|destination| destination.0),
            destination_id: step.destination.and_then(destination_id),
            reason: step.reason.map(text),
            actor_type: at.header.actor.kind,
            actor_id: text(&at.header.actor.id),
            valid_from_position: at.header.position,
        };
        if let Some(before) = before {
            let is_open = |row: &CustomerActivity| row.ended_time.is_none();
            self.tables.customer_activity.change_if(at.sink, &before, is_open, |row| {
                row.ended_time = Some(time);
                row.duration_ms = Some(time.ms_since(row.created_time));
            });
        }
        self.tables.customer_activity.put(at.sink, row);
        self.touched(id);
        if next_state != previous_state {
            self.session(at, id, |row| row.state = next_state);
        }
    }

    /// Changes the row of an interaction, if it is known.
    pub(super) fn session(
        &mut self,
        at: &mut At<'_>,
        id: InteractionId,
        change: impl FnOnce(&mut CustomerSession),
    ) {
        if self.tables.customer_session.change(at.sink, &id, change) {
            self.touched(id);
        }
    }
}
