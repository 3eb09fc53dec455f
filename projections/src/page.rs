//! Reading the log in pages that follow each other.

use ledgerline_event_store::{Direction, EventReader, Filter, ReadError};
use ledgerline_schemas::{Position, Recorded};

use crate::error::ProjectionError;

/// At least one and at most `max` events after `from`; the caller knows that the log holds some.
///
/// # Errors
/// [`ProjectionError::Log`]; also when the log does not go on right after `from`.
pub(crate) fn read(
    reader: &dyn EventReader,
    from: Position,
    max: usize,
) -> Result<Vec<Recorded>, ProjectionError> {
    let page = reader.read_all(from, Direction::Forward, &Filter::all(), max)?;
    let first = page.events.first().map(|event| event.header.position);
    if first != Some(from.next()) {
        let reason = match first {
            Some(first) => format!("position {first} follows position {from}"),
            None => "nothing follows, though the log goes on".to_owned(),
        };
        return Err(ReadError::Damaged { place: format!("position {from}"), reason }.into());
    }
    Ok(page.events)
}
