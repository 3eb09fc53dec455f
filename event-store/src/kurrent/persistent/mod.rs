//! Persistent subscriptions: groups of consumers that share a stream's events, each event to one of them,
//! at least once.
//!
//! What a group has settled (its position) and what it parked is in one file beside the log, written
//! before a position is passed; after a crash events since the last saved position come again.

mod consumer;
mod group;
mod info;
mod queue;
#[cfg(test)]
mod queue_tests;
mod registry;
mod service;
mod settings;
mod store;

pub(crate) use registry::Registry;
pub(crate) use service::PersistentService;
pub(crate) use store::Store;
