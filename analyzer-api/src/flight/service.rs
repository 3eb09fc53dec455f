//! The commands of Flight SQL.

use std::sync::Arc;
use std::time::SystemTime;

use arrow_flight::sql::metadata::{SqlInfoData, XdbcTypeInfoData};
use arrow_flight::sql::{Any, Command, ProstMessageExt, TicketStatementQuery};
use arrow_flight::{
    CancelStatus, FlightDescriptor, FlightEndpoint, FlightInfo, Ticket as FlightTicket,
};
use datafusion::arrow::datatypes::{Schema, SchemaRef};
use datafusion::arrow::record_batch::RecordBatch;
use ledgerline_access::Principal;
use prost::Message;
use serde_json::json;
use tokio_util::sync::CancellationToken;
use tonic::metadata::{MetadataMap, MetadataValue};
use tonic::{Response, Status};

use super::answer::{self, Rows};
use super::login::Guard;
use super::prepared::{Prepared, Statement, values};
use super::promises::Promises;
use super::ticket::{Signer, Ticket};
use super::{Config, info, plain, status, types};
use crate::analyzer::{AnalyzerState, Bounds, Door, Question};
use crate::http::POSITION_HEADER;
use crate::past::Moment;
use crate::sql::parameters;

/// Everything the commands need.
#[derive(Debug)]
pub(super) struct Service {
    pub(super) state: AnalyzerState,
    pub(super) guard: Guard,
    pub(super) prepared: Prepared,
    pub(super) sql_info: Described<SqlInfoData>,
    pub(super) types: Described<XdbcTypeInfoData>,
    signer: Signer,
    promises: Arc<Promises>,
}

/// Tables that are made once.
pub(super) struct Described<T>(pub(super) T);

impl<T> std::fmt::Debug for Described<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Described")
    }
}

impl Service {
    /// # Errors
    /// When there is no key for tickets.
    pub(super) fn new(state: AnalyzerState, config: &Config) -> Result<Self, String> {
        let fault = |error: arrow_flight::error::FlightError| error.to_string();
        Ok(Self {
            guard: Guard::new(state.clone(), config.session_idle),
            prepared: Prepared::new(config.session_idle),
            sql_info: Described(info::all(state.engine.limits()).map_err(fault)?),
            types: Described(types::all().map_err(fault)?),
            signer: Signer::new(config.ticket_life)?,
            promises: Arc::default(),
            state,
        })
    }

    /// Forgets what has ended.
    pub(super) fn sweep(&self) {
        self.guard.sweep();
        self.prepared.sweep();
        self.promises.sweep();
    }

    pub(super) async fn enter(&self, metadata: &MetadataMap) -> Result<Principal, Status> {
        self.guard.enter(metadata).await
    }

    pub(super) fn question(
        &self,
        principal: &Principal,
        sql: &str,
        cancel: CancellationToken,
    ) -> Question {
        Question {
            principal: principal.clone(),
            door: Door::FlightSql,
            sql: sql.to_owned(),
            parameters: None,
            as_of: None,
            bounds: Bounds::default(),
            cancel,
            backend_pid: 0,
        }
    }

    /// Plans a statement and promises its answer at the present position.
    async fn promise(
        &self,
        principal: &Principal,
        sql: &str,
        bound: &[u8],
    ) -> Result<(Ticket, SchemaRef), Status> {
        let mut question = self.question(principal, sql, CancellationToken::new());
        question.parameters = values(bound)?;
        let (snapshot, schema) = match self.state.describe(&question).await {
            Ok(described) => described,
            Err(error) => return Err(status::of(&self.state.refuse(&question, error).await)),
        };
        let schema = plain::schema(&schema);
        let position = snapshot.position;
        let ticket = Ticket {
            id: self.promises.make(principal, snapshot, self.signer.life()),
            org_id: principal.org_id,
            subject: principal.subject.clone(),
            position,
            sql: sql.to_owned(),
            parameters: bound.to_vec(),
            schema: plain::to_ipc(&schema).map_err(|error| status::internal(&error))?,
        };
        Ok((ticket, schema))
    }

    /// The columns of a statement, and nothing promised.
    pub(super) async fn describe(
        &self,
        principal: &Principal,
        sql: &str,
        bound: &[u8],
    ) -> Result<SchemaRef, Status> {
        let mut question = self.question(principal, sql, CancellationToken::new());
        question.parameters = values(bound)?;
        match self.state.describe(&question).await {
            Ok((_, schema)) => Ok(plain::schema(&schema)),
            Err(error) => Err(status::of(&self.state.refuse(&question, error).await)),
        }
    }

    /// What an answer will be, and the ticket to it.
    pub(super) async fn info(
        &self,
        principal: &Principal,
        sql: &str,
        bound: &[u8],
        descriptor: FlightDescriptor,
    ) -> Result<Response<FlightInfo>, Status> {
        let (ticket, schema) = self.promise(principal, sql, bound).await?;
        let statement_handle =
            self.signer.sign(&ticket).map_err(|error| status::internal(&error))?.into();
        let handed = TicketStatementQuery { statement_handle }.as_any().encode_to_vec();
        let mut endpoint = FlightEndpoint::new().with_ticket(FlightTicket::new(handed));
        let until = SystemTime::now() + self.signer.life();
        if let Ok(since) = until.duration_since(SystemTime::UNIX_EPOCH) {
            let expiration = endpoint.expiration_time.insert(Default::default());
            expiration.seconds = i64::try_from(since.as_secs()).unwrap_or(i64::MAX);
        }
        let told = json!({ "as_of_position": ticket.position.0 }).to_string();
        let info = FlightInfo::new()
            .try_with_schema(&schema)
            .map_err(|error| status::internal(&error))?
            .with_descriptor(descriptor)
            .with_endpoint(endpoint)
            .with_ordered(true)
            .with_total_records(-1)
            .with_total_bytes(-1)
            .with_app_metadata(told);
        Ok(with_position(info, ticket.position.0))
    }

    /// What a command about the catalog will answer; it is its own ticket.
    pub(super) fn info_of(
        &self,
        command: impl ProstMessageExt,
        schema: &Schema,
        descriptor: FlightDescriptor,
    ) -> Result<Response<FlightInfo>, Status> {
        let ticket = FlightTicket::new(command.as_any().encode_to_vec());
        let info = FlightInfo::new()
            .try_with_schema(schema)
            .map_err(|error| status::internal(&error))?
            .with_descriptor(descriptor)
            .with_endpoint(FlightEndpoint::new().with_ticket(ticket))
            .with_ordered(true)
            .with_total_records(-1)
            .with_total_bytes(-1);
        Ok(Response::new(info))
    }

    /// The rows that a ticket stands for.
    pub(super) async fn redeem(
        &self,
        principal: &Principal,
        signed: &[u8],
    ) -> Result<Response<Rows>, Status> {
        let ticket = self.signer.open(signed);
        let ticket = ticket.map_err(|error| {
            status::with_code(tonic::Code::InvalidArgument, "invalid_ticket", &error.to_string())
        })?;
        if !ticket.is_of(principal) {
            let reason = "the ticket was given to somebody else";
            self.state.record_denied(principal, "sql_query", reason).await;
            return Err(status::with_code(tonic::Code::PermissionDenied, "not_allowed", reason));
        }
        self.fetch(principal, ticket).await
    }

    /// The rows of a promise.
    async fn fetch(&self, principal: &Principal, ticket: Ticket) -> Result<Response<Rows>, Status> {
        let schema = plain::from_ipc(&ticket.schema).map_err(|error| status::internal(&error))?;
        let (snapshot, running) = self.promises.begin(principal, ticket.id, self.signer.life());
        let mut question = self.question(principal, &ticket.sql, running.cancel.clone());
        question.parameters = values(&ticket.parameters)?;
        if snapshot.is_none() {
            question.as_of = Some(Moment::At(ticket.position));
        }
        let answer = self.state.ask_on(question, snapshot).await;
        let answer = answer.map_err(|error| status::of(&error))?;
        let position = answer.position().0;
        let deadline = self.state.engine.limits().deadline;
        Ok(with_position(answer::send(answer, schema, deadline, running), position))
    }

    /// The rows of a prepared statement that was not asked for a ticket.
    pub(super) async fn run_prepared(
        &self,
        principal: &Principal,
        handle: &[u8],
    ) -> Result<Response<Rows>, Status> {
        let statement = self.prepared.get(principal, handle)?;
        statement.check_bound()?;
        let (ticket, _) = self.promise(principal, &statement.sql, &statement.bound).await?;
        self.fetch(principal, ticket).await
    }

    /// Plans a statement to learn its columns and parameters.
    pub(super) async fn prepare(
        &self,
        principal: &Principal,
        sql: &str,
    ) -> Result<(uuid::Uuid, Statement), Status> {
        let question = self.question(principal, sql, CancellationToken::new());
        let planned = async {
            let statement = crate::sql::parse_one(sql, self.state.engine.limits().sql_bytes_max)?;
            let clockwork = self.state.engine.clockwork(question.cancel.clone());
            let reached = self.state.reached(&question, Some(&statement));
            let snapshot = clockwork.bound(reached).await??;
            let planning = self.state.plan(
                snapshot,
                principal.clone(),
                0,
                String::new(),
                Some(statement.clone()),
            );
            let (_, plan) = clockwork.bound(planning).await??;
            Ok(Statement {
                sql: sql.to_owned(),
                parameters: parameters::types(&statement, &plan.logical)?,
                schema: plain::schema(&plan.schema()),
                bound: Vec::new(),
            })
        };
        match planned.await {
            Ok(statement) => {
                let handle = self.prepared.add(principal, statement.clone())?;
                Ok((handle, statement))
            }
            Err(error) => Err(status::of(&self.state.refuse(&question, error).await)),
        }
    }

    /// Cancels the answer that an info promised.
    pub(super) fn cancel(
        &self,
        principal: &Principal,
        info: &FlightInfo,
    ) -> Result<CancelStatus, Status> {
        let unknown = || {
            let reason = "the query is not known: it ended long ago, or belongs to somebody else";
            status::with_code(tonic::Code::NotFound, "unknown_query", reason)
        };
        let ticket = info.endpoint.first().and_then(|endpoint| endpoint.ticket.as_ref());
        let ticket = ticket.ok_or_else(|| status::invalid("the info has no ticket"))?;
        let command = Any::decode(&*ticket.ticket)
            .map_err(|error| status::invalid(&error.to_string()))
            .and_then(|any| {
                Command::try_from(any).map_err(|error| status::invalid(&error.to_string()))
            })?;
        let Command::TicketStatementQuery(handed) = command else {
            // What the catalog answers is made in one go.
            return Ok(CancelStatus::NotCancellable);
        };
        let ticket = self.signer.open(&handed.statement_handle).map_err(|_| unknown())?;
        self.promises.cancel(principal, ticket.id).ok_or_else(unknown)
    }
}

/// A response with the position that it is true at.
fn with_position<T>(content: T, position: u64) -> Response<T> {
    let mut response = Response::new(content);
    response.metadata_mut().insert(POSITION_HEADER, MetadataValue::from(position));
    response
}

/// A response of rows that are all there.
pub(super) fn rows(batch: RecordBatch) -> Response<Rows> {
    Response::new(answer::send_batch(batch))
}
