//! Outbox consumers: the log's events carried to other systems.
//!
//! [`Outbox`] follows one organization's log from a saved position and hands events, in order, to a
//! [`Sink`]. It appends nothing and decides nothing.
//!
//! Invariants:
//! * at least once, never skipped: a position is saved only after the sink said that everything up to it
//!   is kept; after a crash in between, events are handed over again with the same ids;
//! * in order: an event the sink does not take holds up those behind it, whatever the reason;
//! * sealed personal data stays sealed.
//!
//! [`reports`] delivers reports that are due.

pub mod json_lines;
pub mod outbox;
pub mod position_file;
pub mod reports;
pub mod sink;

pub use json_lines::JsonLines;
pub use outbox::{Backoff, Outbox, OutboxError};
pub use position_file::{PositionError, PositionFile};
pub use sink::{Sink, SinkError};
