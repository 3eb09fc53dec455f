//! Appends of other systems: to `external-*` streams, as the house lets them be stored, not twice.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use ledgerline_schemas::event::Event;
use ledgerline_schemas::event::external::ExternalEvent;
use ledgerline_schemas::id::{CommandId, CorrelationId, EventId};
use ledgerline_schemas::limits::{APPEND_BYTES_MAX, APPEND_EVENTS_MAX, EVENT_PAYLOAD_BYTES_MAX};
use ledgerline_schemas::sensitive::Blob;
use ledgerline_schemas::{Actor, ActorType, NewEvent, Position, StreamId, Timestamp, Version};
use tonic::Status;
use uuid::Uuid;

use super::cleaning::{clean_declared, clean_if_json, is_json};
use super::door::Session;
use super::house::House;
use super::{EXTERNAL_PREFIX, refusal};
use crate::log::{
    Append, AppendError, Appended, Direction, EventWriter, Expected, Filter, ReadError,
};

/// Longest actor id of an event that came through this door, bytes.
const SUBJECT_BYTES_MAX: usize = 200;

/// An event as a client proposes it.
#[derive(Debug)]
pub(crate) struct Proposed {
    pub(crate) id: Uuid,
    pub(crate) metadata: BTreeMap<String, String>,
    pub(crate) custom_metadata: Vec<u8>,
    pub(crate) data: Vec<u8>,
}

impl Proposed {
    pub(crate) fn bytes(&self) -> usize {
        self.data.len() + self.custom_metadata.len()
    }

    fn cleaned(mut self, house: &dyn House) -> Self {
        let clean = |text| house.clean(text);
        if self.metadata.get("content-type").is_some_and(|it| is_json(it)) {
            self.data = clean_declared(self.data, &clean);
        }
        self.custom_metadata = clean_if_json(self.custom_metadata, &clean);
        self
    }
}

/// Why an append was not taken. Appends and batches say it in different words.
#[derive(Clone, Debug)]
pub(crate) enum NotTaken {
    /// The stream is not for others to write.
    Denied(String),
    /// The stream's head is something else.
    WrongVersion { expected: Expected, actual: Option<Version> },
    /// More than this many bytes.
    TooLarge { limit: usize },
    /// An event lacks one of its properties.
    MissingProperty(&'static str),
    /// Anything else that is wrong with the request.
    Bad(String),
    /// The log takes no writes now: nothing was written.
    Unavailable(String),
    /// Written or not, nobody knows yet; the same ids may be sent again.
    Unknown(String),
}

impl NotTaken {
    /// As a status; a wrong version is no status for a plain append.
    pub(crate) fn status(&self) -> Status {
        match self {
            Self::Denied(reason) => refusal::access_denied(reason),
            Self::WrongVersion { expected, actual } => Status::failed_precondition(format!(
                "the stream is at {actual:?}, expected {expected:?}"
            )),
            Self::TooLarge { limit } => refusal::append_too_large(*limit),
            Self::MissingProperty(name) => refusal::missing_property(name),
            Self::Bad(reason) => Status::invalid_argument(reason.clone()),
            Self::Unavailable(reason) | Self::Unknown(reason) => {
                Status::unavailable(reason.clone())
            }
        }
    }
}

/// Where an append ended up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Taken {
    /// Version of the stream's last event; `None` when it has none and none were appended.
    pub(crate) revision: Option<Version>,
    /// Position of the last event appended.
    pub(crate) position: Option<Position>,
}

/// Collects the events of one append and refuses too many.
#[derive(Debug, Default)]
pub(crate) struct Collected {
    events: Vec<Proposed>,
    bytes: usize,
}

impl Collected {
    /// Takes one more, as the house lets it be stored.
    pub(crate) fn add(&mut self, event: Proposed, house: &dyn House) -> Result<(), NotTaken> {
        let event = event.cleaned(house);
        self.bytes = self.bytes.saturating_add(event.bytes());
        if self.bytes > APPEND_BYTES_MAX {
            return Err(NotTaken::TooLarge { limit: APPEND_BYTES_MAX });
        }
        if self.events.len() >= APPEND_EVENTS_MAX {
            let reason = format!("an append has at most {APPEND_EVENTS_MAX} events");
            return Err(NotTaken::Bad(reason));
        }
        self.events.push(event);
        Ok(())
    }

    pub(crate) const fn bytes(&self) -> usize {
        self.bytes
    }
}

/// Whether others may write this stream.
pub(crate) fn writable(stream: Option<StreamId>) -> Result<StreamId, NotTaken> {
    match stream {
        Some(stream) if stream.as_str().starts_with(EXTERNAL_PREFIX) => Ok(stream),
        Some(stream) => Err(NotTaken::Denied(format!(
            "stream '{stream}' is read-only here: append to streams that begin with {EXTERNAL_PREFIX}"
        ))),
        None => Err(NotTaken::Denied("the stream's name is not UTF-8".to_owned())),
    }
}

/// Appends and waits until the events are durable.
pub(crate) async fn append(
    session: &Session,
    stream: StreamId,
    expected: Expected,
    collected: Collected,
) -> Result<Taken, NotTaken> {
    submit(session, stream, expected, collected)?.wait().await
}

/// An append that has its place in the order.
#[derive(Debug)]
pub(crate) enum Pending {
    Done(Taken),
    Waiting { submitted: crate::log::Submitted, log: Arc<dyn EventWriter>, stream: StreamId },
}

impl Pending {
    pub(crate) async fn wait(self) -> Result<Taken, NotTaken> {
        match self {
            Self::Done(taken) => Ok(taken),
            Self::Waiting { submitted, log, stream } => {
                let appended = submitted.await.map_err(|error| not_taken(error, &stream))?;
                if appended.duplicate {
                    same_stream(log.as_ref(), &appended, &stream)?;
                }
                let revision = appended.versions.last().copied();
                Ok(Taken { revision, position: Some(appended.last) })
            }
        }
    }
}

/// Fixes the append's place in the order of the log.
pub(crate) fn submit(
    session: &Session,
    stream: StreamId,
    expected: Expected,
    collected: Collected,
) -> Result<Pending, NotTaken> {
    let log = Arc::clone(&session.log);
    if collected.events.is_empty() {
        return nothing(log.as_ref(), &stream, expected).map(Pending::Done);
    }
    let events = new_events(session, &stream, collected.events)?;
    let append = Append { events, expected: vec![(stream.clone(), expected)] };
    let submitted = log.submit(append).map_err(|error| not_taken(error, &stream))?;
    Ok(Pending::Waiting { submitted, log, stream })
}

/// An append of no events only asks whether the expectation holds.
fn nothing(
    log: &dyn EventWriter,
    stream: &StreamId,
    expected: Expected,
) -> Result<Taken, NotTaken> {
    let actual = log.stream_head(stream).map_err(|error| unreadable(&error))?;
    if !crate::memory::meets(expected, actual) {
        return Err(NotTaken::WrongVersion { expected, actual });
    }
    Ok(Taken { revision: actual, position: None })
}

fn unreadable(error: &ReadError) -> NotTaken {
    NotTaken::Unavailable(error.to_string())
}

/// Ids are unique in an organization's log; a repeated append must be one to the same stream.
fn same_stream(
    log: &dyn EventWriter,
    appended: &Appended,
    stream: &StreamId,
) -> Result<(), NotTaken> {
    let before = Position(appended.first.0.saturating_sub(1));
    let page = log
        .read_all(before, Direction::Forward, &Filter::all(), 1)
        .map_err(|error| unreadable(&error))?;
    match page.events.first() {
        Some(event) if event.header.stream == *stream => Ok(()),
        _ => Err(NotTaken::Bad(
            "the event ids are in use in another stream; ids are unique in the log".to_owned(),
        )),
    }
}

fn not_taken(error: AppendError, stream: &StreamId) -> NotTaken {
    match error {
        AppendError::WrongExpected { stream: of, expected, actual } if of == *stream => {
            NotTaken::WrongVersion { expected, actual }
        }
        AppendError::PartialDuplicate { id } => NotTaken::Bad(format!(
            "event {id} is already in the log, but the append as a whole is not"
        )),
        AppendError::TooLarge { what, limit, .. }
            if what == "event payload" || what == "append" =>
        {
            NotTaken::TooLarge { limit }
        }
        AppendError::Unavailable { reason } => NotTaken::Unavailable(reason),
        AppendError::Unknown { reason } => NotTaken::Unknown(reason),
        other => NotTaken::Bad(other.to_string()),
    }
}

fn new_events(
    session: &Session,
    stream: &StreamId,
    proposed: Vec<Proposed>,
) -> Result<Vec<NewEvent>, NotTaken> {
    let command = Uuid::now_v7();
    let subject: String = session.caller.subject.chars().take(SUBJECT_BYTES_MAX / 4).collect();
    let actor = Actor::new(ActorType::Integration, subject);
    let time = now();
    let new = |event: Proposed| {
        if event.id.is_nil() {
            return Err(NotTaken::Bad("an event id is all zeros".to_owned()));
        }
        let id = EventId::new(event.id);
        Ok(NewEvent {
            id,
            stream: stream.clone(),
            event_type: super::event::EXTERNAL_TYPE.into(),
            time,
            command_id: CommandId::new(command),
            correlation_id: CorrelationId::new(command),
            causation_id: None,
            actor: actor.clone(),
            config_position: Position::START,
            traceparent: None,
            data_subject_id: None,
            payload: payload(event)?,
        })
    };
    proposed.into_iter().map(new).collect()
}

fn payload(mut event: Proposed) -> Result<Vec<u8>, NotTaken> {
    let mut property = |name| event.metadata.remove(name).filter(|it| !it.is_empty());
    let external_type = property("type").ok_or(NotTaken::MissingProperty("type"))?;
    let content_type = property("content-type").ok_or(NotTaken::MissingProperty("content-type"))?;
    let event = Event::from(ExternalEvent {
        external_type,
        content_type,
        data: Blob(event.data),
        metadata: Blob(event.custom_metadata),
    });
    let payload = event.encode();
    if payload.len() > EVENT_PAYLOAD_BYTES_MAX {
        return Err(NotTaken::TooLarge { limit: EVENT_PAYLOAD_BYTES_MAX });
    }
    Ok(payload)
}

fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_micros(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
}
