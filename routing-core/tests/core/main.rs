//! Tests of the routing core in the given/when/then form of `scenario`, one file an area.

mod agent;
mod chat;
mod config;
mod conversation;
mod flow;
mod offer;
mod property;
mod queue;
mod scenario;
mod snapshot;
mod timer;
