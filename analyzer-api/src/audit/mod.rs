//! Questions of an auditor, as ordinary questions in SQL: what a row was, what became of rows between two moments,
//! who looked.
//!
//! Each is a `SELECT` that is put together here and asked like anybody's: with the asker's own rights, under the
//! governor, and as an event on the log. Nothing of a request becomes text of the statement but names of tables and
//! columns that exist, and moments that were read; values are parameters.

mod diff;
mod key;
mod looked;
mod moments;

use ledgerline_projections::{TableDef, tables};

use crate::error::QueryError;

pub(crate) use diff::{arranged, difference};
pub(crate) use key::place;
pub(crate) use looked::{at_interaction, at_table};
pub(crate) use moments::at;

/// Most rows of an answer. Whoever wants more asks SQL, in a format that streams.
pub(crate) const ROWS_MAX: u64 = 10_000;

/// A `SELECT` and the values of its parameters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Asked {
    pub(crate) sql: String,
    /// Values of `$1`, `$2` …
    pub(crate) values: Vec<String>,
}

/// The table of this name. Whether the asker may see it is found out when it is asked.
pub(crate) fn table(name: &str) -> Result<&'static TableDef, QueryError> {
    tables::ALL
        .iter()
        .find(|def| def.name == name)
        .ok_or_else(|| QueryError::Table(format!("table \"{name}\" not found")))
}

/// A column's name as SQL.
fn quoted(name: &str) -> String {
    format!("\"{name}\"")
}

#[cfg(test)]
mod tests;
