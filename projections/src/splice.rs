//! Files of a table whose rows follow each other, put one behind the other as they are.
//!
//! Tables in the order of the log (`event_log`, `routing_decision` …) are most of what is written, and the files of
//! their commits never overlap. Reading, ordering and encoding their rows once more would change nothing but the size of
//! row groups, so column chunks are copied with their statistics, page indexes and bloom filters, and only the column of
//! commits is written.

use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use parquet::arrow::{ArrowSchemaConverter, add_encoded_arrow_schema_to_metadata};
use parquet::bloom_filter::Sbbf;
use parquet::column::writer::ColumnCloseResult;
use parquet::data_type::Int64Type;
use parquet::errors::ParquetError;
use parquet::file::metadata::{PageIndexPolicy, ParquetMetaData, ParquetMetaDataReader};
use parquet::file::statistics::Statistics;
use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};

use crate::cold;
use crate::error::ProjectionError;
use crate::merge::Input;
use crate::past::GoingOn;
use crate::table::TableDef;

/// Row groups of fewer rows are better made into larger ones.
const ROW_GROUP_ROWS_MIN: i64 = 8_192;

/// The files one behind the other, with the commits of their rows; `None` when their rows do not follow each other or
/// their row groups are small. `schema` is that of the new file, `rows` the rows of all.
///
/// # Errors
/// [`ProjectionError::Encode`] when a file cannot be read or written; [`ProjectionError::Cancelled`].
pub(crate) fn spliced(
    def: &'static TableDef,
    schema: &SchemaRef,
    inputs: &[Input],
    rows: usize,
    going_on: GoingOn<'_>,
) -> Result<Option<Vec<u8>>, ProjectionError> {
    let failed = |error: ParquetError| ProjectionError::encode(def.name, error);
    let read = |input: &Input| {
        ParquetMetaDataReader::new()
            .with_page_index_policy(PageIndexPolicy::Required)
            .parse_and_finish(&input.content)
    };
    let files: Vec<ParquetMetaData> =
        inputs.iter().map(read).collect::<Result<_, _>>().map_err(failed)?;
    if !are_large(&files) || !follow_each_other(def, &files) {
        return Ok(None);
    }
    let mut properties = cold::properties(def, rows)?.build();
    add_encoded_arrow_schema_to_metadata(schema, &mut properties);
    let columns = ArrowSchemaConverter::new().convert(schema).map_err(failed)?;
    let bytes = inputs.iter().map(|input| input.content.len()).sum();
    let (root, out) = (columns.root_schema_ptr(), Vec::with_capacity(bytes));
    let mut writer = SerializedFileWriter::new(out, root, Arc::new(properties)).map_err(failed)?;
    for (input, file) in inputs.iter().zip(&files) {
        for group in 0..file.num_row_groups() {
            if !going_on() {
                return Err(ProjectionError::Cancelled);
            }
            let mut to = writer.next_row_group().map_err(failed)?;
            copied(input, file, group, &mut to).map_err(failed)?;
            to.close().map_err(failed)?;
        }
    }
    writer.into_inner().map(Some).map_err(failed)
}

fn are_large(files: &[ParquetMetaData]) -> bool {
    let mut groups = files.iter().flat_map(ParquetMetaData::row_groups);
    groups.all(|group| group.num_rows() >= ROW_GROUP_ROWS_MIN)
}

/// Whether every row group ends before the next one begins, by the first column of the table's order.
fn follow_each_other(def: &TableDef, files: &[ParquetMetaData]) -> bool {
    let Some(column) = def.sort.first().and_then(|name| def.column(name)) else { return false };
    let mut last: Option<i64> = None;
    files.iter().flat_map(ParquetMetaData::row_groups).all(|group| {
        let statistics = group.columns().get(column).and_then(|chunk| chunk.statistics());
        let Some(Statistics::Int64(within)) = statistics else { return false };
        let (Some(least), Some(greatest)) = (within.min_opt(), within.max_opt()) else {
            return false;
        };
        let follows = last.is_none_or(|last| last < *least) && within.null_count_opt() == Some(0);
        last = Some(*greatest);
        follows
    })
}

/// Copies a row group; adds the commit of its rows unless they have it.
fn copied(
    input: &Input,
    file: &ParquetMetaData,
    group: usize,
    to: &mut SerializedRowGroupWriter<'_, Vec<u8>>,
) -> Result<(), ParquetError> {
    let of = file.row_group(group);
    for (index, chunk) in of.columns().iter().enumerate() {
        let column_index = file.column_index().and_then(|all| all.get(group)?.get(index));
        let offset_index = file.offset_index().and_then(|all| all.get(group)?.get(index));
        let close = ColumnCloseResult {
            bytes_written: chunk.compressed_size().unsigned_abs(),
            rows_written: of.num_rows().unsigned_abs(),
            metadata: chunk.clone(),
            bloom_filter: Sbbf::read_from_column_chunk(chunk, &input.content)?,
            column_index: column_index.cloned(),
            offset_index: offset_index.cloned(),
        };
        to.append_column(&input.content, close)?;
    }
    if let Some(mut column) = to.next_column()? {
        let rows = usize::try_from(of.num_rows()).unwrap_or_default();
        let commits = vec![i64::try_from(input.commit).unwrap_or(i64::MAX); rows];
        column.typed::<Int64Type>().write_batch(&commits, None, None)?;
        column.close()?;
    }
    Ok(())
}
