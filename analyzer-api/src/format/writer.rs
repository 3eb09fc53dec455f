//! One answer in one format, piece by piece.

use datafusion::arrow::datatypes::SchemaRef;
use datafusion::arrow::record_batch::RecordBatch;
use ledgerline_schemas::Position;
use serde_json::{Value, json};

use super::arrow_stream::ArrowStream;
use super::parquet_file::ParquetFile;
use super::{Format, FormatError, csv, json as json_rows};

/// Writes an answer.
#[derive(Debug)]
pub struct Writer {
    form: Form,
    schema: SchemaRef,
    position: Position,
}

#[derive(Debug)]
enum Form {
    Json { rows: u64 },
    Ndjson,
    Csv,
    Arrow(Box<ArrowStream>),
    Parquet(Box<ParquetFile>),
}

impl Writer {
    /// A writer of these columns at this position of the log.
    ///
    /// # Errors
    /// [`FormatError`] when the format has no such column.
    pub fn new(
        format: Format,
        schema: &SchemaRef,
        position: Position,
    ) -> Result<Self, FormatError> {
        let form = match format {
            Format::Json => Form::Json { rows: 0 },
            Format::Ndjson => Form::Ndjson,
            Format::Csv => Form::Csv,
            Format::Arrow => Form::Arrow(Box::new(ArrowStream::new(schema)?)),
            Format::Parquet => Form::Parquet(Box::new(ParquetFile::new(schema)?)),
        };
        Ok(Self { form, schema: SchemaRef::clone(schema), position })
    }

    /// What comes before the rows.
    #[must_use]
    pub fn begin(&self) -> Vec<u8> {
        match self.form {
            Form::Json { .. } => format!(
                "{{\"as_of_position\":{},\"columns\":{},\"rows\":[",
                self.position,
                json_rows::columns(&self.schema)
            )
            .into_bytes(),
            Form::Csv => csv::header(&self.schema).into_bytes(),
            Form::Ndjson | Form::Arrow(_) | Form::Parquet(_) => Vec::new(),
        }
    }

    /// The rows of a batch, as far as they are ready.
    ///
    /// # Errors
    /// [`FormatError`] when a value cannot be written.
    pub fn batch(&mut self, batch: &RecordBatch) -> Result<Vec<u8>, FormatError> {
        if batch.num_rows() == 0 {
            return Ok(Vec::new());
        }
        match &mut self.form {
            Form::Json { rows } => {
                let mut text = if *rows > 0 { vec![b','] } else { Vec::new() };
                *rows += batch.num_rows() as u64;
                text.extend(json_rows::elements(batch)?);
                Ok(text)
            }
            Form::Ndjson => json_rows::lines(batch),
            Form::Csv => Ok(csv::lines(batch)?.into_bytes()),
            Form::Arrow(stream) => stream.batch(batch),
            Form::Parquet(file) => file.batch(batch),
        }
    }

    /// What comes after the rows.
    ///
    /// # Errors
    /// [`FormatError`].
    pub fn end(&mut self) -> Result<Vec<u8>, FormatError> {
        match &mut self.form {
            Form::Json { rows } => Ok(format!("],\"row_count\":{rows}}}\n").into_bytes()),
            Form::Ndjson | Form::Csv => Ok(Vec::new()),
            Form::Arrow(stream) => stream.end(),
            Form::Parquet(file) => file.end(),
        }
    }

    /// How an answer ends that broke after its beginning went out: JSON says what happened, the others break
    /// off (`None`).
    #[must_use]
    pub fn broken(&self, problem: &Value) -> Option<Vec<u8>> {
        match &self.form {
            Form::Json { rows } => {
                Some(format!("],\"row_count\":{rows},\"error\":{problem}}}\n").into_bytes())
            }
            Form::Ndjson => Some(format!("{}\n", json!({ "error": problem })).into_bytes()),
            Form::Csv | Form::Arrow(_) | Form::Parquet(_) => None,
        }
    }
}
