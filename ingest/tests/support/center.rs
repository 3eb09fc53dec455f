//! The real engine and core over a log in memory, with one entry point, one queue, some agents.

#![allow(unreachable_pub, reason = "shared by test binaries that use parts of it")]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::SystemTime;

use ledgerline_event_store::crypt::KeyRing;
use ledgerline_event_store::memory::MemoryLog;
use ledgerline_event_store::{EventReader as _, EventWriter};
use ledgerline_ingest::engine::{EffectSinks, Engine, EngineHandle, Options, Routed};
use ledgerline_ingest::voice::{VoiceConfig, VoiceDoor, VoiceServer, serve};
use ledgerline_schemas::command::{Command, Commanded};
use ledgerline_schemas::config::EntityKind;
use ledgerline_schemas::document::Document;
use ledgerline_schemas::envelope::{Actor, ActorType};
use ledgerline_schemas::event::Event;
use ledgerline_schemas::event::agent::DeviceType;
use ledgerline_schemas::id::{
    AgentSessionId, CommandId, CorrelationId, InteractionId, OrgId, TeamId, UserId,
};
use ledgerline_schemas::{Position, Timestamp};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// The number that is answered.
pub const NUMBER: &str = "100";
const ORG: OrgId = OrgId::from_u128(0x0a);

pub struct Center {
    pub server: VoiceServer,
    pub log: MemoryLog,
    handle: EngineHandle,
    engine: Engine,
    shutdown: CancellationToken,
    stopped: bool,
    _snapshots: tempfile::TempDir,
}

/// What differs between tests.
pub struct Plan {
    /// SIP addresses of the agents' phones, in the order of their availability.
    pub agents: Vec<String>,
    /// Activities of the flow.
    pub flow: Value,
    pub ring_timeout_ms: u64,
    /// Users beside the agents, who are not logged in.
    pub further_users: usize,
    pub voice: VoiceConfig,
}

impl Plan {
    pub fn new(agents: impl IntoIterator<Item = String>) -> Self {
        Self {
            agents: agents.into_iter().collect(),
            flow: json!({
                "hello": {"does": {"play_message": {"media": "welcome"}}, "next": {"next": "queue"}},
                "queue": {"does": {"queue_contact": {"queue_id": id(EntityKind::Queue, "queue")}}},
            }),
            ring_timeout_ms: 10_000,
            further_users: 0,
            voice: VoiceConfig::loopback(),
        }
    }
}

/// The id of the test's entity of this kind and name.
pub fn id(kind: EntityKind, name: &str) -> Uuid {
    kind.derive_id(ORG, name).uuid()
}

fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
    Timestamp::from_micros(i64::try_from(since.as_micros()).unwrap())
}

impl Center {
    pub async fn start(plan: Plan) -> Self {
        let snapshots = tempfile::tempdir().unwrap();
        let log = MemoryLog::new(ORG, now);
        let writer: Arc<dyn EventWriter> = Arc::new(log.clone());
        let mut sinks = EffectSinks::default();
        let effects = sinks.open(Routed::Voice);
        let options = Options::new(snapshots.path().to_owned(), now);
        // Starting waits for the log, so it may not run on the runtime's own threads.
        let starting =
            tokio::task::spawn_blocking(move || Engine::start(ORG, writer, sinks, options));
        let engine = starting.await.unwrap().unwrap();
        let handle = engine.handle();
        configure(&handle, &plan).await;
        let shutdown = CancellationToken::new();
        let door =
            VoiceDoor { org_id: ORG, commands: Arc::new(handle.clone()), effects, numbers: None };
        let keyring = KeyRing::in_memory().unwrap();
        let server =
            serve(plan.voice.clone(), vec![door], keyring, shutdown.clone()).await.unwrap();
        let center =
            Self { server, log, handle, engine, shutdown, stopped: false, _snapshots: snapshots };
        for (index, dn) in plan.agents.iter().enumerate() {
            center.log_in(index, dn).await;
        }
        center
    }

    async fn log_in(&self, index: usize, dn: &str) {
        let agent_id = agent(index);
        let login = Command::AgentLogin {
            agent_id,
            agent_session_id: AgentSessionId::new(Uuid::new_v4()),
            team_id: TeamId::new(id(EntityKind::Team, "team")),
            dn: Some(dn.to_owned()),
            device_type: DeviceType::Extension,
        };
        submit(&self.handle, login).await;
        submit(&self.handle, Command::SetAvailable { agent_id }).await;
    }

    /// Runs a command that must be accepted.
    pub async fn command(&self, command: Command) {
        submit(&self.handle, command).await;
    }

    /// Every event so far.
    pub fn events(&self) -> Vec<Event> {
        let recorded = self.log.scan(Position::START).map(Result::unwrap);
        recorded.filter_map(|recorded| recorded.decode().ok()).collect()
    }

    /// Types of the events of each interaction, in their order.
    pub fn histories(&self) -> BTreeMap<InteractionId, Vec<String>> {
        let mut histories: BTreeMap<InteractionId, Vec<String>> = BTreeMap::new();
        for recorded in self.log.scan(Position::START).map(Result::unwrap) {
            let stream = recorded.header.stream.to_string();
            let Some(id) = stream.strip_prefix("interaction-") else { continue };
            let history = histories.entry(id.parse().unwrap()).or_default();
            history.push(recorded.header.event_type.to_string());
        }
        histories
    }

    /// Waits until an event fits.
    pub async fn until(&self, what: &str, fits: impl Fn(&[Event]) -> bool) {
        let mut head = self.log.watch_head();
        let waiting = async {
            while !fits(&self.events()) {
                head.changed().await.unwrap();
            }
        };
        let limit = std::time::Duration::from_secs(60);
        if tokio::time::timeout(limit, waiting).await.is_err() {
            panic!("never {what}; histories: {:#?}", self.histories());
        }
    }

    /// Ends the edge, then the engine, as a server does.
    pub async fn stop(mut self) {
        if !self.stopped {
            self.stop_edge().await;
        }
        let engine = self.engine;
        tokio::task::spawn_blocking(move || engine.stop()).await.unwrap();
    }

    /// Ends the edge alone; the engine lives on.
    pub async fn stop_edge(&mut self) {
        self.stopped = true;
        self.shutdown.cancel();
        (&mut self.server.join).await.unwrap();
    }
}

pub fn agent(index: usize) -> UserId {
    UserId::new(id(EntityKind::User, &format!("agent-{index}")))
}

async fn submit(handle: &EngineHandle, command: Command) {
    let name = format!("{command:?}");
    let command_id = Uuid::new_v4();
    let commanded = Commanded {
        org_id: ORG,
        command_id: CommandId::new(command_id),
        correlation_id: CorrelationId::new(command_id),
        actor: Actor::new(ActorType::Admin, "test"),
        traceparent: None,
        data_subject_id: None,
        command,
    };
    handle.submit(commanded).await.unwrap_or_else(|error| panic!("{name}: {error}"));
}

async fn put(handle: &EngineHandle, kind: EntityKind, document: Value) {
    let document = Document::from_value(&document).unwrap();
    submit(handle, Command::PutEntity { kind, entity_id: None, document, reason: None }).await;
}

async fn configure(handle: &EngineHandle, plan: &Plan) {
    let team = id(EntityKind::Team, "team");
    put(handle, EntityKind::Site, json!({"name": "site"})).await;
    put(handle, EntityKind::MultimediaProfile, json!({"name": "calls", "voice": 1})).await;
    let calls = id(EntityKind::MultimediaProfile, "calls");
    let site = id(EntityKind::Site, "site");
    let document = json!({"name": "team", "site_id": site, "multimedia_profile_id": calls});
    put(handle, EntityKind::Team, document).await;
    for kind in ["idle", "wrap_up"] {
        let document = json!({"name": kind, "kind": kind, "is_default": true});
        put(handle, EntityKind::AuxCode, document).await;
    }
    for index in 0..plan.agents.len() + plan.further_users {
        let document = json!({"name": format!("agent-{index}"), "team_ids": [team]});
        put(handle, EntityKind::User, document).await;
    }
    let queue = json!({
        "name": "queue",
        "channel_type": "voice",
        "call_distribution_groups": [{"team_ids": [team]}],
        "ring_timeout_ms": plan.ring_timeout_ms,
        "wrapup_ms": 0,
    });
    put(handle, EntityKind::Queue, queue).await;
    let start = plan.flow.as_object().unwrap().keys().min().unwrap().clone();
    let flow = json!({"name": "flow", "start": start, "activities": plan.flow});
    put(handle, EntityKind::Flow, flow).await;
    let entry_point = json!({
        "name": "entry",
        "channel_type": "voice",
        "numbers": [NUMBER],
        "flow_id": id(EntityKind::Flow, "flow"),
    });
    put(handle, EntityKind::EntryPoint, entry_point).await;
}
