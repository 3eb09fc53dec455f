//! Answers about the past that a client has already: entity tags, and what must never have one.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot go on should stop where it is"
)]

mod morning;
mod support;
#[path = "search/world.rs"]
#[allow(dead_code, reason = "shared with the tests of the search")]
mod world;

use axum::body::Body;
use axum::http::Request;
use http_body_util::BodyExt as _;
use ledgerline_analyzer_api::router;
use serde_json::{Value, json};
use support::ACME;
use tower::ServiceExt as _;
use world::{Reply, Searched, append, call_at};

const SQL: &str = "select count(*) as n from customer_session";

async fn ask(it: &Searched, token: &str, tag: &str, body: Value) -> Reply {
    let request = Request::post("/v1/sql")
        .header("content-type", "application/json")
        .header("authorization", format!("Bearer {token}"))
        .header("if-none-match", tag)
        .body(Body::from(body.to_string()))
        .unwrap();
    it.send(request).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_about_the_past_is_asked_once() {
    let it = Searched::new().await;
    let body = json!({ "sql": SQL, "as_of": 60 });
    let first = ask(&it, "acme-analyst", "", body.clone()).await;
    assert_eq!(first.status, 200, "{}", first.text);
    let tag = first.header("etag").to_owned();
    assert!(tag.starts_with("W/\"") && tag.ends_with('"'), "{tag}");
    assert_eq!(first.header("cache-control"), "private, no-cache");
    assert_eq!(first.header("vary"), "authorization, accept");

    append(&it.acme, 0x9000, call_at(1, 0x9000));
    for given in [tag.clone(), tag.trim_start_matches("W/").to_owned(), format!("\"x\", {tag}")] {
        let again = ask(&it, "acme-analyst", &given, body.clone()).await;
        assert_eq!((again.status.as_u16(), again.text.as_str()), (304, ""), "{given}");
        assert_eq!(again.header("etag"), tag);
        assert_eq!(again.header("ledgerline-position"), "60");
    }
    let questions = it.questions(ACME);
    let outcomes: Vec<&str> = questions.iter().map(|it| it.outcome.as_str()).collect();
    assert_eq!(outcomes, ["ok", "not_modified", "not_modified", "not_modified"]);
    assert!(questions.iter().all(|it| it.as_of_position.0 == 60));
    assert!(questions.windows(2).all(|pair| pair[0].sql_sha256 == pair[1].sql_sha256));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_question_has_another_tag() {
    let it = Searched::new().await;
    let body = json!({ "sql": SQL, "as_of": 60 });
    let tag = ask(&it, "acme-analyst", "", body).await.header("etag").to_owned();
    for (who, body) in [
        ("acme-analyst", json!({ "sql": format!("{SQL} "), "as_of": 60 })),
        ("acme-analyst", json!({ "sql": SQL, "as_of": 61 })),
        ("acme-analyst", json!({ "sql": SQL, "as_of": 60, "format": "csv" })),
        ("acme-analyst", json!({ "sql": SQL, "as_of": 60, "max_rows": 5 })),
        (
            "acme-analyst",
            json!({ "sql": format!("{SQL} where 1 = $1"), "as_of": 60, "params": [1] }),
        ),
        ("acme-auditor", json!({ "sql": SQL, "as_of": 60 })),
    ] {
        let reply = ask(&it, who, &tag, body.clone()).await;
        assert_eq!(reply.status, 200, "{who} {body}");
        assert_ne!(reply.header("etag"), tag, "{who} {body}");
    }
    let with = |value: i64| json!({ "sql": "select count(*) + $1 as v from queue_leg", "as_of": 60, "params": [value] });
    let one = ask(&it, "acme-analyst", "", with(1)).await.header("etag").to_owned();
    assert_eq!(ask(&it, "acme-analyst", &one, with(1)).await.status, 304);
    assert_eq!(ask(&it, "acme-analyst", &one, with(2)).await.status, 200);
    // Who may not ask is not told that an answer stands.
    let refused = ask(&it, "acme-agent", &tag, json!({ "sql": SQL, "as_of": 60 })).await;
    assert_eq!(refused.status, 403);
    let theirs = ask(&it, "globex-analyst", &tag, json!({ "sql": SQL, "as_of": 1 })).await;
    assert_eq!(theirs.status, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_can_change_has_no_tag() {
    let it = Searched::new().await;
    for body in [
        json!({ "sql": SQL }),
        json!({ "sql": "select now()", "as_of": 60 }),
        json!({ "sql": "select random()", "as_of": 60 }),
        json!({ "sql": "select current_user", "as_of": 60 }),
        json!({ "sql": "select count(*) from (select 1 where now() > '2020-01-01') q", "as_of": 60 }),
        json!({ "sql": "select position_at('2100-01-01')", "as_of": 60 }),
        json!({ "sql": "select 1 where exists (select random())", "as_of": 60 }),
    ] {
        let reply = ask(&it, "acme-analyst", "*", body.clone()).await;
        assert_eq!(reply.status, 200, "{body}: {}", reply.text);
        assert_eq!(reply.header("etag"), "", "{body}");
        assert_eq!(reply.header("cache-control"), "no-store", "{body}");
    }
    let late = ask(&it, "acme-analyst", "", json!({ "sql": SQL, "as_of": 100_000 })).await;
    assert_eq!((late.status.as_u16(), late.header("etag")), (400, ""));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_address_form_is_the_same_question() {
    let it = Searched::new().await;
    let get = async |address: &str, tag: &str| {
        let request = Request::get(address)
            .header("authorization", "Bearer acme-analyst")
            .header("if-none-match", tag)
            .body(Body::empty())
            .unwrap();
        it.send(request).await
    };
    let address =
        "/v1/sql?sql=select%20count(*)%20as%20n%20from%20customer_session&as_of=60&format=csv";
    let first = get(address, "").await;
    assert_eq!(first.text.lines().next(), Some("n"));
    let tag = first.header("etag").to_owned();
    assert_eq!(get(address, &tag).await.status, 304);
    let posted = ask(
        &it,
        "acme-analyst",
        &tag,
        json!({ "sql": "select count(*) as n from customer_session", "as_of": "60", "format": "csv" }),
    );
    assert_eq!(posted.await.status, 304);
    let with = get("/v1/sql?sql=select%201%2B$1%20as%20v&params=%5B7%5D&format=csv", "").await;
    assert_eq!((with.text.as_str(), with.header("etag")), ("v\r\n8\r\n", ""));
    for (address, code) in [
        ("/v1/sql", "invalid_parameter"),
        ("/v1/sql?sql=select%201&nothing=1", "invalid_parameter"),
        ("/v1/sql?sql=select%201&params=7", "invalid_parameter"),
        ("/v1/sql?sql=delete%20from%20queue_leg", "not_allowed"),
    ] {
        let reply = get(address, "").await;
        assert_eq!(reply.json()["code"], code, "{address}: {}", reply.text);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broken_answer_is_not_kept() {
    let it = Searched::new().await;
    let sql = "select value from generate_series(1, 500000)";
    for (as_of, is_kept) in [(json!(60), true), (Value::Null, false)] {
        let body = json!({ "sql": sql, "as_of": as_of, "max_rows": 400_000 });
        let request = Request::post("/v1/sql")
            .header("content-type", "application/json")
            .header("authorization", "Bearer acme-analyst")
            .body(Body::from(body.to_string()))
            .unwrap();
        let response = router(it.state.clone()).oneshot(request).await.unwrap();
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers().contains_key("etag"), is_kept);
        // With a tag the transfer breaks off; without one the answer ends with what went wrong.
        assert_eq!(response.into_body().collect().await.is_err(), is_kept);
    }
}
