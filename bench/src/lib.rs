//! Benchmarks: what several of them use.

pub mod calls;
pub mod scale;
