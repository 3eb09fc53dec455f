//! One request: who asks, and the one snapshot that all its questions read.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use async_graphql::{Error, ErrorExtensions as _};
use datafusion::arrow::record_batch::RecordBatch;
use datafusion::common::ParamValues;
use ledgerline_access::Principal;
use ledgerline_projections::Snapshot;
use ledgerline_schemas::Position;
use tokio::sync::Mutex;
use tokio_util::sync::CancellationToken;

use super::compile::Sql;
use crate::analyzer::{AnalyzerState, Bounds, Door, Question};
use crate::error::QueryError;
use crate::past::Moment;

/// What the questions of one request share.
pub(super) struct Asking {
    state: AnalyzerState,
    principal: Principal,
    started: Instant,
    snapshot: Mutex<Option<Arc<Snapshot>>>,
    questions: AtomicU64,
}

impl fmt::Debug for Asking {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Asking").field("principal", &self.principal).finish_non_exhaustive()
    }
}

impl Asking {
    pub(super) fn new(state: AnalyzerState, principal: Principal) -> Self {
        Self {
            state,
            principal,
            started: Instant::now(),
            snapshot: Mutex::new(None),
            questions: AtomicU64::new(0),
        }
    }

    pub(super) const fn principal(&self) -> &Principal {
        &self.principal
    }

    /// Questions that were asked.
    pub(super) fn questions(&self) -> u64 {
        self.questions.load(Ordering::Relaxed)
    }

    /// The position of the answers.
    pub(super) async fn position(&self) -> Option<Position> {
        self.snapshot.lock().await.as_ref().map(|snapshot| snapshot.position)
    }

    /// The snapshot of the request: the one there is, or that of this moment.
    ///
    /// # Errors
    /// [`QueryError::Value`] when another part of the request is answered at another position already.
    pub(super) async fn snapshot(
        &self,
        moment: Option<Moment>,
    ) -> Result<Arc<Snapshot>, QueryError> {
        let mut kept = self.snapshot.lock().await;
        if let Some(snapshot) = kept.as_ref() {
            let wanted = match moment {
                None => snapshot.position,
                Some(moment) => self.state.position_of(&self.principal, moment)?,
            };
            if wanted != snapshot.position {
                return Err(QueryError::Value(format!(
                    "a request is answered at one position: this query wants {wanted}, one before it was answered \
                     at {}; give asOf to all of them, or send two requests",
                    snapshot.position
                )));
            }
            return Ok(Arc::clone(snapshot));
        }
        let question = self.question(String::new(), None, moment);
        let snapshot = self.state.view(&question).await?;
        *kept = Some(Arc::clone(&snapshot));
        Ok(snapshot)
    }

    /// Asks, and waits for all rows.
    pub(super) async fn ask(
        &self,
        sql: Sql,
        snapshot: &Arc<Snapshot>,
    ) -> Result<Vec<RecordBatch>, QueryError> {
        self.questions.fetch_add(1, Ordering::Relaxed);
        let parameters = (!sql.values.is_empty()).then(|| ParamValues::from(sql.values));
        let question = self.question(sql.text, parameters, None);
        let mut answer = self.state.ask_on(question, Some(Arc::clone(snapshot))).await?;
        let mut batches = Vec::new();
        while let Some(batch) = answer.next().await {
            batches.push(batch?);
        }
        Ok(batches)
    }

    /// Records a request that failed before anything of it was asked.
    pub(super) async fn refused(&self, text: &str, error: &QueryError) {
        let question = self.question(text.to_owned(), None, None);
        self.state.refuse(&question, error.clone()).await;
    }

    fn question(
        &self,
        sql: String,
        parameters: Option<ParamValues>,
        as_of: Option<Moment>,
    ) -> Question {
        // One deadline for the whole request.
        let left = self.state.engine.limits().deadline.saturating_sub(self.started.elapsed());
        Question {
            principal: self.principal.clone(),
            door: Door::GraphQl,
            sql,
            parameters,
            as_of,
            bounds: Bounds { deadline: Some(left.max(Duration::from_millis(1))), rows_max: None },
            cancel: CancellationToken::new(),
            backend_pid: 0,
        }
    }
}

/// An error as a GraphQL error, with the code that every door gives.
pub(super) fn told(error: &QueryError) -> Error {
    let code = error.code();
    Error::new(error.to_string()).extend_with(|_, values| values.set("code", code))
}
