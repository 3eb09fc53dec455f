//! Exchanges: files of a table replaced by others that hold the same rows of the same positions, or those of
//! them that are still kept.
//!
//! Many small files become one large one when they are merged; one that was lost becomes the files of its
//! commits again when it is mended. Rows that are no longer kept are left out of the file that comes, or no file
//! comes; nobody is shown them any more by then. None of this changes a row that is shown, so an exchange has no
//! position of its own, and the chain of commits knows nothing of it. Exchanges are a chain beside it, written by one thread. Each names the
//! newest commit it rests on by its hash: where the chain of commits goes another way, it does not count.

use ledgerline_schemas::Position;
use serde::{Deserialize, Serialize};

use crate::chain::{self, Link};
use crate::error::ProjectionError;
use crate::manifest::{FileEntry, Generation};
use crate::store::Store;

/// Files exchanged for others with the same rows. Written once, never changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Exchange {
    /// Number of the exchange, from 1.
    pub(crate) seq: u64,
    /// SHA-256 of the exchange before, lower-case hex; absent in the first.
    pub(crate) prev_sha256: Option<String>,
    /// The table.
    pub(crate) table: String,
    /// Number of the newest commit whose rows are in the files, or in whose state rows are no longer kept.
    pub(crate) commit: u64,
    /// SHA-256 of its manifest, lower-case hex.
    pub(crate) commit_sha256: String,
    /// Names of the files that are no longer part of the table.
    pub(crate) remove: Vec<String>,
    /// The files that are instead, in the order of their positions.
    pub(crate) add: Vec<PlacedEntry>,
    /// Checksum of the record itself.
    pub(crate) checksum: String,
}

/// A file with the rows that became final in the commits of the positions in `(from, to]`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct PlacedEntry {
    /// After this position …
    pub(crate) from: Position,
    /// … up to this one.
    pub(crate) to: Position,
    /// The file.
    pub(crate) file: FileEntry,
}

impl Link for Exchange {
    fn seq(&self) -> u64 {
        self.seq
    }

    fn prev_sha256(&self) -> Option<&str> {
        self.prev_sha256.as_deref()
    }

    fn checksum(&mut self) -> &mut String {
        &mut self.checksum
    }
}

impl Exchange {
    /// Name of a file that an exchange adds: no other exchange and no commit has a file of this name.
    pub(crate) fn file_name(from: Position, to: Position, seq: u64) -> String {
        format!("{:020}-{:020}-x{seq}.parquet", from.0, to.0)
    }

    /// Makes the exchange true.
    ///
    /// # Errors
    /// As [`chain::append`].
    pub(crate) fn publish(
        &mut self,
        store: &dyn Store,
        generation: &Generation,
    ) -> Result<String, ProjectionError> {
        chain::append(store, &generation.exchanges(), self)
    }

    /// All exchanges of a generation that follow each other without a break, with the hash of each.
    ///
    /// # Errors
    /// [`ProjectionError::Io`].
    pub(crate) fn chain(
        store: &dyn Store,
        generation: &Generation,
    ) -> Result<Vec<(Self, String)>, ProjectionError> {
        chain::read(store, &generation.exchanges())
    }
}
