//! Building the tables anew from the log.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use ledgerline_event_store::EventReader;
use ledgerline_event_store::crypt::at_rest::{ClearFiles, FileCipher};
use ledgerline_schemas::Position;

use crate::checksum::{TableChecksum, checksum};
use crate::engine::{self, Engine};
use crate::error::ProjectionError;
use crate::hot::Sink;
use crate::manifest::{self, Generation};
use crate::page;
use crate::projections::Options;
use crate::store::Files;

/// Events read at a time.
const PAGE_EVENTS: usize = 4_096;

/// What a rebuild found: checksums of the tables before and after, at the same position.
#[derive(Clone, Debug)]
pub struct Rebuilt {
    /// The log's head when the rebuild began: both sets of checksums are of this position.
    pub position: Position,
    /// Checksums of the tables before, brought up to that position from their newest commit. `None` when
    /// there were no tables; an error when they could not be read.
    pub before: Option<Result<BTreeMap<&'static str, TableChecksum>, ProjectionError>>,
    /// Checksums of the new tables.
    pub after: BTreeMap<&'static str, TableChecksum>,
    /// Generation of the tables in force now.
    pub epoch: u64,
}

/// Builds all tables anew in a folder of their own beside the old ones, and puts them in force in one step
/// when they are complete; a crash before that leaves the old ones. `progress` hears the position reached
/// and the one to reach. Works on the calling thread; nobody else may have the tables open.
///
/// # Errors
/// [`ProjectionError`]; the old tables are still in force then.
pub fn rebuild(
    reader: &dyn EventReader,
    root: &Path,
    options: Options,
    progress: impl FnMut(Position, Position),
) -> Result<Rebuilt, ProjectionError> {
    rebuild_encrypted(reader, root, options, Arc::new(ClearFiles), progress)
}

/// As [`rebuild`]; the new files are written as `cipher` says, and it opens those that are encrypted.
///
/// # Errors
/// As [`rebuild`].
pub fn rebuild_encrypted(
    reader: &dyn EventReader,
    root: &Path,
    options: Options,
    cipher: Arc<dyn FileCipher>,
    mut progress: impl FnMut(Position, Position),
) -> Result<Rebuilt, ProjectionError> {
    let store = engine::disk();
    let files = Files { store: store.clone(), cipher };
    let head = reader.head();
    let current = manifest::current(&*store, root)?;
    let before = current.as_ref().map(|_| {
        let mut old = Engine::open(files.clone(), root, reader.org_id(), options)?;
        if old.fold.position > head {
            return Err(ProjectionError::AheadOfLog { tables: old.fold.position, log: head });
        }
        fold_to(&mut old, reader, head, |_, _| {})?;
        checksum(&old.snapshot()?)
    });
    // Opening may have moved on to another generation.
    let newest = manifest::current(&*store, root)?.map_or(0, |generation| generation.number);
    let next = Generation::new(root, newest + 1);
    let mut new = Engine::create(files, next, reader.org_id(), options)?;
    fold_to(&mut new, reader, head, &mut progress)?;
    let after = checksum(&new.snapshot()?)?;
    new.put_in_force(root)?;
    new.forget_other_generations(root)?;
    Ok(Rebuilt { position: head, before, after, epoch: new.epoch() })
}

/// Folds everything up to `head`.
pub(crate) fn fold_to(
    engine: &mut Engine,
    reader: &dyn EventReader,
    head: Position,
    mut progress: impl FnMut(Position, Position),
) -> Result<(), ProjectionError> {
    while engine.fold.position < head {
        let left = usize::try_from(head.0 - engine.fold.position.0).unwrap_or(usize::MAX);
        let max = left.min(PAGE_EVENTS);
        let page = page::read(reader, engine.fold.position, max)?;
        let mut events = page.as_slice();
        while !events.is_empty() {
            let mut sink = Sink::new(false);
            let taken = engine.apply(events, &mut sink);
            events = events.get(taken..).unwrap_or_default();
            if engine.is_due() {
                engine.begin_commit()?;
            }
        }
        progress(engine.fold.position, head);
    }
    engine.finish_commit().map(drop)
}
