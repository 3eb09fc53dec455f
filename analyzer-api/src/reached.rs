//! Tables that have reached what a question names.
//!
//! Whoever was told a position may ask about it at once. The fold is behind the log by milliseconds, or, right
//! after a restart, by as much as it has to fold again: such a question waits, up to its deadline. A position that
//! the log does not have either is refused at once.

use std::sync::Arc;
use std::time::Duration;

use datafusion::sql::sqlparser::ast::Statement;
use ledgerline_event_store::EventReader;
use ledgerline_projections::Snapshot;
use ledgerline_schemas::Position;
use tokio::time::Instant;

use crate::analyzer::{AnalyzerState, Question};
use crate::error::QueryError;
use crate::past;

/// Longest wait for tables before the question is looked at again.
const ROUND: Duration = Duration::from_secs(1);

impl AnalyzerState {
    /// The tables of now for whom they may be shown to, once they hold every position that the question names and
    /// the log has. Waits as long as its caller lets it, or the tables move.
    ///
    /// # Errors
    /// Those of [`AnalyzerState::admit`].
    pub(crate) async fn reached(
        &self,
        question: &Question,
        statement: Option<&Statement>,
    ) -> Result<Arc<Snapshot>, QueryError> {
        let mut now = self.admit(&question.principal).await?;
        let org_id = question.principal.org_id;
        let Some((_, log)) = self.past(org_id) else { return Ok(now) };
        while self.unreached(&now, &*log, question, statement).is_some() {
            let began = Instant::now();
            let Some(newer) = self.ports.snapshots.snapshot(org_id, ROUND).await else { break };
            // Tables that no longer wait for the log have stopped: they will not get there.
            let stopped = newer.position == now.position && began.elapsed() < ROUND;
            now = newer;
            if stopped {
                break;
            }
        }
        Ok(now)
    }

    /// A position that the question names and the log has, beyond the tables. What is wrong with the question is
    /// not said here.
    fn unreached(
        &self,
        now: &Snapshot,
        log: &dyn EventReader,
        question: &Question,
        statement: Option<&Statement>,
    ) -> Option<Position> {
        let head = log.head();
        if now.position >= head {
            return None;
        }
        let beyond =
            |position: Position| (now.position < position && position <= head).then_some(position);
        if let Some(moment) = question.as_of {
            return beyond(moment.position(log).ok()?);
        }
        let mut statement = match statement {
            Some(statement) => statement.clone(),
            None => {
                crate::sql::parse_one(&question.sql, self.engine.limits().sql_bytes_max).ok()?
            }
        };
        match past::rewrite(&mut statement, now, log, &|_| true) {
            Err(QueryError::NotReached { position, .. }) => beyond(position),
            _ => None,
        }
    }
}
