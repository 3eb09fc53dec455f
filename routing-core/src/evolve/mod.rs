//! What a fact changes. Total: every event is accepted, those that concern nothing here change nothing.

mod agent;
mod conversation;
mod flow;
mod interaction;
mod media;
mod monitor;
mod queue;

pub(crate) use queue::widen;

use ledgerline_schemas::event::monitor::MonitorMode;
use ledgerline_schemas::event::{ConfigChange, ConfigVerb, Event};
use ledgerline_schemas::id::QueueId;
use ledgerline_schemas::{Position, Timestamp};

use crate::committed::Committed;
use crate::state::State;

/// Takes a committed event into the state. Imported history and reads are ignored.
pub fn evolve(state: &mut State, committed: &Committed) {
    if committed.concerns_routing() {
        apply(state, committed.time, &committed.event);
        stamp(state, committed);
    }
}

/// Tells a state that [`crate::decide_mut`] has already changed where the log put the events: afterwards
/// it equals a state that evolved them. Call it before the next decision.
pub fn confirm(state: &mut State, committed: &[Committed]) {
    for event in committed.iter().filter(|event| event.concerns_routing()) {
        stamp(state, event);
    }
}

fn stamp(state: &mut State, committed: &Committed) {
    state.position = committed.position;
    if let Event::Config(change) = &committed.event {
        state.config_position = committed.position;
        if let Some(record) = state.config.entities.get_mut(&change.entity_id) {
            record.position = committed.position;
        }
    }
}

/// The change itself; it never depends on positions, so it can run before the log has given them.
pub(crate) fn apply(state: &mut State, time: Timestamp, event: &Event) {
    match event {
        Event::Config(change) => config(state, time, change),

        Event::InteractionCreated(it) => interaction::created(state, time, it),
        Event::InteractionPrioritySet(it) => interaction::priority_set(state, it),
        Event::InteractionEnded(it) => interaction::ended(state, it),

        Event::MediaLegOffered(it) => media::offered(state, it),
        Event::MediaLegDialled(it) => media::dialled(state, it),
        Event::MediaLegAnswered(it) => media::answered(state, it),
        Event::MediaLegFailed(it) => media::gone(state, it.interaction_id, it.media_leg_id),
        Event::MediaLegEnded(it) => media::gone(state, it.interaction_id, it.media_leg_id),
        Event::PromptStarted(it) => media::prompt_started(state, it),
        Event::PromptFinished(it) => media::prompt_finished(state, it),

        Event::FlowStarted(it) => flow::started(state, time, it),
        Event::FlowStepEntered(it) => flow::step_entered(state, time, it),
        Event::FlowStepExited(it) => flow::step_exited(state, it),
        Event::FlowEnded(it) => flow::ended(state, it.interaction_id),

        Event::QueueEntered(it) => queue::entered(state, time, it),
        Event::QueueGroupEscalated(it) => queue::escalated(state, it),
        Event::QueueLeft(it) => queue::left(state, it),
        Event::RoutingDecisionMade(it) => queue::decided(state, it),

        Event::OfferMade(it) => queue::offer_made(state, time, it),
        Event::OfferRejected(it) => {
            queue::offer_over(state, it.interaction_id, it.offer_id, it.agent_id);
        }
        Event::OfferTimedOut(it) => {
            queue::offer_over(state, it.interaction_id, it.offer_id, it.agent_id);
        }
        Event::OfferRescinded(it) => {
            queue::offer_over(state, it.interaction_id, it.offer_id, it.agent_id);
        }
        Event::OfferFailed(it) => {
            queue::offer_over(state, it.interaction_id, it.offer_id, it.agent_id);
        }

        Event::LegConnected(it) => conversation::connected(state, time, it),
        Event::LegDisconnected(it) => conversation::disconnected(state, time, it),
        Event::HoldStarted(it) => conversation::held(state, time, it.interaction_id, true),
        Event::HoldEnded(it) => conversation::held(state, time, it.interaction_id, false),
        Event::MonitorRequested(it) => monitor::requested(state, it),
        Event::MonitorSilenced(it) => {
            let id = Some(it.interaction_id);
            monitor::entered(state, id, it.monitor_id, MonitorMode::Silent);
        }
        Event::MonitorWhispered(it) => {
            monitor::entered(state, it.interaction_id, it.monitor_id, MonitorMode::Whisper);
        }
        Event::MonitorBargedIn(it) => {
            monitor::entered(state, it.interaction_id, it.monitor_id, MonitorMode::Barge);
        }
        Event::MonitorFailed(it) => monitor::over(state, Some(it.interaction_id), it.monitor_id),
        Event::MonitorEnded(it) => monitor::over(state, it.interaction_id, it.monitor_id),
        Event::WrapUpStarted(it) => conversation::wrapup_started(state, time, it),
        Event::WrapUpEnded(it) => conversation::wrapup_ended(state, time, it),

        Event::AgentSessionStarted(it) => agent::started(state, time, it),
        Event::AgentSessionEnded(it) => agent::ended(state, it),
        Event::AgentStateChanged(it) => agent::state_changed(state, time, it),

        Event::TimerFired(it) => queue::timer_fired(state, it),
        _ => {}
    }
}

fn config(state: &mut State, time: Timestamp, change: &ConfigChange) {
    match (&change.after, change.verb) {
        (_, ConfigVerb::Deleted) | (None, _) => state.config.remove(change.entity_id),
        (Some(document), _) => state.config.put(
            change.entity_id,
            change.kind,
            change.entity_version,
            document.clone(),
            Position::START,
        ),
    }
    let queue_id = QueueId::new(change.entity_id.uuid());
    let known = state.config.queue(queue_id).is_some();
    if known && state.index.waiting.contains_key(&queue_id) {
        state.reroute.entry(queue_id).or_insert(time);
    }
}
