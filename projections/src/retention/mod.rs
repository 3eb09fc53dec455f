//! Which rows of the tables are kept: policies, legal holds, and what was dropped.
//!
//! A row is dropped at the position of a `retention.applied` when it had ended before the instant that the event
//! names, no later event has shaped it, and no hold that was in force there covers it. So what is dropped
//! follows from the log and from the row alone, not from where the row is kept: folds, commits, states and
//! merges know nothing of it. Rows that are dropped are hidden from whoever reads a table ([`Hidden`]). When a
//! policy gives up the past, upkeep takes them out of the files, and the table is no longer answered as it was
//! before ([`Removed`]).

mod condition;
mod count;
mod due;
mod hold;
mod rule;

use std::collections::BTreeMap;
use std::sync::Arc;

use ledgerline_schemas::config::RetentionPolicy;
use ledgerline_schemas::event::retention::RetentionApplied;
use ledgerline_schemas::id::EntityId;
use ledgerline_schemas::{Position, Timestamp};
use serde::{Deserialize, Serialize};

pub use condition::Marked;
pub use count::{Counted, count};
pub use due::Due;
pub use hold::{Ask, Hold};
pub use rule::{Rule, Told, of as rule};

/// One `retention.applied`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Run {
    /// Its position. Rows that a later event shaped are not dropped by it.
    pub position: Position,
    /// When it was.
    pub time: Timestamp,
    /// Rows that ended before are dropped.
    pub before: Timestamp,
    /// Except those that these holds cover: those in force then.
    pub holds: BTreeMap<EntityId, Arc<Hold>>,
}

impl Run {
    /// Whether everything that `other` drops is dropped by this one.
    fn implies(&self, other: &Self) -> bool {
        self.position >= other.position
            && self.before >= other.before
            && self.holds.iter().all(|(id, hold)| other.holds.get(id) == Some(hold))
    }
}

/// What was dropped of a table.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dropped {
    /// All runs after `removed`, and of those before what does not follow from later ones; oldest first.
    runs: Vec<Run>,
    /// The past before this position is given up; 0 as long as none is.
    removed: Position,
}

impl Dropped {
    /// Rows that ended before are dropped, if none is held.
    #[must_use]
    pub fn floor(&self) -> Option<Timestamp> {
        self.runs.last().map(|run| run.before)
    }

    fn apply(&mut self, mut run: Run, past_before: Timestamp) {
        run.before = self.floor().map_or(run.before, |floor| floor.max(run.before));
        self.runs.push(run);
        let given_up = self.runs.iter().rev().find(|run| run.time <= past_before);
        self.removed = self.removed.max(given_up.map_or(Position::START, |run| run.position));
        let (removed, kept): (Vec<Run>, Vec<Run>) =
            std::mem::take(&mut self.runs).into_iter().partition(|it| it.position <= self.removed);
        self.runs = needed(&removed);
        self.runs.extend(kept);
    }
}

/// The runs from which all that any of them drops follows.
fn needed(runs: &[Run]) -> Vec<Run> {
    let mut needed: Vec<Run> = Vec::new();
    for run in runs {
        needed.retain(|earlier| !run.implies(earlier));
        needed.push(run.clone());
    }
    needed
}

/// Rows that are not shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hidden {
    /// How rows of the table age.
    pub rule: &'static Rule,
    /// A row that one of these drops is hidden.
    pub runs: Vec<Run>,
}

/// Why a table is not answered as it was.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{table}: rows that ended before {floor} are no longer kept; the table is answered from position {from} on, not at {asked}"
)]
pub struct Removed {
    /// The table.
    pub table: &'static str,
    /// Rows that ended before are gone.
    pub floor: Timestamp,
    /// The first position that is answered.
    pub from: Position,
    /// The position asked for.
    pub asked: Position,
}

/// What a snapshot shows of a table's rows.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub enum Kept {
    /// All of them.
    #[default]
    All,
    /// All but these.
    Except(Arc<Hidden>),
    /// Nothing: rows that were there at this position are gone.
    Gone(Removed),
}

/// Policies and holds in force, and what was dropped, at one position.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Retention {
    policies: BTreeMap<EntityId, RetentionPolicy>,
    holds: BTreeMap<EntityId, Arc<Hold>>,
    dropped: BTreeMap<String, Dropped>,
}

impl Retention {
    /// The policy of a table.
    #[must_use]
    pub fn policy(&self, table: &str) -> Option<(EntityId, &RetentionPolicy)> {
        self.policies.iter().map(|(id, policy)| (*id, policy)).find(|(_, it)| it.table == table)
    }

    /// The table has been told to keep rows so long; or no longer, by nothing. Gives the tables this is about.
    pub(crate) fn set_policy(
        &mut self,
        id: EntityId,
        policy: Option<RetentionPolicy>,
    ) -> Vec<String> {
        let before = self.policies.remove(&id);
        let mut tables: Vec<String> = before.into_iter().map(|it| it.table).collect();
        if let Some(policy) = policy.filter(|it| it.active && rule(&it.table).is_some()) {
            tables.push(policy.table.clone());
            self.policies.insert(id, policy);
        }
        tables.sort_unstable();
        tables.dedup();
        tables
    }

    /// A hold came into force, was changed, or ended.
    pub(crate) fn set_hold(&mut self, id: EntityId, hold: Option<Hold>) {
        match hold {
            Some(hold) => drop(self.holds.insert(id, Arc::new(hold))),
            None => drop(self.holds.remove(&id)),
        }
    }

    /// Drops rows. Says nothing for a table whose rows are never dropped.
    pub(crate) fn apply(
        &mut self,
        position: Position,
        time: Timestamp,
        it: &RetentionApplied,
    ) -> Option<&Dropped> {
        rule(&it.table)?;
        let run = Run { position, time, before: it.before, holds: self.holds.clone() };
        let dropped = self.dropped.entry(it.table.clone()).or_default();
        dropped.apply(run, it.past_before);
        Some(dropped)
    }

    /// What was dropped of a table.
    #[must_use]
    pub fn dropped(&self, table: &str) -> Option<&Dropped> {
        self.dropped.get(table)
    }

    /// The position before which the past of a table is given up; 0 as long as none is.
    #[must_use]
    pub fn removed(&self, table: &str) -> Position {
        self.dropped.get(table).map_or(Position::START, |it| it.removed)
    }

    /// What is shown of a table here.
    pub(crate) fn kept(&self, table: &str) -> Kept {
        match self.hidden(table, Position(u64::MAX)) {
            Some(hidden) => Kept::Except(Arc::new(hidden)),
            None => Kept::All,
        }
    }

    /// The rows of a table that may be taken out of its files.
    pub(crate) fn removable(&self, table: &str) -> Option<Hidden> {
        self.hidden(table, self.removed(table))
    }

    fn hidden(&self, table: &str, until: Position) -> Option<Hidden> {
        let (rule, dropped) = (rule(table)?, self.dropped.get(table)?);
        let end = dropped.runs.partition_point(|run| run.position <= until);
        let runs = needed(dropped.runs.get(..end).unwrap_or_default());
        (!runs.is_empty()).then_some(Hidden { rule, runs })
    }

    /// Whether a table can be asked for as it was at a position; if not, why.
    pub(crate) fn check(&self, table: &'static str, asked: Position) -> Result<(), Removed> {
        let Some(dropped) = self.dropped.get(table).filter(|it| asked < it.removed) else {
            return Ok(());
        };
        let run = dropped.runs.iter().rev().find(|run| run.position <= dropped.removed);
        let floor = run.map_or(Timestamp::EPOCH, |run| run.before);
        Err(Removed { table, floor, from: dropped.removed, asked })
    }

    /// Tables of which something was dropped.
    pub(crate) fn tables(&self) -> impl Iterator<Item = &str> {
        self.dropped.keys().map(String::as_str)
    }
}
