//! The folds with their storage: opening, committing, showing.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ledgerline_event_store::crypt::at_rest::{FileCipher, SEALED_HEAD_BYTES, SealedFile, Stored};
use ledgerline_schemas::id::OrgId;
use ledgerline_schemas::{Position, Recorded};

use crate::cold;
use crate::error::ProjectionError;
use crate::fold::{self, Final, Fold};
use crate::hot::Sink;
use crate::manifest::{
    self, FileEntry, Generation, Manifest, SharedStore, sha256, state_place, table_place,
};
use crate::parallel;
use crate::projections::Options;
use crate::show::{self, ColdFiles, Schemas};
use crate::snapshot::{ColdFile, Snapshot};
use crate::store::{Files, Store};
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
}

/// Final rows of a table: how many, and their Parquet file.
type FinalRows = (&'static TableDef, u64, Encoded);

/// A table and a number of its rows.
type Counted = (&'static TableDef, u64);

/// A file to be written.
#[derive(Debug)]
struct Encoded {
    bytes: Vec<u8>,
    sha256: String,
    plain_bytes: u64,
    sealed: Option<SealedFile>,
}

impl Encoded {
    fn of(
        plain: Vec<u8>,
        path: &Path,
        place: &str,
        how: &Encoding<'_>,
    ) -> Result<Self, ProjectionError> {
        let plain_bytes = plain.len() as u64;
        let Stored { bytes, sealed } =
            how.cipher.seal(place, plain).map_err(ProjectionError::cipher(path))?;
        Ok(Self { sha256: sha256(&bytes), bytes, plain_bytes, sealed })
    }

    fn entry(&self, name: String, rows: u64) -> FileEntry {
        FileEntry {
            name,
            rows,
            bytes: self.bytes.len() as u64,
            sha256: self.sha256.clone(),
            key_id: self.sealed.as_ref().map(SealedFile::key_id),
        }
    }
}

/// What encoding the parts of a commit needs.
struct Encoding<'a> {
    schemas: &'a Schemas,
    cipher: &'a dyn FileCipher,
    generation: &'a Generation,
    /// Names of the tables' files, and of the state.
    names: (&'a str, &'a str),
}

/// What a commit has to encode.
enum Part<'a> {
    Final(Final),
    State(&'a Fold),
}

impl Part<'_> {
    /// The file; with its table and rows unless it is the state.
    fn encoded(self, how: &Encoding<'_>) -> Result<(Option<Counted>, Encoded), ProjectionError> {
        let (file, state) = how.names;
        match self {
            Self::Final(Final { def, batch }) => {
                let batch = batch(&how.schemas.of(def))?;
                let bytes = cold::encode_batch(def, &batch)?;
                let path = how.generation.table(def.name).join(file);
                let encoded = Encoded::of(bytes, &path, &table_place(def.name, file), how)?;
                Ok((Some((def, batch.num_rows() as u64)), encoded))
            }
            Self::State(fold) => {
                let path = how.generation.states().join(state);
                let bytes = rmp_serde::to_vec(fold).map_err(|error| ProjectionError::Damaged {
                    path: path.clone(),
                    reason: error.to_string(),
                })?;
                Ok((None, Encoded::of(bytes, &path, &state_place(state), how)?))
            }
        }
    }
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
        let Files { store, cipher } = files.into();
        let failed = |error: std::io::Error| ProjectionError::io(&generation.dir, &error);
        store.remove(&generation.dir).map_err(failed)?;
        store.make_dir(&generation.dir).map_err(failed)?;
        store.make_dir(&generation.manifests()).map_err(failed)?;
        store.make_dir(&generation.states()).map_err(failed)?;
        for def in tables::ALL {
            store.make_dir(&generation.table(def.name)).map_err(failed)?;
        }
        Ok(Self {
            fold: Fold::new(org_id),
            store,
            cipher,
            generation,
            schemas: Schemas::new(),
            cold: ColdFiles::new(),
            options,
            last: None,
        })
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
        let Files { store, cipher } = files;
        let mut files: BTreeMap<&'static str, Vec<ColdFile>> = BTreeMap::new();
        for (manifest, _) in chain {
            for (path, bytes) in manifest.files(&generation) {
                let size = store.size(&path).map_err(|error| ProjectionError::io(&path, &error))?;
                if size != bytes {
                    let reason = format!("it has {size} bytes, its manifest says {bytes}");
                    return Err(ProjectionError::Damaged { path, reason });
                }
            }
            for (table, file) in &manifest.add {
                let Some(def) = tables::ALL.iter().find(|def| def.name == table) else { continue };
                let path = generation.table(table).join(&file.name);
                let sealed = match file.key_id {
                    None => None,
                    Some(_) => Some(sealed_file(&*store, &*cipher, table, &path, file)?),
                };
                let bytes = sealed.as_ref().map_or(file.bytes, SealedFile::plain_bytes);
                let cold = ColdFile { path, rows: file.rows, bytes, sealed };
                files.entry(def.name).or_default().push(cold);
            }
        }
        let last = chain.last().map(|(manifest, hash)| Committed {
            seq: manifest.seq,
            sha256: hash.clone(),
            to: manifest.to,
        });
        let engine = Self {
            fold,
            store,
            cipher,
            generation,
            schemas: Schemas::new(),
            cold: files.into_iter().map(|(table, files)| (table, files.into())).collect(),
            options,
            last,
        };
        engine.remove_orphans(chain)?;
        Ok(engine)
    }

    /// Removes what a crash left behind: files that no commit names.
    fn remove_orphans(&self, chain: &[(Manifest, String)]) -> Result<(), ProjectionError> {
        let mut known: BTreeSet<PathBuf> = BTreeSet::new();
        for (manifest, _) in chain {
            known.insert(self.generation.manifests().join(format!("{:010}.json", manifest.seq)));
            known.extend(manifest.files(&self.generation).into_iter().map(|(path, _)| path));
        }
        for (manifest, _) in chain.iter().rev().take(2) {
            known.insert(self.generation.states().join(&manifest.state.name));
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
            let files = self.cold.entry(def.name).or_default();
            *files = files.iter().cloned().chain([added]).collect();
        }
        self.last = Some(Committed { seq: manifest.seq, sha256, to });
        self.forget_old_states(from, to)
    }

    fn write(&self, dir: &Path, name: &str, bytes: &[u8]) -> Result<(), ProjectionError> {
        let path = dir.join(name);
        let failed = |error: std::io::Error| ProjectionError::io(&path, &error);
        self.store.create(&path, bytes).map_err(failed)?;
        self.store.sync_dir(dir).map_err(failed)
    }

    /// The newest two states are kept, so that one may be lost.
    fn forget_old_states(&self, from: Position, to: Position) -> Result<(), ProjectionError> {
        let dir = self.generation.states();
        let failed = |error: std::io::Error| ProjectionError::io(&dir, &error);
        let kept = [Manifest::state_name(from), Manifest::state_name(to)];
        for name in self.store.list(&dir).map_err(failed)? {
            if !kept.contains(&name) {
                self.store.remove(&dir.join(name)).map_err(failed)?;
            }
        }
        Ok(())
    }

    /// Takes the rows that are final out of memory, as Parquet files, and gives what is to be remembered of
    /// the rest. Most of the work of a commit, and none of its parts needs another.
    fn encoded(
        &mut self,
        file: &str,
        state: &str,
    ) -> Result<(Vec<FinalRows>, Encoded), ProjectionError> {
        let names = (file, state);
        let settled = Position(self.fold.position.0.saturating_sub(self.options.settle_positions));
        // The journal first: it is the largest, and nothing should wait for it at the end.
        let mut parts: Vec<Part<'_>> = Vec::new();
        let appended = self.fold.evict_appended(&self.schemas)?;
        let settled = self.fold.evict_settled(settled);
        let mut finals = appended.into_iter().chain(settled).map(Part::Final);
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

/// How an encrypted file of a table is read.
fn sealed_file(
    store: &dyn Store,
    cipher: &dyn FileCipher,
    table: &str,
    path: &Path,
    file: &FileEntry,
) -> Result<SealedFile, ProjectionError> {
    let damaged = |reason: &str| ProjectionError::Damaged {
        path: path.to_owned(),
        reason: reason.to_owned(),
    };
    let head = store
        .read_head(path, SEALED_HEAD_BYTES)
        .map_err(|error| ProjectionError::io(path, &error))?;
    let sealed = cipher
        .open(&table_place(table, &file.name), &head, file.bytes)
        .map_err(ProjectionError::cipher(path))?
        .ok_or_else(|| damaged("it is not encrypted, its manifest says it is"))?;
    if Some(sealed.key_id()) != file.key_id {
        return Err(damaged("its head does not fit its manifest"));
    }
    Ok(sealed)
}

fn load_state(
    files: &Files,
    generation: &Generation,
    manifest: &Manifest,
) -> Result<Fold, ProjectionError> {
    let name = &manifest.state.name;
    let path = generation.states().join(name);
    let bytes = files.store.read(&path).map_err(|error| ProjectionError::io(&path, &error))?;
    let damaged = |reason: String| ProjectionError::Damaged { path: path.clone(), reason };
    if sha256(&bytes) != manifest.state.sha256 {
        return Err(damaged("its hash is not what its manifest says".to_owned()));
    }
    let bytes = files
        .cipher
        .open_whole(&state_place(name), bytes)
        .map_err(ProjectionError::cipher(&path))?;
    rmp_serde::from_slice(&bytes).map_err(|error| damaged(error.to_string()))
}

/// The store of a running system.
pub(crate) fn disk() -> SharedStore {
    Arc::new(crate::store::Disk)
}
