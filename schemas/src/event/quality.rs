//! Feedback, evaluations, predictions, summaries.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::id::{InteractionId, UserId};
use crate::sensitive::Sensitive;

/// One answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct FeedbackAnswer {
    /// The question.
    pub question_id: String,
    /// Score, if the question has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub score: Option<i64>,
    /// Text, if the question has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<Sensitive<String>>,
}

/// A survey was offered.
///
/// Event type `feedback.offered`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct FeedbackOffered {
    /// The interaction.
    pub interaction_id: InteractionId,
    /// The survey.
    pub survey: String,
}

/// One question was answered.
///
/// Event type `feedback.answered`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct FeedbackAnswered {
    /// The interaction.
    pub interaction_id: InteractionId,
    /// The survey.
    pub survey: String,
    /// The answer.
    pub answer: FeedbackAnswer,
}

/// The survey is complete.
///
/// Event type `feedback.completed`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct FeedbackCompleted {
    /// The interaction.
    pub interaction_id: InteractionId,
    /// The survey.
    pub survey: String,
    /// All answers.
    pub answers: Vec<FeedbackAnswer>,
}

/// Somebody evaluated the conversation.
///
/// Event type `evaluation.recorded`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct EvaluationRecorded {
    /// The interaction.
    pub interaction_id: InteractionId,
    /// Who.
    pub evaluator_id: UserId,
    /// The form.
    pub form: String,
    /// Result in thousandths, 0 to 1000.
    pub score_permille: u32,
}

/// A model predicted satisfaction.
///
/// Event type `csat.predicted`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CsatPredicted {
    /// The interaction.
    pub interaction_id: InteractionId,
    /// Model and version.
    pub model: String,
    /// Score in thousandths, 0 to 1000.
    pub score_permille: u32,
}

/// A summary was generated.
///
/// Event type `summary.generated`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SummaryGenerated {
    /// The interaction.
    pub interaction_id: InteractionId,
    /// Where it is kept.
    pub reference: String,
}

/// A topic was assigned.
///
/// Event type `topic.assigned`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TopicAssigned {
    /// The interaction.
    pub interaction_id: InteractionId,
    /// The topic.
    pub topic: String,
}
