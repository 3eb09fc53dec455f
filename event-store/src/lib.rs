//! The log: the product's one truth.
//!
//! This crate is an **API boundary**. [`EventWriter`] and [`EventReader`] are the contract;
//! [`EmbeddedLog`], a segmented log in a directory, is the default engine; [`memory::MemoryLog`] is the
//! model it is tested against. [`crypt`] keeps the keys of personal data. It is not a place for decisions:
//! what an event means is none of its business.
//!
//! **Invariants**
//!
//! * Positions of an organization are 1, 2, 3 …; versions of a stream are 0, 1, 2 …; neither has a hole.
//! * An append is in the log whole or not at all, and not twice.
//! * An append is acknowledged, and its events are shown, after they are on stable storage.
//! * After a failed sync nothing is written until the log is opened again.
//! * Damage is reported, never skipped; only an unfinished last write is cut off.
//! * Keys are never in the log, and plaintext of personal data is never in this crate's errors.
//!
//! ```
//! use ledgerline_event_store::{Append, EmbeddedLog, EventReader, EventWriter, Options};
//! use ledgerline_schemas::id::{CommandId, CorrelationId, EventId, OrgId};
//! use ledgerline_schemas::{Actor, NewEvent, Position, StreamId, Timestamp};
//!
//! let directory = tempfile::tempdir()?;
//! let log = EmbeddedLog::open(directory.path(), OrgId::from_u128(1), Options::default())?;
//! let event = NewEvent {
//!     id: EventId::from_u128(2),
//!     stream: StreamId::new("interaction-1"),
//!     event_type: "queue.left".into(),
//!     time: Timestamp::EPOCH,
//!     command_id: CommandId::from_u128(3),
//!     correlation_id: CorrelationId::from_u128(4),
//!     causation_id: None,
//!     actor: Actor::router(),
//!     config_position: Position::START,
//!     traceparent: None,
//!     data_subject_id: None,
//!     payload: Vec::new(),
//! };
//! let append = Append { events: vec![event], expected: Vec::new() };
//! let appended = log.submit(append)?.wait_blocking()?;
//! assert_eq!((appended.last, log.head()), (Position(1), Position(1)));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

pub mod archive;
pub mod backup;
pub mod capability;
pub mod crypt;
pub mod custody;
mod disk;
pub mod embedded;
pub mod engine;
mod fault;
mod files;
mod index;
pub mod kurrent;
pub mod log;
pub mod memory;
mod scan;
mod segment;
#[cfg(any(test, feature = "simulation"))]
pub mod simulation;
pub mod subscribe;
mod validate;
mod vault;

pub use embedded::{EmbeddedLog, OpenError, Options};
pub use files::{Kept, LogFiles, SegmentFile};
pub use log::{
    Append, AppendError, Appended, Direction, EventReader, EventWriter, Expected, Filter, Page,
    ReadError, Submitted,
};
pub use subscribe::{Delivery, Subscription};
pub use vault::ArchiveReader;
