//! Reports that are due: when, and carried out over failures, crashes and restarts, to real receivers.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on should stop where it is"
)]

mod due;
mod http_receiver;
mod mail;
mod names;
mod restarts;
mod settings;
mod smtp_receiver;
mod webhook;
mod world;
