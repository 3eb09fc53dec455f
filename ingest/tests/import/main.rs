//! Importing call records: quirks of real files, idempotence, resuming, mappings of one's own, and the exact
//! figures of two real months.

#![allow(
    clippy::expect_used,
    clippy::print_stdout,
    reason = "helpers of tests may panic and print like tests"
)]

mod bank;
mod embedded;
mod mapping;
mod queue_log;
mod quirks;
mod repeat;
mod support;
