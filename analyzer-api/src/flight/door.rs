//! `FlightService`: the commands of Flight SQL, and what that layer leaves out: the columns of a statement before it
//! runs, and a list of actions that holds.

use std::sync::Arc;

use arrow_flight::flight_service_server::FlightService;
use arrow_flight::sql::{Any, Command};
use arrow_flight::{
    Action, ActionType, Criteria, Empty, FlightData, FlightDescriptor, FlightInfo,
    HandshakeRequest, HandshakeResponse, PollInfo, PutResult, SchemaResult, Ticket,
};
use futures::StreamExt;
use futures::stream::BoxStream;
use prost::Message;
use tonic::{Request, Response, Status, Streaming};

use super::service::Service;
use super::{actions, plain, status};

/// The service as the network sees it.
#[derive(Clone, Debug)]
pub(super) struct Door(pub(super) Arc<Service>);

#[tonic::async_trait]
impl FlightService for Door {
    type HandshakeStream = BoxStream<'static, Result<HandshakeResponse, Status>>;
    type ListFlightsStream = BoxStream<'static, Result<FlightInfo, Status>>;
    type DoGetStream = BoxStream<'static, Result<FlightData, Status>>;
    type DoPutStream = BoxStream<'static, Result<PutResult, Status>>;
    type DoActionStream = BoxStream<'static, Result<arrow_flight::Result, Status>>;
    type ListActionsStream = BoxStream<'static, Result<ActionType, Status>>;
    type DoExchangeStream = BoxStream<'static, Result<FlightData, Status>>;

    async fn handshake(
        &self,
        request: Request<Streaming<HandshakeRequest>>,
    ) -> Result<Response<Self::HandshakeStream>, Status> {
        self.0.handshake(request).await
    }

    async fn list_flights(
        &self,
        request: Request<Criteria>,
    ) -> Result<Response<Self::ListFlightsStream>, Status> {
        self.0.enter(request.metadata()).await?;
        Err(status::unsupported("ListFlights"))
    }

    async fn get_flight_info(
        &self,
        request: Request<FlightDescriptor>,
    ) -> Result<Response<FlightInfo>, Status> {
        self.0.get_flight_info(request).await
    }

    /// A statement is planned when its info is asked for, and runs when its rows are: there is nothing to wait for.
    async fn poll_flight_info(
        &self,
        request: Request<FlightDescriptor>,
    ) -> Result<Response<PollInfo>, Status> {
        let (metadata, info, _) = self.0.get_flight_info(request).await?.into_parts();
        let polled = PollInfo { info: Some(info), progress: Some(1.0), ..PollInfo::default() };
        Ok(Response::from_parts(metadata, polled, tonic::Extensions::default()))
    }

    async fn get_schema(
        &self,
        request: Request<FlightDescriptor>,
    ) -> Result<Response<SchemaResult>, Status> {
        let principal = self.0.enter(request.metadata()).await?;
        let invalid = |error: &dyn std::fmt::Display| status::invalid(&error.to_string());
        let command = Any::decode(&*request.get_ref().cmd).map_err(|error| invalid(&error))?;
        let schema = match Command::try_from(command).map_err(|error| invalid(&error))? {
            Command::CommandStatementQuery(query) => {
                let schema = self.0.describe(&principal, &query.query, &[]).await?;
                plain::to_ipc(&schema).map_err(|error| status::internal(&error))?.into()
            }
            Command::CommandPreparedStatementQuery(query) => {
                let handle = &query.prepared_statement_handle;
                let statement = self.0.prepared.get(&principal, handle)?;
                plain::to_ipc(&statement.schema).map_err(|error| status::internal(&error))?.into()
            }
            _ => self.0.get_flight_info(request).await?.into_inner().schema,
        };
        Ok(Response::new(SchemaResult { schema }))
    }

    async fn do_get(
        &self,
        request: Request<Ticket>,
    ) -> Result<Response<Self::DoGetStream>, Status> {
        self.0.do_get(request).await
    }

    async fn do_put(
        &self,
        request: Request<Streaming<FlightData>>,
    ) -> Result<Response<Self::DoPutStream>, Status> {
        self.0.do_put(request).await
    }

    async fn do_exchange(
        &self,
        request: Request<Streaming<FlightData>>,
    ) -> Result<Response<Self::DoExchangeStream>, Status> {
        self.0.enter(request.metadata()).await?;
        Err(status::unsupported("DoExchange"))
    }

    async fn do_action(
        &self,
        request: Request<Action>,
    ) -> Result<Response<Self::DoActionStream>, Status> {
        self.0.do_action(request).await
    }

    async fn list_actions(
        &self,
        request: Request<Empty>,
    ) -> Result<Response<Self::ListActionsStream>, Status> {
        self.0.enter(request.metadata()).await?;
        let known: Vec<_> = actions::known().map(Ok).collect();
        Ok(Response::new(futures::stream::iter(known).boxed()))
    }
}
