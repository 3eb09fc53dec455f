//! Administration: configuration entities in, as commands; every change is an event with history.

mod apply;
mod document;
mod file;
mod reference;
mod rights;
mod routes;

use std::sync::Arc;

use axum::Router;
use axum::routing::{get, post};

pub use apply::{Applied, ApplyOptions, ApplyReport, Failed, apply};
pub use file::{ConfigFile, FileError};

use crate::http::Doors;

/// The routes of administration.
pub fn routes() -> Router<Arc<Doors>> {
    Router::new()
        .route("/v1/config/apply", post(routes::apply_file))
        .route("/v1/config/{kind}", get(routes::list))
        .route("/v1/config/{kind}/{key}", get(routes::show).put(routes::put).delete(routes::delete))
}
