//! Importing call records: quirks of real files, idempotence, resuming, mappings of one's own, and the exact
//! figures of two real months.

#![allow(clippy::expect_used, reason = "helpers of tests may panic like tests")]

mod bank;
mod mapping;
mod quirks;
mod repeat;
mod support;
