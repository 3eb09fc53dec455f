//! The voice edge: SIP calls and their media, between the network and the core.
//!
//! It answers, plays, collects keys, dials and bridges as the core's effects say, and reports as
//! commands what happens on the wire. It decides nothing about routing and writes no events.
//!
//! **Invariants**
//!
//! * No call is answered before the engine has it durably.
//! * A message reaches the stack only through the gate: from an allowed source, and sound.
//! * Media is always anchored: a bridge is an entry in a table, never a re-INVITE.
//! * Commands derive their ids from the leg and the step, effects are recognized by their ids: both may
//!   be repeated.
//! * No number and no address of a person is logged.

mod agent;
pub mod config;
mod customer;
mod edge;
mod effects;
mod engine_port;
mod knock;
mod leg;
pub mod media;
pub mod outbox;
mod player;
pub mod port;
mod refusals;
pub mod registry;
mod server;
pub mod sip;

pub use config::VoiceConfig;
pub use port::{CommandPort, LiveLeg, PortError, VoiceDoor};
pub use server::{VoiceError, VoiceServer, serve};

/// A directive for the log filter of every process that runs this edge: the stack logs whole messages,
/// numbers and addresses included, so it must be silent.
pub const STACK_LOG_DIRECTIVE: &str = "rsipstack=off";
