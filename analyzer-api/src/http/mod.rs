//! The HTTP door: `/v1/sql`, `/v1/queries/…`, `POST /v1/search`, `/v1/reports/…`, `/v1/report-schedules/…`,
//! `/v1/interactions/{id}/…`, `/v1/audit/…` and `/v1/custody/…`.

mod audit;
mod bearer;
mod body;
mod custody;
mod etag;
mod history;
mod problem;
mod queries;
mod reports;
mod reveal;
mod schedules;
mod search;
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
        .route("/v1/sql", get(sql::answer_get).post(sql::answer))
        .route("/v1/search", post(search::answer))
        .route("/search", post(search::answer))
        .route("/v1/queries", get(queries::list))
        .route("/v1/queries/{id}", get(queries::show).delete(queries::remove))
        .route("/v1/queries/{id}/result", get(queries::result))
        .route("/v1/reports", get(reports::list))
        .route("/v1/reports/run", post(reports::answer))
        .route("/v1/reports/{name}", get(reports::show))
        .route("/v1/report-schedules", get(schedules::list))
        .route("/v1/report-schedules/{name}/deliver", post(schedules::deliver))
        .route("/v1/interactions/{id}/history", get(history::answer))
        .route("/v1/interactions/{id}/reveal", post(reveal::answer))
        .route("/v1/custody/key", get(custody::key))
        .route("/v1/custody/checkpoint", get(custody::newest).post(custody::sign))
        .route("/v1/custody/checkpoints", get(custody::all))
        .route("/v1/custody/consistency", post(custody::consistency))
        .route("/v1/custody/interactions/{id}/proofs", get(custody::proofs))
        .route("/v1/custody/interactions/{id}/evidence", get(custody::evidence))
        .route("/v1/audit/diff", get(audit::diff))
        .route("/v1/audit/state/{table}/{key}", get(audit::state))
        .route("/v1/audit/who-looked", get(audit::who_looked))
        .route("/v1/audit/decisions/{id}", get(audit::decision))
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .with_state(state)
}
