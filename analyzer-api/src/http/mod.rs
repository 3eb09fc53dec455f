//! The HTTP door: `POST /v1/sql` and `GET /v1/interactions/{id}/history`.

mod bearer;
mod body;
mod history;
mod problem;
mod sql;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::routing::{get, post};

use crate::analyzer::AnalyzerState;

pub use problem::Problem;

/// Largest request body, bytes.
pub const BODY_BYTES_MAX: usize = 1 << 20;
/// Header of every answer: the position of the log at which it is true.
pub const POSITION_HEADER: &str = "ledgerline-position";

/// The routes of the analyzer. Every one wants a bearer token.
pub fn router(state: AnalyzerState) -> Router {
    Router::new()
        .route("/v1/sql", post(sql::answer))
        .route("/v1/interactions/{id}/history", get(history::answer))
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .with_state(state)
}
