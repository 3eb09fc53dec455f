//! The edges in, and the engine that runs the core.

pub mod admin;
pub mod chat;
pub mod desktop;
pub mod http;
