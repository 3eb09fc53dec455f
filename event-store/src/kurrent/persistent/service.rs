//! The service `PersistentSubscriptions`.

use std::sync::Arc;

use ledgerline_schemas::StreamId;
use prost::Message as _;
use tokio::sync::{mpsc, oneshot};
use tonic::{Request, Response, Status, Streaming};

use super::consumer;
use super::group::{Command, Joining};
use super::registry::Registry;
use super::store::{Key, Stored};
use crate::kurrent::door::{Door, Need, Session};
use crate::kurrent::event::UuidForm;
use crate::kurrent::filter::Matcher;
use crate::kurrent::house::{Reading, ReadingKind};
use crate::kurrent::outlet::{Answer, outlet_of};
use crate::kurrent::wire::persistent as wire;
use crate::kurrent::wire::persistent::create_req::all_options::{AllOption, FilterOption};
use crate::kurrent::wire::persistent::create_req::options::StreamOption;
use crate::kurrent::wire::persistent::create_req::stream_options::RevisionOption;
use crate::kurrent::wire::persistent::read_req::options::uuid_option;
use crate::kurrent::wire::persistent::read_resp::{Content, SubscriptionConfirmation};
use crate::kurrent::wire::persistent::{create_req, read_req};
use crate::kurrent::wire::shared::{Empty, StreamIdentifier};
use crate::kurrent::{range, refusal};

/// Longest name of a group, bytes.
const NAME_BYTES_MAX: usize = 200;
/// Most events a consumer may hold at once.
const SLOTS_MAX: usize = 1_000;

/// Groups of consumers.
#[derive(Clone, Debug)]
pub(crate) struct PersistentService {
    pub(crate) door: Arc<Door>,
    pub(crate) groups: Arc<Registry>,
}

/// Where a group reads.
enum Source {
    Stream(Option<StreamIdentifier>),
    All,
}

fn key(session: &Session, source: Option<Source>, group: String) -> Result<Key, Status> {
    let stream = match source {
        Some(Source::All) => None,
        Some(Source::Stream(identifier)) => {
            let stream = range::stream(identifier.as_ref())?
                .ok_or_else(|| Status::invalid_argument("the stream's name is not UTF-8"))?;
            Some(stream.as_str().to_owned())
        }
        None => return Err(refusal::missing("stream_option")),
    };
    if group.is_empty() || group.len() > NAME_BYTES_MAX {
        let message = format!("group_name must have 1 to {NAME_BYTES_MAX} bytes");
        return Err(Status::invalid_argument(message));
    }
    Ok(Key { org_id: session.caller.org_id, stream, group })
}

/// A group as it is asked for, with its start made a number.
fn described(session: &Session, options: create_req::Options) -> Result<(Key, Stored), Status> {
    let settings = options.settings.ok_or_else(|| refusal::missing("settings"))?;
    let source = match &options.stream_option {
        Some(StreamOption::Stream(stream)) => {
            Some(Source::Stream(stream.stream_identifier.clone()))
        }
        Some(StreamOption::All(_)) => Some(Source::All),
        // How clients said it before groups over everything existed.
        None => options.stream_identifier.clone().map(|stream| Source::Stream(Some(stream))),
    };
    let key = key(session, source, options.group_name)?;
    let stored = match (options.stream_option, &key.stream) {
        (Some(StreamOption::All(all)), _) => {
            let start = match all.all_option {
                Some(AllOption::Position(position)) => position.commit_position,
                Some(AllOption::End(_)) => session.log.head().0.saturating_add(1),
                Some(AllOption::Start(_)) | None => 0,
            };
            let filter = match all.filter_option {
                Some(FilterOption::Filter(filter)) => Some(filter.encode_to_vec()),
                Some(FilterOption::NoFilter(_)) | None => None,
            };
            if let Some(filter) = &filter {
                Matcher::decode(filter)?;
            }
            Stored { settings, filter, start, next: None }
        }
        (Some(StreamOption::Stream(options)), Some(stream)) => {
            let end = || {
                let head = session.log.stream_head(&StreamId::new(stream.as_str()));
                head.map(range::next).map_err(|error| refusal::reading(&error))
            };
            let start = match options.revision_option {
                Some(RevisionOption::Revision(revision)) => revision,
                Some(RevisionOption::End(_)) => end()?,
                Some(RevisionOption::Start(_)) | None => 0,
            };
            Stored { settings, filter: None, start, next: None }
        }
        _ => Stored { start: settings.revision, settings, filter: None, next: None },
    };
    Ok((key, stored))
}

fn gone() -> Status {
    Status::unavailable("the persistent subscription has just ended")
}

impl PersistentService {
    async fn info(&self, session: &Session, key: &Key) -> Result<wire::SubscriptionInfo, Status> {
        let group = self.groups.group(session, key).await?;
        let (reply, info) = oneshot::channel();
        group.send(Command::Info(reply)).await.map_err(|_| gone())?;
        info.await.map_err(|_| gone())
    }

    async fn join(
        &self,
        session: &Session,
        key: &Key,
        joining: Joining,
        joined: oneshot::Receiver<Option<u64>>,
    ) -> Result<(u64, mpsc::Sender<Command>), Status> {
        let group = self.groups.group(session, key).await?;
        group.send(Command::Join(joining)).await.map_err(|_| gone())?;
        match joined.await {
            Ok(Some(id)) => Ok((id, group)),
            Ok(None) => Err(refusal::too_many_consumers(key.source(), &key.group)),
            Err(_) => Err(gone()),
        }
    }
}

#[tonic::async_trait]
impl wire::persistent_subscriptions_server::PersistentSubscriptions for PersistentService {
    type ReadStream = Answer<wire::ReadResp>;

    async fn create(
        &self,
        request: Request<wire::CreateReq>,
    ) -> Result<Response<wire::CreateResp>, Status> {
        let session = self.door.enter(request.metadata(), Need::Manage).await?;
        let options = request.into_inner().options.ok_or_else(|| refusal::missing("options"))?;
        let (key, stored) = described(&session, options)?;
        self.groups.create(key, stored).await?;
        Ok(Response::new(wire::CreateResp {}))
    }

    async fn update(
        &self,
        request: Request<wire::UpdateReq>,
    ) -> Result<Response<wire::UpdateResp>, Status> {
        let session = self.door.enter(request.metadata(), Need::Manage).await?;
        let options = request.into_inner().options.ok_or_else(|| refusal::missing("options"))?;
        let (key, stored) = described(&session, options)?;
        self.groups.update(key, stored).await?;
        Ok(Response::new(wire::UpdateResp {}))
    }

    async fn delete(
        &self,
        request: Request<wire::DeleteReq>,
    ) -> Result<Response<wire::DeleteResp>, Status> {
        use wire::delete_req::options::StreamOption;
        let session = self.door.enter(request.metadata(), Need::Manage).await?;
        let options = request.into_inner().options.ok_or_else(|| refusal::missing("options"))?;
        let source = options.stream_option.map(|option| match option {
            StreamOption::StreamIdentifier(stream) => Source::Stream(Some(stream)),
            StreamOption::All(_) => Source::All,
        });
        self.groups.delete(key(&session, source, options.group_name)?).await?;
        Ok(Response::new(wire::DeleteResp {}))
    }

    async fn read(
        &self,
        request: Request<Streaming<wire::ReadReq>>,
    ) -> Result<Response<Self::ReadStream>, Status> {
        use read_req::options::StreamOption;
        let session = self.door.enter(request.metadata(), Need::Read).await?;
        let from = request.remote_addr().map(|it| it.to_string()).unwrap_or_default();
        let mut requests = request.into_inner();
        let first = requests.message().await?.and_then(|it| it.content);
        let Some(read_req::Content::Options(options)) = first else {
            return Err(Status::invalid_argument("the first message must be the options"));
        };
        let source = options.stream_option.map(|option| match option {
            StreamOption::StreamIdentifier(stream) => Source::Stream(Some(stream)),
            StreamOption::All(_) => Source::All,
        });
        let key = key(&session, source, options.group_name)?;
        let reading = Reading {
            kind: ReadingKind::Group,
            stream: key.stream.as_deref().map(StreamId::new),
            group: key.group.clone(),
            from: String::new(),
            backward: false,
            events_max: None,
        };
        session.note(reading).await?;
        let slots = usize::try_from(options.buffer_size).unwrap_or(0).clamp(1, SLOTS_MAX);
        let form = match options.uuid_option.and_then(|it| it.content) {
            Some(uuid_option::Content::Structured(_)) => UuidForm::Structured,
            Some(uuid_option::Content::String(_)) | None => UuidForm::Text,
        };
        // Room for everything it may hold, the confirmation and the last word.
        let (outlet, answer) = outlet_of(self.door.closing.clone(), session.until, slots + 2);
        let outlet = Arc::new(outlet);
        let subscription_id = format!("{}::{}", key.source(), key.group);
        let confirmation = SubscriptionConfirmation { subscription_id };
        let content = Some(Content::SubscriptionConfirmation(confirmation));
        outlet.send_now(wire::ReadResp { content });
        let (reply, joined) = oneshot::channel();
        let username = session.caller.subject.clone();
        let joining = Joining { slots, form, username, from, outlet: Arc::clone(&outlet), reply };
        let (id, group) = self.join(&session, &key, joining, joined).await?;
        self.door.tasks.spawn(consumer::run(id, requests, group, outlet));
        Ok(Response::new(answer))
    }

    async fn get_info(
        &self,
        request: Request<wire::GetInfoReq>,
    ) -> Result<Response<wire::GetInfoResp>, Status> {
        use wire::get_info_req::options::StreamOption;
        let session = self.door.enter(request.metadata(), Need::Read).await?;
        let options = request.into_inner().options.ok_or_else(|| refusal::missing("options"))?;
        let source = options.stream_option.map(|option| match option {
            StreamOption::StreamIdentifier(stream) => Source::Stream(Some(stream)),
            StreamOption::All(_) => Source::All,
        });
        let key = key(&session, source, options.group_name)?;
        let subscription_info = Some(self.info(&session, &key).await?);
        Ok(Response::new(wire::GetInfoResp { subscription_info }))
    }

    async fn replay_parked(
        &self,
        request: Request<wire::ReplayParkedReq>,
    ) -> Result<Response<wire::ReplayParkedResp>, Status> {
        use wire::replay_parked_req::options::{StopAtOption, StreamOption};
        let session = self.door.enter(request.metadata(), Need::Manage).await?;
        let options = request.into_inner().options.ok_or_else(|| refusal::missing("options"))?;
        let source = options.stream_option.map(|option| match option {
            StreamOption::StreamIdentifier(stream) => Source::Stream(Some(stream)),
            StreamOption::All(_) => Source::All,
        });
        let key = key(&session, source, options.group_name)?;
        let limit = match options.stop_at_option {
            Some(StopAtOption::StopAt(count)) => usize::try_from(count)
                .map_err(|_| Status::invalid_argument("stop_at must not be negative"))?,
            Some(StopAtOption::NoLimit(_)) | None => usize::MAX,
        };
        let group = self.groups.group(&session, &key).await?;
        let (reply, replayed) = oneshot::channel();
        group.send(Command::Replay { limit, reply }).await.map_err(|_| gone())?;
        replayed.await.map_err(|_| gone())?;
        Ok(Response::new(wire::ReplayParkedResp {}))
    }

    async fn list(
        &self,
        request: Request<wire::ListReq>,
    ) -> Result<Response<wire::ListResp>, Status> {
        use wire::list_req::options::ListOption;
        use wire::list_req::stream_option::StreamOption;
        let session = self.door.enter(request.metadata(), Need::Read).await?;
        let options = request.into_inner().options.ok_or_else(|| refusal::missing("options"))?;
        let only = match options.list_option {
            Some(ListOption::ListForStream(of)) => match of.stream_option {
                Some(StreamOption::Stream(stream)) => {
                    let name = range::stream(Some(&stream))?;
                    Some(name.map(|it| it.as_str().to_owned()))
                }
                Some(StreamOption::All(_)) => Some(None),
                None => return Err(refusal::missing("stream_option")),
            },
            Some(ListOption::ListAllSubscriptions(_)) | None => None,
        };
        let asked_for = only.clone();
        let mut subscriptions = Vec::new();
        for key in self.groups.list(session.caller.org_id).await? {
            if only.as_ref().is_none_or(|only| *only == key.stream) {
                subscriptions.push(self.info(&session, &key).await?);
            }
        }
        if let (Some(source), true) = (asked_for, subscriptions.is_empty()) {
            return Err(refusal::no_such_group(source.as_deref().unwrap_or("$all"), ""));
        }
        Ok(Response::new(wire::ListResp { subscriptions }))
    }

    async fn restart_subsystem(&self, request: Request<Empty>) -> Result<Response<Empty>, Status> {
        let session = self.door.enter(request.metadata(), Need::Manage).await?;
        self.groups.restart(session.caller.org_id).await;
        Ok(Response::new(Empty {}))
    }
}
