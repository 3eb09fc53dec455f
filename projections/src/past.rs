//! The tables as they were: at an earlier position, and how they came to be what they are.
//!
//! A commit left a state behind and files whose rows never change. The newest state that is not after the
//! position asked for, and the events from there on, give the tables at that position exactly as they were
//! shown then; of a file that was merged later, the rows of later commits are left out. Nothing on disk is
//! touched, and the running fold knows nothing of it.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use ledgerline_event_store::EventReader;
use ledgerline_schemas::Position;

use crate::change::RowChange;
use crate::checksum::{TableChecksum, of_batch, of_commits};
use crate::encode::row_batch;
use crate::engine::Engine;
use crate::error::ProjectionError;
use crate::layout::{Layout, Placed};
use crate::ledger::Ledger;
use crate::manifest::Manifest;
use crate::projections::Options;
use crate::retention::{Hidden, Kept, Retention};
use crate::rights::Rights;
use crate::snapshot::Snapshot;
use crate::table::{Row, TableDef};
use crate::way::Way;

/// Snapshots of earlier positions that are kept for the next question.
const RECENT: usize = 4;

/// Whether somebody still waits for the answer.
pub type GoingOn<'a> = &'a (dyn Fn() -> bool + Sync);

/// The past of the tables of one organization. Everything here reads and folds on the calling thread: not for
/// async code.
#[derive(Debug)]
pub struct Past {
    reader: Arc<dyn EventReader>,
    ledger: Arc<Ledger>,
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
    /// Whether a row tells itself if it is granted.
    fn tells(&self) -> bool {
        self.rights.limits().is_none_or(|limited| limited.decides_by_row(self.table))
    }

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
    pub(crate) fn new(reader: Arc<dyn EventReader>, ledger: Arc<Ledger>, options: Options) -> Self {
        Self { reader, ledger, options, recent: Mutex::default() }
    }

    /// The tables at `position`, whatever has happened since. Those of which rows that were there are no longer
    /// kept say so ([`Kept::Gone`]) and have none.
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
            return Ok(self.answered(known));
        }
        let mut way = self.from(position)?;
        way.go(position, false, going_on, &mut |_| Ok(()), &mut Engine::pass)?;
        let snapshot = Arc::new(way.engine.snapshot()?);
        let mut recent = self.recent();
        recent.push_back(Arc::clone(&snapshot));
        if recent.len() > RECENT {
            recent.pop_front();
        }
        drop(recent);
        Ok(self.answered(snapshot))
    }

    /// What is answered of a snapshot: tables whose past is given up there say so. It is asked after the files
    /// were chosen, and rows go from files only after it says so.
    fn answered(&self, snapshot: Arc<Snapshot>) -> Arc<Snapshot> {
        let retention = self.ledger.retention();
        let check = |table: &&'static str| retention.check(table, snapshot.position).err();
        let gone: Vec<_> = snapshot.tables.keys().filter_map(check).collect();
        if gone.is_empty() {
            return snapshot;
        }
        let mut answered = (*snapshot).clone();
        for removed in gone {
            if let Some(table) = answered.tables.get_mut(removed.table) {
                (table.cold, table.hot) = (Arc::default(), Arc::default());
                table.kept = Kept::Gone(removed);
            }
        }
        Arc::new(answered)
    }

    /// What is kept of the tables now.
    #[must_use]
    pub fn retention(&self) -> Arc<Retention> {
        self.ledger.retention()
    }

    /// The changes of rows that are wanted, in the order in which they happened.
    ///
    /// # Errors
    /// As [`Past::snapshot_at`]; [`ProjectionError::TooMany`]; [`ProjectionError::Removed`] when rows that were
    /// there at `from` are no longer kept, or the one row that was asked for is not.
    pub fn changes(
        &self,
        wanted: &Wanted,
        going_on: GoingOn<'_>,
    ) -> Result<Vec<RowChange>, ProjectionError> {
        self.reached(wanted.to)?;
        let retention = self.ledger.retention();
        let answered = retention.check(wanted.table.name, wanted.from);
        // Whether one row is among those that are gone shows in its newest form. Who may not see that it ever was
        // must not learn it from the refusal.
        if wanted.key.is_none() || !wanted.tells() {
            answered.clone()?;
        }
        let gone = answered.err().zip(retention.removable(wanted.table.name));
        let end = gone.as_ref().map_or(wanted.to, |(removed, _)| removed.from.max(wanted.to));
        let mut newest: Option<Row> = None;
        let mut found = Vec::new();
        if wanted.from >= wanted.to {
            return Ok(found);
        }
        let mut way = self.from(wanted.from)?;
        way.go(wanted.from, false, going_on, &mut |_| Ok(()), &mut Engine::pass)?;
        let mut keep = |change: RowChange| {
            let is_meant = change.table.name == wanted.table.name
                && wanted.key.as_deref().is_none_or(|key| *key == *change.key);
            if is_meant && gone.is_some() && wanted.grants(&change) {
                newest.clone_from(&change.after);
            }
            if is_meant && change.position <= wanted.to && wanted.grants(&change) {
                if found.len() >= wanted.changes_max {
                    return Err(ProjectionError::TooMany { max: wanted.changes_max });
                }
                found.push(change);
            }
            Ok(())
        };
        way.go(end, true, going_on, &mut keep, &mut Engine::pass)?;
        if let Some((removed, hidden)) = gone
            && let Some(newest) = newest
            && hidden.of_rows(&row_batch(wanted.table, &[newest])?)?.contains(&true)
        {
            return Err(removed.into());
        }
        Ok(found)
    }

    /// Folds the log again through the commits whose positions end in `(from, to]` and holds the rows of
    /// `table` in each file against what comes out, as far as they are kept. It begins with the newest state at or
    /// before `from`.
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
        let layout = Arc::clone(&way.layout);
        // After the files were chosen: what is out of them by now does not count on either side.
        let removable = self.ledger.retention().removable(table.name);
        let mut stored = Stored::new(&layout, table, removable.as_ref());
        let mut compare = |engine: &mut Engine, commit: &Manifest| {
            let mut replayed = None;
            engine.pass_with(commit, |def, batch| {
                if def.name == table.name {
                    replayed = Some(of_batch(def, batch, removable.as_ref())?);
                }
                Ok(())
            })?;
            if commit.to > from {
                checks.push(CommitCheck {
                    from: commit.from,
                    to: commit.to,
                    stored: stored.of(commit)?,
                    replayed: replayed.unwrap_or_else(TableChecksum::of_nothing),
                });
            }
            Ok(())
        };
        way.go(way.last(), false, going_on, &mut |_| Ok(()), &mut compare)?;
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
        Way::begin(&self.ledger, &*self.reader, self.options, begin, end)
    }
}

/// The checksums of what the files of a table hold of each commit. A file that holds several is read once.
struct Stored<'a> {
    layout: &'a Layout,
    table: &'static TableDef,
    without: Option<&'a Hidden>,
    /// Begin of the file read last, and the checksums by commit.
    read: Option<(Position, BTreeMap<u64, TableChecksum>)>,
}

impl<'a> Stored<'a> {
    const fn new(
        layout: &'a Layout,
        table: &'static TableDef,
        without: Option<&'a Hidden>,
    ) -> Self {
        Self { layout, table, without, read: None }
    }

    fn of(&mut self, commit: &Manifest) -> Result<TableChecksum, ProjectionError> {
        let placed = self.layout.file_of(self.table.name, commit);
        let Some(Placed { from, to, file, .. }) = placed else {
            return Ok(TableChecksum::of_nothing());
        };
        let sums = match self.read.take() {
            Some((read, sums)) if read == *from => sums,
            _ => of_commits(self.table, file, *to, self.without)?,
        };
        let sum = sums.get(&commit.to.0).cloned().unwrap_or_else(TableChecksum::of_nothing);
        self.read = Some((*from, sums));
        Ok(sum)
    }
}
