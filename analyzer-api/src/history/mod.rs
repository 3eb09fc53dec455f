//! The history of one interaction, step by step: when, who, what, and why.

mod gather;
mod names;
mod render;
mod reveal;
mod seal;
mod what;
mod why;

use ledgerline_event_store::{EventReader, ReadError};
use ledgerline_schemas::id::InteractionId;
use ledgerline_schemas::{Actor, Position, Recorded, StreamId, Timestamp};
use serde::Serialize;
use serde_json::Value;

pub use names::Names;
pub use render::render;
pub use reveal::{Opened, Revealed, reveal};

/// One step of a history.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Step {
    /// Place in the organization's log.
    pub position: Position,
    /// When it happened.
    pub time: Timestamp,
    /// Who caused it.
    pub actor: Actor,
    /// The same by name: `agent Ana`, `the router`.
    pub by: String,
    /// Type of the event.
    pub event_type: String,
    /// Stream of the event: the interaction's own, or that of an agent it touched.
    pub stream: StreamId,
    /// What happened, as a sentence.
    pub what: String,
    /// Why it happened, where the event or its decision says so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// Everything above as one paragraph.
    pub explain: String,
    /// The payload; personal data appears as `{"sealed": key id}`.
    pub data: Value,
}

/// The history of an interaction, in the order of the log; empty if the log does not know it.
///
/// It has every event of the interaction's own stream, and what the same commands recorded elsewhere: the
/// state change of an agent who did not answer, the wrap-up that freed an agent for this interaction.
///
/// # Errors
/// [`ReadError`] if the log cannot be read.
pub fn of(reader: &dyn EventReader, interaction: InteractionId) -> Result<Vec<Step>, ReadError> {
    let events = gather::events(reader, interaction)?;
    if events.is_empty() {
        return Ok(Vec::new());
    }
    let names = Names::load(reader)?;
    Ok(events.iter().map(|event| step(event, &names)).collect())
}

/// One event as a step.
#[must_use]
pub fn step(event: &Recorded, names: &Names) -> Step {
    let header = &event.header;
    let (what, why, data) = match event.decode() {
        Ok(decoded) => (
            what::sentence(&decoded, names),
            why::reason(&decoded, names),
            seal::shown(decoded.to_json()),
        ),
        Err(error) => (format!("a foreign event of type {}", header.event_type), None, {
            serde_json::json!({ "undecoded": error.to_string() })
        }),
    };
    let by = names.actor(&header.actor);
    let mut explain = format!("At {}, {by}: {what}.", header.time);
    if let Some(why) = &why {
        let reasons: Vec<&str> = why.lines().map(str::trim).collect();
        explain.push_str(&format!(" Why: {}.", reasons.join("; ").replace(":;", ":")));
    }
    Step {
        position: header.position,
        time: header.time,
        actor: header.actor.clone(),
        by,
        event_type: header.event_type.to_string(),
        stream: header.stream.clone(),
        what,
        why,
        explain,
        data,
    }
}
