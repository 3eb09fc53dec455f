//! Columns as every client reads them: no views, no dictionaries.
//!
//! The engine computes with text views (`Utf8View`) where it is faster; clients older than Arrow 15 do not know
//! them, and the encoder unpacks dictionaries anyway. What is announced is what is sent: clients refuse rows whose
//! schema is another one.

use std::sync::Arc;

use arrow_flight::{IpcMessage, SchemaAsIpc};
use datafusion::arrow::compute::{CastOptions, cast_with_options};
use datafusion::arrow::datatypes::{DataType, Field, FieldRef, Schema, SchemaRef};
use datafusion::arrow::error::ArrowError;
use datafusion::arrow::ipc::writer::IpcWriteOptions;
use datafusion::arrow::record_batch::{RecordBatch, RecordBatchOptions};

/// The same columns in plain types.
pub(super) fn schema(schema: &Schema) -> SchemaRef {
    Arc::new(Schema::new(schema.fields().iter().map(field).collect::<Vec<_>>()))
}

fn field(field: &FieldRef) -> Field {
    Field::new(field.name(), data_type(field.data_type()), field.is_nullable())
}

fn data_type(of: &DataType) -> DataType {
    let inner = |it: &FieldRef| Arc::new(field(it));
    match of {
        DataType::Utf8View => DataType::Utf8,
        DataType::BinaryView => DataType::Binary,
        DataType::Dictionary(_, values) => data_type(values),
        DataType::List(it) | DataType::ListView(it) => DataType::List(inner(it)),
        DataType::LargeList(it) | DataType::LargeListView(it) => DataType::LargeList(inner(it)),
        DataType::FixedSizeList(it, size) => DataType::FixedSizeList(inner(it), *size),
        DataType::Struct(fields) => DataType::Struct(fields.iter().map(inner).collect()),
        other => other.clone(),
    }
}

/// Rows with exactly these columns.
///
/// # Errors
/// When a column cannot become what was announced.
pub(super) fn batch(batch: &RecordBatch, schema: &SchemaRef) -> Result<RecordBatch, ArrowError> {
    let strict = CastOptions { safe: false, ..CastOptions::default() };
    let columns = batch.columns().iter().zip(schema.fields()).map(|(column, field)| {
        if column.data_type() == field.data_type() {
            return Ok(Arc::clone(column));
        }
        cast_with_options(column, field.data_type(), &strict)
    });
    let columns = columns.collect::<Result<Vec<_>, _>>()?;
    let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    RecordBatch::try_new_with_options(Arc::clone(schema), columns, &options)
}

/// A schema message of Arrow IPC.
///
/// # Errors
/// When it cannot be written.
pub(super) fn to_ipc(schema: &Schema) -> Result<Vec<u8>, ArrowError> {
    let options = IpcWriteOptions::default();
    let IpcMessage(bytes) = SchemaAsIpc::new(schema, &options).try_into()?;
    Ok(bytes.to_vec())
}

/// The schema of such a message.
///
/// # Errors
/// When it is none.
pub(super) fn from_ipc(bytes: &[u8]) -> Result<SchemaRef, ArrowError> {
    Schema::try_from(IpcMessage(bytes.to_vec().into())).map(Arc::new)
}

#[cfg(test)]
mod tests {
    use datafusion::arrow::array::{
        Array, ArrayRef, DictionaryArray, Int32Array, ListArray, StringArray, StringViewArray,
        StructArray,
    };
    use datafusion::arrow::buffer::OffsetBuffer;
    use datafusion::arrow::datatypes::Int32Type;

    use super::*;

    #[test]
    fn views_and_dictionaries_become_plain_at_any_depth() {
        let texts = || StringViewArray::from(vec![Some("a longer text than twelve bytes"), None]);
        let dictionary: DictionaryArray<Int32Type> = vec!["x", "y"].into_iter().collect();
        let item = Arc::new(Field::new("item", DataType::Utf8View, true));
        let list =
            ListArray::new(item, OffsetBuffer::from_lengths([1, 1]), Arc::new(texts()), None);
        let part = Arc::new(Field::new("part", DataType::Utf8View, true));
        let structure = StructArray::new(vec![part].into(), vec![Arc::new(texts())], None);
        let columns: Vec<ArrayRef> = vec![
            Arc::new(texts()),
            Arc::new(dictionary),
            Arc::new(list),
            Arc::new(structure),
            Arc::new(Int32Array::from(vec![1, 2])),
        ];
        let fields = columns.iter().enumerate().map(|(index, column)| {
            Field::new(format!("c{index}"), column.data_type().clone(), true)
        });
        let rows = RecordBatch::try_new(
            Arc::new(Schema::new(fields.collect::<Vec<_>>())),
            columns.clone(),
        )
        .expect("rows");
        let plain = schema(&rows.schema());
        let text = DataType::Utf8;
        assert_eq!(plain.field(0).data_type(), &text);
        assert_eq!(plain.field(1).data_type(), &text);
        assert!(
            matches!(plain.field(2).data_type(), DataType::List(it) if it.data_type() == &text)
        );
        assert!(
            matches!(plain.field(3).data_type(), DataType::Struct(it) if it[0].data_type() == &text)
        );
        let sent = batch(&rows, &plain).expect("cast");
        let first = sent.column(0).as_any().downcast_ref::<StringArray>().expect("text");
        assert_eq!(
            first.iter().collect::<Vec<_>>(),
            [Some("a longer text than twelve bytes"), None]
        );
        assert_eq!(sent.column(4), &columns[4]);
        let again = from_ipc(&to_ipc(&plain).expect("written")).expect("read");
        assert_eq!(again, plain);
        let fewer = Arc::new(Schema::new(vec![Field::new("c0", DataType::Utf8, true)]));
        let missing = batch(&rows.project(&[0]).expect("one"), &plain);
        assert!(missing.is_err(), "columns that were announced and did not come");
        assert!(batch(&rows.project(&[0]).expect("one"), &fewer).is_ok());
    }
}
