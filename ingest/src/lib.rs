//! Edges and engine.
//! Under construction in this change.

pub mod import;
