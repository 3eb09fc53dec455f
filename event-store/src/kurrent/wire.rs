//! The messages and services of the protocol, made from `proto/`.
#![allow(
    missing_docs,
    unreachable_pub,
    unused_qualifications,
    clippy::all,
    clippy::pedantic,
    clippy::disallowed_types,
    reason = "generated"
)]

include!(concat!(env!("OUT_DIR"), "/server/all.rs"));

pub(crate) use event_store::client as shared;
pub(crate) use event_store::client::{
    gossip, persistent_subscriptions as persistent, server_features, streams,
};
