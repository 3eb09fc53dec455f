//! Tests of the routing core in the given/when/then form of `scenario`, one file an area.

#![allow(clippy::expect_used, reason = "a scenario that cannot go on has failed")]

mod agent;
mod broadcast;
mod chat;
mod commands;
mod config;
mod conversation;
mod flow;
mod monitor;
mod offer;
mod property;
mod queue;
mod retention;
mod scenario;
mod snapshot;
mod supervise;
mod timer;
