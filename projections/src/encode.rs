//! Rows to Arrow.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanBuilder, Int64Builder, StringBuilder, TimestampMicrosecondBuilder,
};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use arrow::record_batch::RecordBatch;

use crate::error::ProjectionError;
use crate::table::{ColumnType, Row, TableDef, Value};

/// Time zone of every time column: UTC, as an offset, which every reader of Arrow knows without a time zone
/// database.
const UTC: &str = "+00:00";

/// The Arrow schema of a table: text and JSON as UTF-8, times as microseconds UTC.
#[must_use]
pub fn schema(def: &TableDef) -> SchemaRef {
    let fields: Vec<Field> = def
        .columns
        .iter()
        .map(|column| Field::new(column.name, data_type(column.column_type), column.nullable))
        .collect();
    Arc::new(Schema::new(fields))
}

/// The Arrow type of a column.
#[must_use]
pub fn data_type(column_type: ColumnType) -> DataType {
    match column_type {
        ColumnType::Text | ColumnType::Json => DataType::Utf8,
        ColumnType::Int => DataType::Int64,
        ColumnType::Bool => DataType::Boolean,
        ColumnType::Time => DataType::Timestamp(TimeUnit::Microsecond, Some(UTC.into())),
    }
}

fn column<'a>(
    column_type: ColumnType,
    index: usize,
    rows: impl ExactSizeIterator<Item = &'a Row>,
) -> ArrayRef {
    let count = rows.len();
    let values = rows.map(|row| row.get(index).unwrap_or(&Value::Null));
    match column_type {
        ColumnType::Text | ColumnType::Json => {
            let mut builder = StringBuilder::with_capacity(count, count * 36);
            for value in values {
                match value {
                    Value::Text(text) => builder.append_value(text),
                    _ => builder.append_null(),
                }
            }
            Arc::new(builder.finish())
        }
        ColumnType::Int => {
            let mut builder = Int64Builder::with_capacity(count);
            for value in values {
                match value {
                    Value::Int(number) => builder.append_value(*number),
                    _ => builder.append_null(),
                }
            }
            Arc::new(builder.finish())
        }
        ColumnType::Bool => {
            let mut builder = BooleanBuilder::with_capacity(count);
            for value in values {
                match value {
                    Value::Bool(truth) => builder.append_value(*truth),
                    _ => builder.append_null(),
                }
            }
            Arc::new(builder.finish())
        }
        ColumnType::Time => {
            let mut builder = TimestampMicrosecondBuilder::with_capacity(count).with_timezone(UTC);
            for value in values {
                match value {
                    Value::Time(micros) => builder.append_value(*micros),
                    _ => builder.append_null(),
                }
            }
            Arc::new(builder.finish())
        }
    }
}

/// Rows as one batch.
///
/// # Errors
/// [`ProjectionError::Encode`] if a row lacks a value that may not be null.
pub(crate) fn batch(
    def: &'static TableDef,
    schema: &SchemaRef,
    rows: &[Row],
) -> Result<RecordBatch, ProjectionError> {
    let columns: Vec<ArrayRef> = def
        .columns
        .iter()
        .enumerate()
        .map(|(index, it)| column(it.column_type, index, rows.iter()))
        .collect();
    RecordBatch::try_new(Arc::clone(schema), columns)
        .map_err(|error| ProjectionError::encode(def.name, error))
}
