//! Reading what a commit wrote: its tables' files, its state.

use std::path::Path;

use ledgerline_event_store::crypt::at_rest::{FileCipher, SEALED_HEAD_BYTES, SealedFile};

use crate::error::ProjectionError;
use crate::fold::Fold;
use crate::manifest::{FileEntry, Generation, Manifest, sha256, state_place, table_place};
use crate::snapshot::ColdFile;
use crate::store::{Files, Store};
use crate::table::TableDef;
use crate::tables;

/// The files that a commit added, each as long as its manifest says.
///
/// # Errors
/// [`ProjectionError::Io`], [`ProjectionError::Damaged`] or [`ProjectionError::Cipher`].
pub(crate) fn cold_files(
    files: &Files,
    generation: &Generation,
    manifest: &Manifest,
) -> Result<Vec<(&'static TableDef, ColdFile)>, ProjectionError> {
    let Files { store, cipher } = files;
    for (path, bytes) in manifest.files(generation) {
        let size = store.size(&path).map_err(|error| ProjectionError::io(&path, &error))?;
        if size != bytes {
            let reason = format!("it has {size} bytes, its manifest says {bytes}");
            return Err(ProjectionError::Damaged { path, reason });
        }
    }
    let mut found = Vec::new();
    for (table, file) in &manifest.add {
        let Some(def) = tables::ALL.iter().find(|def| def.name == table) else { continue };
        let path = generation.table(table).join(&file.name);
        let sealed = match file.key_id {
            None => None,
            Some(_) => Some(sealed_file(&**store, &**cipher, table, &path, file)?),
        };
        let bytes = sealed.as_ref().map_or(file.bytes, SealedFile::plain_bytes);
        found.push((def, ColdFile { path, rows: file.rows, bytes, sealed }));
    }
    Ok(found)
}

/// How an encrypted file of a table is read.
fn sealed_file(
    store: &dyn Store,
    cipher: &dyn FileCipher,
    table: &str,
    path: &Path,
    file: &FileEntry,
) -> Result<SealedFile, ProjectionError> {
    let damaged = |reason: &str| ProjectionError::Damaged {
        path: path.to_owned(),
        reason: reason.to_owned(),
    };
    let head = store
        .read_head(path, SEALED_HEAD_BYTES)
        .map_err(|error| ProjectionError::io(path, &error))?;
    let sealed = cipher
        .open(&table_place(table, &file.name), &head, file.bytes)
        .map_err(ProjectionError::cipher(path))?
        .ok_or_else(|| damaged("it is not encrypted, its manifest says it is"))?;
    if Some(sealed.key_id()) != file.key_id {
        return Err(damaged("its head does not fit its manifest"));
    }
    Ok(sealed)
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
