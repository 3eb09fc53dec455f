//! Engines to outgrow one machine: other systems' logs under this one.
//!
//! ```text
//! callers ─▶ EmbeddedLog (the mirror) ─ ships, waits, then writes ─▶ Carrier ─▶ KurrentDB, Fluvio …
//!                 ▲                                                    │
//!                 └────────────── follows, through the rule ◀──────────┘
//! ```
//!
//! A [`Carrier`] keeps opaque entries in one order. Which of them count, and who may write, every reader decides
//! from the entries alone, by one deterministic rule. A [`Mirror`] is the embedded log in front of it.
//!
//! **Invariants**
//!
//! * Every reader of a carrier comes to the same appends at the same positions.
//! * An append is acknowledged when the engine has acknowledged it, the rule has accepted it, and it is durable
//!   here.
//! * After a claim, nothing of the writer before it counts: there are never two whose appends are acknowledged.
//! * Frames are carried unchanged: times, versions, positions and custody leaves are the same on every copy.
//! * A mirror takes no appends without its engine.

mod batch;
mod carrier;
mod carrying;
mod compare;
mod cursor;
mod entry;
mod error;
#[cfg(feature = "fluvio")]
pub mod fluvio;
mod follower;
#[cfg(feature = "kurrentdb")]
pub mod kurrentdb;
mod leader;
mod marker;
pub mod memory;
mod mirror;
mod reader;
mod replica;
mod rule;

pub(crate) use batch::Batch;
pub use carrier::{Carried, Carrier, CarrierError, Offset};
pub use compare::{Compared, compare, detach};
pub use error::EngineError;
pub(crate) use marker::{is_mirror_file, marker_in};
pub(crate) use mirror::MirrorThread;
pub use mirror::{Mirror, MirrorOptions, Role, Status, Takeover, promised};
