//! An answer on its way to the client: in pieces below gRPC's usual message limit.

use std::time::Duration;

use arrow_flight::FlightData;
use arrow_flight::encode::FlightDataEncoderBuilder;
use arrow_flight::error::FlightError;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::arrow::record_batch::RecordBatch;
use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt};
use tokio::sync::mpsc;
use tokio::time::Instant;
use tonic::Status;

use super::plain;
use super::promises::Running;
use super::status;
use crate::analyzer::Answer;
use crate::error::QueryError;

/// What a client receives.
pub(super) type Rows = BoxStream<'static, Result<FlightData, Status>>;

/// Largest piece, bytes of Arrow buffers. Clients take 4 MiB where nothing else is set; a row is never cut.
const PIECE_BYTES_MAX: usize = 2 << 20;
/// Pieces that wait for the client.
const PIECES_AHEAD: usize = 2;

/// Sends an answer with exactly these columns. A client that reads slowly is not waited for beyond the deadline or
/// a cancellation: what the answer holds is let go then.
pub(super) fn send(
    answer: Answer,
    schema: SchemaRef,
    deadline: Duration,
    running: Running,
) -> Rows {
    let (sender, receiver) = mpsc::channel(PIECES_AHEAD);
    let columns = SchemaRef::clone(&schema);
    let until = Instant::now() + deadline;
    tokio::spawn(async move {
        let ended = pump(answer, &columns, &sender, until, &running).await;
        match ended {
            Ok(()) => running.done(),
            Err(status) => {
                // The client learns it when it reads on, or has left.
                let _ = sender.send(Err(FlightError::Tonic(Box::new(status)))).await;
            }
        }
    });
    let pieces = futures::stream::unfold(receiver, |mut receiver| async move {
        receiver.recv().await.map(|piece| (piece, receiver))
    });
    encode(schema, pieces.boxed())
}

/// Sends rows that are all there.
pub(super) fn send_batch(rows: RecordBatch) -> Rows {
    let schema = rows.schema();
    encode(schema, futures::stream::iter(pieces(rows).into_iter().map(Ok)).boxed())
}

fn encode(schema: SchemaRef, pieces: BoxStream<'static, Result<RecordBatch, FlightError>>) -> Rows {
    FlightDataEncoderBuilder::new()
        .with_schema(schema)
        // They are cut already; the encoder would count buffers that slices share once for each.
        .with_max_flight_data_size(usize::MAX)
        .build(pieces)
        .map_err(Status::from)
        .boxed()
}

async fn pump(
    mut answer: Answer,
    schema: &SchemaRef,
    sender: &mpsc::Sender<Result<RecordBatch, FlightError>>,
    until: Instant,
    running: &Running,
) -> Result<(), Status> {
    let left = || status::of(&QueryError::Cancelled);
    let mut stopped = false;
    loop {
        let next = tokio::select! {
            biased;
            () = sender.closed() => return Err(left()),
            next = answer.next() => next,
        };
        let batch = match next {
            Some(batch) => batch.map_err(|error| status::of(&error))?,
            // An answer with a hole in it has no good end.
            None if stopped => return Err(left()),
            None => return Ok(()),
        };
        if stopped {
            continue;
        }
        let batch = plain::batch(&batch, schema).map_err(|error| status::internal(&error))?;
        for piece in pieces(batch) {
            // After a cancellation or the deadline nothing is sent any more: the answer itself says why it ends.
            tokio::select! {
                biased;
                () = running.cancel.cancelled() => stopped = true,
                () = tokio::time::sleep_until(until) => stopped = true,
                sent = sender.send(Ok(piece)) => sent.map_err(|_| left())?,
            }
            if stopped {
                break;
            }
        }
    }
}

/// A batch in halves of halves, until each is small enough.
fn pieces(batch: RecordBatch) -> Vec<RecordBatch> {
    let (mut whole, mut small) = (vec![batch], Vec::new());
    while let Some(batch) = whole.pop() {
        let rows = batch.num_rows();
        if rows > 1 && bytes(&batch) > PIECE_BYTES_MAX {
            let middle = rows / 2;
            whole.push(batch.slice(middle, rows - middle));
            whole.push(batch.slice(0, middle));
        } else {
            small.push(batch);
        }
    }
    small
}

/// Bytes that a batch carries; slices share their buffers.
fn bytes(batch: &RecordBatch) -> usize {
    let columns = batch.columns().iter();
    columns
        .map(|it| {
            it.to_data().get_slice_memory_size().unwrap_or_else(|_| it.get_buffer_memory_size())
        })
        .sum()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use datafusion::arrow::array::{ArrayRef, StringArray};
    use datafusion::arrow::compute::concat_batches;

    use super::*;

    #[test]
    fn pieces_are_small_in_order_and_whole() {
        // One row is as large as all others together.
        let texts = (0..3_000).map(|n| "x".repeat(if n == 7 { 3 << 20 } else { n }));
        let column: ArrayRef = Arc::new(StringArray::from_iter_values(texts));
        let rows = RecordBatch::try_from_iter([("text", column)]).expect("rows");
        let cut = pieces(rows.clone());
        assert!(cut.len() > 3, "{}", cut.len());
        assert!(cut.iter().all(|it| bytes(it) <= PIECE_BYTES_MAX || it.num_rows() == 1));
        assert_eq!(concat_batches(&rows.schema(), &cut).expect("whole"), rows);
        // A slice counts what it carries, not what it shares.
        assert_eq!(pieces(rows.slice(0, 5)).len(), 1);
        assert_eq!(pieces(rows.slice(0, 0)).len(), 1);
    }
}
