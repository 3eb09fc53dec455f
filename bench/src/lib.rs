//! Benchmarks: what several of them use.

pub mod calls;
