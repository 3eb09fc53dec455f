//! Older versions of events.
//!
//! The first version of the vocabulary has no predecessor, so no name is known here. When the meaning of
//! an event changes, the event gets a new name and a function here turns the old bytes into the new event;
//! the golden logs of every released version prove it.

use crate::event::{DecodeError, Event};

/// Decodes an event type that is no longer written.
///
/// # Errors
/// [`DecodeError::UnknownType`] if no version of the vocabulary has had this name.
pub fn decode(event_type: &str, _bytes: &[u8]) -> Result<Event, DecodeError> {
    Err(DecodeError::UnknownType(event_type.to_owned()))
}
