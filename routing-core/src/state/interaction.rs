//! A live interaction: its flow run, its place in a queue, its conversation and its media legs.

use std::collections::BTreeMap;

use ledgerline_schemas::Timestamp;
use ledgerline_schemas::config::ChannelType;
use ledgerline_schemas::event::monitor::MonitorMode;
use ledgerline_schemas::event::queue::QueueSource;
use ledgerline_schemas::id::{
    EntryPointId, FlowId, InteractionId, LegId, MediaLegId, MonitorId, OfferId, QueueId, RunId,
    TeamId, UserId,
};
use serde::{Deserialize, Serialize};

/// A live interaction.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Interaction {
    /// Its id.
    pub interaction_id: InteractionId,
    /// Its channel.
    pub channel_type: ChannelType,
    /// Where it came in.
    pub entry_point_id: Option<EntryPointId>,
    /// When it began.
    pub created_at: Timestamp,
    /// 1 (highest) to 10.
    pub priority: u8,
    /// Queue legs so far.
    pub legs: u32,
    /// The customer's media leg.
    pub customer: Option<CustomerMedia>,
    /// Agents' media legs that may still exist on the wire.
    pub agent_media: BTreeMap<MediaLegId, AgentMedia>,
    /// The flow run, while it runs.
    pub run: Option<Run>,
    /// The leg that waits, is offered or is connected.
    pub leg: Option<Leg>,
    /// Wrap-ups by leg.
    pub wrapups: BTreeMap<LegId, WrapUp>,
    /// Sessions of listening supervisors, by the media leg to the supervisor; those that are over as well.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub monitors: BTreeMap<MediaLegId, Monitor>,
    /// What plays to the customer.
    pub playing: Option<Playing>,
    /// The interaction is over for the customer.
    pub ended: bool,
}

/// The customer's media leg.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CustomerMedia {
    /// Its id.
    pub media_leg_id: MediaLegId,
    /// How far it is.
    pub phase: MediaPhase,
}

/// How far a media leg is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum MediaPhase {
    /// Offered by the network or dialled by us.
    Ringing,
    /// Up.
    Up,
    /// We asked for its end.
    Releasing,
    /// Gone.
    Ended,
}

/// An agent's media leg.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AgentMedia {
    /// The agent.
    pub agent_id: UserId,
    /// The leg it serves.
    pub leg_id: LegId,
    /// The offer it was dialled for.
    pub offer_id: OfferId,
    /// How far it is.
    pub phase: MediaPhase,
}

/// A supervisor who listens, or is called to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Monitor {
    /// The session.
    pub monitor_id: MonitorId,
    /// The stay in a queue whose conversation it is.
    pub leg_id: LegId,
    /// The supervisor.
    pub supervisor_id: UserId,
    /// The agent.
    pub agent_id: UserId,
    /// Who is to hear the supervisor from the start.
    pub wanted: MonitorMode,
    /// Who hears the supervisor.
    pub mode: MonitorMode,
    /// The agent is not told.
    pub invisible: bool,
    /// How far its media leg is.
    pub phase: MediaPhase,
}

/// Audio that plays to the customer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Playing {
    /// Name of the audio file.
    pub media: String,
    /// Repeats until stopped.
    pub looped: bool,
}

/// A flow run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Run {
    /// Its id.
    pub run_id: RunId,
    /// The flow.
    pub flow_id: FlowId,
    /// Version of the flow; the run stays on it when a newer one is published.
    pub flow_version: u32,
    /// Number of the next step.
    pub next_seq: u32,
    /// Number of the step it is in.
    pub seq: u32,
    /// Activity it is in; empty before the first.
    pub activity_id: String,
    /// When it entered the activity.
    pub entered_at: Timestamp,
    /// What it waits for.
    pub waits: RunWait,
}

/// What a flow run waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum RunWait {
    /// Nothing: it is between two activities.
    Nothing,
    /// The end of a prompt.
    Prompt,
    /// Input of the customer.
    Input,
    /// An instant.
    Until(Timestamp),
    /// Something outside the flow.
    Outside,
}

/// One stay in a queue and the service after it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Leg {
    /// Its id.
    pub leg_id: LegId,
    /// The queue.
    pub queue_id: QueueId,
    /// Why it entered.
    pub source: QueueSource,
    /// 1 (highest) to 10.
    pub priority: u8,
    /// When it entered.
    pub entered_at: Timestamp,
    /// Waiting time credited, ms.
    pub wait_credit_ms: u64,
    /// Highest call distribution group that is searched.
    pub group: u32,
    /// When the search widens.
    pub group_due: Option<Timestamp>,
    /// When the longest wait is over.
    pub max_due: Option<Timestamp>,
    /// The longest wait is over; the leg leaves as soon as no offer is open.
    pub overdue: bool,
    /// How far it is.
    pub phase: LegPhase,
}

/// How far a leg is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum LegPhase {
    /// It waits.
    Waiting,
    /// It is offered; its place in the queue is kept.
    Offered(Offer),
    /// It is connected.
    Connected(Connection),
}

/// A live offer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Offer {
    /// Its id.
    pub offer_id: OfferId,
    /// The agent.
    pub agent_id: UserId,
    /// The agent's team.
    pub team_id: TeamId,
    /// When it times out; absent once the timer has fired.
    pub expires_at: Option<Timestamp>,
}

/// A conversation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Connection {
    /// The agent.
    pub agent_id: UserId,
    /// Since when.
    pub connected_at: Timestamp,
    /// The customer is on hold.
    pub held: bool,
    /// The agent's media leg, on channels that have one.
    pub media_leg_id: Option<MediaLegId>,
}

/// A wrap-up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WrapUp {
    /// The agent.
    pub agent_id: UserId,
    /// When it began.
    pub started_at: Timestamp,
    /// When it ends by itself; absent: only the agent ends it.
    pub auto_end_at: Option<Timestamp>,
}

impl Leg {
    /// The live offer, if it is offered.
    #[must_use]
    pub fn offer(&self) -> Option<&Offer> {
        match &self.phase {
            LegPhase::Offered(offer) => Some(offer),
            LegPhase::Waiting | LegPhase::Connected(_) => None,
        }
    }

    /// The conversation, if it is connected.
    #[must_use]
    pub fn connection(&self) -> Option<&Connection> {
        match &self.phase {
            LegPhase::Connected(connection) => Some(connection),
            LegPhase::Waiting | LegPhase::Offered(_) => None,
        }
    }

    /// Whether it waits.
    #[must_use]
    pub const fn waits(&self) -> bool {
        matches!(self.phase, LegPhase::Waiting)
    }
}

impl Interaction {
    /// The live offer, if there is one.
    #[must_use]
    pub fn offer(&self) -> Option<&Offer> {
        self.leg.as_ref().and_then(Leg::offer)
    }

    /// The conversation, if there is one.
    #[must_use]
    pub fn connection(&self) -> Option<&Connection> {
        self.leg.as_ref().and_then(Leg::connection)
    }

    /// The customer's media leg while it is up or ringing.
    #[must_use]
    pub fn customer_media(&self) -> Option<MediaLegId> {
        self.customer
            .as_ref()
            .filter(|media| media.phase != MediaPhase::Ended)
            .map(|media| media.media_leg_id)
    }

    /// The session of a supervisor that is under way, and its media leg.
    #[must_use]
    pub fn monitor(&self) -> Option<(MediaLegId, &Monitor)> {
        let mut monitors = self.monitors.iter();
        let under_way =
            |monitor: &Monitor| matches!(monitor.phase, MediaPhase::Ringing | MediaPhase::Up);
        monitors.find(|(_, monitor)| under_way(monitor)).map(|(id, monitor)| (*id, monitor))
    }

    /// Whether nothing can happen to it any more: ended, wrapped up, no media leg on the wire.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.ended
            && self.wrapups.is_empty()
            && self.agent_media.is_empty()
            && self.monitors.values().all(|monitor| monitor.phase == MediaPhase::Ended)
            && self.customer.as_ref().is_none_or(|media| media.phase == MediaPhase::Ended)
    }
}
