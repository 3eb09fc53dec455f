//! The desktop's doors with a real engine behind them.

#![allow(clippy::expect_used, reason = "helpers of tests fail a test by panicking")]

mod doors;

use std::sync::Arc;

use doors::{ORG, OTHER_ORG, Server, at_work, chat};
use ledgerline_access::Role;
use ledgerline_ingest::chat::ChatSettings;
use ledgerline_ingest::engine::EngineHandle;
use ledgerline_ingest::http::Organization;
use ledgerline_ingest::http::port::{
    Accepted, AgentView, EnginePort, EntityKey, EntityView, InteractionView, PortError,
};
use ledgerline_schemas::command::Commanded;
use ledgerline_schemas::config::EntityKind;
use ledgerline_schemas::id::{InteractionId, OrgId, UserId};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

fn text(value: &Value) -> String {
    value.as_str().expect("text").to_owned()
}

#[tokio::test]
async fn a_chat_is_offered_accepted_answered_transferred_ended_and_wrapped_up() {
    let (server, org) = Server::with_org().await;
    let (ada, ben) = (server.agent(&org, "ada"), server.agent(&org, "ben"));
    let mut ada_desk = at_work(&ada, "Red").await;
    let mut ben_desk = at_work(&ben, "Blue").await;

    let (started, mut customer) = chat(&server.anonymous(), "web").await;
    let interaction = text(&started["interactionId"]);
    let offer = ada_desk.until("AgentOfferContact").await;
    assert_eq!(offer["interactionId"], interaction.as_str());
    assert_eq!(offer["channelType"], "chat");

    ada.post(&format!("/v1/tasks/{interaction}/accept"), json!({})).await;
    ada_desk.until("AgentContactAssigned").await;
    customer.until_stage("connected").await;
    customer.say("I need help", "1").await;
    let message = ada_desk.until("ContactMessage").await;
    assert_eq!(message["message"]["text"], "I need help");
    ada.post(&format!("/v1/tasks/{interaction}/messages"), json!({"text": "With what?"})).await;
    let message = customer.until("message").await;
    assert_eq!((&message["text"], &message["author"]), (&json!("With what?"), &json!("agent")));

    let body = json!({"to": "Support", "destinationType": "queue"});
    ada.post(&format!("/v1/tasks/{interaction}/transfer"), body).await;
    ada_desk.until("AgentVteamTransferred").await;
    ada_desk.until("AgentWrapup").await;
    let reason = json!({"auxCodeId": "Solved", "wrapUpReason": "Solved"});
    ada.post(&format!("/v1/tasks/{interaction}/wrapup"), reason).await;
    ada_desk.until("AgentWrappedUp").await;

    ben_desk.until("AgentOfferContact").await;
    ben.post(&format!("/v1/tasks/{interaction}/accept"), json!({})).await;
    ben_desk.until("AgentContactAssigned").await;
    ben.post(&format!("/v1/tasks/{interaction}/end"), json!({})).await;
    customer.until("ended").await;
    assert_eq!(customer.next().await, None, "the socket closes after the end");
    ben_desk.until("AgentWrapup").await;
    ben.post(&format!("/v1/tasks/{interaction}/wrapup"), json!({})).await;
    ben_desk.until("AgentWrappedUp").await;

    ada.post("/v1/agents/logout", json!({})).await;
    let (status, _) = ada.ask(Method::POST, "/v1/agents/reload", json!({})).await;
    assert_eq!(status, StatusCode::NOT_FOUND, "logged out");
    for (event_type, count) in [
        ("interaction.created", 1),
        ("leg.connected", 2),
        ("message.received", 1),
        ("message.sent", 1),
        ("transfer.completed", 1),
        ("interaction.ended", 1),
        ("wrapup.ended", 2),
    ] {
        assert_eq!(org.count(event_type), count, "{event_type}");
    }
    assert!(
        !org.events().iter().any(|it| it.payload.windows(4).any(|part| part == b"help")),
        "text reaches the log in clear"
    );
}

#[tokio::test]
async fn an_agent_acts_for_itself_only_and_a_supervisor_for_others() {
    let (server, org) = Server::with_org().await;
    let (ada, ben) = (server.agent(&org, "ada"), server.agent(&org, "ben"));
    let mut ada_desk = at_work(&ada, "Red").await;
    at_work(&ben, "Blue").await;
    let (started, _customer) = chat(&server.anonymous(), "web").await;
    let interaction = text(&started["interactionId"]);
    ada_desk.until("AgentOfferContact").await;

    let (status, problem) =
        ben.ask(Method::POST, &format!("/v1/tasks/{interaction}/accept"), json!({})).await;
    assert_eq!(status, StatusCode::FORBIDDEN, "{problem}");
    let idle = json!({"state": "Idle", "auxCodeId": "Break", "agentId": org.user("ben")});
    let (status, problem) = ada.ask(Method::PUT, "/v1/agents/session/state", idle.clone()).await;
    assert_eq!((status, &problem["field"]), (StatusCode::FORBIDDEN, &json!("agentId")));
    let supervisor = server.client(ORG, Role::Supervisor, None);
    let answer = supervisor.ok(Method::PUT, "/v1/agents/session/state", idle).await;
    assert_eq!(answer["state"], "idle");
    let (status, _) =
        supervisor.ask(Method::POST, &format!("/v1/tasks/{interaction}/accept"), json!({})).await;
    assert_eq!(status, StatusCode::FORBIDDEN, "a supervisor has no desktop");
}

#[tokio::test]
async fn a_token_of_another_organization_sees_nothing() {
    let (server, org) = Server::with_org().await;
    let other = server.add(OTHER_ORG).await;
    let mut ada_desk = at_work(&server.agent(&org, "ada"), "Red").await;
    let body = json!({"entryPoint": "web", "orgId": ORG});
    let started = server.anonymous().post("/v1/chats", body).await;
    let interaction = text(&started["interactionId"]);
    ada_desk.until("AgentOfferContact").await;

    let stranger = server.agent(&other, "ada");
    at_work(&stranger, "Red").await;
    for operation in ["accept", "end", "wrapup"] {
        let path = format!("/v1/tasks/{interaction}/{operation}");
        let (status, _) = stranger.ask(Method::POST, &path, json!({})).await;
        assert_eq!(status, StatusCode::NOT_FOUND, "{operation}");
    }
    let state = stranger.post("/v1/agents/reload", json!({})).await;
    assert_eq!(state["interactions"], json!([]));
    // The same user id in the wrong organization is nobody.
    let disguised = server.client(OTHER_ORG, Role::Agent, Some(org.user("ada")));
    let (status, _) = disguised.ask(Method::POST, "/v1/agents/reload", json!({})).await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    let nowhere = server.client(OrgId::from_u128(0xC), Role::Agent, Some(org.user("ada")));
    let (status, _) = nowhere.ask(Method::POST, "/v1/agents/reload", json!({})).await;
    assert_eq!(status, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn a_lost_socket_loses_neither_offer_nor_message() {
    let (server, org) = Server::with_org().await;
    let ada = server.agent(&org, "ada");
    let mut desk = at_work(&ada, "Red").await;
    let (started, mut customer) = chat(&server.anonymous(), "web").await;
    let interaction = text(&started["interactionId"]);
    let offer = desk.until("AgentOfferContact").await;
    drop(desk);

    let mut desk = ada.notifications("").await;
    let state = desk.next().await.expect("state");
    assert_eq!(state["state"], "available", "a lost socket is no log-out");
    assert_eq!(state["interactions"][0]["state"], "offered");
    assert_eq!(state["interactions"][0]["offerId"], offer["offerId"]);
    ada.post(&format!("/v1/tasks/{interaction}/accept"), json!({})).await;
    let assigned = desk.until("AgentContactAssigned").await;
    drop(desk);

    customer.until_stage("connected").await;
    customer.say("are you there?", "1").await;
    customer.until("accepted").await;
    let after = text(&assigned["id"]);
    let mut desk = ada.notifications(&format!("?after={after}")).await;
    let state = desk.next().await.expect("state");
    assert_eq!(state["replayComplete"], true);
    assert_eq!(state["interactions"][0]["state"], "connected");
    assert_eq!(state["interactions"][0]["queueName"], "Sales");
    assert_eq!(state["interactions"][0]["messages"][0]["text"], "are you there?");
    let missed = desk.next().await.expect("push");
    assert_eq!(
        (&missed["type"], &missed["message"]["text"]),
        (&json!("ContactMessage"), &json!("are you there?"))
    );
}

#[tokio::test]
async fn every_desktop_of_an_agent_gets_every_push() {
    let (server, org) = Server::with_org().await;
    let ada = server.agent(&org, "ada");
    let mut first = at_work(&ada, "Red").await;
    let session = ada.post("/v1/agents/reload", json!({})).await["agentSessionId"].clone();
    let again = ada.post("/v1/agents/login", json!({"teamId": "Red"})).await;
    assert_eq!(again["agentSessionId"], session, "a second desktop joins the session");
    // A browser cannot set a header on a WebSocket.
    let token = ada.token.clone().expect("token");
    let path = format!("/v1/agents/notifications?access_token={token}");
    let mut second = server.anonymous().socket(&path).await.expect("socket");
    second.next().await.expect("state");
    chat(&server.anonymous(), "web").await;
    let (one, two) =
        (first.until("AgentOfferContact").await, second.until("AgentOfferContact").await);
    assert_eq!(one, two);
}

#[tokio::test]
async fn requests_that_do_not_fit_are_refused_by_name() {
    let (server, org) = Server::with_org().await;
    let ada = server.agent(&org, "ada");
    let login = "/v1/agents/login";
    let state = "/v1/agents/session/state";
    for (method, path, body, status, field) in [
        (Method::POST, login, json!({"teamId": "Red", "colour": 1}), 422, "colour"),
        (Method::POST, login, json!({}), 422, "teamId"),
        (Method::POST, login, json!({"teamId": "Green"}), 422, "teamId"),
        (Method::POST, login, json!({"teamId": "Blue"}), 422, "teamId"),
        (Method::POST, login, json!({"teamId": "Red", "deviceType": "FAX"}), 422, "deviceType"),
        (Method::PUT, state, json!({"state": "Asleep"}), 422, "state"),
        (Method::PUT, state, json!({"state": "Idle", "auxCodeId": "Nap"}), 422, "auxCodeId"),
    ] {
        let (found, problem) = ada.ask(method, path, body.clone()).await;
        assert_eq!(found.as_u16(), status, "{body}: {problem}");
        assert_eq!(problem["field"], field, "{body}: {problem}");
        assert_eq!(problem["status"], status);
    }
    let json = "application/json";
    let (status, _) = ada.send(Method::POST, login, "{".to_owned(), json).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    let (status, _) = ada.send(Method::POST, login, "{}".to_owned(), "text/plain").await;
    assert_eq!(status, StatusCode::UNSUPPORTED_MEDIA_TYPE);
    let large = format!("{{\"teamId\":\"{}\"}}", "x".repeat(3 << 20));
    let (status, _) = ada.send(Method::POST, login, large, json).await;
    assert_eq!(status, StatusCode::PAYLOAD_TOO_LARGE);
    let (status, _) = ada.ask(Method::POST, "/v1/tasks/7/accept", json!({})).await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    assert!(matches!(ada.socket("/v1/agents/notifications?after=x").await, Err(422)));
}

#[tokio::test]
async fn a_token_that_does_not_hold_opens_nothing() {
    let (server, org) = Server::with_org().await;
    let mut stranger = server.anonymous();
    for token in [None, Some("x.y.z".to_owned())] {
        stranger.token = token;
        let (status, problem) = stranger.ask(Method::POST, "/v1/agents/reload", json!({})).await;
        assert_eq!(status, StatusCode::UNAUTHORIZED, "{problem}");
        assert!(matches!(stranger.socket("/v1/agents/notifications").await, Err(401)));
    }
    let elsewhere = Server::start().await;
    let forged = elsewhere.token(ORG, Role::Agent, Some(org.user("ada")));
    stranger.token = Some(forged);
    let (status, _) = stranger.ask(Method::POST, "/v1/agents/reload", json!({})).await;
    assert_eq!(status, StatusCode::UNAUTHORIZED, "signed by another server");
    let analyst = server.client(ORG, Role::Analyst, None);
    let (status, _) = analyst.ask(Method::POST, "/v1/agents/reload", json!({})).await;
    assert_eq!(status, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn a_repeated_request_with_one_key_is_one_command() {
    let (server, org) = Server::with_org().await;
    let ada = server.agent(&org, "ada");
    let mut desk = at_work(&ada, "Red").await;
    let (started, mut customer) = chat(&server.anonymous(), "web").await;
    let interaction = text(&started["interactionId"]);
    desk.until("AgentOfferContact").await;
    ada.post(&format!("/v1/tasks/{interaction}/accept"), json!({})).await;
    let path = format!("/v1/tasks/{interaction}/messages");
    let body = json!({"text": "hello", "clientMessageId": "a1"});
    let (one, two) = (ada.post(&path, body.clone()).await, ada.post(&path, body).await);
    assert_eq!(one, two);
    ada.post(&path, json!({"text": "bye", "clientMessageId": "a2"})).await;
    assert_eq!(customer.until("message").await["text"], "hello");
    assert_eq!(customer.until("message").await["text"], "bye");
    assert_eq!(org.count("message.sent"), 2);
}

#[tokio::test]
async fn the_profile_lists_what_the_agent_may_choose() {
    let (server, org) = Server::with_org().await;
    let profile =
        server.agent(&org, "ada").ok(Method::GET, "/v1/agents/profile", Value::Null).await;
    let names = |list: &str| -> Vec<String> {
        profile[list].as_array().expect(list).iter().map(|it| text(&it["name"])).collect()
    };
    assert_eq!(profile["name"], "ada");
    assert_eq!(names("teams"), ["Red"]);
    assert_eq!(names("idleCodes"), ["Break"]);
    assert_eq!(names("wrapUpCodes"), ["Solved"]);
    assert_eq!(names("queues"), ["Sales", "Support"]);
    let nobody = server.client(ORG, Role::Agent, Some(UserId::from_u128(1)));
    let (status, _) = nobody.ask(Method::GET, "/v1/agents/profile", Value::Null).await;
    assert_eq!(status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_busy_engine_asks_to_come_back_and_one_that_is_gone_says_so() {
    let (server, org) = Server::with_org().await;
    let ada = server.agent(&org, "ada");
    for (error, status) in [
        (PortError::Busy, StatusCode::TOO_MANY_REQUESTS),
        (PortError::Unavailable("disk".to_owned()), StatusCode::SERVICE_UNAVAILABLE),
    ] {
        let failing = Organization::new(
            ORG,
            Arc::new(Failing { engine: org.handle(), error }),
            Arc::new(org.log.clone()),
            org.keys.clone(),
            ChatSettings::default(),
        );
        server.doors.add(failing);
        let response = reqwest::Client::new()
            .put(format!("{}/v1/agents/session/state", server.base))
            .bearer_auth(ada.token.as_deref().expect("token"))
            .json(&json!({"state": "Available"}))
            .send()
            .await
            .expect("answer");
        assert_eq!(response.status(), status);
        let headers = response.headers();
        assert!(headers.contains_key("retry-after"));
        assert_eq!(headers["content-type"], "application/problem+json");
        let problem = response.text().await.expect("body");
        assert!(!problem.contains("disk"), "inner causes stay inside: {problem}");
    }
}

/// Reads like the engine, takes no command.
struct Failing {
    engine: EngineHandle,
    error: PortError,
}

#[async_trait::async_trait]
impl EnginePort for Failing {
    async fn submit(&self, _: Commanded) -> Result<Accepted, PortError> {
        Err(self.error.clone())
    }

    async fn agent(&self, agent_id: UserId) -> Result<Option<AgentView>, PortError> {
        self.engine.agent(agent_id).await
    }

    async fn interaction(&self, id: InteractionId) -> Result<Option<InteractionView>, PortError> {
        self.engine.interaction(id).await
    }

    async fn open_chats(&self) -> Result<Vec<InteractionId>, PortError> {
        self.engine.open_chats().await
    }

    async fn open_interactions(&self) -> Result<Vec<InteractionId>, PortError> {
        self.engine.open_interactions().await
    }

    async fn entities(&self, kind: EntityKind) -> Result<Vec<EntityView>, PortError> {
        self.engine.entities(kind).await
    }

    async fn entity(
        &self,
        kind: EntityKind,
        key: EntityKey,
    ) -> Result<Option<EntityView>, PortError> {
        self.engine.entity(kind, key).await
    }
}
