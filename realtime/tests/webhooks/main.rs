//! Webhooks to real receivers, in virtual time: failures, silence, crashes, restarts.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on should stop where it is"
)]

mod answers;
mod api;
#[path = "../common/mod.rs"]
mod common;
mod configuration;
mod dead_letters;
mod receiver;
mod restarts;
mod signatures;
mod world;
