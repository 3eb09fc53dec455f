//! The RFC 6962 tree over 256-wide tiles: its right edge, by which it grows, and its proofs.
//!
//! A tree of `size` leaves is made of complete tiles, which never change, and of the edge: at each tile
//! level the hashes that do not fill a tile yet. The edge is all that is needed to add leaves and to know
//! the root.

use super::error::CustodyError;
use super::hash::Hash;
use super::tile::{TILE_WIDTH, TileId};

/// The root of a complete or incomplete subtree with these hashes as its leaves.
pub(super) fn root_of(hashes: &[Hash]) -> Hash {
    match hashes {
        [] => Hash::of_nothing(),
        [only] => *only,
        _ => {
            let (left, right) = hashes.split_at(split(hashes.len() as u64) as usize);
            Hash::node(root_of(left), root_of(right))
        }
    }
}

/// The largest power of two below `size`, which is at least 2: where a tree is split.
const fn split(size: u64) -> u64 {
    1 << (u64::BITS - 1 - (size - 1).leading_zeros())
}

/// The right edge of a tree.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Edge {
    /// At tile level `l`, the hashes of the tile that is not full.
    levels: Vec<Vec<Hash>>,
    size: u64,
}

impl Edge {
    /// The edge of a tree of this size; `tile` gives the first `width` hashes of a tile.
    pub(super) fn load(
        size: u64,
        mut tile: impl FnMut(TileId, usize) -> Result<Vec<Hash>, CustodyError>,
    ) -> Result<Self, CustodyError> {
        let mut levels = Vec::new();
        let mut left = size;
        while left > 0 {
            let width = (left % TILE_WIDTH as u64) as usize;
            let id = TileId { level: levels.len() as u8, index: left / TILE_WIDTH as u64 };
            levels.push(if width == 0 { Vec::new() } else { tile(id, width)? });
            left /= TILE_WIDTH as u64;
        }
        Ok(Self { levels, size })
    }

    pub(super) const fn size(&self) -> u64 {
        self.size
    }

    /// Adds a leaf; `full` is given every tile that it completes.
    pub(super) fn push(
        &mut self,
        leaf: Hash,
        mut full: impl FnMut(TileId, &[Hash]) -> Result<(), CustodyError>,
    ) -> Result<(), CustodyError> {
        let mut carried = leaf;
        let mut index = self.size / TILE_WIDTH as u64;
        for level in 0_u8.. {
            if self.levels.len() <= usize::from(level) {
                self.levels.push(Vec::with_capacity(TILE_WIDTH));
            }
            let Some(hashes) = self.levels.get_mut(usize::from(level)) else { break };
            hashes.push(carried);
            if hashes.len() < TILE_WIDTH {
                break;
            }
            full(TileId { level, index }, hashes)?;
            carried = root_of(hashes);
            hashes.clear();
            index /= TILE_WIDTH as u64;
        }
        self.size += 1;
        Ok(())
    }

    /// The tiles that are not full: id and hashes.
    pub(super) fn partial(&self) -> impl Iterator<Item = (TileId, &[Hash])> {
        self.levels.iter().enumerate().filter(|(_, hashes)| !hashes.is_empty()).map(
            |(level, hashes)| {
                let above = 8 * (level as u32 + 1);
                let index = self.size.checked_shr(above).unwrap_or(0);
                (TileId { level: level as u8, index }, hashes.as_slice())
            },
        )
    }

    /// The root of the tree.
    pub(super) fn root(&self) -> Hash {
        // Complete subtrees from the left, the largest first: they are joined from the right.
        let mut subtrees = Vec::new();
        for hashes in self.levels.iter().rev() {
            let mut rest = hashes.as_slice();
            while !rest.is_empty() {
                let width = 1 << rest.len().ilog2();
                let (complete, others) = rest.split_at(width);
                subtrees.push(root_of(complete));
                rest = others;
            }
        }
        subtrees
            .into_iter()
            .rev()
            .reduce(|right, left| Hash::node(left, right))
            .unwrap_or_else(Hash::of_nothing)
    }
}

/// Gives hashes of a tree's tiles.
pub(super) trait Tiles {
    /// At least the first `width` hashes of a tile.
    fn tile(&mut self, id: TileId, width: usize) -> Result<&[Hash], CustodyError>;
}

/// A tree of a stated size whose hashes come from tiles.
pub(super) struct Tree<'a, T> {
    pub(super) tiles: &'a mut T,
    pub(super) size: u64,
}

impl<T: Tiles> Tree<'_, T> {
    /// The root of the leaves `start .. start + count`, which RFC 6962 writes `MTH(D[start:start+count])`.
    fn hash(&mut self, start: u64, count: u64) -> Result<Hash, CustodyError> {
        if count == 0 {
            return Ok(Hash::of_nothing());
        }
        if count.is_power_of_two() && start.is_multiple_of(count) {
            return self.complete(count.ilog2(), start / count);
        }
        let left = split(count);
        Ok(Hash::node(self.hash(start, left)?, self.hash(start + left, count - left)?))
    }

    /// The root of a complete subtree of this height; `index` counts subtrees of that height.
    fn complete(&mut self, height: u32, index: u64) -> Result<Hash, CustodyError> {
        let level = height / 8;
        let width = 1_usize << (height % 8);
        let first = index * width as u64;
        let id = TileId { level: level as u8, index: first / TILE_WIDTH as u64 };
        let offset = (first % TILE_WIDTH as u64) as usize;
        let hashes = self.tiles.tile(id, offset + width)?;
        let wanted = hashes.get(offset..offset + width);
        wanted.map(root_of).ok_or_else(|| CustodyError::tile(id, "it is too short"))
    }

    #[cfg(test)]
    pub(super) fn root(&mut self) -> Result<Hash, CustodyError> {
        self.hash(0, self.size)
    }

    /// The inclusion proof of a leaf, from its sibling up (RFC 6962, section 2.1.1).
    pub(super) fn inclusion(&mut self, index: u64) -> Result<Vec<Hash>, CustodyError> {
        let mut proof = Vec::new();
        let (mut start, mut count) = (0, self.size);
        while count > 1 {
            let left = split(count);
            if index < start + left {
                proof.push(self.hash(start + left, count - left)?);
                count = left;
            } else {
                proof.push(self.hash(start, left)?);
                start += left;
                count -= left;
            }
        }
        proof.reverse();
        Ok(proof)
    }

    /// The proof that the tree of the first `old` leaves is a beginning of this one (RFC 6962, section
    /// 2.1.2). Empty when `old` is 0 or the whole size.
    pub(super) fn consistency(&mut self, old: u64) -> Result<Vec<Hash>, CustodyError> {
        let mut proof = Vec::new();
        if old == 0 {
            return Ok(proof);
        }
        let (mut start, mut count, mut old) = (0, self.size, old);
        let mut known = true;
        while old < count {
            let left = split(count);
            if old <= left {
                proof.push(self.hash(start + left, count - left)?);
                count = left;
            } else {
                proof.push(self.hash(start, left)?);
                start += left;
                count -= left;
                old -= left;
                known = false;
            }
        }
        if !known {
            proof.push(self.hash(start, count)?);
        }
        proof.reverse();
        Ok(proof)
    }
}
