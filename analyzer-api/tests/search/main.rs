//! The search: GraphQL over the morning whose figures are worked out by hand, over a growing log, and against those
//! who ask for what is not theirs or too much.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot go on should stop where it is"
)]

#[path = "../morning/mod.rs"]
mod morning;
#[path = "../support/mod.rs"]
mod support;

mod clocks;
mod figures;
mod paging;
mod refusals;
mod schema;
mod world;
