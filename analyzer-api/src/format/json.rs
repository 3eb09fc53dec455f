//! JSON: rows as objects, whole numbers as numbers, times in RFC 3339.

use std::collections::BTreeMap;
use std::sync::Arc;

use datafusion::arrow::datatypes::{Field, Schema};
use datafusion::arrow::json::WriterBuilder;
use datafusion::arrow::json::writer::LineDelimited;
use datafusion::arrow::record_batch::RecordBatch;

use super::FormatError;

/// The rows of a batch, one object a line.
///
/// # Errors
/// [`FormatError`] if a value has no JSON form.
pub fn lines(batch: &RecordBatch) -> Result<Vec<u8>, FormatError> {
    let batch = RecordBatch::try_new(distinct(batch.schema_ref()), batch.columns().to_vec())?;
    let mut writer = WriterBuilder::new()
        .with_explicit_nulls(true)
        .with_timestamp_format("%Y-%m-%dT%H:%M:%S%.f".to_owned())
        .with_timestamp_tz_format("%Y-%m-%dT%H:%M:%S%.fZ".to_owned())
        .build::<_, LineDelimited>(Vec::new());
    writer.write(&batch)?;
    writer.finish()?;
    Ok(writer.into_inner())
}

/// The rows of a batch separated by commas, without brackets.
///
/// # Errors
/// [`FormatError`] if a value has no JSON form.
pub fn elements(batch: &RecordBatch) -> Result<Vec<u8>, FormatError> {
    // A line feed inside a value is escaped, so every raw one ends a row.
    let mut text = lines(batch)?;
    while text.last() == Some(&b'\n') {
        text.pop();
    }
    for byte in &mut text {
        if *byte == b'\n' {
            *byte = b',';
        }
    }
    Ok(text)
}

/// Names of the columns with their types, for readers that cannot see them in rows.
#[must_use]
pub fn columns(schema: &Schema) -> serde_json::Value {
    let distinct = distinct(schema);
    let columns = distinct.fields().iter().map(
        |field| serde_json::json!({ "name": field.name(), "type": field.data_type().to_string() }),
    );
    columns.collect()
}

/// An object's keys must differ: a repeated column name gets `_2`, `_3` …
fn distinct(schema: &Schema) -> Arc<Schema> {
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    let fields = schema.fields().iter().map(|field| {
        let count = seen.entry(field.name().clone()).or_insert(0);
        *count += 1;
        let name =
            if *count == 1 { field.name().clone() } else { format!("{}_{count}", field.name()) };
        Field::new(name, field.data_type().clone(), field.is_nullable())
    });
    Arc::new(Schema::new(fields.collect::<Vec<_>>()))
}
