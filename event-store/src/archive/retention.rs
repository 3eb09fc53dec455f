//! Which segments may be dropped here because the archive has them, and dropping them.

use ledgerline_schemas::Timestamp;

use super::manifest::unhex;
use super::{Archive, ArchiveError, Fetched, fetch};
use crate::files::LogFiles;
use crate::vault::{Ends, Stub};

const DAY_MICROS: i64 = 86_400_000_000;

/// What stays here although the archive has it. Without a limit nothing is dropped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Retention {
    /// So many of the newest sealed segments stay.
    pub keep_segments: Option<u64>,
    /// Segments with an event of the last so many days stay.
    pub keep_days: Option<u64>,
}

/// A segment that is, or is about to be, in the archive only.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dropped {
    /// Position of its first event.
    pub base_position: u64,
    /// Position after its last event.
    pub next_position: u64,
    /// Bytes it took here.
    pub local_bytes: u64,
    /// Name of the object that holds it now.
    pub object: String,
    /// SHA-256 of the object, hexadecimal.
    pub sha256: String,
}

impl Retention {
    /// Whether anything is ever dropped.
    #[must_use]
    pub const fn drops(&self) -> bool {
        self.keep_segments.is_some() || self.keep_days.is_some()
    }

    /// Whether a segment with this many sealed ones behind it may go.
    fn lets_go(&self, newer: u64, last_recorded_at: Timestamp, now: Timestamp) -> bool {
        let old_enough = self.keep_days.is_none_or(|days| {
            let micros = i64::try_from(days).unwrap_or(i64::MAX).saturating_mul(DAY_MICROS);
            last_recorded_at.micros() < now.micros().saturating_sub(micros)
        });
        self.drops() && old_enough && self.keep_segments.is_none_or(|keep| newer >= keep)
    }
}

impl Archive {
    /// Drops what the retention lets go, oldest first. Before each drop, the object is read once more and
    /// compared with the segment here byte for byte, and `record` is called; if it fails, nothing is
    /// dropped.
    ///
    /// # Errors
    /// [`ArchiveError`]. What was dropped before stays dropped.
    pub fn drop_local(
        &mut self,
        files: &LogFiles,
        retention: Retention,
        now: Timestamp,
        record: &mut dyn FnMut(&Dropped) -> Result<(), String>,
    ) -> Result<Vec<Dropped>, ArchiveError> {
        let mut gone = Vec::new();
        let sealed = files.sealed()?;
        let count = sealed.len() as u64;
        for (base, newer) in sealed.into_iter().zip((0..count).rev()) {
            let Some(entry) = self.manifest.entry(base).cloned() else { break };
            if !retention.lets_go(newer, entry.last_recorded_at, now) {
                break;
            }
            if files.is_archived(base)? {
                files.complete_stub(base)?;
                continue;
            }
            let Fetched { packed, raw, .. } = fetch(&self.depot, &entry, files.keys())?;
            let (local_bytes, here) = files.raw(base)?;
            if here != raw {
                return Err(self.other_history(base));
            }
            let ends = Ends::of(&raw).map_err(|bad| ArchiveError::Damaged {
                object: entry.object.clone(),
                reason: format!("offset {} of the segment: {}", bad.offset, bad.reason),
            })?;
            let dropped = Dropped {
                base_position: base,
                next_position: entry.next_position,
                local_bytes,
                object: entry.object.clone(),
                sha256: entry.sha256.clone(),
            };
            record(&dropped).map_err(ArchiveError::Record)?;
            // What was fetched has it.
            let sha256 = unhex(&entry.sha256).unwrap_or_default();
            files.drop_local(&Stub {
                dropped_at: now,
                object: entry.object,
                sha256,
                ends: Some(ends),
                layout: packed.layout,
            })?;
            tracing::info!(
                base,
                next = dropped.next_position,
                bytes = local_bytes,
                object = %dropped.object,
                sha256 = %dropped.sha256,
                "a segment is in the archive only"
            );
            gone.push(dropped);
        }
        Ok(gone)
    }
}
