//! What the HTTP edges share: connections, the port to the engine, who asks, bodies, problems, measuring.
//!
//! The edges themselves are [`crate::desktop`], [`crate::supervisor`], [`crate::chat`], [`crate::admin`] and
//! [`crate::privacy`]; [`router`] puts them together. Nothing here decides about interactions: an edge makes a command and the core decides.

pub mod body;
pub mod caller;
pub mod doors;
mod engine;
pub mod listener;
mod observe;
pub mod params;
pub mod port;
pub mod problem;
pub mod profiles;

use std::sync::Arc;

use axum::Router;

pub use caller::Caller;
pub use doors::{Doors, Organization};
pub use listener::HttpListener;
pub use problem::Problem;

/// All HTTP doors of the ingest side: desktop, supervisors, chat, administration and data protection.
pub fn router(doors: Arc<Doors>) -> Router {
    Router::new()
        .merge(crate::desktop::routes())
        .merge(crate::supervisor::routes())
        .merge(crate::chat::routes())
        .merge(crate::admin::routes())
        .merge(crate::privacy::routes())
        .layer(axum::middleware::from_fn(observe::observe))
        .with_state(doors)
}
