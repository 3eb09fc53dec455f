//! The data directory: what is in it, and that only one process uses it.
//!
//! ```text
//! DATA/ledgerline.json            marker: what this directory is
//! DATA/lock                       held by the process that uses it
//! DATA/keys.redb                  keys of personal data, wrapped
//! DATA/kek/                       keys that wrap them, unless DATA/kek-folder names another place
//! DATA/archive                    where sealed segments are archived, if anywhere
//! DATA/at-rest                    whether new files are encrypted; absent if none ever was
//! DATA/token.key, sql-users.json  tokens and database users
//! DATA/keys-until.json            up to which leader's keys this directory has them, where standbys copy keys
//! DATA/orgs/<id>/organization.json
//! DATA/orgs/<id>/log/             the log
//! DATA/orgs/<id>/tables/          projections
//! DATA/orgs/<id>/snapshots/       routing snapshots
//! DATA/orgs/<id>/webhooks/        how far each webhook has come
//! ```

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use ledgerline_event_store::crypt::KeyRing;
use ledgerline_schemas::id::{NAMESPACE, OrgId};
use serde::{Deserialize, Serialize};

use crate::failure::Failure;

const MARKER: &str = "ledgerline.json";
const FORMAT: u32 = 1;

#[derive(Debug, Serialize, Deserialize)]
struct Marker {
    format: u32,
    demo: bool,
}

#[derive(Debug, Serialize, Deserialize)]
struct OrganizationFile {
    org_id: OrgId,
    name: String,
}

/// A data directory.
#[derive(Clone, Debug)]
pub(crate) struct DataDir {
    root: PathBuf,
    /// The key ring of this directory, once somebody needed it: it can be opened once.
    ring: Arc<OnceLock<KeyRing>>,
}

/// Held while a process uses the directory.
#[derive(Debug)]
pub(crate) struct Held {
    _lock: File,
}

/// An organization found in the directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Known {
    pub(crate) org_id: OrgId,
    pub(crate) name: String,
}

fn trouble(path: &Path, error: &io::Error) -> Failure {
    Failure::file(format!("{}: {error}", path.display()))
}

impl DataDir {
    /// Opens a directory that must exist and be one of ours.
    pub(crate) fn existing(root: &Path) -> Result<Self, Failure> {
        let this = Self { root: root.to_owned(), ring: Arc::default() };
        if !root.is_dir() {
            return Err(Failure::file(format!("{}: there is no such directory", root.display())));
        }
        this.marker()?.ok_or_else(|| this.foreign())?;
        Ok(this)
    }

    /// Opens a directory; an absent or empty one becomes ours. `demo` must agree with what it is.
    pub(crate) fn create(root: &Path, demo: bool) -> Result<Self, Failure> {
        let this = Self { root: root.to_owned(), ring: Arc::default() };
        fs::create_dir_all(root).map_err(|error| trouble(root, &error))?;
        match this.marker()? {
            Some(marker) if marker.demo == demo => {}
            Some(_) if demo => {
                return Err(Failure::file(format!(
                    "{}: this is not a demo's data directory; the demo does not touch it",
                    root.display()
                )));
            }
            // A demo's directory may be looked at and served like any other.
            Some(_) => {}
            None => {
                let mut entries = fs::read_dir(root).map_err(|error| trouble(root, &error))?;
                if entries.next().is_some() {
                    return Err(this.foreign());
                }
                this.write(MARKER, &Marker { format: FORMAT, demo })?;
            }
        }
        Ok(this)
    }

    /// A directory that is being filled; nobody else takes it for ours before [`DataDir::mark`].
    pub(crate) fn unmarked(root: &Path) -> Self {
        Self { root: root.to_owned(), ring: Arc::default() }
    }

    /// Makes it ours.
    pub(crate) fn mark(&self) -> Result<(), Failure> {
        self.write(MARKER, &Marker { format: FORMAT, demo: false })
    }

    fn foreign(&self) -> Failure {
        Failure::file(format!(
            "{}: this directory is not empty and not Ledgerline's (no {MARKER} in it)",
            self.root.display()
        ))
    }

    fn marker(&self) -> Result<Option<Marker>, Failure> {
        let path = self.root.join(MARKER);
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(trouble(&path, &error)),
        };
        let marker: Marker = serde_json::from_str(&text)
            .map_err(|error| Failure::file(format!("{}: {error}", path.display())))?;
        if marker.format != FORMAT {
            return Err(Failure::file(format!(
                "{}: format {} is not known to this program (it knows {FORMAT})",
                path.display(),
                marker.format
            )));
        }
        Ok(Some(marker))
    }

    /// Remembers a path in a file of this name.
    pub(crate) fn remember(&self, name: &str, path: &Path) -> Result<(), Failure> {
        let text = path
            .to_str()
            .ok_or_else(|| Failure::config(format!("{}: the path is not UTF-8", path.display())))?;
        self.write_text(name, &format!("{text}\n"))
    }

    /// Remembers a word in a file of this name.
    pub(crate) fn note(&self, name: &str, word: &str) -> Result<(), Failure> {
        self.write_text(name, &format!("{word}\n"))
    }

    /// Writes a file of this name, whole or not at all, durably.
    pub(crate) fn write(&self, name: &str, value: &impl Serialize) -> Result<(), Failure> {
        self.write_text(name, &serde_json::to_string_pretty(value).map_err(Failure::software)?)
    }

    fn write_text(&self, name: &str, text: &str) -> Result<(), Failure> {
        let path = self.root.join(name);
        let aside = path.with_extension("partial");
        let write = || -> io::Result<()> {
            fs::write(&aside, text)?;
            File::open(&aside)?.sync_all()?;
            fs::rename(&aside, &path)?;
            path.parent().map_or(Ok(()), |parent| File::open(parent)?.sync_all())
        };
        write().map_err(|error| trouble(&path, &error))
    }

    /// Makes this process the only one that uses the directory.
    pub(crate) fn hold(&self) -> Result<Held, Failure> {
        let path = self.root.join("lock");
        let lock = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&path)
            .map_err(|error| trouble(&path, &error))?;
        match lock.try_lock() {
            Ok(()) => Ok(Held { _lock: lock }),
            Err(TryLockError::WouldBlock) => Err(Failure::busy(format!(
                "{}: another process uses this data directory; ask it with --server URL",
                self.root.display()
            ))),
            Err(TryLockError::Error(error)) => Err(trouble(&path, &error)),
        }
    }

    /// The place of the key ring of this directory.
    pub(crate) fn ring(&self) -> &OnceLock<KeyRing> {
        &self.ring
    }

    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// Folder of an organization, absolute: the query engine names table files by URL.
    pub(crate) fn organization_dir(&self, org_id: OrgId) -> PathBuf {
        let root = std::path::absolute(&self.root).unwrap_or_else(|_| self.root.clone());
        root.join("orgs").join(org_id.to_string())
    }

    /// The organization of this name, made if it is not there.
    pub(crate) fn make_organization(&self, name: &str) -> Result<Known, Failure> {
        if let Some(known) = self.organizations()?.into_iter().find(|known| known.name == name) {
            return Ok(known);
        }
        let valid = !name.is_empty()
            && name.len() <= 63
            && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte));
        if !valid {
            return Err(Failure::config(format!(
                "organization name {name:?}: 1 to 63 letters, digits, '-', '_' or '.'"
            )));
        }
        let org_id = OrgId::derived(NAMESPACE, &format!("organization:{name}"));
        self.name_organization(org_id, name)
    }

    /// Makes the folder of an organization.
    pub(crate) fn name_organization(&self, org_id: OrgId, name: &str) -> Result<Known, Failure> {
        let dir = self.organization_dir(org_id);
        fs::create_dir_all(&dir).map_err(|error| trouble(&dir, &error))?;
        let file = OrganizationFile { org_id, name: name.to_owned() };
        self.write(&format!("orgs/{org_id}/organization.json"), &file)?;
        Ok(Known { org_id, name: name.to_owned() })
    }

    /// Every organization, by name.
    pub(crate) fn organizations(&self) -> Result<Vec<Known>, Failure> {
        let orgs = self.root.join("orgs");
        let entries = match fs::read_dir(&orgs) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(trouble(&orgs, &error)),
        };
        let mut found = Vec::new();
        for entry in entries.flatten() {
            let path = entry.path().join("organization.json");
            let Ok(text) = fs::read_to_string(&path) else { continue };
            let file: OrganizationFile = serde_json::from_str(&text)
                .map_err(|error| Failure::file(format!("{}: {error}", path.display())))?;
            found.push(Known { org_id: file.org_id, name: file.name });
        }
        found.sort_by(|left, right| left.name.cmp(&right.name));
        Ok(found)
    }

    /// The organization of this name or id; without one, the only one there is.
    pub(crate) fn choose(&self, wanted: Option<&str>) -> Result<Known, Failure> {
        let all = self.organizations()?;
        let names = || all.iter().map(|known| known.name.as_str()).collect::<Vec<_>>().join(", ");
        match wanted {
            Some(wanted) => all
                .iter()
                .find(|known| known.name == wanted || known.org_id.to_string() == wanted)
                .cloned()
                .ok_or_else(|| {
                    Failure::data(format!(
                        "no organization {wanted:?} here; there are: {}",
                        names()
                    ))
                }),
            None => match all.as_slice() {
                [only] => Ok(only.clone()),
                [] => Err(Failure::data(format!(
                    "{}: there is no organization yet",
                    self.root.display()
                ))),
                _ => Err(Failure::data(format!("say which organization with --org: {}", names()))),
            },
        }
    }

    /// The chosen organization, or all.
    pub(crate) fn choose_or_all(&self, wanted: Option<&str>) -> Result<Vec<Known>, Failure> {
        match wanted {
            Some(wanted) => self.choose(Some(wanted)).map(|known| vec![known]),
            None => self.organizations(),
        }
    }
}
