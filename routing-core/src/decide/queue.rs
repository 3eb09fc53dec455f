//! Into queues and out of them.

use ledgerline_schemas::Actor;
use ledgerline_schemas::event::interaction::{LastStage, TerminatingEnd, TerminationReason};
use ledgerline_schemas::event::offer::{OfferRescinded, RescindReason};
use ledgerline_schemas::event::queue::{QueueEntered, QueueLeaveReason, QueueLeft, QueueSource};
use ledgerline_schemas::event::routing::DecisionTrigger;
use ledgerline_schemas::id::{InteractionId, LegId, QueueId};

use super::{Decision, Ending};

impl Decision<'_> {
    /// Whether a queue takes the interaction; else a stable code that says why not.
    pub(crate) fn admission(
        &self,
        id: InteractionId,
        queue_id: QueueId,
    ) -> Result<(), &'static str> {
        let interaction = self.open(id).ok_or("interaction_over")?;
        let queue = self.state.config.queue(queue_id).ok_or("queue_missing")?;
        if !queue.active {
            return Err("queue_inactive");
        }
        if queue.channel_type != interaction.channel_type {
            return Err("wrong_channel");
        }
        match queue.max_active_interactions {
            Some(limit) if self.state.active_in(queue_id) >= limit => Err("queue_full"),
            _ => Ok(()),
        }
    }

    /// Puts an interaction into a queue; one that waits in another queue moves.
    pub(crate) fn enqueue(
        &mut self,
        id: InteractionId,
        queue_id: QueueId,
        source: QueueSource,
        actor: Option<Actor>,
    ) -> Result<(), &'static str> {
        self.admission(id, queue_id)?;
        match self.open(id).and_then(|interaction| interaction.leg.as_ref()) {
            Some(leg) if leg.queue_id == queue_id => return Err("already_queued"),
            Some(leg) if leg.connection().is_some() => return Err("connected"),
            Some(_) => self.leave_queue(id, QueueLeaveReason::Moved, RescindReason::QueueLeft),
            None => {}
        }
        self.enter_queue(id, queue_id, source, actor);
        Ok(())
    }

    /// Records the entry without asking whether the queue has room; gives the new leg.
    pub(crate) fn enter_queue(
        &mut self,
        id: InteractionId,
        queue_id: QueueId,
        source: QueueSource,
        actor: Option<Actor>,
    ) -> Option<LegId> {
        let interaction = self.open(id)?;
        let (priority, leg_no) = (interaction.priority, interaction.legs.saturating_add(1));
        let credits = self.state.config.queue(queue_id).map(|queue| &queue.wait_credits);
        let credit = credits.and_then(|all| all.iter().find(|it| it.priority == priority));
        let wait_credit_ms = credit.map_or(0, |credit| credit.credit_ms);
        let leg_id: LegId = self.new_id("leg");
        let event = QueueEntered {
            interaction_id: id,
            leg_id,
            queue_id,
            leg_no,
            priority,
            wait_credit_ms,
            requirements: Vec::new(),
            preferred_agent_id: None,
            source,
        };
        self.emit_as(id, actor, event);
        self.search(id, DecisionTrigger::ContactQueued);
        Some(leg_id)
    }

    /// Takes the interaction out of its queue; an open offer is taken back.
    pub(crate) fn leave_queue(
        &mut self,
        id: InteractionId,
        reason: QueueLeaveReason,
        rescind: RescindReason,
    ) {
        self.rescind(id, rescind);
        let Some(leg) = self.open(id).and_then(|interaction| interaction.leg.as_ref()) else {
            return;
        };
        let event = QueueLeft {
            interaction_id: id,
            leg_id: leg.leg_id,
            queue_id: leg.queue_id,
            reason,
            wait_ms: self.now.ms_since(leg.entered_at),
        };
        self.emit(id, event);
    }

    /// Takes an open offer back and frees its agent.
    pub(crate) fn rescind(&mut self, id: InteractionId, reason: RescindReason) {
        let Some(leg) = self.interaction(id).and_then(|interaction| interaction.leg.as_ref())
        else {
            return;
        };
        let Some(offer) = leg.offer() else { return };
        let agent_id = offer.agent_id;
        let event = OfferRescinded {
            offer_id: offer.offer_id,
            interaction_id: id,
            leg_id: leg.leg_id,
            agent_id,
            reason,
        };
        self.emit(id, event);
        self.free(agent_id);
    }

    /// A leg whose offer came to nothing goes on waiting in its old place, or leaves if its longest
    /// wait passed meanwhile.
    pub(crate) fn wait_again(&mut self, id: InteractionId) {
        let Some(leg) = self.open(id).and_then(|interaction| interaction.leg.as_ref()) else {
            return;
        };
        if leg.overdue {
            self.overflow(id);
        } else {
            self.search(id, DecisionTrigger::OfferFailed);
        }
    }

    /// The longest wait is over: the overflow queue takes it, or it ends.
    pub(crate) fn overflow(&mut self, id: InteractionId) {
        let Some(leg) = self.open(id).and_then(|interaction| interaction.leg.as_ref()) else {
            return;
        };
        let queue = self.state.config.queue(leg.queue_id);
        let overflow = queue
            .and_then(|queue| queue.overflow_queue_id)
            .filter(|target| self.admission(id, *target).is_ok());
        match overflow {
            Some(target) => {
                self.leave_queue(id, QueueLeaveReason::MaxTime, RescindReason::QueueLeft);
                self.enter_queue(id, target, QueueSource::Overflow, Some(Actor::router()));
                self.queue_music(id);
            }
            None => {
                let ending = Ending {
                    end: TerminatingEnd::System,
                    reason: TerminationReason::MaxTimeInQueue,
                    stage: LastStage::Queue,
                };
                self.finish(id, ending);
            }
        }
    }

    /// Plays the queue's music to a customer who waits without a flow of their own.
    pub(crate) fn queue_music(&mut self, id: InteractionId) {
        let Some(interaction) = self.open(id) else { return };
        let Some(leg) = interaction.leg.as_ref().filter(|leg| leg.connection().is_none()) else {
            return;
        };
        if interaction.run.is_some() {
            return;
        }
        let Some(queue) = self.state.config.queue(leg.queue_id) else { return };
        let music = queue.music.clone();
        if interaction.playing.as_ref().is_none_or(|playing| playing.media != music) {
            self.start_music(id, &music);
        }
    }
}
