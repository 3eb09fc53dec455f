//! Event ids of one segment in memory: a hash table with open addressing, about 20 bytes an event.

/// Entries in a new table.
const FIRST_SLOTS: usize = 1 << 10;
/// A slot is free when it holds this instead of a relative position plus one.
const FREE: u32 = 0;

/// Fingerprints with positions, relative to the segment's first. A fingerprint may occur more than once.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ids {
    prints: Vec<u64>,
    places: Vec<u32>,
    used: usize,
}

impl Ids {
    /// Adds an id at a position relative to the segment's first.
    pub(crate) fn insert(&mut self, print: u64, relative: u32) {
        // At most two of three slots are taken.
        if (self.used + 1) * 3 > self.prints.len() * 2 {
            self.grow();
        }
        let mask = self.prints.len().saturating_sub(1);
        let mut at = slot_of(print, mask);
        while let (Some(slot), Some(place)) = (self.prints.get_mut(at), self.places.get_mut(at)) {
            if *place == FREE {
                *slot = print;
                *place = relative + 1;
                self.used += 1;
                return;
            }
            at = (at + 1) & mask;
        }
    }

    /// Relative positions that may hold an id.
    pub(crate) fn find(&self, print: u64) -> impl Iterator<Item = u32> + '_ {
        let mask = self.prints.len().saturating_sub(1);
        let mut at = slot_of(print, mask);
        std::iter::from_fn(move || {
            loop {
                let (slot, place) = (*self.prints.get(at)?, *self.places.get(at)?);
                if place == FREE {
                    return None;
                }
                at = (at + 1) & mask;
                if slot == print {
                    return Some(place - 1);
                }
            }
        })
    }

    /// Forgets every id from a relative position on.
    pub(crate) fn truncate(&mut self, relative: u32) {
        let kept: Vec<(u64, u32)> = self.iter().filter(|(_, at)| *at < relative).collect();
        *self = Self::default();
        for (print, at) in kept {
            self.insert(print, at);
        }
    }

    /// All of them, in no order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (u64, u32)> + '_ {
        let all = self.prints.iter().zip(&self.places);
        all.filter(|(_, place)| **place != FREE).map(|(print, place)| (*print, place - 1))
    }

    fn grow(&mut self) {
        let slots = (self.prints.len() * 2).max(FIRST_SLOTS);
        let old = std::mem::replace(
            self,
            Self { prints: vec![0; slots], places: vec![FREE; slots], used: 0 },
        );
        for (print, at) in old.iter() {
            self.insert(print, at);
        }
    }
}

fn slot_of(print: u64, mask: usize) -> usize {
    usize::try_from(print).unwrap_or(usize::MAX) & mask
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_id_is_found_and_no_other_also_after_growing_and_forgetting() {
        let mut ids = Ids::default();
        assert_eq!(ids.find(5).count(), 0);
        let print = |n: u32| u64::from(n).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        let count = 3 * FIRST_SLOTS as u32 + 17;
        (0..count).for_each(|n| ids.insert(print(n), n));
        ids.insert(print(3), count);
        assert_eq!(ids.find(print(3)).collect::<Vec<_>>(), [3, count]);
        assert!((0..count).all(|n| ids.find(print(n)).next() == Some(n)));
        assert_eq!(ids.find(print(count + 1)).count(), 0);
        ids.truncate(100);
        assert_eq!(ids.iter().count(), 100);
        assert!((0..count).all(|n| ids.find(print(n)).next() == (n < 100).then_some(n)));
    }
}
