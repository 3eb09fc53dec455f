//! The files of a commit, made from what is in memory.

use std::path::Path;

use arrow::record_batch::RecordBatch;
use ledgerline_event_store::crypt::at_rest::{FileCipher, SealedFile, Stored};
use ledgerline_schemas::Position;

use crate::blocks::Blocks;
use crate::cold;
use crate::error::ProjectionError;
use crate::exchange::PlacedEntry;
use crate::fold::Fold;
use crate::layout::{self, Placed};
use crate::lease::Lease;
use crate::manifest::{FileEntry, Generation, Manifest, sha256, state_place, table_place};
use crate::snapshot::ColdFile;
use crate::store::Files;
use crate::table::TableDef;

/// A file to be written.
#[derive(Debug)]
pub(crate) struct Encoded {
    pub(crate) bytes: Vec<u8>,
    sha256: String,
    pub(crate) plain_bytes: u64,
    pub(crate) sealed: Option<SealedFile>,
    /// Of a table's file in clear.
    pub(crate) blocks: Option<Blocks>,
}

impl Encoded {
    /// A state.
    fn of(
        plain: Vec<u8>,
        path: &Path,
        place: &str,
        cipher: &dyn FileCipher,
    ) -> Result<Self, ProjectionError> {
        let plain_bytes = plain.len() as u64;
        let Stored { bytes, sealed } =
            cipher.seal(place, plain).map_err(ProjectionError::cipher(path))?;
        Ok(Self { sha256: sha256(&bytes), bytes, plain_bytes, sealed, blocks: None })
    }

    /// What the folds remember at a position.
    ///
    /// # Errors
    /// [`ProjectionError::Cipher`].
    pub(crate) fn of_state(
        plain: Vec<u8>,
        generation: &Generation,
        to: Position,
        cipher: &dyn FileCipher,
    ) -> Result<Self, ProjectionError> {
        let name = Manifest::state_name(to);
        Self::of(plain, &generation.states().join(&name), &state_place(&name), cipher)
    }

    /// Rows of a table, in the order of its files, as their Parquet file.
    ///
    /// # Errors
    /// [`ProjectionError::Encode`], [`ProjectionError::Cipher`].
    pub(crate) fn of_rows(
        def: &'static TableDef,
        rows: &RecordBatch,
        generation: &Generation,
        name: &str,
        cipher: &dyn FileCipher,
    ) -> Result<Self, ProjectionError> {
        Self::of_table(cold::encode_batch(def, rows)?, generation, def.name, name, cipher)
    }

    /// The Parquet file of a table.
    ///
    /// # Errors
    /// [`ProjectionError::Cipher`].
    pub(crate) fn of_table(
        plain: Vec<u8>,
        generation: &Generation,
        table: &str,
        name: &str,
        cipher: &dyn FileCipher,
    ) -> Result<Self, ProjectionError> {
        let path = layout::path(generation, table, name);
        let mut encoded = Self::of(plain, &path, &table_place(table, name), cipher)?;
        if encoded.sealed.is_none() {
            encoded.blocks = Some(Blocks::of(&encoded.bytes));
        }
        Ok(encoded)
    }

    /// Its entry in the manifest.
    pub(crate) fn entry(&self, name: String, rows: u64) -> FileEntry {
        FileEntry {
            name,
            rows,
            bytes: self.bytes.len() as u64,
            sha256: self.sha256.clone(),
            key_id: self.sealed.as_ref().map(SealedFile::key_id),
            blocks: self.blocks.clone(),
        }
    }

    /// Writes the file of a table so that it is durable, and gives it as a part of the layout.
    ///
    /// # Errors
    /// [`ProjectionError::Io`].
    pub(crate) fn placed(
        self,
        files: &Files,
        generation: &Generation,
        table: &str,
        entry: PlacedEntry,
    ) -> Result<Placed, ProjectionError> {
        let PlacedEntry { from, to, file: entry } = entry;
        let (dir, path) = (generation.table(table), layout::path(generation, table, &entry.name));
        write(files, &dir, &path, &self.bytes)?;
        let file = ColdFile {
            rows: entry.rows,
            bytes: self.plain_bytes,
            sealed: self.sealed,
            blocks: self.blocks,
            until: None,
            lease: Lease::new(&files.store, path.clone()),
            path,
        };
        Ok(Placed { from, to, entry, file })
    }
}

/// Writes a new file so that it is durable.
///
/// # Errors
/// [`ProjectionError::Io`].
pub(crate) fn write(
    files: &Files,
    dir: &Path,
    path: &Path,
    bytes: &[u8],
) -> Result<(), ProjectionError> {
    let failed = |error: std::io::Error| ProjectionError::io(path, &error);
    files.store.create(path, bytes).map_err(failed)?;
    files.store.sync_dir(dir).map_err(failed)
}

/// Everything the folds remember, as a state keeps it.
///
/// # Errors
/// [`ProjectionError::Damaged`] when it cannot be written down.
pub(crate) fn state(fold: &Fold) -> Result<Vec<u8>, ProjectionError> {
    rmp_serde::to_vec(fold).map_err(|error| ProjectionError::Damaged {
        path: Manifest::state_name(fold.position).into(),
        reason: error.to_string(),
    })
}
