//! Agents: sessions, states, skills, devices.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::config::{AgentSkill, ChannelType};
use crate::envelope::Position;
use crate::id::{
    AgentSessionId, AuxCodeId, InteractionId, LegId, MultimediaProfileId, SiteId, TeamId, UserId,
};

/// What the agent's dial number is.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum DeviceType {
    /// An outside number.
    AgentDn,
    /// An extension.
    Extension,
    /// The browser itself.
    Browser,
}

impl DeviceType {
    /// The `lower_snake` name, as in JSON.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::AgentDn => "agent_dn",
            Self::Extension => "extension",
            Self::Browser => "browser",
        }
    }
}

/// Base state of an agent (channel slots are separate).
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum AgentStateName {
    /// Not logged in.
    LoggedOut,
    /// Ready for work.
    Available,
    /// Not ready, with a code.
    Idle,
    /// Did not answer an offer; needs a state change to go on.
    NotResponding,
}

impl AgentStateName {
    /// The `lower_snake` name, as in JSON.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::LoggedOut => "logged_out",
            Self::Available => "available",
            Self::Idle => "idle",
            Self::NotResponding => "not_responding",
        }
    }
}

/// Why the state changed.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum StateCause {
    /// The agent asked.
    Agent,
    /// A supervisor forced it.
    Supervisor,
    /// An offer timed out.
    Rona,
    /// Log-in.
    Login,
    /// Log-out.
    Logout,
    /// The agent's device failed.
    OfferFailed,
    /// A presence provider.
    Presence,
    /// A state that was asked for while busy took effect.
    AfterWork,
}

impl StateCause {
    /// The `lower_snake` name, as in JSON.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Agent => "agent",
            Self::Supervisor => "supervisor",
            Self::Rona => "rona",
            Self::Login => "login",
            Self::Logout => "logout",
            Self::OfferFailed => "offer_failed",
            Self::Presence => "presence",
            Self::AfterWork => "after_work",
        }
    }
}

/// Why a session ended.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum SignOutReason {
    /// The agent logged out.
    Agent,
    /// A supervisor logged the agent out.
    Supervisor,
    /// The agent logged in again elsewhere.
    Relogin,
    /// Ledgerline ended it.
    System,
}

impl SignOutReason {
    /// The `lower_snake` name, as in JSON.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Agent => "agent",
            Self::Supervisor => "supervisor",
            Self::Relogin => "relogin",
            Self::System => "system",
        }
    }
}

/// State of one channel slot.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum SlotState {
    /// Nothing.
    Free,
    /// An offer rings.
    Reserved,
    /// In conversation.
    Connected,
    /// Customer on hold.
    Hold,
    /// In a consult.
    Consulting,
    /// After work.
    Wrapup,
}

impl SlotState {
    /// The `lower_snake` name, as in JSON.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Free => "free",
            Self::Reserved => "reserved",
            Self::Connected => "connected",
            Self::Hold => "hold",
            Self::Consulting => "consulting",
            Self::Wrapup => "wrapup",
        }
    }
}

/// An agent logged in.
///
/// Event type `agent_session.started`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AgentSessionStarted {
    /// The session.
    pub agent_session_id: AgentSessionId,
    /// The agent.
    pub agent_id: UserId,
    /// The team chosen.
    pub team_id: TeamId,
    /// The team's site.
    pub site_id: SiteId,
    /// Kind of device.
    pub device_type: DeviceType,
    /// Dial number or SIP address of the device.
    pub dn: String,
    /// Profile in force.
    pub multimedia_profile_id: MultimediaProfileId,
    /// Configuration it came from.
    pub profile_config_position: Position,
    /// Skills at log-in.
    pub skills: Vec<AgentSkill>,
}

/// An agent logged out.
///
/// Event type `agent_session.ended`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AgentSessionEnded {
    /// The session.
    pub agent_session_id: AgentSessionId,
    /// The agent.
    pub agent_id: UserId,
    /// Why.
    pub reason: SignOutReason,
}

/// The base state changed.
///
/// Event type `agent_state.changed`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AgentStateChanged {
    /// The session.
    pub agent_session_id: AgentSessionId,
    /// The agent.
    pub agent_id: UserId,
    /// State before.
    pub from: AgentStateName,
    /// State now.
    pub to: AgentStateName,
    /// Idle code, when idle.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub aux_code_id: Option<AuxCodeId>,
    /// Why.
    pub cause: StateCause,
    /// Who asked, if a person.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requested_by: Option<UserId>,
    /// True if asked for during work.
    pub requested_while_busy: bool,
}

/// A channel slot changed (sources that report slots directly; the core's own slots follow from offers, legs and wrap-up).
///
/// Event type `agent_channel.changed`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AgentChannelChanged {
    /// The session.
    pub agent_session_id: AgentSessionId,
    /// The agent.
    pub agent_id: UserId,
    /// The channel.
    pub channel_type: ChannelType,
    /// Slot number, from 0.
    pub slot: u32,
    /// Before.
    pub from: SlotState,
    /// Now.
    pub to: SlotState,
    /// For which interaction.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interaction_id: Option<InteractionId>,
    /// For which leg.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub leg_id: Option<LegId>,
}

/// The agent's skills changed during the session.
///
/// Event type `agent_skills.changed`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AgentSkillsChanged {
    /// The session.
    pub agent_session_id: AgentSessionId,
    /// The agent.
    pub agent_id: UserId,
    /// Before.
    pub old: Vec<AgentSkill>,
    /// Now.
    pub new: Vec<AgentSkill>,
}

/// The agent asked for a state to be taken after the work in hand.
///
/// Event type `agent_next_state.queued`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AgentNextStateQueued {
    /// The session.
    pub agent_session_id: AgentSessionId,
    /// The agent.
    pub agent_id: UserId,
    /// State to come.
    pub to: AgentStateName,
    /// Idle code, when idle.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub aux_code_id: Option<AuxCodeId>,
}

/// The agent's device changed.
///
/// Event type `agent_device.changed`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AgentDeviceChanged {
    /// The session.
    pub agent_session_id: AgentSessionId,
    /// The agent.
    pub agent_id: UserId,
    /// Kind.
    pub device_type: DeviceType,
    /// Dial number or SIP address.
    pub dn: String,
}

/// A supervisor forced a state; the change itself follows.
///
/// Event type `agent_state.forced`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AgentStateForced {
    /// The agent.
    pub agent_id: UserId,
    /// The supervisor.
    pub by: UserId,
    /// State forced.
    pub to: AgentStateName,
}
