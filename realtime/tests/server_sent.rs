//! Server-sent events: frames, resuming by `Last-Event-ID`, refusals.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should stop where it is")]

mod common;

use std::collections::BTreeSet;
use std::sync::Arc;

use common::{ORG_A, ORG_B, Replica, TestFeed};
use ledgerline_access::{Grant, Role, TokenIssuer};
use ledgerline_realtime::{Limits, RealtimeState, router};
use ledgerline_schemas::id::{OrgId, UserId};
use serde_json::Value as Json;

struct Server {
    base: String,
    issuer: TokenIssuer,
    state: RealtimeState,
    feeds: [TestFeed; 2],
    _dir: tempfile::TempDir,
}

impl Server {
    async fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let issuer = TokenIssuer::open(dir.path()).unwrap();
        let state = RealtimeState::new(issuer.clone(), Limits::default()).unwrap();
        let feeds = [ORG_A, ORG_B].map(TestFeed::new);
        for feed in &feeds {
            state.add_organization(Arc::new(feed.clone()), None);
        }
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let base = format!("http://{}/v1/realtime/sse", listener.local_addr().unwrap());
        let app = router(state.clone());
        tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        Self { base, issuer, state, feeds, _dir: dir }
    }

    fn token(&self, org_id: OrgId, role: Role) -> String {
        let grant = Grant {
            org_id,
            subject: "someone".to_owned(),
            roles: BTreeSet::from([role]),
            user_id: (role == Role::Agent).then(|| UserId::from_u128(1)),
            user_profile_id: None,
            ttl_s: 600,
        };
        self.issuer.issue(&grant).unwrap()
    }

    async fn get(&self, query: &str, token: &str, last_id: Option<&str>) -> reqwest::Response {
        let mut request = reqwest::Client::new().get(format!("{}?{query}", self.base));
        if !token.is_empty() {
            request = request.bearer_auth(token);
        }
        if let Some(id) = last_id {
            request = request.header("last-event-id", id);
        }
        request.send().await.unwrap()
    }
}

/// Reads events off a response.
struct Reader {
    response: reqwest::Response,
    text: String,
}

impl Reader {
    fn new(response: reqwest::Response) -> Self {
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        Self { response, text: String::new() }
    }

    async fn frame(&mut self) -> Json {
        loop {
            if let Some((event, rest)) = self.text.split_once("\n\n") {
                let (event, rest) = (event.to_owned(), rest.to_owned());
                self.text = rest;
                let field = |name: &str| {
                    let mut lines = event.lines();
                    lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
                };
                let Some(data) = field("data") else { continue };
                let frame: Json = serde_json::from_str(data).unwrap();
                assert_eq!(frame["type"].as_str(), field("event"));
                assert_eq!(frame["token"].as_str(), field("id"));
                return frame;
            }
            let chunk = self.response.chunk().await.unwrap().unwrap();
            self.text.push_str(std::str::from_utf8(&chunk).unwrap());
        }
    }

    async fn until(&mut self, replica: &mut Replica, position: u64) {
        while !replica.complete || replica.position < position {
            let frame = self.frame().await;
            replica.apply(&frame);
        }
    }
}

#[tokio::test]
async fn rows_come_and_a_reconnect_resumes() {
    let server = Server::start().await;
    server.feeds[0].set("sales", 3);
    server.feeds[1].set("theirs", 9);
    let token = server.token(ORG_A, Role::Supervisor);
    let query = "dataset=queue_live&filter=%7B%22waiting%22%3A%7B%22gte%22%3A3%7D%7D&max_hz=50";
    let mut replica = Replica::default();
    let mut reader = Reader::new(server.get(query, &token, None).await);
    reader.until(&mut replica, 1).await;
    server.feeds[0].set("refunds", 1);
    server.feeds[0].set("sales", 5);
    reader.until(&mut replica, 3).await;
    drop(reader);
    server.feeds[0].set("refunds", 4);

    let last_id = replica.token.clone();
    let mut reader = Reader::new(server.get(query, &token, last_id.as_deref()).await);
    reader.until(&mut replica, 4).await;
    let keys: Vec<&str> = replica.rows.keys().map(String::as_str).collect();
    assert_eq!(keys, ["refunds", "sales"]);
}

#[tokio::test]
async fn after_a_resync_the_snapshot_follows_by_itself() {
    let server = Server::start().await;
    server.feeds[0].set("sales", 3);
    let token = server.token(ORG_A, Role::Supervisor);
    let mut reader = Reader::new(server.get("dataset=queue_live", &token, None).await);
    reader.until(&mut Replica::default(), 1).await;
    server.state.policy_changed(ORG_A);
    let mut replica = Replica::default();
    while replica.resync.is_none() {
        let frame = reader.frame().await;
        if frame["type"] != "progress" {
            replica.apply(&frame);
        }
    }
    assert_eq!(replica.resync.as_deref(), Some("policy_changed"));
    let mut fresh = Replica::default();
    let begin = reader.frame().await;
    assert_eq!(begin["type"], "snapshot_begin");
    fresh.apply(&begin);
    reader.until(&mut fresh, 1).await;
    assert_eq!(fresh.rows.len(), 1);
}

#[tokio::test]
async fn refusals_are_answers_of_http() {
    let server = Server::start().await;
    let good = server.token(ORG_A, Role::Supervisor);
    let agent = server.token(ORG_A, Role::Agent);
    let auditor = server.token(ORG_A, Role::Auditor);
    for (query, token, status, part) in [
        ("dataset=queue_live", "", 401, "missing"),
        ("dataset=queue_live", "nonsense", 401, "malformed"),
        ("dataset=queue_live", &agent, 403, "roles"),
        ("dataset=queue_live", &auditor, 403, "live_subscribe"),
        ("dataset=nothing", &good, 404, "queue_live, agent_live"),
        ("dataset=events", &good, 404, "event stream"),
        ("dataset=queue_live&filter=x", &good, 400, "field 'filter'"),
        ("dataset=queue_live&columns=x", &good, 400, "no such column 'x'"),
        ("dataset=queue_live&max_hz=99", &good, 400, "field 'max_hz'"),
        ("dataset=queue_live&format=arrow", &good, 400, "field 'format'"),
    ] {
        let response = server.get(query, token, None).await;
        assert_eq!(response.status(), status, "{query}");
        let body: Json = response.json().await.unwrap();
        let message = body["error"]["message"].as_str().unwrap();
        assert!(message.contains(part), "{query}: {message}");
    }
}
