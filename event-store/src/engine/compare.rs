//! Whether an engine and a log hold the same, position by position.

use std::path::Path;
use std::sync::Arc;

use ledgerline_schemas::id::OrgId;
use ledgerline_schemas::{Position, Recorded};

use super::carrier::{Carrier, Offset};
use super::cursor::{Saved, Tail};
use super::error::EngineError;
use super::marker::remove_marker;
use super::reader::Reader;
use super::rule::{Rule, Verdict};
use crate::custody::{Hash, leaf_hash};
use crate::embedded::{EmbeddedLog, Options, Purpose};
use crate::log::EventReader;

/// What an engine and a log hold, side by side. The leaf hashes of all positions both have are equal; a
/// position where they are not is an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Compared {
    /// Events in the log.
    pub log_events: u64,
    /// Events that count in the engine.
    pub engine_events: u64,
    /// Root of the RFC 6962 tree over the log.
    pub log_root: Hash,
    /// Root of the RFC 6962 tree over the engine's events.
    pub engine_root: Hash,
}

impl Compared {
    /// Whether both are the same.
    #[must_use]
    pub fn is_equal(&self) -> bool {
        self.log_events == self.engine_events && self.log_root == self.engine_root
    }
}

/// Reads an engine from its first entry to its present end, and compares leaf hashes. `progress` is told the
/// position reached.
///
/// # Errors
/// [`EngineError::Diverged`] with the first position that differs; whatever keeps either from being read.
pub async fn compare(
    log: &EmbeddedLog,
    carrier: Arc<dyn Carrier>,
    progress: &mut (dyn FnMut(Position) + Send),
) -> Result<Compared, EngineError> {
    let org_id = log.org_id();
    let end = carrier.end().await?;
    let beginning = Saved { next: Offset(0), rule: Rule::new(org_id), tail: Tail::default() };
    let mut reader = Reader::new(carrier, beginning);
    let mut ours = log.scan(Position::START);
    let (mut log_tree, mut engine_tree) = (Root::default(), Root::default());
    while reader.next() < end {
        let Verdict::Accepted(batch) = reader.step().await? else { continue };
        let misfit = || EngineError::Misfit {
            position: Position(batch.base_position),
            reason: "its bytes are no events".to_owned(),
        };
        for event in batch.recorded(org_id).ok_or_else(misfit)? {
            let theirs = leaf_hash(&event);
            engine_tree.push(theirs);
            let Some(event) = ours.next().transpose()? else { continue };
            let leaf = leaf_hash(&event);
            log_tree.push(leaf);
            if leaf != theirs {
                let position = event.header.position;
                return Err(EngineError::Diverged { position, ours: leaf, theirs });
            }
        }
        progress(Position(engine_tree.leaves));
    }
    for event in ours {
        log_tree.push(leaf_hash(&event?));
    }
    Ok(Compared {
        log_events: log_tree.leaves,
        engine_events: engine_tree.leaves,
        log_root: log_tree.root(),
        engine_root: engine_tree.root(),
    })
}

/// Makes a mirror a log of its own, opened as `options` say. What the engine gets later is not in it.
///
/// # Errors
/// [`EngineError::Open`], [`EngineError::Io`].
pub fn detach(directory: &Path, org_id: OrgId, options: Options) -> Result<(), EngineError> {
    // Open, so that nobody else has it.
    let log = EmbeddedLog::open_for(directory, org_id, options, Purpose::Mirror)?;
    remove_marker(directory)
        .map_err(|source| EngineError::Io { what: "removing the mirror file", source })?;
    drop(log);
    Ok(())
}

/// The root of a growing RFC 6962 tree: the roots of its complete subtrees, largest first.
#[derive(Debug, Default)]
struct Root {
    leaves: u64,
    complete: Vec<Hash>,
}

impl Root {
    fn push(&mut self, leaf: Hash) {
        let mut hash = leaf;
        // As many subtrees become one as the count of leaves has ones at its end.
        for _ in 0..self.leaves.trailing_ones() {
            if let Some(left) = self.complete.pop() {
                hash = Hash::node(left, hash);
            }
        }
        self.complete.push(hash);
        self.leaves += 1;
    }

    fn root(&self) -> Hash {
        let mut subtrees = self.complete.iter().rev().copied();
        let Some(last) = subtrees.next() else { return Hash::of_nothing() };
        subtrees.fold(last, |right, left| Hash::node(left, right))
    }
}

impl super::batch::Batch {
    /// The events as a reader of the log gets them. `None` when the bytes are no events.
    pub(crate) fn recorded(&self, org_id: OrgId) -> Option<Vec<Recorded>> {
        let mut records = crate::segment::record::Records::new(&self.body);
        let mut names = crate::segment::record::TypeNames::default();
        (self.base_position..self.next_position())
            .map(|position| {
                let record = records.read()?;
                Some(record.to_recorded(org_id, Position(position), self.recorded_at(), &mut names))
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 6962, section 2.1, as it is written there.
    fn by_definition(leaves: &[Hash]) -> Hash {
        match leaves {
            [] => Hash::of_nothing(),
            [only] => *only,
            _ => {
                let split = leaves.len().next_power_of_two() / 2;
                Hash::node(by_definition(&leaves[..split]), by_definition(&leaves[split..]))
            }
        }
    }

    #[test]
    fn the_growing_root_is_the_one_of_the_definition() {
        let leaves: Vec<Hash> = (0..70_u8).map(|number| Hash::leaf(&[number])).collect();
        let mut root = Root::default();
        for count in 0..leaves.len() {
            assert_eq!(root.root(), by_definition(&leaves[..count]), "{count} leaves");
            root.push(leaves[count]);
        }
    }
}
