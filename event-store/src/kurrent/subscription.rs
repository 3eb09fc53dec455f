//! Catch-up subscriptions: history, then what comes, without gap or duplicate.

use std::sync::Arc;

use ledgerline_schemas::{Position, StreamId, Version};
use tokio::sync::watch;
use tonic::Status;
use uuid::Uuid;

use super::door::Session;
use super::event::{UuidForm, now};
use super::filter::Matcher;
use super::outlet::{Outlet, Stop};
use super::range::{Place, next};
use super::read::{PAGE_EVENTS, What, blocking, content, failed, passes, shown};
use super::refusal;
use super::wire::streams::ReadResp;
use super::wire::streams::read_resp::{
    CaughtUp, Checkpoint, Content, Position as WirePosition, SubscriptionConfirmation,
};
use crate::log::{Direction, Filter};

/// Why a subscription ends.
enum End {
    /// Nobody listens, or the last word is said already.
    Quiet,
    With(Status),
}

impl From<Stop> for End {
    fn from(_: Stop) -> Self {
        Self::Quiet
    }
}

impl From<Status> for End {
    fn from(status: Status) -> Self {
        Self::With(status)
    }
}

/// Runs until the client goes, the server stops, the credentials end, or the log cannot be read.
pub(crate) async fn run(session: Session, what: What, form: UuidForm, outlet: Outlet<ReadResp>) {
    let ended = match what {
        What::Stream(stream, place) => of_stream(&session, stream, place, form, &outlet).await,
        What::All(place, matcher) => of_all(&session, place, matcher, form, &outlet).await,
    };
    if let Err(End::With(status)) = ended {
        outlet.fail(status).await;
    }
}

async fn confirm(outlet: &Outlet<ReadResp>) -> Result<(), Stop> {
    let subscription_id = Uuid::new_v4().to_string();
    outlet.send(content(Content::Confirmation(SubscriptionConfirmation { subscription_id }))).await
}

/// Waits for the head to move.
async fn moved(head: &mut watch::Receiver<Position>, outlet: &Outlet<ReadResp>) -> Result<(), End> {
    tokio::select! {
        biased;
        stop = outlet.ended() => Err(stop.into()),
        changed = head.changed() => changed.map_err(|_| End::With(refusal::closing())),
    }
}

async fn of_all(
    session: &Session,
    place: Place,
    matcher: Option<Arc<Matcher>>,
    form: UuidForm,
    outlet: &Outlet<ReadResp>,
) -> Result<(), End> {
    let log = &session.log;
    let mut head = log.watch_head();
    let mut after = place.seen(*head.borrow());
    let mut checkpoints = Checkpoints::new(matcher.as_deref(), after);
    confirm(outlet).await?;
    let mut live = false;
    loop {
        let until = *head.borrow_and_update();
        while after < until {
            let matcher = matcher.clone();
            let (events, scanned_to) = blocking(log, move |log| {
                let filter = matcher.as_ref().map_or_else(Filter::all, |it| it.narrowed());
                let page = log
                    .read_all(after, Direction::Forward, &filter, PAGE_EVENTS)
                    .map_err(failed)?;
                let mut events = Vec::new();
                for event in page.events {
                    if passes(matcher.as_deref(), &event)? {
                        events.push((event.header.position, shown(event, form)));
                    }
                }
                Ok((events, page.scanned_to))
            })
            .await?;
            for (position, event) in events {
                let before = Position(position.0.saturating_sub(1));
                if let Some(checkpoint) = checkpoints.due(before) {
                    outlet.send(checkpoint).await?;
                }
                outlet.send(event).await?;
            }
            if let Some(checkpoint) = checkpoints.due(scanned_to) {
                outlet.send(checkpoint).await?;
            }
            after = scanned_to;
        }
        if !live {
            live = true;
            if let Some(checkpoint) = checkpoints.now(after) {
                outlet.send(checkpoint).await?;
            }
            let position = (after > Position::START)
                .then_some(WirePosition { commit_position: after.0, prepare_position: after.0 });
            let caught_up = CaughtUp { timestamp: Some(now()), stream_revision: None, position };
            outlet.send(content(Content::CaughtUp(caught_up))).await?;
        }
        moved(&mut head, outlet).await?;
    }
}

/// When a filtered subscription tells how far it has looked.
struct Checkpoints {
    every: Option<u64>,
    last: Position,
}

impl Checkpoints {
    fn new(matcher: Option<&Matcher>, after: Position) -> Self {
        Self { every: matcher.map(|it| it.checkpoint_every), last: after }
    }

    /// A checkpoint if enough events were looked at. Positions have no holes, so their distance is the
    /// number of events.
    fn due(&mut self, looked_to: Position) -> Option<ReadResp> {
        let every = self.every?;
        (looked_to.0.saturating_sub(self.last.0) >= every).then(|| self.make(looked_to))
    }

    /// A checkpoint now, if it would say something new.
    fn now(&mut self, looked_to: Position) -> Option<ReadResp> {
        (self.every.is_some() && looked_to > self.last).then(|| self.make(looked_to))
    }

    fn make(&mut self, looked_to: Position) -> ReadResp {
        self.last = looked_to;
        content(Content::Checkpoint(Checkpoint {
            commit_position: looked_to.0,
            prepare_position: looked_to.0,
            timestamp: Some(now()),
        }))
    }
}

async fn of_stream(
    session: &Session,
    stream: StreamId,
    place: Place,
    form: UuidForm,
    outlet: &Outlet<ReadResp>,
) -> Result<(), End> {
    let log = &session.log;
    // The watch first: what is appended between it and the look at the stream wakes us.
    let mut head = log.watch_head();
    let mut from = match place {
        Place::Start => 0,
        Place::At(revision) => revision.saturating_add(1),
        Place::End => {
            let stream = stream.clone();
            let head = blocking(log, move |log| log.stream_head(&stream).map_err(failed)).await?;
            next(head)
        }
    };
    confirm(outlet).await?;
    let mut live = false;
    loop {
        head.borrow_and_update();
        loop {
            let name = stream.clone();
            let events = blocking(log, move |log| {
                let events = log
                    .read_stream(&name, Version(from), Direction::Forward, PAGE_EVENTS)
                    .map_err(failed)?;
                Ok(events
                    .into_iter()
                    .map(|event| (event.header.version, shown(event, form)))
                    .collect::<Vec<_>>())
            })
            .await?;
            let full = events.len() == PAGE_EVENTS;
            for (version, event) in events {
                outlet.send(event).await?;
                from = version.0.saturating_add(1);
            }
            if !full {
                break;
            }
        }
        if !live {
            live = true;
            let stream_revision = from.checked_sub(1).and_then(|it| i64::try_from(it).ok());
            let caught_up = CaughtUp { timestamp: Some(now()), stream_revision, position: None };
            outlet.send(content(Content::CaughtUp(caught_up))).await?;
        }
        moved(&mut head, outlet).await?;
    }
}
