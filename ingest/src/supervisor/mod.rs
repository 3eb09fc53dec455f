//! The supervisor's hands: what a supervisor does with interactions that wait or that agents have in hand, how a
//! supervisor listens to calls, and what supervisors tell agents.
//!
//! States of agents are forced through the desktop's own requests ([`crate::desktop`]), which ask here how far a
//! supervisor reaches.

mod broadcast;
mod monitor;
pub mod reach;
mod task;

use std::sync::Arc;

use axum::Router;
use axum::routing::post;

use crate::http::Doors;

/// The routes of supervisors.
pub fn routes() -> Router<Arc<Doors>> {
    Router::new()
        .route("/v1/tasks/{id}/priority", post(task::priority))
        .route("/v1/tasks/{id}/assign", post(task::assign))
        .route("/v1/tasks/{id}/monitor", post(monitor::start).delete(monitor::end))
        .route("/v1/tasks/{id}/monitor/mode", post(monitor::mode))
        .route("/v1/broadcasts", post(broadcast::send))
}
