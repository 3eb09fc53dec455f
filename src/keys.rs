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

/// The folder that the configuration names, the remembered one, or `kek/` in the data directory.
pub(crate) fn kek_folder(data: &DataDir, configured: Option<&Path>) -> Result<PathBuf, Failure> {
    if let Some(folder) = configured {
        return std::path::absolute(folder)
            .map_err(|error| Failure::config(format!("keys.kek_folder: {error}")));
    }
    Ok(remembered(data)?.unwrap_or_else(|| data.root().join(KEK_FOLDER)))
}

fn remembered(data: &DataDir) -> Result<Option<PathBuf>, Failure> {
    let path = data.root().join(REMEMBERED);
    match fs::read_to_string(&path) {
        Ok(text) => Ok(Some(PathBuf::from(text.trim_end_matches('\n')))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Failure::file(format!("{}: {error}", path.display()))),
    }
}

/// The key ring, opened if it is not open yet. `configured` is the folder of KEKs that the configuration names.
pub(crate) fn open(data: &DataDir, configured: Option<&Path>) -> Result<KeyRing, Failure> {
    if let Some(ring) = data.ring().get() {
        return Ok(ring.clone());
    }
    let folder = kek_folder(data, configured)?;
    let keyring = Arc::new(FileKeyring::in_directory(&folder));
    let keys = KeyRing::open_with(data.root(), keyring).map_err(|error| match error {
        CryptError::Locked { .. } => Failure::busy(error),
        error => Failure::file(error),
    })?;
    // Only once it is known to be the right folder.
    if configured.is_some() && remembered(data)?.as_ref() != Some(&folder) {
        data.remember(REMEMBERED, &folder)?;
    }
    Ok(data.ring().get_or_init(|| keys).clone())
}
