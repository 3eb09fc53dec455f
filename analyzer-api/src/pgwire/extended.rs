//! The extended protocol: statements with parameters, described before they run.

use std::fmt::Debug;
use std::sync::Arc;

use arrow_pg::datatypes::df::deserialize_parameters_with_server_types;
use arrow_pg::datatypes::into_pg_type;
use async_trait::async_trait;
use datafusion::arrow::datatypes::{DataType, SchemaRef};
use datafusion::sql::sqlparser::ast::Statement;
use futures::Sink;
use pgwire::api::portal::{Format, Portal, PortalExecutionState};
use pgwire::api::query::{ExtendedQueryHandler, send_query_response};
use pgwire::api::results::{FieldInfo, Response};
use pgwire::api::stmt::QueryParser;
use pgwire::api::store::{Entry, PortalStore};
use pgwire::api::{ClientInfo, ClientPortalStore, DEFAULT_NAME, PgWireConnectionState, Type};
use pgwire::error::{PgWireError, PgWireResult};
use pgwire::messages::PgWireBackendMessage;
use pgwire::messages::extendedquery::Execute;

use super::command;
use super::connection::Connection;
use super::copy;
use super::encode::{check_formats, fields, from_query, response};
use crate::error::QueryError;
use crate::sql::parameters;

/// A statement that was parsed, and planned once to learn its columns and parameters. It is planned again
/// for each execution, on the snapshot of that moment.
#[derive(Clone, Debug)]
pub(super) struct Prepared {
    sql: String,
    statement: Statement,
    /// `None` for a command.
    schema: Option<SchemaRef>,
    parameters: Vec<Option<DataType>>,
}

/// The handler of the extended protocol.
pub(super) struct Extended(pub(super) Arc<Connection>);

#[async_trait]
impl QueryParser for Connection {
    type Statement = Prepared;

    async fn parse_sql<C>(
        &self,
        _client: &C,
        sql: &str,
        _types: &[Option<Type>],
    ) -> PgWireResult<Option<Prepared>>
    where
        C: ClientInfo + Unpin + Send + Sync,
    {
        let question = self.question(sql.to_owned())?;
        let prepared = async {
            let limit = self.state.engine.limits().sql_bytes_max;
            let statement = crate::sql::parse_one(sql, limit)?;
            let mut prepared =
                Prepared { sql: sql.to_owned(), statement, schema: None, parameters: Vec::new() };
            let copied = copy::of(&prepared.statement, limit).transpose()?;
            if copied.is_none() && !command::is_command(&prepared.statement) {
                let snapshot = self.state.admit(&question.principal).await?;
                let planning = self.state.plan(
                    snapshot,
                    question.principal.clone(),
                    self.pid,
                    String::new(),
                    Some(prepared.statement.clone()),
                );
                let clockwork = self.state.engine.clockwork(question.cancel.clone());
                let (_, plan) = clockwork.bound(planning).await??;
                prepared.schema = Some(plan.schema());
                prepared.parameters = parameters::types(&prepared.statement, &plan.logical)?;
            }
            Ok(prepared)
        };
        match prepared.await {
            Ok(prepared) => Ok(Some(prepared)),
            Err(error) => {
                let error = self.state.refuse(&question, error).await;
                Err(from_query(&error, Some(sql)))
            }
        }
    }

    fn get_parameter_types(&self, prepared: &Prepared) -> PgWireResult<Vec<Type>> {
        prepared.parameters.iter().map(|known| wire_type(known.as_ref())).collect()
    }

    fn get_result_schema(
        &self,
        prepared: &Prepared,
        format: Option<&Format>,
    ) -> PgWireResult<Vec<FieldInfo>> {
        match &prepared.schema {
            Some(schema) => fields(schema, format.unwrap_or(&Format::UnifiedText)),
            None => Ok(command::fields(&prepared.statement)),
        }
    }
}

/// A parameter whose type nothing tells is text, as in PostgreSQL.
fn wire_type(known: Option<&DataType>) -> PgWireResult<Type> {
    known.map_or(Ok(Type::TEXT), into_pg_type)
}

#[async_trait]
impl ExtendedQueryHandler for Extended {
    type Statement = Prepared;
    type QueryParser = Connection;

    fn query_parser(&self) -> Arc<Connection> {
        Arc::clone(&self.0)
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
        let mut question = connection.question(prepared.sql.clone())?;
        let refused = |error: QueryError| from_query(&error, Some(&prepared.sql));
        let limit = connection.state.engine.limits().sql_bytes_max;
        if let Some((statement, copy)) =
            copy::of(&prepared.statement, limit).transpose().map_err(refused)?
        {
            let answer =
                connection.state.ask_parsed(question, Some(statement)).await.map_err(refused)?;
            return Ok(Response::Execution(copy::send(client, answer, copy).await?));
        }
        if prepared.schema.is_none() {
            return command::run(&prepared.statement);
        }
        if portal.parameter_len() > 0 {
            check_formats(&portal.parameter_format, portal.parameter_len())?;
            let known: Vec<Option<&DataType>> =
                prepared.parameters.iter().map(Option::as_ref).collect();
            let types: Vec<Type> = prepared
                .parameters
                .iter()
                .map(|known| wire_type(known.as_ref()))
                .collect::<PgWireResult<_>>()?;
            let types: Vec<Option<&Type>> = types.iter().map(Some).collect();
            question.parameters =
                Some(deserialize_parameters_with_server_types(portal, &known, &types)?);
        }
        let answer = connection
            .state
            .ask_parsed(question, Some(prepared.statement.clone()))
            .await
            .map_err(|error| from_query(&error, Some(&prepared.sql)))?;
        Ok(Response::Query(response(answer, &portal.result_column_format)?))
    }
}
