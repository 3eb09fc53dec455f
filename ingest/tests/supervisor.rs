//! The supervisor's doors with a real engine behind them.

#![allow(clippy::expect_used, reason = "helpers of tests fail a test by panicking")]

mod doors;

use doors::{Api, ORG, Org, Server, Socket, at_work, chat};
use ledgerline_access::Role;
use ledgerline_schemas::{ActorType, Recorded, Timestamp};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

/// Olga sees Blue and Support, Otto stands under a profile that is switched off.
const PROFILES: &str = r#"
[[user_profile]]
name = "Blue supervisors"
sites = ["Berlin"]
teams = ["Blue"]
resource_collections = ["Support"]
[[resource_collection]]
name = "Support"
queues = ["Support"]
[[user_profile]]
name = "Nothing"
sites = "all"
teams = "all"
queues = "all"
active = false
[[user]]
name = "olga"
user_profile = "Blue supervisors"
[[user]]
name = "otto"
user_profile = "Nothing"
"#;

fn text(value: &Value) -> String {
    value.as_str().expect("text").to_owned()
}

/// Starts a chat that waits or rings, for the entry point's queue.
async fn waits(server: &Server, entry_point: &str) -> (String, Socket) {
    let (started, customer) = chat(&server.anonymous(), entry_point).await;
    (text(&started["interactionId"]), customer)
}

/// A chat that has reached Support through the menu.
async fn waits_for_support(server: &Server) -> (String, Socket) {
    let (interaction, mut customer) = waits(server, "menu").await;
    customer.until("prompt").await;
    customer.say("2", "choice").await;
    customer.until_stage("queued").await;
    (interaction, customer)
}

async fn with_profiles(server: &Server, org: &Org) -> Api {
    assert_eq!(org.configure(PROFILES).await.failed, [], "configuration");
    server.client(ORG, Role::Supervisor, Some(org.user("olga")))
}

fn newest(org: &Org, event_type: &str) -> Recorded {
    let found = org.events().into_iter().rev().find(|it| &*it.header.event_type == event_type);
    found.unwrap_or_else(|| panic!("no {event_type} in the log"))
}

#[tokio::test]
async fn a_changed_priority_is_served_first_and_names_the_supervisor() {
    let (server, org) = Server::with_org().await;
    let (first, mut one) = waits(&server, "web").await;
    let (second, mut two) = waits(&server, "web").await;
    one.until_stage("queued").await;
    two.until_stage("queued").await;

    let supervisor = server.client(ORG, Role::Supervisor, None);
    let path = format!("/v1/tasks/{second}/priority");
    let answer = supervisor.post(&path, json!({"priority": 2})).await;
    assert_eq!(answer["interactionId"], second.as_str());
    let set = newest(&org, "interaction.priority_set");
    assert_eq!(set.header.position.0, answer["position"].as_u64().expect("position"));
    assert_eq!(set.header.actor.kind, ActorType::Supervisor);
    assert_eq!(set.header.actor.id, "supervisor");
    let payload = set.decode().expect("event").to_json();
    assert_eq!((&payload["old"], &payload["new"]), (&json!(10), &json!(2)));

    let mut desk = at_work(&server.agent(&org, "ada"), "Red").await;
    assert_eq!(desk.until("AgentOfferContact").await["interactionId"], second.as_str());
    assert_eq!(desk.until("AgentOfferContact").await["interactionId"], first.as_str());
    let (status, problem) = supervisor.ask(Method::POST, &path, json!({"priority": 1})).await;
    assert_eq!((status, &problem["field"]), (StatusCode::CONFLICT, &json!("interactionId")));
}

#[tokio::test]
async fn what_does_not_fit_is_refused_by_name() {
    let (server, org) = Server::with_org().await;
    let (waiting, mut customer) = waits(&server, "web").await;
    customer.until_stage("queued").await;
    let supervisor = server.client(ORG, Role::Supervisor, None);
    let path = format!("/v1/tasks/{waiting}/priority");
    for (body, field) in [
        (json!({"priority": 0}), "priority"),
        (json!({"priority": 11}), "priority"),
        (json!({"priority": 256}), "priority"),
        (json!({"priority": "high"}), "priority"),
        (json!({}), "priority"),
        (json!({"priority": 1, "why": "vip"}), "why"),
    ] {
        let (status, problem) = supervisor.ask(Method::POST, &path, body.clone()).await;
        assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{body}: {problem}");
        assert_eq!(problem["field"], field, "{body}: {problem}");
    }
    for id in ["7", "00000000-0000-0000-0000-000000000007"] {
        let path = format!("/v1/tasks/{id}/priority");
        let (status, problem) = supervisor.ask(Method::POST, &path, json!({"priority": 1})).await;
        assert_eq!(status, StatusCode::NOT_FOUND, "{problem}");
    }
    for stranger in [server.agent(&org, "ada"), server.client(ORG, Role::Administrator, None)] {
        let (status, problem) = stranger.ask(Method::POST, &path, json!({"priority": 1})).await;
        assert_eq!(status, StatusCode::FORBIDDEN, "{problem}");
    }
    assert_eq!(org.count("interaction.priority_set"), 0);
}

#[tokio::test]
async fn a_profile_narrows_what_a_supervisor_may_touch() {
    let (server, org) = Server::with_org().await;
    let olga = with_profiles(&server, &org).await;
    let (sales, mut one) = waits(&server, "web").await;
    one.until_stage("queued").await;
    let (support, _two) = waits_for_support(&server).await;

    // Out of reach is answered like what does not exist.
    let body = json!({"priority": 1});
    let (status, hidden) =
        olga.ask(Method::POST, &format!("/v1/tasks/{sales}/priority"), body.clone()).await;
    assert_eq!(status, StatusCode::NOT_FOUND, "{hidden}");
    let unknown = "00000000-0000-0000-0000-000000000007";
    let (_, nothing) =
        olga.ask(Method::POST, &format!("/v1/tasks/{unknown}/priority"), body.clone()).await;
    assert_eq!(text(&hidden["detail"]).replace(&sales, unknown), text(&nothing["detail"]));
    olga.post(&format!("/v1/tasks/{support}/priority"), body.clone()).await;
    assert_eq!(
        newest(&org, "interaction.priority_set").header.actor.id,
        org.user("olga").to_string()
    );

    // A chat that ada is offered is out of reach too.
    let _desk = at_work(&server.agent(&org, "ada"), "Red").await;
    let idle =
        |name: &str| json!({"state": "Idle", "auxCodeId": "Break", "agentId": org.user(name)});
    let state = "/v1/agents/session/state";
    for (method, path, body) in [
        (Method::PUT, state, idle("ada")),
        (Method::POST, "/v1/agents/logout", json!({"agentId": org.user("ada")})),
    ] {
        let (status, problem) = olga.ask(method, path, body).await;
        assert_eq!((status, &problem["field"]), (StatusCode::NOT_FOUND, &json!("agentId")));
    }
    let reached = server.agent(&org, "ada").post("/v1/agents/reload", json!({})).await;
    assert_eq!(reached["state"], "available", "nobody forced it");
    let _desk = at_work(&server.agent(&org, "ben"), "Blue").await;
    assert_eq!(olga.ok(Method::PUT, state, idle("ben")).await["state"], "idle");

    let otto = server.client(ORG, Role::Supervisor, Some(org.user("otto")));
    for path in [format!("/v1/tasks/{support}/priority"), format!("/v1/tasks/{sales}/priority")] {
        let (status, problem) = otto.ask(Method::POST, &path, body.clone()).await;
        assert_eq!(status, StatusCode::FORBIDDEN, "{problem}");
    }
    let (status, _) = otto.ask(Method::PUT, state, idle("ben")).await;
    assert_eq!(status, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn a_waiting_chat_is_pulled_to_an_agent_and_taken_to_another() {
    let (server, org) = Server::with_org().await;
    let (ada, ben) = (server.agent(&org, "ada"), server.agent(&org, "ben"));
    let (interaction, mut customer) = waits(&server, "web").await;
    customer.until_stage("queued").await;
    let mut ben_desk = at_work(&ben, "Blue").await;
    let supervisor = server.client(ORG, Role::Supervisor, Some(org.user("ada")));
    let assign = format!("/v1/tasks/{interaction}/assign");

    // Ben's team does not serve the queue: only somebody can bring it to him.
    let to_ben = json!({"to": "ben", "destinationType": "agent"});
    supervisor.post(&assign, to_ben.clone()).await;
    assert_eq!(ben_desk.until("AgentOfferContact").await["interactionId"], interaction.as_str());
    let assigned = newest(&org, "routing.manual_assigned");
    assert_eq!(assigned.header.actor.kind, ActorType::Supervisor);
    assert_eq!(assigned.header.actor.id, org.user("ada").to_string());
    assert_eq!(assigned.decode().expect("event").to_json()["by"], json!(org.user("ada")));
    let (status, problem) = supervisor.ask(Method::POST, &assign, to_ben).await;
    assert_eq!((status, &problem["field"]), (StatusCode::CONFLICT, &json!("to")));
    ben.post(&format!("/v1/tasks/{interaction}/accept"), json!({})).await;
    customer.until_stage("connected").await;

    let mut ada_desk = at_work(&ada, "Red").await;
    let to_ada = json!({"to": org.user("ada"), "destinationType": "agent"});
    supervisor.post(&assign, to_ada).await;
    ben_desk.until("AgentContactAssigned").await;
    assert_eq!(ben_desk.until("ContactEnded").await["detail"], "supervisor");
    ben_desk.until("AgentWrapup").await;
    ada_desk.until("AgentOfferContact").await;
    ada.post(&format!("/v1/tasks/{interaction}/accept"), json!({})).await;
    ada_desk.until("AgentContactAssigned").await;
    customer.say("still here", "1").await;
    assert_eq!(ada_desk.until("ContactMessage").await["message"]["text"], "still here");
    let (status, _) =
        ben.ask(Method::POST, &format!("/v1/tasks/{interaction}/end"), json!({})).await;
    assert_eq!(status, StatusCode::CONFLICT, "it is no longer ben's");
}

#[tokio::test]
async fn a_chat_moves_to_another_queue_and_a_repeated_request_moves_it_once() {
    let (server, org) = Server::with_org().await;
    let (interaction, mut customer) = waits(&server, "web").await;
    customer.until_stage("queued").await;
    let mut ben_desk = at_work(&server.agent(&org, "ben"), "Blue").await;
    let supervisor = server.client(ORG, Role::Supervisor, None);
    let token = supervisor.token.as_deref().expect("token");
    let client = reqwest::Client::new();
    let mut answers = Vec::new();
    for _ in 0..2 {
        let request = client
            .post(format!("{}/v1/tasks/{interaction}/assign", server.base))
            .bearer_auth(token)
            .header("idempotency-key", "move-1")
            .json(&json!({"to": "Support", "destinationType": "queue"}));
        let answer = request.send().await.expect("answer");
        assert_eq!(answer.status(), StatusCode::OK);
        answers.push(answer.json::<Value>().await.expect("json"));
    }
    assert_eq!(answers[0], answers[1]);
    ben_desk.until("AgentOfferContact").await;
    assert_eq!(org.count("queue.entered"), 2);
    let left = newest(&org, "queue.left").decode().expect("event").to_json();
    assert_eq!(left["reason"], "moved");
    for (body, status, field) in [
        (json!({"to": "Nowhere", "destinationType": "queue"}), 422, "to"),
        (json!({"to": "nobody", "destinationType": "agent"}), 422, "to"),
        (json!({"to": "ada", "destinationType": "agent"}), 409, "to"),
        (json!({"to": "Support", "destinationType": "queue"}), 409, "to"),
        (json!({"to": "Support", "destinationType": "number"}), 422, "destinationType"),
        (json!({"destinationType": "queue"}), 422, "to"),
    ] {
        let path = format!("/v1/tasks/{interaction}/assign");
        let (found, problem) = supervisor.ask(Method::POST, &path, body.clone()).await;
        assert_eq!(
            (found.as_u16(), &problem["field"]),
            (status, &json!(field)),
            "{body}: {problem}"
        );
    }
}

#[tokio::test]
async fn nothing_is_moved_out_of_reach() {
    let (server, org) = Server::with_org().await;
    let olga = with_profiles(&server, &org).await;
    let (interaction, _customer) = waits_for_support(&server).await;
    let _desk = at_work(&server.agent(&org, "ada"), "Red").await;
    let path = format!("/v1/tasks/{interaction}/assign");
    // Ada works in a team that the profile does not grant: for olga she is not there.
    let (status, problem) =
        olga.ask(Method::POST, &path, json!({"to": "ada", "destinationType": "agent"})).await;
    assert_eq!((status, &problem["field"]), (StatusCode::CONFLICT, &json!("to")), "{problem}");
    assert_eq!(problem["detail"], "agent_id: this agent is not logged in");
    let (status, hidden) =
        olga.ask(Method::POST, &path, json!({"to": "Sales", "destinationType": "queue"})).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
    let (_, nothing) =
        olga.ask(Method::POST, &path, json!({"to": "Nowhere", "destinationType": "queue"})).await;
    assert_eq!(text(&hidden["detail"]).replace("Sales", "Nowhere"), text(&nothing["detail"]));
    assert_eq!(org.count("routing.manual_assigned") + org.count("queue.left"), 0);

    // Everything granted: the same supervisor without the profile may.
    let supervisor = server.client(ORG, Role::Supervisor, None);
    supervisor.post(&path, json!({"to": "ada", "destinationType": "agent"})).await;
    // And what ada is offered now is out of reach for olga, although its queue is granted.
    let (status, _) =
        olga.ask(Method::POST, &path, json!({"to": "Support", "destinationType": "queue"})).await;
    assert_eq!(status, StatusCode::NOT_FOUND);
}

fn texts(state: &Value) -> Vec<String> {
    let broadcasts = state["broadcasts"].as_array().expect("broadcasts");
    broadcasts.iter().map(|it| text(&it["text"])).collect()
}

#[tokio::test]
async fn a_broadcast_reaches_the_sockets_of_those_it_is_for() {
    let (server, org) = Server::with_org().await;
    let (ada, ben) = (server.agent(&org, "ada"), server.agent(&org, "ben"));
    let (mut ada_desk, mut ben_desk) = (at_work(&ada, "Red").await, at_work(&ben, "Blue").await);
    let supervisor = server.client(ORG, Role::Supervisor, Some(org.user("ben")));
    let sent = supervisor
        .post(
            "/v1/broadcasts",
            json!({"text": "Red: early lunch", "destinationType": "team", "to": "Red"}),
        )
        .await;
    supervisor
        .post(
            "/v1/broadcasts",
            json!({"text": "Support is closing", "destinationType": "queue", "to": "Support"}),
        )
        .await;
    supervisor
        .post(
            "/v1/broadcasts",
            json!({"text": "Fire drill", "destinationType": "all", "ttlMs": 1000}),
        )
        .await;

    let told = ada_desk.until("Broadcast").await;
    assert_eq!(told["broadcast"]["text"], "Red: early lunch");
    assert_eq!(told["broadcast"]["broadcastId"], sent["broadcastId"]);
    assert_eq!(told["broadcast"]["expiresAt"], sent["expiresAt"]);
    assert_eq!(told["broadcast"]["fromUserId"], json!(org.user("ben")));
    assert_eq!(ada_desk.until("Broadcast").await["broadcast"]["text"], "Fire drill");
    assert_eq!(ben_desk.until("Broadcast").await["broadcast"]["text"], "Support is closing");
    assert_eq!(ben_desk.until("Broadcast").await["broadcast"]["text"], "Fire drill");
    let event = newest(&org, "broadcast.sent");
    assert_eq!(event.header.actor.kind, ActorType::Supervisor);
    assert_eq!(event.header.actor.id, org.user("ben").to_string());

    // Who comes back or logs in later is shown what has not expired.
    let mut again = ada.notifications("").await;
    let state = again.next().await.expect("state");
    assert_eq!(texts(&state)[0], "Red: early lunch");
    assert!(!texts(&state).contains(&"Support is closing".to_owned()));
    let state = ben.post("/v1/agents/logout", json!({})).await;
    assert_eq!(state["broadcasts"], json!([]), "nobody is logged in");
    let state = ben.post("/v1/agents/login", json!({"teamId": "Blue"})).await;
    assert_eq!(texts(&state)[0], "Support is closing");
}

#[tokio::test]
async fn a_broadcast_outlives_a_restart_until_it_expires() {
    let (server, org) = Server::with_org().await;
    let ada = server.agent(&org, "ada");
    let mut desk = at_work(&ada, "Red").await;
    let supervisor = server.client(ORG, Role::Supervisor, None);
    let all =
        |text: &str, ttl_ms: u64| json!({"text": text, "destinationType": "all", "ttlMs": ttl_ms});
    supervisor.post("/v1/broadcasts", all("brief", 1_000)).await;
    supervisor.post("/v1/broadcasts", all("lasting", 3_600_000)).await;
    let brief = desk.until("Broadcast").await;
    desk.until("Broadcast").await;
    drop(desk);

    let (log, keys) = org.stop();
    let org = Org::over(ORG, log, keys, ledgerline_ingest::chat::ChatSettings::default());
    server.doors.add(org.organization.clone());
    // The clock alone ends the brief one: asked again until it has, it is gone for good.
    let expires_at = text(&brief["broadcast"]["expiresAt"]);
    let expires_at = Timestamp::parse(&expires_at).expect("an instant");
    let state = loop {
        let state = ada.post("/v1/agents/reload", json!({})).await;
        assert!(texts(&state).contains(&"lasting".to_owned()), "{state}");
        if doors::now() > expires_at {
            break ada.post("/v1/agents/reload", json!({})).await;
        }
    };
    assert_eq!(texts(&state), ["lasting"]);
    // Nor is it among the pushes that were missed.
    let mut again = ada.notifications("?after=0").await;
    assert_eq!(texts(&again.next().await.expect("state")), ["lasting"]);
    supervisor.post("/v1/broadcasts", all("new", 3_600_000)).await;
    loop {
        let told = again.until("Broadcast").await;
        assert_ne!(told["broadcast"]["text"], "brief");
        if told["broadcast"]["text"] == "new" {
            break;
        }
    }
}

#[tokio::test]
async fn broadcasts_that_do_not_fit_or_reach_too_far_are_refused() {
    let (server, org) = Server::with_org().await;
    let olga = with_profiles(&server, &org).await;
    let supervisor = server.client(ORG, Role::Supervisor, None);
    let path = "/v1/broadcasts";
    for (body, field) in [
        (json!({"text": "", "destinationType": "all"}), "text"),
        (json!({"text": "x".repeat(1_001), "destinationType": "all"}), "text"),
        (json!({"text": "x", "destinationType": "all", "ttlMs": 999}), "ttlMs"),
        (json!({"text": "x", "destinationType": "all", "ttlMs": 86_400_001}), "ttlMs"),
        (json!({"text": "x", "destinationType": "all", "to": "Red"}), "to"),
        (json!({"text": "x", "destinationType": "team"}), "to"),
        (json!({"text": "x", "destinationType": "team", "to": "Green"}), "to"),
        (json!({"text": "x", "destinationType": "site", "to": "Berlin"}), "destinationType"),
        (json!({"destinationType": "all"}), "text"),
    ] {
        let (status, problem) = supervisor.ask(Method::POST, path, body.clone()).await;
        assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{body}: {problem}");
        assert_eq!(problem["field"], field, "{body}: {problem}");
    }
    for (body, status, field) in [
        (json!({"text": "x", "destinationType": "all"}), 403, "destinationType"),
        (json!({"text": "x", "destinationType": "team", "to": "Red"}), 422, "to"),
        (json!({"text": "x", "destinationType": "queue", "to": "Sales"}), 422, "to"),
    ] {
        let (found, problem) = olga.ask(Method::POST, path, body.clone()).await;
        assert_eq!(
            (found.as_u16(), &problem["field"]),
            (status, &json!(field)),
            "{body}: {problem}"
        );
    }
    let body = json!({"text": "x", "destinationType": "all"});
    let (status, _) = server.agent(&org, "ada").ask(Method::POST, path, body).await;
    assert_eq!(status, StatusCode::FORBIDDEN);
    assert_eq!(org.count("broadcast.sent"), 0);

    for (kind, to) in [("team", "Blue"), ("queue", "Support")] {
        olga.post(path, json!({"text": "x", "destinationType": kind, "to": to})).await;
    }
    // A queue that also searches a team out of reach.
    let wider =
        "[[queue]]\nname = \"Support\"\nchannel_type = \"chat\"\nteams = [\"Blue\", \"Red\"]\n";
    assert_eq!(org.configure(wider).await.failed, [], "configuration");
    let body = json!({"text": "x", "destinationType": "queue", "to": "Support"});
    let (status, problem) = olga.ask(Method::POST, path, body).await;
    assert_eq!((status, &problem["field"]), (StatusCode::FORBIDDEN, &json!("to")));
    assert_eq!(org.count("broadcast.sent"), 2);
    let card = json!({"text": "card 4111 1111 1111 1111", "destinationType": "all"});
    supervisor.post(path, card).await;
    let sent = newest(&org, "broadcast.sent").decode().expect("event").to_json();
    assert!(!text(&sent["text"]).contains("1111 1111"), "{sent}");
}
