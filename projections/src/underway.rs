//! Commits: final rows go to cold files, everything else to a state, and a manifest makes it true.
//!
//! What must be of one position is taken out of memory at once, on the folds' thread: the final rows as batches, the
//! state as bytes. Encoding, writing and syncing the files is done on a thread of its own while the folds go on; until
//! the commit is part of the tables, snapshots show its batches. A crash before the manifest leaves files that the next
//! start removes.

use std::collections::{BTreeMap, BTreeSet};
use std::panic::resume_unwind;
use std::sync::Arc;
use std::thread::JoinHandle;

use arrow::record_batch::RecordBatch;
use ledgerline_schemas::Position;
use ledgerline_schemas::id::OrgId;
use tokio::sync::oneshot::{self, error::TryRecvError};

use crate::commit::{self, Encoded};
use crate::engine::{Engine, state_at};
use crate::error::ProjectionError;
use crate::exchange::PlacedEntry;
use crate::fold::{self, Final, Fold};
use crate::layout::{Committed, Placed};
use crate::ledger::Ledger;
use crate::manifest::Manifest;
use crate::parallel;
use crate::retention::Retention;
use crate::show::Schemas;
use crate::states;
use crate::table::TableDef;

/// Final rows by table.
pub(crate) type Rows = BTreeMap<&'static str, (&'static TableDef, RecordBatch)>;

/// A commit whose rows have left the folds and whose files are being written.
#[derive(Debug)]
pub(crate) struct Underway {
    /// The commit contains events up to here.
    pub(crate) to: Position,
    /// Its rows.
    pub(crate) rows: Arc<Rows>,
    /// What was kept of the tables there.
    retention: Arc<Retention>,
    writing: Option<JoinHandle<Result<Written, ProjectionError>>>,
    /// Resolves when the writing is over, one way or the other.
    over: oneshot::Receiver<()>,
}

/// A commit that is true, and the files that it added.
#[derive(Debug)]
struct Written {
    committed: Committed,
    added: Vec<(&'static TableDef, Placed)>,
}

impl Underway {
    fn outcome(&mut self) -> Option<Result<Written, ProjectionError>> {
        let writing = self.writing.take()?;
        Some(writing.join().unwrap_or_else(|panic| resume_unwind(panic)))
    }
}

impl Drop for Underway {
    /// Nothing is written any more when the tables are let go.
    fn drop(&mut self) {
        let _ = self.writing.take().map(JoinHandle::join);
    }
}

/// What a commit is gathered from.
enum Part<'a> {
    Final(Final),
    State(&'a Fold),
}

/// The same as far as it must be of the position.
enum Gathered {
    Rows(&'static TableDef, RecordBatch),
    State(Vec<u8>),
}

impl Part<'_> {
    fn gathered(self, schemas: &Schemas) -> Result<Gathered, ProjectionError> {
        match self {
            Self::Final(Final { def, batch }) => Ok(Gathered::Rows(def, batch(&schemas.of(def))?)),
            Self::State(fold) => Ok(Gathered::State(commit::state(fold)?)),
        }
    }
}

impl Engine {
    /// Whether a commit is due before the next event. It depends on positions only.
    pub(crate) fn is_due(&self) -> bool {
        let position = self.fold.position;
        let begun = self.underway.as_ref().map(|it| it.to);
        let last = begun.or_else(|| self.states.last().map(|last| last.to));
        position != Position::START
            && position.0.is_multiple_of(self.options.flush_positions.max(1))
            && last.is_none_or(|last| last < position)
    }

    /// Commits what is final, and waits until that is done.
    ///
    /// # Errors
    /// As [`Engine::finish_commit`].
    #[cfg(test)]
    pub(crate) fn commit(&mut self) -> Result<(), ProjectionError> {
        self.begin_commit()?;
        self.finish_commit().map(drop)
    }

    /// Takes what is final out of memory and begins to write it. A commit that is underway is finished first.
    ///
    /// # Errors
    /// As [`Engine::finish_commit`]; [`ProjectionError::Encode`].
    pub(crate) fn begin_commit(&mut self) -> Result<(), ProjectionError> {
        self.finish_commit()?;
        let (rows, state) = self.gathered()?;
        let (to, rows) = (self.fold.position, Arc::new(rows));
        let (told, over) = oneshot::channel();
        let (ledger, written, org_id) =
            (Arc::clone(&self.ledger), Arc::clone(&rows), self.fold.org_id);
        let write = move || {
            // It ends with the thread, however that ends.
            let _told = told;
            write(&ledger, org_id, to, &written, state)
        };
        let thread = std::thread::Builder::new().name("tables-commit".to_owned());
        let writing = thread
            .spawn(write)
            .map_err(|error| ProjectionError::io(&self.generation().dir, &error))?;
        let retention = Arc::clone(&self.fold.retention);
        self.underway = Some(Underway { to, rows, retention, writing: Some(writing), over });
        Ok(())
    }

    /// Waits for the commit that is underway and makes it part of the tables; whether there was one.
    ///
    /// # Errors
    /// [`ProjectionError::Encode`], [`ProjectionError::Io`] or [`ProjectionError::Cipher`] when it could not be written.
    pub(crate) fn finish_commit(&mut self) -> Result<bool, ProjectionError> {
        let Some(mut underway) = self.underway.take() else { return Ok(false) };
        let Some(outcome) = underway.outcome() else { return Ok(false) };
        let Written { committed, added } = outcome?;
        self.states.push(state_at(&committed.manifest));
        self.ledger.committed(committed, added);
        self.ledger.set_committed_retention(&underway.retention, &self.fold.retention);
        self.forget_old_states()?;
        Ok(true)
    }

    /// Whether a commit was written and waits to become part of the tables.
    pub(crate) fn is_written(&mut self) -> bool {
        let told = self.underway.as_mut().map(|it| it.over.try_recv());
        matches!(told, Some(Err(TryRecvError::Closed)))
    }

    /// Resolves when the commit that is underway is written; never without one. Not to be asked again when
    /// [`Engine::is_written`].
    pub(crate) async fn written(&mut self) {
        let Some(underway) = &mut self.underway else { return std::future::pending().await };
        // An error says that the sender is gone: that is the news.
        let _ = (&mut underway.over).await;
    }

    /// Takes the rows that are final out of memory and gives what is to be remembered of the rest. Most of the work that
    /// the folds wait for, and none of its parts needs another.
    fn gathered(&mut self) -> Result<(Rows, Vec<u8>), ProjectionError> {
        // The state first: it is the largest, and nothing should wait for it at the end.
        let finals = self.evicted()?;
        let mut parts = vec![Part::State(&self.fold)];
        parts.extend(finals.into_iter().map(Part::Final));
        let (mut rows, mut state) = (Rows::new(), Vec::new());
        for part in parallel::each(parts, |part| part.gathered(&self.schemas)) {
            match part? {
                Gathered::Rows(def, batch) => {
                    rows.insert(def.name, (def, batch));
                }
                Gathered::State(bytes) => state = bytes,
            }
        }
        Ok((rows, state))
    }

    /// Removes the states that are not kept ([`states::kept`]).
    fn forget_old_states(&self) -> Result<(), ProjectionError> {
        let dir = self.generation().states();
        let failed = |error: std::io::Error| ProjectionError::io(&dir, &error);
        let kept: BTreeSet<String> = states::kept(&self.states, self.options.state_bytes_max)
            .into_iter()
            .map(|state| Manifest::state_name(state.to))
            .collect();
        let store = self.store();
        for name in store.list(&dir).map_err(failed)? {
            if !kept.contains(&name) {
                store.remove(&dir.join(name)).map_err(failed)?;
            }
        }
        Ok(())
    }
}

/// Writes the files of a commit that follows the newest one, and its manifest.
fn write(
    ledger: &Ledger,
    org_id: OrgId,
    to: Position,
    rows: &Rows,
    state: Vec<u8>,
) -> Result<Written, ProjectionError> {
    let (files, generation) = (&ledger.files, &ledger.generation);
    let layout = ledger.layout();
    let last = layout.last();
    let from = last.map_or(Position::START, |last| last.manifest.to);
    let name = Manifest::file_name(from, to);
    let (mut add, mut added) = (BTreeMap::new(), Vec::new());
    for (def, batch) in rows.values() {
        let file = Encoded::of_rows(def, batch, generation, &name, &*files.cipher)?;
        let entry = file.entry(name.clone(), batch.num_rows() as u64);
        add.insert(def.name.to_owned(), entry.clone());
        let entry = PlacedEntry { from, to, file: entry };
        added.push((*def, file.placed(files, generation, def.name, entry)?));
    }
    let state = Encoded::of_state(state, generation, to, &*files.cipher)?;
    let entry = state.entry(Manifest::state_name(to), 0);
    let dir = generation.states();
    commit::write(files, &dir, &dir.join(&entry.name), &state.bytes)?;
    let mut manifest = Manifest {
        seq: last.map_or(1, |last| last.manifest.seq + 1),
        prev_sha256: last.map(|last| last.sha256.clone()),
        fold_version: fold::VERSION,
        org_id,
        from,
        to,
        add,
        state: entry,
        checksum: String::new(),
    };
    let sha256 = manifest.publish(&*files.store, generation)?;
    Ok(Written { committed: Committed { manifest, sha256 }, added })
}
