//! Web chat: a customer on a WebSocket, through the same flow and queues as a call.
//!
//! Losing the socket does not lose the interaction: within the grace period the customer comes back, reads
//! the history from the log and goes on. After it the customer has left.

mod carry_out;
mod edge;
mod frame;
mod said;
mod session;
mod socket;
mod start;
pub mod text;
pub mod token;
pub mod transcript;

use std::sync::Arc;

use axum::Router;
use axum::routing::{get, post};

pub use edge::{Attached, ChatEdge, ChatSettings};
pub use frame::{FromCustomer, ToCustomer};
pub use transcript::{ChatStage, Line, Transcript};

use crate::http::Doors;

/// The routes of web chat.
pub fn routes() -> Router<Arc<Doors>> {
    Router::new()
        .route("/v1/chats", post(start::start))
        // Over HTTP/2 a WebSocket begins with CONNECT.
        .route("/v1/chats/{id}/socket", get(socket::socket).connect(socket::socket))
}
