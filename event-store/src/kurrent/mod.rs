//! The log served over the KurrentDB gRPC protocol, for clients that exist in many languages.
//!
//! It is a door, not an engine: everything goes through [`EventReader`] and [`EventWriter`], so it works
//! over every log. It is not a KurrentDB: there are no projections, no links, no stream metadata, and
//! nothing is ever deleted.
//!
//! **Invariants**
//!
//! * Streams of this product are read-only here. Others append to `external-*` only, and what they append
//!   is given back byte for byte, but for texts in JSON that the house keeps out ([`House::clean`]).
//! * Nothing is read before the house has noted who reads what ([`House::reads`]).
//! * Who asks decides the organization; nothing of another is visible. Reading, appending and everything
//!   about persistent subscriptions needs credentials; only the lists of features and members do not.
//! * Personal data is shown sealed, as it is stored.
//! * Positions are the log's own: commit position = prepare position = position.
//! * A subscription ends with a status other than OK, always: clients take OK for an idle stream.
//!
//! [`EventReader`]: crate::EventReader
//! [`EventWriter`]: crate::EventWriter

mod append;
mod authorizer;
mod batch;
mod cleaning;
mod connection;
mod door;
mod event;
mod features;
mod filter;
mod gossip;
mod house;
mod outlet;
mod persistent;
mod range;
mod read;
mod refusal;
mod router;
mod server;
mod streams;
mod subscription;
mod wire;

pub use authorizer::{Authorizer, Caller, Credentials, Logs, Unauthorized};
pub use house::{House, NoRules, Reading, ReadingKind};
pub use server::{Config, KurrentServer, ServeError, serve};

/// Streams that others may append to begin with this.
pub const EXTERNAL_PREFIX: &str = "external-";
