//! What a backup of a data directory says about itself: `backup.json`, stored last.
//!
//! ```text
//! backup.json               this
//! orgs/<id>/…               the logs, see `event-store/src/backup`
//! keys/<SHA-256>            files with keys, only if asked for
//! ```

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use ledgerline_event_store::archive::{ArchiveError, Depot};
use ledgerline_event_store::backup::LogCopy;
use ledgerline_schemas::Timestamp;
use ledgerline_schemas::id::OrgId;
use serde::{Deserialize, Serialize};

use crate::failure::Failure;
use crate::storage::failed;

const OBJECT: &str = "backup.json";
const FORMAT: u32 = 1;
/// Prefix of the objects with keys.
pub(crate) const KEYS: &str = "keys/";

/// A backup of a data directory.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct BackupSet {
    format: u32,
    pub(crate) taken_at: Timestamp,
    pub(crate) organizations: Vec<OrganizationCopy>,
    /// Files with keys; none unless asked for.
    pub(crate) keys: Vec<KeyFile>,
}

/// One organization in it.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct OrganizationCopy {
    pub(crate) org_id: OrgId,
    pub(crate) name: String,
    pub(crate) log: LogCopy,
    /// Public key of the checkpoints, as a C2SP verifier key.
    pub(crate) vkey: Option<String>,
    /// Every signed checkpoint, as in the custody folder.
    pub(crate) checkpoints: String,
}

/// A file with keys.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct KeyFile {
    /// Where it belongs, below the data directory.
    pub(crate) path: String,
    pub(crate) object: String,
    /// Of its contents, hexadecimal.
    pub(crate) sha256: String,
}

impl BackupSet {
    pub(crate) const fn new(
        taken_at: Timestamp,
        organizations: Vec<OrganizationCopy>,
        keys: Vec<KeyFile>,
    ) -> Self {
        Self { format: FORMAT, taken_at, organizations, keys }
    }

    /// The backup in a store.
    pub(crate) fn load(depot: &Depot) -> Result<Self, Failure> {
        let bytes = depot.find(OBJECT).map_err(failed)?.ok_or_else(|| {
            failed(ArchiveError::NoBackup {
                store: depot.address().to_owned(),
                reason: format!("there is no {OBJECT} in it"),
            })
        })?;
        let set: Self = serde_json::from_slice(&bytes)
            .map_err(|error| Failure::file(format!("{OBJECT} is damaged: {error}")))?;
        if set.format != FORMAT {
            return Err(Failure::data(format!(
                "{OBJECT}: format {} is not known to this program (it knows {FORMAT})",
                set.format
            )));
        }
        Ok(set)
    }

    pub(crate) fn store(&self, depot: &Depot) -> Result<(), Failure> {
        let text = serde_json::to_vec_pretty(self).map_err(Failure::software)?;
        depot.put(OBJECT, &text).map_err(failed)
    }
}

/// The files with keys of a data directory: where they belong in it, and where they are.
pub(crate) fn key_files(root: &Path, kek_folder: &Path) -> io::Result<Vec<(String, PathBuf)>> {
    let mut found = Vec::new();
    for name in ["keys.redb", "custody.key", "token.key", "sql-users.json"] {
        let path = root.join(name);
        if path.is_file() {
            found.push((name.to_owned(), path));
        }
    }
    below(kek_folder, "kek", &mut found)?;
    Ok(found)
}

fn below(folder: &Path, name: &str, found: &mut Vec<(String, PathBuf)>) -> io::Result<()> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    for entry in entries {
        let entry = entry?;
        let own = format!("{name}/{}", entry.file_name().to_string_lossy());
        if entry.file_type()?.is_dir() {
            below(&entry.path(), &own, found)?;
        } else {
            found.push((own, entry.path()));
        }
    }
    Ok(())
}
