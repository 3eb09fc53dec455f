//! The last appends of this process that the leader acknowledged, for its own followers.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use tokio::sync::watch;

/// Bytes of entries kept: a follower that is further behind reads them from the partition.
const KEPT_BYTES: usize = 4 << 20;

/// Batches with the offsets of their first entries, ascending.
#[derive(Debug)]
pub(super) struct Acknowledged {
    batches: Mutex<Kept>,
    changes: watch::Sender<u64>,
}

#[derive(Debug, Default)]
struct Kept {
    batches: VecDeque<(u64, Vec<Bytes>)>,
    bytes: usize,
}

impl Default for Acknowledged {
    fn default() -> Self {
        Self { batches: Mutex::default(), changes: watch::Sender::new(0) }
    }
}

fn size(entries: &[Bytes]) -> usize {
    entries.iter().map(Bytes::len).sum()
}

impl Acknowledged {
    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.batches.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The leader has these entries from this offset on.
    pub(super) fn add(&self, base: u64, entries: &[Bytes]) {
        let mut kept = self.lock();
        // A partition that lost its end gives offsets anew: what was kept of them is no longer there.
        if kept.batches.back().is_some_and(|(before, it)| before + it.len() as u64 > base) {
            *kept = Kept::default();
        }
        kept.bytes = kept.bytes.saturating_add(size(entries));
        kept.batches.push_back((base, entries.to_vec()));
        while kept.bytes > KEPT_BYTES {
            let Some((_, oldest)) = kept.batches.pop_front() else { break };
            kept.bytes = kept.bytes.saturating_sub(size(&oldest));
        }
        drop(kept);
        self.changes.send_modify(|changes| *changes += 1);
    }

    /// Nobody knows any more what is in the partition.
    pub(super) fn clear(&self) {
        *self.lock() = Kept::default();
    }

    /// The rest of the batch that holds this offset, if it is kept.
    pub(super) fn from(&self, offset: u64) -> Vec<Bytes> {
        let kept = self.lock();
        let holds = |(base, entries): &&(u64, Vec<Bytes>)| {
            (*base..base.saturating_add(entries.len() as u64)).contains(&offset)
        };
        let rest = kept.batches.iter().rev().find(holds).map(|(base, entries)| {
            let skip = usize::try_from(offset.saturating_sub(*base)).unwrap_or(usize::MAX);
            entries.iter().skip(skip).cloned().collect()
        });
        rest.unwrap_or_default()
    }

    /// Told at every append.
    pub(super) fn watch(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entries(texts: &[&'static str]) -> Vec<Bytes> {
        texts.iter().map(|it| Bytes::from_static(it.as_bytes())).collect()
    }

    #[test]
    fn a_batch_is_found_from_any_of_its_offsets() {
        let acknowledged = Acknowledged::default();
        acknowledged.add(5, &entries(&["a", "b", "c"]));
        // Entries of another writer are at 8.
        acknowledged.add(9, &entries(&["d"]));
        assert_eq!(acknowledged.from(5), entries(&["a", "b", "c"]));
        assert_eq!(acknowledged.from(7), entries(&["c"]));
        assert_eq!(acknowledged.from(9), entries(&["d"]));
        for absent in [0, 4, 8, 10] {
            assert!(acknowledged.from(absent).is_empty(), "{absent}");
        }
    }

    #[test]
    fn offsets_that_are_given_anew_replace_what_was_kept() {
        let acknowledged = Acknowledged::default();
        acknowledged.add(5, &entries(&["a", "b"]));
        acknowledged.add(6, &entries(&["c"]));
        assert!(acknowledged.from(5).is_empty());
        assert_eq!(acknowledged.from(6), entries(&["c"]));
        acknowledged.clear();
        assert!(acknowledged.from(6).is_empty());
    }

    #[test]
    fn no_more_than_the_last_bytes_are_kept() {
        let acknowledged = Acknowledged::default();
        let large = vec![Bytes::from(vec![1; KEPT_BYTES / 2])];
        for base in 0..3 {
            acknowledged.add(base, &large);
        }
        assert!(acknowledged.from(0).is_empty());
        assert_eq!(acknowledged.from(1), large);
        assert_eq!(acknowledged.from(2), large);
    }
}
