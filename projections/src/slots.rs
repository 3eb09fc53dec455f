//! Where the row of a key is in memory.
//!
//! Most look-ups are of one key and go by hash. Only the tables of intervals ask for the greatest key of a range.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::hash::Hash;

use crate::hashed::Hashed;

/// A map of keys and slots.
pub(crate) trait Slots<K: Ord + Clone>: Debug + Default {
    /// The slot of a key.
    fn slot(&self, key: &K) -> Option<usize>;
    /// Notes the slot of a key.
    fn put(&mut self, key: K, slot: usize);
    /// Forgets a key; gives its slot.
    fn take(&mut self, key: &K) -> Option<usize>;
    /// Gives every slot its new number; a key without one goes.
    fn renumber(&mut self, new: impl Fn(usize) -> Option<usize>);
    /// All keys with their slots, in the order of the keys: equal tables give equal bytes.
    fn ordered(&self) -> Vec<(&K, usize)>;
}

impl<K: Ord + Clone + Hash + Debug> Slots<K> for Hashed<K, usize> {
    fn slot(&self, key: &K) -> Option<usize> {
        self.get(key).copied()
    }

    fn put(&mut self, key: K, slot: usize) {
        self.insert(key, slot);
    }

    fn take(&mut self, key: &K) -> Option<usize> {
        self.remove(key)
    }

    fn renumber(&mut self, new: impl Fn(usize) -> Option<usize>) {
        self.retain(|slot| new(*slot).map(|new| *slot = new).is_some());
    }

    fn ordered(&self) -> Vec<(&K, usize)> {
        self.in_order().into_iter().map(|(key, slot)| (key, *slot)).collect()
    }
}

impl<K: Ord + Clone + Debug> Slots<K> for BTreeMap<K, usize> {
    fn slot(&self, key: &K) -> Option<usize> {
        self.get(key).copied()
    }

    fn put(&mut self, key: K, slot: usize) {
        self.insert(key, slot);
    }

    fn take(&mut self, key: &K) -> Option<usize> {
        self.remove(key)
    }

    fn renumber(&mut self, new: impl Fn(usize) -> Option<usize>) {
        self.retain(|_, slot| new(*slot).map(|new| *slot = new).is_some());
    }

    fn ordered(&self) -> Vec<(&K, usize)> {
        self.iter().map(|(key, slot)| (key, *slot)).collect()
    }
}
