//! A Parquet file, row group by row group.

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::arrow::error::ArrowError;
use datafusion::parquet::arrow::ArrowWriter;
use datafusion::parquet::basic::{Compression, ZstdLevel};
use datafusion::parquet::errors::ParquetError;
use datafusion::parquet::file::properties::WriterProperties;

use super::FormatError;

/// A row group goes out when so many bytes of it are in memory.
const ROW_GROUP_BYTES: usize = 8 << 20;

/// Writes one file. What was written and not taken yet is in memory.
pub struct ParquetFile {
    writer: ArrowWriter<Vec<u8>>,
}

impl std::fmt::Debug for ParquetFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ParquetFile")
    }
}

fn failed(error: ParquetError) -> FormatError {
    ArrowError::ParquetError(error.to_string()).into()
}

impl ParquetFile {
    /// A file of these columns, compressed with Zstandard.
    ///
    /// # Errors
    /// [`FormatError`] when Parquet has no such type.
    pub fn new(schema: &SchemaRef) -> Result<Self, FormatError> {
        let level = ZstdLevel::try_new(1).map_err(failed)?;
        let properties =
            WriterProperties::builder().set_compression(Compression::ZSTD(level)).build();
        let writer = ArrowWriter::try_new(Vec::new(), SchemaRef::clone(schema), Some(properties))
            .map_err(failed)?;
        Ok(Self { writer })
    }

    /// Adds rows and gives the bytes that are ready.
    ///
    /// # Errors
    /// [`FormatError`].
    pub fn batch(&mut self, batch: &RecordBatch) -> Result<Vec<u8>, FormatError> {
        self.writer.write(batch).map_err(failed)?;
        if self.writer.in_progress_size() >= ROW_GROUP_BYTES {
            self.writer.flush().map_err(failed)?;
        }
        Ok(std::mem::take(self.writer.inner_mut()))
    }

    /// The rest: the last rows, and where everything is.
    ///
    /// # Errors
    /// [`FormatError`].
    pub fn end(&mut self) -> Result<Vec<u8>, FormatError> {
        self.writer.finish().map_err(failed)?;
        Ok(std::mem::take(self.writer.inner_mut()))
    }
}
