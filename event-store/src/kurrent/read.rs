//! Reads that end: a stream or everything, forward or backward, filtered.

use std::sync::Arc;

use ledgerline_schemas::{Position, Recorded, StreamId, Version};
use tonic::Status;

use super::door::Session;
use super::event::{Shown, UuidForm, stream_identifier};
use super::filter::Matcher;
use super::outlet::Outlet;
use super::range::Place;
use super::refusal;
use super::wire::shared::AllStreamPosition;
use super::wire::streams::ReadResp;
use super::wire::streams::read_resp::{Content, StreamNotFound};
use crate::log::{Direction, EventReader, EventWriter, Filter, ReadError};

/// Events fetched at a time. With the largest events this is 128 MiB, passing.
pub(crate) const PAGE_EVENTS: usize = 128;

/// What is read.
#[derive(Clone, Debug)]
pub(crate) enum What {
    Stream(StreamId, Place),
    All(Place, Option<Arc<Matcher>>),
}

/// How it is read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct How {
    pub(crate) direction: Direction,
    pub(crate) count: u64,
    pub(crate) form: UuidForm,
    /// The client wants to hear of the first and last position too.
    pub(crate) positions: bool,
}

pub(crate) const fn content(content: Content) -> ReadResp {
    ReadResp { content: Some(content) }
}

/// Reads on a thread that may block: pages come from files.
pub(crate) async fn blocking<T: Send + 'static>(
    log: &Arc<dyn EventWriter>,
    read: impl FnOnce(&dyn EventReader) -> Result<T, Status> + Send + 'static,
) -> Result<T, Status> {
    let log = Arc::clone(log);
    tokio::task::spawn_blocking(move || read(log.as_ref()))
        .await
        .map_err(|_| Status::internal("reading the log failed"))?
}

pub(crate) fn failed(error: ReadError) -> Status {
    refusal::reading(&error)
}

/// Runs a read to its end.
pub(crate) async fn run(session: Session, what: What, how: How, outlet: Outlet<ReadResp>) {
    let outcome = match what {
        What::Stream(stream, place) => read_stream(&session, stream, place, how, &outlet).await,
        What::All(place, matcher) => read_all(&session, place, matcher, how, &outlet).await,
    };
    match outcome {
        Ok(true) => outlet.finish(),
        Ok(false) => {}
        Err(status) => outlet.fail(status).await,
    }
}

/// A stream, page by page; false: the client is gone or the server stops.
async fn read_stream(
    session: &Session,
    stream: StreamId,
    place: Place,
    how: How,
    outlet: &Outlet<ReadResp>,
) -> Result<bool, Status> {
    let log = &session.log;
    let name = stream.clone();
    let head = blocking(log, move |log| log.stream_head(&name).map_err(failed)).await?;
    let Some(head) = head else {
        let stream_identifier = Some(stream_identifier(stream.as_str()));
        let not_found = Content::StreamNotFound(StreamNotFound { stream_identifier });
        return Ok(outlet.send(content(not_found)).await.is_ok());
    };
    let mut next = match (how.direction, place) {
        (_, Place::At(revision)) => Some(revision),
        (_, Place::Start) => Some(0),
        (Direction::Backward, Place::End) => Some(head.0),
        (Direction::Forward, Place::End) => None,
    };
    if how.positions && outlet.send(content(Content::FirstStreamPosition(0))).await.is_err() {
        return Ok(false);
    }
    let mut left = how.count;
    while let (Some(from), true) = (next, left > 0) {
        let max = usize::try_from(left).unwrap_or(usize::MAX).min(PAGE_EVENTS);
        let (name, form, direction) = (stream.clone(), how.form, how.direction);
        let (events, last) = blocking(log, move |log| {
            let events = log.read_stream(&name, Version(from), direction, max).map_err(failed)?;
            let last = events.last().map(|event| event.header.version.0);
            Ok((events.into_iter().map(|it| shown(it, form)).collect::<Vec<_>>(), last))
        })
        .await?;
        left -= events.len() as u64;
        let full = events.len() == max;
        for event in events {
            if outlet.send(event).await.is_err() {
                return Ok(false);
            }
        }
        next = match (how.direction, last.filter(|_| full)) {
            (Direction::Forward, Some(last)) => last.checked_add(1),
            (Direction::Backward, Some(last)) => last.checked_sub(1),
            (_, None) => None,
        };
    }
    let last = content(Content::LastStreamPosition(head.0));
    Ok(!how.positions || outlet.send(last).await.is_ok())
}

pub(crate) fn shown(recorded: Recorded, form: UuidForm) -> ReadResp {
    content(Content::Event(Shown::of(recorded).into_read_event(form)))
}

async fn read_all(
    session: &Session,
    place: Place,
    matcher: Option<Arc<Matcher>>,
    how: How,
    outlet: &Outlet<ReadResp>,
) -> Result<bool, Status> {
    let log = &session.log;
    // Bounded by the head at the beginning: a read ends though others go on appending.
    let head = log.head();
    let mut at = match how.direction {
        Direction::Forward => place.after(head),
        Direction::Backward => place.before(head),
    };
    let mut left = how.count;
    let more = |at: Position| match how.direction {
        Direction::Forward => at < head,
        Direction::Backward => at > Position::START,
    };
    while left > 0 && more(at) {
        let (matcher, form, direction) = (matcher.clone(), how.form, how.direction);
        // A page holds what the log could not leave out; it may pass nothing.
        let max = match &matcher {
            Some(_) => PAGE_EVENTS,
            None => usize::try_from(left).unwrap_or(usize::MAX).min(PAGE_EVENTS),
        };
        let (events, scanned_to) = blocking(log, move |log| {
            let filter = matcher.as_ref().map_or_else(Filter::all, |it| it.narrowed());
            let page = log.read_all(at, direction, &filter, max).map_err(failed)?;
            let mut events = Vec::new();
            for event in page.events {
                let in_time = direction == Direction::Backward || event.header.position <= head;
                if in_time && passes(matcher.as_deref(), &event)? {
                    events.push(shown(event, form));
                }
            }
            Ok((events, page.scanned_to))
        })
        .await?;
        for event in events {
            if left == 0 {
                break;
            }
            if outlet.send(event).await.is_err() {
                return Ok(false);
            }
            left -= 1;
        }
        at = scanned_to;
    }
    let last = AllStreamPosition { commit_position: head.0, prepare_position: head.0 };
    let last = content(Content::LastAllStreamPosition(last));
    Ok(!how.positions || outlet.send(last).await.is_ok())
}

pub(crate) fn passes(matcher: Option<&Matcher>, event: &Recorded) -> Result<bool, Status> {
    matcher.map_or(Ok(true), |it| it.passes(event))
}
