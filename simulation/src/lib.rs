//! Simulated customers and agents.
//!
//! They use only the public doors: customers place real SIP calls with RTP and chat over WebSocket, agents
//! work through the desktop REST API and its pushes and answer real phones. Nothing here reaches into the
//! server, so what works for the simulation works for anybody.
//!
//! What it is not: a load generator that measures speed (see `bench/`), nor a judge of the server's
//! inner state. It keeps a [`tally::Tally`] of what it saw from outside.

pub mod agent;
pub mod behavior;
pub mod caller;
pub mod chat;
pub mod phone;
pub mod random;
pub mod rtp;
pub mod run;
pub mod sdp;
pub mod tally;
pub mod user_agent;

pub use run::{Plan, Seat, Simulation, run};
pub use tally::{Tally, Totals};
