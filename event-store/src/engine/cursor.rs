//! How far a mirror has read, so that opening it does not begin at the first entry.
//!
//! The file may be old, and may be lost: then more is read again. It is not believed before the engine shows
//! the same last entries: one that acknowledges from memory may have lost them and have others there now.

use std::collections::VecDeque;
use std::path::Path;

use ledgerline_schemas::id::OrgId;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::carrier::Offset;
use super::entry::Writer;
use super::marker::replace;
use super::rule::{Holder, Rule};
use crate::custody::Hash;

/// The file in the log's directory.
pub(crate) const CURSOR_FILE: &str = "mirror-cursor.json";
const FORMAT: u32 = 1;
/// Entries that are compared with the engine's.
const TAIL_ENTRIES: usize = 64;

/// Hashes of the last entries that were read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tail(VecDeque<u64>);

/// The first 64 bits of SHA-256. Not CRC32C: an entry ends with its own, and the CRC of bytes with their CRC
/// behind them is the same for all.
pub(crate) fn print(entry: &[u8]) -> u64 {
    let [a, b, c, d, e, f, g, h, ..] = Hash::of(entry).0;
    u64::from_be_bytes([a, b, c, d, e, f, g, h])
}

impl Tail {
    pub(crate) fn push(&mut self, entry: &[u8]) {
        if self.0.len() == TAIL_ENTRIES {
            self.0.pop_front();
        }
        self.0.push_back(print(entry));
    }

    pub(crate) fn prints(&self) -> impl Iterator<Item = u64> + '_ {
        self.0.iter().copied()
    }

    pub(crate) fn len(&self) -> u64 {
        self.0.len() as u64
    }
}

/// A place in a carrier and what follows from everything before it.
#[derive(Clone, Debug)]
pub(crate) struct Saved {
    pub(crate) next: Offset,
    pub(crate) rule: Rule,
    pub(crate) tail: Tail,
}

#[derive(Debug, Serialize, Deserialize)]
struct Stored {
    format: u32,
    next_offset: u64,
    epoch: u64,
    holder: Option<StoredHolder>,
    next_position: u64,
    tail: Vec<u64>,
}

#[derive(Debug, Serialize, Deserialize)]
struct StoredHolder {
    epoch: u64,
    owner: Uuid,
    node: Uuid,
    lease_ms: u32,
}

/// Saves a place. The log must hold durably everything that was accepted before it.
pub(crate) fn save(
    directory: &Path,
    next: Offset,
    rule: &Rule,
    tail: &Tail,
) -> std::io::Result<()> {
    let stored = Stored {
        format: FORMAT,
        next_offset: next.0,
        epoch: rule.epoch(),
        holder: rule.holder().map(|holder| StoredHolder {
            epoch: holder.writer.epoch,
            owner: holder.writer.owner,
            node: holder.node,
            lease_ms: holder.lease_ms,
        }),
        next_position: rule.next_position(),
        tail: tail.prints().collect(),
    };
    let text = serde_json::to_string(&stored).map_err(std::io::Error::other)?;
    let crc = crc32c::crc32c(text.as_bytes());
    replace(directory, CURSOR_FILE, format!("{text}\n{crc:08x}\n").as_bytes())
}

/// The place that was saved last. `None` when there is none, or it is damaged.
pub(crate) fn load(directory: &Path, org_id: OrgId) -> Option<Saved> {
    let text = std::fs::read_to_string(directory.join(CURSOR_FILE)).ok()?;
    let (text, crc) = text.trim_end().rsplit_once('\n')?;
    if u32::from_str_radix(crc, 16).ok()? != crc32c::crc32c(text.as_bytes()) {
        return None;
    }
    let stored: Stored = serde_json::from_str(text).ok()?;
    if stored.format != FORMAT || stored.tail.len() > TAIL_ENTRIES {
        return None;
    }
    let holder = stored.holder.map(|holder| Holder {
        writer: Writer { epoch: holder.epoch, owner: holder.owner },
        node: holder.node,
        lease_ms: holder.lease_ms,
    });
    Some(Saved {
        next: Offset(stored.next_offset),
        rule: Rule::resume(org_id, stored.epoch, holder, stored.next_position),
        tail: Tail(stored.tail.into()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_with_their_own_checksum_have_different_prints() {
        let with_crc = |text: &[u8]| {
            let mut entry = text.to_vec();
            entry.extend_from_slice(&crc32c::crc32c(text).to_le_bytes());
            entry
        };
        assert_ne!(print(&with_crc(b"one")), print(&with_crc(b"two")));
    }

    #[test]
    fn a_saved_place_comes_back_and_a_damaged_one_does_not() {
        let org_id = OrgId::from_u128(3);
        let directory = tempfile::tempdir().unwrap();
        assert!(load(directory.path(), org_id).is_none());
        let holder = Holder {
            writer: Writer { epoch: 4, owner: Uuid::from_u128(5) },
            node: Uuid::from_u128(6),
            lease_ms: 7,
        };
        let rule = Rule::resume(org_id, 4, Some(holder), 99);
        let mut tail = Tail::default();
        (0..100_u8).for_each(|number| tail.push(&[number]));
        save(directory.path(), Offset(200), &rule, &tail).unwrap();
        let saved = load(directory.path(), org_id).unwrap();
        assert_eq!((saved.next, saved.tail), (Offset(200), tail));
        assert_eq!((saved.rule.epoch(), saved.rule.holder()), (4, Some(holder)));
        assert_eq!(saved.rule.next_position(), 99);
        let path = directory.path().join(CURSOR_FILE);
        let whole = std::fs::read(&path).unwrap();
        for bit in 0..whole.len() * 8 {
            let mut bad = whole.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            std::fs::write(&path, &bad).unwrap();
            let Some(saved) = load(directory.path(), org_id) else { continue };
            // What is harmless: the case of a digit, the line end.
            assert_eq!(saved.next, Offset(200), "bit {bit}");
            assert_eq!(saved.rule.next_position(), 99, "bit {bit}");
        }
    }
}
