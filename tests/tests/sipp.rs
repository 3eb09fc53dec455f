//! A separately running `serve`, driven by SIPp alone: callers, and agents' phones. What the agents'
//! desktops do is logging in and becoming available; a call is taken by answering the phone.

#![allow(
    dead_code,
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "a test that cannot go on should stop where it is; the shared parts are used in part"
)]

#[path = "../../ingest/tests/support/sipp.rs"]
mod sipp;
#[path = "../../ingest/tests/support/tones.rs"]
mod tones;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::{Duration, Instant};

use ledgerline_ingest::voice::media::codec::Codec;
use ledgerline_tests::{Server, succeed};
use reqwest::{Client, Method};
use serde_json::{Value, json};
use sipp::{Run, free_port};
use tones::{Side, Tones, assert_paired};

const NUMBER: &str = "1001";
/// Longest wait for events that have to come.
const PATIENCE: Duration = Duration::from_secs(60);

/// A server with one number, one queue and one agent for each phone, available in this order.
struct Center {
    server: Server,
    client: Client,
    auditor: String,
    data: String,
    _temporary: tempfile::TempDir,
}

fn entities(phones: &[String], ring_timeout_ms: u64) -> String {
    let mut text = format!(
        r#"
[[site]]
name = "Site"
[[multimedia_profile]]
name = "Calls"
voice = 1
[[team]]
name = "Team"
site = "Site"
multimedia_profile = "Calls"
[[queue]]
name = "Queue"
channel_type = "voice"
teams = [["Team"]]
ring_timeout_ms = {ring_timeout_ms}
wrapup_ms = 1000
[[flow]]
name = "Flow"
start = "greet"
[flow.activities.greet]
name = "Greeting"
does.play_message = {{ media = "welcome", text = "Welcome." }}
next.next = "queue"
[flow.activities.queue]
name = "To the queue"
does.queue_contact = {{ queue = "Queue" }}
[[entry_point]]
name = "Line"
channel_type = "voice"
numbers = ["{NUMBER}"]
flow = "Flow"
"#
    );
    for (at, phone) in phones.iter().enumerate() {
        let _ = write!(
            text,
            "[[user]]\nname = \"agent-{at}\"\nteams = [\"Team\"]\ndefault_dn = \"{phone}\"\n"
        );
    }
    text
}

impl Center {
    async fn start(phones: &[String], ring_timeout_ms: u64) -> Self {
        let temporary = tempfile::tempdir().unwrap();
        let data = temporary.path().join("data");
        let server = Server::start(&data, None);
        let data = data.to_string_lossy().into_owned();
        let file = temporary.path().join("entities.toml");
        std::fs::write(&file, entities(phones, ring_timeout_ms)).unwrap();
        let token = |arguments: &[&str]| {
            let mut all = vec!["token", "--data", &data];
            all.extend(arguments);
            succeed(&all).trim().to_owned()
        };
        let auditor = token(&["--role", "administrator,auditor"]);
        let said = succeed(&[
            "config",
            "apply",
            &file.to_string_lossy(),
            "--server",
            &server.url(),
            "--token",
            &auditor,
        ]);
        assert!(said.contains("0 failed"), "{said}");
        let center = Self { server, client: Client::new(), auditor, data, _temporary: temporary };
        for at in 0..phones.len() {
            let user = format!("agent-{at}");
            let agent =
                succeed(&["token", "--data", &center.data, "--role", "agent", "--user", &user]);
            let agent = agent.trim();
            let login = json!({"teamId": "Team"});
            center.ask(agent, Method::POST, "/v1/agents/login", login).await;
            let available = json!({"state": "Available"});
            center.ask(agent, Method::PUT, "/v1/agents/session/state", available).await;
        }
        center
    }

    async fn ask(&self, token: &str, method: Method, path: &str, body: Value) -> Value {
        let url = format!("{}{path}", self.server.url());
        let request = self.client.request(method, url).bearer_auth(token);
        let request = if body.is_null() { request } else { request.json(&body) };
        let answer = request.send().await.unwrap();
        let status = answer.status();
        let text = answer.text().await.unwrap();
        assert!(status.is_success(), "{path}: {status} {text}");
        serde_json::from_str(&text).unwrap()
    }

    async fn sql(&self, sql: &str) -> Vec<Value> {
        let body = json!({"sql": sql});
        let answer = self.ask(&self.auditor, Method::POST, "/v1/sql", body).await;
        answer["rows"].as_array().cloned().unwrap()
    }

    /// Waits until so many events of a type are there.
    async fn until(&self, event_type: &str, count: usize) {
        let sql = format!("select count(*) as n from event_log where event_type = '{event_type}'");
        let began = Instant::now();
        loop {
            let found = self.sql(&sql).await[0]["n"].as_u64().unwrap();
            if found >= count as u64 {
                assert_eq!(found, count as u64, "too many of {event_type}");
                return;
            }
            assert!(began.elapsed() < PATIENCE, "{found} of {count} {event_type}");
        }
    }

    /// Event types of each interaction in the order of the log.
    async fn histories(&self) -> BTreeMap<String, Vec<String>> {
        let sql = "select interaction_id, event_type from event_log \
                   where interaction_id is not null order by position";
        let mut histories: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for row in self.sql(sql).await {
            let text = |name: &str| row[name].as_str().unwrap().to_owned();
            histories.entry(text("interaction_id")).or_default().push(text("event_type"));
        }
        histories
    }

    /// The history as the auditor's door gives it: positions ascend, and the same events are in it.
    async fn audited(&self, interaction: &str, events: &[String]) {
        let path = format!("/v1/interactions/{interaction}/history");
        let history = self.ask(&self.auditor, Method::GET, &path, Value::Null).await;
        let steps = history["steps"].as_array().unwrap();
        let positions: Vec<u64> =
            steps.iter().map(|step| step["position"].as_u64().unwrap()).collect();
        assert!(positions.is_sorted_by(|one, two| one < two), "{positions:?}");
        let mut types = steps.iter().map(|step| step["event_type"].as_str().unwrap());
        for event in events {
            assert!(types.any(|found| found == event), "{event} is missing: {history:#}");
        }
    }
}

fn assert_order(history: &[String], expected: &[&str]) {
    let mut rest = history.iter();
    for name in expected {
        assert!(rest.any(|event| event == name), "{name} not in its place: {history:#?}");
    }
}

const WHOLE_CALL: [&str; 12] = [
    "interaction.created",
    "media_leg.offered",
    "media_leg.answered",
    "prompt.started",
    "queue.entered",
    "offer.made",
    "media_leg.dialled",
    "media_leg.answered",
    "offer.accepted",
    "media_leg.bridged",
    "interaction.ended",
    "media_leg.ended",
];

#[tokio::test(flavor = "multi_thread")]
async fn fifty_calls_ten_at_once_through_a_serving_process() {
    let callers = Tones::start(Side::Callers, Codec::Pcmu).await;
    let agents = Tones::start(Side::Agents, Codec::Pcmu).await;
    let phone = free_port();
    let phones: Vec<String> = (0..10).map(|at| format!("sip:a{at}@127.0.0.1:{phone}")).collect();
    let center = Center::start(&phones, 10_000).await;
    let agent = Run::agent("agent.xml", 50).key("tone_port", agents.port).start(phone);
    let mut caller = Run::caller("caller.xml", center.server.sip, NUMBER)
        .key("tone_port", callers.port)
        .key("talk_ms", 6_000);
    (caller.calls, caller.at_once) = (50, 10);
    caller.start(free_port()).succeed().await;
    agent.succeed().await;
    center.until("media_leg.ended", 100).await;
    assert_paired(&callers.heard(), &agents.heard(), 50);
    let histories = center.histories().await;
    let calls: Vec<_> =
        histories.iter().filter(|(_, events)| events[0] == "interaction.created").collect();
    assert_eq!(calls.len(), 50);
    for (interaction, events) in calls {
        assert_order(events, &WHOLE_CALL);
        center.audited(interaction, events).await;
    }
    let outcomes = center
        .sql("select outcome, count(*) as n from queue_leg group by outcome order by outcome")
        .await;
    assert_eq!(outcomes, [json!({"outcome": "answered", "n": 50})]);
    assert_eq!(center.server.stop(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unanswered_phone_the_next_agent_and_a_caller_who_gives_up() {
    let callers = Tones::start(Side::Callers, Codec::Pcmu).await;
    let agents = Tones::start(Side::Agents, Codec::Pcmu).await;
    let (silent, next) = (free_port(), free_port());
    let phones = [format!("sip:silent@127.0.0.1:{silent}"), format!("sip:next@127.0.0.1:{next}")];
    let center = Center::start(&phones, 1_000).await;
    let silent = Run::agent("agent_silent.xml", 1).start(silent);
    let next = Run::agent("agent.xml", 1).key("tone_port", agents.port).start(next);
    let call = |talk_ms: u32| {
        Run::caller("caller.xml", center.server.sip, NUMBER)
            .key("tone_port", callers.port)
            .key("talk_ms", talk_ms)
            .start(free_port())
    };
    // The first one talks; the other agent is gone by then and no longer offered anything.
    let talking = call(9_000);
    center.until("media_leg.bridged", 1).await;
    call(2_500).succeed().await;
    talking.succeed().await;
    silent.succeed().await;
    next.succeed().await;
    center.until("media_leg.ended", 4).await;
    assert_paired(
        &callers.heard().into_iter().filter(|it| it.partner_hz().is_some()).collect::<Vec<_>>(),
        &agents.heard(),
        1,
    );
    let legs = center.sql("select outcome, ronas from queue_leg order by outcome").await;
    assert_eq!(
        legs,
        [json!({"outcome": "abandoned", "ronas": 0}), json!({"outcome": "answered", "ronas": 1})]
    );
    let histories = center.histories().await;
    let answered = histories.values().find(|events| events.contains(&"offer.timed_out".to_owned()));
    assert_order(
        answered.unwrap(),
        &["media_leg.dialled", "offer.timed_out", "media_leg.dialled", "media_leg.bridged"],
    );
    assert_eq!(center.server.stop(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_malformed_invite_is_answered_and_recorded_and_the_server_goes_on() {
    let center = Center::start(&[], 1_000).await;
    let socket = tokio::net::UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let here = socket.local_addr().unwrap();
    // No CSeq, and a body shorter than its length says.
    let invite = format!(
        "INVITE sip:{NUMBER}@127.0.0.1 SIP/2.0\r\n\
         Via: SIP/2.0/UDP {here};branch=z9hG4bKmalformed;rport\r\n\
         From: <sip:caller@{here}>;tag=1\r\nTo: <sip:{NUMBER}@127.0.0.1>\r\n\
         Call-ID: malformed@{here}\r\nContent-Length: 900\r\n\r\nv=0\r\n"
    );
    socket.send_to(invite.as_bytes(), center.server.sip).await.unwrap();
    let mut buffer = [0; 2_048];
    let received = tokio::time::timeout(PATIENCE, socket.recv(&mut buffer)).await.unwrap();
    let answer = String::from_utf8_lossy(&buffer[..received.unwrap()]).into_owned();
    assert!(answer.starts_with("SIP/2.0 400 "), "{answer}");
    center.until("edge.request_refused", 1).await;
    Run::caller("caller_refused.xml", center.server.sip, "999")
        .key("refusal", 404)
        .key("format", 0)
        .start(free_port())
        .succeed()
        .await;
    center.until("edge.request_refused", 2).await;
    assert_eq!(center.server.stop(), 0);
}
