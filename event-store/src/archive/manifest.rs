//! Which sealed segments of an organization a store holds: `orgs/<id>/manifest.json`.
//!
//! Entries are chained: `link` is SHA-256 over the link before it (zeros before the first), the SHA-256 of
//! the object, and base and next position as 8 bytes each, big endian. Whoever knows the last link knows
//! them all.

use ledgerline_schemas::Timestamp;
use ledgerline_schemas::id::OrgId;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::depot::Depot;
use super::error::ArchiveError;
use crate::vault::layout::{Facts, Layout, Sha, hex};

const FORMAT: u32 = 1;
/// The link before the first.
const START: Sha = [0; 32];

/// One sealed segment in a store.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// Name of the object.
    pub object: String,
    /// Position of its first event.
    pub base_position: u64,
    /// Position after its last event.
    pub next_position: u64,
    /// Length of the object, bytes.
    pub bytes: u64,
    /// Length of the segment file, bytes.
    pub raw_bytes: u64,
    /// SHA-256 of the object, hexadecimal.
    pub sha256: String,
    /// SHA-256 of the segment file, hexadecimal.
    pub raw_sha256: String,
    /// When the first append in it was recorded.
    pub first_recorded_at: Timestamp,
    /// When the last append in it was recorded.
    pub last_recorded_at: Timestamp,
    /// When the copy was verified.
    pub archived_at: Timestamp,
    /// Chain over all entries up to this one, hexadecimal.
    pub link: String,
}

impl Entry {
    /// Events in it.
    #[must_use]
    pub const fn events(&self) -> u64 {
        self.next_position.saturating_sub(self.base_position)
    }

    /// Whether this is the segment with these facts.
    pub(crate) fn is_of(&self, facts: &Facts) -> bool {
        self.base_position == facts.base_position
            && self.next_position == facts.next_position
            && self.raw_sha256 == hex(&facts.raw_sha256)
    }
}

/// The sealed segments in a store, oldest first, without gaps.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    format: u32,
    /// Whose log it is.
    pub org_id: OrgId,
    /// The segments.
    pub segments: Vec<Entry>,
}

fn name(org_id: OrgId) -> String {
    format!("orgs/{org_id}/manifest.json")
}

fn link(before: &[u8], sha256: &Sha, base: u64, next: u64) -> Sha {
    let hash = Sha256::new().chain_update(before).chain_update(sha256);
    hash.chain_update(base.to_be_bytes()).chain_update(next.to_be_bytes()).finalize().into()
}

/// Bytes of 64 hexadecimal digits.
pub(crate) fn unhex(text: &str) -> Option<Sha> {
    let mut bytes = [0; 32];
    if text.len() != 64 {
        return None;
    }
    for (byte, at) in bytes.iter_mut().zip((0..64).step_by(2)) {
        *byte = u8::from_str_radix(text.get(at..at + 2)?, 16).ok()?;
    }
    Some(bytes)
}

impl Manifest {
    pub(crate) const fn new(org_id: OrgId) -> Self {
        Self { format: FORMAT, org_id, segments: Vec::new() }
    }

    /// The manifest in a store; empty if there is none.
    pub(crate) fn load(depot: &Depot, org_id: OrgId) -> Result<Self, ArchiveError> {
        let object = name(org_id);
        let Some(bytes) = depot.find(&object)? else { return Ok(Self::new(org_id)) };
        let damaged = |reason: String| ArchiveError::Damaged { object: object.clone(), reason };
        let manifest: Self =
            serde_json::from_slice(&bytes).map_err(|error| damaged(error.to_string()))?;
        if manifest.format != FORMAT {
            return Err(damaged(format!("format {} is not known", manifest.format)));
        }
        if manifest.org_id != org_id {
            return Err(damaged(format!("it is of organization {}", manifest.org_id)));
        }
        manifest.check().map_err(damaged)?;
        Ok(manifest)
    }

    fn check(&self) -> Result<(), String> {
        let (mut next, mut before) = (1, START);
        for entry in &self.segments {
            if entry.base_position != next || entry.next_position < next {
                return Err(format!(
                    "the entry at position {} does not follow",
                    entry.base_position
                ));
            }
            let linked = unhex(&entry.sha256)
                .map(|sha256| link(&before, &sha256, next, entry.next_position));
            let linked = linked.filter(|linked| hex(linked) == entry.link);
            before = linked.ok_or_else(|| format!("the link at position {next} does not fit"))?;
            next = entry.next_position;
        }
        Ok(())
    }

    pub(crate) fn store(&self, depot: &Depot) -> Result<(), ArchiveError> {
        let object = name(self.org_id);
        let text = serde_json::to_vec_pretty(self).map_err(|error| ArchiveError::Damaged {
            object: object.clone(),
            reason: error.to_string(),
        })?;
        depot.put(&object, &text)
    }

    /// Position after the last event in it.
    #[must_use]
    pub fn next_position(&self) -> u64 {
        self.segments.last().map_or(1, |last| last.next_position)
    }

    /// The entry of the segment that begins with this position.
    #[must_use]
    pub fn entry(&self, base_position: u64) -> Option<&Entry> {
        let at = self.segments.partition_point(|entry| entry.base_position < base_position);
        self.segments.get(at).filter(|entry| entry.base_position == base_position)
    }

    /// Adds the segment that follows.
    pub(crate) fn push(
        &mut self,
        object: String,
        (bytes, sha256): (u64, &Sha),
        layout: &Layout,
        now: Timestamp,
    ) {
        let facts = &layout.facts;
        let before = self.segments.last().and_then(|last| unhex(&last.link)).unwrap_or(START);
        self.segments.push(Entry {
            object,
            base_position: facts.base_position,
            next_position: facts.next_position,
            bytes,
            raw_bytes: facts.raw_bytes,
            sha256: hex(sha256),
            raw_sha256: hex(&facts.raw_sha256),
            first_recorded_at: facts.first_recorded_at,
            last_recorded_at: facts.last_recorded_at,
            archived_at: now,
            link: hex(&link(&before, sha256, facts.base_position, facts.next_position)),
        });
    }
}
