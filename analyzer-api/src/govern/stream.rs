//! The governor: every answer at every door runs through this one stream.

use std::time::{Duration, Instant};

use datafusion::arrow::datatypes::SchemaRef;
use datafusion::arrow::record_batch::RecordBatch;
use datafusion::error::DataFusionError;
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tokio::task::AbortHandle;
use tokio_util::sync::CancellationToken;

use crate::error::QueryError;
use crate::texts;

/// Ends a query at its deadline or when it is cancelled, whatever the computation does meanwhile.
#[derive(Clone, Debug)]
pub(crate) struct Clockwork {
    pub(crate) started: Instant,
    pub(crate) deadline: Duration,
    pub(crate) cancel: CancellationToken,
}

impl Clockwork {
    /// Awaits `work`, but not beyond the deadline or a cancellation.
    pub(crate) async fn bound<T>(&self, work: impl Future<Output = T>) -> Result<T, QueryError> {
        let end = tokio::time::Instant::from_std(self.started + self.deadline);
        tokio::select! {
            biased;
            () = self.cancel.cancelled() => Err(QueryError::Cancelled),
            () = tokio::time::sleep_until(end) => {
                Err(QueryError::Deadline(self.deadline.as_millis()))
            }
            done = work => Ok(done),
        }
    }
}

/// The rows of an answer. Dropping it stops the computation.
#[derive(Debug)]
pub(crate) struct RowStream {
    pub(crate) schema: SchemaRef,
    pub(crate) batches: mpsc::Receiver<Result<RecordBatch, DataFusionError>>,
    pub(crate) task: AbortHandle,
    pub(crate) clockwork: Clockwork,
    pub(crate) rows_max: u64,
    pub(crate) bytes_max: u64,
    pub(crate) rows: u64,
    pub(crate) bytes: u64,
    pub(crate) ended: bool,
    pub(crate) _permit: OwnedSemaphorePermit,
}

impl RowStream {
    /// The next rows; `None` at the end. After an error it is at its end.
    pub(crate) async fn next(&mut self) -> Option<Result<RecordBatch, QueryError>> {
        if self.ended {
            return None;
        }
        let outcome = match self.clockwork.bound(self.batches.recv()).await {
            Ok(Some(Ok(batch))) => self.count(batch),
            Ok(Some(Err(error))) => Err(error.into()),
            Ok(None) => {
                self.ended = true;
                return None;
            }
            Err(error) => Err(error),
        };
        if outcome.is_err() {
            self.ended = true;
            self.task.abort();
        }
        Some(outcome)
    }

    fn count(&mut self, batch: RecordBatch) -> Result<RecordBatch, QueryError> {
        let batch = texts::in_form(&batch, &self.schema)
            .map_err(|error| QueryError::Internal(error.to_string()))?;
        self.rows += batch.num_rows() as u64;
        // Slices share their buffers: what counts is what the answer carries.
        self.bytes += batch.columns().iter().map(sliced_bytes).sum::<u64>();
        if self.rows > self.rows_max {
            return Err(QueryError::Rows(self.rows_max));
        }
        if self.bytes > self.bytes_max {
            return Err(QueryError::Bytes(self.bytes_max));
        }
        Ok(batch)
    }
}

fn sliced_bytes(array: &datafusion::arrow::array::ArrayRef) -> u64 {
    array.to_data().get_slice_memory_size().unwrap_or_else(|_| array.get_buffer_memory_size())
        as u64
}

impl Drop for RowStream {
    fn drop(&mut self) {
        self.task.abort();
    }
}
