//! Server-sent events: one subscription a request.
//!
//! `GET /v1/realtime/sse?dataset=…&filter={…}&columns=a,b&max_hz=…`. The event's name is the frame's
//! `type`, its data the frame, its id the resume token: a browser that reconnects resumes by itself with
//! `Last-Event-ID`. Where a WebSocket client would have to subscribe again after a `resync`, the fresh
//! snapshot follows in the same stream.

use std::convert::Infallible;
use std::time::Duration;

use axum::extract::{Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse as _, Response};
use futures::stream;
use ledgerline_schemas::Position;
use serde::Deserialize;
use serde_json::Value as Json;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;

use crate::frame::{ErrorCode, Outgoing, ResyncReason};
use crate::request::Subscribe;
use crate::session::Session;
use crate::state::{Clock, RealtimeState, Verified, Watches, Woken, count, refuse, refuse_token};

#[derive(Debug, Deserialize)]
pub(crate) struct Parameters {
    dataset: String,
    filter: Option<String>,
    columns: Option<String>,
    max_hz: Option<f64>,
    format: Option<String>,
    after: Option<u64>,
    access_token: Option<String>,
}

pub(crate) async fn stream(
    State(state): State<RealtimeState>,
    Query(parameters): Query<Parameters>,
    headers: HeaderMap,
) -> Response {
    let Ok(permit) = state.inner.connections.clone().try_acquire_owned() else {
        let message = "no more connections are taken now";
        return refuse(StatusCode::SERVICE_UNAVAILABLE, ErrorCode::TooLarge, message);
    };
    let unauthorized =
        |message: &str| refuse(StatusCode::UNAUTHORIZED, ErrorCode::Unauthorized, message);
    let Verified { principal, left } =
        match state.authenticate(&headers, parameters.access_token.as_deref()).await {
            Ok(Some(verified)) => verified,
            Ok(None) => return unauthorized("authorization header is missing"),
            Err(error) => return refuse_token(&error),
        };
    let (mut session, watches) = match state.session(principal) {
        Ok(opened) => opened,
        Err(reason) => return refuse(StatusCode::FORBIDDEN, ErrorCode::Forbidden, reason),
    };
    let mut wanted = match subscription(parameters) {
        Ok(wanted) => wanted,
        Err(message) => return refuse(StatusCode::BAD_REQUEST, ErrorCode::BadRequest, message),
    };
    let last_id = headers.get("last-event-id").and_then(|value| value.to_str().ok());
    let resumed = Subscribe {
        resume: last_id.map(str::to_owned),
        after: wanted.after.filter(|_| last_id.is_none()),
        ..wanted.clone()
    };
    let clock = Clock::start();
    if let Err((code, message)) = session.try_subscribe(resumed, clock.now()) {
        let status = match code {
            ErrorCode::Forbidden => StatusCode::FORBIDDEN,
            ErrorCode::UnknownDataset => StatusCode::NOT_FOUND,
            _ => StatusCode::BAD_REQUEST,
        };
        return refuse(status, code, &message);
    }
    // After a resync there is nothing to resume, and events begin again with the next one.
    wanted.resume = None;
    let expires = Instant::now() + left;
    let source = Source { session, watches, clock, wanted, expires, _permit: permit };
    Sse::new(stream::unfold(source, Source::next))
        .keep_alive(KeepAlive::new().interval(Duration::from_secs(15)))
        .into_response()
}

fn subscription(parameters: Parameters) -> Result<Subscribe, &'static str> {
    let filter = match parameters.filter.as_deref() {
        None | Some("") => Json::Null,
        Some(text) => serde_json::from_str(text).map_err(|_| "field 'filter' is not JSON")?,
    };
    if parameters.format.is_some_and(|format| format != "json") {
        return Err("field 'format': server-sent events are text, so it must be 'json'");
    }
    let columns = parameters.columns.filter(|text| !text.is_empty());
    Ok(Subscribe {
        id: "sse".to_owned(),
        dataset: parameters.dataset,
        filter,
        columns: columns.map(|text| text.split(',').map(str::to_owned).collect()),
        max_hz: parameters.max_hz,
        format: None,
        resume: None,
        after: parameters.after.map(Position),
    })
}

struct Source {
    session: Session,
    watches: Watches,
    clock: Clock,
    wanted: Subscribe,
    expires: Instant,
    _permit: OwnedSemaphorePermit,
}

impl Source {
    async fn next(mut self) -> Option<(Result<Event, Infallible>, Self)> {
        loop {
            self.watches.mark_seen();
            if let Some(frame) = self.session.next_frame(self.clock.now()) {
                count(&frame);
                if frame.kind == "resync" {
                    self.session.subscribe(self.wanted.clone(), self.clock.now());
                }
                return Some((Ok(event(frame)), self));
            }
            if self.session.is_idle() {
                return None;
            }
            let wake = self.session.wake(self.clock.now().ms);
            let woken = tokio::select! {
                woken = self.watches.wait(wake, self.clock) => woken,
                () = tokio::time::sleep_until(self.expires) => return None,
            };
            match woken {
                Woken::Due | Woken::Rights => {}
                Woken::Pressure => self.session.catch_up(),
                Woken::Policy => self.session.resync_all(ResyncReason::PolicyChanged),
                Woken::ShutDown => return None,
            }
        }
    }
}

fn event(frame: Outgoing) -> Event {
    let event = Event::default().event(frame.kind).data(frame.text);
    match frame.token {
        Some(token) => event.id(token),
        None => event,
    }
}
