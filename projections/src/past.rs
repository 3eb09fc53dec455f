//! The tables as they were: at an earlier position, and how they came to be what they are.
//!
//! A commit left a state behind and files that never change. The newest state that is not after the position
//! asked for, and the events from there on, give the tables at that position exactly as they were shown then.
//! Nothing on disk is touched, and the running fold knows nothing of it.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use ledgerline_event_store::EventReader;
use ledgerline_schemas::Position;

use crate::change::RowChange;
use crate::checksum::{TableChecksum, of_batch, of_file};
use crate::engine::Engine;
use crate::error::ProjectionError;
use crate::hot::Sink;
use crate::manifest::{Generation, Manifest};
use crate::page;
use crate::projections::Options;
use crate::rights::Rights;
use crate::snapshot::Snapshot;
use crate::store::Files;
use crate::table::TableDef;

/// Events read at a time; after each page it is asked whether to go on.
const PAGE_EVENTS: u64 = 2_048;
/// Snapshots of earlier positions that are kept for the next question.
const RECENT: usize = 4;

/// Whether somebody still waits for the answer.
pub type GoingOn<'a> = &'a (dyn Fn() -> bool + Sync);

/// The past of the tables of one organization. Everything here reads and folds on the calling thread: not for
/// async code.
#[derive(Debug)]
pub struct Past {
    reader: Arc<dyn EventReader>,
    files: Files,
    generation: Generation,
    options: Options,
    recent: Mutex<VecDeque<Arc<Snapshot>>>,
}

/// Which changes of rows are wanted: those of `table` after `from` up to `to`.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// The table.
    pub table: &'static TableDef,
    /// Changes after this position …
    pub from: Position,
    /// … up to this one.
    pub to: Position,
    /// Only of the row with this key (see [`crate::key_text`]).
    pub key: Option<String>,
    /// Only of rows that these rights grant, as far as a row tells itself. What is not granted is not counted.
    pub rights: Rights,
    /// More changes than this are an error.
    pub changes_max: usize,
}

impl Wanted {
    /// Whether the row that a change shows (the one after it; the one before, if it is gone) is granted.
    fn grants(&self, change: &RowChange) -> bool {
        let Some(limited) = self.rights.limits().filter(|it| it.decides_by_row(self.table)) else {
            return true;
        };
        let row = change.after.as_ref().or(change.before.as_ref());
        row.is_some_and(|row| limited.grants(self.table, row))
    }
}

/// A commit of a table beside what the log gives when it is folded again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommitCheck {
    /// The commit has the rows that became final after this position …
    pub from: Position,
    /// … up to this one.
    pub to: Position,
    /// What is in the file.
    pub stored: TableChecksum,
    /// What the log gives.
    pub replayed: TableChecksum,
}

impl Past {
    pub(crate) fn new(
        reader: Arc<dyn EventReader>,
        files: Files,
        generation: Generation,
        options: Options,
    ) -> Self {
        Self { reader, files, generation, options, recent: Mutex::default() }
    }

    /// The tables at `position`, whatever has happened since.
    ///
    /// # Errors
    /// [`ProjectionError::NotYet`] for a position the log has not reached; [`ProjectionError::Cancelled`] when
    /// nobody waits any more; others when log or tables cannot be read.
    pub fn snapshot_at(
        &self,
        position: Position,
        going_on: GoingOn<'_>,
    ) -> Result<Arc<Snapshot>, ProjectionError> {
        self.reached(position)?;
        let known = self.recent().iter().find(|it| it.position == position).cloned();
        if let Some(known) = known {
            return Ok(known);
        }
        let mut way = self.from(position)?;
        way.go(position, false, going_on, &mut |_| Ok(()), &mut Engine::pass)?;
        let snapshot = Arc::new(way.engine.snapshot()?);
        let mut recent = self.recent();
        recent.push_back(Arc::clone(&snapshot));
        if recent.len() > RECENT {
            recent.pop_front();
        }
        Ok(snapshot)
    }

    /// The changes of rows that are wanted, in the order in which they happened.
    ///
    /// # Errors
    /// As [`Past::snapshot_at`]; [`ProjectionError::TooMany`].
    pub fn changes(
        &self,
        wanted: &Wanted,
        going_on: GoingOn<'_>,
    ) -> Result<Vec<RowChange>, ProjectionError> {
        self.reached(wanted.to)?;
        let mut found = Vec::new();
        if wanted.from >= wanted.to {
            return Ok(found);
        }
        let mut way = self.from(wanted.from)?;
        way.go(wanted.from, false, going_on, &mut |_| Ok(()), &mut Engine::pass)?;
        let mut keep = |change: RowChange| {
            let is_meant = change.table.name == wanted.table.name
                && wanted.key.as_deref().is_none_or(|key| *key == *change.key);
            if is_meant && wanted.grants(&change) {
                if found.len() >= wanted.changes_max {
                    return Err(ProjectionError::TooMany { max: wanted.changes_max });
                }
                found.push(change);
            }
            Ok(())
        };
        way.go(wanted.to, true, going_on, &mut keep, &mut Engine::pass)?;
        Ok(found)
    }

    /// Folds the log again through the commits whose positions end in `(from, to]` and holds the rows of
    /// `table` in each file against what comes out. It begins with the newest state at or before `from`.
    ///
    /// # Errors
    /// As [`Past::snapshot_at`]; [`ProjectionError::Damaged`] when a file cannot be read as rows.
    pub fn check(
        &self,
        table: &'static TableDef,
        from: Position,
        to: Position,
        going_on: GoingOn<'_>,
    ) -> Result<Vec<CommitCheck>, ProjectionError> {
        self.reached(to)?;
        let mut checks = Vec::new();
        let mut way = self.until(to, from)?;
        let mut compare = |engine: &mut Engine, commit: &Manifest| {
            let mut replayed = None;
            let files = engine.pass_with(commit, |def, batch| {
                if def.name == table.name {
                    replayed = Some(of_batch(def, batch));
                }
            })?;
            if commit.to > from {
                let stored = match files.iter().find(|(def, _)| def.name == table.name) {
                    Some((def, file)) => of_file(def, file)?,
                    None => TableChecksum::of_nothing(),
                };
                checks.push(CommitCheck {
                    from: commit.from,
                    to: commit.to,
                    stored,
                    replayed: replayed.unwrap_or_else(TableChecksum::of_nothing),
                });
            }
            Ok(())
        };
        let last = way.ahead.back().map_or(way.engine.fold.position, |commit| commit.to);
        way.go(last, false, going_on, &mut |_| Ok(()), &mut compare)?;
        Ok(checks)
    }

    fn recent(&self) -> std::sync::MutexGuard<'_, VecDeque<Arc<Snapshot>>> {
        self.recent.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn reached(&self, position: Position) -> Result<(), ProjectionError> {
        let head = self.reader.head();
        if position > head {
            return Err(ProjectionError::NotYet { asked: position, log: head });
        }
        Ok(())
    }

    /// The newest state that is not after `position`.
    fn from(&self, position: Position) -> Result<Way<'_>, ProjectionError> {
        self.until(position, position)
    }

    /// The newest state that is not after `begin`, with the commits up to `end` ahead.
    fn until(&self, end: Position, begin: Position) -> Result<Way<'_>, ProjectionError> {
        let mut chain = Manifest::chain(&*self.files.store, &self.generation)?;
        chain.retain(|(manifest, _)| manifest.to <= end);
        let behind = chain.iter().filter(|(manifest, _)| manifest.to <= begin).count();
        let (begun, rest) = chain.split_at(behind);
        let (engine, mut ahead) = Engine::in_the_past(
            self.files.clone(),
            self.generation.clone(),
            self.reader.org_id(),
            begun,
            self.options,
        )?;
        ahead.extend(rest.iter().map(|(manifest, _)| manifest.clone()));
        Ok(Way { reader: &*self.reader, engine, ahead: ahead.into() })
    }
}

/// From a state forward.
struct Way<'a> {
    reader: &'a dyn EventReader,
    engine: Engine,
    /// Commits that were made further on.
    ahead: VecDeque<Manifest>,
}

impl Way<'_> {
    /// Folds up to `to`; `each` hears the changes when they are `heard`.
    fn go(
        &mut self,
        to: Position,
        heard: bool,
        going_on: GoingOn<'_>,
        each: &mut dyn FnMut(RowChange) -> Result<(), ProjectionError>,
        at_commit: &mut dyn FnMut(&mut Engine, &Manifest) -> Result<(), ProjectionError>,
    ) -> Result<(), ProjectionError> {
        loop {
            let here = self.engine.fold.position;
            if let Some(commit) = self.ahead.pop_front_if(|commit| commit.to <= here) {
                at_commit(&mut self.engine, &commit)?;
                continue;
            }
            if here >= to {
                return Ok(());
            }
            if !going_on() {
                return Err(ProjectionError::Cancelled);
            }
            let stop = self.ahead.front().map_or(to, |commit| commit.to.min(to));
            let max = usize::try_from((stop.0 - here.0).min(PAGE_EVENTS)).unwrap_or(1);
            let events = page::read(self.reader, here, max)?;
            let mut sink = Sink::new(heard);
            self.engine.apply(&events, &mut sink);
            sink.changes.into_iter().try_for_each(&mut *each)?;
        }
    }
}
