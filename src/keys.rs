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
const KEY_FILE: &str = "keys.redb";
/// Copies of a key file that is written to meanwhile, until one can be read.
const COPIES: usize = 5;

/// What of a data directory may be there before a restore: the keys that belong to the backup.
pub(crate) const GIVEN: [&str; 3] = [KEY_FILE, KEK_FOLDER, REMEMBERED];

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

/// Whether there is a key file.
pub(crate) fn are_there(data: &DataDir) -> bool {
    data.root().join(KEY_FILE).is_file()
}

/// A key ring over a copy of the key file, for commands that read beside a server, which has the file itself;
/// `None`: there is no key file. What is made in it is lost, so it is for opening only.
pub(crate) fn open_copy(data: &DataDir) -> Result<Option<KeyRing>, Failure> {
    if !are_there(data) {
        return Ok(None);
    }
    let path = data.root().join(KEY_FILE);
    let unreadable = |error: io::Error| Failure::file(format!("{}: {error}", path.display()));
    let keyring = Arc::new(FileKeyring::in_directory(&kek_folder(data, None)?));
    let mut last = None;
    for _ in 0..COPIES {
        // Readable by the owner only, and gone again once it is open.
        let folder = tempfile::tempdir().map_err(unreadable)?;
        fs::copy(&path, folder.path().join(KEY_FILE)).map_err(unreadable)?;
        match KeyRing::open_with(folder.path(), keyring.clone()) {
            Ok(ring) => return Ok(Some(ring)),
            // It may have been copied in the middle of a commit.
            Err(error) => last = Some(error),
        }
    }
    last.map_or(Ok(None), |error| Err(Failure::file(format!("{}: {error}", path.display()))))
}
