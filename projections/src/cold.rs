//! Cold files: final rows in Parquet.
//!
//! A file of one commit has the columns of its table. A file merged from several has one more,
//! [`COMMIT_COLUMN`]: who asks for the table as it was leaves out what became final later.

use std::path::Path;
use std::sync::Arc;

use arrow::array::{AsArray as _, BooleanArray};
use arrow::compute::filter_record_batch;
use arrow::datatypes::{Int64Type, SchemaRef};
use arrow::record_batch::RecordBatch;
use bytes::Bytes;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::metadata::SortingColumn;
use parquet::file::properties::{EnabledStatistics, WriterProperties, WriterPropertiesBuilder};
use parquet::schema::types::ColumnPath;

use crate::encode;
use crate::error::ProjectionError;
use crate::snapshot::{COMMIT_COLUMN, ColdFile};
use crate::table::{ColumnDef, ColumnType, TableDef};
use crate::tables::TableRow;

/// Columns by which single rows are looked up.
const LOOKED_UP: &[&str] =
    &["interaction_id", "agent_id", "leg_id", "agent_session_id", "event_id"];
/// Compression level: on two months of imported calls, level 3 costs more time and saves nothing.
const ZSTD_LEVEL: i32 = 1;
/// Rows of a row group at most. Larger ones make a reader skip less and hold more.
const ROW_GROUP_ROWS_MAX: usize = 1 << 20;

/// Rows as one batch, sorted as the cold files of their table are sorted.
///
/// # Errors
/// [`ProjectionError::Encode`].
pub(crate) fn sorted<T: TableRow>(
    schema: &SchemaRef,
    rows: &[T],
) -> Result<RecordBatch, ProjectionError> {
    let mut rows: Vec<&T> = rows.iter().collect();
    rows.sort_unstable_by(|left, right| left.cold_order(right));
    encode::batch(schema, rows.into_iter())
}

/// Whether hardly any value comes twice: a dictionary would be built in vain.
fn is_unique(def: &TableDef, column: &ColumnDef) -> bool {
    column.column_type == ColumnType::Json || column.name == "event_id" || def.key == [column.name]
}

/// How a file of so many rows is written.
///
/// # Errors
/// [`ProjectionError::Encode`].
pub(crate) fn properties(
    def: &TableDef,
    rows: usize,
) -> Result<WriterPropertiesBuilder, ProjectionError> {
    let level =
        ZstdLevel::try_new(ZSTD_LEVEL).map_err(|error| ProjectionError::encode(def.name, error))?;
    let sorting = def.sort.iter().filter_map(|name| def.column(name));
    let sorting = sorting
        .filter_map(|index| i32::try_from(index).ok())
        .map(|column_idx| SortingColumn { column_idx, descending: false, nulls_first: true });
    let mut properties = WriterProperties::builder()
        .set_compression(Compression::ZSTD(level))
        .set_max_row_group_row_count(Some(ROW_GROUP_ROWS_MAX))
        .set_sorting_columns(Some(sorting.collect()))
        .set_statistics_enabled(EnabledStatistics::Page);
    let distinct = rows.min(ROW_GROUP_ROWS_MAX);
    let distinct = u64::try_from(distinct).unwrap_or(u64::MAX).max(64);
    for name in LOOKED_UP.iter().filter(|name| def.column(name).is_some()) {
        let column = ColumnPath::from(*name);
        properties = properties
            .set_column_bloom_filter_enabled(column.clone(), true)
            .set_column_bloom_filter_max_ndv(column, distinct);
    }
    for column in def.columns.iter().filter(|column| is_unique(def, column)) {
        let column = ColumnPath::from(column.name);
        properties = properties.set_column_dictionary_enabled(column, false);
    }
    Ok(properties)
}

/// A Parquet file being written, in memory.
pub(crate) struct Writer {
    def: &'static TableDef,
    writer: ArrowWriter<Vec<u8>>,
}

impl Writer {
    /// A file of so many rows. Bloom filters are made for as many values as a row group has rows.
    ///
    /// # Errors
    /// [`ProjectionError::Encode`].
    pub(crate) fn new(
        def: &'static TableDef,
        schema: SchemaRef,
        rows: usize,
    ) -> Result<Self, ProjectionError> {
        let failed = |error| ProjectionError::encode(def.name, error);
        let properties = properties(def, rows)?.build();
        let writer = ArrowWriter::try_new(Vec::new(), schema, Some(properties)).map_err(failed)?;
        Ok(Self { def, writer })
    }

    /// Adds rows, which come after all others in the order of the table.
    ///
    /// # Errors
    /// [`ProjectionError::Encode`].
    pub(crate) fn write(&mut self, batch: &RecordBatch) -> Result<(), ProjectionError> {
        self.writer.write(batch).map_err(|error| ProjectionError::encode(self.def.name, error))
    }

    /// The file.
    ///
    /// # Errors
    /// [`ProjectionError::Encode`].
    pub(crate) fn finish(self) -> Result<Vec<u8>, ProjectionError> {
        self.writer.into_inner().map_err(|error| ProjectionError::encode(self.def.name, error))
    }
}

/// A batch whose rows are in order, as a Parquet file.
///
/// # Errors
/// [`ProjectionError::Encode`].
pub fn encode_batch(
    def: &'static TableDef,
    batch: &RecordBatch,
) -> Result<Vec<u8>, ProjectionError> {
    let mut writer = Writer::new(def, batch.schema(), batch.num_rows())?;
    writer.write(batch)?;
    writer.finish()
}

/// The content of a cold file, with nothing changed in it.
///
/// # Errors
/// [`ProjectionError::Io`], [`ProjectionError::Cipher`] or [`ProjectionError::Damaged`].
pub(crate) fn content(file: &ColdFile) -> Result<Bytes, ProjectionError> {
    let path = file.path.as_path();
    let bytes = std::fs::read(path).map_err(|error| ProjectionError::io(path, &error))?;
    if let Some(blocks) = &file.blocks {
        blocks.check_whole(&bytes).map_err(|error| ProjectionError::Damaged {
            path: path.to_owned(),
            reason: error.to_string(),
        })?;
    }
    let bytes = match &file.sealed {
        Some(sealed) => sealed.open_whole(bytes).map_err(ProjectionError::cipher(path))?,
        None => bytes,
    };
    Ok(bytes.into())
}

/// Reads a cold file batch by batch. Of a merged file the batches have [`COMMIT_COLUMN`] too.
///
/// # Errors
/// As [`content`], [`ProjectionError::Damaged`] also from the iterator.
pub(crate) fn read(
    file: &ColdFile,
) -> Result<impl Iterator<Item = Result<RecordBatch, ProjectionError>> + use<>, ProjectionError> {
    let shown: Arc<Path> = Arc::from(file.path.as_path());
    let damaged =
        move |reason: String| ProjectionError::Damaged { path: shown.to_path_buf(), reason };
    let reader = ParquetRecordBatchReaderBuilder::try_new(content(file)?)
        .and_then(ParquetRecordBatchReaderBuilder::build)
        .map_err(|error| damaged(error.to_string()))?;
    let until = file.until.map(|until| i64::try_from(until.0).unwrap_or(i64::MAX));
    Ok(reader.map(move |batch| {
        let batch = batch.map_err(|error| damaged(error.to_string()))?;
        match until {
            None => Ok(batch),
            Some(until) => up_to(&batch, until).map_err(|error| damaged(error.to_string())),
        }
    }))
}

/// The rows that became final up to a commit.
fn up_to(batch: &RecordBatch, until: i64) -> Result<RecordBatch, arrow::error::ArrowError> {
    let Some(commits) = batch.column_by_name(COMMIT_COLUMN) else { return Ok(batch.clone()) };
    let commits = commits.as_primitive::<Int64Type>().values();
    let wanted: BooleanArray = commits.iter().map(|commit| Some(*commit <= until)).collect();
    filter_record_batch(batch, &wanted)
}
