//! Whether the files of a data directory are encrypted at rest.
//!
//! What `serve` was told is remembered in the directory (`at-rest`), so that commands which read no
//! configuration write their files the same way. A directory that was never encrypted has no such file, and
//! its key file is opened by nobody who does not need it otherwise.

use std::fs;
use std::io;
use std::path::Path;
use std::sync::Arc;

use ledgerline_event_store::crypt::at_rest::{ClearFiles, FileCipher, StorageKeys};
use ledgerline_schemas::id::OrgId;

use crate::data_dir::DataDir;
use crate::failure::Failure;
use crate::keys;

const REMEMBERED: &str = "at-rest";
const ON: &str = "on";
const OFF: &str = "off";

/// Takes what the configuration says; without a word there it stays as it was. `kek_folder` is the folder of KEKs
/// that it names: where anything is or will be encrypted, the keys are opened, for the log needs them first of all.
pub(crate) fn configure(
    data: &DataDir,
    wanted: Option<bool>,
    kek_folder: Option<&Path>,
) -> Result<(), Failure> {
    let remembered = remembered(data)?;
    if wanted == Some(true) || remembered.is_some() {
        keys::open(data, kek_folder)?;
    }
    match (wanted, remembered) {
        (Some(true), Some(true)) | (Some(false), None | Some(false)) | (None, _) => {}
        (Some(true), _) => data.note(REMEMBERED, ON)?,
        (Some(false), Some(true)) => data.note(REMEMBERED, OFF)?,
    }
    let on = wanted.or(remembered).unwrap_or_default();
    let absolute = |path: &Path| std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    if on && absolute(&keys::kek_folder(data, None)?).starts_with(absolute(data.root())) {
        tracing::warn!(
            "files are encrypted, but the key-encryption keys are in the data directory as well: who takes \
             it whole can read it; set keys.kek_folder"
        );
    }
    Ok(())
}

/// What is remembered; `None`: nothing was ever encrypted here.
fn remembered(data: &DataDir) -> Result<Option<bool>, Failure> {
    let path = data.root().join(REMEMBERED);
    match fs::read_to_string(&path).map(|text| text.trim_end().to_owned()) {
        Ok(text) if text == ON => Ok(Some(true)),
        Ok(text) if text == OFF => Ok(Some(false)),
        Ok(text) => Err(unknown(&path, &text)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Failure::file(format!("{}: {error}", path.display()))),
    }
}

fn unknown(path: &Path, text: &str) -> Failure {
    Failure::file(format!("{}: {text:?} is neither {ON:?} nor {OFF:?}", path.display()))
}

/// The storage keys of an organization; `None`: nothing was ever encrypted here.
pub(crate) fn storage_keys(data: &DataDir, org: OrgId) -> Result<Option<StorageKeys>, Failure> {
    let Some(on) = remembered(data)? else { return Ok(None) };
    Ok(Some(StorageKeys::new(keys::open(data, None)?, org, on)))
}

/// The storage keys for reading beside a server that has the key file open; `None`: there are none.
pub(crate) fn storage_keys_beside(
    data: &DataDir,
    org: OrgId,
) -> Result<Option<StorageKeys>, Failure> {
    let Some(on) = remembered(data)? else { return Ok(None) };
    Ok(keys::open_copy(data)?.map(|ring| StorageKeys::new(ring, org, on)))
}

/// The storage keys that a restored directory was given, if it was given any.
pub(crate) fn restored_keys(data: &DataDir, org: OrgId) -> Result<Option<StorageKeys>, Failure> {
    if !keys::are_there(data) {
        return Ok(None);
    }
    Ok(Some(StorageKeys::new(keys::open(data, None)?, org, true)))
}

/// Whether files that are written from now on are encrypted.
pub(crate) fn is_on(data: &DataDir) -> Result<bool, Failure> {
    Ok(remembered(data)? == Some(true))
}

/// Says of a directory that was made just now that files in it are encrypted.
pub(crate) fn turned_on(data: &DataDir) -> Result<(), Failure> {
    data.note(REMEMBERED, ON)
}

/// How the files of an organization are written and read.
pub(crate) fn cipher(data: &DataDir, org: OrgId) -> Result<Arc<dyn FileCipher>, Failure> {
    Ok(match storage_keys(data, org)? {
        Some(keys) => Arc::new(keys),
        None => Arc::new(ClearFiles),
    })
}
