//! Answers: the same as at the HTTP door, as they were announced, within the same bounds.

use std::time::Duration;

use arrow_flight::sql::{CommandStatementQuery, CommandStatementUpdate, ProstMessageExt};
use arrow_flight::{FlightDescriptor, FlightInfo};
use axum::body::Body;
use axum::http::Request;
use datafusion::arrow::array::AsArray as _;
use datafusion::arrow::compute::concat_batches;
use datafusion::arrow::datatypes::{DataType, Schema};
use datafusion::arrow::ipc::reader::StreamReader;
use datafusion::arrow::ipc::writer::StreamWriter;
use datafusion::arrow::record_batch::RecordBatch;
use http_body_util::BodyExt;
use ledgerline_analyzer_api::{Limits, router};
use ledgerline_schemas::Event;
use prost::Message;
use tonic::Code;
use tower::ServiceExt;

use crate::server::{code, refused, server, server_with, ticket};
use crate::support::{ACME, World};

/// The rows that the HTTP door gives.
async fn over_http(world: &World, token: &str, sql: &str) -> RecordBatch {
    let request = Request::post("/v1/sql")
        .header("content-type", "application/sql")
        .header("accept", "application/vnd.apache.arrow.stream")
        .header("authorization", format!("Bearer {token}"))
        .body(Body::from(sql.to_owned()))
        .unwrap();
    let response = router(world.state.clone()).oneshot(request).await.unwrap();
    assert_eq!(response.status(), 200, "{sql}");
    let body = response.into_body().collect().await.unwrap().to_bytes();
    let reader = StreamReader::try_new(body.as_ref(), None).unwrap();
    let schema = reader.schema();
    let batches: Vec<_> = reader.map(Result::unwrap).collect();
    concat_batches(&schema, &batches).unwrap()
}

fn ipc(rows: &RecordBatch) -> Vec<u8> {
    let mut writer = StreamWriter::try_new(Vec::new(), &rows.schema()).unwrap();
    writer.write(rows).unwrap();
    writer.finish().unwrap();
    writer.into_inner().unwrap()
}

#[tokio::test]
async fn answers_are_those_of_the_http_door_byte_for_byte() {
    let server = server().await;
    for sql in [
        "SELECT * FROM queue_leg ORDER BY leg_id",
        "SELECT queue, count(*), avg(queue_duration_ms), min(entered_at) FROM queue_leg \
         GROUP BY queue ORDER BY queue",
        "SELECT leg_id FROM queue_leg WHERE false",
        "SELECT 1 AS one, NULL AS nothing, 0.5 AS half, true AS yes",
        "SELECT queue, sl_of_answered(outcome, queue_duration_ms, threshold_ms) FROM queue_leg \
         GROUP BY 1 ORDER BY 1",
        "SELECT table_name, column_name, is_nullable FROM information_schema.columns \
         WHERE table_schema = 'public' ORDER BY 1, 2",
        "EXPLAIN SELECT count(*) FROM queue_leg",
    ] {
        for token in ["acme-analyst", "globex-auditor"] {
            let http = over_http(&server.world, token, sql).await;
            let flight = server.caller(token).await.ask(sql).await.unwrap();
            assert_eq!(ipc(&flight.rows), ipc(&http), "{sql}");
            assert_eq!(flight.position(), 42);
        }
    }
}

#[tokio::test]
async fn what_is_announced_is_what_comes_and_in_types_every_client_knows() {
    let server = server().await;
    let caller = server.caller("acme-analyst").await;
    for sql in [
        "SELECT queue::varchar AS queue, arrow_cast(outcome, 'Dictionary(Int32, Utf8)') AS outcome \
         FROM queue_leg ORDER BY leg_id",
        "SELECT arrow_cast(queue, 'Utf8View') AS queue FROM queue_leg",
        "SELECT array_agg(arrow_cast(queue, 'Utf8View')) AS queues FROM queue_leg",
        "SELECT leg_id FROM queue_leg WHERE false",
    ] {
        let info = caller.info(sql).await.unwrap();
        let announced: Schema = info.clone().try_decode_schema().unwrap();
        let answered = caller.fetch(ticket(&info)).await.unwrap();
        assert_eq!(*answered.schema, announced, "{sql}");
        let text = format!("{announced:?}");
        assert!(!text.contains("View") && !text.contains("Dictionary"), "{text}");
        let query = CommandStatementQuery { query: sql.to_owned(), transaction_id: None };
        let descriptor = FlightDescriptor::new_cmd(query.as_any().encode_to_vec());
        let told = caller.client.clone().get_schema(caller.request(descriptor.clone())).await;
        assert_eq!(Schema::try_from(told.unwrap().into_inner()).unwrap(), announced);
        let polled = caller.client.clone().poll_flight_info(caller.request(descriptor)).await;
        let polled = polled.unwrap().into_inner();
        assert!(polled.flight_descriptor.is_none(), "there is nothing to wait for");
        let polled: FlightInfo = polled.info.unwrap();
        assert_eq!(polled.try_decode_schema().unwrap(), announced);
    }
    let texts = "SELECT arrow_cast(queue, 'Utf8View') AS queue FROM queue_leg ORDER BY leg_id";
    let answered = caller.ask(texts).await.unwrap();
    assert_eq!(answered.schema.field(0).data_type(), &DataType::Utf8);
    assert_eq!(answered.rows.column(0).as_string::<i32>().value(6), "support");
}

#[tokio::test]
async fn the_position_and_the_number_of_the_ticket_are_told() {
    let server = server().await;
    let caller = server.caller("acme-analyst").await;
    let info = caller.info("SELECT 1").await.unwrap();
    assert_eq!(info.app_metadata.as_ref(), br#"{"as_of_position":42}"#);
    assert_eq!((info.total_records, info.total_bytes, info.ordered), (-1, -1, true));
    assert!(info.endpoint[0].location.is_empty(), "the same server");
    assert!(info.endpoint[0].expiration_time.is_some_and(|it| it.seconds > 1_700_000_000));
}

#[tokio::test]
async fn large_answers_come_in_messages_below_the_usual_limit() {
    let server = server().await;
    let caller = server.caller("acme-analyst").await;
    // The client takes messages up to 4 MiB, as clients do.
    let sql = "SELECT value, repeat('x', 1000) AS text FROM generate_series(1, 20000) ORDER BY 1";
    let answered = caller.ask(sql).await.unwrap();
    assert_eq!(answered.rows.num_rows(), 20_000);
    let info = caller.info(sql).await.unwrap();
    let stream = caller.client.clone().do_get(caller.request(ticket(&info))).await.unwrap();
    let mut stream = stream.into_inner();
    let mut messages = 0;
    while let Some(message) = stream.message().await.unwrap() {
        assert!(message.encoded_len() < 4 << 20, "{} bytes", message.encoded_len());
        messages += 1;
    }
    assert!(messages > 5, "{messages} messages");
}

#[tokio::test]
async fn refusals_have_a_status_and_the_stable_code() {
    let server = server().await;
    let caller = server.caller("acme-analyst").await;
    for (sql, status, stable) in [
        ("SELECT nothing FROM queue_leg", Code::InvalidArgument, "unknown_column"),
        ("SELECT * FROM nowhere", Code::InvalidArgument, "unknown_table"),
        ("SELECT * FROM event_log", Code::InvalidArgument, "unknown_table"),
        ("SELEC 1", Code::InvalidArgument, "syntax_error"),
        ("DROP TABLE queue_leg", Code::PermissionDenied, "not_allowed"),
        ("SELECT 1; SELECT 2", Code::Unimplemented, "not_supported"),
        (
            "SELECT 1 / (value - 1) FROM generate_series(1, 2)",
            Code::InvalidArgument,
            "invalid_value",
        ),
    ] {
        let refused = caller.ask(sql).await.unwrap_err();
        assert_eq!((refused.code(), code(&refused)), (status, stable), "{sql}: {refused}");
    }
    let outcomes: Vec<(String, String)> = server
        .world
        .access_events(ACME)
        .iter()
        .filter_map(|event| match event {
            Event::AccessQueryRun(run) => Some((run.door.clone(), run.outcome.clone())),
            _ => None,
        })
        .collect();
    let expected = [
        "unknown_column",
        "unknown_table",
        "unknown_table",
        "syntax_error",
        "not_supported",
        "invalid_value",
    ];
    let flight = |outcome: &&str| ("flight_sql".to_owned(), (*outcome).to_owned());
    let recorded: Vec<_> =
        outcomes.into_iter().filter(|(_, outcome)| outcome != "not_allowed").collect();
    assert_eq!(recorded, expected.iter().map(flight).collect::<Vec<_>>());
}

#[tokio::test]
async fn every_answer_is_an_event_with_its_rows_before_it_is_whole() {
    let server = server().await;
    server.caller("acme-analyst").await.ask("SELECT * FROM queue_leg").await.unwrap();
    let events = server.world.access_events(ACME);
    let [Event::AccessQueryRun(run)] = events.as_slice() else { panic!("{events:?}") };
    assert_eq!((run.principal.as_str(), run.door.as_str()), ("acme-analyst", "flight_sql"));
    assert_eq!((run.rows, run.as_of_position.0, run.outcome.as_str()), (7, 42, "ok"));
}

#[tokio::test]
async fn organizations_see_their_own_rows_only() {
    let server = server().await;
    for (token, own, foreign) in
        [("acme-analyst", "acme-%", "globex-%"), ("globex-auditor", "globex-%", "acme-%")]
    {
        let caller = server.caller(token).await;
        let count = |tag: &str| format!("SELECT count(*) FROM queue_leg WHERE leg_id LIKE '{tag}'");
        assert!(caller.ask(&count(own)).await.unwrap().number() > 0);
        assert_eq!(caller.ask(&count(foreign)).await.unwrap().number(), 0);
    }
}

#[tokio::test]
async fn the_governor_bounds_rows_bytes_memory_and_time() {
    let many = "SELECT value FROM generate_series(1, 1000000)";
    let endless = "SELECT sum(a.value * b.value) FROM generate_series(1, 10000000) a, \
                   generate_series(1, 10000000) b";
    let with = |change: fn(&mut Limits)| {
        let mut limits = Limits::default();
        change(&mut limits);
        limits
    };
    for (limits, sql, status, stable) in [
        (with(|it| it.rows_max = 10), many, Code::ResourceExhausted, "too_many_rows"),
        (with(|it| it.bytes_max = 1_000), many, Code::ResourceExhausted, "too_many_bytes"),
        (
            with(|it| it.deadline = Duration::from_millis(50)),
            endless,
            Code::DeadlineExceeded,
            "deadline_exceeded",
        ),
    ] {
        let server = server_with(limits).await;
        let refused = server.caller("acme-analyst").await.ask(sql).await.unwrap_err();
        assert_eq!((refused.code(), code(&refused)), (status, stable), "{refused}");
    }
}

/// What would change something, or is not there, is refused by name.
#[tokio::test]
async fn updates_transactions_and_substrait_are_refused() {
    let server = server().await;
    let caller = server.caller("acme-analyst").await;
    let mut client = server.client("acme-analyst").await;
    let error = client.begin_transaction().await.unwrap_err().to_string();
    assert!(error.contains("a transaction is not supported"), "{error}");
    let error = client.execute_update("DELETE FROM queue_leg".to_owned(), None).await;
    let error = error.unwrap_err().to_string();
    assert!(error.contains("an update is not allowed"), "{error}");
    let within = CommandStatementQuery {
        query: "SELECT 1".to_owned(),
        transaction_id: Some(vec![1].into()),
    };
    assert_eq!(refused(caller.info_of(within).await), "not_supported");
    let update = CommandStatementUpdate { query: "SELECT 1".to_owned(), transaction_id: None };
    assert_eq!(refused(caller.info_of(update).await), "not_supported");
    let plan = arrow_flight::sql::CommandStatementSubstraitPlan::default();
    assert_eq!(refused(caller.info_of(plan).await), "not_supported");
    assert_eq!(refused(caller.action("RenewFlightEndpoint", Vec::new()).await), "not_supported");
    let listed = client.inner_mut().list_actions(caller.request(arrow_flight::Empty {})).await;
    let mut listed = listed.unwrap().into_inner();
    let mut names = Vec::new();
    while let Some(action) = listed.message().await.unwrap() {
        names.push(action.r#type);
    }
    let expected = [
        "CreatePreparedStatement",
        "ClosePreparedStatement",
        "CancelQuery",
        "CancelFlightInfo",
        "CloseSession",
    ];
    assert_eq!(names, expected, "only what works is listed");
}
