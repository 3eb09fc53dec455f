//! Going back: tables as they were, changes between two positions, a check of what is stored against the log.
//!
//! `as_of('queue_leg', 4711)` and its like stand where a table stands. They are found in the parsed statement
//! ([`rewrite`]), answered from the projections' past ([`resolve`]), and planned as ordinary tables of a schema
//! that only this question has. Their arguments are literals, so what has to be folded again is known, and
//! bounded, before anything is planned.

mod changes;
mod moment;
mod resolve;
mod rewrite;

use std::collections::BTreeMap;
use std::sync::Arc;

use datafusion::arrow::record_batch::RecordBatch;
use ledgerline_projections::{Snapshot, TableDef};
use ledgerline_schemas::Position;

pub use moment::Moment;
pub(crate) use resolve::{at, resolve};
pub(crate) use rewrite::rewrite;

/// The schema that holds the tables of the past.
pub(crate) const SCHEMA: &str = "past";

/// What one table function of a statement asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Asked {
    /// A table at a position.
    AsOf { table: &'static TableDef, at: Position },
    /// Changes of rows after `from` up to `to`, of one row if a key is given.
    Changes { table: &'static TableDef, from: Position, to: Position, key: Option<String> },
    /// What is stored, held against the log.
    Check { table: &'static TableDef, from: Position, to: Position },
}

impl Asked {
    /// Name of the table it is about.
    pub(crate) const fn table(&self) -> &'static str {
        match self {
            Self::AsOf { table, .. } | Self::Changes { table, .. } | Self::Check { table, .. } => {
                table.name
            }
        }
    }
}

/// Table functions by the name that stands for them in the rewritten statement.
pub(crate) type Requests = BTreeMap<String, Asked>;

/// The answers: tables of the schema [`SCHEMA`].
#[derive(Debug, Default)]
pub(crate) struct Tables {
    /// Tables of earlier snapshots.
    pub(crate) as_of: BTreeMap<String, (Arc<Snapshot>, &'static str)>,
    /// Rows that were computed, of which table.
    pub(crate) rows: BTreeMap<String, (&'static TableDef, RecordBatch)>,
}

#[cfg(test)]
mod tests;
