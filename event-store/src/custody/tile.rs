//! Tiles on disk, in the layout of C2SP `tlog-tiles`: 256 hashes to a tile.
//!
//! Tiles hold nothing that the log does not: they spare reading it. They are written without syncs, and
//! whatever is computed from them is compared with a signed root before it is used.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::error::CustodyError;
use super::hash::Hash;
use super::tree::Tiles;

/// Hashes in a full tile.
pub(super) const TILE_WIDTH: usize = 256;
const HASH_BYTES: usize = 32;
/// Tiles kept in memory, 8 KiB each.
const CACHED_MAX: usize = 512;

/// Which tile.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct TileId {
    /// 0: the hashes are leaves; above: each is the root of a full tile of the level below.
    pub(super) level: u8,
    /// Place within the level.
    pub(super) index: u64,
}

impl fmt::Display for TileId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "tile/{}/", self.level)?;
        let digits = format!("{:03}", self.index);
        let padded = format!("{digits:0>width$}", width = digits.len().next_multiple_of(3));
        let last = padded.len() / 3 - 1;
        for number in 0..=last {
            let part = padded.get(number * 3..number * 3 + 3).unwrap_or_default();
            if number < last {
                write!(f, "x{part}/")?;
            } else {
                f.write_str(part)?;
            }
        }
        Ok(())
    }
}

/// The tiles in a folder.
#[derive(Debug)]
pub(super) struct TileStore {
    root: PathBuf,
    cached: BTreeMap<TileId, Vec<Hash>>,
}

impl TileStore {
    pub(super) const fn new(root: PathBuf) -> Self {
        Self { root, cached: BTreeMap::new() }
    }

    fn full_path(&self, id: TileId) -> PathBuf {
        self.root.join(id.to_string())
    }

    fn partial_folder(&self, id: TileId) -> PathBuf {
        self.root.join(format!("{id}.p"))
    }

    /// Puts a full tile in its place. The partial ones it replaces go.
    pub(super) fn write_full(&mut self, id: TileId, hashes: &[Hash]) -> Result<(), CustodyError> {
        self.cached.remove(&id);
        put(&self.full_path(id), hashes)?;
        let partial = self.partial_folder(id);
        match fs::remove_dir_all(&partial) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(CustodyError::io(&partial, error))
            }
            _ => Ok(()),
        }
    }

    /// Puts a partial tile in its place.
    pub(super) fn write_partial(
        &mut self,
        id: TileId,
        hashes: &[Hash],
    ) -> Result<(), CustodyError> {
        self.cached.remove(&id);
        put(&self.partial_folder(id).join(hashes.len().to_string()), hashes)
    }

    /// At least the first `width` hashes of a tile, from the full one or the narrowest that has them.
    fn read(&self, id: TileId, width: usize) -> Result<Vec<Hash>, CustodyError> {
        let full = self.full_path(id);
        match fs::read(&full) {
            Ok(bytes) => return parse(id, &bytes, TILE_WIDTH),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(CustodyError::io(&full, error)),
        }
        let folder = self.partial_folder(id);
        let missing = || CustodyError::tile(id, "it is not there");
        let entries = fs::read_dir(&folder).map_err(|_| missing())?;
        let widths = entries.flatten().filter_map(|entry| {
            entry.file_name().to_str()?.parse::<usize>().ok().filter(|found| *found >= width)
        });
        let found = widths.min().ok_or_else(missing)?;
        let path = folder.join(found.to_string());
        let bytes = fs::read(&path).map_err(|error| CustodyError::io(&path, error))?;
        parse(id, &bytes, found)
    }

    pub(super) fn forget(&mut self) {
        self.cached.clear();
    }
}

impl Tiles for TileStore {
    fn tile(&mut self, id: TileId, width: usize) -> Result<&[Hash], CustodyError> {
        let known = self.cached.get(&id).is_some_and(|hashes| hashes.len() >= width);
        if !known {
            let hashes = self.read(id, width)?;
            if self.cached.len() >= CACHED_MAX {
                self.cached.pop_first();
            }
            self.cached.insert(id, hashes);
        }
        self.cached
            .get(&id)
            .map(Vec::as_slice)
            .ok_or_else(|| CustodyError::tile(id, "it is not there"))
    }
}

fn parse(id: TileId, bytes: &[u8], width: usize) -> Result<Vec<Hash>, CustodyError> {
    let (hashes, rest) = bytes.as_chunks::<HASH_BYTES>();
    if hashes.len() != width || !rest.is_empty() {
        return Err(CustodyError::tile(id, "its length is not that of its width"));
    }
    Ok(hashes.iter().copied().map(Hash).collect())
}

/// Writes a tile aside and moves it into its place, so that a reader never sees half of one.
fn put(path: &Path, hashes: &[Hash]) -> Result<(), CustodyError> {
    let mut aside = path.as_os_str().to_owned();
    aside.push(".new");
    let aside = PathBuf::from(aside);
    let bytes: Vec<u8> = hashes.iter().flat_map(|hash| hash.0).collect();
    let write = || {
        if let Err(error) = fs::write(&aside, &bytes) {
            if error.kind() != io::ErrorKind::NotFound {
                return Err(error);
            }
            path.parent().map_or(Ok(()), fs::create_dir_all)?;
            fs::write(&aside, &bytes)?;
        }
        fs::rename(&aside, path)
    };
    write().map_err(|error| CustodyError::io(path, error))
}
