//! Files of a table merged into one: the same rows in the order of the table, each with the commit in which it
//! became final.
//!
//! Files whose rows follow each other are put one behind the other ([`splice`]). Others are read side by side, so
//! that what is in memory is the files themselves (encoded), a few thousand rows of each, and the new file.

use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array};
use arrow::compute::{SortOptions, interleave_record_batch};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow::record_batch::RecordBatch;
use arrow::row::{Row, RowConverter, Rows, SortField};
use bytes::Bytes;
use parquet::arrow::arrow_reader::{ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder};

use crate::cold::Writer;
use crate::encode;
use crate::error::ProjectionError;
use crate::past::GoingOn;
use crate::retention::Hidden;
use crate::snapshot::COMMIT_COLUMN;
use crate::splice;
use crate::table::TableDef;

/// Rows that are read of a file, and written, at a time.
const BATCH_ROWS: usize = 8_192;

/// The schema of a merged file.
pub(crate) fn schema(def: &TableDef) -> SchemaRef {
    let mut fields = encode::schema(def).fields().to_vec();
    fields.push(Arc::new(Field::new(COMMIT_COLUMN, DataType::Int64, false)));
    Arc::new(Schema::new(fields))
}

/// A file to be merged: its content, and the commit of its rows unless they say so themselves.
pub(crate) struct Input {
    pub(crate) content: Bytes,
    pub(crate) commit: u64,
}

/// A file being read.
struct Source {
    reader: ParquetRecordBatchReader,
    commit: i64,
    /// The rows at hand, as they compare; absent when there are no more.
    rows: Option<Rows>,
    /// The next of them.
    at: usize,
    /// Which of the held batches they are.
    batch: usize,
}

/// Merges the files of a table, which are `rows` rows together, not counting those to leave out.
///
/// # Errors
/// [`ProjectionError::Encode`] when rows cannot be read or written, or are another number;
/// [`ProjectionError::Cancelled`].
pub(crate) fn merge(
    def: &'static TableDef,
    inputs: Vec<Input>,
    rows: u64,
    without: Option<&Hidden>,
    going_on: GoingOn<'_>,
) -> Result<Vec<u8>, ProjectionError> {
    let expected = usize::try_from(rows).unwrap_or(usize::MAX);
    if without.is_none()
        && let Some(bytes) = splice::spliced(def, &schema(def), &inputs, expected, going_on)?
    {
        return Ok(bytes);
    }
    row_by_row(def, inputs, expected, without, going_on)
}

/// The same, whatever the files are like.
///
/// # Errors
/// As [`merge`].
pub(crate) fn row_by_row(
    def: &'static TableDef,
    inputs: Vec<Input>,
    expected: usize,
    without: Option<&Hidden>,
    going_on: GoingOn<'_>,
) -> Result<Vec<u8>, ProjectionError> {
    let mut merging = Merging::new(def, inputs, expected, without)?;
    let mut written = 0;
    while let Some(batch) = merging.next()? {
        if !going_on() {
            return Err(ProjectionError::Cancelled);
        }
        written += batch.num_rows();
        merging.writer.write(&batch)?;
    }
    if written != expected {
        let reason = format!("{written} rows came together of {expected}");
        return Err(ProjectionError::encode(def.name, reason));
    }
    merging.writer.finish()
}

struct Merging<'a> {
    def: &'static TableDef,
    /// Rows to leave out.
    without: Option<&'a Hidden>,
    schema: SchemaRef,
    converter: RowConverter,
    sources: Vec<Source>,
    /// Batches that the rows to be written are in.
    held: Vec<RecordBatch>,
    writer: Writer,
}

impl<'a> Merging<'a> {
    fn new(
        def: &'static TableDef,
        inputs: Vec<Input>,
        rows: usize,
        without: Option<&'a Hidden>,
    ) -> Result<Self, ProjectionError> {
        let failed = |error: String| ProjectionError::encode(def.name, error);
        let options = SortOptions { descending: false, nulls_first: true };
        let schema = schema(def);
        let mut fields = Vec::new();
        for name in def.sort {
            let field = schema.field_with_name(name).map_err(|error| failed(error.to_string()))?;
            fields.push(SortField::new_with_options(field.data_type().clone(), options));
        }
        let converter = RowConverter::new(fields).map_err(|error| failed(error.to_string()))?;
        let writer = Writer::new(def, Arc::clone(&schema), rows)?;
        let (sources, held) = (Vec::new(), Vec::new());
        let mut merging = Self { def, without, schema, converter, sources, held, writer };
        for Input { content, commit } in inputs {
            let reader = ParquetRecordBatchReaderBuilder::try_new(content)
                .and_then(|builder| builder.with_batch_size(BATCH_ROWS).build())
                .map_err(|error| failed(error.to_string()))?;
            let commit = i64::try_from(commit).unwrap_or(i64::MAX);
            let mut source = Source { reader, commit, rows: None, at: 0, batch: 0 };
            merging.fill(&mut source)?;
            merging.sources.push(source);
        }
        Ok(merging)
    }

    /// Reads the next rows of a file.
    fn fill(&mut self, source: &mut Source) -> Result<(), ProjectionError> {
        let failed =
            |error: arrow::error::ArrowError| ProjectionError::encode(self.def.name, error);
        source.at = 0;
        source.rows = None;
        for batch in source.reader.by_ref() {
            let batch = batch.map_err(failed)?;
            let batch = match self.without {
                Some(hidden) => hidden.rest(&batch)?,
                None => batch,
            };
            if batch.num_rows() == 0 {
                continue;
            }
            let batch = match batch.column_by_name(COMMIT_COLUMN) {
                Some(_) => batch,
                None => {
                    let mut columns = batch.columns().to_vec();
                    let commits = vec![source.commit; batch.num_rows()];
                    columns.push(Arc::new(Int64Array::from(commits)) as ArrayRef);
                    RecordBatch::try_new(Arc::clone(&self.schema), columns).map_err(failed)?
                }
            };
            let columns = self.def.sort.iter().filter_map(|name| batch.column_by_name(name));
            let columns: Vec<ArrayRef> = columns.cloned().collect();
            source.rows = Some(self.converter.convert_columns(&columns).map_err(failed)?);
            source.batch = self.held.len();
            self.held.push(batch);
            return Ok(());
        }
        Ok(())
    }

    /// The next rows in order; none are left when there is none.
    fn next(&mut self) -> Result<Option<RecordBatch>, ProjectionError> {
        // Only the batches that are still being read are needed from here on.
        let mut held = Vec::new();
        for source in &mut self.sources {
            if source.rows.is_some()
                && let Some(batch) = self.held.get(source.batch)
            {
                source.batch = held.len();
                held.push(batch.clone());
            }
        }
        self.held = held;
        let mut picked: Vec<(usize, usize)> = Vec::with_capacity(BATCH_ROWS);
        while picked.len() < BATCH_ROWS {
            let Some((least, run)) = least(&self.sources, BATCH_ROWS - picked.len()) else { break };
            let mut sources = std::mem::take(&mut self.sources);
            if let Some(source) = sources.get_mut(least) {
                picked.extend((source.at..source.at + run).map(|row| (source.batch, row)));
                source.at += run;
                if source.rows.as_ref().is_some_and(|rows| source.at >= rows.num_rows()) {
                    self.fill(source)?;
                }
            }
            self.sources = sources;
        }
        if picked.is_empty() {
            return Ok(None);
        }
        let batches: Vec<&RecordBatch> = self.held.iter().collect();
        interleave_record_batch(&batches, &picked)
            .map(Some)
            .map_err(|error| ProjectionError::encode(self.def.name, error))
    }
}

/// The file whose next row comes first, and how many of its rows come before those of all others, at most
/// `max`. Of equal rows that of the earlier file comes first.
fn least(sources: &[Source], max: usize) -> Option<(usize, usize)> {
    let mut heads: Vec<(Row<'_>, usize)> = sources
        .iter()
        .enumerate()
        .filter_map(|(index, source)| Some((source.rows.as_ref()?.row(source.at), index)))
        .collect();
    heads.sort_unstable();
    let (_, index) = heads.first()?;
    let source = sources.get(*index)?;
    let rows = source.rows.as_ref()?;
    let left = (rows.num_rows() - source.at).min(max);
    let run = match heads.get(1) {
        None => left,
        Some((bound, other)) => {
            let before = |row: usize| (rows.row(source.at + row), *index) < (*bound, *other);
            // The first row is before all others; look for the first that is not.
            let mut run = 1;
            while run < left && before(run) {
                run += 1;
            }
            run
        }
    };
    Some((*index, run))
}
