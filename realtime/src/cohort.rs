//! Subscriptions that ask the same with the same rights: what changed for them is found out once.
//!
//! A change concerns few of the questions that are asked, and a question is asked by many. Each change is therefore
//! held against a question once, whoever asks it; what is left for each subscriber is to keep the newest row of a key
//! until its next frame.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use ledgerline_projections::{Row, RowChange};
use ledgerline_schemas::Position;

use crate::hub::{Hub, Lost, Retained};
use crate::query::Query;

/// A change as a question sees it: a row that comes into its answer, changes in it, or leaves it.
#[derive(Clone, Debug)]
pub(crate) struct Noted {
    /// The position of the change.
    pub(crate) position: Position,
    /// The row's key.
    pub(crate) key: Arc<str>,
    /// The row shown before.
    pub(crate) before: Option<Row>,
    /// The row shown now.
    pub(crate) after: Option<Row>,
}

/// The changes of one batch that concern a question; there is one at least.
#[derive(Debug)]
pub(crate) struct Told {
    /// Position of the batch's end.
    to: Position,
    /// The changes in order.
    pub(crate) changes: Vec<Noted>,
    /// When the batch came in.
    pub(crate) pushed: Instant,
}

/// What follows a position for a question.
#[derive(Debug)]
pub(crate) struct News {
    /// In order; the first may hold changes at or before the position.
    pub(crate) told: Vec<Arc<Told>>,
    /// Everything up to here is in them.
    pub(crate) head: Position,
}

/// What has been found out.
#[derive(Debug)]
struct Seen {
    epoch: u64,
    /// Everything after this position is in `told`.
    floor: Position,
    /// Everything up to here was looked at.
    to: Position,
    told: VecDeque<Arc<Told>>,
}

impl Seen {
    const fn from(epoch: u64, position: Position) -> Self {
        Self { epoch, floor: position, to: position, told: VecDeque::new() }
    }
}

/// One question with the changes that concern it, as far back as the hub keeps changes.
#[derive(Debug)]
pub(crate) struct Cohort {
    query: Query,
    seen: Mutex<Option<Seen>>,
}

impl Cohort {
    /// A cohort that has looked at nothing yet.
    pub(crate) const fn new(query: Query) -> Self {
        Self { query, seen: Mutex::new(None) }
    }

    /// What follows a position.
    ///
    /// # Errors
    /// [`Lost`], as [`Hub::since`].
    pub(crate) fn since(&self, hub: &Hub, epoch: u64, position: Position) -> Result<News, Lost> {
        let mut guard = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if guard.as_ref().is_none_or(|seen| seen.epoch != epoch) {
            // The first to ask, or the first since the tables were built anew.
            hub.since(epoch, position)?;
            *guard = None;
        }
        let seen = guard.get_or_insert_with(|| Seen::from(epoch, position));
        if position < seen.floor {
            // Resumed from before anybody here asked: found out for this one alone.
            let since = hub.since(epoch, position)?;
            let told = since.batches.iter().filter_map(|batch| self.tell(batch)).collect();
            return Ok(News { told, head: since.head });
        }
        let since = match hub.since(epoch, seen.to) {
            Err(Lost::Retention) => {
                // Nobody asked for longer than changes are kept.
                *seen = Seen::from(epoch, position);
                hub.since(epoch, position)?
            }
            since => since?,
        };
        if position < since.floor {
            return Err(Lost::Retention);
        }
        seen.told.extend(since.batches.iter().filter_map(|batch| self.tell(batch)));
        seen.to = since.head;
        while seen.told.front().is_some_and(|told| told.to <= since.floor) {
            seen.told.pop_front();
        }
        seen.floor = seen.floor.max(since.floor);
        let first = seen.told.partition_point(|told| told.to <= position);
        let told = seen.told.range(first..).cloned().collect();
        Ok(News { told, head: seen.to.max(position) })
    }

    fn tell(&self, batch: &Retained) -> Option<Arc<Told>> {
        let changes: Vec<Noted> =
            batch.changes.iter().filter_map(|change| self.note(change)).collect();
        let (to, pushed) = (batch.to, batch.pushed);
        (!changes.is_empty()).then(|| Arc::new(Told { to, changes, pushed }))
    }

    fn note(&self, change: &RowChange) -> Option<Noted> {
        if change.table.name != self.query.table.name {
            return None;
        }
        let shown = |row: &Option<Row>| row.as_ref().and_then(|row| self.query.show(row));
        let (before, after) = (shown(&change.before), shown(&change.after));
        if before.is_none() && after.is_none() {
            return None;
        }
        let (position, key) = (change.position, Arc::clone(&change.key));
        Some(Noted { position, key, before, after })
    }
}
