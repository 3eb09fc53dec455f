//! Listening to calls at the supervisor's doors, with a real engine behind them; the test is the voice edge.

#![allow(clippy::expect_used, reason = "helpers of tests fail a test by panicking")]

mod doors;

use doors::{ORG, Org, Server, Socket, at_work, chat};
use ledgerline_access::Role;
use ledgerline_schemas::command::{Command, Commanded};
use ledgerline_schemas::config::ChannelType;
use ledgerline_schemas::id::{CommandId, CorrelationId, InteractionId, MediaLegId};
use ledgerline_schemas::{Actor, ActorType, Event, Recorded};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use uuid::Uuid;

/// Olga sees Blue, but not its calls.
const PROFILES: &str = r#"
[[user_profile]]
name = "Blue supervisors"
sites = ["Berlin"]
teams = ["Blue"]
resource_collections = ["Support"]
[[resource_collection]]
name = "Support"
queues = ["Support"]
[[user]]
name = "olga"
user_profile = "Blue supervisors"
"#;

fn text(value: &Value) -> String {
    value.as_str().expect("text").to_owned()
}

fn newest(org: &Org, event_type: &str) -> Recorded {
    let found = org.events().into_iter().rev().find(|it| &*it.header.event_type == event_type);
    found.unwrap_or_else(|| panic!("no {event_type} in the log"))
}

/// A voice queue of Blue with ben behind it, and cleo, who supervises and is no agent.
const CALLS: &str = r#"
[[multimedia_profile]]
name = "Phones"
voice = 1
[[user]]
name = "ben"
teams = ["Blue"]
multimedia_profile = "Phones"
default_dn = "sip:ben@127.0.0.1:5090"
[[user]]
name = "cleo"
default_dn = "sip:cleo@127.0.0.1:5091"
[[queue]]
name = "Calls"
channel_type = "voice"
teams = ["Blue"]
ring_timeout_ms = 3600000
[[flow]]
name = "Ringing"
start = "queue"
[flow.activities.queue]
does.queue_contact = { queue = "Calls" }
[[entry_point]]
name = "Hotline"
channel_type = "voice"
numbers = ["100"]
flow = "Ringing"
"#;

async fn report(org: &Org, command: Command) {
    let command_id = CommandId::new(Uuid::now_v7());
    let commanded = Commanded {
        org_id: ORG,
        command_id,
        correlation_id: CorrelationId::new(command_id.uuid()),
        actor: Actor::system("voice"),
        traceparent: None,
        data_subject_id: None,
        command,
    };
    org.handle().submit(commanded).await.expect("accepted");
}

/// Says for a voice edge that the newest phone that was dialled answers.
async fn phone_answers(org: &Org, interaction_id: InteractionId) {
    let Event::MediaLegDialled(dialled) = newest(org, "media_leg.dialled").decode().expect("event")
    else {
        panic!("another event")
    };
    let (media_leg_id, side) = (dialled.media_leg_id, dialled.side);
    let (offer_id, codec) = (dialled.offer_id, "pcmu".to_owned());
    let answered =
        Command::MediaLegAnswered { interaction_id, media_leg_id, side, offer_id, codec };
    report(org, answered).await;
}

/// A call that ben talks to, with his desktop.
async fn talking(server: &Server, org: &Org) -> (InteractionId, Socket) {
    assert_eq!(org.configure(CALLS).await.failed, [], "configuration");
    let desk = at_work(&server.agent(org, "ben"), "Blue").await;
    let interaction_id = InteractionId::from_u128(0xca11);
    let started = Command::StartInteraction {
        interaction_id,
        channel_type: ChannelType::Voice,
        destination: "100".to_owned(),
        origin: None,
        media_leg_id: MediaLegId::from_u128(1),
        call_ref: "call".to_owned(),
        transport: "udp".to_owned(),
    };
    report(org, started).await;
    report(org, Command::CustomerConnected { interaction_id, codec: "pcmu".to_owned() }).await;
    phone_answers(org, interaction_id).await;
    (interaction_id, desk)
}

#[tokio::test]
async fn a_call_is_listened_to_and_the_agent_is_told() {
    let (server, org) = Server::with_org().await;
    let (interaction, mut desk) = talking(&server, &org).await;
    desk.until("AgentContactAssigned").await;
    let cleo = server.client(ORG, Role::Supervisor, Some(org.user("cleo")));
    let path = format!("/v1/tasks/{interaction}/monitor");
    let mode = format!("{path}/mode");
    let called = cleo.post(&path, json!({"mode": "silent"})).await;
    assert_eq!(called["interactionId"], json!(interaction));
    let dialled = newest(&org, "media_leg.dialled").decode().expect("event").to_json();
    assert_eq!(
        (&dialled["dn"], &dialled["side"]),
        (&json!("sip:cleo@127.0.0.1:5091"), &json!("supervisor"))
    );
    let requested = newest(&org, "monitor.requested");
    assert_eq!(requested.header.actor.kind, ActorType::Supervisor);
    assert_eq!(requested.header.actor.id, org.user("cleo").to_string());
    let (status, problem) = cleo.ask(Method::POST, &mode, json!({"mode": "barge"})).await;
    assert_eq!((status, &problem["field"]), (StatusCode::CONFLICT, &json!("mode")), "{problem}");
    phone_answers(&org, interaction).await;
    let told = desk.until("ContactMonitored").await;
    assert_eq!((&told["interactionId"], &told["detail"]), (&json!(interaction), &json!("silent")));
    for (wanted, fact) in [
        ("whisper", "monitor.whispered"),
        ("barge", "monitor.barged_in"),
        ("silent", "monitor.silenced"),
    ] {
        cleo.post(&mode, json!({"mode": wanted})).await;
        assert_eq!(desk.until("ContactMonitored").await["detail"], wanted);
        let event = newest(&org, fact);
        assert_eq!(event.header.actor.id, org.user("cleo").to_string());
        assert_eq!(event.decode().expect("event").to_json()["monitor_id"], called["monitorId"]);
    }
    let (status, _) = cleo.ask(Method::POST, &path, json!({"mode": "silent"})).await;
    assert_eq!(status, StatusCode::CONFLICT, "one listens already");
    cleo.ok(Method::DELETE, &path, json!({})).await;
    desk.until("ContactMonitoringEnded").await;
    let ended = newest(&org, "monitor.ended").decode().expect("event").to_json();
    assert_eq!(ended["reason"], "supervisor");
}

#[tokio::test]
async fn nobody_listens_out_of_reach_or_without_the_right() {
    let (server, org) = Server::with_org().await;
    let (interaction, _desk) = talking(&server, &org).await;
    assert_eq!(org.configure(PROFILES).await.failed, [], "configuration");
    let olga = server.client(ORG, Role::Supervisor, Some(org.user("olga")));
    let body = json!({"mode": "silent", "dialNumber": "sip:olga@127.0.0.1:5092"});
    let path = format!("/v1/tasks/{interaction}/monitor");
    let unknown = InteractionId::from_u128(7);
    let nowhere = format!("/v1/tasks/{unknown}/monitor");
    // Her profile has the team and not the queue: the call is answered like one that is not there.
    for (method, rest, body) in [
        (Method::POST, "", body.clone()),
        (Method::POST, "/mode", json!({"mode": "barge"})),
        (Method::DELETE, "", json!({})),
    ] {
        let (status, hidden) =
            olga.ask(method.clone(), &format!("{path}{rest}"), body.clone()).await;
        assert_eq!(status, StatusCode::NOT_FOUND, "{hidden}");
        let (status, nothing) = olga.ask(method, &format!("{nowhere}{rest}"), body).await;
        assert_eq!(status, StatusCode::NOT_FOUND);
        let shown = text(&hidden["detail"]).replace(&interaction.to_string(), &unknown.to_string());
        assert_eq!(shown, text(&nothing["detail"]));
    }
    let wider = "[[resource_collection]]\nname = \"Support\"\nqueues = [\"Support\", \"Calls\"]\n";
    assert_eq!(org.configure(wider).await.failed, [], "configuration");
    olga.post(&path, body.clone()).await;
    let cleo = server.client(ORG, Role::Supervisor, Some(org.user("cleo")));
    for (method, rest, body) in
        [(Method::POST, "/mode", json!({"mode": "barge"})), (Method::DELETE, "", json!({}))]
    {
        let (status, problem) = cleo.ask(method, &format!("{path}{rest}"), body).await;
        assert_eq!(status, StatusCode::NOT_FOUND, "it is olga's: {problem}");
    }
    olga.ok(Method::DELETE, &path, json!({})).await;

    let nobody = server.client(ORG, Role::Supervisor, None);
    for client in [nobody, server.agent(&org, "ben"), server.agent(&org, "ada")] {
        let (status, _) = client.ask(Method::POST, &path, body.clone()).await;
        assert_eq!(status, StatusCode::FORBIDDEN);
    }
    for (body, field) in [
        (json!({}), "mode"),
        (json!({"mode": "loud"}), "mode"),
        (json!({"mode": "silent", "dialNumber": ""}), "dialNumber"),
        (json!({"mode": "silent", "to": "ben"}), "to"),
    ] {
        let (status, problem) = cleo.ask(Method::POST, &path, body.clone()).await;
        assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{body}: {problem}");
        assert_eq!(problem["field"], field, "{body}: {problem}");
    }
    let (status, problem) = olga.ask(Method::POST, &path, json!({"mode": "silent"})).await;
    assert_eq!((status.as_u16(), &problem["field"]), (422, &json!("dialNumber")), "{problem}");
    let (started, mut customer) = chat(&server.anonymous(), "web").await;
    let chat = text(&started["interactionId"]);
    customer.until_stage("queued").await;
    let (status, problem) = cleo
        .ask(Method::POST, &format!("/v1/tasks/{chat}/monitor"), json!({"mode": "silent"}))
        .await;
    assert_eq!(status, StatusCode::CONFLICT, "{problem}");
    assert_eq!(org.count("monitor.requested"), 1);
}
