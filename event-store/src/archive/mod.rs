//! Copies of sealed segments in object storage, and segments that are there only.
//!
//! ```text
//! orgs/<id>/manifest.json                                which segments there are, chained
//! orgs/<id>/segments/<base>-<next>-<16 digits of SHA-256>.segz   a packed segment, as in the log's folder
//! ```
//!
//! **Invariants**
//!
//! * An entry is in the manifest after its object was stored and read back whole, never before.
//! * A segment is dropped only after its object was read once more and unpacked to the very bytes here, and
//!   after whoever drops it has recorded so.
//! * What is read from an archive is held against hashes that were made here.
//! * Of a segment that is encrypted here, or would be if it were written now, the object is encrypted as well, in the
//!   same form as a file of the log. The hash of an object is that of what is stored, so that copies can be compared
//!   without keys; what is in it can be verified with them only.

mod depot;
mod error;
pub(crate) mod manifest;
mod retention;
#[cfg(test)]
pub(crate) mod testing;

use std::collections::BTreeMap;

use ledgerline_schemas::id::OrgId;
use ledgerline_schemas::{Position, Timestamp};

pub use depot::Depot;
pub use error::ArchiveError;
pub use manifest::{Entry, Manifest};
pub use retention::{Dropped, Retention};

use crate::crypt::at_rest::StorageKeys;
use crate::disk::veil::unveil_object;
use crate::files::LogFiles;
use crate::vault::layout::{Sha, hex, sha256};
use crate::vault::{Packed, unpack_all};

/// What became of the sealed segments of a log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Archived {
    /// Segments that were stored now.
    pub segments: u64,
    /// Bytes of their objects.
    pub bytes: u64,
    /// Segments that were there before.
    pub before: u64,
}

/// What a verification of an archive went through.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct VerifiedArchive {
    /// Segments.
    pub segments: u64,
    /// Events.
    pub events: u64,
    /// Bytes of the objects.
    pub bytes: u64,
}

/// The copies of one organization's sealed segments in a store. One process at a time may add to them.
#[derive(Debug)]
pub struct Archive {
    depot: Depot,
    manifest: Manifest,
    /// Base positions of the segments here that were held against the manifest.
    compared: BTreeMap<u64, Sha>,
}

/// Name of the object of a sealed segment.
fn object_name(packed: &Packed, sha256: &Sha) -> String {
    let facts = &packed.layout.facts;
    let (org_id, base, next) = (facts.org_id, facts.base_position, facts.next_position);
    let digits: String = hex(sha256).chars().take(16).collect();
    format!("orgs/{org_id}/segments/{base:020}-{next:020}-{digits}.segz")
}

impl Archive {
    /// Opens the archive of an organization.
    ///
    /// # Errors
    /// [`ArchiveError`].
    pub fn open(depot: Depot, org_id: OrgId) -> Result<Self, ArchiveError> {
        let manifest = Manifest::load(&depot, org_id)?;
        Ok(Self { depot, manifest, compared: BTreeMap::new() })
    }

    /// Which segments it holds.
    #[must_use]
    pub const fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// The store.
    #[must_use]
    pub const fn depot(&self) -> &Depot {
        &self.depot
    }

    fn other_history(&self, base: u64) -> ArchiveError {
        ArchiveError::OtherHistory {
            store: self.depot.address().to_owned(),
            org_id: self.manifest.org_id,
            reason: format!("the segment at position {base} is another one there"),
        }
    }

    /// Stores every sealed segment that is not there yet, oldest first, each verified by reading it back.
    /// May be interrupted and repeated at any time. `progress` is told the position reached and the last.
    ///
    /// # Errors
    /// [`ArchiveError::OtherHistory`] if the store holds segments that are not of this log.
    pub fn run(
        &mut self,
        files: &LogFiles,
        now: Timestamp,
        progress: &mut dyn FnMut(Position, Position),
    ) -> Result<Archived, ArchiveError> {
        let sealed = files.sealed()?;
        let until = Position(files.end_of_sealed()?.saturating_sub(1));
        let mut archived = Archived::default();
        for base in sealed {
            if let Some(entry) = self.manifest.entry(base).cloned() {
                archived.before += 1;
                if !self.compared.contains_key(&base) && !files.is_archived(base)? {
                    let packed = files.packed(base)?;
                    if !entry.is_of(&packed.layout.facts) {
                        return Err(self.other_history(base));
                    }
                    self.compared.insert(base, packed.layout.facts.raw_sha256);
                }
                progress(Position(entry.next_position - 1), until);
                continue;
            }
            if base != self.manifest.next_position() {
                return Err(self.other_history(base));
            }
            let packed = files.packed(base)?;
            if packed.layout.facts.org_id != self.manifest.org_id {
                return Err(self.other_history(base));
            }
            let stored = files.object(base, &packed)?;
            let (bytes, sha256) = (stored.len() as u64, sha256(&stored));
            let object = object_name(&packed, &sha256);
            self.depot.put(&object, &stored)?;
            self.manifest.push(object, (bytes, &sha256), &packed.layout, now);
            self.manifest.store(&self.depot)?;
            self.compared.insert(base, packed.layout.facts.raw_sha256);
            archived.segments += 1;
            archived.bytes += bytes;
            progress(Position(packed.layout.facts.next_position - 1), until);
        }
        Ok(archived)
    }

    /// Reads every object and verifies it to the last frame. `keys` open those that are encrypted.
    ///
    /// # Errors
    /// [`ArchiveError`] naming the first bad object, or the key that it needs.
    pub fn verify(
        &self,
        keys: Option<&StorageKeys>,
        progress: &mut dyn FnMut(Position, Position),
    ) -> Result<VerifiedArchive, ArchiveError> {
        let mut verified = VerifiedArchive::default();
        let until = Position(self.manifest.next_position() - 1);
        for entry in &self.manifest.segments {
            fetch(&self.depot, entry, keys)?;
            verified.segments += 1;
            verified.events += entry.events();
            verified.bytes += entry.bytes;
            progress(Position(entry.next_position - 1), until);
        }
        Ok(verified)
    }
}

impl Archive {
    /// Holds the segments in a log's folder, and the stubs of those that are not, against the manifest; how
    /// many there were. Packed and raw segments are read and verified.
    ///
    /// # Errors
    /// [`ArchiveError::OtherHistory`] naming the first that is another one.
    pub fn compare(&self, files: &LogFiles) -> Result<u64, ArchiveError> {
        let mut compared = 0;
        for base in files.sealed()? {
            let Some(entry) = self.manifest.entry(base) else { continue };
            let same = match files.stub_sha256(base)? {
                Some(sha256) => hex(&sha256) == entry.sha256,
                None => entry.is_of(&files.packed(base)?.layout.facts),
            };
            if !same {
                return Err(self.other_history(base));
            }
            compared += 1;
        }
        Ok(compared)
    }
}

/// A segment from a store.
pub(crate) struct Fetched {
    pub(crate) packed: Packed,
    /// The segment file.
    pub(crate) raw: Vec<u8>,
    /// Whether the object is encrypted.
    pub(crate) encrypted: bool,
}

/// A segment's object, whole and verified: hashes, blocks, every frame.
pub(crate) fn fetch(
    depot: &Depot,
    entry: &Entry,
    keys: Option<&StorageKeys>,
) -> Result<Fetched, ArchiveError> {
    let damaged = |reason: String| ArchiveError::Damaged { object: entry.object.clone(), reason };
    let bytes = depot.get(&entry.object)?;
    if hex(&sha256(&bytes)) != entry.sha256 {
        return Err(damaged("its SHA-256 is not the one in the manifest".to_owned()));
    }
    let (bytes, encrypted) = unveil_object(keys, &entry.object, bytes)?;
    let (layout, raw) = unpack_all(&bytes).map_err(damaged)?;
    if !entry.is_of(&layout.facts) {
        return Err(damaged("it is not the segment that the manifest says".to_owned()));
    }
    Ok(Fetched { packed: Packed { bytes, layout }, raw, encrypted })
}

#[cfg(test)]
mod tests;
