//! The folds with their storage: opening, committing, showing.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use arrow::record_batch::RecordBatch;
use ledgerline_event_store::EventReader;
use ledgerline_schemas::id::OrgId;
use ledgerline_schemas::{Position, Recorded};

use crate::chain;
use crate::committed::load_state;
use crate::error::ProjectionError;
use crate::fold::{self, Final, Fold};
use crate::hot::Sink;
use crate::layout::Layout;
use crate::ledger::Ledger;
use crate::manifest::{self, Generation, Manifest, SharedStore};
use crate::mend;
use crate::open::{self, Damage, Found, Lost};
use crate::projections::Options;
use crate::show::{self, ColdFiles, Schemas};
use crate::snapshot::Snapshot;
use crate::states::{self, StateAt};
use crate::store::Files;
use crate::table::TableDef;
use crate::tables;
use crate::underway::Underway;

/// The tables of one organization: rows in memory, files on disk, and the last commit.
#[derive(Debug)]
pub(crate) struct Engine {
    pub(crate) fold: Fold,
    pub(crate) ledger: Arc<Ledger>,
    pub(crate) schemas: Schemas,
    cold: Cold,
    pub(crate) options: Options,
    /// Every commit's state, oldest first; not all of them are kept.
    pub(crate) states: Vec<StateAt>,
    /// A commit that is not part of the tables yet.
    pub(crate) underway: Option<Underway>,
}

/// Which files a snapshot shows.
#[derive(Debug)]
enum Cold {
    /// All there are; with those of the newest layout that was asked for.
    Present(Arc<Layout>, ColdFiles),
    /// Of a layout, the rows that were final at a commit: an engine of the past.
    Past(Arc<Layout>, Position),
}

impl Engine {
    /// Opens the tables in `root`, or begins new ones. Tables of an older version of the folds are left
    /// behind and begun anew.
    ///
    /// # Errors
    /// [`ProjectionError::Damaged`] when a file of a table is not there or not as long as it was;
    /// [`ProjectionError::Foreign`], [`ProjectionError::Io`], [`ProjectionError::Cipher`].
    pub(crate) fn open(
        files: impl Into<Files>,
        root: &Path,
        org_id: OrgId,
        options: Options,
    ) -> Result<Self, ProjectionError> {
        let (engine, damaged) = Self::open_as_found(files.into(), root, org_id, options)?;
        match damaged.into_iter().next() {
            None => Ok(engine),
            Some((_, error)) => Err(error),
        }
    }

    /// The same; what is damaged is made again from the log, file by file, or all of it where nothing else
    /// helps.
    ///
    /// # Errors
    /// As [`Engine::open`], but damage is none as long as the log can be read;
    /// [`ProjectionError::AheadOfLog`] when the tables know more than the log.
    pub(crate) fn open_mending(
        files: impl Into<Files>,
        root: &Path,
        reader: &Arc<dyn EventReader>,
        options: Options,
    ) -> Result<Self, ProjectionError> {
        let files = files.into();
        let org_id = reader.org_id();
        let opened = Self::open_as_found(files.clone(), root, org_id, options);
        let outcome = opened.and_then(|(engine, damaged)| {
            let (tables, log) = (engine.fold.position, reader.head());
            if tables > log {
                return Err(ProjectionError::AheadOfLog { tables, log });
            }
            for (_, error) in &damaged {
                tracing::warn!(%error, "a file of the tables is made again from the log");
            }
            let lost: Vec<Lost> = damaged.into_iter().map(|(lost, _)| lost).collect();
            mend::from_log(&engine.ledger, &**reader, options, &lost)?;
            Ok(engine)
        });
        match outcome {
            Err(error @ ProjectionError::Damaged { .. }) => {
                tracing::warn!(%error, "the tables cannot be mended: building anew");
                Self::begin_anew(files, root, org_id, options)
            }
            other => other,
        }
    }

    /// Begins a new generation and puts it in force.
    fn begin_anew(
        files: Files,
        root: &Path,
        org_id: OrgId,
        options: Options,
    ) -> Result<Self, ProjectionError> {
        let newest = manifest::newest(&*files.store, root)?.map_or(0, |it| it.number);
        let engine = Self::create(files, Generation::new(root, newest + 1), org_id, options)?;
        engine.put_in_force(root)?;
        engine.forget_other_generations(root)?;
        Ok(engine)
    }

    /// Opens the tables; with the files that are not there or not as long as they were.
    fn open_as_found(
        files: Files,
        root: &Path,
        org_id: OrgId,
        options: Options,
    ) -> Result<(Self, Vec<Damage>), ProjectionError> {
        let store = &files.store;
        store.make_dir(root).map_err(|error| ProjectionError::io(root, &error))?;
        let (current, found) = match manifest::current(&**store, root) {
            // Any will do.
            Err(ProjectionError::Damaged { .. }) => (None, manifest::newest(&**store, root)?),
            other => {
                let found = other?;
                (found.as_ref().map(|it| it.number), found)
            }
        };
        let found = found.unwrap_or_else(|| Generation::new(root, 1));
        let chain = Manifest::chain(&**store, &found)?;
        if let Some((newest, _)) = chain.last()
            && newest.org_id != org_id
        {
            let found = newest.org_id;
            return Err(ProjectionError::Foreign {
                path: root.to_owned(),
                found,
                expected: org_id,
            });
        }
        let outdated = chain.last().is_some_and(|(newest, _)| newest.fold_version != fold::VERSION);
        let (engine, damaged) = if outdated {
            let next = Generation::new(root, found.number + 1);
            tracing::info!(
                generation = next.number,
                "the folds are newer than the tables: building anew"
            );
            (Self::create(files, next, org_id, options)?, Vec::new())
        } else if chain.is_empty() {
            (Self::create(files, found, org_id, options)?, Vec::new())
        } else {
            Self::load(files, found, chain, options)?
        };
        if current != Some(engine.generation().number) {
            engine.put_in_force(root)?;
        }
        engine.forget_other_generations(root)?;
        Ok((engine, damaged))
    }

    /// Begins a generation without rows; whatever is in its folder goes.
    pub(crate) fn create(
        files: impl Into<Files>,
        generation: Generation,
        org_id: OrgId,
        options: Options,
    ) -> Result<Self, ProjectionError> {
        let files = files.into();
        let store = &files.store;
        let failed = |error: std::io::Error| ProjectionError::io(&generation.dir, &error);
        store.remove(&generation.dir).map_err(failed)?;
        store.make_dir(&generation.dir).map_err(failed)?;
        store.make_dir(&generation.manifests()).map_err(failed)?;
        store.make_dir(&generation.exchanges()).map_err(failed)?;
        store.make_dir(&generation.states()).map_err(failed)?;
        for def in tables::ALL {
            store.make_dir(&generation.table(def.name)).map_err(failed)?;
        }
        let ledger = Ledger::new(files, generation, Layout::default());
        Ok(Self::of(Arc::new(ledger), Fold::new(org_id), options))
    }

    /// These folds over these files.
    fn of(ledger: Arc<Ledger>, fold: Fold, options: Options) -> Self {
        let layout = ledger.layout();
        let states = layout.commits.iter().map(|it| state_at(&it.manifest)).collect();
        let cold = Cold::Present(Arc::clone(&layout), layout.cold(Position(u64::MAX)));
        Self { fold, ledger, schemas: Schemas::new(), cold, options, states, underway: None }
    }

    fn load(
        files: Files,
        generation: Generation,
        mut chain: Vec<(Manifest, String)>,
        options: Options,
    ) -> Result<(Self, Vec<Damage>), ProjectionError> {
        let (index, fold) = open::newest_state(&files, &generation, &chain)?;
        chain.truncate(index + 1);
        let Found { layout, damaged, exchanges } = open::layout(&files, &generation, chain)?;
        let engine = Self::of(Arc::new(Ledger::new(files, generation, layout)), fold, options);
        let kept = Arc::clone(&engine.fold.retention);
        engine.ledger.set_committed_retention(&kept, &kept);
        let kept = states::kept(&engine.states, options.state_bytes_max);
        open::remove_orphans(&engine.ledger, &kept, exchanges, &damaged)?;
        Ok((engine, damaged))
    }

    /// The tables at the newest of the first `begun` commits whose state is still there, or empty. For reading
    /// only: such an engine never commits, and shows what was final where it began until it passes a commit.
    ///
    /// # Errors
    /// [`ProjectionError::Io`], [`ProjectionError::Damaged`] or [`ProjectionError::Cipher`] when files of the
    /// tables cannot be read.
    pub(crate) fn in_the_past(
        ledger: &Arc<Ledger>,
        layout: Arc<Layout>,
        begun: usize,
        org_id: OrgId,
        options: Options,
    ) -> Result<Self, ProjectionError> {
        let options = Options { flush_positions: u64::MAX, ..options };
        let commits = layout.commits.get(..begun).unwrap_or(&layout.commits);
        let (files, generation) = (&ledger.files, &ledger.generation);
        let mut fold = None;
        for commit in commits.iter().rev() {
            let path = generation.states().join(&commit.manifest.state.name);
            if files.store.size(&path).is_err() {
                continue;
            }
            match load_state(files, generation, &commit.manifest) {
                // It may have been given up just now, or is damaged: the one before it will do.
                Err(ProjectionError::Io { .. } | ProjectionError::Damaged { .. }) => {}
                other => {
                    fold = Some(other?);
                    break;
                }
            }
        }
        let fold = fold.unwrap_or_else(|| Fold::new(org_id));
        let position = fold.position;
        let mut engine = Self::of(Arc::clone(ledger), fold, options);
        engine.cold = Cold::Past(layout, position);
        Ok(engine)
    }

    /// Goes past a commit that was made when the folds were here: what went to its files goes from memory.
    ///
    /// # Errors
    /// [`ProjectionError::Damaged`] when the commit has other rows.
    pub(crate) fn pass(&mut self, commit: &Manifest) -> Result<(), ProjectionError> {
        let mut rows = BTreeMap::new();
        self.pass_with(commit, |def, batch| {
            rows.insert(def.name.to_owned(), batch.num_rows() as u64);
            Ok(())
        })?;
        let expected: BTreeMap<String, u64> =
            commit.add.iter().map(|(table, file)| (table.clone(), file.rows)).collect();
        if rows != expected {
            return Err(ProjectionError::Damaged {
                path: self.generation().manifests().join(chain::name(commit.seq)),
                reason: format!("the log gives {rows:?} rows, the commit has {expected:?}"),
            });
        }
        Ok(())
    }

    /// The same; `each` looks at the rows, and nothing is held against the commit.
    ///
    /// # Errors
    /// [`ProjectionError::Encode`], and what `each` says.
    pub(crate) fn pass_with(
        &mut self,
        commit: &Manifest,
        mut each: impl FnMut(&'static TableDef, &RecordBatch) -> Result<(), ProjectionError>,
    ) -> Result<(), ProjectionError> {
        for Final { def, batch } in self.evicted()? {
            each(def, &batch(&self.schemas.of(def))?)?;
        }
        if let Cold::Past(_, until) = &mut self.cold {
            *until = commit.to;
        }
        Ok(())
    }

    /// What the tables consist of.
    pub(crate) const fn ledger(&self) -> &Arc<Ledger> {
        &self.ledger
    }

    pub(crate) fn store(&self) -> &SharedStore {
        &self.ledger.files.store
    }

    /// Makes this generation the one that is opened next time.
    pub(crate) fn put_in_force(&self, root: &Path) -> Result<(), ProjectionError> {
        manifest::set_current(&**self.store(), root, self.generation())
    }

    /// Removes every other generation.
    pub(crate) fn forget_other_generations(&self, root: &Path) -> Result<(), ProjectionError> {
        let failed = |error: std::io::Error| ProjectionError::io(root, &error);
        let store = self.store();
        for name in store.list(root).map_err(failed)? {
            let number = name.strip_prefix('g').and_then(|number| number.parse::<u64>().ok());
            if number.is_some_and(|number| number != self.generation().number) {
                store.remove(&root.join(name)).map_err(failed)?;
            }
        }
        Ok(())
    }

    /// The folder of these tables.
    pub(crate) fn generation(&self) -> &Generation {
        &self.ledger.generation
    }

    /// Number of this generation of tables.
    pub(crate) fn epoch(&self) -> u64 {
        self.generation().number
    }

    /// Folds events until the next commit is due; gives how many it took.
    pub(crate) fn apply(&mut self, events: &[Recorded], sink: &mut Sink) -> usize {
        let mut taken = 0;
        for event in events {
            if self.is_due() {
                break;
            }
            self.fold.apply(event, sink);
            taken += 1;
        }
        taken
    }

    /// Takes out of memory what is final when a commit is made here.
    pub(crate) fn evicted(&mut self) -> Result<Vec<Final>, ProjectionError> {
        let settled = Position(self.fold.position.0.saturating_sub(self.options.settle_positions));
        let mut finals = self.fold.evict_appended(&self.schemas)?;
        finals.append(&mut self.fold.evict_settled(settled));
        Ok(finals)
    }

    /// A snapshot of everything folded so far.
    pub(crate) fn snapshot(&mut self) -> Result<Snapshot, ProjectionError> {
        let number = self.generation().number;
        let past;
        let cold = match &mut self.cold {
            Cold::Past(layout, until) => {
                past = layout.cold(*until);
                &past
            }
            Cold::Present(shown, cold) => {
                self.ledger.set_retention(&self.fold.retention);
                let layout = self.ledger.layout();
                if !Arc::ptr_eq(shown, &layout) {
                    *cold = layout.cold(Position(u64::MAX));
                    *shown = layout;
                }
                &*cold
            }
        };
        let underway = self.underway.as_ref().map(|it| &*it.rows);
        show::snapshot(&mut self.fold, number, &self.schemas, cold, underway)
    }
}

pub(crate) fn state_at(manifest: &Manifest) -> StateAt {
    StateAt { seq: manifest.seq, to: manifest.to, bytes: manifest.state.bytes }
}

/// The store of a running system.
pub(crate) fn disk() -> SharedStore {
    Arc::new(crate::store::Disk)
}
