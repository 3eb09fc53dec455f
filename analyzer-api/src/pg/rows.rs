//! Catalog rows by column name, turned into Arrow.

use std::collections::BTreeMap;
use std::sync::Arc;

use datafusion::arrow::array::{
    ArrayRef, BooleanArray, Int16Array, Int32Array, Int64Array, ListArray, StringArray,
    new_null_array,
};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Field, Int16Type, Int32Type, Schema, SchemaRef};
use datafusion::arrow::record_batch::RecordBatch;
use datafusion::error::Result;

/// A value of a catalog row.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Datum {
    Text(String),
    Int(i64),
    Bool(bool),
    Smalls(Vec<i16>),
    Ints(Vec<i32>),
}

impl From<&str> for Datum {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Datum {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<i64> for Datum {
    fn from(value: i64) -> Self {
        Self::Int(value)
    }
}

impl From<bool> for Datum {
    fn from(value: bool) -> Self {
        Self::Bool(value)
    }
}

impl From<Vec<i16>> for Datum {
    fn from(value: Vec<i16>) -> Self {
        Self::Smalls(value)
    }
}

impl From<Vec<i32>> for Datum {
    fn from(value: Vec<i32>) -> Self {
        Self::Ints(value)
    }
}

/// A row: the columns that are not null.
pub(crate) type Row = BTreeMap<&'static str, Datum>;

/// A row by the names of its columns.
macro_rules! row {
    ($($name:ident = $value:expr),* $(,)?) => {
        $crate::pg::rows::Row::from(
            [$((stringify!($name), $crate::pg::rows::Datum::from($value))),*]
        )
    };
}
pub(crate) use row;

/// Kinds of catalog columns.
#[derive(Clone, Copy)]
pub(crate) enum Kind {
    /// An object id or number.
    Int,
    /// A small number.
    Small,
    /// A large or fractional number.
    Big,
    Text,
    Bool,
    /// A list of text, always null here.
    Texts,
    /// A list of small numbers.
    Smalls,
    /// A list of numbers.
    Ints,
}

/// A schema from names and kinds.
pub(crate) fn schema(columns: &[(&str, Kind)]) -> SchemaRef {
    let fields = columns.iter().map(|(name, kind)| {
        let data_type = match kind {
            Kind::Int => DataType::Int32,
            Kind::Small => DataType::Int16,
            Kind::Big => DataType::Int64,
            Kind::Text => DataType::Utf8,
            Kind::Bool => DataType::Boolean,
            Kind::Texts => DataType::new_list(DataType::Utf8, true),
            Kind::Smalls => DataType::new_list(DataType::Int16, true),
            Kind::Ints => DataType::new_list(DataType::Int32, true),
        };
        Field::new(*name, data_type, true)
    });
    Arc::new(Schema::new(fields.collect::<Vec<_>>()))
}

/// The rows in the form of the schema; columns that a row lacks, and lists of text, are null.
pub(crate) fn batch(schema: &SchemaRef, rows: &[Row]) -> Result<RecordBatch> {
    let columns = schema
        .fields()
        .iter()
        .map(|field| column(field.name(), field.data_type(), rows))
        .collect::<Result<Vec<_>>>()?;
    Ok(RecordBatch::try_new(Arc::clone(schema), columns)?)
}

fn column(name: &str, data_type: &DataType, rows: &[Row]) -> Result<ArrayRef> {
    let values = rows.iter().map(|row| row.get(name));
    let int = |value: Option<&Datum>| match value {
        Some(Datum::Int(value)) => Some(*value),
        _ => None,
    };
    Ok(match data_type {
        DataType::Boolean => Arc::new(BooleanArray::from_iter(values.map(|value| match value {
            Some(Datum::Bool(value)) => Some(*value),
            _ => None,
        }))),
        DataType::Int16 => Arc::new(Int16Array::from_iter(
            values.map(|value| int(value).and_then(|value| i16::try_from(value).ok())),
        )),
        DataType::Int32 => Arc::new(Int32Array::from_iter(
            values.map(|value| int(value).and_then(|value| i32::try_from(value).ok())),
        )),
        DataType::Int64 => Arc::new(Int64Array::from_iter(values.map(int))),
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => {
            let texts = StringArray::from_iter(values.map(|value| match value {
                Some(Datum::Text(text)) => Some(text.as_str()),
                _ => None,
            }));
            cast(&texts, data_type)?
        }
        DataType::Float32 | DataType::Float64 | DataType::UInt32 => {
            cast(&Int64Array::from_iter(values.map(int)), data_type)?
        }
        DataType::List(element) if *element.data_type() == DataType::Int16 => {
            Arc::new(ListArray::from_iter_primitive::<Int16Type, _, _>(values.map(|value| {
                match value {
                    Some(Datum::Smalls(list)) => Some(list.iter().copied().map(Some)),
                    _ => None,
                }
            })))
        }
        DataType::List(element) if *element.data_type() == DataType::Int32 => {
            Arc::new(ListArray::from_iter_primitive::<Int32Type, _, _>(values.map(|value| {
                match value {
                    Some(Datum::Ints(list)) => Some(list.iter().copied().map(Some)),
                    _ => None,
                }
            })))
        }
        _ => new_null_array(data_type, rows.len()),
    })
}
