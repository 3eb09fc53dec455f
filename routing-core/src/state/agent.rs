//! A logged-in agent: base state, channel slots, work in hand.

use std::collections::BTreeMap;

use ledgerline_schemas::Timestamp;
use ledgerline_schemas::config::{BlendingMode, ChannelType, MultimediaProfile};
use ledgerline_schemas::event::agent::{AgentStateName, DeviceType, SlotState};
use ledgerline_schemas::event::routing::ExclusionReason;
use ledgerline_schemas::id::{
    AgentSessionId, AuxCodeId, InteractionId, LegId, MultimediaProfileId, SiteId, TeamId, UserId,
};
use serde::{Deserialize, Serialize};

/// A logged-in agent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Agent {
    /// The user.
    pub agent_id: UserId,
    /// The session.
    pub agent_session_id: AgentSessionId,
    /// The team of this session.
    pub team_id: TeamId,
    /// The team's site.
    pub site_id: SiteId,
    /// Kind of device.
    pub device_type: DeviceType,
    /// Dial number or SIP address.
    pub dn: String,
    /// Profile at log-in.
    pub multimedia_profile_id: MultimediaProfileId,
    /// What the profile allowed at log-in; a later change counts from the next log-in.
    pub capacity: Capacity,
    /// Base state.
    pub state: AgentStateName,
    /// Idle code, when idle.
    pub aux_code_id: Option<AuxCodeId>,
    /// Since when in this base state.
    pub state_since: Timestamp,
    /// Place in the line of the longest available: renewed when the agent becomes available and
    /// whenever work is taken or finished.
    pub available_since: Timestamp,
    /// Slots taken, by leg.
    pub work: BTreeMap<LegId, Work>,
}

/// One slot taken.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Work {
    /// For which interaction.
    pub interaction_id: InteractionId,
    /// On which channel.
    pub channel_type: ChannelType,
    /// What the agent does with it; never [`SlotState::Free`].
    pub slot: SlotState,
    /// Since when.
    pub since: Timestamp,
}

/// Slots by channel and how channels mix.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Capacity {
    /// Calls.
    pub voice: u8,
    /// Chats.
    pub chat: u8,
    /// Mails.
    pub email: u8,
    /// Messaging conversations.
    pub social: u8,
    /// Work items.
    pub work_item: u8,
    /// How channels mix.
    pub blending_mode: BlendingMode,
}

impl From<&MultimediaProfile> for Capacity {
    fn from(profile: &MultimediaProfile) -> Self {
        Self {
            voice: profile.voice,
            chat: profile.chat,
            email: profile.email,
            social: profile.social,
            work_item: profile.work_item,
            blending_mode: profile.blending_mode,
        }
    }
}

impl Capacity {
    /// Slots of a channel.
    #[must_use]
    pub const fn slots(&self, channel: ChannelType) -> u8 {
        match channel {
            ChannelType::Voice => self.voice,
            ChannelType::Chat => self.chat,
            ChannelType::Email => self.email,
            ChannelType::Social => self.social,
            ChannelType::WorkItem => self.work_item,
        }
    }
}

const fn real_time(channel: ChannelType) -> bool {
    matches!(channel, ChannelType::Voice | ChannelType::Chat)
}

impl Agent {
    /// Slots taken on a channel.
    #[must_use]
    pub fn used(&self, channel: ChannelType) -> u32 {
        let used = self.work.values().filter(|work| work.channel_type == channel).count();
        u32::try_from(used).unwrap_or(u32::MAX)
    }

    /// Free slots on a channel, other channels left aside.
    #[must_use]
    pub fn free(&self, channel: ChannelType) -> u32 {
        u32::from(self.capacity.slots(channel)).saturating_sub(self.used(channel))
    }

    /// Whether another channel's work keeps this channel closed.
    #[must_use]
    pub fn is_blocked(&self, channel: ChannelType) -> bool {
        let others =
            || self.work.values().map(|work| work.channel_type).filter(|it| *it != channel);
        match self.capacity.blending_mode {
            BlendingMode::Blended => false,
            BlendingMode::Exclusive => others().next().is_some(),
            BlendingMode::BlendedRealtime => real_time(channel) && others().any(real_time),
        }
    }

    /// Why the agent cannot be offered work on a channel now; `None`: the agent can.
    #[must_use]
    pub fn exclusion(&self, channel: ChannelType) -> Option<ExclusionReason> {
        match self.state {
            AgentStateName::LoggedOut | AgentStateName::Idle => Some(ExclusionReason::Idle),
            AgentStateName::NotResponding => Some(ExclusionReason::NotResponding),
            AgentStateName::Available if channel == ChannelType::Voice && self.dn.is_empty() => {
                Some(ExclusionReason::NoDevice)
            }
            AgentStateName::Available if self.free(channel) == 0 => {
                Some(ExclusionReason::CapacityFull)
            }
            AgentStateName::Available if self.is_blocked(channel) => {
                Some(ExclusionReason::ChannelBlocked)
            }
            AgentStateName::Available => None,
        }
    }
}
