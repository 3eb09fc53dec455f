//! The layout in force, shared by the fold that commits, the upkeep that exchanges files, and questions about
//! the past.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::error::ProjectionError;
use crate::exchange::{Exchange, PlacedEntry};
use crate::layout::{Committed, Layout, Placed};
use crate::manifest::Generation;
use crate::retention::Retention;
use crate::store::Files;
use crate::table::TableDef;

/// Where the tables are, and which files they consist of.
#[derive(Debug)]
pub(crate) struct Ledger {
    pub(crate) files: Files,
    pub(crate) generation: Generation,
    layout: Mutex<Arc<Layout>>,
    retention: Mutex<Known>,
}

/// What is kept of the tables, as far as it is known.
#[derive(Clone, Debug, Default)]
struct Known {
    /// Where the folds are, or were not long ago.
    newest: Arc<Retention>,
    /// At the newest commit. Tables that are opened again begin there.
    committed: Option<(Arc<Committed>, Arc<Retention>)>,
}

impl Ledger {
    pub(crate) fn new(files: Files, generation: Generation, layout: Layout) -> Self {
        Self {
            files,
            generation,
            layout: Mutex::new(Arc::new(layout)),
            retention: Mutex::default(),
        }
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.retention.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is kept of the tables now.
    pub(crate) fn retention(&self) -> Arc<Retention> {
        Arc::clone(&self.known().newest)
    }

    /// What is kept where the folds are.
    pub(crate) fn set_retention(&self, newest: &Arc<Retention>) {
        self.known().newest = Arc::clone(newest);
    }

    /// What is kept at the newest commit, and where the folds are now.
    pub(crate) fn set_committed_retention(&self, then: &Arc<Retention>, newest: &Arc<Retention>) {
        let commit = self.layout().last().cloned();
        let committed = commit.map(|commit| (commit, Arc::clone(then)));
        *self.known() = Known { newest: Arc::clone(newest), committed };
    }

    /// What was kept at the newest commit, and the commit. Rows are taken out of files by this alone: whoever
    /// opens the tables again must not find fewer rows than the state says.
    pub(crate) fn committed_retention(&self) -> Option<(Arc<Committed>, Arc<Retention>)> {
        self.known().committed.clone()
    }

    /// The files as they are now. Whoever holds it can read all of them.
    pub(crate) fn layout(&self) -> Arc<Layout> {
        Arc::clone(&self.layout.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn change(&self, change: impl FnOnce(&mut Layout)) {
        let mut layout = self.layout.lock().unwrap_or_else(PoisonError::into_inner);
        change(Arc::make_mut(&mut layout));
    }

    /// A commit is true.
    pub(crate) fn committed(&self, committed: Committed, added: Vec<(&'static TableDef, Placed)>) {
        self.change(|layout| {
            layout.commits.push(Arc::new(committed));
            for (def, placed) in added {
                layout.tables.entry(def.name).or_default().push(placed);
            }
        });
    }

    /// Makes an exchange true: files of a table for others with the same rows, or, as of the commit it is
    /// `resting` on, with the rows that are still kept. Only one thread may do this at a time.
    ///
    /// # Errors
    /// As [`Exchange::publish`]; nothing has changed then, and the files to add are of no use.
    pub(crate) fn exchange(
        &self,
        table: &'static str,
        remove: Vec<String>,
        added: Vec<Placed>,
        resting: Option<&Committed>,
    ) -> Result<(), ProjectionError> {
        let layout = self.layout();
        let newest = added.last().map(|it| it.to).unwrap_or_default();
        let of_newest = || layout.commits.iter().find(|it| it.manifest.to == newest);
        let commit = resting.or_else(|| of_newest().map(|it| &**it));
        let commit = commit.ok_or_else(|| ProjectionError::Damaged {
            path: self.generation.manifests(),
            reason: format!("no commit ends at {newest}"),
        })?;
        let entry = |it: &Placed| PlacedEntry { from: it.from, to: it.to, file: it.entry.clone() };
        let mut exchange = Exchange {
            seq: Self::next_exchange(&layout),
            prev_sha256: layout.exchanged.as_ref().map(|(_, sha256)| sha256.clone()),
            table: table.to_owned(),
            commit: commit.manifest.seq,
            commit_sha256: commit.sha256.clone(),
            remove: remove.clone(),
            add: added.iter().map(entry).collect(),
            checksum: String::new(),
        };
        let sha256 = exchange.publish(&*self.files.store, &self.generation)?;
        self.change(|layout| {
            layout.exchange(table, &remove, added);
            layout.exchanged = Some((exchange.seq, sha256));
        });
        Ok(())
    }

    /// Number of the next exchange.
    pub(crate) fn next_exchange(layout: &Layout) -> u64 {
        layout.exchanged.as_ref().map_or(1, |(seq, _)| seq + 1)
    }
}
