//! `team_live` and `site_live`: sums over `agent_live`, corrected by what an agent's row counted before.

use ledgerline_schemas::Position;
use ledgerline_schemas::event::agent::AgentStateName;
use ledgerline_schemas::id::{SiteId, TeamId, UserId};
use serde::{Deserialize, Serialize};

use crate::fold::{At, Fold};
use crate::tables::{AgentLive, SiteLive, TeamLive};

/// Agents of a team, for the queues that it serves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct TeamCount {
    pub(super) logged_on: i64,
    /// Of those, available with nothing in hand.
    pub(super) available: i64,
}

macro_rules! counts {
    ($($field:ident),*) => {
        /// What an agent adds to the rows of team and site.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        struct Counts {$($field: i64,)*}

        impl Counts {
            fn minus(self, other: Self) -> Self {
                Self {$($field: self.$field - other.$field,)*}
            }

            const fn add_to_team(self, row: &mut TeamLive) {
                $(row.$field += self.$field;)*
            }

            const fn add_to_site(self, row: &mut SiteLive) {
                $(row.$field += self.$field;)*
            }
        }

        const fn empty_team(team_id: TeamId, site_id: SiteId) -> TeamLive {
            TeamLive {
                team_id,
                team_name: None,
                site_id,
                site_name: None,
                $($field: 0,)*
                valid_from_position: Position::START,
            }
        }

        const fn empty_site(site_id: SiteId) -> SiteLive {
            SiteLive { site_id, site_name: None, $($field: 0,)* valid_from_position: Position::START }
        }
    };
}

counts!(
    logged_on_agents,
    available_agents,
    engaged_agents,
    idle_agents,
    not_responding_agents,
    in_contact_agents,
    wrapup_agents,
    voice_count,
    chat_count,
    other_count,
    ringing_count,
    connected_count,
    wrapup_count,
    any_contact_today_ms,
    ready_today_ms
);

impl Counts {
    /// What an agent's row counts; nothing when the agent is logged out.
    fn of(row: &AgentLive) -> Self {
        if row.agent_session_id.is_none() {
            return Self::default();
        }
        let is = |state| row.state == state;
        let in_hand = row.voice_count + row.chat_count + row.other_count;
        Self {
            logged_on_agents: 1,
            available_agents: i64::from(is(AgentStateName::Available) && in_hand == 0),
            engaged_agents: i64::from(is(AgentStateName::Available) && in_hand > 0),
            // The state comes right after the log-in.
            idle_agents: i64::from(is(AgentStateName::Idle) || is(AgentStateName::LoggedOut)),
            not_responding_agents: i64::from(is(AgentStateName::NotResponding)),
            in_contact_agents: i64::from(row.connected_count > 0),
            wrapup_agents: i64::from(row.wrapup_count > 0),
            voice_count: row.voice_count.into(),
            chat_count: row.chat_count.into(),
            other_count: row.other_count.into(),
            ringing_count: row.ringing_count.into(),
            connected_count: row.connected_count.into(),
            wrapup_count: row.wrapup_count.into(),
            any_contact_today_ms: row.any_contact_today_ms,
            ready_today_ms: row.ready_today_ms,
        }
    }
}

impl Fold {
    /// Brings team and site in line with an agent's row as it was and as it is now.
    pub(super) fn staff_counted(
        &mut self,
        at: &mut At<'_>,
        before: Option<&AgentLive>,
        after: &AgentLive,
    ) {
        let (old, new) = (before.map(Counts::of).unwrap_or_default(), Counts::of(after));
        match before {
            Some(before) if before.team_id != after.team_id => {
                self.team_live(at, before.team_id, before.site_id, Counts::default().minus(old));
                self.team_live(at, after.team_id, after.site_id, new);
            }
            _ => self.team_live(at, after.team_id, after.site_id, new.minus(old)),
        }
        match before {
            Some(before) if before.site_id != after.site_id => {
                self.site_live(at, before.site_id, Counts::default().minus(old));
                self.site_live(at, after.site_id, new);
            }
            _ => self.site_live(at, after.site_id, new.minus(old)),
        }
    }

    fn team_live(&mut self, at: &mut At<'_>, team_id: TeamId, site_id: SiteId, change: Counts) {
        let known = self.tables.team_live.get(&team_id).cloned();
        let mut row = known.clone().unwrap_or_else(|| empty_team(team_id, site_id));
        change.add_to_team(&mut row);
        row.team_name = self.config.name(team_id.uuid());
        row.site_id = site_id;
        row.site_name = self.config.name(site_id.uuid());
        if known.as_ref() != Some(&row) {
            self.tables.team_live.put(at.sink, row);
        }
    }

    fn site_live(&mut self, at: &mut At<'_>, site_id: SiteId, change: Counts) {
        let known = self.tables.site_live.get(&site_id).cloned();
        let mut row = known.clone().unwrap_or_else(|| empty_site(site_id));
        change.add_to_site(&mut row);
        row.site_name = self.config.name(site_id.uuid());
        if known.as_ref() != Some(&row) {
            self.tables.site_live.put(at.sink, row);
        }
    }

    /// Brings the counts of the agent's team in line.
    pub(super) fn agent_counted(&mut self, at: &mut At<'_>, agent_id: UserId) {
        let Some(agent) = self.agents.get_mut(&agent_id) else { return };
        let now = agent.session.map(|session| (session.team_id, agent.is_ready()));
        let before = std::mem::replace(&mut agent.counted, now);
        if before == now {
            return;
        }
        for (counted, sign) in [(before, -1), (now, 1)] {
            let Some((team_id, available)) = counted else { continue };
            let team = self.teams.entry(team_id).or_default();
            team.logged_on += sign;
            team.available += if available { sign } else { 0 };
        }
        for team_id in [before, now].into_iter().flatten().map(|(team_id, _)| team_id) {
            self.team_counted(at, team_id);
        }
    }
}
