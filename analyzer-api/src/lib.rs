//! The analyzer: questions about an organization's interactions, past and present, answered from its
//! projections and its log.
//!
//! This crate is a **boundary**: it owns the SQL doors (HTTP, the PostgreSQL wire, Arrow Flight SQL), the GraphQL
//! search, reports, and the history of an interaction. It is not a store: tables come as a
//! [`ledgerline_projections::Snapshot`], events from
//! an [`ledgerline_event_store::EventReader`]; what it writes is only the record of its own use.
//!
//! **Invariants**
//!
//! * A question sees one organization, its principal's, and one snapshot: every table of an answer is at
//!   the same position, and the answer carries it.
//! * `SELECT` only. What is not named in the allow-list is refused, also what the planner would ignore.
//! * Catalogs are tables. No query text is recognized; clients are served by ordinary SQL.
//! * Every row leaves through one governor: deadline, rows, bytes, memory, cancellation.
//! * Under a user profile a question sees the rows and columns that are granted; its own expressions never meet
//!   others, so neither answers, errors, plans nor catalogs tell of them.
//! * Every question, refusal and history view is an event before its answer is complete.

pub mod analyzer;
mod audit;
mod backends;
pub mod custody;
mod describe;
mod engine;
mod error;
mod extent;
pub mod flight;
pub mod format;
pub mod functions;
mod govern;
mod graphql;
pub mod history;
pub mod http;
mod jobs;
mod limits;
pub mod past;
mod pg;
pub mod pgwire;
pub mod ports;
pub mod query;
mod reached;
pub mod record;
mod repeatable;
pub mod report;
mod retention;
mod rights;
mod session;
mod sql;
mod table;
mod texts;
mod views;

pub use analyzer::{AnalyzerState, Answer, Bounds, Door, Ports, Question};
pub use custody::{Custodian, CustodySource};
pub use engine::Engine;
pub use error::QueryError;
pub use graphql::sdl as search_sdl;
pub use http::router;
pub use limits::Limits;
