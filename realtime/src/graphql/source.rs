//! One subscription as a stream of changes, over a session of its own.

use std::sync::Arc;

use async_graphql::dynamic::FieldValue;
use async_graphql::{Error, ErrorExtensions as _};
use futures::stream::{self, BoxStream, StreamExt as _};
use ledgerline_access::Principal;
use serde_json::{Value as Json, json};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::frame::{ErrorCode, ResyncReason, RowObject, ServerFrame};
use crate::request::Subscribe;
use crate::session::Session;
use crate::state::{Clock, RealtimeState, Watches, Woken, count};

/// Name of the one subscription of a session.
const ID: &str = "graphql";

/// Who subscribes, and where.
#[derive(Clone, Debug)]
pub(super) struct Caller {
    pub(super) state: RealtimeState,
    pub(super) principal: Principal,
    /// How many more subscriptions the connection may have: one request can ask for several.
    pub(super) places: Arc<Semaphore>,
}

/// Subscribes.
///
/// # Errors
/// What is wrong with the request, or which right is missing; `extensions.code` is that of the other doors.
pub(super) fn changes<'a>(
    caller: Caller,
    wanted: Subscribe,
) -> Result<BoxStream<'a, Result<FieldValue<'a>, Error>>, Error> {
    let place = caller
        .places
        .try_acquire_owned()
        .map_err(|_| refusal(ErrorCode::TooLarge, "too many subscriptions on this connection"))?;
    let wanted = Subscribe { id: ID.to_owned(), ..wanted };
    let (mut session, watches) = caller
        .state
        .session(caller.principal)
        .map_err(|reason| refusal(ErrorCode::Forbidden, reason))?;
    let clock = Clock::start();
    session
        .try_subscribe(wanted.clone(), clock.now())
        .map_err(|(code, message)| refusal(code, &message))?;
    // After a resync there is nothing to resume.
    let wanted = Subscribe { resume: None, ..wanted };
    let source =
        Source { session, watches, clock, wanted, position: None, is_begun: false, _place: place };
    let changes = stream::unfold(source, Source::next);
    Ok(changes.map(|change| change.map(FieldValue::owned_any)).boxed())
}

fn refusal(code: ErrorCode, message: &str) -> Error {
    let code = serde_json::to_value(code).unwrap_or_default();
    Error::new(message).extend_with(|_, extensions| {
        extensions.set("code", code.as_str().unwrap_or_default());
    })
}

struct Source {
    session: Session,
    watches: Watches,
    clock: Clock,
    wanted: Subscribe,
    /// Where the change before ended.
    position: Option<u64>,
    /// Whether a beginning was announced whose first rows are still to come.
    is_begun: bool,
    _place: OwnedSemaphorePermit,
}

impl Source {
    async fn next(mut self) -> Option<(Result<RowObject, Error>, Self)> {
        loop {
            self.watches.mark_seen();
            if let Some(frame) = self.session.next_frame(self.clock.now()) {
                count(&frame);
                if let Some(change) = self.change(&frame.text) {
                    return Some((change, self));
                }
                continue;
            }
            if self.session.is_idle() {
                return None;
            }
            let wake = self.session.wake(self.clock.now().ms);
            match self.watches.wait(wake, self.clock).await {
                Woken::Due | Woken::Rights => {}
                Woken::Pressure => self.session.catch_up(),
                Woken::Policy => self.session.resync_all(ResyncReason::PolicyChanged),
                Woken::ShutDown => return None,
            }
        }
    }

    /// What a frame says, as the schema has it.
    fn change(&mut self, text: &str) -> Option<Result<RowObject, Error>> {
        let frame: ServerFrame = serde_json::from_str(text).ok()?;
        let change = match frame {
            ServerFrame::SnapshotBegin { position, .. } => {
                self.position = Some(position.0);
                self.is_begun = true;
                return None;
            }
            ServerFrame::Rows { rows, .. } => {
                let is_reset = std::mem::take(&mut self.is_begun);
                json!({"is_reset": is_reset, "is_whole": false, "from": null, "position": self.position,
                    "token": null, "upserts": rows, "deletes": []})
            }
            ServerFrame::SnapshotEnd { position, token, .. } => {
                let is_reset = std::mem::take(&mut self.is_begun);
                self.position = Some(position.0);
                json!({"is_reset": is_reset, "is_whole": true, "from": null, "position": position,
                    "token": token, "upserts": [], "deletes": []})
            }
            ServerFrame::Delta { from, to, upserts, deletes, token, .. } => {
                self.position = Some(to.0);
                json!({"is_reset": false, "is_whole": true, "from": from, "position": to,
                    "token": token, "upserts": upserts, "deletes": deletes})
            }
            ServerFrame::Events { from, to, events, .. } => {
                self.position = Some(to.0);
                json!({"from": from, "position": to, "events": events})
            }
            ServerFrame::Progress { position, token, .. } => {
                let from = self.position.replace(position.0);
                json!({"is_reset": false, "is_whole": true, "from": from, "position": position,
                    "token": token, "upserts": [], "deletes": [], "events": []})
            }
            ServerFrame::Resync { .. } => {
                self.session.subscribe(self.wanted.clone(), self.clock.now());
                return None;
            }
            ServerFrame::Error { code, message, .. } => return Some(Err(refusal(code, &message))),
            ServerFrame::Ready { .. }
            | ServerFrame::Unsubscribed { .. }
            | ServerFrame::Pong { .. } => return None,
        };
        match change {
            Json::Object(change) => Some(Ok(change)),
            _ => None,
        }
    }
}
