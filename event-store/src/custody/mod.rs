//! Custody of the log: what makes it provable that nobody has touched it.
//!
//! Over the events of one organization, in position order, stands an RFC 6962 Merkle tree whose leaves are
//! defined in [`leaf()`]. [`Custody`] follows the log, keeps the tree's tiles (C2SP `tlog-tiles`), signs
//! checkpoints (C2SP `tlog-checkpoint`), and proves that an event is under a checkpoint (C2SP `tlog-proof`)
//! and that one checkpoint continues another. [`verify`] is the other side: it shares no code with what
//! stands here, and it says where a log differs from a checkpoint that was kept elsewhere.
//!
//! It reads the log only; appending costs nothing for it. It does not keep anybody with the files and the
//! key from writing another history: it makes that visible to everyone who holds an earlier checkpoint.
//!
//! **Invariants**
//!
//! * A checkpoint is durable before it is published or shown, and continues every one before it.
//! * Leaves hold the hash of the stored payload, sealed fields as ciphertext: destroying a key changes none.
//! * Tiles are never trusted: what is computed from them is compared with a signed root.
//! * No proof is given out that [`verify`] does not accept.
//!
//! ```text
//! DATA/custody.key                 the signing key, readable by the owner only
//! DATA/orgs/<id>/custody/checkpoint        the newest checkpoint
//! DATA/orgs/<id>/custody/checkpoints       all of them
//! DATA/orgs/<id>/custody/tile/<level>/…    tiles
//! ```

mod chain;
mod error;
mod evidence;
mod hash;
mod history;
mod key;
mod leaf;
mod proof;
mod tile;
mod tree;
pub mod verify;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ledgerline_schemas::Position;
use ledgerline_schemas::id::OrgId;

pub use chain::{CHAIN_START, link};
pub use error::CustodyError;
pub use evidence::Exported;
pub use hash::Hash;
pub use key::{CustodyKey, KEY_FILE};
pub use leaf::{leaf, leaf_hash};

use crate::disk::os::OsDisk;
use crate::log::EventReader;
use history::History;
use tile::TileStore;
use tree::Edge;
use verify::{Checkpoint, PublicKey};

/// Events between two reports of progress.
const PROGRESS_EVERY: u64 = 1_000;

/// Told the position reached and the last one.
pub type Progress<'a> = &'a mut dyn FnMut(Position, Position);

/// Name of an organization's log in its checkpoints.
#[must_use]
pub fn origin(org_id: OrgId) -> String {
    format!("ledgerline/orgs/{org_id}")
}

/// Custody of one organization's log. One process at a time may hold it.
#[derive(Debug)]
pub struct Custody {
    folder: PathBuf,
    org_id: OrgId,
    origin: String,
    key: CustodyKey,
    public: PublicKey,
    history: History,
    tiles: TileStore,
    /// The tree at the newest checkpoint; `None` when the tiles do not give its root.
    edge: Option<Edge>,
}

impl Custody {
    /// Opens the custody folder of an organization, which is made if it is not there.
    ///
    /// # Errors
    /// [`CustodyError::History`] if the checkpoints are damaged; [`CustodyError::Io`].
    pub fn open(folder: &Path, org_id: OrgId, key: CustodyKey) -> Result<Self, CustodyError> {
        let failed = |error| CustodyError::io(folder, error);
        fs::create_dir_all(folder).map_err(failed)?;
        let disk = OsDisk::open(folder).map_err(failed)?;
        let origin = origin(org_id);
        let public = PublicKey::parse(&key.vkey(&origin)).map_err(|error| CustodyError::Key {
            path: PathBuf::from(KEY_FILE),
            reason: error.to_string(),
        })?;
        let history = History::open(Arc::new(disk), &public)?;
        let mut this = Self {
            folder: folder.to_owned(),
            org_id,
            origin,
            key,
            public,
            history,
            tiles: TileStore::new(folder.to_owned()),
            edge: None,
        };
        this.edge = this.stored_edge();
        Ok(this)
    }

    /// Where it is kept; tiles are below it.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Name of the log in its checkpoints.
    #[must_use]
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// The public key as a C2SP verifier key: `name+id+key`.
    #[must_use]
    pub fn vkey(&self) -> String {
        self.key.vkey(&self.origin)
    }

    /// The public key, ready to verify with.
    #[must_use]
    pub const fn public_key(&self) -> &PublicKey {
        &self.public
    }

    /// Every checkpoint that was signed, oldest first.
    #[must_use]
    pub fn checkpoints(&self) -> &[Checkpoint] {
        self.history.all()
    }

    /// The newest checkpoint.
    #[must_use]
    pub fn newest(&self) -> Option<&Checkpoint> {
        self.history.newest()
    }

    fn size(&self) -> u64 {
        self.newest().map_or(0, |newest| newest.size)
    }

    fn of_this(&self, log: &dyn EventReader) -> Result<(), CustodyError> {
        let found = log.org_id();
        if found == self.org_id {
            return Ok(());
        }
        Err(CustodyError::WrongLog { found, expected: self.org_id })
    }

    /// The edge of the tree at the newest checkpoint, if the tiles give its root.
    fn stored_edge(&mut self) -> Option<Edge> {
        let Some(newest) = self.history.newest() else { return Some(Edge::default()) };
        let tiles = &mut self.tiles;
        let edge = Edge::load(newest.size, |id, width| {
            let hashes = tree::Tiles::tile(tiles, id, width)?;
            Ok(hashes.get(..width).unwrap_or(hashes).to_vec())
        });
        edge.ok().filter(|edge| edge.root().0 == newest.root.0)
    }

    /// Signs a checkpoint over the log as it is now, durably, and returns it. Reads the events since the
    /// last one only. If there are none, the last one is returned and nothing is signed.
    ///
    /// # Errors
    /// [`CustodyError::LogCut`] or [`CustodyError::LogChanged`] if the log does not continue the last
    /// checkpoint, as far as that is seen without reading all of it: [`verify::log()`] sees everything.
    pub fn checkpoint(
        &mut self,
        log: &dyn EventReader,
        progress: Progress<'_>,
    ) -> Result<Checkpoint, CustodyError> {
        self.of_this(log)?;
        let head = log.head();
        let size = self.size();
        if head.0 < size {
            return Err(CustodyError::LogCut { head, size });
        }
        if self.edge.is_none() {
            self.rebuild(log, progress)?;
        }
        if let Some(newest) = self.newest().filter(|newest| newest.size == head.0) {
            return Ok(newest.clone());
        }
        let edge = self.edge.clone().unwrap_or_default();
        let edge = self.grown(edge, log, head, progress)?;
        let text = format!("{}\n{}\n{}\n", self.origin, edge.size(), edge.root());
        let note = self.key.sign(&self.origin, &text);
        let checkpoint = Checkpoint::open(&note, &self.public).map_err(|error| {
            CustodyError::Key { path: PathBuf::from(KEY_FILE), reason: error.to_string() }
        })?;
        self.history.append(checkpoint.clone())?;
        self.edge = Some(edge);
        Ok(checkpoint)
    }

    /// The tree with the events up to `until` added. Its tiles are written.
    fn grown(
        &mut self,
        mut edge: Edge,
        log: &dyn EventReader,
        until: Position,
        progress: Progress<'_>,
    ) -> Result<Edge, CustodyError> {
        let tiles = &mut self.tiles;
        if edge.size() < until.0 {
            for event in log.scan(Position(edge.size())) {
                let event = event?;
                edge.push(leaf_hash(&event), |id, hashes| tiles.write_full(id, hashes))?;
                let at = edge.size();
                if at.is_multiple_of(PROGRESS_EVERY) || at == until.0 {
                    progress(Position(at), until);
                }
                if at == until.0 {
                    break;
                }
            }
        }
        if edge.size() != until.0 {
            return Err(CustodyError::LogCut { head: Position(edge.size()), size: until.0 });
        }
        for (id, hashes) in edge.partial() {
            tiles.write_partial(id, hashes)?;
        }
        Ok(edge)
    }

    /// Builds the tiles up to the newest checkpoint anew from the log.
    ///
    /// # Errors
    /// [`CustodyError::LogChanged`] if the log does not give the signed root: then the tiles are left as
    /// they were, as evidence.
    pub fn rebuild(
        &mut self,
        log: &dyn EventReader,
        progress: Progress<'_>,
    ) -> Result<(), CustodyError> {
        let Some((size, root)) = self.newest().map(|newest| (newest.size, newest.root)) else {
            self.edge = Some(Edge::default());
            return Ok(());
        };
        self.of_this(log)?;
        // First the root, then the tiles: what does not fit the checkpoint must not replace what may.
        let mut edge = Edge::default();
        let head = log.head();
        if head.0 < size {
            return Err(CustodyError::LogCut { head, size });
        }
        for event in log.scan(Position::START).take(usize::try_from(size).unwrap_or(usize::MAX)) {
            edge.push(leaf_hash(&event?), |_, _| Ok(()))?;
            if edge.size().is_multiple_of(PROGRESS_EVERY) {
                progress(Position(edge.size()), Position(size));
            }
        }
        if edge.size() != size || edge.root().0 != root.0 {
            return Err(CustodyError::LogChanged { size });
        }
        self.tiles.forget();
        self.edge = Some(self.grown(Edge::default(), log, Position(size), progress)?);
        Ok(())
    }
}

#[cfg(test)]
mod tests;
