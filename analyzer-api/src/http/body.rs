//! The body of an answer, written while it is computed.

use axum::body::Body;
use bytes::Bytes;
use futures::stream;

use super::problem::Problem;
use crate::analyzer::Answer;
use crate::error::QueryError;
use crate::format::{Format, FormatError, Writer};

enum Step {
    Begin,
    Rows,
    Done,
}

/// The body. The first rows are awaited here, so that an early failure still gets its status. `kept` says that
/// caches may keep it: then a later failure breaks the transfer off, so that no part of an answer is kept as one.
pub(super) async fn of(mut answer: Answer, format: Format, kept: bool) -> Result<Body, QueryError> {
    let fault = |error: FormatError| QueryError::Internal(error.to_string());
    let mut writer = Writer::new(format, &answer.schema(), answer.position()).map_err(fault)?;
    let mut first = writer.begin();
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
    let rest = stream::unfold(state, move |(mut answer, mut writer, step)| async move {
        if matches!(step, Step::Done) {
            return None;
        }
        let (chunk, step) = match answer.next().await {
            Some(Ok(batch)) => (writer.batch(&batch).map_err(|e| e.to_string()), Step::Rows),
            Some(Err(error)) => {
                let problem = Problem::from(&error);
                let end = writer.broken(problem.body()).filter(|_| !kept);
                (end.ok_or_else(|| error.to_string()), Step::Done)
            }
            None => (writer.end().map_err(|e| e.to_string()), Step::Done),
        };
        let step = if chunk.is_err() { Step::Done } else { step };
        Some((chunk.map(Bytes::from).map_err(std::io::Error::other), (answer, writer, step)))
    });
    let begin = stream::once(async move { Ok::<_, std::io::Error>(Bytes::from(first)) });
    Ok(Body::from_stream(futures::StreamExt::chain(begin, rest)))
}
