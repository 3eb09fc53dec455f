//! A copy of one organization's log in a store, and a log made from it again.
//!
//! Sealed segments are kept as in an [`archive`](crate::archive): under the same names, with the same
//! manifest. They never change, so a repetition stores only what is new. Beside them lies the *tail*: the
//! durable part of the segment that was being written.
//!
//! ```text
//! orgs/<id>/manifest.json, orgs/<id>/segments/…         as in an archive
//! orgs/<id>/tail/<base>-<next>-<16 digits of SHA-256>.segz   the tail, packed, without a seal
//! ```
//!
//! What belongs together is said by a [`LogCopy`], which whoever makes the backup stores last.

mod restore;

use ledgerline_schemas::id::OrgId;
use ledgerline_schemas::{Position, Timestamp};
use serde::{Deserialize, Serialize};

pub use restore::{Restored, Until, restore};

use crate::archive::{Archive, ArchiveError, Archived, Depot};
use crate::files::LogFiles;
use crate::vault::layout::{hex, sha256};

/// Tries at a log that goes on to a new segment meanwhile.
const TRIES: usize = 100;

/// What of a log is in a store, at one moment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LogCopy {
    /// Position of the last event.
    pub head: Position,
    /// When the last append was recorded.
    pub last_recorded_at: Timestamp,
    /// Position after the sealed segments.
    pub sealed_until: u64,
    /// Link of the manifest's entry that ends there; empty without sealed segments.
    pub link: String,
    /// The durable part of the segment that was being written.
    pub tail: Option<Tail>,
}

/// The durable part of a segment that was being written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tail {
    /// Name of the object.
    pub object: String,
    /// Length of the object, bytes.
    pub bytes: u64,
    /// SHA-256 of the object, hexadecimal.
    pub sha256: String,
}

/// SHA-256 of a file, hexadecimal.
#[must_use]
pub fn sha256_hex(bytes: &[u8]) -> String {
    hex(&sha256(bytes))
}

fn tail_folder(org_id: OrgId) -> String {
    format!("orgs/{org_id}/tail/")
}

/// Copies what is new of a log to a store. The log may be written to meanwhile: what is in the copy was
/// durable, and is the beginning of the log.
///
/// # Errors
/// [`ArchiveError::OtherHistory`] if the store holds copies that are not of this log; [`ArchiveError`].
pub fn copy(
    depot: &Depot,
    org_id: OrgId,
    files: &LogFiles,
    now: Timestamp,
    progress: &mut dyn FnMut(Position, Position),
) -> Result<(LogCopy, Archived), ArchiveError> {
    let mut archive = Archive::open(depot.clone(), org_id)?;
    let mut archived = archive.run(files, now, progress)?;
    for _ in 0..TRIES {
        let base = files.end_of_sealed()?;
        if base != archive.manifest().next_position() {
            // A segment was sealed since: it belongs to the others.
            let more = archive.run(files, now, progress)?;
            archived.segments += more.segments;
            archived.bytes += more.bytes;
            continue;
        }
        let packed = match files.packed_tail(base) {
            Ok(packed) => packed,
            // It was sealed and packed since.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
            Err(error) => return Err(error.into()),
        };
        let facts = packed.layout.facts;
        if facts.org_id != org_id {
            return Err(ArchiveError::OtherHistory {
                store: depot.address().to_owned(),
                org_id,
                reason: format!("these are the files of organization {}", facts.org_id),
            });
        }
        let stored = match files.object(base, &packed) {
            Ok(stored) => stored,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
            Err(error) => return Err(error.into()),
        };
        let sha256 = hex(&sha256(&stored));
        let digits: String = sha256.chars().take(16).collect();
        let folder = tail_folder(org_id);
        let object = format!(
            "{folder}{:020}-{:020}-{digits}.segz",
            facts.base_position, facts.next_position
        );
        depot.put(&object, &stored)?;
        let last = archive.manifest().segments.last();
        let copy = LogCopy {
            head: Position(facts.next_position.saturating_sub(1)),
            last_recorded_at: match last {
                Some(last) if facts.next_position == facts.base_position => last.last_recorded_at,
                _ => facts.last_recorded_at,
            },
            sealed_until: base,
            link: last.map(|last| last.link.clone()).unwrap_or_default(),
            tail: Some(Tail { object, bytes: stored.len() as u64, sha256 }),
        };
        return Ok((copy, archived));
    }
    Err(std::io::Error::other("the log goes on to new segments faster than they are copied").into())
}

/// Removes tails that a copy no longer needs. Only after the copy was stored where a restore looks for it.
///
/// # Errors
/// [`ArchiveError`].
pub fn tidy(depot: &Depot, org_id: OrgId, copy: &LogCopy) -> Result<(), ArchiveError> {
    let needed = copy.tail.as_ref().map(|tail| tail.object.as_str());
    for object in depot.list(&tail_folder(org_id))? {
        if Some(object.as_str()) != needed {
            depot.remove(&object)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
