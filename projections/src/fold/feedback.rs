//! `feedback`: surveys and the scores of their answers.

use std::collections::BTreeMap;
use std::sync::Arc;

use ledgerline_schemas::event::quality::{
    FeedbackAnswer, FeedbackAnswered, FeedbackCompleted, FeedbackOffered,
};
use ledgerline_schemas::id::InteractionId;

use crate::column::Json;
use crate::fold::{At, Fold, text};
use crate::tables::Feedback;

/// Answers by question, with a score or without.
type Answers = BTreeMap<String, Option<i64>>;

/// The answers in a row; the column holds what [`put_answers`] wrote.
fn answers(row: &Feedback) -> Answers {
    serde_json::from_str(&row.scores.0).unwrap_or_default()
}

/// Brings a row in line with its answers: a question that is answered again counts once.
fn put_answers(row: &mut Feedback, answers: &Answers) {
    let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
    let scores = || answers.values().flatten();
    row.answer_count = count(answers.len());
    row.score_count = count(scores().count());
    row.score_sum = scores().fold(0, |sum, score| sum.saturating_add(*score));
    row.scores = Json::of(answers);
}

impl Fold {
    pub(super) fn feedback_offered(&mut self, at: &mut At<'_>, it: &FeedbackOffered) {
        let time = at.time();
        self.feedback(at, it.interaction_id, &it.survey, |row| row.offered_time = Some(time));
    }

    pub(super) fn feedback_answered(&mut self, at: &mut At<'_>, it: &FeedbackAnswered) {
        let time = at.time();
        self.feedback(at, it.interaction_id, &it.survey, |row| {
            row.answered_time = row.answered_time.or(Some(time));
            let mut all = answers(row);
            all.insert(it.answer.question_id.clone(), it.answer.score);
            put_answers(row, &all);
        });
    }

    pub(super) fn feedback_completed(&mut self, at: &mut At<'_>, it: &FeedbackCompleted) {
        let time = at.time();
        let answer = |answer: &FeedbackAnswer| (answer.question_id.clone(), answer.score);
        let all: Answers = it.answers.iter().map(answer).collect();
        self.feedback(at, it.interaction_id, &it.survey, |row| {
            row.answered_time = row.answered_time.or((!all.is_empty()).then_some(time));
            row.completed_time = Some(time);
            // The complete survey has the last word.
            put_answers(row, &all);
        });
    }

    /// Changes the row of a survey, which begins with its first event.
    fn feedback(
        &mut self,
        at: &mut At<'_>,
        interaction_id: InteractionId,
        survey: &str,
        change: impl FnOnce(&mut Feedback),
    ) {
        if !self.interactions.contains_key(&interaction_id) {
            return;
        }
        let key: (InteractionId, Arc<str>) = (interaction_id, text(survey));
        let table = &mut self.tables.feedback;
        if table.get(&key).is_some() {
            table.change(at.sink, &key, change);
            return;
        }
        let session = self.tables.customer_session.get(&interaction_id);
        let mut row = Feedback {
            interaction_id,
            survey: key.1,
            queue_id: session.and_then(|row| row.last_queue_id),
            agent_id: session.and_then(|row| row.last_agent_id),
            offered_time: None,
            answered_time: None,
            completed_time: None,
            answer_count: 0,
            score_count: 0,
            score_sum: 0,
            scores: Json::of(&Answers::new()),
            valid_from_position: at.header.position,
        };
        change(&mut row);
        table.put(at.sink, row);
    }
}
