//! A serving process with a line and a page, and customers who call and chat; and what they leave on the log.

#![allow(
    dead_code,
    unreachable_pub,
    missing_docs,
    clippy::expect_used,
    reason = "each test uses a part of it"
)]

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use futures::{SinkExt as _, StreamExt as _};
use ledgerline_event_store::crypt::Binding;
use ledgerline_event_store::crypt::at_rest::StorageKeys;
use ledgerline_event_store::{EmbeddedLog, Options};
use ledgerline_schemas::event::Event;
use ledgerline_schemas::id::{InteractionId, NAMESPACE, OrgId, SubjectId};
use ledgerline_schemas::{Position, Sensitive};
use ledgerline_tests::{Server, succeed};
use reqwest::Client;
use serde_json::{Value, json};
use tokio::net::UdpSocket;
use tokio_tungstenite::tungstenite::Message;

/// Longest wait for something that has to come.
const PATIENCE: Duration = Duration::from_secs(60);

pub const ENTITIES: &str = r#"
[[site]]
name = "Site"
[[multimedia_profile]]
name = "All"
voice = 1
chat = 1
[[team]]
name = "Team"
site = "Site"
multimedia_profile = "All"
[[queue]]
name = "Calls"
channel_type = "voice"
teams = [["Team"]]
[[queue]]
name = "Chats"
channel_type = "chat"
teams = [["Team"]]
[[flow]]
name = "Voice"
start = "queue"
[flow.activities.queue]
name = "To the queue"
does.queue_contact = { queue = "Calls" }
[[flow]]
name = "Chat"
start = "queue"
[flow.activities.queue]
name = "To the queue"
does.queue_contact = { queue = "Chats" }
[[entry_point]]
name = "Line"
channel_type = "voice"
numbers = ["1001"]
flow = "Voice"
[[entry_point]]
name = "Page"
channel_type = "chat"
numbers = ["page"]
flow = "Chat"
"#;

/// A serving process with a line and a page, its logs in a file.
pub struct Center {
    pub server: Server,
    pub client: Client,
    pub data: PathBuf,
    pub token: String,
    pub phone: UdpSocket,
}

impl Center {
    pub async fn start(folder: &Path, config: Option<&Path>) -> Self {
        let data = folder.join("data");
        let log = folder.join("output.log");
        let server = Server::start_logging(&data, config, &log, "debug");
        let token = Self::token(&data, "administrator,auditor");
        let entities = folder.join("entities.toml");
        std::fs::write(&entities, ENTITIES).expect("written");
        let url = server.url();
        let file = entities.to_string_lossy();
        let said = succeed(&["config", "apply", &file, "--server", &url, "--token", &token]);
        assert!(said.contains("0 failed"), "{said}");
        let phone = UdpSocket::bind("127.0.0.1:0").await.expect("socket");
        Self { server, client: Client::new(), data, token, phone }
    }

    pub fn token(data: &Path, roles: &str) -> String {
        succeed(&["token", "--data", &data.to_string_lossy(), "--role", roles]).trim().to_owned()
    }

    pub async fn post(&self, token: &str, path: &str, body: Value) -> (u16, Value) {
        let url = format!("{}{path}", self.server.url());
        let request = self.client.post(url).bearer_auth(token).json(&body);
        let answer = request.send().await.expect("answers");
        (answer.status().as_u16(), answer.json().await.expect("json"))
    }

    pub async fn erase(&self, body: Value) -> (u16, Value) {
        self.post(&self.token, "/v1/privacy/erasures", body).await
    }

    pub async fn count(&self, event_type: &str) -> u64 {
        let sql = format!("select count(*) as n from event_log where event_type = '{event_type}'");
        let (status, answer) = self.post(&self.token, "/v1/sql", json!({"sql": sql})).await;
        assert_eq!(status, 200, "{answer}");
        answer["rows"][0]["n"].as_u64().expect("a number")
    }

    pub async fn until(&self, event_type: &str, count: u64) {
        let began = Instant::now();
        while self.count(event_type).await < count {
            assert!(began.elapsed() < PATIENCE, "{event_type} did not come {count} times");
        }
    }

    /// A call: answered, acknowledged, ended by the caller at once, wherever it is by then.
    pub async fn call(&self, from: &str, call_id: &str) {
        self.call_until(from, call_id, 0).await;
    }

    /// A call whose caller hangs up when so many legs have entered a queue since the log began.
    pub async fn call_until(&self, from: &str, call_id: &str, queued: u64) {
        let edge = self.server.sip;
        let port = self.phone.local_addr().expect("bound").port();
        let request = |method: &str, sequence: u32, to_tag: &str, body: &str| {
            let kind = if body.is_empty() { "" } else { "Content-Type: application/sdp\r\n" };
            format!(
                "{method} sip:1001@127.0.0.1 SIP/2.0\r\n\
                 Via: SIP/2.0/UDP 127.0.0.1:{port};branch=z9hG4bK{call_id}{sequence}{method};rport\r\n\
                 Max-Forwards: 70\r\nFrom: <sip:{from}@127.0.0.1>;tag=t\r\n\
                 To: <sip:1001@127.0.0.1>{to_tag}\r\nCall-ID: {call_id}\r\n\
                 CSeq: {sequence} {method}\r\nContact: <sip:phone@127.0.0.1:{port}>\r\n\
                 {kind}Content-Length: {}\r\n\r\n{body}",
                body.len()
            )
        };
        let offer = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n\
                     m=audio 40000 RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\n";
        self.send(edge, &request("INVITE", 1, "", offer)).await;
        let answered = self.receive("200", call_id, "1 INVITE").await;
        let to = answered.lines().find(|line| line.to_ascii_lowercase().starts_with("to:"));
        let tag = to.and_then(|line| line.split(";tag=").nth(1)).expect("a tag").trim();
        let tag = format!(";tag={tag}");
        self.send(edge, &request("ACK", 1, &tag, "")).await;
        self.until("queue.entered", queued).await;
        self.send(edge, &request("BYE", 2, &tag, "")).await;
        self.receive("200", call_id, "2 BYE").await;
    }

    pub async fn send(&self, to: SocketAddr, text: &str) {
        self.phone.send_to(text.as_bytes(), to).await.expect("sent");
    }

    pub async fn receive(&self, status: &str, call_id: &str, sequence: &str) -> String {
        let mut buffer = [0; 8_192];
        let reading = async {
            loop {
                let (length, _) = self.phone.recv_from(&mut buffer).await.expect("received");
                let text = String::from_utf8_lossy(&buffer[..length]).into_owned();
                if text.starts_with(&format!("SIP/2.0 {status}"))
                    && text.contains(call_id)
                    && text.contains(sequence)
                {
                    return text;
                }
            }
        };
        let read = tokio::time::timeout(PATIENCE, reading).await;
        read.unwrap_or_else(|_| panic!("no {status} for {call_id} {sequence}"))
    }

    /// Begins a chat under a name and says these lines; the socket stays open.
    pub async fn chat(&self, name: &str, lines: &[String]) -> (InteractionId, Socket) {
        let body = json!({"entryPoint": "page", "name": name});
        let url = format!("{}/v1/chats", self.server.url());
        let answer = self.client.post(url).json(&body).send().await.expect("answers");
        assert_eq!(answer.status(), 201);
        let started: Value = answer.json().await.expect("json");
        let id = started["interactionId"].as_str().expect("an id").parse().expect("an id");
        let socket = started["socket"].as_str().expect("a path");
        let url = format!("ws://{}{socket}", self.server.http);
        let (mut socket, _) = tokio_tungstenite::connect_async(url).await.expect("socket");
        for (at, line) in lines.iter().enumerate() {
            let said = json!({"type": "message", "text": line, "clientMessageId": at.to_string()});
            socket.send(Message::text(said.to_string())).await.expect("sent");
            loop {
                let frame = socket.next().await.expect("open").expect("frame");
                let Message::Text(text) = frame else { continue };
                let frame: Value = serde_json::from_str(&text).expect("json");
                assert_ne!(frame["type"], "error", "{frame}");
                if frame["type"] == "accepted" {
                    break;
                }
            }
        }
        (id, socket)
    }

    pub fn stop(self) -> PathBuf {
        assert_eq!(self.server.stop(), 0);
        self.data
    }
}

pub type Socket =
    tokio_tungstenite::WebSocketStream<tokio_tungstenite::MaybeTlsStream<tokio::net::TcpStream>>;

pub async fn leave(mut socket: Socket) {
    let leave = json!({"type": "leave"}).to_string();
    socket.send(Message::text(leave)).await.expect("sent");
    while let Some(Ok(frame)) = socket.next().await {
        if matches!(frame, Message::Close(_)) {
            return;
        }
    }
}

pub fn org() -> OrgId {
    OrgId::derived(NAMESPACE, "organization:main")
}

/// Everything sealed on the log, with its person and its place; `keys` open its files, if they are encrypted.
pub fn sealed(
    data: &Path,
    keys: Option<StorageKeys>,
) -> Vec<(SubjectId, Binding, Sensitive<String>)> {
    let folder = data.join("orgs").join(org().to_string()).join("log");
    let options = Options { keys, ..Options::default() };
    let log = EmbeddedLog::open_to_read(&folder, org(), options).expect("log");
    let mut found = Vec::new();
    for recorded in log.scan(Position::START) {
        let recorded = recorded.expect("event");
        let Some(subject) = recorded.header.data_subject_id else { continue };
        let (interaction, origin, said) = match recorded.decode().expect("ours") {
            Event::InteractionCreated(it) => (it.interaction_id, it.origin, None),
            Event::MessageReceived(it) => (it.interaction_id, None, it.body),
            _ => continue,
        };
        found.extend(origin.map(|value| (subject, Binding::origin(interaction), value)));
        found.extend(said.map(|value| (subject, Binding::said(interaction), value)));
    }
    found
}
