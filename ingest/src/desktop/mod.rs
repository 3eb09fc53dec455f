//! The agent's desktop: commands over REST, pushes over a WebSocket.
//!
//! A lost socket is not a log-out: session, offers and conversations stay, and the next connection begins
//! with the whole state. Several sockets of one agent all get every push.

mod broadcast;
mod frame;
pub mod hub;
mod notifications;
mod profile;
mod session;
mod task;

use std::sync::Arc;

use axum::Router;
use axum::routing::{get, post, put};

pub use hub::PushHub;
pub(crate) use session::DIAL_NUMBER_BYTES_MAX;

use crate::http::Doors;

/// The routes of the desktop.
pub fn routes() -> Router<Arc<Doors>> {
    Router::new()
        .route("/v1/agents/login", post(session::login))
        .route("/v1/agents/logout", post(session::logout))
        .route("/v1/agents/reload", post(session::reload))
        .route("/v1/agents/session/state", put(session::set_state))
        .route("/v1/agents/profile", get(profile::profile))
        // Over HTTP/2 a WebSocket begins with CONNECT.
        .route(
            "/v1/agents/notifications",
            get(notifications::notifications).connect(notifications::notifications),
        )
        .route("/v1/tasks/{id}/accept", post(task::accept))
        .route("/v1/tasks/{id}/reject", post(task::reject))
        .route("/v1/tasks/{id}/hold", post(task::hold))
        .route("/v1/tasks/{id}/unhold", post(task::unhold))
        .route("/v1/tasks/{id}/end", post(task::end))
        .route("/v1/tasks/{id}/transfer", post(task::transfer))
        .route("/v1/tasks/{id}/wrapup", post(task::wrapup))
        .route("/v1/tasks/{id}/messages", post(task::messages))
}
