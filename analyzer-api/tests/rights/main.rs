//! Row and column access: what a user profile grants is all that SQL shows, whatever is asked.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on should stop where it is"
)]

#[path = "../support/mod.rs"]
mod support;

mod ask;
mod differential;
mod leaks;
mod oracle;
mod past;
mod random;
mod retention;
mod sql;
mod world;
