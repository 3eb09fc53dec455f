//! Prepared statements: described, bound, run, closed.

use std::sync::Arc;
use std::time::Duration;

use arrow_flight::encode::FlightDataEncoderBuilder;
use arrow_flight::error::FlightError;
use arrow_flight::sql::{
    ActionClosePreparedStatementRequest, ActionCreatePreparedStatementRequest,
    ActionCreatePreparedStatementResult, Any, CommandPreparedStatementQuery, ProstMessageExt,
};
use arrow_flight::{FlightDescriptor, IpcMessage, Ticket};
use datafusion::arrow::array::{
    ArrayRef, AsArray as _, BooleanArray, Float64Array, Int32Array, Int64Array, StringArray,
    StringViewArray, TimestampMicrosecondArray,
};
use datafusion::arrow::datatypes::{DataType, Int64Type, Schema};
use datafusion::arrow::record_batch::RecordBatch;
use futures::TryStreamExt;
use prost::Message;
use tonic::{Code, Status};

use crate::server::{Answered, Caller, code, config, refused, serve_world, server, ticket};
use crate::support::world;

const BY_QUEUE: &str =
    "SELECT count(*) FROM queue_leg WHERE queue = $1 AND queue_duration_ms >= $2";

fn row(columns: Vec<ArrayRef>) -> RecordBatch {
    let named = columns.into_iter().enumerate().map(|(at, column)| (at.to_string(), column, true));
    RecordBatch::try_from_iter_with_nullable(named).unwrap()
}

async fn prepare(
    caller: &Caller,
    sql: &str,
) -> Result<ActionCreatePreparedStatementResult, Status> {
    let request =
        ActionCreatePreparedStatementRequest { query: sql.to_owned(), transaction_id: None };
    let body = request.as_any().encode_to_vec();
    let results = caller.action("CreatePreparedStatement", body).await?;
    Ok(Any::decode(&*results[0].body).unwrap().unpack().unwrap().unwrap())
}

fn command(handle: &bytes::Bytes) -> CommandPreparedStatementQuery {
    CommandPreparedStatementQuery { prepared_statement_handle: handle.clone() }
}

async fn bind(
    caller: &Caller,
    handle: &bytes::Bytes,
    rows: Vec<RecordBatch>,
) -> Result<(), Status> {
    let descriptor = FlightDescriptor::new_cmd(command(handle).as_any().encode_to_vec());
    let data = FlightDataEncoderBuilder::new()
        .with_schema(rows[0].schema())
        .with_flight_descriptor(Some(descriptor))
        .build(futures::stream::iter(rows.into_iter().map(Ok::<_, FlightError>)));
    let data: Vec<_> = data.try_collect().await.unwrap();
    let request = caller.request(futures::stream::iter(data));
    let mut results = caller.client.clone().do_put(request).await?.into_inner();
    assert!(results.message().await?.is_some(), "an answer to the binding");
    Ok(())
}

async fn run(caller: &Caller, handle: &bytes::Bytes) -> Result<Answered, Status> {
    caller.fetch(ticket(&caller.info_of(command(handle)).await?)).await
}

#[tokio::test]
async fn the_arrow_client_prepares_binds_runs_and_closes() {
    let server = server().await;
    let mut client = server.client("acme-analyst").await;
    let mut statement = client.prepare(BY_QUEUE.to_owned(), None).await.unwrap();
    let parameters = statement.parameter_schema().unwrap();
    let types: Vec<_> = parameters.fields().iter().map(|it| it.data_type().clone()).collect();
    assert_eq!(types, [DataType::Utf8, DataType::Int64]);
    assert_eq!(statement.dataset_schema().unwrap().field(0).data_type(), &DataType::Int64);
    for (queue, at_least, count) in [("sales", 0, 4), ("sales", 20_000, 2), ("support", 0, 2)] {
        let bound = row(vec![
            Arc::new(StringArray::from(vec![queue])),
            Arc::new(Int64Array::from(vec![at_least])),
        ]);
        statement.set_parameters(bound).unwrap();
        let info = statement.execute().await.unwrap();
        let rows = client.do_get(ticket(&info)).await.unwrap();
        let rows: Vec<RecordBatch> = rows.try_collect().await.unwrap();
        assert_eq!(rows[0].column(0).as_primitive::<Int64Type>().value(0), count, "{queue}");
    }
    statement.close().await.unwrap();
}

#[tokio::test]
async fn parameters_become_the_types_of_the_statement() {
    let server = server().await;
    let caller = server.caller("acme-analyst").await;
    let prepared = prepare(&caller, BY_QUEUE).await.unwrap();
    let handle = prepared.prepared_statement_handle;
    let bound = row(vec![
        Arc::new(StringViewArray::from(vec!["sales"])),
        Arc::new(Int32Array::from(vec![20_000])),
    ]);
    bind(&caller, &handle, vec![bound]).await.unwrap();
    assert_eq!(run(&caller, &handle).await.unwrap().number(), 2);
    // Without an info in between: some clients fetch the command itself.
    let fetched = Ticket::new(command(&handle).as_any().encode_to_vec());
    assert_eq!(caller.fetch(fetched).await.unwrap().number(), 2);
    // Nothing tells their types: they come as they are.
    let prepared = prepare(&caller, "SELECT $1 AS a, $2 AS b, $3 AS c, $4::bigint + 1 AS d");
    let handle = prepared.await.unwrap().prepared_statement_handle;
    let instant = TimestampMicrosecondArray::from(vec![1_700_000_000_000_000]).with_timezone("UTC");
    let columns: Vec<ArrayRef> = vec![
        Arc::new(BooleanArray::from(vec![true])),
        Arc::new(Float64Array::from(vec![None])),
        Arc::new(instant),
        Arc::new(Int64Array::from(vec![41])),
    ];
    bind(&caller, &handle, vec![row(columns.clone())]).await.unwrap();
    let rows = run(&caller, &handle).await.unwrap().rows;
    assert_eq!(rows.columns()[..3], columns[..3]);
    assert_eq!(rows.column(3).as_primitive::<Int64Type>().value(0), 42);
}

#[tokio::test]
async fn a_binding_that_does_not_fit_is_refused() {
    let server = server().await;
    let caller = server.caller("acme-analyst").await;
    let handle = prepare(&caller, BY_QUEUE).await.unwrap().prepared_statement_handle;
    let unbound = run(&caller, &handle).await.unwrap_err();
    assert_eq!((unbound.code(), code(&unbound)), (Code::InvalidArgument, "invalid_request"));
    assert!(unbound.message().contains("has 2, 0 were bound"), "{}", unbound.message());
    let text = |list: Vec<&str>| Arc::new(StringArray::from(list)) as ArrayRef;
    let number = |list: Vec<i64>| Arc::new(Int64Array::from(list)) as ArrayRef;
    let two = row(vec![text(vec!["sales", "support"]), number(vec![0, 0])]);
    let one = row(vec![text(vec!["sales"]), number(vec![0])]);
    for (rows, reason) in [
        (vec![row(vec![text(vec!["sales"])])], "has 2, 1 were bound"),
        (vec![two.clone()], "exactly one row"),
        (vec![one.clone(), one.clone()], "exactly one row"),
        (vec![two.slice(0, 0)], "exactly one row"),
        (vec![row(vec![text(vec!["sales"]), text(vec!["many"])])], "parameter $2"),
    ] {
        let status = bind(&caller, &handle, rows).await.unwrap_err();
        assert_eq!(status.code(), Code::InvalidArgument);
        assert!(status.message().contains(reason), "{}", status.message());
    }
    bind(&caller, &handle, vec![one]).await.unwrap();
    assert_eq!(run(&caller, &handle).await.unwrap().number(), 4);
    assert_eq!(refused(prepare(&caller, "SELECT * FROM nowhere").await), "unknown_table");
    assert_eq!(refused(prepare(&caller, "DELETE FROM queue_leg").await), "not_allowed");
}

#[tokio::test]
async fn a_statement_is_its_owners_until_it_is_closed() {
    let server = server().await;
    let caller = server.caller("acme-analyst").await;
    let prepared = prepare(&caller, "SELECT count(*) FROM queue_leg").await.unwrap();
    let handle = prepared.prepared_statement_handle;
    let parameters = Schema::try_from(IpcMessage(prepared.parameter_schema)).unwrap();
    assert_eq!(parameters.fields().len(), 0);
    assert_eq!(run(&caller, &handle).await.unwrap().number(), 7);
    let close = ActionClosePreparedStatementRequest { prepared_statement_handle: handle.clone() };
    let close = close.as_any().encode_to_vec();
    for stranger in ["globex-analyst", "acme-auditor"] {
        let stranger = server.caller(stranger).await;
        assert_eq!(refused(run(&stranger, &handle).await), "unknown_statement");
        stranger.action("ClosePreparedStatement", close.clone()).await.unwrap();
    }
    assert_eq!(run(&caller, &handle).await.unwrap().number(), 7, "strangers close nothing");
    caller.action("ClosePreparedStatement", close).await.unwrap();
    assert_eq!(refused(run(&caller, &handle).await), "unknown_statement");
    assert_eq!(refused(run(&caller, &vec![1, 2, 3].into()).await), "unknown_statement");
}

#[tokio::test]
async fn a_principal_has_a_bounded_number_of_statements_and_they_end() {
    let server = server().await;
    let caller = server.caller("acme-analyst").await;
    for _ in 0..256 {
        prepare(&caller, "SELECT 1").await.unwrap();
    }
    let status = prepare(&caller, "SELECT 1").await.unwrap_err();
    assert_eq!((status.code(), code(&status)), (Code::ResourceExhausted, "too_many_statements"));
    prepare(&server.caller("acme-auditor").await, "SELECT 1").await.unwrap();
    let world = world();
    let (state, mut config) = (world.state.clone(), config());
    config.session_idle = Duration::ZERO;
    let server = serve_world(world, state, config).await;
    let caller = server.caller("acme-analyst").await;
    let handle = prepare(&caller, "SELECT 1").await.unwrap().prepared_statement_handle;
    assert_eq!(refused(run(&caller, &handle).await), "unknown_statement");
}
