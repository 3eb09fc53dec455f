//! Offers: made, accepted, declined, failed.

use ledgerline_schemas::Actor;
use ledgerline_schemas::config::ChannelType;
use ledgerline_schemas::event::agent::{AgentStateChanged, AgentStateName, StateCause};
use ledgerline_schemas::event::flow::FlowExit;
use ledgerline_schemas::event::leg::LegConnected;
use ledgerline_schemas::event::media::{MediaLegBridged, MediaLegDialled, MediaSide};
use ledgerline_schemas::event::offer::{
    OfferAccepted, OfferFailed, OfferMade, OfferRejectReason, OfferRejected,
};
use ledgerline_schemas::event::queue::{QueueLeaveReason, QueueLeft};
use ledgerline_schemas::id::{DecisionId, InteractionId, MediaLegId, OfferId, UserId};

use super::Decision;
use crate::rejection::{Rejection, RejectionCode};
use crate::state::interaction::Offer;

impl Decision<'_> {
    /// Offers a waiting leg to an agent and, on voice, calls the agent's device.
    pub(super) fn make_offer(
        &mut self,
        id: InteractionId,
        agent_id: UserId,
        decision_id: DecisionId,
    ) {
        let Some(agent) = self.state.agents.get(&agent_id) else { return };
        let Some(interaction) = self.open(id) else { return };
        let Some(leg) = &interaction.leg else { return };
        let Some(queue) = self.state.config.queue(leg.queue_id) else { return };
        let channel_type = interaction.channel_type;
        let dn = agent.dn.clone();
        let mut event = OfferMade {
            offer_id: OfferId::default(),
            interaction_id: id,
            leg_id: leg.leg_id,
            queue_id: leg.queue_id,
            decision_id,
            agent_id,
            agent_session_id: agent.agent_session_id,
            team_id: agent.team_id,
            site_id: Some(agent.site_id),
            channel_type,
            ring_timeout_ms: queue.ring_timeout_ms,
            expires_at: self.now.plus_ms(queue.ring_timeout_ms),
        };
        event.offer_id = self.new_id("offer");
        let offer_id = event.offer_id;
        let index = self.emit_as(id, Some(Actor::router()), event);
        if channel_type == ChannelType::Voice {
            self.cause = Some(index);
            let media_leg_id: MediaLegId = self.new_id("media_leg");
            let event = MediaLegDialled {
                interaction_id: id,
                media_leg_id,
                side: MediaSide::Agent,
                offer_id: Some(offer_id),
                dn,
            };
            self.emit_as(id, Some(Actor::router()), event);
        }
    }

    /// The interaction's open offer to this agent.
    fn offer_to(&self, agent_id: UserId, id: InteractionId) -> Result<&Offer, Rejection> {
        let interaction = self.open(id).ok_or_else(|| {
            Rejection::new(
                RejectionCode::NotFound,
                format!("interaction_id: no open interaction {id}"),
            )
        })?;
        interaction.offer().filter(|offer| offer.agent_id == agent_id).ok_or_else(|| {
            let message = format!("interaction_id: {id} is not offered to this agent");
            Rejection::new(RejectionCode::Conflict, message)
        })
    }

    pub(super) fn accept_offer(
        &mut self,
        agent_id: UserId,
        id: InteractionId,
    ) -> Result<(), Rejection> {
        let connection = self.open(id).and_then(|interaction| interaction.connection());
        if connection.is_some_and(|connection| connection.agent_id == agent_id) {
            return Ok(());
        }
        self.offer_to(agent_id, id)?;
        if self.open(id).is_some_and(|it| it.channel_type == ChannelType::Voice) {
            let message = "interaction_id: a call is accepted at the agent's device";
            return Err(Rejection::new(RejectionCode::Conflict, message));
        }
        self.connect(id);
        Ok(())
    }

    /// Connects the offered leg with its agent.
    pub(super) fn connect(&mut self, id: InteractionId) {
        let Some(leg) = self.open(id).and_then(|interaction| interaction.leg.clone()) else {
            return;
        };
        let Some(offer) = leg.offer() else { return };
        let (offer_id, agent_id, leg_id) = (offer.offer_id, offer.agent_id, leg.leg_id);
        let agent = self.state.agents.get(&agent_id);
        let session = agent.map(|agent| (agent.agent_session_id, agent.site_id));
        let event = OfferAccepted { offer_id, interaction_id: id, leg_id, agent_id };
        self.cause = Some(self.emit(id, event));
        let event = QueueLeft {
            interaction_id: id,
            leg_id,
            queue_id: leg.queue_id,
            reason: QueueLeaveReason::Assigned,
            wait_ms: self.now.ms_since(leg.entered_at),
        };
        self.emit_as(id, Some(Actor::router()), event);
        self.stop_prompt(id);
        self.end_run(id, FlowExit::Transferred);
        let event = LegConnected {
            interaction_id: id,
            leg_id,
            queue_id: leg.queue_id,
            agent_id,
            agent_session_id: session.map(|(session, _)| session),
            team_id: Some(offer.team_id),
            site_id: session.map(|(_, site)| site),
            offer_id: Some(offer_id),
        };
        self.emit(id, event);
        self.bridge(id);
    }

    /// Records that customer and agent hear each other, on channels with media.
    pub(super) fn bridge(&mut self, id: InteractionId) {
        let Some(interaction) = self.open(id) else { return };
        let agent = interaction.connection().and_then(|connection| connection.media_leg_id);
        if let (Some(a), Some(b)) = (interaction.customer_media(), agent) {
            self.emit(id, MediaLegBridged { interaction_id: id, a, b });
        }
    }

    pub(super) fn reject_offer(
        &mut self,
        agent_id: UserId,
        id: InteractionId,
    ) -> Result<(), Rejection> {
        self.offer_to(agent_id, id)?;
        self.offer_rejected(id, OfferRejectReason::Declined);
        Ok(())
    }

    /// The agent or the agent's phone said no. The agent does not get the next offer until they say so:
    /// without that the same leg would come back at once.
    pub(super) fn offer_rejected(&mut self, id: InteractionId, reason: OfferRejectReason) {
        let Some((offer, leg_id)) = self.open_offer(id) else { return };
        let event = OfferRejected {
            offer_id: offer.offer_id,
            interaction_id: id,
            leg_id,
            agent_id: offer.agent_id,
            reason,
        };
        self.emit(id, event);
        let cause = match reason {
            OfferRejectReason::Declined => StateCause::Agent,
            _ => StateCause::OfferFailed,
        };
        self.not_responding(offer.agent_id, cause);
        self.wait_again(id);
    }

    /// The agent's device could not be reached.
    pub(super) fn offer_failed(&mut self, id: InteractionId, sip_status: u16) {
        let Some((offer, leg_id)) = self.open_offer(id) else { return };
        let event = OfferFailed {
            offer_id: offer.offer_id,
            interaction_id: id,
            leg_id,
            agent_id: offer.agent_id,
            code: format!("sip_{sip_status}"),
        };
        self.emit(id, event);
        self.not_responding(offer.agent_id, StateCause::OfferFailed);
        self.wait_again(id);
    }

    pub(super) fn open_offer(
        &self,
        id: InteractionId,
    ) -> Option<(Offer, ledgerline_schemas::id::LegId)> {
        let leg = self.open(id)?.leg.as_ref()?;
        Some((leg.offer()?.clone(), leg.leg_id))
    }

    /// Takes an available agent out of the line until the agent changes state.
    pub(super) fn not_responding(&mut self, agent_id: UserId, cause: StateCause) {
        let Some(agent) = self.state.agents.get(&agent_id) else { return };
        if agent.state != AgentStateName::Available {
            return;
        }
        let event = AgentStateChanged {
            agent_session_id: agent.agent_session_id,
            agent_id,
            from: agent.state,
            to: AgentStateName::NotResponding,
            aux_code_id: None,
            cause,
            requested_by: None,
            requested_while_busy: !agent.work.is_empty(),
        };
        self.emit_agent(agent_id, Some(Actor::router()), event);
    }
}
