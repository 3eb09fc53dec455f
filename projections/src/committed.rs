//! Reading what a commit wrote: its tables' files, its state.

use bytes::Bytes;
use ledgerline_event_store::crypt::at_rest::{SEALED_HEAD_BYTES, SealedFile};

use crate::error::ProjectionError;
use crate::exchange::PlacedEntry;
use crate::fold::Fold;
use crate::layout::{self, Placed};
use crate::lease::Lease;
use crate::manifest::{FileEntry, Generation, Manifest, sha256, state_place, table_place};
use crate::snapshot::ColdFile;
use crate::store::Files;

/// A file of a table, as far as its manifest tells; the disk is not looked at but for the head of an encrypted
/// file.
///
/// # Errors
/// [`ProjectionError::Io`], [`ProjectionError::Damaged`] or [`ProjectionError::Cipher`].
pub(crate) fn placed(
    files: &Files,
    generation: &Generation,
    table: &str,
    entry: PlacedEntry,
) -> Result<Placed, ProjectionError> {
    let PlacedEntry { from, to, file: entry } = entry;
    let path = layout::path(generation, table, &entry.name);
    let size = files.store.size(&path).map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => {
            ProjectionError::Damaged { path: path.clone(), reason: "it is not there".to_owned() }
        }
        _ => ProjectionError::io(&path, &error),
    })?;
    if size != entry.bytes {
        let reason = format!("it has {size} bytes, its manifest says {}", entry.bytes);
        return Err(ProjectionError::Damaged { path, reason });
    }
    let sealed = match entry.key_id {
        None => None,
        Some(_) => Some(sealed_file(files, generation, table, &entry)?),
    };
    let file = ColdFile {
        rows: entry.rows,
        bytes: sealed.as_ref().map_or(entry.bytes, SealedFile::plain_bytes),
        sealed,
        blocks: entry.blocks.clone(),
        until: None,
        lease: Lease::new(&files.store, path.clone()),
        path,
    };
    Ok(Placed { from, to, entry, file })
}

/// How an encrypted file of a table is read.
fn sealed_file(
    files: &Files,
    generation: &Generation,
    table: &str,
    file: &FileEntry,
) -> Result<SealedFile, ProjectionError> {
    let path = layout::path(generation, table, &file.name);
    let damaged =
        |reason: &str| ProjectionError::Damaged { path: path.clone(), reason: reason.to_owned() };
    let head = files
        .store
        .read_head(&path, SEALED_HEAD_BYTES)
        .map_err(|error| ProjectionError::io(&path, &error))?;
    let sealed = files
        .cipher
        .open(&table_place(table, &file.name), &head, file.bytes)
        .map_err(ProjectionError::cipher(&path))?
        .ok_or_else(|| damaged("it is not encrypted, its manifest says it is"))?;
    if Some(sealed.key_id()) != file.key_id {
        return Err(damaged("its head does not fit its manifest"));
    }
    Ok(sealed)
}

/// The content of a file, if it is, byte for byte, what was written.
///
/// # Errors
/// [`ProjectionError::Damaged`] when it is not, or is not there; [`ProjectionError::Io`] when it cannot be
/// read; [`ProjectionError::Cipher`].
pub(crate) fn verified(files: &Files, placed: &Placed) -> Result<Bytes, ProjectionError> {
    let path = &placed.file.path;
    let damaged =
        |reason: &str| ProjectionError::Damaged { path: path.clone(), reason: reason.to_owned() };
    let bytes = files.store.read(path).map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => damaged("it is not there"),
        _ => ProjectionError::io(path, &error),
    })?;
    if sha256(&bytes) != placed.entry.sha256 {
        return Err(damaged("its hash is not what its manifest says"));
    }
    let bytes = match &placed.file.sealed {
        Some(sealed) => sealed.open_whole(bytes).map_err(ProjectionError::cipher(path))?,
        None => bytes,
    };
    Ok(bytes.into())
}

/// What the folds remembered at a commit.
///
/// # Errors
/// [`ProjectionError::Io`], [`ProjectionError::Damaged`] or [`ProjectionError::Cipher`].
pub(crate) fn load_state(
    files: &Files,
    generation: &Generation,
    manifest: &Manifest,
) -> Result<Fold, ProjectionError> {
    let name = &manifest.state.name;
    let path = generation.states().join(name);
    let bytes = files.store.read(&path).map_err(|error| ProjectionError::io(&path, &error))?;
    let damaged = |reason: String| ProjectionError::Damaged { path: path.clone(), reason };
    if sha256(&bytes) != manifest.state.sha256 {
        return Err(damaged("its hash is not what its manifest says".to_owned()));
    }
    let bytes = files
        .cipher
        .open_whole(&state_place(name), bytes)
        .map_err(ProjectionError::cipher(&path))?;
    rmp_serde::from_slice(&bytes).map_err(|error| damaged(error.to_string()))
}
