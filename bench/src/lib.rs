//! Benchmarks: what several of them use.

pub mod calls;
pub mod fanout;
pub mod scale;

/// The allocator of the product.
#[cfg(not(target_env = "msvc"))]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;
