//! The extended protocol: statements with parameters, described before they run.

use std::fmt::Debug;
use std::sync::Arc;

use arrow_pg::datatypes::df::deserialize_parameters_with_server_types;
use async_trait::async_trait;
use datafusion::arrow::datatypes::{DataType, Schema, SchemaRef};
use datafusion::sql::sqlparser::ast::Statement;
use futures::{Sink, SinkExt as _};
use pgwire::api::portal::{Format, Portal, PortalExecutionState};
use pgwire::api::query::{ExtendedQueryHandler, send_describe_response, send_query_response};
use pgwire::api::results::{DescribePortalResponse, FieldInfo, Response};
use pgwire::api::stmt::QueryParser;
use pgwire::api::store::{Entry, PortalStore};
use pgwire::api::{ClientInfo, ClientPortalStore, DEFAULT_NAME, PgWireConnectionState, Type};
use pgwire::error::{PgWireError, PgWireResult};
use pgwire::messages::PgWireBackendMessage;
use pgwire::messages::extendedquery::{
    Bind, BindComplete, Describe, Execute, TARGET_TYPE_BYTE_PORTAL,
};

use super::command;
use super::connection::{Connection, error};
use super::copy::{self, Copy};
use super::cursor::{self, Declared};
use super::encode::{self, check_formats, fields, from_query, response};
use super::parameters::{self, Known, Places, Types};
use crate::analyzer::Question;
use crate::error::QueryError;
use crate::session::Plan;
use crate::sql::array_text;

/// A statement that was parsed, and planned once to learn its columns and parameters. It is planned again
/// for each execution, on the snapshot of that moment.
#[derive(Clone, Debug)]
pub(super) struct Prepared {
    sql: String,
    kind: Kind,
    /// Columns of the answer, in text.
    columns: Vec<FieldInfo>,
    /// The same before they were put into words, where the planner knows them.
    schema: Option<SchemaRef>,
    types: Types,
}

/// What a statement is.
#[derive(Clone, Debug)]
enum Kind {
    /// A question, with the types of its parameters written into it.
    Question(Statement),
    /// The same behind a cursor.
    Declare(Declared),
    /// The same behind a copy.
    Copy(Statement, Copy),
    /// About the connection.
    Command(Statement),
}

impl Prepared {
    /// Takes white space between the elements of arrays out of values in text.
    fn trim_arrays(&self, message: &mut Bind) {
        let formats = &message.parameter_format_codes;
        for (at, value) in message.parameters.iter_mut().enumerate() {
            let format = formats.get(if formats.len() == 1 { 0 } else { at });
            let is_array = self.types.get(&(at + 1)).is_some_and(Known::is_array);
            if let (Some(bytes), true) = (value, is_array && format.is_none_or(|it| *it == 0))
                && let Ok(text) = std::str::from_utf8(bytes)
                && let Some(elements) = array_text::elements(text)
            {
                *bytes = array_text::written(&elements).into();
            }
        }
    }

    /// The columns of its answer.
    fn fields(&self, schema: &Schema, format: &Format) -> PgWireResult<Vec<FieldInfo>> {
        let fields = fields(schema, format)?;
        // Who asks with a list of ids of types asks about types.
        let of_types = self.types.values().any(|known| known.wire == Type::OID_ARRAY);
        Ok(if of_types { encode::of_types(fields) } else { fields })
    }
}

/// The handler of the extended protocol.
pub(super) struct Extended(pub(super) Arc<Connection>);

impl Connection {
    async fn prepare(
        &self,
        question: &Question,
        sql: &str,
        declared: &[Option<Type>],
    ) -> Result<Prepared, QueryError> {
        let limit = self.state.engine.limits().sql_bytes_max;
        let statement = crate::sql::parse_one(sql, limit)?;
        let mut prepared = Prepared {
            sql: sql.to_owned(),
            kind: Kind::Command(statement.clone()),
            columns: Vec::new(),
            schema: None,
            types: Types::new(),
        };
        if command::is_command(&statement) {
            return Ok(prepared);
        }
        if let Some((statement, copy)) = copy::of(&statement, limit).transpose()? {
            prepared.kind = Kind::Copy(statement, copy);
            return Ok(prepared);
        }
        let behind = cursor::declared(&statement).transpose()?;
        let mut statement = behind.as_ref().map_or(statement, |it| it.question.clone());
        parameters::narrow(&mut statement);
        let places = Places::of(&statement);
        let mut types = places.known(declared);
        if places.numbers.iter().any(|number| !types.contains_key(number)) {
            let mut draft = statement.clone();
            parameters::write(&mut draft, &types);
            let inferred = self.plan(question, draft).await?.logical.get_parameter_types()?;
            places.complete(&mut types, |number| {
                inferred.get(&format!("${number}")).cloned().flatten()
            });
        }
        parameters::write(&mut statement, &types);
        let plan = self.plan(question, statement.clone()).await?;
        prepared.types = types;
        prepared.kind = match behind {
            Some(declared) => Kind::Declare(Declared { question: statement, ..declared }),
            None => {
                prepared.schema = Some(plan.schema());
                Kind::Question(statement)
            }
        };
        Ok(prepared)
    }

    async fn plan(&self, question: &Question, statement: Statement) -> Result<Plan, QueryError> {
        let clockwork = self.state.engine.clockwork(question.cancel.clone());
        let reached = self.state.reached(question, Some(&statement));
        let snapshot = clockwork.bound(reached).await??;
        let principal = question.principal.clone();
        let planning =
            self.state.plan(snapshot, principal, self.pid, String::new(), Some(statement));
        Ok(clockwork.bound(planning).await??.1)
    }
}

#[async_trait]
impl QueryParser for Connection {
    type Statement = Prepared;

    async fn parse_sql<C>(
        &self,
        _client: &C,
        sql: &str,
        types: &[Option<Type>],
    ) -> PgWireResult<Option<Prepared>>
    where
        C: ClientInfo + Unpin + Send + Sync,
    {
        let question = self.question(sql.to_owned())?;
        let mut prepared = match self.prepare(&question, sql, types).await {
            Ok(prepared) => prepared,
            Err(error) => {
                let error = self.state.refuse(&question, error).await;
                return Err(from_query(&error, Some(sql)));
            }
        };
        if let Kind::Command(statement) = &prepared.kind {
            prepared.columns = command::fields(self, statement, &Format::UnifiedText).await?;
        }
        Ok(Some(prepared))
    }

    fn get_parameter_types(&self, prepared: &Prepared) -> PgWireResult<Vec<Type>> {
        parameters::wire(&prepared.types)
    }

    fn get_result_schema(
        &self,
        prepared: &Prepared,
        format: Option<&Format>,
    ) -> PgWireResult<Vec<FieldInfo>> {
        let format = format.unwrap_or(&Format::UnifiedText);
        if let Some(schema) = &prepared.schema {
            return prepared.fields(schema, format);
        }
        check_formats(format, prepared.columns.len())?;
        let in_format = |(at, column): (usize, &FieldInfo)| {
            let name = column.name().to_owned();
            FieldInfo::new(name, None, None, column.datatype().clone(), format.format_for(at))
        };
        Ok(prepared.columns.iter().enumerate().map(in_format).collect())
    }
}

impl Extended {
    /// The values of a portal's parameters, put into its question.
    fn bind(&self, portal: &Portal<Prepared>, question: &mut Question) -> PgWireResult<()> {
        if portal.parameter_len() == 0 {
            return Ok(());
        }
        check_formats(&portal.parameter_format, portal.parameter_len())?;
        let types = &portal.statement.statement.types;
        let known: Vec<Option<&DataType>> = (1..=portal.parameter_len())
            .map(|number| types.get(&number).map(|known| &known.arrow))
            .collect();
        let wire = parameters::wire(types)?;
        let wire: Vec<Option<&Type>> = wire.iter().map(parameters::read_as).map(Some).collect();
        question.parameters =
            Some(deserialize_parameters_with_server_types(portal, &known, &wire)?);
        Ok(())
    }
}

#[async_trait]
impl ExtendedQueryHandler for Extended {
    type Statement = Prepared;
    type QueryParser = Connection;

    fn query_parser(&self) -> Arc<Connection> {
        Arc::clone(&self.0)
    }

    /// Arrays in text come without white space between their elements, which the library would take for a part of them.
    async fn on_bind<C>(&self, client: &mut C, mut message: Bind) -> PgWireResult<()>
    where
        C: ClientInfo + ClientPortalStore + Sink<PgWireBackendMessage> + Unpin + Send + Sync,
        C::PortalStore: PortalStore<Statement = Prepared>,
        C::Error: Debug,
        PgWireError: From<<C as Sink<PgWireBackendMessage>>::Error>,
    {
        let name = message.statement_name.as_deref().unwrap_or(DEFAULT_NAME);
        match client.portal_store().get_statement(name) {
            None => return Err(PgWireError::StatementNotFound(name.to_owned())),
            Some(Entry::Value(statement)) => {
                statement.statement.trim_arrays(&mut message);
                let portal = Portal::try_new(&message, statement)?;
                client.portal_store().put_portal(Arc::new(portal));
            }
            Some(Entry::Empty) if message.parameters.is_empty() => {
                let portal = message.portal_name.as_deref().unwrap_or(DEFAULT_NAME);
                client.portal_store().put_empty_portal(portal);
            }
            Some(Entry::Empty) => {
                return Err(error("08P01", "an empty statement has no parameters"));
            }
        }
        client.send(PgWireBackendMessage::BindComplete(BindComplete::new())).await?;
        Ok(())
    }

    /// A cursor that was declared is described as a portal of its name, as in PostgreSQL.
    async fn on_describe<C>(&self, client: &mut C, message: Describe) -> PgWireResult<()>
    where
        C: ClientInfo + ClientPortalStore + Sink<PgWireBackendMessage> + Unpin + Send + Sync,
        C::PortalStore: PortalStore<Statement = Prepared>,
        C::Error: Debug,
        PgWireError: From<<C as Sink<PgWireBackendMessage>>::Error>,
    {
        if message.target_type == TARGET_TYPE_BYTE_PORTAL
            && let Some(name) = message.name.as_deref()
            && client.portal_store().get_portal(name).is_none()
            && let Ok(schema) = self.0.cursors.schema(name).await
        {
            let columns = fields(&schema, &Format::UnifiedText)?;
            let described = DescribePortalResponse::new(columns);
            return send_describe_response(client, &described).await;
        }
        self._on_describe(client, message).await
    }

    /// Rows go out as they are computed; the library would gather a whole answer first.
    async fn on_execute<C>(&self, client: &mut C, message: Execute) -> PgWireResult<()>
    where
        C: ClientInfo + ClientPortalStore + Sink<PgWireBackendMessage> + Unpin + Send + Sync,
        C::PortalStore: PortalStore<Statement = Prepared>,
        C::Error: Debug,
        PgWireError: From<<C as Sink<PgWireBackendMessage>>::Error>,
    {
        let name = message.name.as_deref().unwrap_or(DEFAULT_NAME);
        let portal = match client.portal_store().get_portal(name) {
            Some(Entry::Value(portal)) if message.max_rows == 0 => portal,
            _ => return self._on_execute(client, message).await,
        };
        let state = portal.state();
        let fresh = matches!(*state.lock().await, PortalExecutionState::Initial);
        if !fresh || portal.statement.statement.schema.is_none() {
            return self._on_execute(client, message).await;
        }
        if !matches!(client.state(), PgWireConnectionState::ReadyForQuery) {
            return Err(PgWireError::NotReadyForQuery);
        }
        client.set_state(PgWireConnectionState::QueryInProgress);
        let Response::Query(results) = self.do_query(client, portal.as_ref(), 0).await? else {
            return Err(PgWireError::NotReadyForQuery);
        };
        *state.lock().await = PortalExecutionState::Finished;
        send_query_response(client, results, false).await?;
        client.set_state(PgWireConnectionState::ReadyForQuery);
        Ok(())
    }

    async fn do_query<C>(
        &self,
        client: &mut C,
        portal: &Portal<Prepared>,
        _max_rows: usize,
    ) -> PgWireResult<Response>
    where
        C: ClientInfo + ClientPortalStore + Sink<PgWireBackendMessage> + Unpin + Send + Sync,
        C::PortalStore: PortalStore<Statement = Prepared>,
        C::Error: Debug,
        PgWireError: From<<C as Sink<PgWireBackendMessage>>::Error>,
    {
        let connection = &self.0;
        connection.principal()?;
        let prepared = &portal.statement.statement;
        let format = &portal.result_column_format;
        if let Kind::Command(statement) = &prepared.kind {
            return command::run(connection, statement, format).await;
        }
        let mut question = connection.question(prepared.sql.clone())?;
        self.bind(portal, &mut question)?;
        let deadline = connection.deadline(&question);
        let (Kind::Question(statement)
        | Kind::Copy(statement, _)
        | Kind::Declare(Declared { question: statement, .. })
        | Kind::Command(statement)) = &prepared.kind;
        let answer = connection
            .state
            .ask_parsed(question, Some(statement.clone()))
            .await
            .map_err(|error| from_query(&error, Some(&prepared.sql)))?;
        Ok(match &prepared.kind {
            Kind::Copy(_, copy) => {
                Response::Execution(copy::send(client, answer, copy.clone()).await?)
            }
            Kind::Declare(declared) => {
                Response::Execution(connection.cursors.open(declared, answer, deadline).await?)
            }
            Kind::Question(_) | Kind::Command(_) => {
                let fields = prepared.fields(&answer.schema(), format)?;
                Response::Query(response(answer, fields))
            }
        })
    }
}
