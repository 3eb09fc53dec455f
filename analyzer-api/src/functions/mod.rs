//! SQL functions: contact-center aggregates, and the scalar functions PostgreSQL clients expect.

pub(crate) mod per_row;
pub mod service_level;
pub(crate) mod session;
pub(crate) mod single_value;
