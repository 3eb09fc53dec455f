//! The tables of a snapshot as Parquet files for engines of others.

use std::sync::Arc;

use arrow::compute::concat_batches;
use arrow::record_batch::RecordBatch;
use bytes::Bytes;

use crate::cold;
use crate::encode;
use crate::error::ProjectionError;
use crate::manifest;
use crate::retention::{Hidden, Kept};
use crate::snapshot::{ColdFile, TableSnapshot};
use crate::table::TableDef;

/// A Parquet file with rows of a table. The files of a table together hold each of its rows once. Files that were merged
/// have one column more, [`crate::COMMIT_COLUMN`], which is not part of the table.
#[derive(Clone, Debug)]
pub struct Part {
    /// The table.
    pub table: &'static TableDef,
    /// A name within the table. Files of final rows have one, and the content of a name does not change as long as the
    /// epoch of the snapshot does not; the file of open rows has none.
    pub name: Option<String>,
    content: Content,
}

#[derive(Clone, Debug)]
enum Content {
    File(ColdFile),
    /// Some of its rows were dropped by a retention policy and are still in it.
    Rest(ColdFile, Arc<Hidden>),
    Rows(RecordBatch),
}

impl Part {
    /// Whether it is encrypted here. What [`Part::bytes`] gives never is.
    #[must_use]
    pub const fn is_encrypted(&self) -> bool {
        match &self.content {
            Content::File(file) | Content::Rest(file, _) => file.sealed.is_some(),
            Content::Rows(_) => false,
        }
    }

    /// Its rows and its content, verified.
    ///
    /// # Errors
    /// [`ProjectionError::Io`], [`ProjectionError::Cipher`], [`ProjectionError::Damaged`] or
    /// [`ProjectionError::Encode`].
    pub fn content(&self) -> Result<(u64, Bytes), ProjectionError> {
        match &self.content {
            Content::File(file) => Ok((file.rows, cold::content(file)?)),
            Content::Rest(file, hidden) => self.rest(file, hidden),
            Content::Rows(batch) => {
                Ok((batch.num_rows() as u64, cold::encode_batch(self.table, batch)?.into()))
            }
        }
    }

    fn rest(&self, file: &ColdFile, hidden: &Hidden) -> Result<(u64, Bytes), ProjectionError> {
        let batches = cold::read(file)?.map(|batch| hidden.rest(&batch?));
        let batches = batches.collect::<Result<Vec<_>, _>>()?;
        let rows: usize = batches.iter().map(RecordBatch::num_rows).sum();
        let schema = match batches.first() {
            Some(batch) => batch.schema(),
            None => encode::schema(self.table),
        };
        let mut writer = cold::Writer::new(self.table, schema, rows)?;
        batches.iter().try_for_each(|batch| writer.write(batch))?;
        Ok((rows as u64, writer.finish()?.into()))
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
    let hidden = match &table.kept {
        Kept::All => None,
        Kept::Except(hidden) => Some(Arc::clone(hidden)),
        Kept::Gone(removed) => return Err(removed.clone().into()),
    };
    let mut parts = Vec::new();
    for file in table.cold.iter() {
        let named = file.path.file_name().map(|name| name.to_string_lossy().into_owned());
        let (Some(name), None) = (named, file.until) else {
            let reason = "it goes on beyond the position asked for".to_owned();
            return Err(ProjectionError::Damaged { path: file.path.clone(), reason });
        };
        let (name, content) = match &hidden {
            None => (name, Content::File(file.clone())),
            // What is hidden follows from the runs so far: the last of them names the content.
            Some(hidden) => {
                let last = hidden.runs.iter().map(|run| run.position.0).max().unwrap_or_default();
                let stem = name.trim_end_matches(".parquet");
                let content = Content::Rest(file.clone(), Arc::clone(hidden));
                (format!("{stem}-without-{last}.parquet"), content)
            }
        };
        parts.push(Part { table: table.def, name: Some(name), content });
    }
    let mut open = concat_batches(&table.schema, table.hot.iter())
        .map_err(|error| ProjectionError::encode(table.def.name, error))?;
    if let Some(hidden) = &hidden {
        open = hidden.rest(&open)?;
    }
    if open.num_rows() > 0 {
        parts.push(Part { table: table.def, name: None, content: Content::Rows(open) });
    }
    Ok(parts)
}
