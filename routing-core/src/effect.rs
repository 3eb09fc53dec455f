//! Effects: work outside the core that follows from a committed event.
//!
//! An effect is run only after its event is durable, at least once, and is recognized by
//! [`EffectId`] when it is run again after a crash.

use std::sync::Arc;

use ledgerline_schemas::event::broadcast::BroadcastSent;
use ledgerline_schemas::event::media::MediaSide;
use ledgerline_schemas::event::message::MessageAuthor;
use ledgerline_schemas::event::monitor::MonitorMode;
use ledgerline_schemas::id::{
    AgentSessionId, InteractionId, LegId, MediaLegId, MessageId, OfferId, QueueId, RunId, UserId,
};
use ledgerline_schemas::{DurationMs, Position, Sensitive};

/// Identifies an effect for ever: position of its event and index among the event's effects.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EffectId {
    /// Position of the event.
    pub position: Position,
    /// Index among the event's effects, from 0.
    pub index: u32,
}

/// Why a media leg is released; decides the protocol's answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ReleaseReason {
    /// The conversation or flow is over (BYE; 480 before an answer).
    Done,
    /// The caller left while it rang (CANCEL).
    CallerLeft,
    /// The offer ran out (CANCEL).
    NoAnswer,
    /// Too many interactions (486 before an answer, BYE after).
    Busy,
    /// Something failed (500 before an answer, BYE after).
    Error,
}

/// Name of a push to an agent's desktop, spelled as the field's desktop software knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum PushName {
    /// An interaction is offered.
    AgentOfferContact,
    /// The interaction is the agent's.
    AgentContactAssigned,
    /// The device could not be reached.
    AgentContactAssignFailed,
    /// The offer timed out.
    AgentOfferContactRona,
    /// The offer was taken back.
    AgentOfferContactRescinded,
    /// The customer is on hold.
    AgentContactHeld,
    /// The customer is off hold.
    AgentContactUnheld,
    /// The agent transferred to a queue.
    AgentVteamTransferred,
    /// The conversation is over.
    ContactEnded,
    /// Wrap-up began.
    AgentWrapup,
    /// Wrap-up is over.
    AgentWrappedUp,
    /// The agent's state changed.
    AgentStateChange,
    /// The agent is logged in.
    StationLogin,
    /// The agent is logged out.
    Logout,
    /// The customer wrote.
    ContactMessage,
    /// A supervisor told agents something.
    Broadcast,
    /// A supervisor listens, or changed who hears the supervisor.
    ContactMonitored,
    /// The supervisor left.
    ContactMonitoringEnded,
}

impl PushName {
    /// The name on the wire.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::AgentOfferContact => "AgentOfferContact",
            Self::AgentContactAssigned => "AgentContactAssigned",
            Self::AgentContactAssignFailed => "AgentContactAssignFailed",
            Self::AgentOfferContactRona => "AgentOfferContactRona",
            Self::AgentOfferContactRescinded => "AgentOfferContactRescinded",
            Self::AgentContactHeld => "AgentContactHeld",
            Self::AgentContactUnheld => "AgentContactUnheld",
            Self::AgentVteamTransferred => "AgentVteamTransferred",
            Self::ContactEnded => "ContactEnded",
            Self::AgentWrapup => "AgentWrapup",
            Self::AgentWrappedUp => "AgentWrappedUp",
            Self::AgentStateChange => "AgentStateChange",
            Self::StationLogin => "StationLogin",
            Self::Logout => "Logout",
            Self::ContactMessage => "ContactMessage",
            Self::Broadcast => "Broadcast",
            Self::ContactMonitored => "ContactMonitored",
            Self::ContactMonitoringEnded => "ContactMonitoringEnded",
        }
    }
}

/// One piece of outside work.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Answer the customer's media leg (SIP 200). The edge answers with `CustomerConnected`.
    AnswerCustomer {
        /// The interaction.
        interaction_id: InteractionId,
        /// The media leg.
        media_leg_id: MediaLegId,
    },
    /// Play audio (or send its text). Not looped: the edge answers with `PromptFinished`.
    Play {
        /// The interaction.
        interaction_id: InteractionId,
        /// To whom.
        media_leg_id: MediaLegId,
        /// Name of the audio file.
        media: String,
        /// Text for channels without sound; empty: say nothing.
        text: String,
        /// Repeat until stopped.
        looped: bool,
        /// The run and step that wait for the end; absent for music in queue.
        wait: Option<(RunId, u32)>,
    },
    /// Stop whatever plays.
    StopPlay {
        /// The interaction.
        interaction_id: InteractionId,
        /// To whom.
        media_leg_id: MediaLegId,
    },
    /// Collect one digit or line; the edge answers with `InputCollected`.
    CollectInput {
        /// The interaction.
        interaction_id: InteractionId,
        /// From whom.
        media_leg_id: MediaLegId,
        /// The run.
        run_id: RunId,
        /// The step.
        seq: u32,
        /// Prompt to play meanwhile.
        media: String,
        /// Text for channels without sound.
        text: String,
        /// Time after the prompt, ms.
        timeout_ms: DurationMs,
    },
    /// Call the agent's device. The edge answers with `MediaLegAnswered` or `MediaLegFailed`.
    DialAgent {
        /// The interaction.
        interaction_id: InteractionId,
        /// Media leg to create.
        media_leg_id: MediaLegId,
        /// The customer's media leg (codec to prefer).
        customer_media_leg_id: MediaLegId,
        /// The offer.
        offer_id: OfferId,
        /// The agent.
        agent_id: UserId,
        /// Number or SIP address.
        dn: String,
    },
    /// Call the phone of a supervisor who wants to listen. The edge answers with `MediaLegAnswered` or
    /// `MediaLegFailed`.
    DialSupervisor {
        /// The interaction.
        interaction_id: InteractionId,
        /// Media leg to create.
        media_leg_id: MediaLegId,
        /// The agent's media leg (codec to prefer).
        agent_media_leg_id: MediaLegId,
        /// The supervisor.
        supervisor_id: UserId,
        /// Number or SIP address.
        dn: String,
    },
    /// Let a supervisor hear customer and agent, and be heard as the mode says. Ends with the supervisor's media leg.
    Listen {
        /// The interaction.
        interaction_id: InteractionId,
        /// The supervisor's media leg.
        media_leg_id: MediaLegId,
        /// The customer's.
        customer: MediaLegId,
        /// The agent's.
        agent: MediaLegId,
        /// Who hears the supervisor.
        mode: MonitorMode,
    },
    /// Let two media legs hear each other.
    Bridge {
        /// The interaction.
        interaction_id: InteractionId,
        /// The customer's.
        customer: MediaLegId,
        /// The agent's.
        agent: MediaLegId,
    },
    /// Part two media legs; both stay up.
    Unbridge {
        /// The interaction.
        interaction_id: InteractionId,
        /// The customer's.
        customer: MediaLegId,
        /// The agent's.
        agent: MediaLegId,
    },
    /// Release a media leg (CANCEL, BYE or a final answer, whatever its state needs; close a chat).
    /// The edge answers with `MediaLegEnded`.
    Release {
        /// The interaction.
        interaction_id: InteractionId,
        /// The media leg.
        media_leg_id: MediaLegId,
        /// Whose.
        side: MediaSide,
        /// Why.
        reason: ReleaseReason,
    },
    /// Show a message to the customer.
    DeliverMessage {
        /// The interaction.
        interaction_id: InteractionId,
        /// The message.
        message_id: MessageId,
        /// Who wrote it.
        author: MessageAuthor,
        /// Sealed text.
        body: Sensitive<String>,
    },
    /// Push to an agent's desktop.
    Push {
        /// The agent.
        agent_id: UserId,
        /// The session.
        agent_session_id: AgentSessionId,
        /// What happened.
        name: PushName,
        /// The interaction, if one is concerned.
        interaction_id: Option<InteractionId>,
        /// The leg.
        leg_id: Option<LegId>,
        /// The queue.
        queue_id: Option<QueueId>,
        /// The offer.
        offer_id: Option<OfferId>,
        /// The message and its sealed text.
        message: Option<(MessageId, Sensitive<String>)>,
        /// Short code: state name, reason.
        detail: String,
    },
    /// Show an agent what a supervisor tells.
    ShowBroadcast {
        /// The agent.
        agent_id: UserId,
        /// The session.
        agent_session_id: AgentSessionId,
        /// The broadcast, shared by all who are told.
        broadcast: Arc<BroadcastSent>,
    },
}

impl Effect {
    /// The interaction it is about; a push is about an agent.
    #[must_use]
    pub const fn interaction_id(&self) -> Option<InteractionId> {
        match self {
            Self::AnswerCustomer { interaction_id, .. }
            | Self::Play { interaction_id, .. }
            | Self::StopPlay { interaction_id, .. }
            | Self::CollectInput { interaction_id, .. }
            | Self::DialAgent { interaction_id, .. }
            | Self::DialSupervisor { interaction_id, .. }
            | Self::Listen { interaction_id, .. }
            | Self::Bridge { interaction_id, .. }
            | Self::Unbridge { interaction_id, .. }
            | Self::Release { interaction_id, .. }
            | Self::DeliverMessage { interaction_id, .. } => Some(*interaction_id),
            Self::Push { .. } | Self::ShowBroadcast { .. } => None,
        }
    }
}
