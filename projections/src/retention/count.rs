//! How many rows a run is about, before it is made.

use std::path::Path;

use arrow::record_batch::RecordBatch;
use bytes::Bytes;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

use super::{Due, Hidden, Kept, Rule};
use crate::cold;
use crate::error::ProjectionError;
use crate::snapshot::{ColdFile, TableSnapshot};

/// Rows that a run is about.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counted {
    /// It drops so many that are still shown.
    pub dropped: u64,
    /// So many are old enough and held.
    pub held: u64,
}

/// The columns of a file that conditions look at, batch by batch.
fn each(
    path: &Path,
    content: Bytes,
    rule: &Rule,
    look: &mut dyn FnMut(&RecordBatch) -> Result<(), ProjectionError>,
) -> Result<(), ProjectionError> {
    let damaged = |reason: String| ProjectionError::Damaged { path: path.to_owned(), reason };
    let builder = ParquetRecordBatchReaderBuilder::try_new(content)
        .map_err(|error| damaged(error.to_string()))?;
    let columns = ProjectionMask::columns(builder.parquet_schema(), rule.columns());
    let reader = builder.with_projection(columns).build();
    for batch in reader.map_err(|error| damaged(error.to_string()))? {
        look(&batch.map_err(|error| damaged(error.to_string()))?)?;
    }
    Ok(())
}

impl Hidden {
    /// How many rows of a file are hidden.
    ///
    /// # Errors
    /// [`ProjectionError::Damaged`] when the content is no file of the table.
    pub(crate) fn count(&self, path: &Path, content: Bytes) -> Result<u64, ProjectionError> {
        let mut count = 0;
        each(path, content, self.rule, &mut |batch| {
            count += self.of_rows(batch)?.into_iter().filter(|is| *is).count() as u64;
            Ok(())
        })?;
        Ok(count)
    }
}

/// Counts the rows of a table that a run is about. Reads all of its files: not for async code.
///
/// # Errors
/// [`ProjectionError::Io`], [`ProjectionError::Damaged`] or [`ProjectionError::Cipher`] when a file cannot be
/// read.
pub fn count(table: &TableSnapshot, due: &Due) -> Result<Counted, ProjectionError> {
    let Some(rule) = super::rule(table.def.name) else { return Ok(Counted::default()) };
    let mut counted = Counted::default();
    for batch in table.hot.iter() {
        counted.add(rule, table, due, batch)?;
    }
    for file in table.cold.iter() {
        counted.add_file(rule, table, due, file)?;
    }
    Ok(counted)
}

impl Counted {
    fn add_file(
        &mut self,
        rule: &'static Rule,
        table: &TableSnapshot,
        due: &Due,
        file: &ColdFile,
    ) -> Result<(), ProjectionError> {
        each(&file.path, cold::content(file)?, rule, &mut |batch| self.add(rule, table, due, batch))
    }

    fn add(
        &mut self,
        rule: &'static Rule,
        table: &TableSnapshot,
        due: &Due,
        batch: &RecordBatch,
    ) -> Result<(), ProjectionError> {
        let marked = due.run.marks(rule, batch)?;
        let hidden = match &table.kept {
            Kept::Except(hidden) => hidden.of_rows(batch)?,
            _ => vec![false; batch.num_rows()],
        };
        let count = |marks: &[bool]| {
            marks.iter().zip(&hidden).filter(|(is, hidden)| **is && !**hidden).count() as u64
        };
        self.dropped += count(&marked.dropped);
        self.held += count(&marked.held);
        Ok(())
    }
}
