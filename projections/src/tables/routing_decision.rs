//! `routing_decision`: one row per decision of the router.

use std::sync::Arc;

use ledgerline_schemas::event::routing::{DecisionTrigger, TieBreak};
use ledgerline_schemas::id::{DecisionId, EventId, InteractionId, LegId, QueueId, UserId};
use ledgerline_schemas::{Position, Timestamp};

use crate::column::Json;

table! {
    /// One decision of the router, with what it saw.
    RoutingDecision = "routing_decision", key DecisionId = [decision_id], sort [valid_from_position], live false;
    /// The decision.
    decision_id: DecisionId,
    /// The event that recorded it.
    event_id: EventId,
    /// When.
    time: Timestamp,
    /// What asked for it: contact_queued, agent_available, group_escalated, relaxed, offer_failed,
    /// config_changed, manual.
    trigger: DecisionTrigger,
    /// Interaction of the chosen (or only considered) leg.
    interaction_id: Option<InteractionId>,
    /// The leg.
    leg_id: Option<LegId>,
    /// Its queue.
    @Queue queue_id: Option<QueueId>,
    /// Name of the rule.
    policy: Arc<str>,
    /// Version of the rule.
    policy_version: u32,
    /// Newest configuration seen.
    config_position: Position,
    /// Position of the state it used.
    input_position: Position,
    /// The agent chosen; null when nobody could be.
    chosen_agent_id: Option<UserId>,
    /// Name of the agent chosen.
    chosen_agent_name: Option<Arc<str>>,
    /// How the choice was made among equals: none, longest_available, agent_id, order, skill_score.
    tie_break: TieBreak,
    /// Wait of the leg so far, ms.
    wait_ms: u64,
    /// Legs that waited.
    waiting_total: u32,
    /// Agents who could have been chosen.
    candidates_total: u32,
    /// Agents not considered.
    excluded_total: u32,
    /// First waiting legs in order (JSON array).
    waiting: Json,
    /// First candidates in order (JSON array).
    candidates: Json,
    /// Agents not considered, counted by reason (JSON object).
    excluded: Json,
    /// True when it was only computed for comparison.
    shadow: bool,
}
