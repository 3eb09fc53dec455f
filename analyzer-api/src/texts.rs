//! Texts inside the engine and outside.
//!
//! Inside, a text of a table is a view of the page it was read from (`Utf8View`): most texts are ids and names that a
//! file has once in a dictionary, and reading them by the million without copying is what makes grouping and joining
//! by id fast. Outside, every text is `Utf8`: what clients, files and tests get does not depend on how it was computed.

use std::sync::Arc;

use datafusion::arrow::array::RecordBatchOptions;
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::arrow::error::ArrowError;
use datafusion::arrow::record_batch::RecordBatch;

fn map(schema: &Schema, of: impl Fn(&DataType) -> DataType) -> SchemaRef {
    let fields = schema.fields().iter().map(|field| {
        let data_type = of(field.data_type());
        field.as_ref().clone().with_data_type(data_type)
    });
    Arc::new(Schema::new(fields.collect::<Vec<_>>()))
}

/// A table's columns as the engine sees them.
pub(crate) fn viewed(schema: &Schema) -> SchemaRef {
    map(schema, |data_type| match data_type {
        DataType::Utf8 => DataType::Utf8View,
        other => other.clone(),
    })
}

/// A type as an answer has it.
pub(crate) fn plain(data_type: &DataType) -> DataType {
    let field = |field: &Arc<Field>| {
        Arc::new(field.as_ref().clone().with_data_type(plain(field.data_type())))
    };
    match data_type {
        DataType::Utf8View => DataType::Utf8,
        DataType::BinaryView => DataType::Binary,
        DataType::List(of) => DataType::List(field(of)),
        DataType::LargeList(of) => DataType::LargeList(field(of)),
        DataType::Struct(fields) => DataType::Struct(fields.iter().map(field).collect()),
        other => other.clone(),
    }
}

/// A batch with the types, names and nullability of a schema.
///
/// # Errors
/// If a column cannot have its type, or has a null where there is none.
pub(crate) fn in_form(batch: &RecordBatch, schema: &SchemaRef) -> Result<RecordBatch, ArrowError> {
    let columns = batch.columns().iter().zip(schema.fields()).map(|(column, field)| {
        if column.data_type() == field.data_type() {
            return Ok(Arc::clone(column));
        }
        cast(column, field.data_type())
    });
    let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    RecordBatch::try_new_with_options(
        Arc::clone(schema),
        columns.collect::<Result<_, _>>()?,
        &options,
    )
}

#[cfg(test)]
mod tests {
    use datafusion::arrow::array::{ArrayRef, Int64Array, StringArray};

    use super::*;

    #[test]
    fn a_batch_goes_in_and_comes_out_as_it_was() {
        let schema = Arc::new(Schema::new(vec![
            Field::new("name", DataType::Utf8, true),
            Field::new("count", DataType::Int64, false),
        ]));
        let names = StringArray::from(vec![Some("short"), None, Some("longer than twelve bytes")]);
        let columns: Vec<ArrayRef> =
            vec![Arc::new(names), Arc::new(Int64Array::from(vec![1, 2, 3]))];
        let batch = RecordBatch::try_new(Arc::clone(&schema), columns).unwrap();
        let inside = in_form(&batch, &viewed(&schema)).unwrap();
        assert_eq!(inside.schema().field(0).data_type(), &DataType::Utf8View);
        let outside = map(&inside.schema(), plain);
        assert_eq!(in_form(&inside, &outside).unwrap(), batch);
    }

    #[test]
    fn a_text_inside_a_list_is_plain_too() {
        let list = |of| DataType::List(Arc::new(Field::new("item", of, true)));
        assert_eq!(plain(&list(DataType::Utf8View)), list(DataType::Utf8));
        assert_eq!(plain(&list(DataType::Int64)), list(DataType::Int64));
    }

    #[test]
    fn rows_without_columns_are_still_counted() {
        let schema = Arc::new(Schema::empty());
        let options = RecordBatchOptions::new().with_row_count(Some(3));
        let batch =
            RecordBatch::try_new_with_options(Arc::clone(&schema), vec![], &options).unwrap();
        assert_eq!(in_form(&batch, &schema).unwrap().num_rows(), 3);
    }
}
