//! `agent_interval`: one row per agent, channel and quarter of an hour.

use std::sync::Arc;

use ledgerline_schemas::Timestamp;
use ledgerline_schemas::config::ChannelType;
use ledgerline_schemas::id::{SiteId, TeamId, UserId};

table! {
    /// Time and counts of an agent by 15 minutes UTC. Times are split exactly at the borders. One row without
    /// channel holds what the agent does as a whole (log-in, base states, any contact), one row a channel
    /// what is done there, so that every column may be summed. A state that still lasts is counted up to the
    /// border before the newest event; the rest follows when it ends or at the next border. An agent who is
    /// connected is available at the same time: `ready_ms` is the time with nothing in hand.
    AgentInterval = "agent_interval", key (Timestamp, UserId, Option<ChannelType>) = [interval_start, agent_id, channel_type], sort [interval_start, agent_id, channel_type], live false;
    /// Begin of the 15 minutes.
    interval_start: Timestamp,
    /// The agent.
    agent_id: UserId,
    /// The channel; null in the row of the agent as a whole.
    channel_type: Option<ChannelType>,
    /// Name of the agent when the row began.
    agent_name: Option<Arc<str>>,
    /// The team the agent worked in last.
    @Team team_id: Option<TeamId>,
    /// Its site.
    @Site site_id: Option<SiteId>,
    /// Time logged in, ms. Row of the agent as a whole, like the next five.
    logged_in_ms: i64,
    /// Time in the base state available, with or without something in hand, ms.
    available_ms: i64,
    /// Time in the base state idle, ms.
    idle_ms: i64,
    /// Time in the base state not_responding, ms.
    not_responding_ms: i64,
    /// Time available with nothing in hand (nothing rings either), ms.
    ready_ms: i64,
    /// Time with at least one interaction connected, on hold, in a consult, a conference or wrap-up, on any
    /// channel, ms: concurrent ones count once.
    any_contact_ms: i64,
    /// Time with at least one such interaction on this channel, ms. Row of a channel, like all that follow.
    channel_contact_ms: i64,
    /// The same times summed over concurrent interactions, ms: connected, hold, consult, conference and
    /// wrap-up.
    sum_contact_ms: i64,
    /// Time offers rang, ms.
    ringing_ms: i64,
    /// Time connected without hold, consult and conference, ms.
    connected_ms: i64,
    /// Time with a customer on hold, ms.
    hold_ms: i64,
    /// Time in consults, ms.
    consult_ms: i64,
    /// Time in conferences the agent started, ms.
    conference_ms: i64,
    /// Time in wrap-up, ms.
    wrapup_ms: i64,
    /// Conversations that ended.
    handled: i64,
    /// Offers made to the agent.
    offered: i64,
    /// Offers accepted.
    accepted: i64,
    /// Offers rejected.
    rejected: i64,
    /// Offers not answered in time.
    ronas: i64,
    /// Conversations that ended by transfer.
    transfers_out: i64,
    /// Conversations that came by transfer.
    transfers_in: i64,
}
