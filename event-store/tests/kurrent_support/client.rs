//! A running server and a client of its streams.

use super::*;

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
        Self::start_at(engine, SocketAddr::from(([127, 0, 0, 1], 0))).await
    }

    pub(crate) async fn start_at(engine: &Engine, listen: SocketAddr) -> Self {
        Self::start_in(engine, listen, Arc::new(NoRules)).await
    }

    pub(crate) async fn start_in(
        engine: &Engine,
        listen: SocketAddr,
        house: Arc<dyn House>,
    ) -> Self {
        let logs =
            Two { ours: Arc::clone(&engine.log), other: Arc::new(MemoryLog::new(OTHER, clock)) };
        let config = Config {
            listen,
            tls: None,
            connections_max: 20,
            groups: Some(engine.directory().join("groups.redb")),
        };
        let close = CancellationToken::new();
        let KurrentServer { address, task } =
            serve(config, Arc::new(Known), Arc::new(logs), house, close.clone())
                .await
                .expect("listens");
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
