//! Cold files: final rows in Parquet.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use arrow::record_batch::RecordBatch;
use bytes::Bytes;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::schema::types::ColumnPath;

use crate::encode;
use crate::error::ProjectionError;
use crate::snapshot::ColdFile;
use crate::table::{ColumnDef, ColumnType, TableDef};
use crate::tables::TableRow;

/// Columns by which single rows are looked up.
const LOOKED_UP: &[&str] =
    &["interaction_id", "agent_id", "leg_id", "agent_session_id", "event_id"];
/// Compression level: on two months of imported calls, level 3 costs more time and saves nothing.
const ZSTD_LEVEL: i32 = 1;

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

/// A batch whose rows are in order, as a Parquet file.
///
/// # Errors
/// [`ProjectionError::Encode`].
pub fn encode_batch(
    def: &'static TableDef,
    batch: &RecordBatch,
) -> Result<Vec<u8>, ProjectionError> {
    let failed = |error| ProjectionError::encode(def.name, error);
    let level = ZstdLevel::try_new(ZSTD_LEVEL).map_err(failed)?;
    let mut properties = WriterProperties::builder()
        .set_compression(Compression::ZSTD(level))
        .set_statistics_enabled(EnabledStatistics::Page);
    let distinct = u64::try_from(batch.num_rows()).unwrap_or(u64::MAX).max(64);
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
    let mut bytes = Vec::new();
    let mut writer = ArrowWriter::try_new(&mut bytes, batch.schema(), Some(properties.build()))
        .map_err(failed)?;
    writer.write(batch).map_err(failed)?;
    writer.close().map_err(failed)?;
    Ok(bytes)
}

/// Reads a cold file batch by batch.
///
/// # Errors
/// [`ProjectionError::Io`], [`ProjectionError::Cipher`] or [`ProjectionError::Damaged`], the last one also from
/// the iterator.
pub(crate) fn read(
    file: &ColdFile,
) -> Result<impl Iterator<Item = Result<RecordBatch, ProjectionError>> + use<>, ProjectionError> {
    let path = file.path.as_path();
    let failed = |error: std::io::Error| ProjectionError::io(path, &error);
    let shown: Arc<Path> = Arc::from(path);
    let damaged =
        move |reason: String| ProjectionError::Damaged { path: shown.to_path_buf(), reason };
    let reader = match &file.sealed {
        None => ParquetRecordBatchReaderBuilder::try_new(File::open(path).map_err(failed)?)
            .and_then(ParquetRecordBatchReaderBuilder::build),
        Some(sealed) => {
            let bytes = std::fs::read(path).map_err(failed)?;
            let bytes = sealed.open_whole(bytes).map_err(ProjectionError::cipher(path))?;
            ParquetRecordBatchReaderBuilder::try_new(Bytes::from(bytes))
                .and_then(ParquetRecordBatchReaderBuilder::build)
        }
    };
    let reader = reader.map_err(|error| damaged(error.to_string()))?;
    Ok(reader.map(move |batch| batch.map_err(|error| damaged(error.to_string()))))
}
