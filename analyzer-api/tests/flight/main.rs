//! Arrow Flight SQL on a real port, with the client of the Arrow project.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot go on should stop where it is"
)]

#[path = "../support/mod.rs"]
mod support;

mod answers;
mod cancel;
mod catalog;
mod login;
mod prepared;
mod promise;
mod server;
mod tls;
