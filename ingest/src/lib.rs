//! The edges in and the engine that runs the core.
//!
//! An edge turns what the outside does into commands; [`engine`] decides them one by one, makes the
//! decisions durable and hands out the effects. Edges know the engine only through its handle; nothing
//! here reads tables.
//!
//! **Invariants**
//!
//! * One engine per organization; its thread is the only one that changes routing state.
//! * No answer, effect or read leaves the engine before everything it rests on is durable.
//! * Effects may run more than once, never not at all.

pub mod admin;
pub mod card_filter;
pub mod chat;
pub mod desktop;
pub mod engine;
pub mod http;
pub mod import;
pub mod privacy;
pub mod supervisor;
pub mod voice;
