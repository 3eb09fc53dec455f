//! The extended protocol: statements with parameters, described before they run.

use std::fmt::Debug;
use std::sync::Arc;

use arrow_pg::datatypes::df::deserialize_parameters_with_server_types;
use arrow_pg::datatypes::into_pg_type;
use async_trait::async_trait;
use datafusion::arrow::datatypes::{DataType, SchemaRef};
use datafusion::sql::sqlparser::ast::Statement;
use futures::Sink;
use pgwire::api::portal::{Format, Portal};
use pgwire::api::query::ExtendedQueryHandler;
use pgwire::api::results::{FieldInfo, Response};
use pgwire::api::stmt::QueryParser;
use pgwire::api::store::PortalStore;
use pgwire::api::{ClientInfo, ClientPortalStore, Type};
use pgwire::error::{PgWireError, PgWireResult};
use pgwire::messages::PgWireBackendMessage;

use super::command;
use super::connection::Connection;
use super::encode::{check_formats, fields, from_query, response};

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
            if !command::is_command(&prepared.statement) {
                let snapshot = self.state.admit(&question.principal)?;
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
                let types = plan.logical.get_parameter_types()?;
                prepared.parameters = (1..=types.len())
                    .map(|number| types.get(&format!("${number}")).cloned().flatten())
                    .collect();
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

    async fn do_query<C>(
        &self,
        _client: &mut C,
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
        if prepared.schema.is_none() {
            return command::run(&prepared.statement);
        }
        let mut question = connection.question(prepared.sql.clone())?;
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
