//! Two organizations in one process: nothing of one is visible at any door of the other.

#![allow(clippy::expect_used, reason = "a test helper that cannot go on should fail the test")]

use std::fs;

use ledgerline_tests::{Server, succeed};
use reqwest::Client;
use serde_json::{Value, json};

struct Door {
    client: Client,
    base: String,
    token: String,
}

impl Door {
    async fn sql(&self, sql: &str) -> Vec<Value> {
        let answer = self
            .client
            .post(format!("{}/v1/sql", self.base))
            .bearer_auth(&self.token)
            .json(&json!({"sql": sql}))
            .send()
            .await
            .expect("answers");
        let status = answer.status();
        let body: Value = answer.json().await.expect("json");
        assert_eq!(status, 200, "{body}");
        body["rows"].as_array().cloned().expect("rows")
    }

    async fn put(&self, path: &str, body: Value) -> u16 {
        let request = self.client.put(format!("{}{path}", self.base)).bearer_auth(&self.token);
        let answer = request.json(&body).send().await.expect("answers");
        let status = answer.status().as_u16();
        if status >= 400 {
            eprintln!("PUT {path}: {}", answer.text().await.unwrap_or_default());
        }
        status
    }

    async fn get(&self, path: &str) -> (u16, String) {
        let request = self.client.get(format!("{}{path}", self.base)).bearer_auth(&self.token);
        let answer = request.send().await.expect("answers");
        (answer.status().as_u16(), answer.text().await.expect("text"))
    }
}

#[tokio::test]
async fn organizations_do_not_see_each_other() {
    let temporary = tempfile::tempdir().expect("folder");
    let config = temporary.path().join("ledgerline.toml");
    fs::write(&config, "organizations = [\"one\", \"two\"]\n").expect("written");
    let data = temporary.path().join("data");
    let server = Server::start(&data, Some(&config));
    let door = |org: &str| Door {
        client: Client::new(),
        base: server.url(),
        token: succeed(&[
            "token",
            "--data",
            &data.to_string_lossy(),
            "--org",
            org,
            "--role",
            "administrator,auditor",
        ])
        .trim()
        .to_owned(),
    };
    let (one, two) = (door("one"), door("two"));
    assert_eq!(one.put("/v1/config/site/Secret", json!({"name": "Secret"})).await, 201);
    let found = one.sql("select name from config_entity").await;
    assert_eq!(found, [json!({"name": "Secret"})]);
    assert!(two.sql("select name from config_entity").await.is_empty());
    let ids = |events: Vec<Value>| -> std::collections::BTreeSet<String> {
        events.iter().map(|row| row["event_id"].as_str().expect("text").to_owned()).collect()
    };
    let ones = ids(one.sql("select event_id from event_log").await);
    let twos = ids(two.sql("select event_id from event_log").await);
    assert!(!ones.is_empty() && !twos.is_empty());
    assert!(ones.is_disjoint(&twos), "an event is in both organizations");
    let created = "select count(*) as n from event_log where event_type = 'config.site.created'";
    assert_eq!(one.sql(created).await, [json!({"n": 1})]);
    assert_eq!(two.sql(created).await, [json!({"n": 0})]);
    // Whoever was told that something is done finds it in the next answer, however soon the question.
    for round in 2..=30 {
        let name = format!("S{round}");
        let path = format!("/v1/config/site/{name}");
        assert_eq!(one.put(&path, json!({"name": name})).await, 201);
        assert_eq!(one.sql(created).await, [json!({"n": round})]);
    }
    let (status, body) = two.get("/v1/config/site/Secret").await;
    assert_eq!(status, 404, "{body}");
    let (status, body) = two.get("/v1/config/site").await;
    assert_eq!(status, 200);
    assert!(!body.contains("Secret"), "{body}");
    assert_eq!(server.stop(), 0);
}
