//! Checksums of tables: equal rows give equal sums, wherever and in whichever order they are kept.

use std::collections::BTreeMap;
use std::fmt;

use arrow::array::{Array, AsArray as _, RecordBatch};
use arrow::datatypes::{Int64Type, TimestampMicrosecondType};
use ledgerline_schemas::Position;
use serde::Serialize;
use sha2::{Digest as _, Sha256};

use crate::cold;
use crate::error::ProjectionError;
use crate::parallel;
use crate::retention::{Hidden, Kept};
use crate::snapshot::{COMMIT_COLUMN, ColdFile, Snapshot, TableSnapshot};
use crate::table::{ColumnType, TableDef};

/// Rows of a table and what they amount to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TableChecksum {
    /// Rows.
    pub rows: u64,
    /// SHA-256 over the rows' hashes in key order, lower-case hex.
    pub sha256: String,
}

impl fmt::Display for TableChecksum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} rows, {}", self.rows, self.sha256)
    }
}

/// The checksum of every table of a snapshot, live tables included. Reads all cold files: not for async
/// code.
///
/// # Errors
/// [`ProjectionError::Io`] or [`ProjectionError::Damaged`] when a cold file cannot be read;
/// [`ProjectionError::Removed`] for a snapshot of the past of which rows are gone.
pub fn checksum(
    snapshot: &Snapshot,
) -> Result<BTreeMap<&'static str, TableChecksum>, ProjectionError> {
    snapshot.tables.values().map(|table| Ok((table.def.name, of_table(table)?))).collect()
}

/// Key and hash of rows.
type Hashes = Vec<(Vec<u8>, [u8; 32])>;

/// Where rows of a table are.
enum Part<'a> {
    Hot(&'a RecordBatch),
    Cold(&'a ColdFile),
}

impl Part<'_> {
    fn hashes(self, def: &TableDef, hidden: Option<&Hidden>) -> Result<Hashes, ProjectionError> {
        let mut rows = Vec::new();
        let mut hash = |batch: &RecordBatch| -> Result<(), ProjectionError> {
            match hidden {
                Some(hidden) => hash_rows(def, &hidden.rest(batch)?, &mut rows),
                None => hash_rows(def, batch, &mut rows),
            }
            Ok(())
        };
        match self {
            Self::Hot(batch) => hash(batch)?,
            Self::Cold(file) => {
                for batch in cold::read(file)? {
                    hash(&batch?)?;
                }
            }
        }
        Ok(rows)
    }
}

fn of_table(table: &TableSnapshot) -> Result<TableChecksum, ProjectionError> {
    let hidden = match &table.kept {
        Kept::All => None,
        Kept::Except(hidden) => Some(&**hidden),
        Kept::Gone(removed) => return Err(removed.clone().into()),
    };
    let parts = table.cold.iter().map(Part::Cold).chain(table.hot.iter().map(Part::Hot)).collect();
    let mut rows: Hashes = Vec::new();
    for part in parallel::each(parts, |part| part.hashes(table.def, hidden)) {
        rows.append(&mut part?);
    }
    Ok(summed(rows))
}

/// The checksums of the rows of a cold file by the commit in which they became final; of a file that does not
/// say so it is `to`. Rows that may be taken out of the files do not count.
///
/// # Errors
/// As [`checksum`].
pub(crate) fn of_commits(
    def: &TableDef,
    file: &ColdFile,
    to: Position,
    without: Option<&Hidden>,
) -> Result<BTreeMap<u64, TableChecksum>, ProjectionError> {
    let mut commits: BTreeMap<u64, Hashes> = BTreeMap::new();
    for batch in cold::read(file)? {
        let batch = match without {
            Some(hidden) => hidden.rest(&batch?)?,
            None => batch?,
        };
        let mut rows = Vec::new();
        hash_rows(def, &batch, &mut rows);
        let said = batch.column_by_name(COMMIT_COLUMN);
        let said = said.map(|column| column.as_primitive::<Int64Type>().values());
        for (index, row) in rows.into_iter().enumerate() {
            let commit = said.and_then(|said| said.get(index));
            let commit = commit.map_or(to.0, |commit| u64::try_from(*commit).unwrap_or(0));
            commits.entry(commit).or_default().push(row);
        }
    }
    Ok(commits.into_iter().map(|(commit, rows)| (commit, summed(rows))).collect())
}

/// The checksum of rows in memory; rows that may be taken out of the files do not count.
///
/// # Errors
/// [`ProjectionError::Encode`].
pub(crate) fn of_batch(
    def: &TableDef,
    batch: &RecordBatch,
    without: Option<&Hidden>,
) -> Result<TableChecksum, ProjectionError> {
    Ok(summed(Part::Hot(batch).hashes(def, without)?))
}

fn summed(mut rows: Hashes) -> TableChecksum {
    rows.sort_unstable();
    let mut sum = Sha256::new();
    for (_, hash) in &rows {
        sum.update(hash);
    }
    let sha256 = sum.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    TableChecksum { rows: rows.len() as u64, sha256 }
}

impl TableChecksum {
    /// The checksum of no rows.
    pub(crate) fn of_nothing() -> Self {
        summed(Vec::new())
    }
}

fn hash_rows(def: &TableDef, batch: &RecordBatch, out: &mut Hashes) {
    let key_columns = def.key.len();
    let mut bytes = Vec::new();
    for row in 0..batch.num_rows() {
        bytes.clear();
        let mut key_bytes = 0;
        for (index, (column, it)) in batch.columns().iter().zip(def.columns).enumerate() {
            put_value(column.as_ref(), it.column_type, row, &mut bytes);
            if index + 1 == key_columns {
                key_bytes = bytes.len();
            }
        }
        let key = bytes.get(..key_bytes).unwrap_or_default().to_vec();
        out.push((key, Sha256::digest(&bytes).into()));
    }
}

/// One value: a byte that says what follows, then the value; text with its length before it.
fn put_value(column: &dyn Array, column_type: ColumnType, row: usize, out: &mut Vec<u8>) {
    if column.is_null(row) {
        out.push(0);
        return;
    }
    match column_type {
        ColumnType::Text | ColumnType::Json => {
            let text = column.as_string::<i32>().value(row);
            out.push(1);
            out.extend_from_slice(&(text.len() as u64).to_be_bytes());
            out.extend_from_slice(text.as_bytes());
        }
        ColumnType::Int => {
            out.push(2);
            out.extend_from_slice(&column.as_primitive::<Int64Type>().value(row).to_be_bytes());
        }
        ColumnType::Bool => out.extend_from_slice(&[3, u8::from(column.as_boolean().value(row))]),
        ColumnType::Time => {
            let micros = column.as_primitive::<TimestampMicrosecondType>().value(row);
            out.push(4);
            out.extend_from_slice(&micros.to_be_bytes());
        }
    }
}
