//! The tables of a snapshot as Parquet files for engines of others.

use arrow::compute::concat_batches;
use arrow::record_batch::RecordBatch;
use bytes::Bytes;

use crate::cold;
use crate::error::ProjectionError;
use crate::manifest;
use crate::snapshot::{ColdFile, TableSnapshot};
use crate::table::TableDef;

/// A Parquet file with rows of a table. The files of a table together hold each of its rows once. Files that were merged
/// have one column more, [`crate::COMMIT_COLUMN`], which is not part of the table.
#[derive(Clone, Debug)]
pub struct Part {
    /// The table.
    pub table: &'static TableDef,
    /// A name within the table. Files of final rows keep theirs, and its content does not change as long as the epoch
    /// of the snapshot does not; the file of open rows has none.
    pub name: Option<String>,
    /// Its rows.
    pub rows: u64,
    content: Content,
}

#[derive(Clone, Debug)]
enum Content {
    File(ColdFile),
    Rows(RecordBatch),
}

impl Part {
    /// Whether it is encrypted here. What [`Part::bytes`] gives never is.
    #[must_use]
    pub const fn is_encrypted(&self) -> bool {
        matches!(&self.content, Content::File(file) if file.sealed.is_some())
    }

    /// Its content, verified.
    ///
    /// # Errors
    /// [`ProjectionError::Io`], [`ProjectionError::Cipher`], [`ProjectionError::Damaged`] or
    /// [`ProjectionError::Encode`].
    pub fn bytes(&self) -> Result<Bytes, ProjectionError> {
        match &self.content {
            Content::File(file) => cold::content(file),
            Content::Rows(batch) => cold::encode_batch(self.table, batch).map(Bytes::from),
        }
    }
}

/// SHA-256 in lower-case hex.
#[must_use]
pub fn sha256(bytes: &[u8]) -> String {
    manifest::sha256(bytes)
}

/// The files of a table of a present snapshot.
///
/// # Errors
/// [`ProjectionError::Encode`]; [`ProjectionError::Damaged`] for a snapshot of the past, whose files have rows of later.
pub fn parts(table: &TableSnapshot) -> Result<Vec<Part>, ProjectionError> {
    let mut parts = Vec::new();
    for file in table.cold.iter() {
        let named = file.path.file_name().map(|name| name.to_string_lossy().into_owned());
        let (Some(name), None) = (named, file.until) else {
            let reason = "it goes on beyond the position asked for".to_owned();
            return Err(ProjectionError::Damaged { path: file.path.clone(), reason });
        };
        parts.push(Part {
            table: table.def,
            name: Some(name),
            rows: file.rows,
            content: Content::File(file.clone()),
        });
    }
    let open = concat_batches(&table.schema, table.hot.iter())
        .map_err(|error| ProjectionError::encode(table.def.name, error))?;
    if open.num_rows() > 0 {
        let rows = open.num_rows() as u64;
        parts.push(Part { table: table.def, name: None, rows, content: Content::Rows(open) });
    }
    Ok(parts)
}
