//! The WebSocket door as clients meet it: tokens, subscriptions, mistakes, ends.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should stop where it is")]

mod arrow;
mod common;
mod doors;

use common::{AGENT_LIVE, ORG_A, ORG_B, QUEUE_LIVE, Replica, queue, text};
use doors::{Client, Server, subscribe};
use futures::SinkExt as _;
use ledgerline_access::Role;
use ledgerline_event_store::log::{Append, EventWriter};
use ledgerline_event_store::memory::MemoryLog;
use ledgerline_projections::Value as Cell;
use ledgerline_realtime::Limits;
use ledgerline_schemas::id::{EventId, OrgId};
use ledgerline_schemas::{Actor, NewEvent, Position, StreamId, Timestamp};
use serde_json::{Value as Json, json};
use tokio_tungstenite::tungstenite::{Error, Message};

#[tokio::test]
async fn each_organization_gets_its_own_rows() {
    let server = Server::start(Limits::default()).await;
    server.feeds[0].set("sales", 3);
    server.feeds[1].set("support", 8);
    let mut clients = [
        server.client(ORG_A, Role::Supervisor).await,
        server.client(ORG_B, Role::Supervisor).await,
    ];
    let mut replicas = [Replica::default(), Replica::default()];
    for (client, replica) in clients.iter_mut().zip(&mut replicas) {
        client.send(subscribe("q", "queue_live")).await;
        client.until(replica, 1).await;
    }
    server.feeds[0].set("sales", 4);
    server.feeds[1].set("refunds", 1);
    for (client, replica) in clients.iter_mut().zip(&mut replicas) {
        client.until(replica, 2).await;
    }
    let seen = |replica: &Replica| -> Vec<(String, i64)> {
        let rows = replica.rows.iter();
        rows.map(|(key, row)| (key.clone(), row["waiting"].as_i64().unwrap())).collect()
    };
    assert_eq!(seen(&replicas[0]), [("sales".to_owned(), 4)]);
    assert_eq!(seen(&replicas[1]), [("refunds".to_owned(), 1), ("support".to_owned(), 8)]);
}

#[tokio::test]
async fn rows_come_as_arrow_to_who_asks_for_it() {
    let server = Server::start(Limits::default()).await;
    server.feeds[0].set("sales", 3);
    let mut client = server.client(ORG_A, Role::Supervisor).await;
    let mut wanted = subscribe("q", "queue_live");
    (wanted["format"], wanted["columns"]) = (json!("arrow"), json!(["waiting", "longest_since"]));
    client.send(wanted).await;
    assert_eq!(client.frame().await["type"], "snapshot_begin");
    let rows = arrow::frame_of(&client.binary().await, &QUEUE_LIVE);
    let longest = Timestamp::from_micros(1_800_000_000_000_003);
    let row = json!({"queue_id": "sales", "waiting": 3, "longest_since": longest});
    assert_eq!(rows, json!({"type": "rows", "id": "q", "rows": [row]}));
    assert_eq!(client.frame().await["type"], "snapshot_end");
    server.feeds[0].set("sales", 0);
    let delta = arrow::frame_of(&client.binary().await, &QUEUE_LIVE);
    let row = json!({"queue_id": "sales", "waiting": 0, "longest_since": null});
    assert_eq!((&delta["upserts"], &delta["deletes"]), (&json!([row]), &json!([])));
    assert_eq!((&delta["from"], &delta["to"]), (&json!(1), &json!(2)));
    server.feeds[0].fold(vec![Some((&QUEUE_LIVE, "sales".to_owned(), None))]);
    let delta = arrow::frame_of(&client.binary().await, &QUEUE_LIVE);
    assert_eq!(delta["deletes"], json!([{"queue_id": "sales"}]));
    // Events have no columns.
    let mut wanted = subscribe("e", "events");
    (wanted["format"], wanted["max_hz"]) = (json!("arrow"), Json::Null);
    client.send(wanted).await;
    let error = client.answer().await;
    assert!(error["message"].as_str().unwrap().starts_with("field 'format'"), "{error}");
}

#[tokio::test]
async fn a_token_is_taken_from_header_query_or_first_frame() {
    let server = Server::start(Limits::default()).await;
    let token = server.token(ORG_A, Role::Supervisor);
    let mut by_header = server.open(Some(&token), "").await.unwrap();
    let mut by_query = server.open(None, &format!("?access_token={token}")).await.unwrap();
    let mut by_frame = server.open(None, "").await.unwrap();
    by_frame.send(json!({"type": "auth", "token": token})).await;
    for client in [&mut by_header, &mut by_query, &mut by_frame] {
        let ready = client.frame().await;
        assert_eq!(ready["type"], "ready");
        assert_eq!(ready["org_id"], ORG_A.to_string());
        let names: Vec<&str> = ready["datasets"]
            .as_array()
            .unwrap()
            .iter()
            .map(|it| it["name"].as_str().unwrap())
            .collect();
        assert_eq!(names, ["queue_live", "agent_live", "events"]);
    }
}

#[tokio::test]
async fn nobody_gets_in_without_a_good_token() {
    let server = Server::start(Limits { auth_ms: 50, ..Limits::default() }).await;
    for (header, query) in [(Some("nonsense"), ""), (None, "?access_token=nonsense")] {
        match server.open(header, query).await {
            Err(Error::Http(response)) => assert_eq!(response.status(), 401),
            other => panic!("let in: {:?}", other.map(|_| ())),
        }
    }
    for frame in [
        json!({"type": "auth", "token": "nonsense"}),
        json!({"type": "ping"}),
        subscribe("q", "queue_live"),
    ] {
        let mut client = server.open(None, "").await.unwrap();
        client.send(frame).await;
        assert_eq!(client.end().await, (vec![], Some(4401)));
    }
    let silent = server.open(None, "").await.unwrap();
    assert_eq!(silent.end().await, (vec![], Some(4401)));
}

#[tokio::test]
async fn roles_decide_what_may_be_subscribed() {
    let server = Server::start(Limits::default()).await;
    let agent = server.open(Some(&server.token(ORG_A, Role::Agent)), "").await.unwrap();
    assert_eq!(agent.end().await, (vec![], Some(4403)));
    let stranger = OrgId::from_u128(0xC);
    let nowhere = server.open(Some(&server.token(stranger, Role::Supervisor)), "").await.unwrap();
    assert_eq!(nowhere.end().await, (vec![], Some(4403)));
    for (role, dataset) in [(Role::Analyst, "events"), (Role::Auditor, "queue_live")] {
        let mut client = server.client(ORG_A, role).await;
        client.send(subscribe("x", dataset)).await;
        let error = client.answer().await;
        assert_eq!((&error["code"], &error["id"]), (&json!("forbidden"), &json!("x")), "{role:?}");
    }
}

#[tokio::test]
async fn mistakes_are_named_and_end_nothing() {
    let server = Server::start(Limits { subscriptions: 2, ..Limits::default() }).await;
    server.feeds[0].set("sales", 3);
    let mut client = server.client(ORG_A, Role::Supervisor).await;
    let with = |field: &str, value: Json| {
        let mut frame = subscribe("q", "queue_live");
        frame[field] = value;
        frame
    };
    let cases = [
        (json!([1]), "bad_request", "not a JSON object"),
        (json!({"type": "dance"}), "bad_request", "field 'type'"),
        (json!({"type": "ping", "loud": true}), "bad_request", "field 'loud'"),
        (json!({"type": "subscribe", "id": "q"}), "bad_request", "field 'dataset' is missing"),
        (with("id", json!("")), "bad_request", "field 'id'"),
        (
            with("dataset", json!("queue_lives")),
            "unknown_dataset",
            "queue_live, agent_live, events",
        ),
        (with("dataset", json!("queue_leg")), "unknown_dataset", "queue_leg"),
        (with("filter", json!({"wating": 1})), "bad_request", "field 'filter.wating'"),
        (with("filter", json!({"waiting": "x"})), "bad_request", "must be a whole number"),
        (with("filter", json!({"waiting": {"above": 1}})), "bad_request", "no comparison 'above'"),
        (with("columns", json!(["wating"])), "bad_request", "no such column 'wating'"),
        (with("columns", json!("waiting")), "bad_request", "field 'columns'"),
        (with("max_hz", json!(0)), "bad_request", "field 'max_hz'"),
        (with("max_hz", json!("fast")), "bad_request", "field 'max_hz'"),
        (with("format", json!("csv")), "bad_request", "field 'format'"),
        (json!({"type": "unsubscribe", "id": "z"}), "unknown_subscription", "'z'"),
        (json!({"type": "ack", "id": "z", "position": 1}), "unknown_subscription", "'z'"),
    ];
    for (frame, code, part) in cases {
        client.send(frame.clone()).await;
        let error = client.answer().await;
        assert_eq!(
            (&error["type"], &error["code"]),
            (&json!("error"), &json!(code)),
            "{frame}: {error}"
        );
        assert!(error["message"].as_str().unwrap().contains(part), "{frame}: {error}");
    }
    client.send(subscribe("q", "queue_live")).await;
    client.until(&mut Replica::default(), 1).await;
    client.send(subscribe("q", "queue_live")).await;
    assert!(client.answer().await["message"].as_str().unwrap().contains("exists already"));
    client.send(json!({"type": "ack", "id": "q", "position": 1})).await;
    client.send(json!({"type": "ack", "id": "q", "position": 9})).await;
    assert!(client.answer().await["message"].as_str().unwrap().contains("9 was not sent"));
    client.send(subscribe("p", "agent_live")).await;
    client.send(subscribe("o", "agent_live")).await;
    loop {
        let frame = client.answer().await;
        if frame["type"] == "error" {
            assert_eq!((&frame["id"], &frame["code"]), (&json!("o"), &json!("too_large")));
            break;
        }
        assert_eq!(frame["id"], "p");
    }
    client.send(json!({"type": "unsubscribe", "id": "q"})).await;
    assert_eq!(client.answer().await, json!({"type": "unsubscribed", "id": "q"}));
    client.send(json!({"type": "ping"})).await;
    assert_eq!(client.answer().await["type"], "pong");
}

#[tokio::test]
async fn frames_that_are_too_large_or_not_text_end_the_connection() {
    let server = Server::start(Limits { request_bytes: 1_000, ..Limits::default() }).await;
    let mut client = server.client(ORG_A, Role::Supervisor).await;
    client.send(json!({"type": "ping", "padding": "x".repeat(2_000)})).await;
    let (frames, code) = client.end().await;
    assert_eq!(code, Some(1009));
    assert_eq!(frames[0]["code"], "too_large");
    assert!(frames[0]["message"].as_str().unwrap().contains("1000 bytes"));

    let mut client = server.client(ORG_A, Role::Supervisor).await;
    client.socket.send(Message::Binary(vec![1, 2, 3].into())).await.unwrap();
    assert_eq!(client.end().await.1, Some(1002));
}

#[tokio::test]
async fn a_cut_connection_goes_on_where_it_was() {
    let server = Server::start(Limits::default()).await;
    server.feeds[0].set("sales", 3);
    let mut replica = Replica::default();
    let mut first = server.client(ORG_A, Role::Supervisor).await;
    first.send(subscribe("q", "queue_live")).await;
    first.until(&mut replica, 1).await;
    drop(first);
    for waiting in 4..8 {
        server.feeds[0].set("sales", waiting);
    }
    server.feeds[0].set("refunds", 1);
    let resume = |token: &Option<String>, filter: Json| {
        let mut frame = subscribe("q", "queue_live");
        frame["resume"] = json!(token);
        frame["filter"] = filter;
        frame
    };
    let mut second = server.client(ORG_A, Role::Supervisor).await;
    second.send(resume(&replica.token, Json::Null)).await;
    second.until(&mut replica, 6).await;
    assert_eq!(replica.rows.len(), 2);
    assert_eq!(replica.rows["sales"]["waiting"], 7);

    // The token is good for this query, this asker and this organization only; otherwise all is sent.
    let token = replica.token.clone();
    let mut other_query = server.client(ORG_A, Role::Supervisor).await;
    other_query.send(resume(&token, json!({"waiting": 7}))).await;
    assert_eq!(other_query.answer().await["type"], "snapshot_begin");
    let mut other_org = server.client(ORG_B, Role::Supervisor).await;
    other_org.send(resume(&token, Json::Null)).await;
    let mut theirs = Replica::default();
    other_org.until(&mut theirs, 0).await;
    assert!(theirs.rows.is_empty());
    let forged = token.as_ref().map(|token| token.replacen(|c: char| c != 'Q', "Q", 1));
    let mut forger = server.client(ORG_A, Role::Supervisor).await;
    forger.send(resume(&forged, Json::Null)).await;
    assert_eq!(forger.answer().await["type"], "snapshot_begin");

    // Other roles than those it was issued for.
    let mut promoted = server.client(ORG_A, Role::Administrator).await;
    promoted.send(resume(&token, Json::Null)).await;
    let resync = json!({"type": "resync", "id": "q", "reason": "policy_changed"});
    assert_eq!(promoted.answer().await, resync);
}

#[tokio::test]
async fn several_subscriptions_share_a_connection_and_columns_are_chosen() {
    let server = Server::start(Limits::default()).await;
    let agent: Vec<Cell> = vec![text("kim"), text("idle"), Cell::Int(1)];
    server.feeds[0].fold(vec![Some((&AGENT_LIVE, "kim".to_owned(), Some(agent.into())))]);
    server.feeds[0].set("sales", 3);
    let mut client = server.client(ORG_A, Role::Supervisor).await;
    let mut wanted = subscribe("q", "queue_live");
    wanted["columns"] = json!(["waiting"]);
    client.send(wanted).await;
    client.send(subscribe("a", "agent_live")).await;
    let mut rows = std::collections::BTreeMap::new();
    while rows.len() < 2 {
        let frame = client.frame().await;
        if frame["type"] == "rows" {
            rows.insert(frame["id"].as_str().unwrap().to_owned(), frame["rows"].clone());
        }
    }
    assert_eq!(rows["q"], json!([{"queue_id": "sales", "waiting": 3}]));
    assert_eq!(rows["a"], json!([{"agent_id": "kim", "state": "idle", "valid_from_position": 1}]));
}

#[tokio::test]
async fn an_empty_and_idle_dataset_says_so() {
    let server = Server::start(Limits { progress_ms: 20, ..Limits::default() }).await;
    let mut client = server.client(ORG_A, Role::Supervisor).await;
    client.send(subscribe("q", "queue_live")).await;
    assert_eq!(client.frame().await["type"], "snapshot_begin");
    assert_eq!(client.frame().await["type"], "snapshot_end");
    assert_eq!(client.frame().await["type"], "progress");
    // Something else happens: the position moves on although no row does.
    server.feeds[0].fold(vec![None, None]);
    loop {
        let frame = client.frame().await;
        assert_eq!(frame["type"], "progress");
        if frame["position"] == 2 {
            break;
        }
    }
}

#[tokio::test]
async fn changed_rights_and_rebuilt_tables_are_told_at_once() {
    let server = Server::start(Limits::default()).await;
    let mut client = server.client(ORG_A, Role::Supervisor).await;
    for reason in ["policy_changed", "epoch"] {
        client.send(subscribe("q", "queue_live")).await;
        client.until(&mut Replica::default(), 0).await;
        if reason == "epoch" {
            server.feeds[0].cut(true);
            server.feeds[0].set("sales", 1);
        } else {
            server.state.policy_changed(ORG_B);
            server.state.policy_changed(ORG_A);
        }
        let expected = json!({"type": "resync", "id": "q", "reason": reason});
        assert_eq!(client.answer().await, expected);
    }
}

#[tokio::test]
async fn shutting_down_says_goodbye() {
    let server = Server::start(Limits::default()).await;
    let client = server.client(ORG_A, Role::Supervisor).await;
    assert_eq!(server.state.connections(), 1);
    server.state.shut_down();
    assert_eq!(client.end().await, (vec![], Some(1001)));
    match server.open(Some(&server.token(ORG_A, Role::Supervisor)), "").await {
        Err(Error::Http(response)) => assert_eq!(response.status(), 503),
        other => panic!("let in: {:?}", other.map(|_| ())),
    }
}

#[tokio::test]
async fn who_takes_no_frames_is_told_to_resync_and_cut_off() {
    let metrics = metrics_exporter_prometheus::PrometheusBuilder::new().install_recorder().unwrap();
    let limits = Limits { slow_ms: 50, close_ms: 600_000, ..Limits::default() };
    let server = Server::start(limits).await;
    // Far more than the buffers of two sockets hold.
    let big = "x".repeat(10_000);
    let rows = (0..4_000)
        .map(|n| {
            let key = format!("q{n:05}");
            let row = queue(&key, Some(&big), 1, n + 1);
            Some((&QUEUE_LIVE, key, Some(row)))
        })
        .collect();
    server.feeds[0].fold(rows);
    server.feeds[0].publish();
    let mut slow = server.client(ORG_A, Role::Supervisor).await;
    slow.send(subscribe("q", "queue_live")).await;
    let mut other = server.client(ORG_B, Role::Supervisor).await;
    other.send(subscribe("q", "queue_live")).await;
    let mut replica = Replica::default();
    // The other client is served all the time; its frames pace the wait.
    let mut position = 0;
    while !metrics.render().contains("ledgerline_realtime_slow_total 1") {
        position = server.feeds[1].set("support", i64::try_from(position).unwrap());
        other.until(&mut replica, position).await;
    }
    let (frames, code) = slow.end().await;
    assert_eq!(code, Some(4408));
    let last = frames.last().unwrap();
    assert_eq!(last, &json!({"type": "resync", "id": "q", "reason": "slow"}));
    assert!(!frames.iter().any(|frame| frame["type"] == "snapshot_end"));
    assert!(metrics.render().contains("ledgerline_realtime_frames_total"));
}

fn event(n: u128, event_type: &str, stream: &str) -> NewEvent {
    NewEvent {
        id: EventId::from_u128(n),
        stream: StreamId::new(stream),
        event_type: event_type.into(),
        time: Timestamp::EPOCH,
        command_id: Default::default(),
        correlation_id: Default::default(),
        causation_id: None,
        actor: Actor::system("test"),
        config_position: Position::START,
        traceparent: None,
        data_subject_id: None,
        payload: b"foreign".to_vec(),
    }
}

#[tokio::test]
async fn events_come_one_by_one_in_order_and_resume_by_position() {
    let server = Server::start(Limits { event_page: 3, ..Limits::default() }).await;
    let append = |log: &MemoryLog, numbers: std::ops::Range<u128>| {
        for n in numbers {
            let name = if n % 2 == 0 { "test.even" } else { "test.odd" };
            let events = vec![event(n, name, "external-test")];
            log.submit(Append { events, expected: vec![] }).unwrap();
        }
    };
    append(&server.logs[0], 1..21);
    append(&server.logs[1], 101..104);

    async fn take(client: &mut Client, count: usize) -> (Vec<u64>, String) {
        let (mut seen, mut token) = (Vec::new(), String::new());
        while seen.len() < count {
            let frame = client.answer().await;
            assert_eq!(frame["type"], "events", "{frame}");
            for event in frame["events"].as_array().unwrap() {
                assert_eq!(event["org_id"], ORG_A.to_string());
                seen.push(event["position"].as_u64().unwrap());
            }
            token = frame["token"].as_str().unwrap().to_owned();
        }
        (seen, token)
    }

    let ask = |extra: Json| {
        let mut frame = json!({"type": "subscribe", "id": "e", "dataset": "events"});
        frame.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        frame
    };
    let mut client = server.client(ORG_A, Role::Auditor).await;
    client.send(ask(json!({"after": 0}))).await;
    let (seen, token) = take(&mut client, 20).await;
    assert_eq!(seen, (1..=20).collect::<Vec<u64>>());
    drop(client);
    append(&server.logs[0], 21..24);

    let mut client = server.client(ORG_A, Role::Auditor).await;
    client.send(ask(json!({"resume": token}))).await;
    assert_eq!(take(&mut client, 3).await.0, [21, 22, 23]);

    let mut client = server.client(ORG_A, Role::Integrator).await;
    client.send(ask(json!({"after": 10, "filter": {"type": "test.even"}}))).await;
    assert_eq!(take(&mut client, 6).await.0, [12, 14, 16, 18, 20, 22]);
    append(&server.logs[0], 24..26);
    assert_eq!(take(&mut client, 1).await.0, [24]);

    // A token of another asker or query does not say where to begin, and events have no snapshot.
    client.send(json!({"type": "unsubscribe", "id": "e"})).await;
    assert_eq!(client.answer().await["type"], "unsubscribed");
    client.send(ask(json!({"resume": token, "filter": {"type": "other"}}))).await;
    assert!(client.answer().await["message"].as_str().unwrap().contains("field 'resume'"));
    client.send(ask(json!({"filter": {"typ": "x"}}))).await;
    assert!(client.answer().await["message"].as_str().unwrap().contains("field 'filter.typ'"));
}
