//! Web chat with a real engine behind it.

#![allow(clippy::expect_used, reason = "helpers of tests fail a test by panicking")]

mod doors;

use doors::{CONFIG, ORG, OTHER_ORG, Org, Server, at_work, chat};
use ledgerline_access::Role;
use ledgerline_ingest::chat::{ChatSettings, ToCustomer};
use ledgerline_schemas::id::InteractionId;
use ledgerline_schemas::limits::MESSAGE_BYTES_MAX;
use reqwest::{Method, StatusCode};
use serde_json::json;

#[tokio::test]
async fn a_repeated_line_is_one_line_even_over_a_new_socket() {
    let (server, org) = Server::with_org().await;
    let anonymous = server.anonymous();
    let (started, mut socket) = chat(&anonymous, "web").await;
    socket.until_stage("queued").await;
    socket.say("first", "m1").await;
    let accepted = socket.until("accepted").await;
    assert_eq!(accepted["clientMessageId"], "m1");
    socket.say("first", "m1").await;
    assert_eq!(socket.until("accepted").await, accepted);
    drop(socket);
    let mut socket = anonymous.socket(started["socket"].as_str().expect("path")).await.expect("ws");
    let history = socket.next().await.expect("history");
    assert_eq!(history["type"], "history");
    assert_eq!(history["stage"], "queued");
    assert_eq!(history["messages"].as_array().map(Vec::len), Some(1));
    assert_eq!(history["messages"][0]["text"], "first");
    socket.say("first", "m1").await;
    assert_eq!(socket.until("accepted").await, accepted);
    assert_eq!(org.count("message.received"), 1);
}

#[tokio::test]
async fn prompts_wait_for_the_socket_and_a_menu_takes_the_next_line() {
    let (server, org) = Server::with_org().await;
    let mut ben_desk = at_work(&server.agent(&org, "ben"), "Blue").await;
    let (_, mut socket) = chat(&server.anonymous(), "menu").await;
    assert_eq!(socket.until("prompt").await["text"], "1 for sales, 2 for support");
    socket.say("my name is Grace", "m1").await;
    socket.until("accepted").await;
    assert_eq!(socket.until("prompt").await["text"], "1 for sales, 2 for support");
    socket.say(" 2 ", "m2").await;
    socket.until("accepted").await;
    socket.until_stage("queued").await;
    ben_desk.until("AgentOfferContact").await;
    assert_eq!(org.count("flow.input_collected"), 2);
    assert_eq!(org.count("message.received"), 0);
    socket.say("2", "m3").await;
    socket.until("accepted").await;
    assert_eq!(org.count("message.received"), 1, "after the menu a line is a message");
    let clear = |part: &[u8]| {
        org.events().iter().any(|it| it.payload.windows(part.len()).any(|found| found == part))
    };
    assert!(!clear(b"Grace"), "what the customer typed reaches the log in clear");
}

#[tokio::test]
async fn the_customer_leaves_and_the_offer_is_taken_back() {
    let (server, org) = Server::with_org().await;
    let mut desk = at_work(&server.agent(&org, "ada"), "Red").await;
    let (started, mut socket) = chat(&server.anonymous(), "web").await;
    desk.until("AgentOfferContact").await;
    socket.send(json!({"type": "leave"})).await;
    assert_eq!(socket.until("ended").await["reason"], "left");
    desk.until("AgentOfferContactRescinded").await;
    assert_eq!(org.count("interaction.ended"), 1);
    let path = started["socket"].as_str().expect("path");
    let mut late = server.anonymous().socket(path).await.expect("socket");
    assert_eq!(late.next().await.expect("frame")["type"], "ended");
    assert_eq!(late.next().await, None);
}

#[tokio::test]
async fn a_restart_loses_no_chat() {
    let org = Org::start(ORG, ChatSettings::default());
    org.configure(CONFIG).await;
    let server = Server::start().await;
    server.doors.add(org.organization.clone());
    let (started, mut socket) = chat(&server.anonymous(), "web").await;
    socket.say("before", "m1").await;
    socket.until("accepted").await;
    drop(socket);
    let (log, keys) = org.stop();

    let org = Org::over(ORG, log, keys, ChatSettings::default());
    assert_eq!(org.organization.chats.resume().await.expect("engine"), 1);
    let server = Server::start().await;
    server.doors.add(org.organization.clone());
    let path = started["socket"].as_str().expect("path");
    let mut socket = server.anonymous().socket(path).await.expect("socket");
    let history = socket.next().await.expect("history");
    assert_eq!(history["messages"][0]["text"], "before");
    socket.say("before", "m1").await;
    socket.until("accepted").await;
    socket.say("after", "m2").await;
    socket.until("accepted").await;
    assert_eq!(org.count("message.received"), 2);
}

#[tokio::test]
async fn without_a_socket_the_customer_has_left_after_the_grace_period() {
    let org = Org::start(ORG, ChatSettings { reconnect_grace_ms: 1 });
    org.configure(CONFIG).await;
    let server = Server::start().await;
    server.doors.add(org.organization.clone());
    let body = json!({"entryPoint": "web"});
    let started = server.anonymous().post("/v1/chats", body).await;
    let interaction: InteractionId =
        serde_json::from_value(started["interactionId"].clone()).expect("id");
    // The log itself says when it happened.
    let mut head = ledgerline_event_store::log::EventReader::watch_head(&org.log);
    while org.count("interaction.ended") == 0 {
        head.changed().await.expect("log");
    }
    // The session may still be closing when the log knows; then it says that it is over.
    if let Some(mut late) = org.organization.chats.attach(interaction).await.expect("engine") {
        assert!(matches!(late.next().await, Some(ToCustomer::Ended { .. })));
    }
}

#[tokio::test]
async fn a_chat_token_opens_its_own_chat_only() {
    let (server, _org) = Server::with_org().await;
    let anonymous = server.anonymous();
    let (one, _socket) = chat(&anonymous, "web").await;
    let (two, _socket) = chat(&anonymous, "web").await;
    let id = one["interactionId"].as_str().expect("id");
    let foreign = two["chatToken"].as_str().expect("token");
    for path in [
        format!("/v1/chats/{id}/socket?token={foreign}"),
        format!("/v1/chats/{id}/socket?token=lc1.x.y.z"),
    ] {
        assert!(matches!(anonymous.socket(&path).await, Err(401)), "{path}");
    }
    assert!(matches!(anonymous.socket(&format!("/v1/chats/{id}/socket")).await, Err(422)));
    // Another organization served by the same process has other keys.
    server.add(OTHER_ORG).await;
    let forged = one["chatToken"]
        .as_str()
        .expect("token")
        .replace(&ORG.uuid().simple().to_string(), &OTHER_ORG.uuid().simple().to_string());
    let path = format!("/v1/chats/{id}/socket?token={forged}");
    assert!(matches!(anonymous.socket(&path).await, Err(401)));
}

#[tokio::test]
async fn who_may_start_a_chat_where() {
    let (server, _org) = Server::with_org().await;
    server.add(OTHER_ORG).await;
    let integrator = server.client(ORG, Role::Integrator, None);
    let anonymous = server.anonymous();
    let analyst = server.client(ORG, Role::Analyst, None);
    let mut bad = anonymous.clone();
    bad.token = Some("nonsense".to_owned());
    for (api, body, status) in [
        // By name only with a token; without one, by key and organization.
        (&integrator, json!({"entryPoint": "Web"}), 201),
        (&integrator, json!({"entryPoint": "web", "orgId": OTHER_ORG}), 403),
        (&anonymous, json!({"entryPoint": "Web", "orgId": ORG}), 404),
        (&anonymous, json!({"entryPoint": "web", "orgId": ORG}), 201),
        (&anonymous, json!({"entryPoint": "web"}), 422),
        (&anonymous, json!({"entryPoint": "web", "orgId": InteractionId::from_u128(1)}), 404),
        (&anonymous, json!({"entryPoint": "fax", "orgId": ORG}), 404),
        (&anonymous, json!({"entryPoint": "web", "orgId": ORG, "vip": true}), 422),
        (&anonymous, json!({"entryPoint": "web", "orgId": ORG, "name": "x".repeat(201)}), 422),
        (&analyst, json!({"entryPoint": "web"}), 403),
        (&bad, json!({"entryPoint": "web", "orgId": ORG}), 401),
    ] {
        let (found, answer) = api.ask(Method::POST, "/v1/chats", body.clone()).await;
        assert_eq!(found.as_u16(), status, "{body}: {answer}");
    }
}

#[tokio::test]
async fn lines_that_do_not_fit_are_refused_and_the_chat_goes_on() {
    let (server, org) = Server::with_org().await;
    let (_, mut socket) = chat(&server.anonymous(), "web").await;
    socket.until_stage("queued").await;
    for (text, id, code) in [
        ("x".repeat(MESSAGE_BYTES_MAX + 1), "m1".to_owned(), "too_large"),
        ("  ".to_owned(), "m2".to_owned(), "invalid"),
        ("fine".to_owned(), "x".repeat(101), "invalid"),
        ("fine".to_owned(), String::new(), "invalid"),
    ] {
        socket.say(&text, &id).await;
        assert_eq!(socket.until("error").await["code"], code);
    }
    socket.send(json!({"type": "message", "text": "no id"})).await;
    assert_eq!(socket.until("error").await["code"], "invalid");
    socket.say(&"\u{1}".repeat(MESSAGE_BYTES_MAX), "m3").await;
    socket.until("accepted").await;
    assert_eq!(org.count("message.received"), 1);
    // Beyond the frame limit the connection ends, the chat does not.
    socket.say(&"x".repeat(8 * MESSAGE_BYTES_MAX), "m4").await;
    assert_eq!(socket.next().await, None);
    assert_eq!(org.count("interaction.ended"), 0);
}

#[tokio::test]
async fn two_sockets_of_one_chat_both_see_it() {
    let (server, _org) = Server::with_org().await;
    let (started, mut one) = chat(&server.anonymous(), "web").await;
    let path = started["socket"].as_str().expect("path");
    let mut two = server.anonymous().socket(path).await.expect("socket");
    two.until("history").await;
    one.say("hello", "m1").await;
    let echo = two.until("message").await;
    assert_eq!((&echo["author"], &echo["text"]), (&json!("customer"), &json!("hello")));
}

#[tokio::test]
async fn a_session_serves_callers_without_a_socket_alike() {
    let org = Org::start(ORG, ChatSettings::default());
    org.configure(CONFIG).await;
    let server = Server::start().await;
    server.doors.add(org.organization.clone());
    let started = server.anonymous().post("/v1/chats", json!({"entryPoint": "web"})).await;
    let id: InteractionId =
        serde_json::from_value(started["interactionId"].clone()).expect("interaction id");
    let mut attached =
        org.organization.chats.attach(id).await.expect("engine").expect("the chat is open");
    assert!(matches!(attached.next().await, Some(ToCustomer::History { .. })));
    let answer = attached.say("hi".to_owned(), "m1".to_owned()).await.expect("answer");
    assert!(matches!(answer, ToCustomer::Accepted { .. }), "{answer:?}");
    let (status, _) =
        server.anonymous().ask(Method::GET, &format!("/v1/chats/{id}"), json!({})).await;
    assert_eq!(status, StatusCode::NOT_FOUND, "there is no such door");
}
