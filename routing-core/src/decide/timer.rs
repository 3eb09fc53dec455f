//! Time passing: every timer that is due, in order.

use ledgerline_schemas::config::ActivityKind;
use ledgerline_schemas::event::agent::StateCause;
use ledgerline_schemas::event::clock::{TimerFired, TimerKind};
use ledgerline_schemas::event::offer::OfferTimedOut;
use ledgerline_schemas::event::queue::{EscalationTrigger, QueueGroupEscalated};
use ledgerline_schemas::event::routing::DecisionTrigger;
use ledgerline_schemas::event::wrapup::{WrapUpEnded, WrapUpEndedBy};
use ledgerline_schemas::id::{InteractionId, LegId, TimerId};
use ledgerline_schemas::{Actor, ActorType, Timestamp};

use super::Decision;
use crate::evolve::widen;
use crate::state::index::TimerKey;

/// A tick stops taking on more after this many events: a decision is one append, and appends are
/// limited. The rest stays due.
const TICK_EVENTS_MAX: usize = 2_000;

impl Decision<'_> {
    pub(super) fn tick(&mut self) {
        while self.steps.len() < TICK_EVENTS_MAX {
            let due = self.state.index.timers.first().copied();
            let Some((due_at, key)) = due.filter(|(at, _)| *at <= self.now) else { break };
            self.cause = None;
            self.fire(due_at, key);
            self.settle();
        }
        self.search_changed_queues();
    }

    /// Queues whose configuration changed: their legs look again.
    fn search_changed_queues(&mut self) {
        while self.steps.len() < TICK_EVENTS_MAX {
            let Some(queue_id) = self.state.reroute.keys().next().copied() else { return };
            self.cause = None;
            let leg = self.best_pair(queue_id).or_else(|| self.first_waiting(queue_id));
            let before = self.steps.len();
            if let Some(id) = leg {
                self.route_leg(id, DecisionTrigger::ConfigChanged);
            }
            if self.steps.len() == before {
                return;
            }
        }
    }

    fn fired(
        &mut self,
        kind: TimerKind,
        due_at: Timestamp,
        id: InteractionId,
        leg_id: Option<LegId>,
    ) {
        let offer = self.open_offer(id).filter(|_| kind == TimerKind::OfferExpiry);
        let subject = leg_id.map_or(id.uuid(), LegId::uuid);
        let event = TimerFired {
            timer_id: TimerId::derived(subject, &format!("{}:{}", kind.name(), due_at.micros())),
            kind,
            due_at,
            interaction_id: Some(id),
            leg_id,
            offer_id: offer.as_ref().map(|(offer, _)| offer.offer_id),
            agent_id: offer.map(|(offer, _)| offer.agent_id),
        };
        self.cause = Some(self.emit_as(id, Some(timer()), event));
    }

    fn fire(&mut self, due_at: Timestamp, key: TimerKey) {
        let leg_of = |decision: &Self, id| {
            let interaction: Option<_> = decision.interaction(id);
            interaction.and_then(|interaction| interaction.leg.as_ref()).map(|leg| leg.leg_id)
        };
        match key {
            TimerKey::Offer(id) => {
                let leg_id = leg_of(self, id);
                self.fired(TimerKind::OfferExpiry, due_at, id, leg_id);
                self.offer_timed_out(id);
            }
            TimerKey::WrapUp(id, leg_id) => {
                self.fired(TimerKind::WrapupEnd, due_at, id, Some(leg_id));
                self.end_wrapup(id, leg_id, WrapUpEndedBy::Timer);
            }
            TimerKey::MaxTime(id) => {
                let leg_id = leg_of(self, id);
                self.fired(TimerKind::MaxTimeInQueue, due_at, id, leg_id);
                let leg = self.open(id).and_then(|interaction| interaction.leg.as_ref());
                if leg.is_some_and(|leg| leg.waits()) {
                    self.overflow(id);
                }
            }
            TimerKey::Group(id) => {
                let leg_id = leg_of(self, id);
                self.fired(TimerKind::GroupEscalation, due_at, id, leg_id);
                self.widen_search(id);
            }
            TimerKey::FlowWait(id) => {
                self.fired(TimerKind::FlowWait, due_at, id, None);
                self.flow_wait_over(id);
            }
        }
    }

    fn offer_timed_out(&mut self, id: InteractionId) {
        let Some((offer, leg_id)) = self.open_offer(id) else { return };
        let event = OfferTimedOut {
            offer_id: offer.offer_id,
            interaction_id: id,
            leg_id,
            agent_id: offer.agent_id,
        };
        self.emit_as(id, Some(timer()), event);
        self.not_responding(offer.agent_id, StateCause::Rona);
        self.wait_again(id);
    }

    /// Records the end of a wrap-up and frees the agent.
    pub(super) fn end_wrapup(&mut self, id: InteractionId, leg_id: LegId, by: WrapUpEndedBy) {
        let Some(wrapup) = self.interaction(id).and_then(|it| it.wrapups.get(&leg_id)) else {
            return;
        };
        let agent_id = wrapup.agent_id;
        let actor = (by == WrapUpEndedBy::Timer).then(timer);
        self.emit_as(id, actor, WrapUpEnded { interaction_id: id, leg_id, agent_id, by });
        self.free(agent_id);
    }

    fn widen_search(&mut self, id: InteractionId) {
        let Some(leg) = self.open(id).and_then(|interaction| interaction.leg.as_ref()) else {
            return;
        };
        let Some(queue) = self.state.config.queue(leg.queue_id) else { return };
        let (to_group, _) = widen(queue, leg.group.saturating_add(1));
        if to_group <= leg.group {
            return;
        }
        let waits = leg.waits();
        let event = QueueGroupEscalated {
            interaction_id: id,
            leg_id: leg.leg_id,
            queue_id: leg.queue_id,
            from_group: leg.group,
            to_group,
            trigger: EscalationTrigger::Timer,
        };
        self.emit_as(id, Some(timer()), event);
        if waits {
            self.search(id, DecisionTrigger::GroupEscalated);
        }
    }

    fn flow_wait_over(&mut self, id: InteractionId) {
        let run = self.open(id).and_then(|interaction| interaction.run.as_ref());
        let activity = run.and_then(|run| {
            let flow = self.state.config.flow(run.flow_id, run.flow_version)?;
            flow.activities.get(&run.activity_id)
        });
        if activity.is_some_and(|it| matches!(it.does, ActivityKind::PlayMusic { .. })) {
            self.stop_prompt(id);
        }
        self.take_branch(id, "next");
    }
}

fn timer() -> Actor {
    Actor::new(ActorType::Timer, "")
}
