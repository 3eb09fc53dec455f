//! What is found on disk when tables are opened.

use std::collections::BTreeSet;
use std::path::PathBuf;

use crate::chain;
use crate::committed::{load_state, placed};
use crate::error::ProjectionError;
use crate::exchange::{Exchange, PlacedEntry};
use crate::fold::Fold;
use crate::layout::{self, Committed, Layout, entries};
use crate::ledger::Ledger;
use crate::manifest::{Generation, Manifest};
use crate::states::StateAt;
use crate::store::Files;
use crate::table::TableDef;
use crate::tables;

/// A file of a table that is damaged: the rows that became final in the positions of `(from, to]`.
#[derive(Clone, Debug)]
pub(crate) struct Lost {
    pub(crate) def: &'static TableDef,
    /// As its manifest has it.
    pub(crate) entry: PlacedEntry,
}

impl Lost {
    /// Where it is, or should be.
    pub(crate) fn path(&self, generation: &Generation) -> PathBuf {
        layout::path(generation, self.def.name, &self.entry.file.name)
    }
}

/// Such a file, and what is wrong with it.
pub(crate) type Damage = (Lost, ProjectionError);

/// What is there.
pub(crate) struct Found {
    /// The commits, and the files that can be used.
    pub(crate) layout: Layout,
    /// The files that cannot.
    pub(crate) damaged: Vec<Damage>,
    /// How many exchanges count.
    pub(crate) exchanges: usize,
}

/// The newest of these commits whose state can be read, by its index, and the state. What came after it the
/// log brings back.
///
/// # Errors
/// [`ProjectionError::Damaged`] when there is none; [`ProjectionError::Cipher`] when a state needs a key that
/// is not there.
pub(crate) fn newest_state(
    files: &Files,
    generation: &Generation,
    chain: &[(Manifest, String)],
) -> Result<(usize, Fold), ProjectionError> {
    let mut first = None;
    for (index, (manifest, _)) in chain.iter().enumerate().rev() {
        match load_state(files, generation, manifest) {
            Ok(fold) if fold.position == manifest.to => return Ok((index, fold)),
            Ok(fold) => {
                first.get_or_insert_with(|| ProjectionError::Damaged {
                    path: generation.states().join(&manifest.state.name),
                    reason: format!("it is of position {}", fold.position),
                });
            }
            Err(error @ ProjectionError::Cipher { .. }) => return Err(error),
            // The state before it may be whole. Beyond the newest two not all are kept.
            Err(error) => {
                first.get_or_insert(error);
            }
        }
    }
    let reason = match first {
        Some(error) => format!("no state can be read ({error})"),
        None => "it holds no commit".to_owned(),
    };
    Err(ProjectionError::Damaged { path: generation.manifests(), reason })
}

/// The files of these commits, as exchanges have them now.
///
/// # Errors
/// [`ProjectionError::Io`]; [`ProjectionError::Cipher`] when a file needs a key that is not there.
pub(crate) fn layout(
    files: &Files,
    generation: &Generation,
    chain: Vec<(Manifest, String)>,
) -> Result<Found, ProjectionError> {
    let exchanges = Exchange::chain(&*files.store, generation)?;
    let (entries, counted) = entries(&chain, &exchanges);
    let mut layout = Layout::default();
    let mut damaged = Vec::new();
    for (table, entries) in entries {
        let Some(def) = tables::ALL.iter().find(|def| def.name == table) else { continue };
        for entry in entries {
            match placed(files, generation, def.name, entry.clone()) {
                Ok(placed) => layout.tables.entry(def.name).or_default().push(placed),
                Err(error @ ProjectionError::Damaged { .. }) => {
                    damaged.push((Lost { def, entry }, error));
                }
                Err(error) => return Err(error),
            }
        }
    }
    layout.exchanged = counted
        .checked_sub(1)
        .and_then(|last| exchanges.into_iter().nth(last))
        .map(|(exchange, sha256)| (exchange.seq, sha256));
    layout.commits =
        chain.into_iter().map(|(manifest, sha256)| Committed { manifest, sha256 }.into()).collect();
    Ok(Found { layout, damaged, exchanges: counted })
}

/// Removes what a crash left behind: files that no commit and no exchange names. The states to keep and the
/// number of exchanges that count are given.
///
/// # Errors
/// [`ProjectionError::Io`].
pub(crate) fn remove_orphans(
    ledger: &Ledger,
    states: &[StateAt],
    exchanges: usize,
    damaged: &[Damage],
) -> Result<(), ProjectionError> {
    let (generation, layout) = (&ledger.generation, ledger.layout());
    let manifest = |seq| generation.manifests().join(chain::name(seq));
    let mut known: BTreeSet<PathBuf> =
        layout.commits.iter().map(|commit| manifest(commit.manifest.seq)).collect();
    known.extend((1..).take(exchanges).map(|seq| generation.exchanges().join(chain::name(seq))));
    known.extend(layout.tables.values().flatten().map(|it| it.file.path.clone()));
    known.extend(damaged.iter().map(|(lost, _)| lost.path(generation)));
    let state = |it: &StateAt| generation.states().join(Manifest::state_name(it.to));
    known.extend(states.iter().map(state));
    let mut dirs = vec![generation.manifests(), generation.exchanges(), generation.states()];
    dirs.extend(tables::ALL.iter().map(|def| generation.table(def.name)));
    let store = &ledger.files.store;
    for dir in dirs {
        let failed = |error: std::io::Error| ProjectionError::io(&dir, &error);
        store.make_dir(&dir).map_err(failed)?;
        for name in store.list(&dir).map_err(failed)? {
            let path = dir.join(name);
            if !known.contains(&path) {
                tracing::info!(path = %path.display(), "removing a file of no commit");
                store.remove(&path).map_err(failed)?;
            }
        }
    }
    Ok(())
}
