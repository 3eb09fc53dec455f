//! Legs in queues: entry, widening, offers, timers, leaving.

use ledgerline_schemas::Timestamp;
use ledgerline_schemas::config::Queue;
use ledgerline_schemas::event::agent::SlotState;
use ledgerline_schemas::event::clock::{TimerFired, TimerKind};
use ledgerline_schemas::event::offer::OfferMade;
use ledgerline_schemas::event::queue::{
    QueueEntered, QueueGroupEscalated, QueueLeaveReason, QueueLeft,
};
use ledgerline_schemas::event::routing::{DecisionTrigger, RoutingDecisionMade};
use ledgerline_schemas::id::{InteractionId, OfferId, UserId};

use crate::state::State;
use crate::state::agent::Work;
use crate::state::interaction::{Leg, LegPhase, MediaPhase, Offer, RunWait};

/// Group that a search starting at `from` reaches at once (groups with no wait are skipped over), and
/// the wait until the next one.
pub(crate) fn widen(queue: &Queue, from: u32) -> (u32, Option<u64>) {
    let groups = &queue.call_distribution_groups;
    let last = u32::try_from(groups.len()).unwrap_or(u32::MAX).saturating_sub(1);
    let mut group = from.min(last);
    while group < last {
        let wait = groups.get(group as usize).map_or(0, |it| it.wait_ms);
        if wait > 0 {
            return (group, Some(wait));
        }
        group += 1;
    }
    (group, None)
}

pub(super) fn entered(state: &mut State, time: Timestamp, it: &QueueEntered) {
    let queue = state.config.queue(it.queue_id);
    let (group, group_wait) = queue.map_or((0, None), |queue| widen(queue, 0));
    let max_wait = queue.and_then(|queue| queue.max_time_in_queue_ms);
    state.with_interaction(it.interaction_id, |interaction| {
        if interaction.ended {
            return;
        }
        interaction.legs = interaction.legs.max(it.leg_no);
        interaction.leg = Some(Leg {
            leg_id: it.leg_id,
            queue_id: it.queue_id,
            source: it.source,
            priority: it.priority,
            entered_at: time,
            wait_credit_ms: it.wait_credit_ms,
            group,
            group_due: group_wait.map(|wait| time.plus_ms(wait)),
            max_due: max_wait.map(|wait| time.plus_ms(wait)),
            overdue: false,
            phase: LegPhase::Waiting,
        });
    });
}

pub(super) fn escalated(state: &mut State, it: &QueueGroupEscalated) {
    let queue = state.config.queue(it.queue_id);
    let wait = queue.and_then(|queue| widen(queue, it.to_group).1);
    let groups = queue.map_or(&[][..], |queue| &queue.call_distribution_groups);
    // Groups count from the entry, so that a late tick does not delay the groups after it.
    let sum = groups.iter().take(it.to_group as usize).map(|group| group.wait_ms).sum::<u64>();
    state.with_interaction(it.interaction_id, |interaction| {
        if let Some(leg) = &mut interaction.leg {
            leg.group = it.to_group;
            leg.group_due = wait.map(|wait| leg.entered_at.plus_ms(sum.saturating_add(wait)));
        }
    });
}

pub(super) fn left(state: &mut State, it: &QueueLeft) {
    state.with_interaction(it.interaction_id, |interaction| {
        let Some(leg) = interaction.leg.as_mut().filter(|leg| leg.leg_id == it.leg_id) else {
            return;
        };
        leg.group_due = None;
        leg.max_due = None;
        leg.overdue = false;
        if it.reason != QueueLeaveReason::Assigned {
            interaction.leg = None;
        }
    });
}

pub(super) fn decided(state: &mut State, it: &RoutingDecisionMade) {
    if it.trigger == DecisionTrigger::ConfigChanged
        && it.chosen_agent_id.is_none()
        && let Some(queue_id) = it.queue_id
    {
        state.reroute.remove(&queue_id);
    }
}

pub(super) fn offer_made(state: &mut State, time: Timestamp, it: &OfferMade) {
    state.with_interaction(it.interaction_id, |interaction| {
        if let Some(leg) = &mut interaction.leg {
            leg.phase = LegPhase::Offered(Offer {
                offer_id: it.offer_id,
                agent_id: it.agent_id,
                team_id: it.team_id,
                expires_at: Some(it.expires_at),
            });
        }
    });
    state.with_agent(it.agent_id, |agent| {
        let work = Work {
            interaction_id: it.interaction_id,
            channel_type: it.channel_type,
            slot: SlotState::Reserved,
            since: time,
        };
        agent.work.insert(it.leg_id, work);
    });
}

/// An offer came to nothing: the leg waits again in its old place, the agent's slot is free.
pub(super) fn offer_over(
    state: &mut State,
    id: InteractionId,
    offer_id: OfferId,
    agent_id: UserId,
) {
    let mut leg_id = None;
    state.with_interaction(id, |interaction| {
        if let Some(leg) = &mut interaction.leg
            && leg.offer().is_some_and(|offer| offer.offer_id == offer_id)
        {
            leg.phase = LegPhase::Waiting;
            leg_id = Some(leg.leg_id);
        }
        for media in interaction.agent_media.values_mut() {
            if media.offer_id == offer_id {
                media.phase = MediaPhase::Releasing;
            }
        }
    });
    if let Some(leg_id) = leg_id {
        state.with_agent(agent_id, |agent| {
            agent.work.remove(&leg_id);
        });
    }
}

/// A timer fires once.
pub(super) fn timer_fired(state: &mut State, it: &TimerFired) {
    let Some(id) = it.interaction_id else { return };
    state.with_interaction(id, |interaction| match it.kind {
        TimerKind::OfferExpiry => {
            if let Some(leg) = &mut interaction.leg
                && let LegPhase::Offered(offer) = &mut leg.phase
            {
                offer.expires_at = None;
            }
        }
        TimerKind::GroupEscalation => {
            if let Some(leg) = &mut interaction.leg {
                leg.group_due = None;
            }
        }
        TimerKind::MaxTimeInQueue => {
            if let Some(leg) = &mut interaction.leg {
                leg.max_due = None;
                leg.overdue = true;
            }
        }
        TimerKind::WrapupEnd => {
            let wrapup = it.leg_id.and_then(|leg_id| interaction.wrapups.get_mut(&leg_id));
            if let Some(wrapup) = wrapup {
                wrapup.auto_end_at = None;
            }
        }
        TimerKind::FlowWait => {
            if let Some(run) = &mut interaction.run {
                run.waits = RunWait::Nothing;
            }
        }
        TimerKind::RequirementRelaxation | TimerKind::CallbackDue | TimerKind::AgentPenaltyEnd => {}
    });
}
