//! `FlightSqlService`: each command to what answers it. What the protocol has and this server has not is refused by
//! name.

use std::pin::Pin;

use arrow_flight::decode::FlightRecordBatchStream;
use arrow_flight::error::FlightError;
use arrow_flight::flight_service_server::FlightService;
use arrow_flight::sql::metadata::{GetCatalogsBuilder, GetDbSchemasBuilder};
use arrow_flight::sql::server::{DoPutError, FlightSqlService, PeekableFlightDataStream};
use arrow_flight::sql::{
    ActionBeginSavepointRequest, ActionBeginSavepointResult, ActionBeginTransactionRequest,
    ActionBeginTransactionResult, ActionCancelQueryRequest, ActionCancelQueryResult,
    ActionClosePreparedStatementRequest, ActionCreatePreparedStatementRequest,
    ActionCreatePreparedStatementResult, ActionCreatePreparedSubstraitPlanRequest,
    ActionEndSavepointRequest, ActionEndTransactionRequest, Any, Command, CommandGetCatalogs,
    CommandGetCrossReference, CommandGetDbSchemas, CommandGetExportedKeys, CommandGetImportedKeys,
    CommandGetPrimaryKeys, CommandGetSqlInfo, CommandGetTableTypes, CommandGetTables,
    CommandGetXdbcTypeInfo, CommandPreparedStatementQuery, CommandPreparedStatementUpdate,
    CommandStatementIngest, CommandStatementQuery, CommandStatementSubstraitPlan,
    CommandStatementUpdate, DoPutPreparedStatementResult, SqlInfo, TicketStatementQuery,
};
use arrow_flight::{
    Action, FlightDescriptor, FlightInfo, HandshakeRequest, HandshakeResponse, Ticket,
};
use datafusion::arrow::record_batch::RecordBatch;
use futures::{Stream, StreamExt, TryStreamExt};
use prost::Message;
use tonic::metadata::MetadataValue;
use tonic::{Request, Response, Status, Streaming};

use super::actions;
use super::answer::Rows;
use super::catalog;
use super::login::AUTHORIZATION;
use super::plain;
use super::service::{Service, rows};
use super::status;

type Handshake = Pin<Box<dyn Stream<Item = Result<HandshakeResponse, Status>> + Send>>;
type Info = Result<Response<FlightInfo>, Status>;
type Get = Result<Response<Rows>, Status>;

/// Row sets of parameters that are read before it is said that there are too many.
const BATCHES_MAX: usize = 16;

#[tonic::async_trait]
impl FlightSqlService for Service {
    type FlightService = Self;

    async fn do_handshake(
        &self,
        request: Request<Streaming<HandshakeRequest>>,
    ) -> Result<Response<Handshake>, Status> {
        let token = self.guard.log_in(request.metadata()).await?;
        let header = MetadataValue::try_from(format!("Bearer {token}"))
            .map_err(|error| status::internal(&error))?;
        let answer = HandshakeResponse { protocol_version: 0, payload: token.into() };
        let mut response = Response::new(futures::stream::iter([Ok(answer)]).boxed() as Handshake);
        response.metadata_mut().insert(AUTHORIZATION, header);
        Ok(response)
    }

    async fn get_flight_info_statement(
        &self,
        query: CommandStatementQuery,
        request: Request<FlightDescriptor>,
    ) -> Info {
        let principal = self.enter(request.metadata()).await?;
        if query.transaction_id.is_some() {
            return Err(status::unsupported("a transaction"));
        }
        self.info(&principal, &query.query, &[], request.into_inner()).await
    }

    async fn get_flight_info_substrait_plan(
        &self,
        _: CommandStatementSubstraitPlan,
        request: Request<FlightDescriptor>,
    ) -> Info {
        self.enter(request.metadata()).await?;
        Err(status::unsupported("Substrait"))
    }

    async fn get_flight_info_prepared_statement(
        &self,
        query: CommandPreparedStatementQuery,
        request: Request<FlightDescriptor>,
    ) -> Info {
        let principal = self.enter(request.metadata()).await?;
        let statement = self.prepared.get(&principal, &query.prepared_statement_handle)?;
        statement.check_bound()?;
        self.info(&principal, &statement.sql, &statement.bound, request.into_inner()).await
    }

    async fn get_flight_info_catalogs(
        &self,
        query: CommandGetCatalogs,
        request: Request<FlightDescriptor>,
    ) -> Info {
        self.enter(request.metadata()).await?;
        self.info_of(query, &GetCatalogsBuilder::new().schema(), request.into_inner())
    }

    async fn get_flight_info_schemas(
        &self,
        query: CommandGetDbSchemas,
        request: Request<FlightDescriptor>,
    ) -> Info {
        self.enter(request.metadata()).await?;
        let none: Option<String> = None;
        let schema = GetDbSchemasBuilder::new(none.clone(), none).schema();
        self.info_of(query, &schema, request.into_inner())
    }

    async fn get_flight_info_tables(
        &self,
        query: CommandGetTables,
        request: Request<FlightDescriptor>,
    ) -> Info {
        self.enter(request.metadata()).await?;
        let schema = query.clone().into_builder().schema();
        self.info_of(query, &schema, request.into_inner())
    }

    async fn get_flight_info_table_types(
        &self,
        query: CommandGetTableTypes,
        request: Request<FlightDescriptor>,
    ) -> Info {
        self.enter(request.metadata()).await?;
        self.info_of(query, &catalog::table_types()?.schema(), request.into_inner())
    }

    async fn get_flight_info_sql_info(
        &self,
        query: CommandGetSqlInfo,
        request: Request<FlightDescriptor>,
    ) -> Info {
        self.enter(request.metadata()).await?;
        self.info_of(query, &self.sql_info.0.schema(), request.into_inner())
    }

    async fn get_flight_info_primary_keys(
        &self,
        query: CommandGetPrimaryKeys,
        request: Request<FlightDescriptor>,
    ) -> Info {
        self.enter(request.metadata()).await?;
        self.info_of(query, &catalog::primary_keys_schema(), request.into_inner())
    }

    async fn get_flight_info_exported_keys(
        &self,
        query: CommandGetExportedKeys,
        request: Request<FlightDescriptor>,
    ) -> Info {
        self.enter(request.metadata()).await?;
        self.info_of(query, &catalog::foreign_keys_schema(), request.into_inner())
    }

    async fn get_flight_info_imported_keys(
        &self,
        query: CommandGetImportedKeys,
        request: Request<FlightDescriptor>,
    ) -> Info {
        self.enter(request.metadata()).await?;
        self.info_of(query, &catalog::foreign_keys_schema(), request.into_inner())
    }

    async fn get_flight_info_cross_reference(
        &self,
        query: CommandGetCrossReference,
        request: Request<FlightDescriptor>,
    ) -> Info {
        self.enter(request.metadata()).await?;
        self.info_of(query, &catalog::foreign_keys_schema(), request.into_inner())
    }

    async fn get_flight_info_xdbc_type_info(
        &self,
        query: CommandGetXdbcTypeInfo,
        request: Request<FlightDescriptor>,
    ) -> Info {
        self.enter(request.metadata()).await?;
        self.info_of(query, &self.types.0.schema(), request.into_inner())
    }

    async fn get_flight_info_fallback(
        &self,
        command: Command,
        request: Request<FlightDescriptor>,
    ) -> Info {
        self.enter(request.metadata()).await?;
        Err(status::unsupported(&format!("GetFlightInfo of {}", command.type_url())))
    }

    async fn do_get_statement(
        &self,
        ticket: TicketStatementQuery,
        request: Request<Ticket>,
    ) -> Get {
        let principal = self.enter(request.metadata()).await?;
        self.redeem(&principal, &ticket.statement_handle).await
    }

    async fn do_get_prepared_statement(
        &self,
        query: CommandPreparedStatementQuery,
        request: Request<Ticket>,
    ) -> Get {
        let principal = self.enter(request.metadata()).await?;
        self.run_prepared(&principal, &query.prepared_statement_handle).await
    }

    async fn do_get_catalogs(&self, query: CommandGetCatalogs, request: Request<Ticket>) -> Get {
        let principal = self.enter(request.metadata()).await?;
        Ok(rows(catalog::catalogs(self, &principal, query).await?))
    }

    async fn do_get_schemas(&self, query: CommandGetDbSchemas, request: Request<Ticket>) -> Get {
        let principal = self.enter(request.metadata()).await?;
        Ok(rows(catalog::schemas(self, &principal, query).await?))
    }

    async fn do_get_tables(&self, query: CommandGetTables, request: Request<Ticket>) -> Get {
        let principal = self.enter(request.metadata()).await?;
        Ok(rows(catalog::tables(self, &principal, query).await?))
    }

    async fn do_get_table_types(&self, _: CommandGetTableTypes, request: Request<Ticket>) -> Get {
        self.enter(request.metadata()).await?;
        Ok(rows(catalog::table_types()?))
    }

    async fn do_get_sql_info(&self, query: CommandGetSqlInfo, request: Request<Ticket>) -> Get {
        self.enter(request.metadata()).await?;
        let known = query.into_builder(&self.sql_info.0).build();
        Ok(rows(known.map_err(|error| status::internal(&error))?))
    }

    async fn do_get_primary_keys(
        &self,
        query: CommandGetPrimaryKeys,
        request: Request<Ticket>,
    ) -> Get {
        let principal = self.enter(request.metadata()).await?;
        Ok(rows(catalog::primary_keys(self, &principal, &query).await?))
    }

    async fn do_get_exported_keys(
        &self,
        _: CommandGetExportedKeys,
        request: Request<Ticket>,
    ) -> Get {
        self.enter(request.metadata()).await?;
        Ok(rows(RecordBatch::new_empty(catalog::foreign_keys_schema())))
    }

    async fn do_get_imported_keys(
        &self,
        _: CommandGetImportedKeys,
        request: Request<Ticket>,
    ) -> Get {
        self.enter(request.metadata()).await?;
        Ok(rows(RecordBatch::new_empty(catalog::foreign_keys_schema())))
    }

    async fn do_get_cross_reference(
        &self,
        _: CommandGetCrossReference,
        request: Request<Ticket>,
    ) -> Get {
        self.enter(request.metadata()).await?;
        Ok(rows(RecordBatch::new_empty(catalog::foreign_keys_schema())))
    }

    async fn do_get_xdbc_type_info(
        &self,
        query: CommandGetXdbcTypeInfo,
        request: Request<Ticket>,
    ) -> Get {
        self.enter(request.metadata()).await?;
        let known = query.into_builder(&self.types.0).build();
        Ok(rows(known.map_err(|error| status::internal(&error))?))
    }

    async fn do_get_fallback(&self, request: Request<Ticket>, message: Any) -> Get {
        self.enter(request.metadata()).await?;
        Err(status::unsupported(&format!("DoGet of {}", message.type_url)))
    }

    async fn do_put_prepared_statement_query(
        &self,
        query: CommandPreparedStatementQuery,
        request: Request<PeekableFlightDataStream>,
    ) -> Result<DoPutPreparedStatementResult, Status> {
        let principal = self.enter(request.metadata()).await?;
        let handle = query.prepared_statement_handle;
        let statement = self.prepared.get(&principal, &handle)?;
        let rows = request.into_inner().map_err(FlightError::from);
        let rows = FlightRecordBatchStream::new_from_flight_data(rows);
        let rows: Vec<RecordBatch> = rows
            .take(BATCHES_MAX)
            .try_collect()
            .await
            .map_err(|error| status::invalid(&format!("parameters: {error}")))?;
        self.prepared.bind(&principal, &handle, statement.row(&rows)?)?;
        Ok(DoPutPreparedStatementResult { prepared_statement_handle: Some(handle) })
    }

    async fn do_put_statement_update(
        &self,
        _: CommandStatementUpdate,
        request: Request<PeekableFlightDataStream>,
    ) -> Result<i64, Status> {
        self.enter(request.metadata()).await?;
        Err(status::read_only("an update"))
    }

    async fn do_put_prepared_statement_update(
        &self,
        _: CommandPreparedStatementUpdate,
        request: Request<PeekableFlightDataStream>,
    ) -> Result<i64, Status> {
        self.enter(request.metadata()).await?;
        Err(status::read_only("an update"))
    }

    async fn do_put_statement_ingest(
        &self,
        _: CommandStatementIngest,
        request: Request<PeekableFlightDataStream>,
    ) -> Result<i64, Status> {
        self.enter(request.metadata()).await?;
        Err(status::read_only("an ingest"))
    }

    async fn do_put_substrait_plan(
        &self,
        _: CommandStatementSubstraitPlan,
        request: Request<PeekableFlightDataStream>,
    ) -> Result<i64, Status> {
        self.enter(request.metadata()).await?;
        Err(status::unsupported("Substrait"))
    }

    async fn do_put_fallback(
        &self,
        request: Request<PeekableFlightDataStream>,
        message: Any,
    ) -> Result<Response<<Self as FlightService>::DoPutStream>, Status> {
        self.enter(request.metadata()).await?;
        Err(status::unsupported(&format!("DoPut of {}", message.type_url)))
    }

    async fn do_put_error_callback(
        &self,
        request: Request<PeekableFlightDataStream>,
        error: DoPutError,
    ) -> Result<Response<<Self as FlightService>::DoPutStream>, Status> {
        self.enter(request.metadata()).await?;
        Err(status::invalid(&error.to_string()))
    }

    async fn do_action_create_prepared_statement(
        &self,
        query: ActionCreatePreparedStatementRequest,
        request: Request<Action>,
    ) -> Result<ActionCreatePreparedStatementResult, Status> {
        let principal = self.enter(request.metadata()).await?;
        if query.transaction_id.is_some() {
            return Err(status::unsupported("a transaction"));
        }
        let (handle, statement) = self.prepare(&principal, &query.query).await?;
        let written = |schema| plain::to_ipc(schema).map_err(|error| status::internal(&error));
        Ok(ActionCreatePreparedStatementResult {
            prepared_statement_handle: handle.as_bytes().to_vec().into(),
            dataset_schema: written(&statement.schema)?.into(),
            parameter_schema: written(&statement.parameter_schema())?.into(),
        })
    }

    async fn do_action_close_prepared_statement(
        &self,
        query: ActionClosePreparedStatementRequest,
        request: Request<Action>,
    ) -> Result<(), Status> {
        let principal = self.enter(request.metadata()).await?;
        self.prepared.close(&principal, &query.prepared_statement_handle);
        Ok(())
    }

    async fn do_action_create_prepared_substrait_plan(
        &self,
        _: ActionCreatePreparedSubstraitPlanRequest,
        request: Request<Action>,
    ) -> Result<ActionCreatePreparedStatementResult, Status> {
        self.enter(request.metadata()).await?;
        Err(status::unsupported("Substrait"))
    }

    async fn do_action_begin_transaction(
        &self,
        _: ActionBeginTransactionRequest,
        request: Request<Action>,
    ) -> Result<ActionBeginTransactionResult, Status> {
        self.enter(request.metadata()).await?;
        Err(status::unsupported("a transaction"))
    }

    async fn do_action_end_transaction(
        &self,
        _: ActionEndTransactionRequest,
        request: Request<Action>,
    ) -> Result<(), Status> {
        self.enter(request.metadata()).await?;
        Err(status::unsupported("a transaction"))
    }

    async fn do_action_begin_savepoint(
        &self,
        _: ActionBeginSavepointRequest,
        request: Request<Action>,
    ) -> Result<ActionBeginSavepointResult, Status> {
        self.enter(request.metadata()).await?;
        Err(status::unsupported("a savepoint"))
    }

    async fn do_action_end_savepoint(
        &self,
        _: ActionEndSavepointRequest,
        request: Request<Action>,
    ) -> Result<(), Status> {
        self.enter(request.metadata()).await?;
        Err(status::unsupported("a savepoint"))
    }

    async fn do_action_cancel_query(
        &self,
        query: ActionCancelQueryRequest,
        request: Request<Action>,
    ) -> Result<ActionCancelQueryResult, Status> {
        let principal = self.enter(request.metadata()).await?;
        let info = FlightInfo::decode(query.info)
            .map_err(|error| status::invalid(&format!("info: {error}")))?;
        // Both enumerations have the same numbers.
        Ok(ActionCancelQueryResult { result: self.cancel(&principal, &info)? as i32 })
    }

    async fn do_action_fallback(
        &self,
        request: Request<Action>,
    ) -> Result<Response<<Self as FlightService>::DoActionStream>, Status> {
        let principal = self.enter(request.metadata()).await?;
        let body = actions::run(self, &principal, request.metadata(), request.get_ref())?;
        let result = arrow_flight::Result::new(body);
        Ok(Response::new(futures::stream::iter([Ok(result)]).boxed()))
    }

    async fn register_sql_info(&self, _: i32, _: &SqlInfo) {
        // What the server can do is fixed when it starts.
    }
}
