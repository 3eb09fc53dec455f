//! Manifests: which files are part of the tables, commit by commit. They are always in clear: they hold names,
//! positions, sizes and hashes, and no value of any row.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ledgerline_schemas::Position;
use ledgerline_schemas::id::{KeyId, OrgId};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::blocks::Blocks;
use crate::chain::{self, Link};
use crate::error::ProjectionError;
use crate::store::Store;

/// One commit: the tables went from `from` to `to`. Written once, never changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Manifest {
    /// Number of the commit, from 1.
    pub(crate) seq: u64,
    /// SHA-256 of the manifest before, lower-case hex; absent in the first.
    pub(crate) prev_sha256: Option<String>,
    /// Version of the folds.
    pub(crate) fold_version: u32,
    /// The organization.
    pub(crate) org_id: OrgId,
    /// The commit contains events after this position …
    pub(crate) from: Position,
    /// … up to this one.
    pub(crate) to: Position,
    /// Files added, by table.
    pub(crate) add: BTreeMap<String, FileEntry>,
    /// What the folds remember at `to`, and the rows that are not final yet.
    pub(crate) state: FileEntry,
    /// Checksum of the record itself.
    pub(crate) checksum: String,
}

impl Link for Manifest {
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

/// A file of a commit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct FileEntry {
    /// Name in its folder.
    pub(crate) name: String,
    /// Rows in it; 0 for a state.
    pub(crate) rows: u64,
    /// Size, bytes.
    pub(crate) bytes: u64,
    /// SHA-256, lower-case hex; of an encrypted file as it lies on disk.
    pub(crate) sha256: String,
    /// Storage key it is encrypted with; absent: it is in clear.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) key_id: Option<KeyId>,
    /// Checksums of its blocks, of a table's file that is in clear.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) blocks: Option<Blocks>,
}

/// What a table's file is called when it is encrypted: the same in every generation.
pub(crate) fn table_place(table: &str, name: &str) -> String {
    format!("tables/{table}/{name}")
}

/// What a state is called when it is encrypted.
pub(crate) fn state_place(name: &str) -> String {
    format!("tables/state/{name}")
}

/// SHA-256 in lower-case hex.
pub(crate) fn sha256(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    Sha256::digest(bytes).iter().fold(String::with_capacity(64), |mut text, byte| {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// Where the files of one generation of tables are.
#[derive(Clone, Debug)]
pub(crate) struct Generation {
    pub(crate) number: u64,
    pub(crate) dir: PathBuf,
}

impl Generation {
    /// The folder of a generation.
    pub(crate) fn new(root: &Path, number: u64) -> Self {
        Self { number, dir: root.join(format!("g{number}")) }
    }

    pub(crate) fn manifests(&self) -> PathBuf {
        self.dir.join("manifest")
    }

    pub(crate) fn exchanges(&self) -> PathBuf {
        self.dir.join("exchange")
    }

    pub(crate) fn states(&self) -> PathBuf {
        self.dir.join("state")
    }

    pub(crate) fn table(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }
}

/// Writes a file that must not exist yet, so that it is either there whole or not at all.
pub(crate) fn publish(store: &dyn Store, path: &Path, bytes: &[u8]) -> Result<(), ProjectionError> {
    let failed = |error: std::io::Error| ProjectionError::io(path, &error);
    let draft = path.with_extension("draft");
    store.remove(&draft).map_err(failed)?;
    store.create(&draft, bytes).map_err(failed)?;
    store.rename(&draft, path).map_err(failed)?;
    path.parent().map_or(Ok(()), |dir| store.sync_dir(dir).map_err(failed))
}

impl Manifest {
    /// Makes the commit true.
    ///
    /// # Errors
    /// As [`chain::append`].
    pub(crate) fn publish(
        &mut self,
        store: &dyn Store,
        generation: &Generation,
    ) -> Result<String, ProjectionError> {
        chain::append(store, &generation.manifests(), self)
    }

    /// All manifests of a generation that follow each other without a break, with the hash of each.
    ///
    /// # Errors
    /// [`ProjectionError::Io`].
    pub(crate) fn chain(
        store: &dyn Store,
        generation: &Generation,
    ) -> Result<Vec<(Self, String)>, ProjectionError> {
        let mut chain = chain::read::<Self>(store, &generation.manifests())?;
        let mut at = Position::START;
        let whole = chain.iter().take_while(|(manifest, _)| {
            let follows = manifest.from == at && manifest.to > at;
            at = manifest.to;
            follows
        });
        let whole = whole.count();
        chain.truncate(whole);
        Ok(chain)
    }

    /// Name of the state's file at a position.
    pub(crate) fn state_name(to: Position) -> String {
        format!("{:020}.msgpack", to.0)
    }

    /// Name of a table's file of the positions `(from, to]`.
    pub(crate) fn file_name(from: Position, to: Position) -> String {
        format!("{:020}-{:020}.parquet", from.0, to.0)
    }
}

const CURRENT: &str = "current";

/// The generation in force; none if there are no tables yet.
///
/// # Errors
/// [`ProjectionError::Io`], or [`ProjectionError::Damaged`] if the file that names it says nothing.
pub(crate) fn current(
    store: &dyn Store,
    root: &Path,
) -> Result<Option<Generation>, ProjectionError> {
    let path = root.join(CURRENT);
    let bytes = match store.read(&path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        other => other.map_err(|error| ProjectionError::io(&path, &error))?,
    };
    let number = std::str::from_utf8(&bytes).ok().and_then(|text| text.trim().parse().ok());
    let number = number.ok_or_else(|| ProjectionError::Damaged {
        path,
        reason: "it names no generation of tables".to_owned(),
    })?;
    Ok(Some(Generation::new(root, number)))
}

/// The newest generation whose folder is there: any will do where the file that names one is damaged, for
/// each holds tables that were true, and the log brings them forward.
///
/// # Errors
/// [`ProjectionError::Io`].
pub(crate) fn newest(
    store: &dyn Store,
    root: &Path,
) -> Result<Option<Generation>, ProjectionError> {
    let names = store.list(root).map_err(|error| ProjectionError::io(root, &error))?;
    let number = |name: &String| name.strip_prefix('g').and_then(|number| number.parse().ok());
    Ok(names.iter().filter_map(number).max().map(|number| Generation::new(root, number)))
}

/// Puts a generation in force, in one step.
///
/// # Errors
/// [`ProjectionError::Io`].
pub(crate) fn set_current(
    store: &dyn Store,
    root: &Path,
    generation: &Generation,
) -> Result<(), ProjectionError> {
    publish(store, &root.join(CURRENT), format!("{}\n", generation.number).as_bytes())
}

/// The store as everything here shares it.
pub(crate) type SharedStore = Arc<dyn Store>;
