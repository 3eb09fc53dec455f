//! Unpacked blocks kept in memory, the least recently used ones given up first.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A block of a file: number of the open file, number of the block.
pub(crate) type Key = (u64, usize);

/// Unpacked blocks up to a number of bytes. Clones of the `Arc` around it share it.
#[derive(Debug)]
pub(crate) struct BlockCache {
    bytes_max: usize,
    kept: Mutex<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    bytes: usize,
    clock: u64,
    files: u64,
    blocks: BTreeMap<Key, (u64, Arc<[u8]>)>,
    /// By last use.
    order: BTreeMap<u64, Key>,
}

impl BlockCache {
    pub(crate) fn new(bytes_max: usize) -> Self {
        Self { bytes_max, kept: Mutex::default() }
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A number for a file that is opened; no other file ever has it.
    pub(crate) fn number(&self) -> u64 {
        let mut kept = self.lock();
        kept.files += 1;
        kept.files
    }

    pub(crate) fn get(&self, key: Key) -> Option<Arc<[u8]>> {
        let mut kept = self.lock();
        kept.clock += 1;
        let now = kept.clock;
        let (used, block) = kept.blocks.get_mut(&key)?;
        let (before, block) = (std::mem::replace(used, now), Arc::clone(block));
        kept.order.remove(&before);
        kept.order.insert(now, key);
        Some(block)
    }

    /// Keeps a block. One that is larger than the whole cache is not kept.
    pub(crate) fn put(&self, key: Key, block: Arc<[u8]>) {
        if block.len() > self.bytes_max {
            return;
        }
        let mut kept = self.lock();
        kept.clock += 1;
        let now = kept.clock;
        kept.bytes += block.len();
        if let Some((used, old)) = kept.blocks.insert(key, (now, block)) {
            kept.bytes -= old.len();
            kept.order.remove(&used);
        }
        kept.order.insert(now, key);
        while kept.bytes > self.bytes_max {
            let Some((_, oldest)) = kept.order.pop_first() else { break };
            if let Some((_, block)) = kept.blocks.remove(&oldest) {
                kept.bytes -= block.len();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_least_recently_used_blocks_go_first_and_the_bound_holds() {
        let cache = BlockCache::new(30);
        let block = |fill: u8| -> Arc<[u8]> { vec![fill; 10].into() };
        for number in 0..3 {
            cache.put((1, number), block(number as u8));
        }
        assert!(cache.get((1, 0)).is_some(), "used again");
        cache.put((1, 3), block(3));
        assert!(cache.get((1, 1)).is_none(), "the oldest is gone");
        assert_eq!(cache.get((1, 0)).as_deref(), Some(&[0; 10][..]));
        cache.put((1, 3), block(9));
        assert_eq!(cache.get((1, 3)).as_deref(), Some(&[9; 10][..]), "replaced, counted once");
        assert_eq!(cache.lock().bytes, 30);
        cache.put((2, 0), vec![0; 31].into());
        assert!(cache.get((2, 0)).is_none() && cache.get((1, 2)).is_some());
    }
}
