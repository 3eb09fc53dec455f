//! Imports real history: call records of other systems become canonical events.
//!
//! A [`Mapping`] says how the rows of a file are read; [`call_records`] appends what they say, as facts by
//! the actor `importer:<mapping>`. It is an edge like the others, except that nothing is decided: the facts
//! are old. It never invents what the source does not record (offers, holds, wrap-up, log-ins).
//! [`queue_logs`] does the same for the queue log of Asterisk, which records more than a row of each call.
//!
//! **Invariants**
//!
//! * Idempotent: ids derive from organization, mapping, row key and index; importing a file again, or after
//!   a crash in the middle, adds only what is missing.
//! * `rows = interactions + skipped + rejected`: no row is dropped in silence.
//! * Names of agents and ids of customers become keyed codes before anything else; they appear in no event,
//!   log line or message.
//! * Figures (waits, conversations) are the recorded ones; clock times only place the events.

mod across;
mod batch;
mod clock;
mod codes;
mod configuration;
mod entities;
mod error;
mod events;
mod ids;
mod mapping;
mod pipeline;
mod queue_log;
mod quirk;
mod report;
mod row;
mod run;
mod spec;
mod table;

pub use error::ImportError;
pub use mapping::{Mapping, MappingError};
pub use queue_log::{
    FileReport, LineCounts, OpenInteractions, QueueLogMapping, QueueLogQuirk, QueueLogQuirkCounts,
    QueueLogReport, queue_logs,
};
pub use quirk::{Quirk, QuirkCounts};
pub use report::{ImportReport, Phase, Progress, RejectedRow};
pub use run::{Source, call_records};
