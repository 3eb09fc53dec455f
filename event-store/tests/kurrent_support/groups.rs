//! A client of the persistent subscriptions.

use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::Channel;
use tonic::{Status, Streaming};
use uuid::Uuid;

use super::wire::event_store::client as shared;
use super::wire::event_store::client::persistent_subscriptions as wire;
use super::wire::event_store::client::persistent_subscriptions::create_req::settings::MessageTimeout;
use super::wire::event_store::client::persistent_subscriptions::create_req::{
    AllOptions, Settings, StreamOptions, all_options, stream_options,
};
use super::wire::event_store::client::persistent_subscriptions::persistent_subscriptions_client::PersistentSubscriptionsClient;
use super::wire::event_store::client::persistent_subscriptions::{create_req, read_req, read_resp};
use super::{Running, identifier, uuid, uuid_text, with};

/// May read and append.
pub(crate) const MANAGER: &str = "Bearer manager";

pub(crate) use read_req::nack::Action as Nack;

const NONE: shared::Empty = shared::Empty {};

/// The service as one caller sees it.
pub(crate) struct Groups {
    channel: Channel,
    who: &'static str,
}

/// A consumer of a group.
pub(crate) struct Consumer {
    events: Streaming<wire::ReadResp>,
    requests: mpsc::Sender<wire::ReadReq>,
}

impl Consumer {
    /// Id and retries of the next event.
    pub(crate) async fn next(&mut self) -> Result<(u128, i32), Status> {
        loop {
            let Some(message) = self.events.message().await? else {
                panic!("a persistent subscription ended with OK")
            };
            if let Some(read_resp::Content::Event(event)) = message.content {
                let id = uuid_text(event.event.expect("event").id.as_ref());
                let retries = match event.count {
                    Some(read_resp::read_event::Count::RetryCount(count)) => count,
                    _ => 0,
                };
                return Ok((Uuid::parse_str(&id).expect("a uuid").as_u128(), retries));
            }
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

    async fn send(&self, content: read_req::Content) {
        self.requests.send(wire::ReadReq { content: Some(content) }).await.expect("connected");
    }

    pub(crate) async fn ack(&mut self, events: &[u128]) {
        let ids = events.iter().map(|id| uuid(*id)).collect();
        self.send(read_req::Content::Ack(read_req::Ack { id: Vec::new(), ids })).await;
    }

    pub(crate) async fn nack(&mut self, events: &[u128], action: Nack, reason: &str) {
        let ids = events.iter().map(|id| uuid(*id)).collect();
        let reason = reason.to_owned();
        let nack = read_req::Nack { id: Vec::new(), ids, action: action.into(), reason };
        self.send(read_req::Content::Nack(nack)).await;
    }
}

impl Groups {
    pub(crate) fn of(server: &Running) -> Self {
        Self { channel: server.channel.clone(), who: MANAGER }
    }

    pub(crate) fn like(&self, who: &'static str) -> Self {
        Self { channel: self.channel.clone(), who }
    }

    fn client(&self) -> PersistentSubscriptionsClient<Channel> {
        PersistentSubscriptionsClient::new(self.channel.clone())
    }

    pub(crate) fn settings() -> Settings {
        Settings {
            max_retry_count: 10,
            message_timeout: Some(Self::timeout_ms(60_000)),
            checkpoint_after: Some(create_req::settings::CheckpointAfter::CheckpointAfterMs(100)),
            min_checkpoint_count: 1,
            max_checkpoint_count: 1_000,
            live_buffer_size: 500,
            read_batch_size: 20,
            history_buffer_size: 500,
            consumer_strategy: "RoundRobin".to_owned(),
            ..Settings::default()
        }
    }

    pub(crate) const fn timeout_ms(ms: i32) -> MessageTimeout {
        MessageTimeout::MessageTimeoutMs(ms)
    }

    fn options(stream: Option<&str>, group: &str, settings: Settings) -> create_req::Options {
        let option = match stream {
            Some(stream) => create_req::options::StreamOption::Stream(StreamOptions {
                stream_identifier: identifier(stream),
                revision_option: Some(stream_options::RevisionOption::Start(NONE)),
            }),
            None => create_req::options::StreamOption::All(AllOptions {
                all_option: Some(all_options::AllOption::Start(NONE)),
                filter_option: None,
            }),
        };
        create_req::Options {
            stream_option: Some(option),
            stream_identifier: None,
            group_name: group.to_owned(),
            settings: Some(settings),
        }
    }

    pub(crate) async fn create(
        &self,
        stream: Option<&str>,
        group: &str,
        settings: Settings,
    ) -> Result<(), Status> {
        let options = Some(Self::options(stream, group, settings));
        self.client().create(with(self.who, wire::CreateReq { options })).await.map(|_| ())
    }

    pub(crate) async fn create_filtered(&self, group: &str, regex: &str) -> Result<(), Status> {
        use all_options::filter_options::{Expression, Filter, Window};
        let mut options = Self::options(None, group, Self::settings());
        if let Some(create_req::options::StreamOption::All(all)) = &mut options.stream_option {
            let expression = Expression { regex: regex.to_owned(), prefix: Vec::new() };
            all.filter_option =
                Some(all_options::FilterOption::Filter(all_options::FilterOptions {
                    filter: Some(Filter::StreamIdentifier(expression)),
                    window: Some(Window::Max(32)),
                    checkpoint_interval_multiplier: 1,
                }));
        }
        let request = with(self.who, wire::CreateReq { options: Some(options) });
        self.client().create(request).await.map(|_| ())
    }

    pub(crate) async fn update(
        &self,
        stream: Option<&str>,
        group: &str,
        settings: Settings,
    ) -> Result<(), Status> {
        let options = Some(Self::options(stream, group, settings));
        self.client().update(with(self.who, wire::UpdateReq { options })).await.map(|_| ())
    }

    pub(crate) async fn delete(&self, stream: Option<&str>, group: &str) -> Result<(), Status> {
        use wire::delete_req::options::StreamOption;
        let option = match stream.and_then(identifier) {
            Some(stream) => StreamOption::StreamIdentifier(stream),
            None => StreamOption::All(NONE),
        };
        let group_name = group.to_owned();
        let options = wire::delete_req::Options { stream_option: Some(option), group_name };
        let request = with(self.who, wire::DeleteReq { options: Some(options) });
        self.client().delete(request).await.map(|_| ())
    }

    pub(crate) async fn consume(
        &self,
        stream: Option<&str>,
        group: &str,
        slots: i32,
    ) -> Result<Consumer, Status> {
        use read_req::options::StreamOption;
        let option = match stream.and_then(identifier) {
            Some(stream) => StreamOption::StreamIdentifier(stream),
            None => StreamOption::All(NONE),
        };
        let options = read_req::Options {
            stream_option: Some(option),
            group_name: group.to_owned(),
            buffer_size: slots,
            uuid_option: None,
        };
        let (requests, receiver) = mpsc::channel(64);
        let first = wire::ReadReq { content: Some(read_req::Content::Options(options)) };
        requests.send(first).await.expect("room");
        let request = with(self.who, ReceiverStream::new(receiver));
        let events = self.client().read(request).await?.into_inner();
        Ok(Consumer { events, requests })
    }

    pub(crate) async fn info(
        &self,
        stream: Option<&str>,
        group: &str,
    ) -> Result<wire::SubscriptionInfo, Status> {
        use wire::get_info_req::options::StreamOption;
        let option = match stream.and_then(identifier) {
            Some(stream) => StreamOption::StreamIdentifier(stream),
            None => StreamOption::All(NONE),
        };
        let group_name = group.to_owned();
        let options = wire::get_info_req::Options { stream_option: Some(option), group_name };
        let request = with(self.who, wire::GetInfoReq { options: Some(options) });
        let answer = self.client().get_info(request).await?.into_inner();
        Ok(answer.subscription_info.expect("info"))
    }

    /// Asks until it is so: acknowledgements are not answered.
    pub(crate) async fn until(
        &self,
        stream: Option<&str>,
        group: &str,
        so: impl Fn(&wire::SubscriptionInfo) -> bool,
    ) {
        loop {
            let info = self.info(stream, group).await.expect("info");
            if so(&info) {
                return;
            }
            tokio::task::yield_now().await;
        }
    }

    pub(crate) async fn replay(
        &self,
        stream: Option<&str>,
        group: &str,
        limit: Option<i64>,
    ) -> Result<(), Status> {
        use wire::replay_parked_req::options::{StopAtOption, StreamOption};
        let option = match stream.and_then(identifier) {
            Some(stream) => StreamOption::StreamIdentifier(stream),
            None => StreamOption::All(NONE),
        };
        let options = wire::replay_parked_req::Options {
            group_name: group.to_owned(),
            stream_option: Some(option),
            stop_at_option: Some(limit.map_or(StopAtOption::NoLimit(NONE), StopAtOption::StopAt)),
        };
        let request = with(self.who, wire::ReplayParkedReq { options: Some(options) });
        self.client().replay_parked(request).await.map(|_| ())
    }

    pub(crate) async fn list(
        &self,
        stream: Option<&str>,
    ) -> Result<Vec<wire::SubscriptionInfo>, Status> {
        use wire::list_req::options::ListOption;
        use wire::list_req::stream_option::StreamOption;
        let option = match stream.and_then(identifier) {
            Some(stream) => ListOption::ListForStream(wire::list_req::StreamOption {
                stream_option: Some(StreamOption::Stream(stream)),
            }),
            None => ListOption::ListAllSubscriptions(NONE),
        };
        let options = wire::list_req::Options { list_option: Some(option) };
        let request = with(self.who, wire::ListReq { options: Some(options) });
        Ok(self.client().list(request).await?.into_inner().subscriptions)
    }
}
