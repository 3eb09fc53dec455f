//! A log's folder made from its copy, up to a point.

use std::path::Path;
use std::sync::Arc;

use ledgerline_schemas::id::OrgId;
use ledgerline_schemas::{Position, Timestamp};

use super::LogCopy;
use crate::archive::manifest::Manifest;
use crate::archive::{ArchiveError, Depot, Fetched, fetch};
use crate::crypt::at_rest::StorageKeys;
use crate::disk::Disk;
use crate::disk::os::OsDisk;
use crate::disk::veil::{Veil, unveil_object};
use crate::fault::Faults;
use crate::segment::frame::Kind;
use crate::vault::contents::inspect;
use crate::vault::layout::{Facts, hex, sha256};
use crate::vault::{Form, Packed, unpack_all};

/// How far a log is restored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Until {
    /// All of it.
    End,
    /// Up to the last append that ends at or before this position.
    Position(Position),
    /// Up to the last append that was recorded at or before this time.
    Time(Timestamp),
}

impl Until {
    /// Whether an append is wanted.
    fn takes(self, last: u64, recorded_at: Timestamp) -> bool {
        match self {
            Self::End => true,
            Self::Position(position) => last <= position.0,
            Self::Time(time) => recorded_at <= time,
        }
    }

    /// Whether all of a segment is wanted; its times do not go back.
    fn takes_all(self, facts: &Facts) -> bool {
        self.takes(facts.next_position.saturating_sub(1), facts.last_recorded_at)
    }
}

/// What was restored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Restored {
    /// Position of the last event.
    pub head: Position,
    /// Segments.
    pub segments: u64,
    /// The append that holds the position asked for but ends behind it, so that it was left out: its first
    /// and last position.
    pub left_out: Option<(Position, Position)>,
    /// Whether there are encrypted segments among them.
    pub encrypted: bool,
}

/// Writes the log into an empty folder, durably. Every object is verified to the last frame before any of
/// it is written. `keys` open what is encrypted in the store, and encrypt it here with the one in force.
///
/// # Errors
/// [`ArchiveError`]; the folder holds a part of the log then.
pub fn restore(
    depot: &Depot,
    org_id: OrgId,
    copy: &LogCopy,
    until: Until,
    folder: &Path,
    keys: Option<&StorageKeys>,
    progress: &mut dyn FnMut(Position, Position),
) -> Result<Restored, ArchiveError> {
    if let Until::Position(wanted) = until
        && wanted > copy.head
    {
        return Err(ArchiveError::BehindEnd { wanted, head: copy.head });
    }
    let manifest = Manifest::load(depot, org_id)?;
    let sealed: Vec<_> = manifest
        .segments
        .iter()
        .take_while(|entry| entry.base_position < copy.sealed_until)
        .collect();
    let link = sealed.last().map_or("", |last| last.link.as_str());
    let end = sealed.last().map_or(1, |last| last.next_position);
    if link != copy.link || end != copy.sealed_until {
        return Err(ArchiveError::OtherHistory {
            store: depot.address().to_owned(),
            org_id,
            reason: "the manifest of its segments is not the one that was backed up".to_owned(),
        });
    }
    let clear = Arc::new(OsDisk::open(folder)?);
    let sealing = keys.map(|keys| keys.clone().sealing(true));
    let veil = Veil::new(Arc::clone(&clear) as _, sealing, Faults::default());
    // As in the store, so here.
    let disk = |encrypted: bool| -> &dyn Disk { if encrypted { &veil } else { &*clear } };
    let mut restored = Restored::default();
    let mut ended = false;
    let mut last = None;
    for entry in sealed {
        let Fetched { packed, raw, encrypted } = fetch(depot, entry, keys)?;
        let base = packed.layout.facts.base_position;
        let before = restored.segments;
        restored.encrypted |= encrypted;
        ended = write(disk(encrypted), &packed, &raw, until, &mut restored)?;
        if !ended {
            last = Some((base, raw, encrypted));
        } else if restored.segments > before {
            last = None;
        }
        progress(restored.head, copy.head);
        if ended {
            break;
        }
    }
    if let Some(tail) = copy.tail.as_ref().filter(|_| !ended) {
        let damaged =
            |reason: String| ArchiveError::Damaged { object: tail.object.clone(), reason };
        let bytes = depot.get(&tail.object)?;
        if hex(&sha256(&bytes)) != tail.sha256 {
            return Err(damaged("its SHA-256 is not the one of the backup".to_owned()));
        }
        let (bytes, encrypted) = unveil_object(keys, &tail.object, bytes)?;
        restored.encrypted |= encrypted;
        let (layout, raw) = unpack_all(&bytes).map_err(damaged)?;
        if layout.facts.base_position != copy.sealed_until || layout.facts.org_id != org_id {
            return Err(damaged("it does not follow the sealed segments".to_owned()));
        }
        let sealed = layout.facts.sealed;
        let before = restored.segments;
        let packed = Packed { bytes, layout };
        let ended = write(disk(encrypted), &packed, &raw, until, &mut restored)?;
        if sealed && !ended {
            last = Some((copy.sealed_until, raw, encrypted));
        } else if restored.segments > before {
            last = None;
        }
        progress(restored.head, copy.head);
    }
    if let Some((base, raw, encrypted)) = last {
        // The last segment of a log is never packed: opening makes its end durable by writing it again.
        file(disk(encrypted), &Form::Raw.name(base), &raw)?;
        clear.remove(&Form::Packed.name(base))?;
    }
    clear.sync_directory()?;
    Ok(restored)
}

/// Writes a segment as far as it is wanted; whether the point was reached.
fn write(
    disk: &dyn Disk,
    packed: &Packed,
    raw: &[u8],
    until: Until,
    restored: &mut Restored,
) -> Result<bool, ArchiveError> {
    let facts = &packed.layout.facts;
    let base = facts.base_position;
    if until.takes_all(facts) {
        if facts.sealed {
            file(disk, &Form::Packed.name(base), &packed.bytes)?;
        } else {
            file(disk, &Form::Raw.name(base), raw)?;
        }
        restored.head = Position(facts.next_position.saturating_sub(1));
        restored.segments += 1;
        return Ok(false);
    }
    let mut refused = None;
    let contents = inspect(raw, |frame| {
        let last = frame.next_position().saturating_sub(1);
        let recorded_at = Timestamp::from_micros(frame.head.recorded_at_micros);
        let taken = match frame.head.kind {
            Kind::Events => until.takes(last, recorded_at),
            Kind::Mark => true,
            Kind::Seal => false,
        };
        if !taken {
            refused = Some((frame.head.base_position, last));
        }
        taken
    })
    .map_err(|bad| ArchiveError::Damaged {
        object: Form::Raw.name(base),
        reason: format!("offset {}: {}", bad.offset, bad.reason),
    })?;
    let head = contents.next_position.saturating_sub(1);
    if let (Until::Position(wanted), Some((first, last))) = (until, refused)
        && first <= wanted.0
    {
        restored.left_out = Some((Position(first), Position(last)));
    }
    // A segment without events would be the first of a log that has none before it, or one too many.
    if head >= base || base == 1 {
        file(disk, &Form::Raw.name(base), raw.get(..contents.tail).unwrap_or(raw))?;
        restored.head = Position(head);
        restored.segments += 1;
    }
    Ok(true)
}

fn file(disk: &dyn Disk, name: &str, bytes: &[u8]) -> Result<(), ArchiveError> {
    let file = disk.create(name)?;
    file.write_at(bytes, 0)?;
    file.sync_data()?;
    Ok(())
}
