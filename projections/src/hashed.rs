//! A map for look-ups that cannot be iterated out of order.
//!
//! A hash finds a key in one step, where an ordered map takes one for every level of its tree and waits for memory at
//! most of them. The order of a hash map differs between runs, so nothing here shows it.

#![allow(clippy::disallowed_types, reason = "nothing iterates but in the order of the keys")]

use std::collections::HashMap;
use std::hash::Hash;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A map by hash.
#[derive(Debug)]
pub(crate) struct Hashed<K, V>(HashMap<K, V>);

impl<K, V> Default for Hashed<K, V> {
    fn default() -> Self {
        Self(HashMap::new())
    }
}

impl<K: Ord + Hash, V> Hashed<K, V> {
    /// The value of a key.
    pub(crate) fn get(&self, key: &K) -> Option<&V> {
        self.0.get(key)
    }

    /// The value of a key, to be changed.
    pub(crate) fn get_mut(&mut self, key: &K) -> Option<&mut V> {
        self.0.get_mut(key)
    }

    /// Whether there is a value.
    pub(crate) fn contains_key(&self, key: &K) -> bool {
        self.0.contains_key(key)
    }

    /// Sets the value of a key; gives the one before.
    pub(crate) fn insert(&mut self, key: K, value: V) -> Option<V> {
        self.0.insert(key, value)
    }

    /// Takes out the value of a key.
    pub(crate) fn remove(&mut self, key: &K) -> Option<V> {
        self.0.remove(key)
    }

    /// Changes every value by itself; those of which `keep` says no go.
    pub(crate) fn retain(&mut self, mut keep: impl FnMut(&mut V) -> bool) {
        self.0.retain(|_, value| keep(value));
    }

    /// All of it in the order of the keys.
    pub(crate) fn in_order(&self) -> Vec<(&K, &V)> {
        let mut all: Vec<(&K, &V)> = self.0.iter().collect();
        all.sort_unstable_by_key(|(key, _)| *key);
        all
    }
}

/// In the order of the keys, so that equal maps are kept as equal bytes.
impl<K: Ord + Hash + Serialize, V: Serialize> Serialize for Hashed<K, V> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.in_order())
    }
}

impl<'de, K: Ord + Hash + Deserialize<'de>, V: Deserialize<'de>> Deserialize<'de> for Hashed<K, V> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        HashMap::deserialize(deserializer).map(Self)
    }
}
