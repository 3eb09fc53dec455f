//! Records of an answer, as the fields of the schema read them.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_graphql::Value;
use datafusion::arrow::record_batch::RecordBatch;
use datafusion::scalar::ScalarValue;

use super::selection::Slice;
use crate::error::QueryError;

/// A page of records.
#[derive(Debug, Default)]
pub(super) struct Page {
    pub(super) records: Vec<Arc<Record>>,
    /// Where it ends; null for a page without records.
    pub(super) end: Option<String>,
    pub(super) more: bool,
}

/// A record, a channel of one, or an activity.
#[derive(Debug, Default)]
pub(super) struct Record {
    /// Values by the names of the view's columns.
    pub(super) values: BTreeMap<&'static str, Value>,
    /// Aggregated values by the names that the request gave them.
    pub(super) aggregation: Vec<(String, Value)>,
    pub(super) activities: Vec<(Slice, Arc<Listed>)>,
    pub(super) channels: Vec<Arc<Record>>,
}

/// Some of the activities of a record.
#[derive(Debug, Default)]
pub(super) struct Listed {
    pub(super) total: u64,
    pub(super) page: Arc<Page>,
}

/// The columns of all rows, value by value.
///
/// # Errors
/// [`QueryError::Internal`] for a column of a type that no table has.
pub(super) fn rows(batches: &[RecordBatch]) -> Result<Vec<Vec<Value>>, QueryError> {
    let mut rows = Vec::new();
    for batch in batches {
        for row in 0..batch.num_rows() {
            let values = batch.columns().iter().map(|column| {
                let scalar = ScalarValue::try_from_array(column, row)?;
                value(&scalar)
            });
            rows.push(values.collect::<Result<Vec<_>, QueryError>>()?);
        }
    }
    Ok(rows)
}

/// A value as JSON has it: times are milliseconds since 1970.
fn value(scalar: &ScalarValue) -> Result<Value, QueryError> {
    Ok(match scalar {
        ScalarValue::Null => Value::Null,
        ScalarValue::Boolean(value) => value.map_or(Value::Null, Value::from),
        ScalarValue::Utf8(text) | ScalarValue::LargeUtf8(text) | ScalarValue::Utf8View(text) => {
            text.as_deref().map_or(Value::Null, Value::from)
        }
        ScalarValue::Int64(value) => value.map_or(Value::Null, Value::from),
        ScalarValue::UInt64(value) => value.map_or(Value::Null, Value::from),
        ScalarValue::Int32(value) => value.map_or(Value::Null, Value::from),
        ScalarValue::UInt32(value) => value.map_or(Value::Null, Value::from),
        ScalarValue::Float64(value) => value.map_or(Value::Null, Value::from),
        ScalarValue::TimestampMicrosecond(value, _) => {
            value.map_or(Value::Null, |micros| Value::from(micros.div_euclid(1_000)))
        }
        ScalarValue::Dictionary(_, inner) => value(inner)?,
        other => {
            return Err(QueryError::Internal(format!(
                "a column of type {} has no form here",
                other.data_type()
            )));
        }
    })
}

/// The microseconds in a column of times that orders pages, beside what is shown.
pub(super) fn micros(batches: &[RecordBatch], column: &str) -> Result<Vec<i64>, QueryError> {
    let mut times = Vec::new();
    for batch in batches {
        let Some(array) = batch.column_by_name(column) else { continue };
        for row in 0..batch.num_rows() {
            match ScalarValue::try_from_array(array, row)? {
                ScalarValue::TimestampMicrosecond(Some(micros), _) => times.push(micros),
                other => {
                    return Err(QueryError::Internal(format!("{column} is {other}, not a time")));
                }
            }
        }
    }
    Ok(times)
}
