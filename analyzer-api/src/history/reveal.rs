//! What is sealed in an interaction, in clear.
//!
//! A value opens only with its person's key, for the interaction it was sealed for. Where the key was destroyed
//! the value stays sealed for ever; that it was there is still told.

use ledgerline_event_store::crypt::{Binding, CryptError, KeyRing};
use ledgerline_event_store::{EventReader, ReadError};
use ledgerline_schemas::id::InteractionId;
use ledgerline_schemas::{Position, Recorded, Sensitive, Timestamp};
use serde::Serialize;
use serde_json::Value;

use super::{gather, seal};

/// What became of a sealed value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Opened {
    /// It is shown.
    Revealed,
    /// Its key is not there: the person was erased.
    Erased,
    /// It was not sealed for this place, or its bytes are damaged.
    Unreadable,
}

/// A sealed value of an event.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Revealed {
    /// Position of the event.
    pub position: Position,
    /// When it happened.
    pub time: Timestamp,
    /// Type of the event.
    pub event_type: String,
    /// Where in the payload: a JSON pointer (RFC 6901).
    pub field: String,
    /// What became of it.
    pub state: Opened,
    /// The value in clear, if it is shown.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
}

impl Revealed {
    /// Its name in the access event: the value itself is not part of it.
    #[must_use]
    pub fn name(&self) -> String {
        format!("{}:{}:{}", self.position, self.event_type, self.field)
    }
}

/// Every sealed value of an interaction, in the order of the log; `None` if the log does not know it.
///
/// # Errors
/// [`ReadError`] if the log cannot be read.
pub fn reveal(
    reader: &dyn EventReader,
    keys: &KeyRing,
    interaction: InteractionId,
) -> Result<Option<Vec<Revealed>>, ReadError> {
    let events = gather::events(reader, interaction)?;
    if events.is_empty() {
        return Ok(None);
    }
    let mut found = Vec::new();
    for event in &events {
        if let Ok(decoded) = event.decode() {
            walk(&decoded.to_json(), String::new(), &mut |field, sealed| {
                found.push(opened(event, field, sealed, keys, interaction));
            });
        }
    }
    Ok(Some(found))
}

/// Calls `each` for every sealed part, with its place.
fn walk(value: &Value, place: String, each: &mut dyn FnMut(String, &Value)) {
    match value {
        Value::Object(object) if seal::sealed_with(object).is_some() => each(place, value),
        Value::Object(object) => {
            for (name, value) in object {
                let name = name.replace('~', "~0").replace('/', "~1");
                walk(value, format!("{place}/{name}"), each);
            }
        }
        Value::Array(values) => {
            for (index, value) in values.iter().enumerate() {
                walk(value, format!("{place}/{index}"), each);
            }
        }
        _ => {}
    }
}

fn opened(
    event: &Recorded,
    field: String,
    sealed: &Value,
    keys: &KeyRing,
    interaction: InteractionId,
) -> Revealed {
    let (state, value) = match open(event, sealed, keys, interaction) {
        Ok(value) => (Opened::Revealed, Some(value)),
        Err(Some(CryptError::NoKey { .. })) => (Opened::Erased, None),
        Err(_) => (Opened::Unreadable, None),
    };
    let header = &event.header;
    Revealed {
        position: header.position,
        time: header.time,
        event_type: header.event_type.to_string(),
        field,
        state,
        value,
    }
}

/// Sealed values are text; what they mean is not written beside them, so each meaning is tried.
fn open(
    event: &Recorded,
    sealed: &Value,
    keys: &KeyRing,
    interaction: InteractionId,
) -> Result<String, Option<CryptError>> {
    let sealed: Sensitive<String> = serde_json::from_value(sealed.clone()).map_err(|_| None)?;
    let mut last = None;
    for binding in [Binding::said(interaction), Binding::origin(interaction)] {
        match keys.open(event.header.org_id, binding, &sealed) {
            Ok(value) => return Ok(value),
            Err(error) => last = Some(error),
        }
    }
    Err(last)
}
