//! The service `Streams`.

use std::sync::Arc;

use ledgerline_schemas::Version;
use tonic::{Request, Response, Status, Streaming};

use super::append::{Collected, NotTaken, Proposed, Taken, append, writable};
use super::door::{Door, Need};
use super::event::{UuidForm, read_uuid};
use super::filter::Matcher;
use super::house::{Reading, ReadingKind};
use super::outlet::{Answer, outlet};
use super::range::{self, Place};
use super::read::{self, How, What};
use super::wire::shared::Empty;
use super::wire::streams as wire;
use super::wire::streams::append_req::options::ExpectedStreamRevision as Asked;
use super::wire::streams::append_req::{Content, ProposedMessage};
use super::wire::streams::append_resp::success::{CurrentRevisionOption, PositionOption};
use super::wire::streams::append_resp::wrong_expected_version as wrong;
use super::wire::streams::append_resp::{self, Success, WrongExpectedVersion};
use super::wire::streams::read_req::Options;
use super::wire::streams::read_req::options::{
    CountOption, FilterOption, ReadDirection, StreamOption, uuid_option,
};
use super::{batch, refusal, subscription};
use crate::log::{Direction, Expected};

/// Reads, appends and subscriptions.
#[derive(Clone, Debug)]
pub(crate) struct StreamsService(pub(crate) Arc<Door>);

#[tonic::async_trait]
impl wire::streams_server::Streams for StreamsService {
    type ReadStream = Answer<wire::ReadResp>;
    type BatchAppendStream = Answer<wire::BatchAppendResp>;

    async fn read(
        &self,
        request: Request<wire::ReadReq>,
    ) -> Result<Response<Self::ReadStream>, Status> {
        let session = self.0.enter(request.metadata(), Need::Read).await?;
        let options = request.into_inner().options.ok_or_else(|| refusal::missing("options"))?;
        let form = uuid_form(&options);
        let direction = match ReadDirection::try_from(options.read_direction) {
            Ok(ReadDirection::Forwards) => Direction::Forward,
            Ok(ReadDirection::Backwards) => Direction::Backward,
            Err(_) => return Err(Status::invalid_argument("read_direction is not known")),
        };
        let positions = options.control_option.is_some_and(|it| it.compatibility == 1);
        let what = what(&options)?;
        if let (Some(what), Some(count)) = (&what, &options.count_option) {
            session.note(reading(what, direction, count)).await?;
        }
        let (outlet, answer) = outlet(self.0.closing.clone(), session.until);
        match options.count_option {
            Some(CountOption::Count(count)) => {
                let how = How { direction, count, form, positions };
                let Some(what) = what else { return Ok(Response::new(not_found(&options))) };
                self.0.tasks.spawn(read::run(session, what, how, outlet));
            }
            Some(CountOption::Subscription(_)) => {
                if direction == Direction::Backward {
                    return Err(Status::invalid_argument("a subscription reads forwards"));
                }
                let what =
                    what.ok_or_else(|| Status::invalid_argument("the stream's name is not UTF-8"))?;
                self.0.tasks.spawn(subscription::run(session, what, form, outlet));
            }
            None => return Err(refusal::missing("count_option")),
        }
        Ok(Response::new(answer))
    }

    async fn append(
        &self,
        request: Request<Streaming<wire::AppendReq>>,
    ) -> Result<Response<wire::AppendResp>, Status> {
        let session = self.0.enter(request.metadata(), Need::Append).await?;
        let mut messages = request.into_inner();
        let first = messages.message().await?.and_then(|it| it.content);
        let Some(Content::Options(options)) = first else {
            return Err(Status::invalid_argument("the first message must be the options"));
        };
        let stream = range::stream(options.stream_identifier.as_ref())?;
        let stream = writable(stream).map_err(|refused| refused.status())?;
        let expected = match options.expected_stream_revision {
            Some(Asked::Revision(revision)) => Expected::Exact(Version(revision)),
            Some(Asked::NoStream(Empty {})) => Expected::NoStream,
            Some(Asked::StreamExists(Empty {})) => Expected::Exists,
            Some(Asked::Any(Empty {})) => Expected::Any,
            None => return Err(refusal::missing("expected_stream_revision")),
        };
        let mut collected = Collected::default();
        while let Some(message) = messages.message().await? {
            let Some(Content::ProposedMessage(message)) = message.content else {
                return Err(Status::invalid_argument("only the first message is the options"));
            };
            collected
                .add(proposed(message)?, session.house.as_ref())
                .map_err(|refused| refused.status())?;
        }
        let result = match append(&session, stream, expected, collected).await {
            Ok(taken) => append_resp::Result::Success(success(taken)),
            // A wrong version is an answer, not an error.
            Err(NotTaken::WrongVersion { expected, actual }) => {
                append_resp::Result::WrongExpectedVersion(wrong_version(expected, actual))
            }
            Err(refused) => return Err(refused.status()),
        };
        Ok(Response::new(wire::AppendResp { result: Some(result) }))
    }

    async fn delete(
        &self,
        request: Request<wire::DeleteReq>,
    ) -> Result<Response<wire::DeleteResp>, Status> {
        self.0.enter(request.metadata(), Need::Read).await?;
        Err(refusal::access_denied("events are never deleted: the log is an audit log"))
    }

    async fn tombstone(
        &self,
        request: Request<wire::TombstoneReq>,
    ) -> Result<Response<wire::TombstoneResp>, Status> {
        self.0.enter(request.metadata(), Need::Read).await?;
        Err(refusal::access_denied("streams are never tombstoned: the log is an audit log"))
    }

    async fn batch_append(
        &self,
        request: Request<Streaming<wire::BatchAppendReq>>,
    ) -> Result<Response<Self::BatchAppendStream>, Status> {
        let session = self.0.enter(request.metadata(), Need::Append).await?;
        let (outlet, answer) = outlet(self.0.closing.clone(), session.until);
        self.0.tasks.spawn(batch::run(session, request.into_inner(), outlet));
        Ok(Response::new(answer))
    }
}

fn uuid_form(options: &Options) -> UuidForm {
    match options.uuid_option.as_ref().and_then(|it| it.content.as_ref()) {
        Some(uuid_option::Content::Structured(_)) => UuidForm::Structured,
        Some(uuid_option::Content::String(_)) | None => UuidForm::Text,
    }
}

/// What is asked for; `None`: a stream that cannot exist.
fn what(options: &Options) -> Result<Option<What>, Status> {
    let filter = match &options.filter_option {
        Some(FilterOption::Filter(filter)) => Some(Arc::new(Matcher::new(filter)?)),
        Some(FilterOption::NoFilter(_)) | None => None,
    };
    match &options.stream_option {
        Some(StreamOption::Stream(_)) if filter.is_some() => {
            Err(Status::invalid_argument("a filter works on all events, not on one stream"))
        }
        Some(StreamOption::Stream(stream)) => {
            let place = Place::in_stream(stream)?;
            let name = range::stream(stream.stream_identifier.as_ref())?;
            Ok(name.map(|name| What::Stream(name, place)))
        }
        Some(StreamOption::All(all)) => Ok(Some(What::All(Place::in_all(all)?, filter))),
        None => Err(refusal::missing("stream_option")),
    }
}

/// What the house is told of a read.
fn reading(what: &What, direction: Direction, count: &CountOption) -> Reading {
    let (stream, place) = match what {
        What::Stream(stream, place) => (Some(stream.clone()), place),
        What::All(place, _) => (None, place),
    };
    let (kind, events_max) = match count {
        CountOption::Count(count) => (ReadingKind::Read, Some(*count)),
        CountOption::Subscription(_) => (ReadingKind::Subscription, None),
    };
    Reading {
        kind,
        stream,
        group: String::new(),
        from: place.to_string(),
        backward: direction == Direction::Backward,
        events_max,
    }
}

fn not_found(options: &Options) -> Answer<wire::ReadResp> {
    let stream_identifier = match &options.stream_option {
        Some(StreamOption::Stream(stream)) => stream.stream_identifier.clone(),
        _ => None,
    };
    let not_found = wire::read_resp::StreamNotFound { stream_identifier };
    let message = read::content(wire::read_resp::Content::StreamNotFound(not_found));
    Box::pin(futures::stream::iter([Ok(message)]))
}

fn proposed(message: ProposedMessage) -> Result<Proposed, Status> {
    Ok(Proposed {
        id: read_uuid(message.id.as_ref(), "proposed_message.id")?,
        metadata: message.metadata,
        custom_metadata: message.custom_metadata.into(),
        data: message.data.into(),
    })
}

fn success(taken: Taken) -> Success {
    Success {
        current_revision_option: Some(match taken.revision {
            Some(version) => CurrentRevisionOption::CurrentRevision(version.0),
            None => CurrentRevisionOption::NoStream(Empty {}),
        }),
        position_option: Some(match taken.position {
            Some(position) => PositionOption::Position(append_resp::Position {
                commit_position: position.0,
                prepare_position: position.0,
            }),
            None => PositionOption::NoPosition(Empty {}),
        }),
    }
}

fn wrong_version(expected: Expected, actual: Option<Version>) -> WrongExpectedVersion {
    use wrong::{
        CurrentRevisionOption as Current, CurrentRevisionOption2060 as OldCurrent,
        ExpectedRevisionOption as Wanted, ExpectedRevisionOption2060 as OldWanted,
    };
    let actual = actual.map(|version| version.0);
    WrongExpectedVersion {
        current_revision_option_20_6_0: Some(
            actual.map_or(OldCurrent::NoStream2060(Empty {}), OldCurrent::CurrentRevision2060),
        ),
        current_revision_option: Some(
            actual.map_or(Current::CurrentNoStream(Empty {}), Current::CurrentRevision),
        ),
        expected_revision_option_20_6_0: match expected {
            Expected::Exact(version) => Some(OldWanted::ExpectedRevision2060(version.0)),
            Expected::Any => Some(OldWanted::Any2060(Empty {})),
            Expected::Exists => Some(OldWanted::StreamExists2060(Empty {})),
            Expected::NoStream => None,
        },
        expected_revision_option: Some(match expected {
            Expected::Exact(version) => Wanted::ExpectedRevision(version.0),
            Expected::Any => Wanted::ExpectedAny(Empty {}),
            Expected::Exists => Wanted::ExpectedStreamExists(Empty {}),
            Expected::NoStream => Wanted::ExpectedNoStream(Empty {}),
        }),
    }
}
