//! Rows as an Arrow IPC stream: a schema and one batch, readable by itself.
//!
//! The metadata of the schema has the frame, so that a subscriber knows which positions the rows are of. Both frames that
//! have rows have the same columns: those that were asked for, all of them nullable, because of a row that is gone only the
//! key is told, and [`DELETED`]. The format: <https://arrow.apache.org/docs/format/Columnar.html#ipc-streaming-format>.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanArray, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray,
};
use arrow::datatypes::{Field, Schema};
use arrow::error::ArrowError;
use arrow::ipc::writer::StreamWriter;
use ledgerline_projections::{ColumnType, Row, TableDef, Value, data_type};

/// The column that says whether a row is gone.
pub const DELETED: &str = "_deleted";
/// The key of the schema's metadata under which the frame is: its JSON, with null where the rows would be.
pub const FRAME: &str = "ledgerline.frame";

/// Rows of a frame in the chosen columns: those that are there, then those that are gone.
pub(crate) struct RowsArrow<'a> {
    pub(crate) table: &'static TableDef,
    pub(crate) columns: &'a [usize],
    pub(crate) upserts: &'a [Row],
    pub(crate) deletes: &'a [Row],
}

impl RowsArrow<'_> {
    /// The stream's bytes; `frame` is the JSON of the frame without its rows.
    ///
    /// # Errors
    /// When the library refuses what is of its own types: a mistake here.
    pub(crate) fn encode(&self, frame: &str) -> Result<Vec<u8>, ArrowError> {
        let of = |index: &usize| self.table.columns.get(*index).map(|column| (*index, column));
        let mut fields = Vec::new();
        let mut arrays = Vec::new();
        for (index, column) in self.columns.iter().filter_map(of) {
            fields.push(Field::new(column.name, data_type(column.column_type), true));
            arrays.push(self.array(index, column.column_type));
        }
        fields.push(Field::new(DELETED, arrow::datatypes::DataType::Boolean, false));
        let gone = [(self.upserts.len(), false), (self.deletes.len(), true)];
        let gone = gone.into_iter().flat_map(|(rows, gone)| std::iter::repeat_n(gone, rows));
        arrays.push(Arc::new(gone.map(Some).collect::<BooleanArray>()));
        let metadata = [(FRAME.to_owned(), frame.to_owned())].into();
        let schema = Arc::new(Schema::new_with_metadata(fields, metadata));
        let batch = RecordBatch::try_new(Arc::clone(&schema), arrays)?;
        let mut writer = StreamWriter::try_new(Vec::new(), &schema)?;
        writer.write(&batch)?;
        writer.into_inner()
    }

    /// A value that is not of its column's type is null, as in JSON nothing else could be said of it; the declaration of the
    /// tables rules it out.
    fn array(&self, index: usize, column_type: ColumnType) -> ArrayRef {
        let is_key =
            self.table.columns.get(index).is_some_and(|it| self.table.key.contains(&it.name));
        let there = self.upserts.iter().map(|row| row.get(index));
        let gone = self.deletes.iter().map(|row| row.get(index).filter(|_| is_key));
        let values = there.chain(gone).map(|value| value.unwrap_or(&Value::Null));
        match column_type {
            ColumnType::Text | ColumnType::Json => {
                let texts =
                    values.map(|it| if let Value::Text(text) = it { Some(&**text) } else { None });
                Arc::new(texts.collect::<StringArray>())
            }
            ColumnType::Int => {
                let numbers =
                    values.map(|it| if let Value::Int(number) = it { Some(*number) } else { None });
                Arc::new(numbers.collect::<Int64Array>())
            }
            ColumnType::Bool => {
                let truths =
                    values.map(|it| if let Value::Bool(truth) = it { Some(*truth) } else { None });
                Arc::new(truths.collect::<BooleanArray>())
            }
            ColumnType::Time => {
                let times = values
                    .map(|it| if let Value::Time(micros) = it { Some(*micros) } else { None });
                let times = times.collect::<TimestampMicrosecondArray>();
                Arc::new(times.with_data_type(data_type(column_type)))
            }
        }
    }
}
