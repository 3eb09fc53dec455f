//! A memory pool for one query under the pool of the process.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use datafusion::error::{DataFusionError, Result};
use datafusion::execution::memory_pool::{MemoryLimit, MemoryPool, MemoryReservation};

/// Counts what one query holds, refuses more than its own limit, and asks the parent for the rest.
#[derive(Debug)]
pub(crate) struct QueryPool {
    parent: Arc<dyn MemoryPool>,
    limit_bytes: usize,
    used_bytes: AtomicUsize,
}

impl QueryPool {
    pub(crate) fn new(parent: Arc<dyn MemoryPool>, limit_bytes: usize) -> Self {
        Self { parent, limit_bytes, used_bytes: AtomicUsize::new(0) }
    }
}

impl fmt::Display for QueryPool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "query pool of {} bytes", self.limit_bytes)
    }
}

impl MemoryPool for QueryPool {
    fn name(&self) -> &'static str {
        "query"
    }

    fn grow(&self, reservation: &MemoryReservation, additional: usize) {
        self.used_bytes.fetch_add(additional, Ordering::Relaxed);
        self.parent.grow(reservation, additional);
    }

    fn shrink(&self, reservation: &MemoryReservation, shrink: usize) {
        self.used_bytes.fetch_sub(shrink, Ordering::Relaxed);
        self.parent.shrink(reservation, shrink);
    }

    fn try_grow(&self, reservation: &MemoryReservation, additional: usize) -> Result<()> {
        self.used_bytes
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |used| {
                used.checked_add(additional).filter(|total| *total <= self.limit_bytes)
            })
            .map_err(|used| {
                DataFusionError::ResourcesExhausted(format!(
                    "it holds {used} bytes, asks for {additional} more, and may hold {}",
                    self.limit_bytes
                ))
            })?;
        self.parent.try_grow(reservation, additional).inspect_err(|_| {
            self.used_bytes.fetch_sub(additional, Ordering::Relaxed);
        })
    }

    fn reserved(&self) -> usize {
        self.used_bytes.load(Ordering::Relaxed)
    }

    fn memory_limit(&self) -> MemoryLimit {
        MemoryLimit::Finite(self.limit_bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use datafusion::execution::memory_pool::{GreedyMemoryPool, MemoryConsumer};

    #[test]
    fn a_query_is_bounded_by_its_own_limit_and_by_the_process() {
        let process: Arc<dyn MemoryPool> = Arc::new(GreedyMemoryPool::new(150));
        let one: Arc<dyn MemoryPool> = Arc::new(QueryPool::new(Arc::clone(&process), 100));
        let two: Arc<dyn MemoryPool> = Arc::new(QueryPool::new(Arc::clone(&process), 100));
        let a = MemoryConsumer::new("a").register(&one);
        let b = MemoryConsumer::new("b").register(&two);
        assert!(a.try_grow(101).is_err());
        assert!(a.try_grow(100).is_ok());
        assert!(b.try_grow(60).is_err(), "the process has 50 left");
        assert!(b.try_grow(50).is_ok());
        drop(a);
        assert_eq!(process.reserved(), 50);
        assert!(b.try_grow(50).is_ok());
    }
}
