//! Arrow IPC stream.

use datafusion::arrow::datatypes::Schema;
use datafusion::arrow::ipc::writer::StreamWriter;
use datafusion::arrow::record_batch::RecordBatch;

use super::FormatError;

/// Writes an answer piece by piece.
pub struct ArrowStream {
    writer: StreamWriter<Vec<u8>>,
}

impl std::fmt::Debug for ArrowStream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ArrowStream")
    }
}

impl ArrowStream {
    /// Begins with the schema.
    ///
    /// # Errors
    /// [`FormatError`] if the schema cannot be written.
    pub fn new(schema: &Schema) -> Result<Self, FormatError> {
        Ok(Self { writer: StreamWriter::try_new(Vec::new(), schema)? })
    }

    /// The bytes of a batch, after those not yet taken.
    ///
    /// # Errors
    /// [`FormatError`] if the batch cannot be written.
    pub fn batch(&mut self, batch: &RecordBatch) -> Result<Vec<u8>, FormatError> {
        self.writer.write(batch)?;
        Ok(std::mem::take(self.writer.get_mut()))
    }

    /// The bytes that end the stream.
    ///
    /// # Errors
    /// [`FormatError`] if they cannot be written.
    pub fn end(&mut self) -> Result<Vec<u8>, FormatError> {
        self.writer.finish()?;
        Ok(std::mem::take(self.writer.get_mut()))
    }
}
