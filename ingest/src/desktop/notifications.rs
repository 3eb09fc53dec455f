//! The desktop's WebSocket: a state frame, what was missed, then every push.

use std::time::Duration;

use axum::extract::State;
use axum::extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade, close_code};
use axum::http::HeaderMap;
use axum::response::Response;
use ledgerline_routing_core::EffectId;
use ledgerline_schemas::Position;
use ledgerline_schemas::id::UserId;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use tokio::sync::broadcast::error::RecvError;
use tokio::time::{Instant, interval_at, sleep};

use super::broadcast::now;
use super::frame::{PushFrame, StateFrame};
use super::hub::Pushes;
use crate::http::caller::Caller;
use crate::http::doors::Doors;
use crate::http::params::Params;
use crate::http::problem::Problem;

/// Between two pings, so that a dead connection is found and proxies keep the living ones.
const PING_EVERY: Duration = Duration::from_secs(20);
/// Longest frame a desktop may send, bytes; it has nothing to say here.
const FRAME_BYTES_MAX: usize = 4 << 10;
/// Close code: the token ended; connect again with a new one.
const CLOSE_TOKEN_ENDED: u16 = 4001;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Query {
    /// `<position>` or `<position>.<index>`: replay what came after.
    #[serde(default)]
    after: Option<String>,
    /// The token, for browsers, which cannot set a header on a WebSocket (RFC 6750, section 2.3).
    #[serde(default)]
    access_token: Option<String>,
}

pub(super) async fn notifications(
    State(doors): State<Arc<Doors>>,
    caller: Option<Caller>,
    headers: HeaderMap,
    Params(query): Params<Query>,
    upgrade: WebSocketUpgrade,
) -> Result<Response, Problem> {
    let caller = match (caller, &query.access_token) {
        (Some(caller), _) => caller,
        (None, Some(token)) => Caller::from_token(&doors, token, &headers).await?,
        (None, None) => return Err(Problem::unauthorized("no access token given")),
    };
    let agent_id = caller.agent()?;
    let after = query.after.as_deref().map(parse_after).transpose()?;
    let lifetime = Duration::from_secs(caller.expires_s.saturating_sub(doors.verifier().now_s()));
    // As much is kept for as long as the connection, and zeros are written over it before every read.
    let upgrade = upgrade.read_buffer_size(FRAME_BYTES_MAX);
    let upgrade = upgrade.max_message_size(FRAME_BYTES_MAX).max_frame_size(FRAME_BYTES_MAX);
    Ok(upgrade.on_upgrade(move |socket| async move {
        metrics::gauge!("ledgerline_desktop_sockets").increment(1.0);
        let end = serve(socket, &caller, agent_id, after, lifetime).await;
        metrics::gauge!("ledgerline_desktop_sockets").decrement(1.0);
        tracing::debug!(%agent_id, ?end, "desktop socket closed");
    }))
}

fn parse_after(text: &str) -> Result<EffectId, Problem> {
    let parsed = match text.split_once('.') {
        Some((position, index)) => position.parse().ok().zip(index.parse().ok()),
        None => text.parse().ok().map(|position| (position, u32::MAX)),
    };
    let (position, index) = parsed.ok_or_else(|| {
        Problem::invalid("after", format!("{text:?} is no <position> or <position>.<index>"))
    })?;
    Ok(EffectId { position: Position(position), index })
}

/// Why a desktop socket ended.
#[derive(Debug)]
enum End {
    Gone,
    TokenEnded,
    TooSlow,
    Failed,
}

async fn serve(
    mut socket: WebSocket,
    caller: &Caller,
    agent_id: UserId,
    after: Option<EffectId>,
    lifetime: Duration,
) -> End {
    let organization = &caller.organization;
    // Connect first, read the state second: whatever happens in between is in both, never in neither.
    let Pushes { missed, complete, mut live } = organization.pushes.connect(agent_id, after);
    let state = match StateFrame::read("AgentReloginSuccess", organization, agent_id).await {
        Ok(frame) => frame.replaying(complete),
        Err(problem) => {
            return close(socket, close_code::AGAIN, problem.detail(), End::Failed).await;
        }
    };
    if send(&mut socket, &state).await.is_err() {
        return End::Gone;
    }
    let now = now();
    for push in missed.iter().filter(|push| !push.has_expired(now)) {
        if send(&mut socket, &PushFrame::open(organization, push)).await.is_err() {
            return End::Gone;
        }
    }
    drop(missed);
    let mut ping = interval_at(Instant::now() + PING_EVERY, PING_EVERY);
    let token_end = sleep(lifetime);
    tokio::pin!(token_end);
    loop {
        tokio::select! {
            push = live.recv() => match push {
                Ok(push) => {
                    if send(&mut socket, &PushFrame::open(organization, &push)).await.is_err() {
                        return End::Gone;
                    }
                }
                Err(RecvError::Lagged(_)) => {
                    return close(socket, close_code::AGAIN, "too slow: connect again with after", End::TooSlow).await;
                }
                Err(RecvError::Closed) => {
                    return close(socket, close_code::AWAY, "the server stops", End::Failed).await;
                }
            },
            // Frames from the desktop mean only that it is there; pongs are answered by the library.
            frame = socket.recv() => match frame {
                Some(Ok(Message::Close(_)) | Err(_)) | None => return End::Gone,
                Some(Ok(_)) => {}
            },
            _ = ping.tick() => {
                if socket.send(Message::Ping(Vec::new().into())).await.is_err() {
                    return End::Gone;
                }
            }
            () = &mut token_end => {
                return close(socket, CLOSE_TOKEN_ENDED, "the token ended", End::TokenEnded).await;
            }
        }
    }
}

async fn send<T: Serialize>(socket: &mut WebSocket, frame: &T) -> Result<(), axum::Error> {
    let text = serde_json::to_string(frame).map_err(axum::Error::new)?;
    socket.send(Message::Text(text.into())).await
}

async fn close(mut socket: WebSocket, code: u16, reason: &str, end: End) -> End {
    // A socket that is gone already needs no goodbye.
    let _ = socket.send(Message::Close(Some(CloseFrame { code, reason: reason.into() }))).await;
    end
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_point_in_the_pushes_is_a_position_with_or_without_index() {
        let id = |position, index| EffectId { position: Position(position), index };
        assert_eq!(parse_after("12").expect("position"), id(12, u32::MAX));
        assert_eq!(parse_after("12.3").expect("id"), id(12, 3));
        for bad in ["", ".", "x", "1.", ".1", "-1", "1.2.3", "1.-1"] {
            assert!(parse_after(bad).is_err(), "{bad}");
        }
    }
}
