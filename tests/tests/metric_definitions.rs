//! Metrics through a serving process: the product's are on the log, an organization has its own, and a report of an
//! earlier moment computes by the formulas of that moment.

#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot go on should stop where it is"
)]

mod center;

use center::Center;
use serde_json::{Value, json};

async fn put(center: &Center, name: &str, document: Value) -> (u16, Value) {
    let url = format!("{}/v1/config/metric_definition/{name}", center.server.url());
    let put = center.client.put(url).bearer_auth(&center.token).json(&document);
    let answer = put.send().await.expect("answers");
    (answer.status().as_u16(), answer.json().await.expect("json"))
}

async fn delete(center: &Center, name: &str) {
    let url = format!("{}/v1/config/metric_definition/{name}", center.server.url());
    let answer =
        center.client.delete(url).bearer_auth(&center.token).send().await.expect("answers");
    assert!(answer.status().is_success(), "{}", answer.status());
}

fn metric(name: &str, sql: &str) -> Value {
    json!({"name": name, "record_type": "queue_leg", "sql": sql, "unit": "count"})
}

/// A report that shows a metric over the queue legs; every one of them waits.
fn showing(metric: &str) -> Value {
    json!({"name": "Shown", "record_type": "queue_leg",
           "measures": [{"name": "figure", "metric": metric}], "totals": true})
}

struct Shown {
    bytes: Vec<u8>,
    position: u64,
}

impl Shown {
    fn figure(&self) -> f64 {
        let answer: Value = serde_json::from_slice(&self.bytes).expect("json");
        let total = answer["totals"][0]["figure"].as_f64();
        let figure = answer["rows"][0]["figure"].as_f64().unwrap_or_else(|| panic!("{answer}"));
        assert_eq!(total, Some(figure), "rows and totals are by one formula");
        figure
    }
}

async fn run(center: &Center, metric: &str, as_of: Option<u64>) -> Result<Shown, (u16, Value)> {
    let mut body = json!({"definition": showing(metric), "format": "json"});
    if let Some(position) = as_of {
        body["as_of"] = json!(position);
    }
    let url = format!("{}/v1/reports/run", center.server.url());
    let request = center.client.post(url).bearer_auth(&center.token).json(&body);
    let answer = request.send().await.expect("answers");
    let status = answer.status().as_u16();
    let position = answer.headers().get("ledgerline-position").and_then(|it| it.to_str().ok());
    let position = position.and_then(|it| it.parse().ok()).unwrap_or_default();
    let bytes = answer.bytes().await.expect("a body").to_vec();
    if status == 200 {
        Ok(Shown { bytes, position })
    } else {
        Err((status, serde_json::from_slice(&bytes).expect("a problem")))
    }
}

async fn now(center: &Center, metric: &str) -> Shown {
    run(center, metric, None).await.unwrap_or_else(|error| panic!("{metric}: {error:?}"))
}

#[tokio::test]
async fn an_old_report_gives_the_old_figures_though_the_formula_changed() {
    let folder = tempfile::tempdir().expect("folder");
    let center = Center::start(folder.path(), None).await;
    for (caller, queued) in [("a", 1), ("b", 2), ("c", 3)] {
        center.call_until(caller, &format!("call-{caller}"), queued).await;
    }
    center.until("queue.left", 3).await;

    // Version 1, version 2, and what either gives when it is asked for.
    let (status, said) = put(&center, "volume", metric("volume", "count(*)")).await;
    assert_eq!(status, 201, "{said}");
    let first = now(&center, "volume").await;
    assert!((first.figure() - 3.0).abs() < 1e-9);
    assert_eq!(put(&center, "volume", metric("volume", "10 * count(*)")).await.0, 200);
    let second = now(&center, "volume").await;
    assert!((second.figure() - 30.0).abs() < 1e-9);
    let again = run(&center, "volume", Some(first.position)).await.expect("of then");
    assert_eq!(again.position, first.position);
    assert_eq!(again.bytes, first.bytes, "the old report, to the byte");
    assert!((now(&center, "volume@1").await.figure() - 3.0).abs() < 1e-9);
    assert!((now(&center, "volume@2").await.figure() - 30.0).abs() < 1e-9);
    let (status, problem) = run(&center, "volume@3", None).await.err().expect("refused");
    assert_eq!(status, 422, "{problem}");
    let detail = problem["detail"].as_str().expect("detail");
    assert!(
        detail.starts_with("measures[0].metric: there is no version 3 of 'volume'"),
        "{detail}"
    );

    // One of the product's name takes its place, until it is deleted.
    assert!((now(&center, "requeued_after_rona").await.figure()).abs() < 1e-9);
    let ours = metric("requeued_after_rona", "7 * count(*)");
    assert_eq!(put(&center, "requeued_after_rona", ours).await.0, 201);
    let replaced = now(&center, "requeued_after_rona").await;
    assert!((replaced.figure() - 21.0).abs() < 1e-9);
    delete(&center, "requeued_after_rona").await;
    assert!((now(&center, "requeued_after_rona").await.figure()).abs() < 1e-9);
    let then = run(&center, "requeued_after_rona", Some(replaced.position)).await.expect("of then");
    assert_eq!(then.bytes, replaced.bytes);
    delete(&center, "volume").await;
    assert_eq!(run(&center, "volume", None).await.err().expect("refused").0, 422);

    // What is no metric is refused by field, and a formula is one expression.
    let (status, problem) = put(&center, "a%20b", metric("a b", "count(*)")).await;
    assert!(status == 422 || status == 400, "{status} {problem}");
    assert!(problem.to_string().contains("name: must be"), "{problem}");
    assert_eq!(put(&center, "bad", metric("bad", "count(*) from users; select 1")).await.0, 201);
    let (status, problem) = run(&center, "bad", None).await.err().expect("refused");
    assert_eq!(status, 422, "{problem}");

    // The product's are on the log once, whatever is restarted.
    let published = center.count("metric_definition.published").await;
    assert!(published > 20, "{published}");
    let sql = "select count(*) as n from metric_definition where origin = 'product' \
               and to_position is null and sql is not null";
    let (_, answer) = center.post(&center.token, "/v1/sql", json!({"sql": sql})).await;
    assert_eq!(answer["rows"][0]["n"], json!(published), "{answer}");
    let data = center.stop();
    let server = ledgerline_tests::Server::start(&data, None);
    assert_eq!(server.stop(), 0);
    let folder = data.to_string_lossy();
    let sql = "select count(*) from event_log where event_type = 'metric_definition.published'";
    let said = ledgerline_tests::succeed(&["sql", "--data", &folder, "--format", "csv", sql]);
    assert_eq!(ledgerline_tests::csv(&said)[1], [published.to_string()]);
}
