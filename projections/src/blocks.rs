//! Checksums of a file's blocks: whoever reads a part of a file in clear notices that it was damaged.
//!
//! Parquet has a checksum for each page, but its writer here writes none, and footer, indexes and bloom
//! filters would have none either. So a manifest keeps the CRC-32C (RFC 3720) of every block of the file as a
//! whole; a read takes whole blocks and compares. Encrypted files need none of this: each of their chunks has
//! a tag.

use std::ops::Range;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

/// Length of a block, bytes; the last one of a file may be shorter.
pub const BLOCK_BYTES: u64 = 64 << 10;

/// A block is not what was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("bytes {} to {} are not what was written (CRC-32C)", .start, .end)]
pub struct DamagedBlock {
    /// Where the block begins in the file, bytes.
    pub start: u64,
    /// Where it ends.
    pub end: u64,
}

/// The checksums of all blocks of a file. Clones share them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Text", into = "Text")]
pub struct Blocks {
    bytes: u64,
    sums: Arc<[u32]>,
}

/// As manifests keep them: the sums as four bytes each, little end first, in base64.
#[derive(Serialize, Deserialize)]
struct Text {
    bytes: u64,
    crc32c: String,
}

impl From<Blocks> for Text {
    fn from(blocks: Blocks) -> Self {
        let sums: Vec<u8> = blocks.sums.iter().flat_map(|sum| sum.to_le_bytes()).collect();
        Self { bytes: blocks.bytes, crc32c: STANDARD.encode(sums) }
    }
}

impl TryFrom<Text> for Blocks {
    type Error = &'static str;

    fn try_from(text: Text) -> Result<Self, Self::Error> {
        let sums = STANDARD.decode(&text.crc32c).map_err(|_| "crc32c is not base64")?;
        let (sums, rest) = sums.as_chunks::<4>();
        if !rest.is_empty() || sums.len() as u64 != text.bytes.div_ceil(BLOCK_BYTES) {
            return Err("crc32c has not one sum a block");
        }
        Ok(Self { bytes: text.bytes, sums: sums.iter().copied().map(u32::from_le_bytes).collect() })
    }
}

impl Blocks {
    /// The checksums of a content.
    #[must_use]
    pub fn of(content: &[u8]) -> Self {
        let block = usize::try_from(BLOCK_BYTES).unwrap_or(usize::MAX);
        let sums = content.chunks(block).map(crc32c::crc32c).collect();
        Self { bytes: content.len() as u64, sums }
    }

    /// Length of the file, bytes.
    #[must_use]
    pub const fn bytes(&self) -> u64 {
        self.bytes
    }

    /// What has to be read to have `range`: whole blocks.
    #[must_use]
    pub fn stored_range(&self, range: &Range<u64>) -> Range<u64> {
        let start = (range.start.min(self.bytes) / BLOCK_BYTES) * BLOCK_BYTES;
        let end = (range.end.div_ceil(BLOCK_BYTES) * BLOCK_BYTES).min(self.bytes);
        start..end.max(start)
    }

    /// Holds whole blocks against their checksums; `start` is where the first one begins.
    ///
    /// # Errors
    /// [`DamagedBlock`], the first that does not fit; also for a block that is cut off.
    pub fn check(&self, start: u64, stored: &[u8]) -> Result<(), DamagedBlock> {
        let block = usize::try_from(BLOCK_BYTES).unwrap_or(usize::MAX);
        let mut at = start;
        for bytes in stored.chunks(block) {
            let end = (at + BLOCK_BYTES).min(self.bytes);
            let sum = usize::try_from(at / BLOCK_BYTES).ok().and_then(|index| self.sums.get(index));
            let is_whole = at + bytes.len() as u64 == end && at.is_multiple_of(BLOCK_BYTES);
            if !is_whole || sum != Some(&crc32c::crc32c(bytes)) {
                return Err(DamagedBlock { start: at, end });
            }
            at = end;
        }
        Ok(())
    }

    /// Holds a whole file against its checksums.
    ///
    /// # Errors
    /// [`DamagedBlock`].
    pub fn check_whole(&self, content: &[u8]) -> Result<(), DamagedBlock> {
        self.check(0, content)?;
        if content.len() as u64 != self.bytes {
            let start = self.bytes.min(content.len() as u64) / BLOCK_BYTES * BLOCK_BYTES;
            return Err(DamagedBlock { start, end: self.bytes });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn content(bytes: usize) -> Vec<u8> {
        (0..bytes).map(|at| (at * 31 % 251) as u8).collect()
    }

    #[test]
    fn ranges_are_read_as_whole_blocks() {
        let blocks = Blocks::of(&content(150_000));
        let table = [
            (0..1, 0..65_536),
            (65_535..65_537, 0..131_072),
            (131_072..150_000, 131_072..150_000),
            (149_992..150_000, 131_072..150_000),
            (0..150_000, 0..150_000),
            (10..10, 0..65_536),
        ];
        for (range, expected) in table {
            assert_eq!(blocks.stored_range(&range), expected, "{range:?}");
        }
        assert_eq!(Blocks::of(&[]).stored_range(&(0..0)), 0..0);
    }

    #[test]
    fn any_changed_bit_is_noticed_in_its_block_only() {
        let mut content = content(BLOCK_BYTES as usize * 2 + 300);
        let blocks = Blocks::of(&content);
        assert_eq!(blocks.check_whole(&content), Ok(()));
        for at in [0, 1, 65_535, 65_536, 131_071, 131_072, content.len() - 1] {
            for bit in 0..8 {
                content[at] ^= 1 << bit;
                let found = blocks.check_whole(&content).unwrap_err();
                assert!((found.start..found.end).contains(&(at as u64)), "{at}.{bit}: {found}");
                let other = if at < 65_536 { 65_536..131_072 } else { 0..65_536 };
                let range = other.start as usize..other.end as usize;
                assert_eq!(blocks.check(other.start, &content[range]), Ok(()));
                content[at] ^= 1 << bit;
            }
        }
        assert!(blocks.check_whole(&content[..content.len() - 1]).is_err());
        assert!(blocks.check_whole(&content[..BLOCK_BYTES as usize]).is_err());
        content.push(0);
        assert!(blocks.check_whole(&content).is_err());
    }

    #[test]
    fn manifests_keep_them() {
        for bytes in [0, 5, 65_536, 65_537] {
            let blocks = Blocks::of(&content(bytes));
            let text = serde_json::to_string(&blocks).unwrap();
            assert_eq!(serde_json::from_str::<Blocks>(&text).unwrap(), blocks);
        }
        let cut = r#"{"bytes":65537,"crc32c":"AAAAAA=="}"#;
        assert!(serde_json::from_str::<Blocks>(cut).is_err());
    }
}
