//! The vocabulary of Ledgerline: everything that crosses a process boundary or reaches a disk.
//!
//! This crate is an **API boundary**. It holds typed ids, time, the event envelope, every event, every
//! command, the configuration entities and the limits. It does no I/O, reads no clock and depends on no
//! other crate of the workspace.
//!
//! **Invariants**
//!
//! * Events state facts, never metrics; enumerations are closed and `lower_snake`.
//! * The payload of an event is decoded by the type in its header; there are no untagged, flattened or
//!   internally tagged shapes, so the MessagePack bytes on disk are readable by any MessagePack tool.
//! * Only `BTreeMap` is used for maps: the same value always has the same bytes.
//! * Personal data is [`Sensitive`]: sealed before it reaches a command, redacted in `Debug`.
//! * Evolution is additive. A changed meaning is a new type name with an upcaster (see [`upcast`]).
//!
//! ```
//! use ledgerline_schemas::event::{Event, queue::QueueLeft, queue::QueueLeaveReason};
//! use ledgerline_schemas::id::{InteractionId, LegId, QueueId};
//!
//! let event = Event::from(QueueLeft {
//!     interaction_id: InteractionId::from_u128(1),
//!     leg_id: LegId::from_u128(2),
//!     queue_id: QueueId::from_u128(3),
//!     reason: QueueLeaveReason::Abandoned,
//!     wait_ms: 1_500,
//! });
//! let bytes = event.encode();
//! assert_eq!(event.event_type(), "queue.left");
//! assert_eq!(Event::decode("queue.left", &bytes).unwrap(), event);
//! ```

pub mod command;
pub mod config;
pub mod document;
pub mod envelope;
pub mod event;
pub mod id;
pub mod limits;
pub mod publish;
pub mod sensitive;
pub mod time;
pub mod upcast;
pub mod webhook;

pub use envelope::{Actor, ActorType, Header, NewEvent, Position, Recorded, StreamId, Version};
pub use event::Event;
pub use sensitive::Sensitive;
pub use time::{DurationMs, Timestamp};
