//! Webhooks over HTTP: who may, and what comes of it.

use std::collections::BTreeSet;
use std::sync::Arc;

use ledgerline_access::{Grant, Role, TokenIssuer};
use ledgerline_realtime::webhook::{WebhookState, Webhooks, router};
use ledgerline_realtime::{Limits, RealtimeState};
use ledgerline_schemas::id::UserId;
use reqwest::{Client, Method, StatusCode};
use serde_json::{Value, json};

use super::common::TestFeed;
use super::receiver::{Answer, Receiver};
use super::world::{ORG, World};

struct Server {
    base: String,
    issuer: TokenIssuer,
    webhooks: Arc<Webhooks>,
    _dir: tempfile::TempDir,
}

impl Server {
    async fn start(world: &World) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let issuer = TokenIssuer::open(dir.path()).unwrap();
        let realtime = RealtimeState::new(issuer.clone(), Limits::default()).unwrap();
        realtime.add_organization(Arc::new(TestFeed::new(ORG)), None);
        let state = WebhookState::new(realtime);
        let webhooks = Arc::new(world.webhooks().await);
        state.add_organization(ORG, Arc::clone(&webhooks));
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, router(state)).await.unwrap() });
        Self { base, issuer, webhooks, _dir: dir }
    }

    async fn ask(
        &self,
        role: Option<Role>,
        method: Method,
        path: &str,
        body: Option<Value>,
    ) -> (StatusCode, Value) {
        let mut request = Client::new().request(method, format!("{}{path}", self.base));
        if let Some(role) = role {
            let user = matches!(role, Role::Agent | Role::Supervisor);
            let grant = Grant {
                org_id: ORG,
                subject: "ann".to_owned(),
                roles: BTreeSet::from([role]),
                user_id: user.then(|| UserId::from_u128(1)),
                user_profile_id: None,
                ttl_s: 600,
            };
            request = request.bearer_auth(self.issuer.issue(&grant).unwrap());
        }
        if let Some(body) = body {
            request = request.json(&body);
        }
        let answer = request.send().await.unwrap();
        (answer.status(), answer.json().await.unwrap())
    }
}

const ROUTES: [(Method, &str); 5] = [
    (Method::GET, "/v1/webhooks"),
    (Method::POST, "/v1/webhooks/CRM/test"),
    (Method::POST, "/v1/webhooks/CRM/enable"),
    (Method::GET, "/v1/webhooks/CRM/dead-letters"),
    (Method::POST, "/v1/webhooks/CRM/dead-letters/replay"),
];

#[tokio::test]
async fn nobody_is_let_in_who_may_not() {
    let receiver = Receiver::start(Answer::Status(200));
    let world = World::new(&receiver);
    let server = Server::start(&world).await;
    for (method, path) in ROUTES {
        let reads = path == "/v1/webhooks";
        for (role, expected) in [
            (None, 401),
            (Some(Role::Agent), 403),
            (Some(Role::Analyst), if reads { 200 } else { 403 }),
            (Some(Role::Integrator), if reads { 200 } else { 403 }),
            // Of a user that is not known nothing is granted.
            (Some(Role::Supervisor), 403),
            (Some(Role::Administrator), 200),
        ] {
            let (status, body) = server.ask(role, method.clone(), path, None).await;
            assert_eq!(status.as_u16(), expected, "{role:?} {method} {path}: {body}");
        }
        let unknown = path.replace("CRM", "ERP");
        if !reads {
            let (status, body) =
                server.ask(Some(Role::Administrator), method, &unknown, None).await;
            assert_eq!(status, 404, "{body}");
            assert!(body["detail"].as_str().unwrap().contains("ERP"), "{body}");
        }
    }
}

#[tokio::test]
async fn a_test_says_what_the_receiver_said() {
    let receiver = Receiver::start(Answer::Status(200));
    let world = World::new(&receiver);
    let server = Server::start(&world).await;
    let test = async || {
        let asked =
            server.ask(Some(Role::Administrator), Method::POST, "/v1/webhooks/CRM/test", None);
        asked.await.1
    };
    let told = test().await;
    assert_eq!((&told["is_taken"], &told["status"]), (&json!(true), &json!(200)), "{told}");
    let request = receiver.requests().pop().unwrap();
    assert_eq!(request.json()["type"], "webhook.test");
    assert_eq!(request.json()["data"]["subscription"], "CRM");
    receiver.now_answers(Answer::Status(410));
    let told = test().await;
    assert_eq!((&told["is_taken"], &told["status"]), (&json!(false), &json!(410)), "{told}");
    // A test decides nothing: events still come.
    receiver.now_answers(Answer::Status(200));
    world.happens(1, "one");
    server.webhooks.step().await.unwrap();
    assert_eq!(receiver.taken().len(), 2);
}

#[tokio::test]
async fn dead_letters_are_listed_and_sent_again() {
    let receiver = Receiver::start(Answer::Status(500));
    let world = World::new(&receiver);
    let first = world.happens(1, "one");
    let second = world.happens(2, "two");
    let server = Server::start(&world).await;
    world.to_the_end(&server.webhooks).await;
    let admin = Some(Role::Administrator);
    let (_, list) = server.ask(admin, Method::GET, "/v1/webhooks", None).await;
    assert_eq!(list["webhooks"][0]["dead_letters"], 2, "{list}");
    let letters = "/v1/webhooks/CRM/dead-letters";
    let (_, told) = server.ask(admin, Method::GET, letters, None).await;
    let positions: Vec<_> =
        told["dead_letters"].as_array().unwrap().iter().map(|it| it["position"].clone()).collect();
    assert_eq!(positions, [first.0, second.0]);
    receiver.now_answers(Answer::Status(200));
    let replay = format!("{letters}/replay");
    for wrong in [json!({"position": [1]}), json!({"positions": "all"})] {
        let (status, told) = server.ask(admin, Method::POST, &replay, Some(wrong)).await;
        assert_eq!(status, 400, "{told}");
        assert!(told["detail"].as_str().unwrap().contains("position"), "{told}");
    }
    let body = Some(json!({"positions": [second]}));
    let (_, told) = server.ask(admin, Method::POST, &replay, body).await;
    assert_eq!(told, json!({"replayed": 1}));
    server.webhooks.step().await.unwrap();
    assert_eq!(receiver.taken().len(), 1);
    let (_, told) = server.ask(admin, Method::POST, &replay, None).await;
    assert_eq!(told, json!({"replayed": 1}));
    server.webhooks.step().await.unwrap();
    assert_eq!(receiver.taken().len(), 2);
    let (_, told) = server.ask(admin, Method::GET, letters, None).await;
    assert_eq!(told, json!({"dead_letters": [], "dropped": 0}));
}

#[tokio::test]
async fn an_endpoint_that_was_gone_is_taken_up_again() {
    let receiver = Receiver::start(Answer::Status(410));
    let world = World::new(&receiver);
    let server = Server::start(&world).await;
    world.happens(1, "one");
    server.webhooks.step().await.unwrap();
    let admin = Some(Role::Administrator);
    let (_, list) = server.ask(admin, Method::GET, "/v1/webhooks", None).await;
    assert_eq!(list["webhooks"][0]["state"], "disabled", "{list}");
    receiver.now_answers(Answer::Status(200));
    let (_, told) = server.ask(admin, Method::POST, "/v1/webhooks/CRM/enable", None).await;
    assert_eq!(told["state"], "on", "{told}");
    server.webhooks.step().await.unwrap();
    assert_eq!(receiver.taken().len(), 1);
}
