//! GraphQL subscriptions over the protocol `graphql-transport-ws`: the same sessions as the other doors.
//!
//! The token comes in the `Authorization` header, in `?access_token=`, or with `connection_init` as `authorization`
//! (`Bearer …`) or `token`. Close codes are those of the protocol: 4400 not a message of it, 4401 not authenticated or
//! token expired, 4403 forbidden, 4408 no `connection_init` in time, 4409 an id that is taken, 4429 a second
//! `connection_init`; and 1001 when the server ends, 1002 when a message cannot be read, 1013 when answers are not taken
//! in time.

mod ask;
mod schema;
mod source;

use std::sync::Arc;
use std::time::Duration;

use async_graphql::{Data, Request, Response as Answer, Value};
use axum::extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade};
use axum::extract::{Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use futures::stream::{self, BoxStream, StreamExt as _};
use ledgerline_access::bearer;
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::{Instant, sleep_until, timeout};
use tokio_stream::StreamMap;

use crate::frame::ErrorCode;
use crate::state::{RealtimeState, Verified, refuse, refuse_token};
use crate::ws::{CLOSE_FORBIDDEN, CLOSE_UNAUTHORIZED, READ_BYTES};
use source::Caller;

pub(crate) use ask::ask;
pub(crate) use schema::sdl;

/// Name of the protocol in `Sec-WebSocket-Protocol`.
const PROTOCOL: &str = "graphql-transport-ws";
const CLOSE_GOING_AWAY: u16 = 1001;
const CLOSE_PROTOCOL: u16 = 1002;
const CLOSE_SLOW: u16 = 1013;
const CLOSE_BAD_REQUEST: u16 = 4400;
const CLOSE_LATE: u16 = 4408;
const CLOSE_TAKEN: u16 = 4409;
const CLOSE_TOO_MANY: u16 = 4429;

#[derive(Debug, Deserialize)]
pub(crate) struct Parameters {
    access_token: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Incoming {
    ConnectionInit { payload: Option<Json> },
    Ping { payload: Option<Json> },
    Pong {},
    Subscribe { id: String, payload: Box<Request> },
    Complete { id: String },
}

#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Outgoing<'a> {
    ConnectionAck {},
    Pong {
        #[serde(skip_serializing_if = "Option::is_none")]
        payload: Option<Json>,
    },
    Next {
        id: &'a str,
        payload: &'a Answer,
    },
    Error {
        id: &'a str,
        payload: &'a [async_graphql::ServerError],
    },
    Complete {
        id: &'a str,
    },
}

pub(crate) async fn upgrade(
    State(state): State<RealtimeState>,
    Query(parameters): Query<Parameters>,
    headers: HeaderMap,
    socket: WebSocketUpgrade,
) -> Response {
    let Ok(permit) = state.inner.connections.clone().try_acquire_owned() else {
        let message = "no more connections are taken now";
        return refuse(StatusCode::SERVICE_UNAVAILABLE, ErrorCode::TooLarge, message);
    };
    let verified = match state.authenticate(&headers, parameters.access_token.as_deref()).await {
        Ok(verified) => verified,
        Err(error) => return refuse_token(&error),
    };
    let socket = socket.protocols([PROTOCOL]);
    if socket.selected_protocol().is_none() {
        let message = "header 'sec-websocket-protocol': must have graphql-transport-ws";
        return refuse(StatusCode::BAD_REQUEST, ErrorCode::BadRequest, message);
    }
    let bytes = state.inner.limits.request_bytes;
    let socket = socket.read_buffer_size(READ_BYTES).max_message_size(bytes).max_frame_size(bytes);
    socket.on_upgrade(move |mut socket| async move {
        let within = Duration::from_millis(state.inner.limits.close_ms);
        metrics::gauge!("ledgerline_realtime_connections").increment(1.0);
        let ending = serve(&mut socket, state, verified, permit).await;
        metrics::gauge!("ledgerline_realtime_connections").decrement(1.0);
        if let Some((code, reason)) = ending {
            let close = Message::Close(Some(CloseFrame { code, reason: reason.into() }));
            // Whoever does not take the close frame is left without one.
            let _ = timeout(within, socket.send(close)).await;
        }
    })
}

/// How a connection ends: close code and reason; `None` when the client went away.
type Ending = Option<(u16, &'static str)>;

struct Connection<'a> {
    socket: &'a mut WebSocket,
    state: RealtimeState,
    verified: Option<Verified>,
    /// What requests run with, once the connection is acknowledged.
    data: Option<Arc<Data>>,
    /// Answers by the client's name; `None` is the end of one.
    streams: StreamMap<String, BoxStream<'static, Option<Answer>>>,
    /// By when the client must have begun, or until when its token is good.
    until: Instant,
}

async fn serve(
    socket: &mut WebSocket,
    state: RealtimeState,
    verified: Option<Verified>,
    _permit: OwnedSemaphorePermit,
) -> Ending {
    let until = Instant::now() + Duration::from_millis(state.inner.limits.auth_ms);
    let mut ends = state.watch_shut_down();
    let streams = StreamMap::new();
    let mut connection = Connection { socket, state, verified, data: None, streams, until };
    loop {
        if *ends.borrow() {
            return Some((CLOSE_GOING_AWAY, "the server ends"));
        }
        let done = tokio::select! {
            message = connection.socket.recv() => match message {
                Some(Ok(Message::Text(text))) => connection.take(&text).await,
                Some(Ok(Message::Binary(_))) => Err(Some((CLOSE_BAD_REQUEST, "messages are text"))),
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => Ok(()),
                Some(Ok(Message::Close(_))) | None => Err(None),
                Some(Err(_)) => Err(Some((CLOSE_PROTOCOL, "a message cannot be read"))),
            },
            Some((id, answer)) = connection.streams.next() => connection.answer(&id, answer).await,
            () = sleep_until(connection.until) => Err(Some(match connection.data {
                Some(_) => (CLOSE_UNAUTHORIZED, "the token has expired"),
                None => (CLOSE_LATE, "no connection_init in time"),
            })),
            _ = ends.changed() => Ok(()),
        };
        if let Err(ending) = done {
            return ending;
        }
    }
}

impl Connection<'_> {
    async fn take(&mut self, text: &str) -> Result<(), Ending> {
        let Ok(message) = serde_json::from_str(text) else {
            return Err(Some((CLOSE_BAD_REQUEST, "not a message of graphql-transport-ws")));
        };
        match message {
            Incoming::ConnectionInit { payload } => self.init(payload).await,
            Incoming::Ping { payload } => self.send(&Outgoing::Pong { payload }).await,
            Incoming::Pong {} => Ok(()),
            Incoming::Subscribe { id, payload } => self.subscribe(id, *payload).await,
            Incoming::Complete { id } => {
                self.streams.remove(&id);
                Ok(())
            }
        }
    }

    async fn init(&mut self, payload: Option<Json>) -> Result<(), Ending> {
        if self.data.is_some() {
            return Err(Some((CLOSE_TOO_MANY, "a second connection_init")));
        }
        let refused = Some((CLOSE_UNAUTHORIZED, "the token is not accepted"));
        let Verified { principal, left } = match self.verified.take() {
            Some(verified) => verified,
            None => {
                let token = token_of(payload.as_ref()).ok_or(refused)?;
                self.state.verify(token).await.map_err(|_| refused)?
            }
        };
        // Whether it may subscribe to anything at all is said now, not by every subscription.
        self.state.session(principal.clone()).map_err(|reason| Some((CLOSE_FORBIDDEN, reason)))?;
        self.until = Instant::now() + left;
        let mut data = Data::default();
        let places = Arc::new(Semaphore::new(self.state.inner.limits.subscriptions));
        data.insert(Caller { state: self.state.clone(), principal, places });
        self.data = Some(Arc::new(data));
        self.send(&Outgoing::ConnectionAck {}).await
    }

    async fn subscribe(&mut self, id: String, request: Request) -> Result<(), Ending> {
        let Some(data) = self.data.clone() else {
            return Err(Some((CLOSE_UNAUTHORIZED, "the connection is not acknowledged")));
        };
        if self.streams.contains_key(&id) {
            return Err(Some((CLOSE_TAKEN, "the id is taken")));
        }
        let refused = if self.streams.len() >= self.state.inner.limits.subscriptions {
            Some("too many requests on this connection".to_owned())
        } else {
            schema::schema().err().map(ToString::to_string)
        };
        if let Some(message) = refused {
            let errors = [async_graphql::ServerError::new(message, None)];
            return self.send(&Outgoing::Error { id: &id, payload: &errors }).await;
        }
        if let Ok(schema) = schema::schema() {
            let answers = schema.execute_stream_with_session_data(request, data);
            let answers = answers.map(Some).chain(stream::once(async { None }));
            self.streams.insert(id, answers.boxed());
        }
        Ok(())
    }

    async fn answer(&mut self, id: &str, answer: Option<Answer>) -> Result<(), Ending> {
        match answer {
            Some(answer) if answer.is_err() && answer.data == Value::Null => {
                self.streams.remove(id);
                self.send(&Outgoing::Error { id, payload: &answer.errors }).await
            }
            Some(answer) => self.send(&Outgoing::Next { id, payload: &answer }).await,
            None => {
                self.streams.remove(id);
                self.send(&Outgoing::Complete { id }).await
            }
        }
    }

    /// Sends. Meanwhile no answer is made: changes of one row become one, and events wait on the log.
    async fn send(&mut self, message: &Outgoing<'_>) -> Result<(), Ending> {
        let text = serde_json::to_string(message).unwrap_or_default();
        let within = Duration::from_millis(self.state.inner.limits.slow_ms);
        match timeout(within, self.socket.send(Message::Text(text.into()))).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => Err(None),
            Err(_) => Err(Some((CLOSE_SLOW, "answers were not taken in time"))),
        }
    }
}

/// The token in what a client says when it begins.
fn token_of(payload: Option<&Json>) -> Option<&str> {
    let payload = payload?.as_object()?;
    let find = |wanted: &str| {
        let (_, value) = payload.iter().find(|(name, _)| name.eq_ignore_ascii_case(wanted))?;
        value.as_str()
    };
    find("token").or_else(|| bearer(find("authorization")).ok())
}

impl RealtimeState {
    fn watch_shut_down(&self) -> watch::Receiver<bool> {
        self.inner.shut_down.subscribe()
    }
}
