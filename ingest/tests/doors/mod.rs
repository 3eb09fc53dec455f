//! The real thing in one process for the tests of the HTTP doors: engine over a log in memory, routers on
//! a free port, clients over real sockets.

#![allow(
    dead_code,
    unreachable_pub,
    clippy::expect_used,
    reason = "each test file uses its own part"
)]

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use futures::{SinkExt as _, StreamExt as _};
use ledgerline_access::{Grant, Role, TokenIssuer};
use ledgerline_event_store::crypt::KeyRing;
use ledgerline_event_store::log::{Direction, EventReader, Filter};
use ledgerline_event_store::memory::MemoryLog;
use ledgerline_ingest::admin::{ApplyOptions, ApplyReport, ConfigFile, apply};
use ledgerline_ingest::chat::ChatSettings;
use ledgerline_ingest::engine::{EffectSinks, Engine, EngineHandle, Options, Routed};
use ledgerline_ingest::http::{Doors, Organization, router};
use ledgerline_schemas::config::EntityKind;
use ledgerline_schemas::id::{OrgId, UserId};
use ledgerline_schemas::{Actor, ActorType, Position, Recorded, Timestamp};
use reqwest::{Client, Method, StatusCode};
use serde_json::Value;
use tempfile::TempDir;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::{Error as WsError, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

/// Longest any awaited thing may take before the test is taken for hung.
const PATIENCE: Duration = Duration::from_secs(20);

pub const ORG: OrgId = OrgId::from_u128(0xA);
pub const OTHER_ORG: OrgId = OrgId::from_u128(0xB);

/// Two agents in two teams, each team with a chat queue; entry point `web` queues to the first at once,
/// `menu` asks first.
pub const CONFIG: &str = r##"
[[site]]
name = "Berlin"
[[multimedia_profile]]
name = "Chats"
voice = 0
chat = 2
[[aux_code]]
name = "Break"
kind = "idle"
is_default = true
[[aux_code]]
name = "Solved"
kind = "wrap_up"
is_default = true
[[team]]
name = "Red"
site = "Berlin"
multimedia_profile = "Chats"
[[team]]
name = "Blue"
site = "Berlin"
multimedia_profile = "Chats"
[[user]]
name = "ada"
teams = ["Red"]
[[user]]
name = "ben"
teams = ["Blue"]
[[queue]]
name = "Sales"
channel_type = "chat"
teams = ["Red"]
ring_timeout_ms = 3600000
wrapup_ms = 3600000
[[queue]]
name = "Support"
channel_type = "chat"
teams = ["Blue"]
ring_timeout_ms = 3600000
wrapup_ms = 3600000
[[flow]]
name = "Straight"
start = "greet"
[flow.activities.greet]
does.play_message = { media = "welcome", text = "Welcome!" }
next.next = "queue"
[flow.activities.queue]
does.queue_contact = { queue = "Sales" }
[[flow]]
name = "Asking"
start = "ask"
[flow.activities.ask]
does.menu = { media = "menu", text = "1 for sales, 2 for support", timeout_ms = 3600000 }
next = { 1 = "sales", 2 = "support", no_match = "ask" }
[flow.activities.sales]
does.queue_contact = { queue = "Sales" }
[flow.activities.support]
does.queue_contact = { queue = "Support" }
[[entry_point]]
name = "Web"
channel_type = "chat"
numbers = ["web"]
flow = "Straight"
[[entry_point]]
name = "Menu"
channel_type = "chat"
numbers = ["menu"]
flow = "Asking"
"##;

pub fn now() -> Timestamp {
    let elapsed = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_micros(i64::try_from(elapsed.as_micros()).expect("time"))
}

/// One organization's engine, log and keys.
pub struct Org {
    pub org_id: OrgId,
    pub log: MemoryLog,
    pub keys: KeyRing,
    pub organization: Arc<Organization>,
    engine: Option<Engine>,
    snapshots: TempDir,
}

impl Org {
    pub fn start(org_id: OrgId, settings: ChatSettings) -> Self {
        let log = MemoryLog::new(org_id, now);
        let keys = KeyRing::in_memory().expect("keys");
        Self::over(org_id, log, keys, settings)
    }

    /// Over a log and keys that exist already: what a restarted process does.
    pub fn over(org_id: OrgId, log: MemoryLog, keys: KeyRing, settings: ChatSettings) -> Self {
        let snapshots = TempDir::new().expect("folder");
        let mut sinks = EffectSinks::default();
        let (chats, pushes) = (sinks.open(Routed::Chat), sinks.open(Routed::Desktop));
        let options = Options::new(snapshots.path().to_owned(), now);
        // Starting waits for the log on its own thread's time, which a runtime's thread may not.
        let writer = Arc::new(log.clone());
        let engine = std::thread::spawn(move || Engine::start(org_id, writer, sinks, options))
            .join()
            .expect("thread")
            .expect("engine");
        let reader = Arc::new(log.clone());
        let organization =
            Organization::new(org_id, Arc::new(engine.handle()), reader, keys.clone(), settings);
        tokio::spawn(organization.clone().run(chats, pushes));
        Self { org_id, log, keys, organization, engine: Some(engine), snapshots }
    }

    pub fn handle(&self) -> EngineHandle {
        self.engine.as_ref().expect("running").handle()
    }

    /// Stops the engine; log and keys stay.
    pub fn stop(mut self) -> (MemoryLog, KeyRing) {
        self.engine.take().expect("running").stop();
        (self.log.clone(), self.keys.clone())
    }

    pub async fn configure(&self, toml: &str) -> ApplyReport {
        let file = ConfigFile::from_toml(toml).expect("file");
        let actor = Actor::new(ActorType::Admin, "test");
        let engine = &*self.organization.engine;
        apply(engine, self.org_id, &actor, file, &ApplyOptions::default()).await.expect("engine")
    }

    pub fn user(&self, name: &str) -> UserId {
        EntityKind::User.derive_id(self.org_id, name).uuid().into()
    }

    pub fn events(&self) -> Vec<Recorded> {
        let all = Filter::all();
        self.log.read_all(Position::START, Direction::Forward, &all, 10_000).expect("read").events
    }

    pub fn count(&self, event_type: &str) -> usize {
        self.events().iter().filter(|it| &*it.header.event_type == event_type).count()
    }
}

/// A server with organizations behind it.
pub struct Server {
    pub base: String,
    pub doors: Arc<Doors>,
    pub issuer: TokenIssuer,
    folder: TempDir,
}

impl Server {
    pub async fn start() -> Self {
        let folder = TempDir::new().expect("folder");
        let issuer = TokenIssuer::open(folder.path()).expect("issuer");
        let doors = Doors::new(issuer.clone());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("port");
        let base = format!("http://{}", listener.local_addr().expect("address"));
        let app = router(doors.clone());
        tokio::spawn(async move { axum::serve(listener, app).await });
        Self { base, doors, issuer, folder }
    }

    /// A server with one configured organization.
    pub async fn with_org() -> (Self, Org) {
        let server = Self::start().await;
        let org = server.add(ORG).await;
        (server, org)
    }

    pub async fn add(&self, org_id: OrgId) -> Org {
        let org = Org::start(org_id, ChatSettings::default());
        let report = org.configure(CONFIG).await;
        assert_eq!(report.failed, [], "configuration");
        self.doors.add(org.organization.clone());
        org
    }

    pub fn token(&self, org_id: OrgId, role: Role, user_id: Option<UserId>) -> String {
        let grant = Grant {
            org_id,
            subject: format!("{role:?}").to_lowercase(),
            roles: BTreeSet::from([role]),
            user_id,
            user_profile_id: None,
            ttl_s: 600,
        };
        self.issuer.issue(&grant).expect("token")
    }

    pub fn client(&self, org_id: OrgId, role: Role, user_id: Option<UserId>) -> Api {
        Api { base: self.base.clone(), token: Some(self.token(org_id, role, user_id)) }
    }

    pub fn agent(&self, org: &Org, name: &str) -> Api {
        self.client(org.org_id, Role::Agent, Some(org.user(name)))
    }

    pub fn anonymous(&self) -> Api {
        Api { base: self.base.clone(), token: None }
    }
}

/// A client with a token.
#[derive(Clone)]
pub struct Api {
    pub base: String,
    pub token: Option<String>,
}

impl Api {
    pub async fn ask(&self, method: Method, path: &str, body: Value) -> (StatusCode, Value) {
        self.send(method, path, body.to_string(), "application/json").await
    }

    pub async fn send(
        &self,
        method: Method,
        path: &str,
        body: String,
        content_type: &str,
    ) -> (StatusCode, Value) {
        let mut request = Client::new()
            .request(method, format!("{}{path}", self.base))
            .header("content-type", content_type)
            .body(body);
        if let Some(token) = &self.token {
            request = request.bearer_auth(token);
        }
        let response = request.send().await.expect("answer");
        let status = response.status();
        let text = response.text().await.expect("body");
        (status, serde_json::from_str(&text).unwrap_or(Value::String(text)))
    }

    /// Asks and expects success.
    pub async fn ok(&self, method: Method, path: &str, body: Value) -> Value {
        let (status, answer) = self.ask(method, path, body).await;
        assert!(status.is_success(), "{path}: {status} {answer}");
        answer
    }

    pub async fn post(&self, path: &str, body: Value) -> Value {
        self.ok(Method::POST, path, body).await
    }

    pub async fn notifications(&self, query: &str) -> Socket {
        self.socket(&format!("/v1/agents/notifications{query}")).await.expect("socket")
    }

    /// Opens a WebSocket, or gives the status it was refused with.
    pub async fn socket(&self, path: &str) -> Result<Socket, u16> {
        let url = format!("{}{path}", self.base.replacen("http", "ws", 1));
        let mut request = url.into_client_request().expect("request");
        if let Some(token) = &self.token {
            let value = format!("Bearer {token}").parse().expect("header");
            request.headers_mut().insert("authorization", value);
        }
        match connect_async(request).await {
            Ok((socket, _)) => Ok(Socket(socket)),
            Err(WsError::Http(response)) => Err(response.status().as_u16()),
            Err(error) => panic!("{path}: {error}"),
        }
    }
}

/// A WebSocket of JSON frames.
pub struct Socket(WebSocketStream<MaybeTlsStream<tokio::net::TcpStream>>);

impl Socket {
    pub async fn send(&mut self, frame: Value) {
        self.0.send(Message::text(frame.to_string())).await.expect("send");
    }

    pub async fn say(&mut self, text: &str, id: &str) {
        let frame = serde_json::json!({"type": "message", "text": text, "clientMessageId": id});
        self.send(frame).await;
    }

    /// The next frame; `None` when the server closed.
    pub async fn next(&mut self) -> Option<Value> {
        tokio::time::timeout(PATIENCE, self.read()).await.expect("a frame in time")
    }

    async fn read(&mut self) -> Option<Value> {
        loop {
            match self.0.next().await {
                Some(Ok(Message::Text(text))) => {
                    return Some(serde_json::from_str(&text).expect("json"));
                }
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                Some(Ok(_) | Err(_)) | None => return None,
            }
        }
    }

    /// Reads on to the next frame of this type.
    pub async fn until(&mut self, kind: &str) -> Value {
        let mut passed = Vec::new();
        loop {
            let frame = self.next().await.unwrap_or_else(|| panic!("no {kind} after {passed:?}"));
            if frame["type"] == kind {
                return frame;
            }
            passed.push(frame);
        }
    }

    /// Frames until the chat is at this stage. A socket that comes when it is there already learns it
    /// from its first frame, the history.
    pub async fn until_stage(&mut self, stage: &str) {
        loop {
            let frame = self.next().await.unwrap_or_else(|| panic!("never {stage}"));
            if frame["type"] == stage || (frame["type"] == "history" && frame["stage"] == stage) {
                return;
            }
        }
    }
}

/// Starts a chat and opens its socket.
pub async fn chat(api: &Api, entry_point: &str) -> (Value, Socket) {
    let started = api
        .post("/v1/chats", serde_json::json!({"entryPoint": entry_point, "name": "Grace"}))
        .await;
    let path = started["socket"].as_str().expect("path").to_owned();
    let socket = api.socket(&path).await.expect("socket");
    (started, socket)
}

/// Logs an agent in and makes it available; its socket has shown its first state.
pub async fn at_work(api: &Api, team: &str) -> Socket {
    api.post("/v1/agents/login", serde_json::json!({"teamId": team})).await;
    let mut socket = api.notifications("").await;
    let state = socket.next().await.expect("state");
    assert_eq!(state["type"], "AgentReloginSuccess");
    let body = serde_json::json!({"state": "Available"});
    api.ok(Method::PUT, "/v1/agents/session/state", body).await;
    socket
}
