//! `routing_order`: one row per waiting leg as a decision ranked it.

use ledgerline_schemas::Timestamp;
use ledgerline_schemas::id::{DecisionId, InteractionId, LegId, QueueId};

table! {
    /// The first waiting legs of a decision in its order: at most five, `routing_decision.waiting_total` says
    /// how many there were.
    RoutingOrder = "routing_order", key (DecisionId, LegId) = [decision_id, leg_id], sort [valid_from_position, rank], live false;
    /// The decision.
    decision_id: DecisionId,
    /// The leg.
    leg_id: LegId,
    /// Its interaction.
    interaction_id: InteractionId,
    /// Rank, from 1.
    rank: u32,
    /// Whether the decision was about this leg.
    is_considered: bool,
    /// Time of the decision.
    time: Timestamp,
    /// Queue of the decision's leg.
    @Queue queue_id: Option<QueueId>,
    /// Priority, 1 (highest) to 10 (default).
    priority: u8,
    /// Entry to the queue.
    entered_time: Timestamp,
    /// Waiting time credited in advance, ms.
    wait_credit_ms: u64,
    /// Wait until the decision plus credit, ms: what legs of one priority are ordered by.
    effective_wait_ms: u64,
}
