//! Outside work that follows from a fact: computed against the state right after its own event, run by
//! the engine once the event is durable.

mod monitor;

use std::sync::Arc;

use ledgerline_schemas::config::ActivityKind;
use ledgerline_schemas::event::Event;
use ledgerline_schemas::event::agent::{AgentStateChanged, AgentStateName};
use ledgerline_schemas::event::broadcast::BroadcastSent;
use ledgerline_schemas::event::flow::{FlowExit, FlowStepEntered};
use ledgerline_schemas::event::interaction::{InteractionEnded, TerminationReason};
use ledgerline_schemas::event::leg::{LegDisconnected, LegEndReason};
use ledgerline_schemas::event::media::{
    MediaLegAnswered, MediaLegBridged, MediaLegDialled, MediaSide, PromptStarted,
};
use ledgerline_schemas::event::message::{MessageReceived, MessageSent};
use ledgerline_schemas::event::offer::{OfferMade, RescindReason};
use ledgerline_schemas::id::{
    AgentSessionId, InteractionId, LegId, MediaLegId, OfferId, QueueId, UserId,
};

use crate::committed::Committed;
use crate::effect::{Effect, PushName, ReleaseReason};
use crate::state::State;
use crate::state::interaction::{Interaction, MediaPhase, RunWait};

/// The effects of a committed event; `state` is the state right after it. Imported history has none.
#[must_use]
pub fn react(state: &State, committed: &Committed) -> Vec<Effect> {
    if committed.concerns_routing() { reactions(state, &committed.event) } else { Vec::new() }
}

pub(crate) fn reactions(state: &State, event: &Event) -> Vec<Effect> {
    match event {
        Event::MediaLegOffered(it) if it.side == MediaSide::Customer => {
            vec![Effect::AnswerCustomer {
                interaction_id: it.interaction_id,
                media_leg_id: it.media_leg_id,
            }]
        }
        Event::MediaLegDialled(it) if it.side == MediaSide::Supervisor => {
            monitor::dial(state, it).into_iter().collect()
        }
        Event::MediaLegDialled(it) => dial(state, it),
        Event::MediaLegAnswered(it) => release_late(state, it),
        Event::MediaLegBridged(it) => vec![bridge(it)],
        Event::PromptStarted(it) => play(state, it),
        Event::PromptFinished(it) if it.interrupted => vec![Effect::StopPlay {
            interaction_id: it.interaction_id,
            media_leg_id: it.media_leg_id,
        }],
        Event::FlowStepEntered(it) => collect(state, it),
        Event::FlowEnded(it) if it.exit == FlowExit::Transferred => {
            // The run may have been collecting input, which no prompt event shows.
            stop(state, it.interaction_id)
        }
        Event::InteractionEnded(it) => release_customer(state, it),
        Event::OfferMade(it) => push_offer(state, it),
        Event::OfferRejected(it) => offer_over(
            state,
            (it.interaction_id, it.leg_id, it.offer_id, it.agent_id),
            PushName::AgentContactAssignFailed,
            it.reason.name(),
            ReleaseReason::Done,
        ),
        Event::OfferFailed(it) => offer_over(
            state,
            (it.interaction_id, it.leg_id, it.offer_id, it.agent_id),
            PushName::AgentContactAssignFailed,
            &it.code,
            ReleaseReason::Done,
        ),
        Event::OfferTimedOut(it) => offer_over(
            state,
            (it.interaction_id, it.leg_id, it.offer_id, it.agent_id),
            PushName::AgentOfferContactRona,
            "rona",
            ReleaseReason::NoAnswer,
        ),
        Event::OfferRescinded(it) => offer_over(
            state,
            (it.interaction_id, it.leg_id, it.offer_id, it.agent_id),
            PushName::AgentOfferContactRescinded,
            it.reason.name(),
            match it.reason {
                RescindReason::CustomerLeft => ReleaseReason::CallerLeft,
                _ => ReleaseReason::Done,
            },
        ),
        Event::LegConnected(it) => {
            let mut push =
                Push::new(PushName::AgentContactAssigned).leg(it.interaction_id, it.leg_id);
            push.queue_id = Some(it.queue_id);
            push.offer_id = it.offer_id;
            push.to(state, it.agent_id)
        }
        Event::LegDisconnected(it) => disconnected(state, it),
        Event::HoldStarted(it) => {
            let mut effects =
                between(state, it.interaction_id, |interaction_id, customer, agent| {
                    Effect::Unbridge { interaction_id, customer, agent }
                });
            let push = Push::new(PushName::AgentContactHeld).leg(it.interaction_id, it.leg_id);
            effects.extend(push.to(state, it.agent_id));
            effects
        }
        Event::HoldEnded(it) => {
            // The bridge itself follows from the `media_leg.bridged` that comes with it.
            let push = Push::new(PushName::AgentContactUnheld).leg(it.interaction_id, it.leg_id);
            push.to(state, it.agent_id)
        }
        Event::MonitorStarted(it) => monitor::listens(state, it.interaction_id, it.monitor_id),
        Event::MonitorSilenced(it) => {
            monitor::listens(state, Some(it.interaction_id), it.monitor_id)
        }
        Event::MonitorWhispered(it) => monitor::listens(state, it.interaction_id, it.monitor_id),
        Event::MonitorBargedIn(it) => monitor::listens(state, it.interaction_id, it.monitor_id),
        Event::MonitorFailed(it) => {
            monitor::over(state, Some(it.interaction_id), it.monitor_id, false)
        }
        Event::MonitorEnded(it) => monitor::over(state, it.interaction_id, it.monitor_id, true),
        Event::WrapUpStarted(it) => Push::new(PushName::AgentWrapup)
            .leg(it.interaction_id, it.leg_id)
            .to(state, it.agent_id),
        Event::WrapUpEnded(it) => Push::new(PushName::AgentWrappedUp)
            .leg(it.interaction_id, it.leg_id)
            .detail(it.by.name())
            .to(state, it.agent_id),
        Event::MessageReceived(it) => push_message(state, it),
        Event::MessageSent(it) => deliver(it),
        Event::AgentSessionStarted(it) => {
            vec![Push::new(PushName::StationLogin).with(it.agent_id, it.agent_session_id)]
        }
        Event::AgentSessionEnded(it) => {
            let push = Push::new(PushName::Logout).detail(it.reason.name());
            vec![push.with(it.agent_id, it.agent_session_id)]
        }
        Event::AgentStateChanged(it) => push_state(it),
        Event::BroadcastSent(it) => show_broadcast(state, it),
        _ => Vec::new(),
    }
}

/// A push while it is put together.
struct Push {
    name: PushName,
    interaction_id: Option<InteractionId>,
    leg_id: Option<LegId>,
    queue_id: Option<QueueId>,
    offer_id: Option<OfferId>,
    detail: String,
}

impl Push {
    const fn new(name: PushName) -> Self {
        Self {
            name,
            interaction_id: None,
            leg_id: None,
            queue_id: None,
            offer_id: None,
            detail: String::new(),
        }
    }

    const fn leg(mut self, interaction_id: InteractionId, leg_id: LegId) -> Self {
        self.interaction_id = Some(interaction_id);
        self.leg_id = Some(leg_id);
        self
    }

    fn detail(mut self, detail: &str) -> Self {
        detail.clone_into(&mut self.detail);
        self
    }

    fn with(self, agent_id: UserId, agent_session_id: AgentSessionId) -> Effect {
        Effect::Push {
            agent_id,
            agent_session_id,
            name: self.name,
            interaction_id: self.interaction_id,
            leg_id: self.leg_id,
            queue_id: self.queue_id,
            offer_id: self.offer_id,
            message: None,
            detail: self.detail,
        }
    }

    /// To the agent's session; nowhere when the agent is logged out.
    fn to(self, state: &State, agent_id: UserId) -> Vec<Effect> {
        let agent = state.agents.get(&agent_id);
        agent.map(|agent| self.with(agent_id, agent.agent_session_id)).into_iter().collect()
    }
}

fn dial(state: &State, it: &MediaLegDialled) -> Vec<Effect> {
    let customer = state.interactions.get(&it.interaction_id).and_then(Interaction::customer_media);
    let media = state
        .interactions
        .get(&it.interaction_id)
        .and_then(|interaction| interaction.agent_media.get(&it.media_leg_id));
    match (media, customer) {
        (Some(media), Some(customer_media_leg_id)) => vec![Effect::DialAgent {
            interaction_id: it.interaction_id,
            media_leg_id: it.media_leg_id,
            customer_media_leg_id,
            offer_id: media.offer_id,
            agent_id: media.agent_id,
            dn: it.dn.clone(),
        }],
        _ => Vec::new(),
    }
}

/// A phone that answered after its offer was over is released (again): the answer and our CANCEL met
/// on the wire.
fn release_late(state: &State, it: &MediaLegAnswered) -> Vec<Effect> {
    let interaction = state.interactions.get(&it.interaction_id);
    if it.side == MediaSide::Supervisor {
        let monitor = interaction.and_then(|found| found.monitors.get(&it.media_leg_id));
        let over = monitor.is_some_and(|monitor| monitor.phase == MediaPhase::Releasing);
        let release = over.then(|| monitor::release(it.interaction_id, it.media_leg_id));
        return release.into_iter().collect();
    }
    let media = interaction.and_then(|interaction| interaction.agent_media.get(&it.media_leg_id));
    let wanted = media.is_some_and(|media| media.phase != MediaPhase::Releasing);
    if it.side != MediaSide::Agent || wanted {
        return Vec::new();
    }
    vec![Effect::Release {
        interaction_id: it.interaction_id,
        media_leg_id: it.media_leg_id,
        side: MediaSide::Agent,
        reason: ReleaseReason::Done,
    }]
}

const fn bridge(it: &MediaLegBridged) -> Effect {
    Effect::Bridge { interaction_id: it.interaction_id, customer: it.a, agent: it.b }
}

fn play(state: &State, it: &PromptStarted) -> Vec<Effect> {
    let run = state.interactions.get(&it.interaction_id).and_then(|it| it.run.as_ref());
    let waiting = run.filter(|run| !it.looped && run.waits == RunWait::Prompt);
    let activity = waiting.and_then(|run| {
        let flow = state.config.flow(run.flow_id, run.flow_version)?;
        flow.activities.get(&run.activity_id)
    });
    let text = match activity.map(|activity| &activity.does) {
        Some(ActivityKind::PlayMessage { text, .. }) => text.clone(),
        _ => String::new(),
    };
    vec![Effect::Play {
        interaction_id: it.interaction_id,
        media_leg_id: it.media_leg_id,
        media: it.media.clone(),
        text,
        looped: it.looped,
        wait: waiting.map(|run| (run.run_id, run.seq)),
    }]
}

fn collect(state: &State, it: &FlowStepEntered) -> Vec<Effect> {
    let Some(interaction) = state.interactions.get(&it.interaction_id) else { return Vec::new() };
    let Some(run) = &interaction.run else { return Vec::new() };
    let Some(media_leg_id) = interaction.customer_media() else { return Vec::new() };
    let activity = state
        .config
        .flow(run.flow_id, run.flow_version)
        .and_then(|flow| flow.activities.get(&it.activity_id));
    match activity.map(|activity| &activity.does) {
        Some(ActivityKind::Menu { media, text, timeout_ms }) => vec![Effect::CollectInput {
            interaction_id: it.interaction_id,
            media_leg_id,
            run_id: it.run_id,
            seq: it.seq,
            media: media.clone(),
            text: text.clone(),
            timeout_ms: *timeout_ms,
        }],
        _ => Vec::new(),
    }
}

fn stop(state: &State, interaction_id: InteractionId) -> Vec<Effect> {
    let interaction = state.interactions.get(&interaction_id);
    let media = interaction.and_then(Interaction::customer_media);
    media
        .map(|media_leg_id| Effect::StopPlay { interaction_id, media_leg_id })
        .into_iter()
        .collect()
}

fn release_customer(state: &State, it: &InteractionEnded) -> Vec<Effect> {
    let interaction = state.interactions.get(&it.interaction_id);
    let Some(media_leg_id) = interaction.and_then(Interaction::customer_media) else {
        return Vec::new();
    };
    let reason = match it.reason {
        TerminationReason::QueueFull => ReleaseReason::Busy,
        TerminationReason::NetworkError
        | TerminationReason::NoRoute
        | TerminationReason::SystemError => ReleaseReason::Error,
        _ => ReleaseReason::Done,
    };
    vec![Effect::Release {
        interaction_id: it.interaction_id,
        media_leg_id,
        side: MediaSide::Customer,
        reason,
    }]
}

fn push_offer(state: &State, it: &OfferMade) -> Vec<Effect> {
    let mut push = Push::new(PushName::AgentOfferContact).leg(it.interaction_id, it.leg_id);
    push.queue_id = Some(it.queue_id);
    push.offer_id = Some(it.offer_id);
    push.detail(it.channel_type.name()).to(state, it.agent_id)
}

fn offer_over(
    state: &State,
    (interaction_id, leg_id, offer_id, agent_id): (InteractionId, LegId, OfferId, UserId),
    name: PushName,
    detail: &str,
    reason: ReleaseReason,
) -> Vec<Effect> {
    let mut push = Push::new(name).leg(interaction_id, leg_id).detail(detail);
    push.offer_id = Some(offer_id);
    let mut effects = push.to(state, agent_id);
    if let Some(interaction) = state.interactions.get(&interaction_id) {
        let media = interaction.agent_media.iter().filter(|(_, media)| media.offer_id == offer_id);
        effects.extend(media.map(|(id, _)| release_agent(interaction_id, *id, reason)));
    }
    effects
}

const fn release_agent(
    interaction_id: InteractionId,
    media_leg_id: MediaLegId,
    reason: ReleaseReason,
) -> Effect {
    Effect::Release { interaction_id, media_leg_id, side: MediaSide::Agent, reason }
}

fn disconnected(state: &State, it: &LegDisconnected) -> Vec<Effect> {
    let name = match it.reason {
        LegEndReason::Transferred => PushName::AgentVteamTransferred,
        _ => PushName::ContactEnded,
    };
    let mut effects = Push::new(name)
        .leg(it.interaction_id, it.leg_id)
        .detail(it.reason.name())
        .to(state, it.agent_id);
    if let Some(interaction) = state.interactions.get(&it.interaction_id) {
        let media = interaction.agent_media.iter().filter(|(_, media)| media.leg_id == it.leg_id);
        effects.extend(
            media.map(|(id, _)| release_agent(it.interaction_id, *id, ReleaseReason::Done)),
        );
    }
    effects
}

fn between(
    state: &State,
    id: InteractionId,
    effect: impl FnOnce(InteractionId, MediaLegId, MediaLegId) -> Effect,
) -> Vec<Effect> {
    let media = state.interactions.get(&id).and_then(connected_media);
    media.map(|(customer, agent)| effect(id, customer, agent)).into_iter().collect()
}

/// The media legs of customer and agent in a conversation.
fn connected_media(interaction: &Interaction) -> Option<(MediaLegId, MediaLegId)> {
    let agent = interaction.connection().and_then(|connection| connection.media_leg_id);
    interaction.customer_media().zip(agent)
}

fn push_message(state: &State, it: &MessageReceived) -> Vec<Effect> {
    let Some(interaction) = state.interactions.get(&it.interaction_id) else { return Vec::new() };
    let (Some(connection), Some(leg)) = (interaction.connection(), &interaction.leg) else {
        return Vec::new();
    };
    let Some(agent) = state.agents.get(&connection.agent_id) else { return Vec::new() };
    vec![Effect::Push {
        agent_id: agent.agent_id,
        agent_session_id: agent.agent_session_id,
        name: PushName::ContactMessage,
        interaction_id: Some(it.interaction_id),
        leg_id: Some(leg.leg_id),
        queue_id: Some(leg.queue_id),
        offer_id: None,
        message: it.body.clone().map(|body| (it.message_id, body)),
        detail: String::new(),
    }]
}

fn deliver(it: &MessageSent) -> Vec<Effect> {
    let delivery = it.body.clone().map(|body| Effect::DeliverMessage {
        interaction_id: it.interaction_id,
        message_id: it.message_id,
        author: it.author,
        body,
    });
    delivery.into_iter().collect()
}

/// To everybody it is for who is logged in, in the order of their ids.
fn show_broadcast(state: &State, it: &BroadcastSent) -> Vec<Effect> {
    let broadcast = Arc::new(it.clone());
    let told = state
        .agents
        .values()
        .filter(|agent| agent.state != AgentStateName::LoggedOut && it.is_for(agent.team_id));
    told.map(|agent| Effect::ShowBroadcast {
        agent_id: agent.agent_id,
        agent_session_id: agent.agent_session_id,
        broadcast: Arc::clone(&broadcast),
    })
    .collect()
}

fn push_state(it: &AgentStateChanged) -> Vec<Effect> {
    if it.to == AgentStateName::LoggedOut {
        // The end of the session follows and says it.
        return Vec::new();
    }
    let push = Push::new(PushName::AgentStateChange).detail(it.to.name());
    vec![push.with(it.agent_id, it.agent_session_id)]
}
