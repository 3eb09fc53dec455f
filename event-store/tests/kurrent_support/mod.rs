//! A server on a free port and a client of it.
#![allow(dead_code, reason = "every test uses a part of it")]
#![allow(clippy::expect_used, reason = "a test helper that cannot go on should fail the test")]

pub(crate) mod groups;

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use ledgerline_event_store::kurrent::{
    Authorizer, Caller, Config, Credentials, KurrentServer, Logs, Unauthorized, serve,
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

/// A running server and a client of it.
pub(crate) struct Running {
    pub(crate) address: SocketAddr,
    pub(crate) channel: Channel,
    close: CancellationToken,
    task: tokio::task::JoinHandle<()>,
}

/// A subscription as a client sees it.
pub(crate) struct Following(Streaming<streams::ReadResp>);

impl Following {
    pub(crate) async fn next(&mut self) -> Result<Content, Status> {
        match self.0.message().await? {
            Some(message) => Ok(message.content.expect("content")),
            None => panic!("a subscription ended with OK"),
        }
    }

    /// The status it ends with.
    pub(crate) async fn end(&mut self) -> Status {
        loop {
            if let Err(status) = self.next().await {
                return status;
            }
        }
    }
}

pub(crate) fn with<T>(authorization: &str, message: T) -> Request<T> {
    let mut request = Request::new(message);
    if !authorization.is_empty() {
        let value = authorization.parse().expect("ascii");
        request.metadata_mut().insert("authorization", value);
    }
    request
}

impl Running {
    pub(crate) async fn start(engine: &Engine) -> Self {
        let logs =
            Two { ours: Arc::clone(&engine.log), other: Arc::new(MemoryLog::new(OTHER, clock)) };
        let config = Config {
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            tls: None,
            connections_max: 20,
            groups: Some(engine.directory().join("groups.redb")),
        };
        let close = CancellationToken::new();
        let KurrentServer { address, task } =
            serve(config, Arc::new(Known), Arc::new(logs), close.clone()).await.expect("listens");
        let channel = Endpoint::from_shared(format!("http://{address}"))
            .expect("an address")
            .connect()
            .await
            .expect("connects");
        Self { address, channel, close, task }
    }

    pub(crate) async fn stop(self) {
        self.close.cancel();
        self.task.await.expect("stops");
    }

    fn client(&self) -> StreamsClient<Channel> {
        StreamsClient::new(self.channel.clone()).max_decoding_message_size(32 << 20)
    }

    pub(crate) async fn append_as(
        &self,
        who: &str,
        stream: &str,
        expect: Expect,
        events: Vec<ProposedMessage>,
    ) -> Result<streams::append_resp::Result, Status> {
        let none = shared::Empty {};
        let expected = match expect {
            Expect::Any => ExpectedStreamRevision::Any(none),
            Expect::NoStream => ExpectedStreamRevision::NoStream(none),
            Expect::Exists => ExpectedStreamRevision::StreamExists(none),
            Expect::Exact(revision) => ExpectedStreamRevision::Revision(revision),
        };
        let options = AppendContent::Options(streams::append_req::Options {
            stream_identifier: identifier(stream),
            expected_stream_revision: Some(expected),
        });
        let messages: Vec<_> = std::iter::once(options)
            .chain(events.into_iter().map(AppendContent::ProposedMessage))
            .map(|content| streams::AppendReq { content: Some(content) })
            .collect();
        let request = with(who, futures::stream::iter(messages));
        let answer = self.client().append(request).await?.into_inner();
        Ok(answer.result.expect("a result"))
    }

    pub(crate) async fn try_append(
        &self,
        stream: &str,
        expect: Expect,
        events: Vec<ProposedMessage>,
    ) -> Result<streams::append_resp::Result, Status> {
        self.append_as(APPENDER, stream, expect, events).await
    }

    /// Revision and position of the last event, or the answer that it was not taken.
    pub(crate) async fn append(
        &self,
        stream: &str,
        expect: Expect,
        events: Vec<ProposedMessage>,
    ) -> Result<(u64, u64), streams::append_resp::Result> {
        use streams::append_resp::success::{CurrentRevisionOption, PositionOption};
        match self.try_append(stream, expect, events).await.expect("an answer") {
            streams::append_resp::Result::Success(success) => {
                match (success.current_revision_option, success.position_option) {
                    (
                        Some(CurrentRevisionOption::CurrentRevision(revision)),
                        Some(PositionOption::Position(position)),
                    ) => Ok((revision, position.commit_position)),
                    other => panic!("both must be set: {other:?}"),
                }
            }
            other => Err(other),
        }
    }

    pub(crate) async fn append_nothing_first(&self, who: &str) -> Result<(), Status> {
        let message = AppendContent::ProposedMessage(event_of(1));
        let messages = vec![streams::AppendReq { content: Some(message) }];
        self.client().append(with(who, futures::stream::iter(messages))).await.map(|_| ())
    }

    pub(crate) async fn unknown_service(&self) -> Result<(), Status> {
        use tonic::codegen::http::uri::PathAndQuery;
        let mut client = tonic::client::Grpc::new(self.channel.clone());
        client.ready().await.expect("ready");
        let codec = tonic_prost::ProstCodec::<shared::Empty, shared::Empty>::default();
        let path = PathAndQuery::from_static("/event_store.client.projections.Projections/Create");
        client.unary(Request::new(shared::Empty {}), path, codec).await.map(|_| ())
    }

    pub(crate) fn batch(
        correlation: u128,
        options: Option<(&str, Expect)>,
        events: Vec<ProposedMessage>,
        is_final: bool,
    ) -> streams::BatchAppendReq {
        use streams::batch_append_req::options::ExpectedStreamPosition;
        let options = options.map(|(stream, expect)| streams::batch_append_req::Options {
            stream_identifier: identifier(stream),
            deadline_option: None,
            expected_stream_position: Some(match expect {
                Expect::Any => ExpectedStreamPosition::Any(()),
                Expect::NoStream => ExpectedStreamPosition::NoStream(()),
                Expect::Exists => ExpectedStreamPosition::StreamExists(()),
                Expect::Exact(revision) => ExpectedStreamPosition::StreamPosition(revision),
            }),
        });
        let proposed_messages = events
            .into_iter()
            .map(|it| streams::batch_append_req::ProposedMessage {
                id: it.id,
                metadata: it.metadata,
                custom_metadata: it.custom_metadata,
                data: it.data,
            })
            .collect();
        let correlation_id = Some(uuid(correlation));
        streams::BatchAppendReq { correlation_id, options, proposed_messages, is_final }
    }

    pub(crate) async fn batch_append(
        &self,
        requests: Vec<streams::BatchAppendReq>,
    ) -> Result<Vec<streams::BatchAppendResp>, Status> {
        let request = with(APPENDER, futures::stream::iter(requests));
        let mut answers = self.client().batch_append(request).await?.into_inner();
        let mut all = Vec::new();
        while let Some(answer) = answers.message().await? {
            all.push(answer);
        }
        Ok(all)
    }

    fn request(option: StreamOption, direction: ReadDirection) -> streams::ReadReq {
        streams::ReadReq {
            options: Some(ReadOptions {
                stream_option: Some(option),
                read_direction: direction.into(),
                resolve_links: false,
                count_option: Some(CountOption::Count(u64::MAX)),
                filter_option: Some(FilterOption::NoFilter(shared::Empty {})),
                uuid_option: None,
                control_option: None,
            }),
        }
    }

    pub(crate) fn stream_request(
        stream: &str,
        place: Place,
        direction: ReadDirection,
    ) -> streams::ReadReq {
        let none = shared::Empty {};
        let revision = match place {
            Place::Start => RevisionOption::Start(none),
            Place::End => RevisionOption::End(none),
            Place::At(revision) => RevisionOption::Revision(revision),
        };
        let options = StreamOptions {
            stream_identifier: identifier(stream),
            revision_option: Some(revision),
        };
        Self::request(StreamOption::Stream(options), direction)
    }

    pub(crate) fn all_request(
        place: Place,
        direction: ReadDirection,
        filter: Option<FilterOptions>,
    ) -> streams::ReadReq {
        let none = shared::Empty {};
        let all = match place {
            Place::Start => AllOption::Start(none),
            Place::End => AllOption::End(none),
            Place::At(at) => {
                AllOption::Position(WirePosition { commit_position: at, prepare_position: at })
            }
        };
        let option = StreamOption::All(AllOptions { all_option: Some(all) });
        let mut request = Self::request(option, direction);
        if let (Some(options), Some(filter)) = (&mut request.options, filter) {
            options.filter_option = Some(FilterOption::Filter(filter));
        }
        request
    }

    pub(crate) async fn read(
        &self,
        who: &str,
        request: streams::ReadReq,
    ) -> Result<Vec<Content>, Status> {
        let mut answer = self.client().read(with(who, request)).await?.into_inner();
        let mut found = Vec::new();
        while let Some(message) = answer.message().await? {
            found.push(message.content.expect("content"));
        }
        Ok(found)
    }

    fn counted(mut request: streams::ReadReq, count: u64) -> streams::ReadReq {
        if let Some(options) = &mut request.options {
            options.count_option = Some(CountOption::Count(count));
        }
        request
    }

    fn direction(backwards: bool) -> ReadDirection {
        if backwards { ReadDirection::Backwards } else { ReadDirection::Forwards }
    }

    pub(crate) async fn read_stream(
        &self,
        stream: &str,
        place: Place,
        backwards: bool,
        count: u64,
    ) -> Vec<Content> {
        let request = Self::stream_request(stream, place, Self::direction(backwards));
        self.read(READER, Self::counted(request, count)).await.expect("read")
    }

    pub(crate) async fn read_all(
        &self,
        place: Place,
        backwards: bool,
        count: u64,
        filter: Option<FilterOptions>,
    ) -> Vec<Content> {
        let request = Self::all_request(place, Self::direction(backwards), filter);
        self.read(READER, Self::counted(request, count)).await.expect("read")
    }

    async fn follow(&self, who: &str, mut request: streams::ReadReq) -> Following {
        if let Some(options) = &mut request.options {
            options.count_option = Some(CountOption::Subscription(SubscriptionOptions {}));
        }
        Following(self.client().read(with(who, request)).await.expect("subscribed").into_inner())
    }

    pub(crate) async fn subscribe_all(
        &self,
        place: Place,
        filter: Option<FilterOptions>,
    ) -> Following {
        self.subscribe_all_as(READER, place, filter).await
    }

    pub(crate) async fn subscribe_all_as(
        &self,
        who: &str,
        place: Place,
        filter: Option<FilterOptions>,
    ) -> Following {
        self.follow(who, Self::all_request(place, ReadDirection::Forwards, filter)).await
    }

    pub(crate) async fn subscribe_stream(&self, stream: &str, place: Place) -> Following {
        self.follow(READER, Self::stream_request(stream, place, ReadDirection::Forwards)).await
    }

    pub(crate) async fn delete(&self, stream: &str) -> Result<(), Status> {
        let options = streams::delete_req::Options { stream_identifier: identifier(stream) };
        let request = with(READER, streams::DeleteReq { options: Some(options) });
        self.client().delete(request).await.map(|_| ())
    }

    pub(crate) async fn tombstone(&self, stream: &str) -> Result<(), Status> {
        let options = streams::tombstone_req::Options { stream_identifier: identifier(stream) };
        let request = with(READER, streams::TombstoneReq { options: Some(options) });
        self.client().tombstone(request).await.map(|_| ())
    }

    pub(crate) async fn features(
        &self,
    ) -> Result<shared::server_features::SupportedMethods, Status> {
        let mut client = ServerFeaturesClient::new(self.channel.clone());
        Ok(client.get_supported_methods(shared::Empty {}).await?.into_inner())
    }

    pub(crate) async fn gossip(&self) -> Result<shared::gossip::ClusterInfo, Status> {
        Ok(GossipClient::new(self.channel.clone()).read(shared::Empty {}).await?.into_inner())
    }
}
