//! A question from any door to its answer: permission, one snapshot, plan, governed rows, access event.
//!
//! Longer than 500 lines: it is one way, and whoever changes a step has to see the others.

use std::collections::BTreeMap;
use std::fmt;
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use datafusion::arrow::datatypes::SchemaRef;
use datafusion::arrow::record_batch::RecordBatch;
use datafusion::common::ParamValues;
use datafusion::sql::sqlparser::ast::Statement;
use ledgerline_access::Principal;
use ledgerline_event_store::EventReader;
use ledgerline_event_store::crypt::KeyRing;
use ledgerline_projections::{Past, Rights, Snapshot};
use ledgerline_schemas::event::access::{AccessDenied, AccessQueryRun};
use ledgerline_schemas::id::OrgId;
use ledgerline_schemas::{Event, Position};
use sha2::{Digest, Sha256};
use tokio_util::sync::CancellationToken;

use crate::custody::CustodySource;
use crate::engine::Engine;
use crate::error::QueryError;
use crate::govern::stream::{Clockwork, RowStream};
use crate::jobs::Jobs;
use crate::past::{self, Moment};
use crate::ports::{
    AccessRecorder, Authenticator, LogSource, ScheduleSource, ScramStore, SnapshotSource,
    may_measure, may_query,
};
use crate::repeatable;
use crate::rights::{MaskedColumns, check_past};
use crate::session::{Plan, SqlSession, sees};
use crate::sql::{guard, reads};

/// What the analyzer stands on.
#[derive(Clone, Debug)]
pub struct Ports {
    /// Tables.
    pub snapshots: Arc<dyn SnapshotSource>,
    /// Logs, for histories.
    pub logs: Arc<dyn LogSource>,
    /// Access events.
    pub recorder: Arc<dyn AccessRecorder>,
    /// Bearer tokens.
    pub authenticator: Arc<dyn Authenticator>,
    /// Database users.
    pub scram: Arc<dyn ScramStore>,
}

/// State shared by all doors. Clones share it.
#[derive(Clone, Debug)]
pub struct AnalyzerState {
    pub(crate) engine: Engine,
    pub(crate) ports: Ports,
    pub(crate) custody: Option<Arc<dyn CustodySource>>,
    pub(crate) keys: Option<KeyRing>,
    pub(crate) schedules: Option<Arc<dyn ScheduleSource>>,
    pub(crate) jobs: Jobs,
}

/// Through which door a question came; part of its access event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Door {
    /// `POST /v1/sql`.
    Http,
    /// The PostgreSQL wire.
    Pgwire,
    /// Arrow Flight SQL.
    FlightSql,
    /// `POST /v1/search`: the SQL that a GraphQL query becomes.
    GraphQl,
    /// The command line on a data directory.
    Cli,
    /// A report that is due.
    Schedule,
}

impl Door {
    /// The name in access events.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Pgwire => "pgwire",
            Self::FlightSql => "flight_sql",
            Self::GraphQl => "graphql",
            Self::Cli => "cli",
            Self::Schedule => "schedule",
        }
    }
}

/// What a question may use at most; the engine's limits hold where nothing is said.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Bounds {
    /// Longest time to the last row.
    pub deadline: Option<Duration>,
    /// Most rows of the answer.
    pub rows_max: Option<u64>,
}

/// A question.
#[derive(Clone, Debug)]
pub struct Question {
    /// Who asks.
    pub principal: Principal,
    /// Through which door.
    pub door: Door,
    /// The text.
    pub sql: String,
    /// Values of `$1`, `$2` …
    pub parameters: Option<ParamValues>,
    /// The position of all its tables; the present one without.
    pub as_of: Option<Moment>,
    /// Bounds below the engine's own.
    pub bounds: Bounds,
    /// Cancels it.
    pub cancel: CancellationToken,
    /// Number of the connection, for `pg_backend_pid()`; 0 without.
    pub backend_pid: i32,
}

impl AnalyzerState {
    /// State over an engine and its ports.
    #[must_use]
    pub fn new(engine: Engine, ports: Ports) -> Self {
        Self { engine, ports, custody: None, keys: None, schedules: None, jobs: Jobs::default() }
    }

    /// The same with custody of the logs: its addresses answer that they are not ready without.
    #[must_use]
    pub fn with_custody(mut self, custody: Arc<dyn CustodySource>) -> Self {
        self.custody = Some(custody);
        self
    }

    /// The same with the keys of personal data: sealed values can be shown to whoever may see them.
    #[must_use]
    pub fn with_keys(mut self, keys: KeyRing) -> Self {
        self.keys = Some(keys);
        self
    }

    /// The same with schedules of reports: their addresses answer that they are not ready without.
    #[must_use]
    pub fn with_schedules(mut self, schedules: Arc<dyn ScheduleSource>) -> Self {
        self.schedules = Some(schedules);
        self
    }

    /// Answers a question. The rows are computed while they are read.
    ///
    /// # Errors
    /// [`QueryError`]; it is recorded before it is returned.
    pub async fn ask(&self, question: Question) -> Result<Answer, QueryError> {
        self.ask_parsed(question, None).await
    }

    /// The same for a statement that is parsed already; its text is only recorded.
    pub(crate) async fn ask_parsed(
        &self,
        question: Question,
        statement: Option<Statement>,
    ) -> Result<Answer, QueryError> {
        let mut audit = Audit::new(self, &question);
        let outcome = self.answer(&question, statement, None, &mut audit).await;
        audit.answer(outcome).await
    }

    /// The same on tables at hand: those that were promised to the question's principal, or those of
    /// [`AnalyzerState::view`], which questions that belong together read. Without any on those the question names.
    pub(crate) async fn ask_on(
        &self,
        question: Question,
        tables: Option<Arc<Snapshot>>,
    ) -> Result<Answer, QueryError> {
        let mut audit = Audit::new(self, &question);
        let outcome = self.answer(&question, None, tables, &mut audit).await;
        audit.answer(outcome).await
    }

    /// The tables that a question would read: those of its principal's organization, at its position.
    ///
    /// # Errors
    /// [`QueryError`]. Nothing is recorded: nothing was shown.
    pub(crate) async fn view(&self, question: &Question) -> Result<Arc<Snapshot>, QueryError> {
        let mut clockwork = self.engine.clockwork(question.cancel.clone());
        if let Some(deadline) = question.bounds.deadline {
            clockwork.deadline = deadline;
        }
        let now = clockwork.bound(self.reached(question, None)).await??;
        self.moved(now, question, &clockwork).await
    }

    /// The position that a moment means in the principal's log.
    ///
    /// # Errors
    /// [`QueryError::NotReady`] without a log; [`QueryError::Internal`] when it cannot be read.
    pub(crate) fn position_of(
        &self,
        principal: &Principal,
        moment: Moment,
    ) -> Result<Position, QueryError> {
        let log = self.ports.logs.reader(principal.org_id);
        let log = log.ok_or_else(|| QueryError::NotReady(principal.org_id.to_string()))?;
        moment.position(&*log)
    }

    /// The position of a question about the past, and the epoch of the tables, if its answer can never change;
    /// `None` when it is about the present, or cannot be answered.
    pub(crate) async fn closed(&self, question: &Question) -> Option<(Position, u64)> {
        let moment = question.as_of?;
        let now = self.admit(&question.principal).await.ok()?;
        let (_, log) = self.past(question.principal.org_id)?;
        let position = moment.position(&*log).ok()?;
        (position <= now.position).then_some((position, now.epoch))
    }

    /// Records that the asker has the answer to a question already, and it is still the answer.
    ///
    /// # Errors
    /// [`QueryError::NotRecorded`].
    pub(crate) async fn not_modified(
        &self,
        question: &Question,
        position: Position,
    ) -> Result<(), QueryError> {
        let mut audit = Audit::new(self, question);
        audit.position = position;
        audit.finish("not_modified").await
    }

    /// Records a question that failed before it could be asked, and gives its error back.
    pub(crate) async fn refuse(&self, question: &Question, error: QueryError) -> QueryError {
        Audit::new(self, question).fail(error).await
    }

    /// The tables of the principal's organization as of now, if the principal may query them.
    pub(crate) async fn admit(&self, principal: &Principal) -> Result<Arc<Snapshot>, QueryError> {
        may(principal)?;
        self.ports
            .snapshots
            .snapshot(principal.org_id, self.engine.limits().freshness_wait)
            .await
            .ok_or_else(|| QueryError::NotReady(principal.org_id.to_string()))
    }

    async fn answer(
        &self,
        question: &Question,
        statement: Option<Statement>,
        tables: Option<Arc<Snapshot>>,
        audit: &mut Audit,
    ) -> Result<(Position, RowStream, bool), QueryError> {
        let mut clockwork = self.engine.clockwork(question.cancel.clone());
        if let Some(deadline) = question.bounds.deadline {
            clockwork.deadline = deadline;
        }
        let org_id = question.principal.org_id;
        let snapshot = match tables.filter(|tables| tables.org_id == org_id) {
            Some(tables) => {
                audit.position = tables.position;
                may(&question.principal)?;
                tables
            }
            None => {
                let now = clockwork.bound(self.reached(question, statement.as_ref())).await??;
                audit.position = now.position;
                self.moved(now, question, &clockwork).await?
            }
        };
        let position = snapshot.position;
        audit.position = position;
        let planning = self.plan(
            snapshot,
            question.principal.clone(),
            question.backend_pid,
            question.sql.clone(),
            statement,
        );
        let (session, mut plan) = clockwork.bound(planning).await??;
        audit.tables.clone_from(&plan.tables);
        audit.masked = session.masked().clone();
        if let Some(parameters) = &question.parameters {
            plan.logical = plan.logical.with_param_values(parameters.clone())?;
        }
        let repeatable = repeatable::is(&question.sql, &plan.logical)?;
        let mut rows = self.engine.run(session, plan, clockwork).await?;
        if let Some(rows_max) = question.bounds.rows_max {
            rows.rows_max = rows.rows_max.min(rows_max);
        }
        Ok((position, rows, repeatable))
    }

    /// The tables at the position that a question is about.
    async fn moved(
        &self,
        now: Arc<Snapshot>,
        question: &Question,
        clockwork: &Clockwork,
    ) -> Result<Arc<Snapshot>, QueryError> {
        match question.as_of {
            Some(moment) => clockwork.bound(self.as_of(&now, moment)).await?,
            None => Ok(now),
        }
    }

    /// The tables at an earlier position than those of `now`.
    async fn as_of(
        &self,
        now: &Arc<Snapshot>,
        moment: Moment,
    ) -> Result<Arc<Snapshot>, QueryError> {
        if moment == Moment::At(now.position) {
            return Ok(Arc::clone(now));
        }
        let org_id = now.org_id;
        let (past, log) = self.past(org_id).ok_or_else(|| {
            QueryError::Unsupported("as_of: only the present is kept here".to_owned())
        })?;
        let position = moment.position(&*log)?;
        if position > now.position {
            let what = "as_of".to_owned();
            return Err(QueryError::NotReached { what, position, tables: now.position });
        }
        past::at(&self.engine, past, position).await
    }

    pub(crate) fn past(&self, org_id: OrgId) -> Option<(Arc<Past>, Arc<dyn EventReader>)> {
        self.ports.snapshots.past(org_id).zip(self.ports.logs.reader(org_id))
    }

    /// Plans on the engine's threads.
    pub(crate) async fn plan(
        &self,
        snapshot: Arc<Snapshot>,
        principal: Principal,
        backend_pid: i32,
        sql: String,
        statement: Option<Statement>,
    ) -> Result<(Arc<SqlSession>, Plan), QueryError> {
        let engine = self.engine.clone();
        let past = self.past(principal.org_id);
        let rights = self.rights(&principal).await?;
        self.engine
            .compute(async move {
                let mut statement = match statement {
                    Some(statement) => statement,
                    None => crate::sql::parse_one(&sql, engine.limits().sql_bytes_max)?,
                };
                guard::check(&statement, may_measure(&principal) && rights == Rights::Whole)?;
                let mut tables = past::Tables::default();
                let mut earlier = BTreeMap::new();
                if let Some((past, log)) = past {
                    let sees = |table: &str| {
                        let table = snapshot.tables.get(table);
                        table.is_some_and(|table| sees(&principal, &rights, table.def))
                    };
                    let requests = past::rewrite(&mut statement, &snapshot, &*log, &sees)?;
                    if let Some(limited) = rights.limits() {
                        requests.values().try_for_each(|asked| check_past(limited, asked))?;
                    }
                    if !requests.is_empty() {
                        earlier
                            .extend(requests.iter().map(|(name, it)| (name.clone(), it.table())));
                        tables = past::resolve(&engine, past, requests, rights.clone()).await?;
                    }
                }
                let session = SqlSession::open(
                    &engine,
                    &snapshot,
                    &tables,
                    &principal,
                    &rights,
                    backend_pid,
                )?;
                let session = Arc::new(session);
                let mut plan = session.plan(statement).await?;
                plan.tables = reads::read(&plan.logical, &earlier)?;
                Ok((session, plan))
            })
            .await
    }

    /// Records that something was refused; a failure to record it is logged.
    pub(crate) async fn record_denied(&self, principal: &Principal, action: &str, reason: &str) {
        let event = AccessDenied {
            principal: principal.subject.clone(),
            action: action.to_owned(),
            reason: reason.to_owned(),
        };
        if let Err(error) = self.ports.recorder.record(principal, event.into()).await {
            tracing::error!(%error, "a refusal could not be recorded");
        }
    }
}

/// Refuses whoever may not query at all.
fn may(principal: &Principal) -> Result<(), QueryError> {
    if may_query(principal) {
        return Ok(());
    }
    let reason = "SQL is for analysts, auditors, supervisors and administrators";
    Err(QueryError::NotAllowed(reason.to_owned()))
}

/// An answer: its position, its columns, its rows.
pub struct Answer {
    position: Position,
    rows: RowStream,
    repeatable: bool,
    audit: Audit,
}

impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Answer").field("position", &self.position).finish_non_exhaustive()
    }
}

impl Answer {
    /// The position of the log at which the answer is true.
    #[must_use]
    pub const fn position(&self) -> Position {
        self.position
    }

    /// Whether the same question at the same position has this answer for ever.
    #[must_use]
    pub(crate) const fn is_repeatable(&self) -> bool {
        self.repeatable
    }

    /// The columns.
    #[must_use]
    pub fn schema(&self) -> SchemaRef {
        Arc::clone(&self.rows.schema)
    }

    /// The next rows. `None` comes only when the access event of the whole answer is durable.
    pub async fn next(&mut self) -> Option<Result<RecordBatch, QueryError>> {
        match self.rows.next().await {
            Some(Ok(batch)) => {
                self.audit.rows = self.rows.rows;
                Some(Ok(batch))
            }
            Some(Err(error)) => Some(Err(self.audit.fail(error).await)),
            None => self.audit.finish("ok").await.err().map(Err),
        }
    }
}

/// The access event of one question. Recorded once, whatever happens: also when the asker leaves.
struct Audit {
    recorder: Arc<dyn AccessRecorder>,
    principal: Principal,
    door: Door,
    sql_sha256: String,
    position: Position,
    rows: u64,
    tables: Vec<String>,
    masked: MaskedColumns,
    open: bool,
}

impl Audit {
    fn new(state: &AnalyzerState, question: &Question) -> Self {
        Self {
            recorder: Arc::clone(&state.ports.recorder),
            principal: question.principal.clone(),
            door: question.door,
            sql_sha256: hex(&Sha256::digest(question.sql.as_bytes())),
            position: Position::START,
            rows: 0,
            tables: Vec::new(),
            masked: MaskedColumns::default(),
            open: true,
        }
    }

    /// The answer that goes on with this record, or the error after it is recorded.
    async fn answer(
        mut self,
        outcome: Result<(Position, RowStream, bool), QueryError>,
    ) -> Result<Answer, QueryError> {
        match outcome {
            Ok((position, rows, repeatable)) => {
                Ok(Answer { position, rows, repeatable, audit: self })
            }
            Err(error) => Err(self.fail(error).await),
        }
    }

    fn event(&self, outcome: &str) -> Event {
        AccessQueryRun {
            principal: self.principal.subject.clone(),
            door: self.door.name().to_owned(),
            sql_sha256: self.sql_sha256.clone(),
            as_of_position: self.position,
            rows: self.rows,
            masked_columns: self.masked.names(),
            outcome: outcome.to_owned(),
            tables: self.tables.clone(),
        }
        .into()
    }

    async fn finish(&mut self, outcome: &str) -> Result<(), QueryError> {
        if !self.open {
            return Ok(());
        }
        self.open = false;
        metrics::counter!("analyzer_queries_total", "door" => self.door.name(),
            "outcome" => outcome.to_owned())
        .increment(1);
        self.recorder
            .record(&self.principal, self.event(outcome))
            .await
            .map_err(QueryError::NotRecorded)
    }

    /// Records the failure and gives it back.
    async fn fail(&mut self, error: QueryError) -> QueryError {
        if let QueryError::NotAllowed(reason) = &error {
            let event = AccessDenied {
                principal: self.principal.subject.clone(),
                action: "sql_query".to_owned(),
                reason: reason.clone(),
            };
            if let Err(reason) = self.recorder.record(&self.principal, event.into()).await {
                tracing::error!(%reason, "a refusal could not be recorded");
            }
        }
        match self.finish(error.code()).await {
            Ok(()) => error,
            Err(unrecorded) => {
                tracing::error!(error = %unrecorded, "a query could not be recorded");
                error
            }
        }
    }
}

impl Drop for Audit {
    fn drop(&mut self) {
        if !self.open {
            return;
        }
        let event = self.event("cancelled");
        let (recorder, principal) = (Arc::clone(&self.recorder), self.principal.clone());
        // Outside a runtime nothing is served any more, so nobody can be told.
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move {
                if let Err(error) = recorder.record(&principal, event).await {
                    tracing::error!(%error, "a cancelled query could not be recorded");
                }
            });
        }
    }
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}
