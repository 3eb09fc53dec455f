//! A split-block Bloom filter: says of most hashes that are not in a set that they are not, with one look
//! into memory.
//!
//! A hash belongs to one block of 32 bytes and sets one bit in each of its eight words (Putze, Sanders and
//! Singler, "Cache-, hash- and space-efficient Bloom filters", 2009, in the shape that Apache Parquet made
//! common). With 16 bits a key about one in a thousand unknown hashes passes.

/// Bits for every key.
const BITS_PER_KEY: u64 = 16;
/// Length of a block, bytes.
pub(crate) const FILTER_BLOCK_BYTES: usize = 32;
const WORDS: usize = 8;
/// Odd numbers that choose the bit of each word. They are part of the stored format.
const CHOOSERS: [u32; WORDS] = [
    0x9E37_79B1,
    0x85EB_CA6B,
    0xC2B2_AE35,
    0x27D4_EB2F,
    0x1656_67B1,
    0xD3A2_646D,
    0xFD70_46C5,
    0xB55A_4F09,
];

/// A set of hashes that may hold more than was put in, never less.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Filter(Vec<[u32; WORDS]>);

impl Filter {
    /// An empty filter for so many keys.
    pub(crate) fn for_keys(keys: u64) -> Self {
        let bits = keys.saturating_mul(BITS_PER_KEY);
        let blocks = bits.div_ceil(8 * FILTER_BLOCK_BYTES as u64).max(1);
        Self(vec![[0; WORDS]; usize::try_from(blocks).unwrap_or(usize::MAX)])
    }

    pub(crate) fn insert(&mut self, hash: u64) {
        let at = self.block_of(hash);
        if let Some(block) = self.0.get_mut(at) {
            for (word, bit) in block.iter_mut().zip(bits(hash)) {
                *word |= bit;
            }
        }
    }

    /// False: it was never put in.
    pub(crate) fn may_hold(&self, hash: u64) -> bool {
        self.0
            .get(self.block_of(hash))
            .is_some_and(|block| block.iter().zip(bits(hash)).all(|(word, bit)| word & bit != 0))
    }

    fn block_of(&self, hash: u64) -> usize {
        // The high half, scaled to the number of blocks; there are fewer than 2³².
        usize::try_from(((hash >> 32) * self.0.len() as u64) >> 32).unwrap_or(0)
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        self.0.iter().flatten().flat_map(|word| word.to_le_bytes()).collect()
    }

    /// `None`: these bytes are no filter.
    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        let (blocks, rest) = bytes.as_chunks::<FILTER_BLOCK_BYTES>();
        if blocks.is_empty() || !rest.is_empty() {
            return None;
        }
        let words = |block: &[u8; FILTER_BLOCK_BYTES]| {
            let mut words = [0; WORDS];
            for (word, bytes) in words.iter_mut().zip(block.as_chunks::<4>().0) {
                *word = u32::from_le_bytes(*bytes);
            }
            words
        };
        Some(Self(blocks.iter().map(words).collect()))
    }

    /// Keys it has room for.
    pub(crate) fn keys_max(&self) -> u64 {
        self.bytes() * 8 / BITS_PER_KEY
    }

    /// Length in memory and on disk.
    pub(crate) fn bytes(&self) -> u64 {
        (self.0.len() * FILTER_BLOCK_BYTES) as u64
    }
}

/// The bit of each word: the low half of the hash decides.
fn bits(hash: u64) -> [u32; WORDS] {
    let low = (hash & u64::from(u32::MAX)) as u32;
    CHOOSERS.map(|odd| 1 << (low.wrapping_mul(odd) >> 27))
}

#[cfg(test)]
mod tests {
    use ledgerline_schemas::id::EventId;

    use super::*;
    use crate::index::hash;

    #[test]
    fn what_was_put_in_passes_and_few_others_do() {
        let id = |n: u128| hash::of_id(EventId::from_u128(n));
        let mut filter = Filter::for_keys(50_000);
        (0..50_000).for_each(|n| filter.insert(id(n)));
        let filter = Filter::decode(&filter.encode()).unwrap();
        assert!((0..50_000).all(|n| filter.may_hold(id(n))));
        let strangers = (50_000..150_000).filter(|n| filter.may_hold(id(*n))).count();
        assert!(strangers < 500, "{strangers} of 100,000 strangers passed");
        assert_eq!(filter.bytes(), 100_000_u64.next_multiple_of(32));
    }

    #[test]
    fn bytes_of_another_length_are_no_filter() {
        assert_eq!(Filter::decode(&[]), None);
        assert_eq!(Filter::decode(&[0; 33]), None);
        assert!(!Filter::for_keys(0).may_hold(7));
    }
}
