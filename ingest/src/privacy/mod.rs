//! Erasing a person: destroys the keys of everything that was sealed for it.
//!
//! The log is not changed. What it holds of the person stays where it is, as ciphertext that nobody opens
//! any more, so every hash and proof over it stays valid. That it happened, who asked for it and why is
//! itself on the log; the number or address by which the person was named is not.

mod erase;
mod person;
mod refusal;
mod routes;

use std::sync::Arc;

use axum::Router;
use axum::routing::post;

pub use erase::{Erased, ErasureError, ErasureReport, ErasureRequest, erase};
pub use person::{Person, PersonError, ReasonError, check_reason};

use crate::http::Doors;

/// The routes of data protection.
pub fn routes() -> Router<Arc<Doors>> {
    Router::new().route("/v1/privacy/erasures", post(routes::erasures))
}

#[cfg(test)]
mod tests;
