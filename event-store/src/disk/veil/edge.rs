//! Keeps readers off blocks that are being rewritten.
//!
//! A write that begins or ends inside a block of the cipher encrypts that block anew, and with it bytes that were
//! there before and did not change. The system promises nothing about a read beside a write: a reader may get one
//! half of the block as it was and the other as it becomes, and both decrypt to noise, durable bytes of an append that
//! was acknowledged long ago included. In clear that cannot happen, for bytes that stay the same are the same in
//! both. So such a write excludes the readers of this process while it copies its bytes into the page cache. (A process
//! beside the one that writes reads the end of a log more than once: see `LogFiles::packed_tail`.)
//!
//! A log is written at its end and read everywhere, also from a cold disk, for which no append should wait: readers
//! are excluded from the *edge* on, the first byte that may still be rewritten, and read what is before it without a
//! lock. The edge goes up with the end of the file. Should a write come below it nevertheless, whoever read without
//! a lock meanwhile reads again.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

/// What is rewritten of a file.
#[derive(Debug)]
pub(super) struct Edge {
    /// Nothing before this offset is rewritten in part; the end of all offsets as long as nothing ever was.
    from: AtomicU64,
    /// How often it went down.
    lowered: AtomicU64,
    rewriting: RwLock<()>,
}

impl Default for Edge {
    fn default() -> Self {
        let (from, lowered) = (AtomicU64::new(u64::MAX), AtomicU64::new(0));
        Self { from, lowered, rewriting: RwLock::new(()) }
    }
}

impl Edge {
    /// Excludes readers from a block that is rewritten in part, and from what follows it. Only one at a time
    /// may write.
    pub(super) fn rewrite(&self, block_at: u64) -> RwLockWriteGuard<'_, ()> {
        if block_at < self.from.load(Ordering::SeqCst) {
            // In this order, which `look` turns round: who saw the old edge sees when done that it went down.
            self.from.store(block_at, Ordering::SeqCst);
            self.lowered.fetch_add(1, Ordering::SeqCst);
        }
        self.rewriting.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// A write ended in or before the block at this offset.
    pub(super) fn written(&self, block_at: u64) {
        let from = self.from.load(Ordering::SeqCst);
        if from != u64::MAX && from < block_at {
            self.from.store(block_at, Ordering::SeqCst);
        }
    }

    /// What may be read without a lock, and how to ask afterwards whether that was right.
    pub(super) fn look(&self) -> (u64, u64) {
        let lowered = self.lowered.load(Ordering::SeqCst);
        (self.from.load(Ordering::SeqCst), lowered)
    }

    /// Whether what was read before the edge was not rewritten meanwhile.
    pub(super) fn held(&self, lowered: u64) -> bool {
        self.lowered.load(Ordering::SeqCst) == lowered
    }

    /// Keeps writers from rewriting.
    pub(super) fn reading(&self) -> RwLockReadGuard<'_, ()> {
        self.rewriting.read().unwrap_or_else(PoisonError::into_inner)
    }
}
