//! Streams of one segment in memory: a hash table with open addressing over a list in order of first sight.
//! Every append asks it under the log's one lock, so a question costs one place in memory and one name.

/// Entries in a new table.
const FIRST_SLOTS: usize = 1 << 8;
/// A slot is free when it holds this instead of a place in the list plus one.
const FREE: u32 = 0;

/// A stream in one segment. Good for the segment that gave it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct StreamKey(u32);

/// A stream's events in one segment.
#[derive(Clone, Debug)]
pub(crate) struct StreamEvents {
    pub(crate) name: Box<str>,
    /// Hash of the name.
    pub(crate) hash: u64,
    /// Version of the first of them.
    pub(crate) first_version: u64,
    /// Positions relative to the segment's first, in order of version.
    pub(crate) relative: Vec<u32>,
}

/// The streams by name.
#[derive(Clone, Debug, Default)]
pub(crate) struct Streams {
    slots: Vec<u32>,
    list: Vec<StreamEvents>,
}

impl Streams {
    /// The stream of this name.
    pub(crate) fn find(&self, hash: u64, name: &str) -> Option<StreamKey> {
        let mask = self.slots.len().checked_sub(1)?;
        let mut at = slot_of(hash, mask);
        loop {
            let key = StreamKey(self.slots.get(at)?.checked_sub(1)?);
            if self.get(key).is_some_and(|it| it.hash == hash && *it.name == *name) {
                return Some(key);
            }
            at = (at + 1) & mask;
        }
    }

    pub(crate) fn get(&self, key: StreamKey) -> Option<&StreamEvents> {
        self.list.get(key.0 as usize)
    }

    pub(crate) fn get_mut(&mut self, key: StreamKey) -> Option<&mut StreamEvents> {
        self.list.get_mut(key.0 as usize)
    }

    /// Adds a stream that is not in here, without events.
    pub(crate) fn insert(&mut self, hash: u64, name: &str, first_version: u64) -> StreamKey {
        // At most one of two slots is taken.
        if (self.list.len() + 1) * 2 > self.slots.len() {
            self.grow();
        }
        // A segment holds far fewer than 2³² events, and no more streams than events.
        let key = StreamKey(u32::try_from(self.list.len()).unwrap_or(u32::MAX - 1));
        self.list.push(StreamEvents {
            name: name.into(),
            hash,
            first_version,
            relative: Vec::new(),
        });
        take_slot(&mut self.slots, hash, key);
        key
    }

    /// All of them, in order of first sight.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &StreamEvents> {
        self.list.iter()
    }

    fn grow(&mut self) {
        let mut slots = vec![FREE; (self.slots.len() * 2).max(FIRST_SLOTS)];
        for (stream, at) in self.list.iter().zip(0..) {
            take_slot(&mut slots, stream.hash, StreamKey(at));
        }
        self.slots = slots;
    }
}

/// Puts a stream into the first free slot from its own on; there is one.
fn take_slot(slots: &mut [u32], hash: u64, key: StreamKey) {
    let mask = slots.len().saturating_sub(1);
    let mut at = slot_of(hash, mask);
    while let Some(slot) = slots.get_mut(at) {
        if *slot == FREE {
            *slot = key.0 + 1;
            return;
        }
        at = (at + 1) & mask;
    }
}

fn slot_of(hash: u64, mask: usize) -> usize {
    usize::try_from(hash).unwrap_or(usize::MAX) & mask
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_stream_is_found_and_no_other_whatever_the_hashes() {
        for hash_of in
            [|n: u64| n.wrapping_mul(0x9E37_79B9_7F4A_7C15), |n: u64| n % 3, |_| u64::MAX]
        {
            let mut streams = Streams::default();
            assert_eq!(streams.find(hash_of(0), "stream-0"), None);
            let name = |n: u64| format!("stream-{n}");
            let keys: Vec<_> = (0..700).map(|n| streams.insert(hash_of(n), &name(n), n)).collect();
            for (n, key) in (0..700).zip(keys) {
                assert_eq!(streams.find(hash_of(n), &name(n)), Some(key));
                assert_eq!(streams.get(key).map(|it| it.first_version), Some(n));
            }
            assert_eq!(streams.find(hash_of(700), &name(700)), None);
            assert_eq!(streams.iter().count(), 700);
        }
    }
}
