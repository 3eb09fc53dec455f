//! `routing_candidate`: one row per agent a decision could have chosen.

use ledgerline_schemas::Timestamp;
use ledgerline_schemas::id::{AgentSessionId, DecisionId, QueueId, TeamId, UserId};

table! {
    /// The first candidates of a decision in its order: at most five, `routing_decision.candidates_total`
    /// says how many there were. Agents who were no candidates are counted by reason in
    /// `routing_decision.excluded`; the log does not name them.
    RoutingCandidate = "routing_candidate", key (DecisionId, UserId) = [decision_id, agent_id], sort [valid_from_position, rank], live false;
    /// The decision.
    decision_id: DecisionId,
    /// The agent.
    agent_id: UserId,
    /// Rank, from 1.
    rank: u32,
    /// Whether the decision chose this agent.
    is_chosen: bool,
    /// Time of the decision.
    time: Timestamp,
    /// Queue of the decision's leg.
    @Queue queue_id: Option<QueueId>,
    /// The agent's session.
    agent_session_id: AgentSessionId,
    /// The agent's team.
    @Team team_id: TeamId,
    /// Call distribution group that reaches the team, from 0.
    group_no: u32,
    /// Available since.
    available_since: Timestamp,
    /// Time available until the decision, ms.
    available_duration_ms: u64,
    /// Free slots on the channel.
    free_capacity: u32,
    /// Skill score (fixed point, 0 without skills).
    skill_score: i64,
}
