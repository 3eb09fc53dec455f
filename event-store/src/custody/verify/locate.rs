//! Finding the first event that differs from a checkpoint, with a copy of the checkpoint's tiles.

use std::path::Path;

use ledgerline_schemas::{Position, Recorded};

use super::finding::{Exact, How};
use super::leaf::{of, of_moved};
use super::note::Checkpoint;
use super::tiles::{LeafHashes, belong_to};
use super::tree::Root;
use crate::log::EventReader;

/// How far a moved event is looked for.
const REACH: u64 = 64;

/// The first difference behind `after`, where `tiles` are those of the checkpoint. `None` when they are
/// not, or when the log cannot be read.
pub(super) fn exact(
    reader: &dyn EventReader,
    checkpoint: &Checkpoint,
    tiles: &Path,
    after: Position,
) -> Option<Exact> {
    if !belong_to(tiles, checkpoint.size, checkpoint.root) {
        return None;
    }
    let mut signed = LeafHashes::new(tiles, checkpoint.size, after.0);
    let mut events = reader.scan(after);
    let mut position = after.0;
    let mut first: Option<(Vec<Root>, Vec<Recorded>)> = None;
    let (mut first_at, mut differing) = (0, 0);
    while position < checkpoint.size {
        position += 1;
        let hash = signed.next()?;
        let event = match events.next() {
            Some(event) => event.ok()?,
            None => break,
        };
        let differs = of(&event) != hash;
        differing += u64::from(differs);
        match &mut first {
            None if differs => {
                first_at = position;
                first = Some((vec![hash], vec![event]));
            }
            Some((hashes, events)) if (hashes.len() as u64) <= REACH => {
                hashes.push(hash);
                events.push(event);
            }
            _ => {}
        }
    }
    let Some((mut hashes, mut window)) = first else {
        let position = Position(reader.head().0.max(after.0) + 1);
        return Some(Exact { position, differing: 0, how: None });
    };
    // What is only on one side is needed too: the end of the signed tree, or of a longer log.
    let short = |length: usize| (length as u64) <= REACH;
    while short(hashes.len()) {
        let Some(hash) = signed.next() else { break };
        hashes.push(hash);
    }
    while short(window.len()) {
        let Some(Ok(event)) = events.next() else { break };
        window.push(event);
    }
    let how = how(first_at, &hashes, &window);
    Some(Exact { position: Position(first_at), differing, how: Some(how) })
}

/// What happened at the first of these events, given the hashes that were signed from there on.
fn how(first_at: u64, hashes: &[Root], events: &[Recorded]) -> How {
    let (Some(signed), Some(stands)) = (hashes.first(), events.first()) else {
        return How::Edited;
    };
    // Renumbering changes versions along with positions, by as many events of the stream as moved past.
    let was_at = |event: &Recorded, position: u64, hash: &Root, up: bool| {
        let version = event.header.version.0;
        let reach = position.abs_diff(event.header.position.0);
        (0..=reach).any(|by| {
            let version = if up { version.checked_add(by) } else { version.checked_sub(by) };
            version.is_some_and(|version| of_moved(event, position, version) == *hash)
        })
    };
    let ahead = || (1..).zip(hashes.iter().skip(1)).map(|(by, hash)| (first_at + by, hash));
    let behind = || (1..).zip(events.iter().skip(1)).map(|(by, event)| (first_at + by, event));
    let from = ahead().find(|(at, hash)| was_at(stands, *at, hash, true)).map(|(at, _)| at);
    let to = behind().find(|(_, event)| was_at(event, first_at, signed, false)).map(|(at, _)| at);
    match (from, to) {
        (Some(from), Some(to)) if from == to => How::Swapped(Position(to)),
        (Some(from), None) => How::Deleted(from - first_at),
        (None, Some(to)) => How::Inserted(to - first_at),
        (Some(_), Some(to)) => How::Moved(Position(to)),
        (None, None) => How::Edited,
    }
}
