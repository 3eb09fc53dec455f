//! The key ring of a data directory, wherever its key-encryption keys are.
//!
//! Where they are is remembered in the directory (`kek-folder`), so that commands which read no
//! configuration find them too.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ledgerline_event_store::crypt::kek::FileKeyring;
use ledgerline_event_store::crypt::{CryptError, KEK_FOLDER, KeyRing};

use crate::data_dir::DataDir;
use crate::failure::Failure;

const REMEMBERED: &str = "kek-folder";

fn remembered(data: &DataDir) -> Result<Option<PathBuf>, Failure> {
    let path = data.root().join(REMEMBERED);
    match fs::read_to_string(&path) {
        Ok(text) => Ok(Some(PathBuf::from(text.trim_end_matches('\n')))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Failure::file(format!("{}: {error}", path.display()))),
    }
}

/// The folder of the key-encryption keys.
pub(crate) fn folder(data: &DataDir) -> Result<PathBuf, Failure> {
    Ok(remembered(data)?.unwrap_or_else(|| data.root().join(KEK_FOLDER)))
}

/// Opens the key ring. `configured` is the folder of KEKs that the configuration names; without one it is
/// the remembered one, or `kek/` in the data directory.
pub(crate) fn open(data: &DataDir, configured: Option<&Path>) -> Result<KeyRing, Failure> {
    let remembered = remembered(data)?;
    let chosen = configured.map(|folder| {
        std::path::absolute(folder)
            .map_err(|error| Failure::config(format!("keys.kek_folder: {error}")))
    });
    let chosen = chosen.transpose()?;
    let folder = chosen
        .clone()
        .or_else(|| remembered.clone())
        .unwrap_or_else(|| data.root().join(KEK_FOLDER));
    let keyring = Arc::new(FileKeyring::in_directory(&folder));
    let keys = KeyRing::open_with(data.root(), keyring).map_err(|error| match error {
        CryptError::Locked { .. } => Failure::busy(error),
        error => Failure::file(error),
    })?;
    // Only once it is known to be the right folder.
    if chosen.is_some() && chosen != remembered {
        data.remember(REMEMBERED, &folder)?;
    }
    Ok(keys)
}
