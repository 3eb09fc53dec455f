//! A server on a free port and a client of it.
#![allow(dead_code, reason = "every test uses a part of it")]
#![allow(clippy::expect_used, reason = "a test helper that cannot go on should fail the test")]

mod client;
pub(crate) mod groups;

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use ledgerline_event_store::kurrent::{
    Authorizer, Caller, Config, Credentials, House, KurrentServer, Logs, NoRules, Unauthorized,
    serve,
};
use ledgerline_event_store::memory::MemoryLog;
use ledgerline_event_store::{Append, EmbeddedLog, EventWriter, Options};
use ledgerline_schemas::event::Event;
use ledgerline_schemas::event::presence::PresenceObserved;
use ledgerline_schemas::id::{CommandId, CorrelationId, EventId, OrgId, UserId};
use ledgerline_schemas::{Actor, NewEvent, Position, StreamId, Timestamp};
use tokio_util::sync::CancellationToken;
use tonic::transport::{Channel, Endpoint};
use tonic::{Request, Status, Streaming};
use uuid::Uuid;

#[allow(
    clippy::all,
    clippy::pedantic,
    clippy::disallowed_types,
    missing_docs,
    unreachable_pub,
    reason = "generated"
)]
pub(crate) mod wire {
    include!(concat!(env!("OUT_DIR"), "/client/all.rs"));
}

pub(crate) use client::{Running, with};
use wire::event_store::client as shared;
use wire::event_store::client::gossip::gossip_client::GossipClient;
use wire::event_store::client::server_features::server_features_client::ServerFeaturesClient;
use wire::event_store::client::streams;
use wire::event_store::client::streams::append_req::options::ExpectedStreamRevision;
use wire::event_store::client::streams::append_req::{Content as AppendContent, ProposedMessage};
use wire::event_store::client::streams::read_req::Options as ReadOptions;
use wire::event_store::client::streams::read_req::options::all_options::AllOption;
use wire::event_store::client::streams::read_req::options::stream_options::RevisionOption;
use wire::event_store::client::streams::read_req::options::{
    AllOptions, CountOption, FilterOption, FilterOptions, Position as WirePosition, ReadDirection,
    StreamOption, StreamOptions, SubscriptionOptions,
};
use wire::event_store::client::streams::read_resp::Content;
use wire::event_store::client::streams::read_resp::read_event::RecordedEvent;
use wire::event_store::client::streams::streams_client::StreamsClient;

pub(crate) const ORG: OrgId = OrgId::from_u128(0xA11CE);
const OTHER: OrgId = OrgId::from_u128(0xB0B);
pub(crate) const READER: &str = "Bearer reader";
pub(crate) const APPENDER: &str = "Bearer appender";
pub(crate) const OUTSIDER: &str = "Bearer outsider";

/// Knows these callers.
#[derive(Debug)]
struct Known;

impl Authorizer for Known {
    fn authorize(&self, credentials: &Credentials) -> Result<Caller, Unauthorized> {
        let caller = |org_id, subject: &str, may_read, may_append| Caller {
            org_id,
            subject: subject.to_owned(),
            may_read,
            may_append,
            valid_for: None,
        };
        match credentials {
            Credentials::Bearer(token) => match token.as_str() {
                "reader" => Ok(caller(ORG, "reader", true, false)),
                "appender" => Ok(caller(ORG, "appender", false, true)),
                "manager" => Ok(caller(ORG, "manager", true, true)),
                "outsider" => Ok(caller(ORG, "outsider", false, false)),
                "elsewhere" => Ok(caller(OTHER, "elsewhere", true, false)),
                "brief" => Ok(Caller {
                    valid_for: Some(Duration::from_millis(50)),
                    ..caller(ORG, "brief", true, false)
                }),
                _ => Err(Unauthorized::Credentials("the token is not good".to_owned())),
            },
            Credentials::Basic { user, password } if user == "reader" && password == "secret" => {
                Ok(caller(ORG, "reader", true, false))
            }
            Credentials::Basic { user, password } if user == "manager" && password == "secret" => {
                Ok(caller(ORG, "manager", true, true))
            }
            Credentials::Basic { .. } => {
                Err(Unauthorized::Credentials("wrong user or password".to_owned()))
            }
        }
    }
}

#[derive(Debug)]
struct Two {
    ours: Arc<dyn EventWriter>,
    other: Arc<dyn EventWriter>,
}

impl Logs for Two {
    fn log(&self, org_id: OrgId) -> Option<Arc<dyn EventWriter>> {
        [&self.ours, &self.other].into_iter().find(|log| log.org_id() == org_id).map(Arc::clone)
    }
}

fn clock() -> Timestamp {
    Timestamp::from_micros(77)
}

/// A log to serve.
pub(crate) struct Engine {
    log: Arc<dyn EventWriter>,
    directory: tempfile::TempDir,
}

impl Engine {
    pub(crate) fn memory() -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        Self { log: Arc::new(MemoryLog::new(ORG, clock)), directory }
    }

    pub(crate) fn embedded() -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let options = Options {
            segment_bytes: 256 << 10,
            reserve_step_bytes: 64 << 10,
            clock: Arc::new(clock),
            ..Options::default()
        };
        let log = EmbeddedLog::open(&directory.path().join("log"), ORG, options).expect("a log");
        Self { log: Arc::new(log), directory }
    }

    pub(crate) fn log(&self) -> &Arc<dyn EventWriter> {
        &self.log
    }

    pub(crate) fn directory(&self) -> &Path {
        self.directory.path()
    }

    pub(crate) async fn append(&self, events: Vec<NewEvent>) {
        let append = Append { events, expected: Vec::new() };
        self.log.submit(append).expect("taken").await.expect("durable");
    }
}

/// An event of ours.
pub(crate) fn internal(id: u128, stream: &str) -> NewEvent {
    let event = Event::from(PresenceObserved {
        agent_id: UserId::from_u128(id),
        provider: "teams".to_owned(),
        availability: "Busy".to_owned(),
        activity: "InACall".to_owned(),
    });
    NewEvent {
        id: EventId::from_u128(id),
        stream: StreamId::new(stream),
        event_type: event.event_type().into(),
        time: Timestamp::from_micros(5),
        command_id: CommandId::from_u128(1),
        correlation_id: CorrelationId::from_u128(2),
        causation_id: None,
        actor: Actor::system("test"),
        config_position: Position::START,
        traceparent: None,
        data_subject_id: None,
        payload: event.encode(),
    }
}

/// An event of another system.
pub(crate) fn event(id: u128, event_type: &str, data: &[u8]) -> ProposedMessage {
    let metadata = [("type", event_type), ("content-type", "application/json")];
    ProposedMessage {
        id: Some(uuid(id)),
        metadata: metadata.map(|(name, it)| (name.to_owned(), it.to_owned())).into(),
        custom_metadata: Vec::new().into(),
        data: data.to_vec().into(),
    }
}

pub(crate) fn event_of(id: u128) -> ProposedMessage {
    event(id, "A", b"1")
}

pub(crate) fn uuid(id: u128) -> shared::Uuid {
    let text = Uuid::from_u128(id).to_string();
    shared::Uuid { value: Some(shared::uuid::Value::String(text)) }
}

fn number(id: Option<&shared::Uuid>) -> u128 {
    match id.and_then(|id| id.value.as_ref()) {
        Some(shared::uuid::Value::String(text)) => Uuid::parse_str(text).expect("a uuid").as_u128(),
        Some(shared::uuid::Value::Structured(parts)) => Uuid::from_u64_pair(
            parts.most_significant_bits.cast_unsigned(),
            parts.least_significant_bits.cast_unsigned(),
        )
        .as_u128(),
        None => panic!("no id"),
    }
}

pub(crate) fn uuid_text(id: Option<&shared::Uuid>) -> String {
    Uuid::from_u128(number(id)).to_string()
}

pub(crate) fn the_events(found: &[Content]) -> Vec<&RecordedEvent> {
    let event = |content: &'_ Content| match content {
        Content::Event(event) => event.event.is_some(),
        _ => false,
    };
    found
        .iter()
        .filter(|content| event(content))
        .filter_map(|content| match content {
            Content::Event(event) => event.event.as_ref(),
            _ => None,
        })
        .collect()
}

pub(crate) fn ids(found: &[Content]) -> Vec<u128> {
    the_events(found).into_iter().map(|event| number(event.id.as_ref())).collect()
}

pub(crate) fn stream_name(event: &RecordedEvent) -> String {
    let name = event.stream_identifier.clone().expect("a stream").stream_name;
    String::from_utf8(name).expect("UTF-8")
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Expect {
    Any,
    NoStream,
    Exists,
    Exact(u64),
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Place {
    Start,
    End,
    At(u64),
}

pub(crate) fn identifier(stream: &str) -> Option<shared::StreamIdentifier> {
    Some(shared::StreamIdentifier { stream_name: stream.as_bytes().to_vec() })
}
