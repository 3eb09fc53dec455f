//! The body of an answer, written while it is computed.

use axum::body::Body;
use bytes::Bytes;
use datafusion::arrow::record_batch::RecordBatch;
use futures::stream;
use serde_json::json;

use super::problem::Problem;
use crate::analyzer::Answer;
use crate::error::QueryError;
use crate::format::arrow_stream::ArrowStream;
use crate::format::{Format, FormatError, csv, json};

/// Writes one answer in one format.
enum Writer {
    Json { rows: u64 },
    Ndjson,
    Csv,
    Arrow(Box<ArrowStream>),
}

impl Writer {
    fn new(format: Format, answer: &Answer) -> Result<Self, FormatError> {
        Ok(match format {
            Format::Json => Self::Json { rows: 0 },
            Format::Ndjson => Self::Ndjson,
            Format::Csv => Self::Csv,
            Format::Arrow => Self::Arrow(Box::new(ArrowStream::new(&answer.schema())?)),
        })
    }

    fn begin(&self, answer: &Answer) -> Vec<u8> {
        match self {
            Self::Json { .. } => format!(
                "{{\"as_of_position\":{},\"columns\":{},\"rows\":[",
                answer.position(),
                json::columns(&answer.schema())
            )
            .into_bytes(),
            Self::Csv => csv::header(&answer.schema()).into_bytes(),
            Self::Ndjson | Self::Arrow(_) => Vec::new(),
        }
    }

    fn batch(&mut self, batch: &RecordBatch) -> Result<Vec<u8>, FormatError> {
        if batch.num_rows() == 0 {
            return Ok(Vec::new());
        }
        match self {
            Self::Json { rows } => {
                let mut text = if *rows > 0 { vec![b','] } else { Vec::new() };
                *rows += batch.num_rows() as u64;
                text.extend(json::elements(batch)?);
                Ok(text)
            }
            Self::Ndjson => json::lines(batch),
            Self::Csv => Ok(csv::lines(batch)?.into_bytes()),
            Self::Arrow(stream) => stream.batch(batch),
        }
    }

    fn end(&mut self) -> Result<Vec<u8>, FormatError> {
        match self {
            Self::Json { rows } => Ok(format!("],\"row_count\":{rows}}}\n").into_bytes()),
            Self::Ndjson | Self::Csv => Ok(Vec::new()),
            Self::Arrow(stream) => stream.end(),
        }
    }

    /// The status line is gone already: JSON says what happened, the others break off.
    fn broken(&self, error: &QueryError) -> Option<Vec<u8>> {
        let problem = Problem::from(error);
        match self {
            Self::Json { rows } => Some(
                format!("],\"row_count\":{rows},\"error\":{}}}\n", problem.body()).into_bytes(),
            ),
            Self::Ndjson => Some(format!("{}\n", json!({ "error": problem.body() })).into_bytes()),
            Self::Csv | Self::Arrow(_) => None,
        }
    }
}

enum Step {
    Begin,
    Rows,
    Done,
}

/// The body. The first rows are awaited here, so that an early failure still gets its status.
pub(super) async fn of(mut answer: Answer, format: Format) -> Result<Body, QueryError> {
    let fault = |error: FormatError| QueryError::Internal(error.to_string());
    let mut writer = Writer::new(format, &answer).map_err(fault)?;
    let mut first = writer.begin(&answer);
    let step = match answer.next().await {
        Some(batch) => {
            first.extend(writer.batch(&batch?).map_err(fault)?);
            Step::Begin
        }
        None => {
            first.extend(writer.end().map_err(fault)?);
            Step::Done
        }
    };
    if matches!(step, Step::Done) {
        return Ok(Body::from(first));
    }
    let state = (answer, writer, Step::Rows);
    let rest = stream::unfold(state, |(mut answer, mut writer, step)| async move {
        if matches!(step, Step::Done) {
            return None;
        }
        let (chunk, step) = match answer.next().await {
            Some(Ok(batch)) => (writer.batch(&batch).map_err(|e| e.to_string()), Step::Rows),
            Some(Err(error)) => {
                (writer.broken(&error).ok_or_else(|| error.to_string()), Step::Done)
            }
            None => (writer.end().map_err(|e| e.to_string()), Step::Done),
        };
        let step = if chunk.is_err() { Step::Done } else { step };
        Some((chunk.map(Bytes::from).map_err(std::io::Error::other), (answer, writer, step)))
    });
    let begin = stream::once(async move { Ok::<_, std::io::Error>(Bytes::from(first)) });
    Ok(Body::from_stream(futures::StreamExt::chain(begin, rest)))
}
