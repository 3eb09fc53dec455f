//! A server on a port of the system's choice, and what calls it.

use std::net::SocketAddr;

use arrow_flight::decode::FlightRecordBatchStream;
use arrow_flight::error::FlightError;
use arrow_flight::flight_service_client::FlightServiceClient;
use arrow_flight::sql::client::FlightSqlServiceClient;
use arrow_flight::sql::{CommandStatementQuery, ProstMessageExt};
use arrow_flight::{Action, FlightDescriptor, FlightInfo, Ticket};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use datafusion::arrow::array::AsArray as _;
use datafusion::arrow::compute::concat_batches;
use datafusion::arrow::datatypes::{Int64Type, SchemaRef};
use datafusion::arrow::record_batch::RecordBatch;
use futures::TryStreamExt;
use ledgerline_analyzer_api::flight::{Config, serve};
use ledgerline_analyzer_api::{AnalyzerState, Limits};
use prost::Message;
use tokio_util::sync::CancellationToken;
use tonic::metadata::MetadataMap;
use tonic::transport::{Channel, Endpoint};
use tonic::{Request, Status};

use crate::support::{PASSWORD, World, world_with};

/// A running door.
pub(crate) struct Server {
    pub(crate) world: World,
    pub(crate) address: SocketAddr,
    shutdown: CancellationToken,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.shutdown.cancel();
    }
}

pub(crate) fn config() -> Config {
    Config::at("127.0.0.1:0".parse().unwrap())
}

pub(crate) async fn server() -> Server {
    server_with(Limits::default()).await
}

pub(crate) async fn server_with(limits: Limits) -> Server {
    let world = world_with(limits);
    let state = world.state.clone();
    serve_world(world, state, config()).await
}

/// Serves a state; the world is kept as long as the server.
pub(crate) async fn serve_world(world: World, state: AnalyzerState, config: Config) -> Server {
    let shutdown = CancellationToken::new();
    let (address, _task) = serve(config, state, shutdown.clone()).await.unwrap();
    Server { world, address, shutdown }
}

impl Server {
    pub(crate) async fn channel(&self) -> Channel {
        let endpoint = Endpoint::from_shared(format!("http://{}", self.address)).unwrap();
        endpoint.connect().await.unwrap()
    }

    /// The Arrow project's client, logged in.
    pub(crate) async fn client(&self, user: &str) -> FlightSqlServiceClient<Channel> {
        let mut client = FlightSqlServiceClient::new(self.channel().await);
        client.handshake(user, PASSWORD).await.unwrap();
        client
    }

    /// Calls with a bearer token.
    pub(crate) async fn caller(&self, token: &str) -> Caller {
        self.caller_with(&format!("Bearer {token}")).await
    }

    pub(crate) async fn caller_with(&self, authorization: &str) -> Caller {
        let client = FlightServiceClient::new(self.channel().await);
        Caller { client, authorization: authorization.to_owned() }
    }
}

/// Name and password as a header has them.
pub(crate) fn basic(user: &str, password: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{user}:{password}")))
}

/// The stable code of a refusal.
pub(crate) fn code(status: &Status) -> &str {
    status.metadata().get("ledgerline-code").map_or("", |code| code.to_str().unwrap())
}

/// The code of an outcome that has to be a refusal.
pub(crate) fn refused<T>(outcome: Result<T, Status>) -> String {
    match outcome {
        Ok(_) => panic!("it was answered"),
        Err(status) => code(&status).to_owned(),
    }
}

/// A whole answer.
#[derive(Debug)]
pub(crate) struct Answered {
    pub(crate) metadata: MetadataMap,
    pub(crate) schema: SchemaRef,
    pub(crate) rows: RecordBatch,
}

impl Answered {
    /// The position in the answer's header.
    pub(crate) fn position(&self) -> u64 {
        self.metadata.get("ledgerline-position").unwrap().to_str().unwrap().parse().unwrap()
    }

    /// The one number of an answer of one.
    pub(crate) fn number(&self) -> i64 {
        assert_eq!((self.rows.num_rows(), self.rows.num_columns()), (1, 1));
        self.rows.column(0).as_primitive::<Int64Type>().value(0)
    }
}

/// Calls one by one, with their statuses as they come.
#[derive(Clone)]
pub(crate) struct Caller {
    pub(crate) client: FlightServiceClient<Channel>,
    authorization: String,
}

impl Caller {
    pub(crate) fn request<T>(&self, content: T) -> Request<T> {
        let mut request = Request::new(content);
        if !self.authorization.is_empty() {
            let header = self.authorization.parse().unwrap();
            request.metadata_mut().insert("authorization", header);
        }
        request
    }

    pub(crate) async fn info_of(
        &self,
        command: impl ProstMessageExt,
    ) -> Result<FlightInfo, Status> {
        let descriptor = FlightDescriptor::new_cmd(command.as_any().encode_to_vec());
        let request = self.request(descriptor);
        Ok(self.client.clone().get_flight_info(request).await?.into_inner())
    }

    pub(crate) async fn info(&self, sql: &str) -> Result<FlightInfo, Status> {
        let query = CommandStatementQuery { query: sql.to_owned(), transaction_id: None };
        self.info_of(query).await
    }

    pub(crate) async fn fetch(&self, ticket: Ticket) -> Result<Answered, Status> {
        let response = self.client.clone().do_get(self.request(ticket)).await?;
        let (metadata, stream, _) = response.into_parts();
        let mut stream =
            FlightRecordBatchStream::new_from_flight_data(stream.map_err(FlightError::from));
        let mut batches = Vec::new();
        while let Some(batch) = stream.try_next().await.map_err(Status::from)? {
            batches.push(batch);
        }
        let schema = stream.schema().expect("a schema comes first").clone();
        let rows = concat_batches(&schema, &batches).unwrap();
        Ok(Answered { metadata, schema, rows })
    }

    pub(crate) async fn ask(&self, sql: &str) -> Result<Answered, Status> {
        self.fetch(ticket(&self.info(sql).await?)).await
    }

    pub(crate) async fn action(
        &self,
        name: &str,
        body: impl Into<bytes::Bytes>,
    ) -> Result<Vec<arrow_flight::Result>, Status> {
        let request = self.request(Action::new(name, body));
        self.client.clone().do_action(request).await?.into_inner().try_collect().await
    }
}

/// The one ticket of an info.
pub(crate) fn ticket(info: &FlightInfo) -> Ticket {
    assert_eq!(info.endpoint.len(), 1);
    info.endpoint[0].ticket.clone().unwrap()
}
