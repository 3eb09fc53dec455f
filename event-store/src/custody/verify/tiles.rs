//! A copy of a tree's tiles (C2SP `tlog-tiles`), read leaf hash by leaf hash.

use std::fs;
use std::path::{Path, PathBuf};

use super::tree::{Growing, Root};

/// The leaf hashes of the tree of a stated size, in order.
pub(super) struct LeafHashes {
    folder: PathBuf,
    size: u64,
    next: u64,
    loaded: Vec<[u8; 32]>,
}

impl LeafHashes {
    /// Those after the first `after`.
    pub(super) fn new(root: &Path, size: u64, after: u64) -> Self {
        Self { folder: root.join("tile/0"), size, next: after, loaded: Vec::new() }
    }

    fn load(&mut self) -> Option<()> {
        let tile = self.next / 256;
        let mut name = format!("{:03}", tile % 1000);
        let mut above = tile / 1000;
        while above > 0 {
            name = format!("x{:03}/{name}", above % 1000);
            above /= 1000;
        }
        let needed = usize::try_from((self.size - tile * 256).min(256)).ok()?;
        let full = fs::read(self.folder.join(&name)).ok();
        let bytes = full.or_else(|| {
            // Any partial tile that is wide enough serves.
            let folder = self.folder.join(format!("{name}.p"));
            (needed..256).find_map(|width| fs::read(folder.join(width.to_string())).ok())
        })?;
        let (hashes, rest) = bytes.as_chunks::<32>();
        if hashes.len() < needed || !rest.is_empty() {
            return None;
        }
        self.loaded = hashes.to_vec();
        Some(())
    }
}

impl Iterator for LeafHashes {
    type Item = Root;

    /// Ends early where a tile is missing or too short.
    fn next(&mut self) -> Option<Root> {
        if self.next >= self.size {
            return None;
        }
        let place = usize::try_from(self.next % 256).ok()?;
        if place == 0 || self.loaded.is_empty() {
            self.load()?;
        }
        let hash = self.loaded.get(place).copied()?;
        self.next += 1;
        Some(Root(hash))
    }
}

/// Whether the tiles below a folder are those of the tree with this size and root.
pub(super) fn belong_to(root: &Path, size: u64, expected: Root) -> bool {
    let mut tree = Growing::default();
    let mut hashes = 0;
    for hash in LeafHashes::new(root, size, 0) {
        tree.add(hash);
        hashes += 1;
    }
    hashes == size && tree.root() == expected
}
