//! `team_live`: the agents of every team as they are now.

use std::sync::Arc;

use ledgerline_schemas::id::{SiteId, TeamId};

table! {
    /// The agents of a team who are logged in now: sums over `agent_live`. Each of them is in exactly one of
    /// available, engaged, idle and not responding. A team is here as soon as an agent has logged in to it.
    TeamLive = "team_live", key TeamId = [team_id], sort [team_id], live true;
    /// The team.
    @Team team_id: TeamId,
    /// Its name.
    team_name: Option<Arc<str>>,
    /// Site of the agent who was last shown in it.
    @Site site_id: SiteId,
    /// Name of the site.
    site_name: Option<Arc<str>>,
    /// Agents logged in.
    logged_on_agents: i64,
    /// Of those, available with nothing in hand.
    available_agents: i64,
    /// Of those, available with something in hand.
    engaged_agents: i64,
    /// Of those, idle.
    idle_agents: i64,
    /// Of those, not responding.
    not_responding_agents: i64,
    /// Of those, with at least one interaction connected, on hold, in a consult or conference.
    in_contact_agents: i64,
    /// Of those, with at least one interaction in wrap-up.
    wrapup_agents: i64,
    /// Calls in hand (ringing, connected or in wrap-up).
    voice_count: i64,
    /// Chats in hand.
    chat_count: i64,
    /// Interactions of other channels in hand.
    other_count: i64,
    /// Of all in hand, those that ring.
    ringing_count: i64,
    /// Of all in hand, those connected, on hold, in a consult or conference.
    connected_count: i64,
    /// Of all in hand, those in wrap-up.
    wrapup_count: i64,
    /// Their time today with at least one interaction that did not only ring, ms.
    any_contact_today_ms: i64,
    /// Their time today available with nothing in hand, ms.
    ready_today_ms: i64,
}
