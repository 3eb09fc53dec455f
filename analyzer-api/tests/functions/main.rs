//! SQL functions through the real engine.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot go on should stop where it is"
)]

#[path = "../support/mod.rs"]
mod support;

mod ask;
mod distribution;
mod gapfill;
mod listing;
mod metric;
mod time;
