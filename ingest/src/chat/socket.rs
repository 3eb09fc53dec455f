//! The customer's WebSocket: `GET /v1/chats/{id}/socket?token=…`.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade, close_code};
use axum::extract::{Path, State};
use axum::response::Response;
use ledgerline_schemas::id::InteractionId;
use ledgerline_schemas::limits::MESSAGE_BYTES_MAX;
use serde::Deserialize;
use tokio::time::{Instant, interval_at};

use super::edge::Attached;
use super::frame::{FromCustomer, ToCustomer};
use super::token::ChatToken;
use crate::http::doors::{Doors, Organization};
use crate::http::params::{Params, path_id};
use crate::http::problem::Problem;

/// Between two pings.
const PING_EVERY: Duration = Duration::from_secs(20);
/// Longest frame, bytes: a message of the longest text with every character escaped, and its envelope.
const FRAME_BYTES_MAX: usize = 6 * MESSAGE_BYTES_MAX + 1024;
/// Bytes that are read at a time: kept for as long as the connection, and overwritten with zeros before every read.
const READ_BYTES: usize = 2 << 10;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Query {
    token: String,
}

pub(super) async fn socket(
    State(doors): State<Arc<Doors>>,
    Path(id): Path<String>,
    Params(query): Params<Query>,
    upgrade: WebSocketUpgrade,
) -> Result<Response, Problem> {
    let interaction_id: InteractionId = path_id("chat", &id)?;
    let organization = let_in(&doors, interaction_id, &query.token)?;
    let attached = organization.chats.attach(interaction_id).await?;
    // A message of one frame is checked against the frame's limit only.
    let upgrade = upgrade.read_buffer_size(READ_BYTES);
    let upgrade = upgrade.max_message_size(FRAME_BYTES_MAX).max_frame_size(FRAME_BYTES_MAX);
    Ok(upgrade.on_upgrade(move |mut socket| async move {
        metrics::gauge!("ledgerline_chat_sockets").increment(1.0);
        let code = match attached {
            Some(attached) => serve(&mut socket, attached).await,
            None => {
                let _ = send(&mut socket, &ToCustomer::Ended { reason: "done" }).await;
                close_code::NORMAL
            }
        };
        // A socket that is gone already needs no goodbye.
        let goodbye = CloseFrame { code, reason: "".into() };
        let _ = socket.send(Message::Close(Some(goodbye))).await;
        metrics::gauge!("ledgerline_chat_sockets").decrement(1.0);
    }))
}

fn let_in(
    doors: &Doors,
    interaction_id: InteractionId,
    token: &str,
) -> Result<Arc<Organization>, Problem> {
    let refused = || Problem::unauthorized("the chat token does not hold here").field("token");
    let token = ChatToken::parse(token).ok_or_else(refused)?;
    let organization = doors.organization(token.org_id).ok_or_else(refused)?;
    let holds = token.holds(&organization.keys).map_err(|error| Problem::internal(&error))?;
    if !holds || token.interaction_id != interaction_id {
        return Err(refused());
    }
    Ok(organization)
}

/// Serves a socket until it or the chat ends; the close code to say goodbye with.
async fn serve(socket: &mut WebSocket, mut attached: Attached) -> u16 {
    let mut ping = interval_at(Instant::now() + PING_EVERY, PING_EVERY);
    let mut ended = false;
    loop {
        tokio::select! {
            frame = attached.next() => match frame {
                Some(frame) => {
                    ended |= matches!(frame, ToCustomer::Ended { .. });
                    if send(socket, &frame).await.is_err() {
                        return close_code::NORMAL;
                    }
                }
                // Without goodbye the session dropped a socket that did not read: come again.
                None if ended => return close_code::NORMAL,
                None => return close_code::AGAIN,
            },
            frame = socket.recv() => match frame {
                Some(Ok(Message::Text(text))) => {
                    let Some(answer) = take(&attached, text.as_str()).await else { continue };
                    if send(socket, &answer).await.is_err() {
                        return close_code::NORMAL;
                    }
                }
                Some(Ok(Message::Binary(_))) => return close_code::UNSUPPORTED,
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                Some(Ok(Message::Close(_))) | None => return close_code::NORMAL,
                Some(Err(_)) => return close_code::SIZE,
            },
            _ = ping.tick() => {
                if socket.send(Message::Ping(Vec::new().into())).await.is_err() {
                    return close_code::NORMAL;
                }
            }
        }
    }
}

async fn take(attached: &Attached, text: &str) -> Option<ToCustomer> {
    match serde_json::from_str(text) {
        Ok(FromCustomer::Message { text, client_message_id }) => {
            attached.say(text, client_message_id).await
        }
        Ok(FromCustomer::Leave {}) => {
            attached.leave();
            None
        }
        Err(error) => Some(ToCustomer::error("invalid", error.to_string(), None)),
    }
}

async fn send(socket: &mut WebSocket, frame: &ToCustomer) -> Result<(), axum::Error> {
    let text = serde_json::to_string(frame).map_err(axum::Error::new)?;
    socket.send(Message::Text(text.into())).await
}
