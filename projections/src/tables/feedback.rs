//! `feedback`: one row per survey offered to a customer.

use std::sync::Arc;

use ledgerline_schemas::Timestamp;
use ledgerline_schemas::id::{InteractionId, QueueId, UserId};

use crate::column::Json;

table! {
    /// One survey of an interaction, with the scores and without the texts of its answers.
    Feedback = "feedback", key (InteractionId, Arc<str>) = [interaction_id, survey], sort [interaction_id, survey], live false;
    /// The interaction.
    interaction_id: InteractionId,
    /// The survey.
    survey: Arc<str>,
    /// Last queue of the interaction.
    @Queue queue_id: Option<QueueId>,
    /// Last agent of the interaction.
    agent_id: Option<UserId>,
    /// When it was offered; null when an answer came without.
    offered_time: Option<Timestamp>,
    /// When the first answer came.
    answered_time: Option<Timestamp>,
    /// When it was complete.
    completed_time: Option<Timestamp>,
    /// Questions answered.
    answer_count: u32,
    /// Of those, answers with a score.
    score_count: u32,
    /// Sum of the scores.
    score_sum: i64,
    /// Scores by question (JSON object).
    scores: Json,
}
