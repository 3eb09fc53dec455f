//! Benchmarks.
pub mod scale;
