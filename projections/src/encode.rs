//! Rows to Arrow.

use std::marker::PhantomData;
use std::sync::Arc;

use arrow::array::{
    ArrayBuilder as _, ArrayRef, BooleanBuilder, Int64Builder, StringBuilder,
    TimestampMicrosecondBuilder,
};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use arrow::record_batch::RecordBatch;

use crate::error::ProjectionError;
use crate::table::{ColumnType, Row, TableDef, Value};
use crate::tables::TableRow;

/// Time zone of every time column: UTC, as an offset, which every reader of Arrow knows without a time zone
/// database.
const UTC: &str = "+00:00";

/// Room made for a text: most are ids.
const TEXT_BYTES: usize = 36;

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

/// A column being written.
#[derive(Debug)]
pub(crate) enum Builder {
    /// Text or JSON.
    Text(StringBuilder),
    /// Integers.
    Int(Int64Builder),
    /// Truth.
    Bool(BooleanBuilder),
    /// Instants.
    Time(TimestampMicrosecondBuilder),
}

impl Builder {
    fn new(column_type: ColumnType, rows: usize) -> Self {
        match column_type {
            ColumnType::Text | ColumnType::Json => {
                Self::Text(StringBuilder::with_capacity(rows, rows * TEXT_BYTES))
            }
            ColumnType::Int => Self::Int(Int64Builder::with_capacity(rows)),
            ColumnType::Bool => Self::Bool(BooleanBuilder::with_capacity(rows)),
            ColumnType::Time => {
                Self::Time(TimestampMicrosecondBuilder::with_capacity(rows).with_timezone(UTC))
            }
        }
    }

    /// Appends text. A value that is not of the column's type is written as null, here and below; the
    /// declaration of the tables rules it out.
    pub(crate) fn text(&mut self, text: &str) {
        match self {
            Self::Text(builder) => builder.append_value(text),
            _ => self.null(),
        }
    }

    /// Appends an integer.
    pub(crate) fn int(&mut self, number: i64) {
        match self {
            Self::Int(builder) => builder.append_value(number),
            _ => self.null(),
        }
    }

    /// Appends a truth.
    pub(crate) fn truth(&mut self, truth: bool) {
        match self {
            Self::Bool(builder) => builder.append_value(truth),
            _ => self.null(),
        }
    }

    /// Appends an instant.
    pub(crate) fn time(&mut self, micros: i64) {
        match self {
            Self::Time(builder) => builder.append_value(micros),
            _ => self.null(),
        }
    }

    /// Appends null.
    pub(crate) fn null(&mut self) {
        match self {
            Self::Text(builder) => builder.append_null(),
            Self::Int(builder) => builder.append_null(),
            Self::Bool(builder) => builder.append_null(),
            Self::Time(builder) => builder.append_null(),
        }
    }

    /// The column so far. The next one gets room for as much at once: growing step by step copies
    /// everything each time.
    fn finish(&mut self) -> ArrayRef {
        let next = match self {
            Self::Text(builder) => {
                let bytes = builder.values_slice().len();
                Self::Text(StringBuilder::with_capacity(builder.len(), bytes))
            }
            Self::Int(builder) => Self::new(ColumnType::Int, builder.len()),
            Self::Bool(builder) => Self::new(ColumnType::Bool, builder.len()),
            Self::Time(builder) => Self::new(ColumnType::Time, builder.len()),
        };
        match &mut std::mem::replace(self, next) {
            Self::Text(builder) => Arc::new(builder.finish()),
            Self::Int(builder) => Arc::new(builder.finish()),
            Self::Bool(builder) => Arc::new(builder.finish()),
            Self::Time(builder) => Arc::new(builder.finish()),
        }
    }
}

/// Rows of a table on their way to a batch: each is written straight into the columns.
#[derive(Debug)]
pub(crate) struct Columns<T: TableRow> {
    builders: Vec<Builder>,
    rows: usize,
    of: PhantomData<fn() -> T>,
}

impl<T: TableRow> Columns<T> {
    /// No rows yet, with room for so many.
    pub(crate) fn with_capacity(rows: usize) -> Self {
        let builders =
            T::DEF.columns.iter().map(|column| Builder::new(column.column_type, rows)).collect();
        Self { builders, rows: 0, of: PhantomData }
    }

    /// Adds a row.
    pub(crate) fn push(&mut self, row: &T) {
        row.write(&mut self.builders);
        self.rows += 1;
    }

    /// Rows so far.
    pub(crate) const fn rows(&self) -> usize {
        self.rows
    }

    /// The rows as one batch; none are left.
    ///
    /// # Errors
    /// [`ProjectionError::Encode`] if a row lacks a value that may not be null.
    pub(crate) fn finish(&mut self, schema: &SchemaRef) -> Result<RecordBatch, ProjectionError> {
        self.rows = 0;
        let columns: Vec<ArrayRef> = self.builders.iter_mut().map(Builder::finish).collect();
        RecordBatch::try_new(Arc::clone(schema), columns)
            .map_err(|error| ProjectionError::encode(T::DEF.name, error))
    }
}

/// Rows as one batch of the table's schema.
///
/// # Errors
/// [`ProjectionError::Encode`] if a row is not one of the table.
pub fn row_batch(def: &'static TableDef, rows: &[Row]) -> Result<RecordBatch, ProjectionError> {
    let mut columns: Vec<Builder> =
        def.columns.iter().map(|column| Builder::new(column.column_type, rows.len())).collect();
    for row in rows {
        for (column, value) in columns.iter_mut().zip(row.iter()) {
            match value {
                Value::Null => column.null(),
                Value::Text(text) => column.text(text),
                Value::Int(number) => column.int(*number),
                Value::Bool(truth) => column.truth(*truth),
                Value::Time(micros) => column.time(*micros),
            }
        }
    }
    RecordBatch::try_new(schema(def), columns.iter_mut().map(Builder::finish).collect())
        .map_err(|error| ProjectionError::encode(def.name, error))
}

/// Rows as one batch.
///
/// # Errors
/// As [`Columns::finish`].
pub(crate) fn batch<'a, T: TableRow + 'a>(
    schema: &SchemaRef,
    rows: impl ExactSizeIterator<Item = &'a T>,
) -> Result<RecordBatch, ProjectionError> {
    let mut columns = Columns::with_capacity(rows.len());
    rows.for_each(|row| columns.push(row));
    columns.finish(schema)
}
