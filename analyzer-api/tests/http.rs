//! The HTTP door: formats, refusals, isolation, limits, access events.
//!
//! Longer than 500 lines: all that one address answers and refuses.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that cannot go on should stop where it is"
)]

mod support;

use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderMap, Request, StatusCode};
use bytes::Bytes;
use datafusion::arrow::array::{AsArray as _, RecordBatchReader as _};
use datafusion::arrow::datatypes::Int64Type;
use datafusion::arrow::ipc::reader::StreamReader;
use http_body_util::BodyExt;
use ledgerline_analyzer_api::{Limits, router};
use ledgerline_event_store::EventReader as _;
use ledgerline_schemas::Event;
use parquet::arrow::arrow_reader::{ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder};
use serde_json::{Value, json};
use support::{ACME, GLOBEX, World, world, world_with};
use tower::ServiceExt;

struct Reply {
    status: StatusCode,
    headers: HeaderMap,
    body: Vec<u8>,
}

impl Reply {
    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("not JSON: {}", self.text()))
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
}

async fn send(world: &World, request: Request<Body>) -> Reply {
    let response = router(world.state.clone()).oneshot(request).await.unwrap();
    let (parts, body) = response.into_parts();
    let body = body.collect().await.unwrap().to_bytes().to_vec();
    Reply { status: parts.status, headers: parts.headers, body }
}

async fn post(world: &World, token: &str, accept: &str, body: Value) -> Reply {
    let mut request = Request::post("/v1/sql").header("content-type", "application/json");
    if !token.is_empty() {
        request = request.header("authorization", format!("Bearer {token}"));
    }
    if !accept.is_empty() {
        request = request.header("accept", accept);
    }
    send(world, request.body(Body::from(body.to_string())).unwrap()).await
}

async fn ask(world: &World, token: &str, sql: &str) -> Reply {
    post(world, token, "", json!({ "sql": sql })).await
}

#[tokio::test]
async fn json_has_position_columns_and_rows() {
    let world = world();
    let sql = "SELECT leg_id, queue_duration_ms, entered_at, outcome = 'open' AS open \
               FROM queue_leg ORDER BY leg_id DESC LIMIT 2";
    let reply = ask(&world, "acme-analyst", sql).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    assert_eq!(reply.header("ledgerline-position"), "42");
    let body = reply.json();
    assert_eq!(body["as_of_position"], 42);
    assert_eq!(body["row_count"], 2);
    assert_eq!(body["columns"][1]["name"], "queue_duration_ms");
    assert_eq!(
        body["rows"],
        json!([
            {"leg_id": "acme-6", "queue_duration_ms": null, "open": true,
             "entered_at": "2023-11-14T22:13:20.000006Z"},
            {"leg_id": "acme-5", "queue_duration_ms": 1000, "open": false,
             "entered_at": "2023-11-14T22:13:20.000005Z"},
        ])
    );
}

#[tokio::test]
async fn an_empty_answer_is_whole_in_every_format() {
    let world = world();
    let sql = json!({ "sql": "SELECT leg_id FROM queue_leg WHERE false" });
    let token = "acme-analyst";
    let reply = post(&world, token, "", sql.clone()).await;
    assert_eq!(reply.json()["rows"], json!([]));
    let reply = post(&world, token, "text/csv", sql.clone()).await;
    assert_eq!(reply.text(), "leg_id\r\n");
    let reply = post(&world, token, "application/x-ndjson", sql.clone()).await;
    assert_eq!(reply.text(), "");
    let reply = post(&world, token, "application/vnd.apache.arrow.stream", sql).await;
    let reader = StreamReader::try_new(reply.body.as_slice(), None).unwrap();
    assert_eq!(reader.schema().field(0).name(), "leg_id");
    assert_eq!(reader.count(), 0);
}

#[tokio::test]
async fn csv_ndjson_arrow_and_parquet_carry_the_same_rows() {
    let world = world();
    let sql = "SELECT leg_id, queue_duration_ms FROM queue_leg ORDER BY leg_id LIMIT 3 OFFSET 4";
    let token = "acme-analyst";
    let reply = post(&world, token, "text/csv", json!({ "sql": sql })).await;
    assert_eq!(
        reply.text(),
        "leg_id,queue_duration_ms\r\nacme-4,90000\r\nacme-5,1000\r\nacme-6,\r\n"
    );
    let reply = post(&world, token, "", json!({ "sql": sql, "format": "ndjson" })).await;
    assert_eq!(reply.header("content-type"), "application/x-ndjson");
    let text = reply.text();
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines[2], json!({ "leg_id": "acme-6", "queue_duration_ms": null }));
    let reply = post(&world, token, "", json!({ "sql": sql, "format": "arrow" })).await;
    let reader = StreamReader::try_new(reply.body.as_slice(), None).unwrap();
    let rows: usize = reader.map(|batch| batch.unwrap().num_rows()).sum();
    assert_eq!(rows, 3);
    let reply = post(&world, token, "application/vnd.apache.parquet", json!({ "sql": sql })).await;
    assert_eq!(reply.header("content-type"), "application/vnd.apache.parquet");
    let reader = ParquetRecordBatchReader::try_new(Bytes::from(reply.body), 1_024).unwrap();
    let rows: Vec<_> = reader.map(Result::unwrap).collect();
    let waits = rows[0].column(1).as_primitive::<Int64Type>();
    assert_eq!(waits.iter().collect::<Vec<_>>(), [Some(90_000), Some(1_000), None]);
}

/// Several row groups: each goes out while the next is made.
#[tokio::test]
async fn a_long_answer_is_a_whole_parquet_file() {
    let world = world();
    let sql = "SELECT value, value * 7919 % 1000003 AS mixed, md5(value::text) AS text \
               FROM generate_series(1, 600000)";
    let body = json!({ "sql": sql, "format": "parquet" });
    let reply = post(&world, "acme-analyst", "", body).await;
    let builder = ParquetRecordBatchReaderBuilder::try_new(Bytes::from(reply.body)).unwrap();
    assert!(builder.metadata().num_row_groups() > 1);
    let sum: i64 = builder
        .build()
        .unwrap()
        .map(|batch| {
            batch.unwrap().column(0).as_primitive::<Int64Type>().values().iter().sum::<i64>()
        })
        .sum();
    assert_eq!(sum, 600_000 * 600_001 / 2);
    let nothing = json!({ "sql": "SELECT 1 AS one WHERE false", "format": "parquet" });
    let reply = post(&world, "acme-analyst", "", nothing).await;
    let mut reader = ParquetRecordBatchReader::try_new(Bytes::from(reply.body), 8).unwrap();
    assert_eq!(reader.schema().field(0).name(), "one");
    assert!(reader.next().is_none());
}

#[tokio::test]
async fn parameters_are_values_not_text() {
    let world = world();
    let body = json!({
        "sql": "SELECT count(*) FROM queue_leg WHERE outcome = $1 AND queue_duration_ms >= $2",
        "params": ["abandoned", 5000],
    });
    assert_eq!(post(&world, "acme-analyst", "", body).await.json()["rows"][0]["count"], 2);
    let body = json!({
        "sql": "SELECT count(*) FROM queue_leg WHERE outcome = $1",
        "params": ["x' OR 'a'='a"],
    });
    assert_eq!(post(&world, "acme-analyst", "", body).await.json()["rows"][0]["count"], 0);
}

#[tokio::test]
async fn organizations_do_not_see_each_other() {
    let world = world();
    for (token, count, queue) in
        [("acme-analyst", 7, "sales"), ("globex-analyst", 2, "globex-desk")]
    {
        let sql = "SELECT count(*) AS n, min(leg_id) AS first FROM queue_leg";
        let body = ask(&world, token, sql).await.json();
        assert_eq!(body["rows"][0]["n"], count);
        let sql = "WITH q AS (SELECT DISTINCT queue FROM public.queue_leg) \
                   SELECT queue FROM q UNION SELECT queue FROM queue_leg ORDER BY 1";
        let body = ask(&world, token, sql).await.json();
        assert_eq!(body["rows"].as_array().unwrap().last().map(|_| ()), Some(()));
        assert!(body["rows"].to_string().contains(queue));
        let other = if token.starts_with("acme") { "globex" } else { "sales" };
        assert!(!body["rows"].to_string().contains(other), "{body}");
    }
    let elsewhere = "SELECT * FROM globex.public.queue_leg";
    assert_eq!(ask(&world, "acme-analyst", elsewhere).await.json()["code"], "unknown_table");
}

/// What must be refused, by what it would do.
#[tokio::test]
async fn the_refusals() {
    let world = world();
    let file = world.dir.path().join("globex.parquet");
    let direct = format!("SELECT * FROM '{}'", file.display());
    for (sql, status, code) in [
        ("", 400, "not_supported"),
        ("SELEC 1", 400, "syntax_error"),
        ("SELECT 1; SELECT 2", 400, "not_supported"),
        ("INSERT INTO queue_leg VALUES (1)", 403, "not_allowed"),
        ("UPDATE queue_leg SET outcome = 'x'", 403, "not_allowed"),
        ("DELETE FROM queue_leg", 403, "not_allowed"),
        ("DROP TABLE queue_leg", 403, "not_allowed"),
        ("CREATE TABLE t AS SELECT 1", 403, "not_allowed"),
        ("CREATE VIEW v AS SELECT 1", 403, "not_allowed"),
        ("SELECT 1 INTO t", 403, "not_allowed"),
        ("COPY queue_leg TO '/tmp/out.csv'", 403, "not_allowed"),
        ("COPY (SELECT 1) TO '/tmp/out.csv'", 403, "not_allowed"),
        ("SET datafusion.runtime.memory_limit = '64G'", 403, "not_allowed"),
        ("SET search_path = x", 403, "not_allowed"),
        ("BEGIN", 403, "not_allowed"),
        ("PREPARE p AS SELECT 1", 403, "not_allowed"),
        ("EXPLAIN ANALYZE SELECT 1", 403, "not_allowed"),
        ("EXPLAIN DELETE FROM queue_leg", 403, "not_allowed"),
        ("SELECT * FROM queue_leg TABLESAMPLE BERNOULLI (1)", 400, "not_supported"),
        ("SELECT * FROM queue_leg FOR UPDATE", 400, "not_supported"),
        ("SELECT * FROM (SELECT * FROM queue_leg FOR SHARE) x", 400, "not_supported"),
        ("SELECT 1 FETCH FIRST 1 ROWS WITH TIES", 400, "not_supported"),
        ("SELECT * FROM read_csv('/etc/passwd')", 400, "unknown_function"),
        ("SELECT * FROM '/etc/passwd'", 400, "unknown_table"),
        (direct.as_str(), 400, "unknown_table"),
        ("SELECT * FROM \"/etc/passwd\"", 400, "unknown_table"),
        ("SELECT nothing FROM queue_leg", 400, "unknown_column"),
        ("SELECT * FROM nowhere", 400, "unknown_table"),
        ("SELECT no_such_function(1)", 400, "unknown_function"),
        ("SELECT (SELECT leg_id FROM queue_leg)", 400, "invalid_value"),
        ("SELECT 1 / 0", 400, "invalid_value"),
    ] {
        let reply = ask(&world, "acme-analyst", sql).await;
        let body = reply.json();
        assert_eq!((reply.status.as_u16(), &body["code"]), (status, &json!(code)), "{sql}: {body}");
        assert_eq!(reply.header("content-type"), "application/problem+json");
        assert_eq!(body["status"], status, "{sql}");
        assert!(body["detail"].as_str().is_some_and(|text| !text.is_empty()), "{sql}");
    }
}

#[tokio::test]
async fn a_version_of_a_table_is_never_ignored() {
    let world = world();
    for clause in
        ["FOR SYSTEM_TIME AS OF '2024-01-01'", "VERSION AS OF 3", "TIMESTAMP AS OF '2024-01-01'"]
    {
        let reply = ask(&world, "acme-analyst", &format!("SELECT * FROM queue_leg {clause}")).await;
        assert_eq!(reply.status, 400, "{clause}: {}", reply.text());
    }
}

#[tokio::test]
async fn errors_name_the_place_and_the_columns() {
    let world = world();
    let body = ask(&world, "acme-analyst", "SELECT leg_id,\n  FROM WHERE").await.json();
    assert_eq!(body["line"], 2, "{body}");
    let body = ask(&world, "acme-analyst", "SELECT outcom FROM queue_leg").await.json();
    assert!(body["detail"].as_str().unwrap().contains("outcome"), "{body}");
}

#[tokio::test]
async fn who_may_ask() {
    let world = world();
    assert_eq!(ask(&world, "", "SELECT 1").await.status, 401);
    let reply = ask(&world, "forged", "SELECT 1").await;
    assert_eq!((reply.status.as_u16(), reply.header("www-authenticate")), (401, "Bearer"));
    assert_eq!(ask(&world, "acme-agent", "SELECT 1").await.status, 403);
    for role in ["analyst", "auditor", "supervisor", "administrator"] {
        assert_eq!(ask(&world, &format!("acme-{role}"), "SELECT 1").await.status, 200, "{role}");
    }
    let log = "SELECT event_type FROM event_log";
    assert_eq!(ask(&world, "acme-analyst", log).await.json()["code"], "unknown_table");
    assert_eq!(ask(&world, "acme-auditor", log).await.status, 200);
    let measured = "EXPLAIN ANALYZE SELECT count(*) FROM queue_leg";
    assert_eq!(ask(&world, "acme-administrator", measured).await.status, 200);
}

#[tokio::test]
async fn every_question_is_an_event_of_its_own_organization() {
    let world = world();
    ask(&world, "acme-analyst", "SELECT leg_id FROM queue_leg").await;
    ask(&world, "acme-analyst", "SELECT nothing FROM queue_leg").await;
    ask(&world, "acme-agent", "SELECT 1").await;
    let events = world.access_events(ACME);
    let runs: Vec<_> = events
        .iter()
        .filter_map(|event| match event {
            Event::AccessQueryRun(run) => Some(run),
            _ => None,
        })
        .collect();
    assert_eq!((runs[0].outcome.as_str(), runs[0].rows), ("ok", 7));
    assert_eq!((runs[0].door.as_str(), runs[0].principal.as_str()), ("http", "acme-analyst"));
    assert_eq!(runs[0].as_of_position.0, 42);
    assert_eq!(runs[0].sql_sha256.len(), 64);
    assert_eq!((runs[1].outcome.as_str(), runs[1].rows), ("unknown_column", 0));
    assert!(events.iter().any(|event| matches!(event, Event::AccessDenied(denied)
        if denied.principal == "acme-agent" && denied.action == "sql_query")));
    assert!(world.access_events(GLOBEX).is_empty());
}

#[tokio::test]
async fn the_governor_ends_what_is_too_much() {
    let limits = Limits { rows_max: 5, ..Limits::default() };
    let reply = ask(&world_with(limits), "acme-analyst", "SELECT * FROM queue_leg").await;
    assert!(reply.text().contains("too_many_rows"), "{}", reply.text());

    let limits = Limits { bytes_max: 64, ..Limits::default() };
    let reply = ask(&world_with(limits), "acme-analyst", "SELECT * FROM queue_leg").await;
    assert!(reply.text().contains("too_many_bytes"), "{}", reply.text());

    let limits = Limits { deadline: Duration::from_millis(50), ..Limits::default() };
    let world = world_with(limits);
    let sql = "SELECT sum(a.value * b.value) FROM generate_series(1, 1000000) a, generate_series(1, 1000000) b";
    let reply = ask(&world, "acme-analyst", sql).await;
    assert_eq!((reply.status.as_u16(), &reply.json()["code"]), (504, &json!("deadline_exceeded")));
    let events = world.access_events(ACME);
    assert!(matches!(&events[0], Event::AccessQueryRun(run) if run.outcome == "deadline_exceeded"));

    let limits =
        Limits { query_memory_bytes: 1 << 20, spill_bytes_max: 1 << 10, ..Limits::default() };
    let sql = "SELECT value FROM generate_series(1, 3000000) ORDER BY value DESC";
    let reply = ask(&world_with(limits), "acme-analyst", sql).await;
    assert!(reply.text().contains("out_of_memory"), "{}", reply.text());
}

/// With one thread to compute on, a question that was stopped and goes on leaves none for the next one.
#[tokio::test]
async fn a_stopped_join_gives_its_thread_back() {
    let world = world_with(Limits { threads: 1, ..Limits::default() });
    for sql in [
        "SELECT count(*) FROM generate_series(1, 1000000) a, generate_series(1, 1000000) b",
        "SELECT count(*) FROM generate_series(1, 3000000) a(x) JOIN generate_series(1, 3000000) b(y) ON x % 2 = y % 2",
    ] {
        let body = json!({ "sql": sql, "timeout_ms": 100 });
        let reply = post(&world, "acme-analyst", "", body).await;
        assert_eq!(reply.json()["code"], "deadline_exceeded", "{sql}: {}", reply.text());
        let body = json!({ "sql": "SELECT 1 AS one", "timeout_ms": 30_000 });
        let reply = post(&world, "acme-analyst", "text/csv", body).await;
        assert_eq!(reply.text(), "one\r\n1\r\n", "after {sql}");
    }
}

#[tokio::test]
async fn bodies_are_checked() {
    let world = world();
    let token = "acme-analyst";
    let reply = post(&world, token, "", json!({ "sql": "SELECT 1", "surprise": 1 })).await;
    assert_eq!(
        (reply.status.as_u16(), reply.json()["code"].as_str()),
        (400, Some("unreadable_body"))
    );
    let reply = post(&world, token, "image/png", json!({ "sql": "SELECT 1" })).await;
    assert_eq!(reply.status, 406);
    let reply = post(&world, token, "", json!({ "sql": "SELECT 1", "format": "xml" })).await;
    assert_eq!(reply.json()["code"], "unknown_format");
    let long = format!("SELECT '{}'", "x".repeat(300 << 10));
    assert_eq!(ask(&world, token, &long).await.status, 413);
    let huge = format!("SELECT '{}'", "x".repeat(2 << 20));
    assert_eq!(ask(&world, token, &huge).await.json()["code"], "body_too_large");
    let plain = Request::post("/v1/sql")
        .header("authorization", "Bearer acme-analyst")
        .header("content-type", "application/sql")
        .body(Body::from("SELECT 1 AS one"))
        .unwrap();
    assert_eq!(send(&world, plain).await.json()["rows"], json!([{ "one": 1 }]));
}

async fn call(world: &World, token: &str, method: &str, path: &str) -> Reply {
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header("authorization", format!("Bearer {token}"))
        .body(Body::empty())
        .unwrap();
    let response = router(world.state.clone()).oneshot(request).await.unwrap();
    let (status, headers) = (response.status(), response.headers().clone());
    let body = response.into_body().collect().await.unwrap().to_bytes().to_vec();
    Reply { status, headers, body }
}

/// Asks for a query until it is not waiting or running any more.
async fn ended(world: &World, token: &str, place: &str) -> Value {
    loop {
        let shown = call(world, token, "GET", place).await.json();
        if !["waiting", "running"].contains(&shown["state"].as_str().unwrap()) {
            return shown;
        }
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_query_runs_by_itself_and_is_fetched_later() {
    let world = world();
    let token = "acme-analyst";
    let sql = "SELECT count(*) AS legs FROM queue_leg";
    let reply = post(&world, token, "text/csv", json!({ "sql": sql, "async": true })).await;
    assert_eq!(reply.status, StatusCode::ACCEPTED);
    let place = reply.header("location").to_owned();
    let shown = ended(&world, token, &place).await;
    assert_eq!(shown["state"], "done");
    assert_eq!((&shown["rows"], &shown["as_of_position"]), (&json!(1), &json!(42)));
    let fetched = call(&world, token, "GET", shown["result"].as_str().unwrap()).await;
    assert_eq!(fetched.text(), "legs\r\n7\r\n");
    assert_eq!(fetched.header("content-type"), "text/csv; charset=utf-8; header=present");
    assert_eq!(fetched.header("ledgerline-position"), "42");
    assert_eq!(shown["bytes"], json!(fetched.body.len()));
    let run = |event: &Event| matches!(event, Event::AccessQueryRun(run) if run.outcome == "ok");
    assert_eq!(world.access_events(ACME).iter().filter(|event| run(event)).count(), 1);

    // To others it does not exist.
    for other in ["globex-analyst", "acme-supervisor"] {
        for (method, path) in
            [("GET", place.clone()), ("GET", format!("{place}/result")), ("DELETE", place.clone())]
        {
            assert_eq!(call(&world, other, method, &path).await.status, StatusCode::NOT_FOUND);
        }
        assert_eq!(
            call(&world, other, "GET", "/v1/queries").await.json(),
            json!({ "queries": [] })
        );
    }
    let list = call(&world, token, "GET", "/v1/queries").await.json();
    assert_eq!(list["queries"].as_array().unwrap().len(), 1);
    assert_eq!(call(&world, token, "DELETE", &place).await.status, StatusCode::NO_CONTENT);
    assert_eq!(call(&world, token, "GET", &place).await.status, StatusCode::NOT_FOUND);
    assert_eq!(call(&world, token, "GET", "/v1/queries/none").await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_query_by_itself_that_fails_says_why_and_a_running_one_can_be_stopped() {
    let world = world();
    let token = "acme-analyst";
    let reply =
        post(&world, token, "", json!({ "sql": "SELECT nothing FROM queue_leg", "async": true }))
            .await;
    let place = reply.header("location").to_owned();
    let shown = ended(&world, token, &place).await;
    assert_eq!(
        (&shown["state"], &shown["error"]["code"]),
        (&json!("failed"), &json!("unknown_column"))
    );
    let fetched = call(&world, token, "GET", &format!("{place}/result")).await;
    assert_eq!(fetched.status, StatusCode::BAD_REQUEST);

    let endless = "SELECT sum(a.value * b.value) FROM generate_series(1, 10000000) a, \
                   generate_series(1, 10000000) b";
    let reply = post(&world, token, "", json!({ "sql": endless, "async": true })).await;
    let place = reply.header("location").to_owned();
    let early = call(&world, token, "GET", &format!("{place}/result")).await;
    assert_eq!(
        (early.status, &early.json()["code"]),
        (StatusCode::CONFLICT, &json!("not_finished"))
    );
    let mut head = world.logs.0[&ACME].watch_head();
    assert_eq!(call(&world, token, "DELETE", &place).await.status, StatusCode::NO_CONTENT);
    let cancelled =
        |event: &Event| matches!(event, Event::AccessQueryRun(run) if run.outcome == "cancelled");
    while !world.access_events(ACME).iter().any(cancelled) {
        head.changed().await.unwrap();
    }
}

#[tokio::test]
async fn a_deleted_answer_gives_its_room_back_at_once() {
    // Room for one answer of 2 MB, not for two.
    let world = world_with(Limits { spill_bytes_max: 3 << 20, ..Limits::default() });
    let token = "acme-analyst";
    let sql = "SELECT repeat('x', 1000) AS text FROM generate_series(1, 2000)";
    let mut states = Vec::new();
    for delete in [true, false, false] {
        let reply = post(&world, token, "text/csv", json!({ "sql": sql, "async": true })).await;
        let place = reply.header("location").to_owned();
        let shown = ended(&world, token, &place).await;
        states.push((shown["state"].clone(), shown["error"]["code"].clone()));
        if delete {
            assert_eq!(call(&world, token, "DELETE", &place).await.status, StatusCode::NO_CONTENT);
        }
    }
    let done = (json!("done"), Value::Null);
    assert_eq!(states, [done.clone(), done, (json!("failed"), json!("out_of_memory"))]);
}

#[tokio::test]
async fn a_principal_has_so_many_queries_by_itself_and_no_more() {
    let world = world();
    let token = "acme-analyst";
    let body = json!({ "sql": "SELECT 1", "async": true });
    for _ in 0..8 {
        assert_eq!(post(&world, token, "", body.clone()).await.status, StatusCode::ACCEPTED);
    }
    let reply = post(&world, token, "", body.clone()).await;
    assert_eq!((reply.status.as_u16(), &reply.json()["code"]), (429, &json!("too_many_queries")));
    assert_eq!(post(&world, "globex-analyst", "", body).await.status, StatusCode::ACCEPTED);
}

#[tokio::test]
async fn bounds_of_a_question_hold_and_cannot_exceed_the_limits() {
    let world = world();
    let token = "acme-analyst";
    let reply = post(
        &world,
        token,
        "",
        json!({ "sql": "SELECT leg_id FROM queue_leg ORDER BY 1", "max_rows": 3 }),
    )
    .await;
    assert_eq!((reply.status.as_u16(), &reply.json()["code"]), (422, &json!("too_many_rows")));
    let endless = "SELECT sum(a.value * b.value) FROM generate_series(1, 10000000) a, \
                   generate_series(1, 10000000) b";
    let reply = post(&world, token, "", json!({ "sql": endless, "timeout_ms": 5 })).await;
    assert_eq!((reply.status.as_u16(), &reply.json()["code"]), (504, &json!("deadline_exceeded")));
    for (name, value) in
        [("timeout_ms", 0), ("timeout_ms", 60_001), ("max_rows", 0), ("max_rows", 5_000_001)]
    {
        let reply = post(&world, token, "", json!({ "sql": "SELECT 1", name: value })).await;
        assert_eq!((reply.status.as_u16(), &reply.json()["code"]), (400, &json!("invalid_bound")));
        assert!(reply.text().contains(&format!("{name} is {value}")), "{}", reply.text());
    }
    for as_of in [json!("yesterday"), json!([1]), json!(-1), json!(1.5)] {
        let reply = post(&world, token, "", json!({ "sql": "SELECT 1", "as_of": as_of })).await;
        assert_eq!((reply.status.as_u16(), &reply.json()["code"]), (400, &json!("invalid_as_of")));
    }
}
