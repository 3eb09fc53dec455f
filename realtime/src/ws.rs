//! The WebSocket transport.
//!
//! A token comes in the `Authorization` header, in `?access_token=` (it ends up in access logs; for
//! clients that can do neither of the others) or in the first frame, `{"type":"auth","token":"…"}`. A bad
//! token in the request is answered with HTTP 401, in the first frame with close code 4401. Close codes:
//! 4401 not authenticated or token expired, 4403 forbidden, 4408 too slow, 1001 server ends, 1009 frame too
//! large, 1002 frame unreadable.

use std::time::Duration;

use axum::extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade};
use axum::extract::{Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use futures::stream::SplitSink;
use futures::{SinkExt as _, StreamExt as _};
use serde::Deserialize;
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot};
use tokio::time::{Instant, timeout};

use crate::frame::{ErrorCode, Frame, Outgoing, ResyncReason};
use crate::request::Request;
use crate::session::{Session, Wake};
use crate::state::{Clock, RealtimeState, Verified, Watches, Woken, count, refuse, refuse_token};

/// Close code: not authenticated.
pub const CLOSE_UNAUTHORIZED: u16 = 4401;
/// Close code: forbidden.
pub const CLOSE_FORBIDDEN: u16 = 4403;
/// Close code: the client did not take its frames.
pub const CLOSE_SLOW: u16 = 4408;
const CLOSE_GOING_AWAY: u16 = 1001;
const CLOSE_PROTOCOL: u16 = 1002;
const CLOSE_TOO_LARGE: u16 = 1009;
/// Bytes that are read at a time. The library writes zeros over all of them before every read and keeps them for as
/// long as the connection: its own 128 KiB are most of what a subscriber costs.
pub(crate) const READ_BYTES: usize = 4 * 1_024;

#[derive(Debug, Deserialize)]
pub(crate) struct Parameters {
    access_token: Option<String>,
}

/// How a connection ends: last frames, then a close frame.
#[derive(Debug)]
struct Ending {
    frames: Vec<Message>,
    code: u16,
    reason: &'static str,
}

impl Ending {
    const fn new(code: u16, reason: &'static str) -> Self {
        Self { frames: Vec::new(), code, reason }
    }

    fn close_message(&self) -> Message {
        Message::Close(Some(CloseFrame { code: self.code, reason: self.reason.into() }))
    }
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
    // Up to the hard limit a frame is read and refused with an explanation; beyond it, unread.
    let hard = state.inner.limits.request_bytes.saturating_mul(4);
    socket
        .read_buffer_size(READ_BYTES)
        .max_message_size(hard)
        .max_frame_size(hard)
        .on_upgrade(move |socket| serve(socket, state, verified, permit))
}

async fn serve(
    mut socket: WebSocket,
    state: RealtimeState,
    verified: Option<Verified>,
    _permit: OwnedSemaphorePermit,
) {
    let close_within = Duration::from_millis(state.inner.limits.close_ms);
    let opened = match verified {
        Some(verified) => Ok(verified),
        None => first_frame(&mut socket, &state).await,
    };
    let opened = opened.and_then(|Verified { principal, left }| {
        let opened = state.session(principal);
        opened.map(|it| (it, left)).map_err(|reason| Ending::new(CLOSE_FORBIDDEN, reason))
    });
    let ((session, watches), left) = match opened {
        Ok(opened) => opened,
        Err(ending) => {
            // A client that does not take the close frame is left without one.
            let _ = timeout(close_within, socket.send(ending.close_message())).await;
            return;
        }
    };
    metrics::gauge!("ledgerline_realtime_connections").increment(1.0);
    let (sink, incoming) = socket.split();
    let (frames, queue) = mpsc::channel(state.inner.limits.queued_frames.max(1));
    let (finish, finished) = oneshot::channel();
    let writer = tokio::spawn(write(sink, queue, finished, close_within));
    let connection = Connection {
        session,
        watches,
        frames,
        clock: Clock::start(),
        expires: Instant::now() + left,
        blocked: None,
    };
    if let Some(ending) = connection.run(incoming, &state).await {
        // The writer is gone when the socket is; then there is nobody to tell.
        let _ = finish.send(ending);
    } else {
        drop(finish);
    }
    if let Err(error) = writer.await {
        tracing::error!(%error, "the writer of a connection failed");
    }
    metrics::gauge!("ledgerline_realtime_connections").decrement(1.0);
}

/// Waits for the `auth` frame.
async fn first_frame(socket: &mut WebSocket, state: &RealtimeState) -> Result<Verified, Ending> {
    let unauthorized = |reason| Ending::new(CLOSE_UNAUTHORIZED, reason);
    let within = Duration::from_millis(state.inner.limits.auth_ms);
    let message = timeout(within, socket.recv())
        .await
        .map_err(|_| unauthorized("no token was shown in time"))?;
    let Some(Ok(Message::Text(text))) = message else {
        return Err(unauthorized("the first frame must be of type 'auth'"));
    };
    match Request::parse(&text) {
        Ok(Request::Auth { token }) => {
            state.verify(&token).await.map_err(|_| unauthorized("the token is not accepted"))
        }
        _ => Err(unauthorized("the first frame must be of type 'auth'")),
    }
}

/// What a connection was woken by.
enum Step {
    Woken(Woken),
    Slow,
    Expired,
    Message(Option<Result<Message, axum::Error>>),
}

struct Connection {
    session: Session,
    watches: Watches,
    frames: mpsc::Sender<Message>,
    clock: Clock,
    expires: Instant,
    /// Since when the client takes no frames.
    blocked: Option<Instant>,
}

impl Connection {
    /// Runs until the connection ends; `None` when the client went away.
    async fn run(
        mut self,
        mut incoming: futures::stream::SplitStream<WebSocket>,
        state: &RealtimeState,
    ) -> Option<Ending> {
        let limits = &state.inner.limits;
        loop {
            self.watches.mark_seen();
            if !self.fill() {
                return None;
            }
            let wake = match self.blocked {
                // No frame can go out; pressure, policy and the end of the server still count.
                Some(_) => Wake::default(),
                None => self.session.wake(self.clock.now().ms),
            };
            let slow = self.blocked.filter(|_| self.session.has_live());
            let slow_at = slow.map(|since| since + Duration::from_millis(limits.slow_ms));
            let step = tokio::select! {
                woken = self.watches.wait(wake, self.clock) => Step::Woken(woken),
                _ = self.frames.reserve(), if self.blocked.is_some() => Step::Woken(Woken::Due),
                () = sleep_until(slow_at), if slow_at.is_some() => Step::Slow,
                () = tokio::time::sleep_until(self.expires) => Step::Expired,
                message = incoming.next(), if self.session.wants_requests() => {
                    Step::Message(message)
                }
            };
            let woken = match step {
                Step::Woken(woken) => woken,
                Step::Slow => return Some(self.too_slow()),
                Step::Expired => {
                    return Some(Ending::new(CLOSE_UNAUTHORIZED, "the token has expired"));
                }
                Step::Message(message) => match message? {
                    Ok(message) => match self.take(message, limits.request_bytes)? {
                        Some(ending) => return Some(ending),
                        None => Woken::Due,
                    },
                    Err(_) => return Some(Ending::new(CLOSE_PROTOCOL, "a frame cannot be read")),
                },
            };
            match woken {
                Woken::Due | Woken::Rights => {}
                Woken::Pressure => self.session.catch_up(),
                Woken::Policy => self.session.resync_all(ResyncReason::PolicyChanged),
                Woken::ShutDown => {
                    return Some(Ending::new(CLOSE_GOING_AWAY, "the server ends"));
                }
            }
        }
    }

    /// Hands over frames while there are some and there is room; false when the client is gone.
    fn fill(&mut self) -> bool {
        loop {
            match self.frames.try_reserve() {
                Ok(room) => {
                    self.blocked = None;
                    let Some(frame) = self.session.next_frame(self.clock.now()) else {
                        return true;
                    };
                    count(&frame);
                    room.send(encoded(frame));
                }
                Err(TrySendError::Full(())) => {
                    self.blocked.get_or_insert_with(Instant::now);
                    return true;
                }
                Err(TrySendError::Closed(())) => return false,
            }
        }
    }

    /// Takes a message of the client. `None` when it went away, `Some(Some(_))` when it must.
    #[allow(clippy::option_option, reason = "gone, to be ended, or neither")]
    fn take(&mut self, message: Message, limit: usize) -> Option<Option<Ending>> {
        match message {
            Message::Text(text) if text.len() > limit => {
                let message = format!("a frame has at most {limit} bytes");
                let code = ErrorCode::TooLarge;
                let frame = Frame::Error { id: None, code, message: message.into() }.encode();
                let ending = Ending::new(CLOSE_TOO_LARGE, "a frame is too large");
                Some(Some(Ending { frames: vec![encoded(frame)], ..ending }))
            }
            Message::Text(text) => {
                self.session.handle(&text, self.clock.now());
                Some(None)
            }
            Message::Binary(_) => {
                Some(Some(Ending::new(CLOSE_PROTOCOL, "frames are text, not binary")))
            }
            Message::Ping(_) | Message::Pong(_) => Some(None),
            Message::Close(_) => None,
        }
    }

    fn too_slow(&mut self) -> Ending {
        metrics::counter!("ledgerline_realtime_slow_total").increment(1);
        self.session.resync_all(ResyncReason::Slow);
        let mut frames = Vec::new();
        while let Some(frame) = self.session.next_frame(self.clock.now()) {
            count(&frame);
            frames.push(encoded(frame));
        }
        Ending { frames, ..Ending::new(CLOSE_SLOW, "frames were not taken in time") }
    }
}

fn encoded(frame: Outgoing) -> Message {
    match frame.arrow {
        Some(arrow) => Message::Binary(arrow.into()),
        None => Message::Text(frame.text.into()),
    }
}

async fn sleep_until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}

/// Writes frames until told how to end. A client that stalls holds up this task alone.
async fn write(
    mut sink: SplitSink<WebSocket, Message>,
    mut queue: mpsc::Receiver<Message>,
    mut finish: oneshot::Receiver<Ending>,
    close_within: Duration,
) {
    let ending = loop {
        let frame = tokio::select! {
            biased;
            ending = &mut finish => break ending.ok(),
            frame = queue.recv() => match frame {
                Some(frame) => frame,
                None => break (&mut finish).await.ok(),
            },
        };
        tokio::select! {
            biased;
            ending = &mut finish => break ending.ok(),
            sent = sink.send(frame) => if sent.is_err() {
                return;
            },
        }
    };
    let Some(ending) = ending else { return };
    let close = ending.close_message();
    let last = async {
        for frame in ending.frames {
            sink.send(frame).await?;
        }
        sink.send(close).await?;
        sink.close().await
    };
    // Whoever does not take the last frames learns the same from the connection's end.
    let _ = timeout(close_within, last).await;
}
