//! What supervisors tell agents.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::id::{BroadcastId, QueueId, TeamId, UserId};
use crate::time::Timestamp;

/// Whom a broadcast is for.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Audience {
    /// The agents of a team.
    Team(TeamId),
    /// The agents of every team that a queue may search.
    Queue(QueueId),
    /// All agents.
    All,
}

/// A supervisor told agents something. It is shown to whoever is logged in to one of the teams, or logs in later, until
/// it expires.
///
/// The text is written by a person about work and not sealed: it is nobody's personal data, and agents, not customers,
/// read it.
///
/// Event type `broadcast.sent`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct BroadcastSent {
    /// The broadcast.
    pub broadcast_id: BroadcastId,
    /// Whom the supervisor named.
    pub audience: Audience,
    /// The teams that were meant by it; empty for [`Audience::All`].
    pub team_ids: Vec<TeamId>,
    /// The supervisor; absent when the token stands for no user: the actor says who it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<UserId>,
    /// 1 to 1,000 characters.
    pub text: String,
    /// From when on it is no longer shown.
    pub expires_at: Timestamp,
}

impl BroadcastSent {
    /// Whether it is for those who work in this team.
    #[must_use]
    pub fn is_for(&self, team_id: TeamId) -> bool {
        self.audience == Audience::All || self.team_ids.contains(&team_id)
    }
}
