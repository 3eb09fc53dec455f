//! Push: live datasets and the event stream over WebSocket, server-sent events and GraphQL
//! subscriptions, and webhooks.
//!
//! A subscriber gets a consistent snapshot at one log position and then deltas. Every frame says which
//! positions it covers, so a subscriber's rows at position P can be compared with the SQL answer at P.
//! This crate reads the change feed and the log; it appends nothing and keeps no tables of its own. Alerts that
//! fire are handed to a port ([`alerts`]); [`webhook`] sends events to servers of integrators.
//!
//! Invariants:
//! * snapshot plus deltas up to P are the rows of the live table at P that pass the filter;
//! * the `from` of a frame is the position at which the frame before it ended: no gap, no overlap;
//! * when that cannot be kept (history no longer retained, tables built anew, policy changed, reader
//!   too slow) the subscriber is told by a `resync` frame; nothing is left out in silence;
//! * one organization's subscribers read from that organization's hub only, which the token chooses;
//! * live rows are conflated per key, events never are;
//! * a change is held against a question once, however many ask it.
//!
//! Clients in Rust are in [`client`]; [`publish`] makes the AsyncAPI document and the types of the other clients out of
//! the same frames and tables.
//!
//! [`live::LiveSubscription`] and [`session::Session`] do no input or output and read no clock; the
//! transports in [`ws`], [`sse`] and `graphql` drive them.

pub mod alerts;
pub mod client;
pub mod events;
pub mod feed;
pub mod filter;
pub mod frame;
pub mod hub;
pub mod limits;
pub mod live;
pub mod projected;
pub mod publish;
pub mod query;
pub mod request;
pub mod resume;
pub mod row_arrow;
pub mod session;
pub mod sse;
pub mod state;
pub mod webhook;
pub mod ws;

mod cohort;
mod graphql;
mod row_json;

pub use feed::{FeedSource, Follow, LiveState};
pub use hub::Hub;
pub use limits::Limits;
pub use projected::ProjectionsFeed;
pub use state::{RealtimeError, RealtimeState, router};
