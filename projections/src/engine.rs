//! The folds with their storage: opening, committing, showing.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::record_batch::RecordBatch;
use ledgerline_event_store::crypt::at_rest::FileCipher;
use ledgerline_schemas::id::OrgId;
use ledgerline_schemas::{Position, Recorded};

use crate::commit::{Encoded, Encoding, FinalRows, Part};
use crate::committed::{cold_files, load_state};
use crate::error::ProjectionError;
use crate::fold::{self, Final, Fold};
use crate::hot::Sink;
use crate::manifest::{self, Generation, Manifest, SharedStore};
use crate::parallel;
use crate::projections::Options;
use crate::show::{self, ColdFiles, Schemas};
use crate::snapshot::{ColdFile, Snapshot};
use crate::states::{self, StateAt};
use crate::store::Files;
use crate::table::TableDef;
use crate::tables;

/// The tables of one organization: rows in memory, files on disk, and the last commit.
#[derive(Debug)]
pub(crate) struct Engine {
    pub(crate) fold: Fold,
    store: SharedStore,
    cipher: Arc<dyn FileCipher>,
    generation: Generation,
    schemas: Schemas,
    cold: ColdFiles,
    options: Options,
    last: Option<Committed>,
    /// Every commit's state, oldest first; not all of them are kept.
    states: Vec<StateAt>,
}

/// The newest commit.
#[derive(Debug)]
struct Committed {
    seq: u64,
    sha256: String,
    to: Position,
}

impl Engine {
    /// Opens the tables in `root`, or begins new ones. Tables of an older version of the folds are left
    /// behind and begun anew.
    pub(crate) fn open(
        files: impl Into<Files>,
        root: &Path,
        org_id: OrgId,
        options: Options,
    ) -> Result<Self, ProjectionError> {
        let files = files.into();
        let store = &files.store;
        store.make_dir(root).map_err(|error| ProjectionError::io(root, &error))?;
        let current = manifest::current(&**store, root)?;
        let found = current.clone().unwrap_or_else(|| Generation::new(root, 1));
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
        let engine = if outdated {
            let next = Generation::new(root, found.number + 1);
            tracing::info!(
                generation = next.number,
                "the folds are newer than the tables: building anew"
            );
            Self::create(files, next, org_id, options)?
        } else if chain.is_empty() {
            Self::create(files, found, org_id, options)?
        } else {
            Self::load(files, found, &chain, options)?
        };
        let in_force = current.is_some_and(|current| current.number == engine.generation.number);
        if !in_force {
            engine.put_in_force(root)?;
        }
        engine.forget_other_generations(root)?;
        Ok(engine)
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
        store.make_dir(&generation.states()).map_err(failed)?;
        for def in tables::ALL {
            store.make_dir(&generation.table(def.name)).map_err(failed)?;
        }
        Ok(Self::empty(files, generation, org_id, options))
    }

    /// Nothing folded yet, and nothing done to the disk.
    fn empty(files: Files, generation: Generation, org_id: OrgId, options: Options) -> Self {
        let Files { store, cipher } = files;
        Self {
            fold: Fold::new(org_id),
            store,
            cipher,
            generation,
            schemas: Schemas::new(),
            cold: ColdFiles::new(),
            options,
            last: None,
            states: Vec::new(),
        }
    }

    /// The tables at the newest of these commits whose state is still there, or empty; with the commits
    /// after it. For reading only: such an engine never commits.
    ///
    /// # Errors
    /// [`ProjectionError::Io`], [`ProjectionError::Damaged`] or [`ProjectionError::Cipher`] when files of the
    /// tables cannot be read.
    pub(crate) fn in_the_past(
        files: Files,
        generation: Generation,
        org_id: OrgId,
        chain: &[(Manifest, String)],
        options: Options,
    ) -> Result<(Self, Vec<Manifest>), ProjectionError> {
        let options = Options { flush_positions: u64::MAX, ..options };
        for (index, (manifest, _)) in chain.iter().enumerate().rev() {
            let path = generation.states().join(&manifest.state.name);
            if files.store.size(&path).is_err() {
                continue;
            }
            let fold = match load_state(&files, &generation, manifest) {
                // It may have been given up just now.
                Err(ProjectionError::Io { .. }) => continue,
                other => other?,
            };
            let (until, after) = chain.split_at(index + 1);
            let engine = Self::of(files, generation, fold, until, options)?;
            return Ok((engine, after.iter().map(|(manifest, _)| manifest.clone()).collect()));
        }
        let after = chain.iter().map(|(manifest, _)| manifest.clone()).collect();
        Ok((Self::empty(files, generation, org_id, options), after))
    }

    /// Goes past a commit that was made when the folds were here: what went to its files goes from memory.
    ///
    /// # Errors
    /// [`ProjectionError::Damaged`] when the commit has other rows; [`ProjectionError::Io`] or
    /// [`ProjectionError::Cipher`] when its files cannot be read.
    pub(crate) fn pass(&mut self, commit: &Manifest) -> Result<(), ProjectionError> {
        let mut rows = BTreeMap::new();
        self.pass_with(commit, |def, batch| {
            rows.insert(def.name.to_owned(), batch.num_rows() as u64);
        })?;
        let expected: BTreeMap<String, u64> =
            commit.add.iter().map(|(table, file)| (table.clone(), file.rows)).collect();
        if rows != expected {
            return Err(ProjectionError::Damaged {
                path: self.generation.dir.join(Manifest::file_name(commit.from, commit.to)),
                reason: format!("the log gives {rows:?} rows, the commit has {expected:?}"),
            });
        }
        Ok(())
    }

    /// The same; `each` looks at the rows, and nothing is held against the commit. Gives its files.
    ///
    /// # Errors
    /// As [`Engine::pass`].
    pub(crate) fn pass_with(
        &mut self,
        commit: &Manifest,
        mut each: impl FnMut(&'static TableDef, &RecordBatch),
    ) -> Result<Vec<(&'static TableDef, ColdFile)>, ProjectionError> {
        for Final { def, batch } in self.evicted()? {
            each(def, &batch(&self.schemas.of(def))?);
        }
        let added = cold_files(&self.files(), &self.generation, commit)?;
        for (def, file) in &added {
            self.add_cold(def, file.clone());
        }
        Ok(added)
    }

    /// Where the tables are kept.
    pub(crate) fn files(&self) -> Files {
        Files { store: Arc::clone(&self.store), cipher: Arc::clone(&self.cipher) }
    }

    fn add_cold(&mut self, def: &'static TableDef, added: ColdFile) {
        let files = self.cold.entry(def.name).or_default();
        *files = files.iter().cloned().chain([added]).collect();
    }

    fn load(
        files: Files,
        generation: Generation,
        chain: &[(Manifest, String)],
        options: Options,
    ) -> Result<Self, ProjectionError> {
        let mut loaded = None;
        let mut missing = None;
        for (index, (manifest, _)) in chain.iter().enumerate().rev() {
            match load_state(&files, &generation, manifest) {
                Ok(fold) => {
                    loaded = Some((index, fold));
                    break;
                }
                // The state before it may be whole; states older than that are not kept.
                Err(error) => missing = missing.or(Some(error)),
            }
        }
        let (index, fold) = match (loaded, missing) {
            (Some(loaded), _) => loaded,
            (None, Some(error)) => return Err(error),
            (None, None) => {
                return Err(ProjectionError::Damaged {
                    path: generation.manifests(),
                    reason: "it holds no commit".to_owned(),
                });
            }
        };
        let chain = chain.get(..=index).unwrap_or(chain);
        let engine = Self::of(files, generation, fold, chain, options)?;
        engine.remove_orphans(chain)?;
        Ok(engine)
    }

    /// The tables at the last of these commits, whose state is given.
    fn of(
        files: Files,
        generation: Generation,
        fold: Fold,
        chain: &[(Manifest, String)],
        options: Options,
    ) -> Result<Self, ProjectionError> {
        let mut cold: BTreeMap<&'static str, Vec<ColdFile>> = BTreeMap::new();
        for (manifest, _) in chain {
            for (def, file) in cold_files(&files, &generation, manifest)? {
                cold.entry(def.name).or_default().push(file);
            }
        }
        let mut engine = Self::empty(files, generation, fold.org_id, options);
        engine.fold = fold;
        engine.cold = cold.into_iter().map(|(table, files)| (table, files.into())).collect();
        engine.last = chain.last().map(|(manifest, hash)| Committed {
            seq: manifest.seq,
            sha256: hash.clone(),
            to: manifest.to,
        });
        engine.states = chain.iter().map(|(manifest, _)| state_at(manifest)).collect();
        Ok(engine)
    }

    /// Removes what a crash left behind: files that no commit names.
    fn remove_orphans(&self, chain: &[(Manifest, String)]) -> Result<(), ProjectionError> {
        let mut known: BTreeSet<PathBuf> = BTreeSet::new();
        for (manifest, _) in chain {
            known.insert(self.generation.manifests().join(format!("{:010}.json", manifest.seq)));
            known.extend(manifest.files(&self.generation).into_iter().map(|(path, _)| path));
        }
        for state in states::kept(&self.states, self.options.state_bytes_max) {
            known.insert(self.generation.states().join(Manifest::state_name(state.to)));
        }
        let mut dirs = vec![self.generation.manifests(), self.generation.states()];
        dirs.extend(tables::ALL.iter().map(|def| self.generation.table(def.name)));
        for dir in dirs {
            let failed = |error: std::io::Error| ProjectionError::io(&dir, &error);
            self.store.make_dir(&dir).map_err(failed)?;
            for name in self.store.list(&dir).map_err(failed)? {
                let path = dir.join(name);
                if !known.contains(&path) {
                    tracing::info!(path = %path.display(), "removing a file of no commit");
                    self.store.remove(&path).map_err(failed)?;
                }
            }
        }
        Ok(())
    }

    /// Makes this generation the one that is opened next time.
    pub(crate) fn put_in_force(&self, root: &Path) -> Result<(), ProjectionError> {
        manifest::set_current(&*self.store, root, &self.generation)
    }

    /// Removes every other generation.
    pub(crate) fn forget_other_generations(&self, root: &Path) -> Result<(), ProjectionError> {
        let failed = |error: std::io::Error| ProjectionError::io(root, &error);
        for name in self.store.list(root).map_err(failed)? {
            let number = name.strip_prefix('g').and_then(|number| number.parse::<u64>().ok());
            if number.is_some_and(|number| number != self.generation.number) {
                self.store.remove(&root.join(name)).map_err(failed)?;
            }
        }
        Ok(())
    }

    /// The folder of these tables.
    pub(crate) const fn generation(&self) -> &Generation {
        &self.generation
    }

    /// Number of this generation of tables.
    pub(crate) const fn epoch(&self) -> u64 {
        self.generation.number
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

    /// Whether a commit is due before the next event. It depends on positions only.
    pub(crate) fn is_due(&self) -> bool {
        let position = self.fold.position;
        position != Position::START
            && position.0.is_multiple_of(self.options.flush_positions.max(1))
            && self.last.as_ref().is_none_or(|last| last.to < position)
    }

    /// Writes final rows to cold files and everything else to a state, and makes it true with a manifest.
    /// A crash before the manifest leaves files that the next start removes.
    pub(crate) fn commit(&mut self) -> Result<(), ProjectionError> {
        let from = self.last.as_ref().map_or(Position::START, |last| last.to);
        let to = self.fold.position;
        let name = Manifest::file_name(from, to);
        let (files, state) = self.encoded(&name, &Manifest::state_name(to))?;
        let mut add = BTreeMap::new();
        let mut added = Vec::new();
        for (def, rows, file) in files {
            let dir = self.generation.table(def.name);
            let entry = file.entry(name.clone(), rows);
            self.write(&dir, &entry.name, &file.bytes)?;
            let (path, bytes) = (dir.join(&entry.name), file.plain_bytes);
            added.push((def, ColdFile { path, rows, bytes, sealed: file.sealed }));
            add.insert(def.name.to_owned(), entry);
        }
        let entry = state.entry(Manifest::state_name(to), 0);
        self.write(&self.generation.states(), &entry.name, &state.bytes)?;
        let manifest = Manifest {
            seq: self.last.as_ref().map_or(1, |last| last.seq + 1),
            prev_sha256: self.last.as_ref().map(|last| last.sha256.clone()),
            fold_version: fold::VERSION,
            org_id: self.fold.org_id,
            from,
            to,
            add,
            state: entry,
        };
        let sha256 = manifest.publish(&*self.store, &self.generation)?;
        for (def, added) in added {
            self.add_cold(def, added);
        }
        self.last = Some(Committed { seq: manifest.seq, sha256, to });
        self.states.push(state_at(&manifest));
        self.forget_old_states()
    }

    fn write(&self, dir: &Path, name: &str, bytes: &[u8]) -> Result<(), ProjectionError> {
        let path = dir.join(name);
        let failed = |error: std::io::Error| ProjectionError::io(&path, &error);
        self.store.create(&path, bytes).map_err(failed)?;
        self.store.sync_dir(dir).map_err(failed)
    }

    /// Removes the states that are not kept ([`states::kept`]).
    fn forget_old_states(&self) -> Result<(), ProjectionError> {
        let dir = self.generation.states();
        let failed = |error: std::io::Error| ProjectionError::io(&dir, &error);
        let kept: BTreeSet<String> = states::kept(&self.states, self.options.state_bytes_max)
            .into_iter()
            .map(|state| Manifest::state_name(state.to))
            .collect();
        for name in self.store.list(&dir).map_err(failed)? {
            if !kept.contains(&name) {
                self.store.remove(&dir.join(name)).map_err(failed)?;
            }
        }
        Ok(())
    }

    /// Takes out of memory what is final when a commit is made here.
    fn evicted(&mut self) -> Result<Vec<Final>, ProjectionError> {
        let settled = Position(self.fold.position.0.saturating_sub(self.options.settle_positions));
        let mut finals = self.fold.evict_appended(&self.schemas)?;
        finals.append(&mut self.fold.evict_settled(settled));
        Ok(finals)
    }

    /// Takes the rows that are final out of memory, as Parquet files, and gives what is to be remembered of
    /// the rest. Most of the work of a commit, and none of its parts needs another.
    fn encoded(
        &mut self,
        file: &str,
        state: &str,
    ) -> Result<(Vec<FinalRows>, Encoded), ProjectionError> {
        let names = (file, state);
        // The journal first: it is the largest, and nothing should wait for it at the end.
        let mut parts: Vec<Part<'_>> = Vec::new();
        let mut finals = self.evicted()?.into_iter().map(Part::Final);
        parts.extend(finals.next());
        parts.push(Part::State(&self.fold));
        parts.extend(finals);
        let how = Encoding {
            schemas: &self.schemas,
            cipher: &*self.cipher,
            generation: &self.generation,
            names,
        };
        let mut files = Vec::new();
        let mut state = None;
        for part in parallel::each(parts, |part| part.encoded(&how)) {
            match part? {
                (Some((def, rows)), encoded) => files.push((def, rows, encoded)),
                (None, encoded) => state = Some(encoded),
            }
        }
        let state = state.ok_or_else(|| ProjectionError::Damaged {
            path: self.generation.states(),
            reason: "nothing was to be remembered".to_owned(),
        })?;
        Ok((files, state))
    }

    /// A snapshot of everything folded so far.
    pub(crate) fn snapshot(&mut self) -> Result<Snapshot, ProjectionError> {
        show::snapshot(&mut self.fold, self.generation.number, &self.schemas, &self.cold)
    }
}

fn state_at(manifest: &Manifest) -> StateAt {
    StateAt { seq: manifest.seq, to: manifest.to, bytes: manifest.state.bytes }
}

/// The store of a running system.
pub(crate) fn disk() -> SharedStore {
    Arc::new(crate::store::Disk)
}
