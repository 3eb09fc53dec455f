//! Files that were lost or damaged, made again from the log.
//!
//! A file holds the rows that became final in the commits of its positions, and folding the log from a state
//! before them gives these rows again. So nothing else has to be folded anew. A merged file becomes the files
//! of its commits; upkeep merges them again.

use std::collections::BTreeMap;
use std::sync::Arc;

use ledgerline_event_store::EventReader;
use ledgerline_schemas::Position;

use crate::cold;
use crate::commit::Encoded;
use crate::error::ProjectionError;
use crate::exchange::{Exchange, PlacedEntry};
use crate::layout::{self, Layout, Placed};
use crate::ledger::Ledger;
use crate::manifest::Manifest;
use crate::open::Lost;
use crate::projections::Options;
use crate::way::Way;

/// Makes the files again, and exchanges them for the lost ones.
///
/// # Errors
/// [`ProjectionError::Damaged`] when the log gives other rows than a commit had; [`ProjectionError::Log`],
/// [`ProjectionError::Io`], [`ProjectionError::Cipher`].
pub(crate) fn from_log(
    ledger: &Arc<Ledger>,
    reader: &dyn EventReader,
    options: Options,
    lost: &[Lost],
) -> Result<(), ProjectionError> {
    if lost.is_empty() {
        return Ok(());
    }
    let layout = ledger.layout();
    let first = Ledger::next_exchange(&layout);
    let mut made: Vec<Vec<Placed>> = vec![Vec::new(); lost.len()];
    let mut way: Option<Way<'_>> = None;
    for (to, (from, wanted)) in needed(&layout, lost) {
        let best = newest_state(ledger, &layout, from);
        let mut here = match way.take() {
            Some(way) if way.engine.fold.position >= best => way,
            _ => Way::begin(ledger, reader, options, from, Position(u64::MAX))?,
        };
        let mut at_commit = |engine: &mut crate::engine::Engine, commit: &Manifest| {
            if commit.to != to {
                return engine.pass(commit);
            }
            let mut found = BTreeMap::new();
            engine.pass_with(commit, |def, batch| {
                if wanted.iter().any(|index| lost.get(*index).is_some_and(|it| it.def == def)) {
                    let rows = batch.num_rows() as u64;
                    found.insert(def.name, (rows, cold::encode_batch(def, batch)?));
                }
                Ok(())
            })?;
            for index in &wanted {
                let (Some(it), Some(made)) = (lost.get(*index), made.get_mut(*index)) else {
                    continue;
                };
                let (rows, bytes) = found.get(it.def.name).cloned().unwrap_or_default();
                let expected = commit.add.get(it.def.name).map_or(0, |file| file.rows);
                if rows != expected {
                    return Err(ProjectionError::Damaged {
                        path: it.path(&ledger.generation),
                        reason: format!("it had {expected} rows, the log gives {rows}"),
                    });
                }
                let seq = first + *index as u64;
                made.push(written(ledger, it, commit, seq, rows, bytes)?);
            }
            Ok(())
        };
        here.go(to, false, &|| true, &mut |_| Ok(()), &mut at_commit)?;
        way = Some(here);
    }
    for (it, made) in lost.iter().zip(made) {
        ledger.exchange(it.def.name, vec![it.entry.file.name.clone()], made, None)?;
    }
    Ok(())
}

/// The commits that have to be folded again, by where they end: where they begin, and which of the lost files
/// have rows of theirs.
fn needed(layout: &Layout, lost: &[Lost]) -> BTreeMap<Position, (Position, Vec<usize>)> {
    let mut needed: BTreeMap<Position, (Position, Vec<usize>)> = BTreeMap::new();
    for (index, it) in lost.iter().enumerate() {
        for commit in layout.commits_of(it.entry.from, it.entry.to) {
            let commit = &commit.manifest;
            if commit.add.contains_key(it.def.name) {
                let (_, wanted) = needed.entry(commit.to).or_insert((commit.from, Vec::new()));
                wanted.push(index);
            }
        }
    }
    needed
}

/// Position of the newest state up to `position` that is kept.
fn newest_state(ledger: &Ledger, layout: &Layout, position: Position) -> Position {
    let is_kept = |manifest: &Manifest| {
        ledger.files.store.size(&ledger.generation.states().join(&manifest.state.name)).is_ok()
    };
    let commits = layout.commits_of(Position::START, position);
    let newest = commits.iter().rev().find(|it| is_kept(&it.manifest));
    newest.map_or(Position::START, |it| it.manifest.to)
}

/// Writes the rows of a commit.
fn written(
    ledger: &Ledger,
    lost: &Lost,
    commit: &Manifest,
    seq: u64,
    rows: u64,
    bytes: Vec<u8>,
) -> Result<Placed, ProjectionError> {
    let (files, generation, table) = (&ledger.files, &ledger.generation, lost.def.name);
    let name = Exchange::file_name(commit.from, commit.to, seq);
    let path = layout::path(generation, table, &name);
    // An attempt that failed may have left it.
    files.store.remove(&path).map_err(|error| ProjectionError::io(&path, &error))?;
    let encoded = Encoded::of_table(bytes, generation, table, &name, &*files.cipher)?;
    let file = encoded.entry(name, rows);
    let entry = PlacedEntry { from: commit.from, to: commit.to, file };
    encoded.placed(files, generation, table, entry)
}
