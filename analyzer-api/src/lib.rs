//! Under construction in this change.

mod engine;
mod error;
pub mod functions;
mod govern;
mod limits;
mod pg;
pub mod ports;
mod session;
mod sql;
mod table;

pub use engine::Engine;
pub use error::QueryError;
pub use limits::Limits;
