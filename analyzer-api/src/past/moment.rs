//! A place in the log: by position or by time.

use datafusion::arrow::compute::kernels::cast_utils::string_to_timestamp_nanos;
use ledgerline_event_store::{Direction, EventReader, Filter, ReadError};
use ledgerline_schemas::{Position, Timestamp};

use crate::error::QueryError;

/// A place in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// After the event at this position.
    At(Position),
    /// After the last event that was recorded at or before this instant.
    Recorded(Timestamp),
}

impl Moment {
    /// From text: a position in digits, or an instant as RFC 3339 or PostgreSQL write it; without an offset
    /// it is UTC.
    ///
    /// # Errors
    /// [`QueryError::Value`], quoting the text.
    pub fn parse(text: &str) -> Result<Self, QueryError> {
        if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
            let position = text.parse().map_err(|_| {
                QueryError::Value(format!("{text} is too large for a position of the log"))
            })?;
            return Ok(Self::At(Position(position)));
        }
        let nanos = string_to_timestamp_nanos(text.trim()).map_err(|_| {
            QueryError::Value(format!(
                "\"{text}\" is neither a position (digits) nor an instant such as 2026-11-29T10:00:00Z"
            ))
        })?;
        Ok(Self::Recorded(Timestamp::from_micros(nanos.div_euclid(1_000))))
    }

    /// The position it means.
    ///
    /// # Errors
    /// [`QueryError::Internal`] when the log cannot be read.
    pub(crate) fn position(self, log: &dyn EventReader) -> Result<Position, QueryError> {
        match self {
            Self::At(position) => Ok(position),
            Self::Recorded(time) => recorded_until(log, time).map_err(|error| {
                QueryError::Internal(format!("the log could not be read: {error}"))
            }),
        }
    }
}

/// The last position recorded at or before an instant. A log never goes back in recorded time, so halving
/// finds it with a read for every doubling of its length.
fn recorded_until(log: &dyn EventReader, time: Timestamp) -> Result<Position, ReadError> {
    let (mut until, mut after) = (0, log.head().0 + 1);
    while after - until > 1 {
        let middle = until + (after - until) / 2;
        let page = log.read_all(Position(middle - 1), Direction::Forward, &Filter::all(), 1)?;
        match page.events.first() {
            Some(event) if event.header.recorded_at <= time => until = middle,
            _ => after = middle,
        }
    }
    Ok(Position(until))
}
