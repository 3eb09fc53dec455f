//! Pure decisions: what a command means, what a fact changes, what follows from it.
//!
//! It is the routing core of one organization: configuration rules, flows, queues, longest-available
//! routing over call distribution groups, offers, conversations, wrap-up, agents' states. It is **not**
//! an engine: it does no I/O, reads no clock, draws no random number and keeps no thread. Time comes in
//! with each call, ids are derived from the command's id.
//!
//! * [`decide_mut`] turns a command into events and their effects and takes them into the state at once;
//!   [`decide`] is the same as a pure function on a copy.
//! * [`evolve`] takes a committed event into the state; [`confirm`] tells a state that `decide_mut`
//!   already changed where the log put the events.
//! * [`react`] gives the effects of a committed event again, for recovery.
//! * [`next_timeout`] says when `Command::Tick` has something to do.
//! * [`snapshot`] encodes, decodes and hashes the state canonically.
//!
//! **Invariants** (see [`invariant::check`])
//!
//! * A rejected command changes nothing.
//! * Evolving the events of every decision gives the state the decisions left, byte for byte.
//! * An interaction has at most one live offer; an agent is never given more than the profile allows.
//! * No leg waits while an agent who could take it is free.
//! * Everything is kept in ordered maps: the same log gives the same bytes everywhere.

mod committed;
mod decide;
mod decided;
pub mod effect;
mod evolve;
mod flow;
pub mod invariant;
mod react;
pub mod rejection;
pub mod snapshot;
mod state;
mod timer;

pub use committed::Committed;
pub use decide::{decide, decide_mut};
pub use decided::{Decided, Step, event_id};
pub use effect::{Effect, EffectId, PushName, ReleaseReason};
pub use evolve::{confirm, evolve};
pub use react::react;
pub use rejection::{Rejection, RejectionCode};
pub use state::State;
pub use state::agent::{Agent, Capacity, Work};
pub use state::config::{Config, EntityRecord, FlowVersion};
pub use state::interaction::{
    AgentMedia, Connection, CustomerMedia, Interaction, Leg, LegPhase, MediaPhase, Monitor, Offer,
    Playing, Run, RunWait, WrapUp,
};
pub use timer::next_timeout;
