//! The answer to a command whose decision is in the log, but no longer in memory.
//!
//! Chats, call legs and agents' pages derive the ids of their commands from what they do, so that one may come
//! again at any later time: after a restart, or when a client that was away for a day says its last words again.

use std::sync::Arc;

use ledgerline_event_store::{Direction, EventWriter, Filter};
use ledgerline_routing_core::{Committed, Rejection, RejectionCode, event_id};
use ledgerline_schemas::Position;
use ledgerline_schemas::id::CommandId;

use super::handle::{Accepted, EngineError};

/// Events read at a time; most decisions have fewer.
const PAGE: usize = 16;

/// The events that a command was decided to; `None` when it was not, or when its decision changed nothing.
///
/// # Errors
/// [`EngineError::Unavailable`] if the log cannot be read, [`EngineError::Rejected`] if somebody else wrote an
/// event with the id that the command's first event would get.
pub(super) fn answer(
    log: &dyn EventWriter,
    command_id: CommandId,
) -> Result<Option<Accepted>, EngineError> {
    let unreadable = |reason: String| EngineError::Unavailable(reason);
    let found = log.find_event(event_id(command_id, 0)).map_err(|it| unreadable(it.to_string()))?;
    let Some(first) = found else { return Ok(None) };
    let mut events: Vec<Committed> = Vec::new();
    let mut at = Position(first.0.saturating_sub(1));
    // One append: its events follow each other.
    'pages: loop {
        let page = log
            .read_all(at, Direction::Forward, &Filter::all(), PAGE)
            .map_err(|it| unreadable(it.to_string()))?;
        let full = page.events.len() == PAGE;
        at = page.scanned_to;
        for recorded in &page.events {
            let ours = recorded.header.id == event_id(command_id, events.len())
                && recorded.header.command_id == command_id;
            let committed =
                Committed::from_recorded(recorded).map_err(|it| unreadable(it.to_string()))?;
            match committed.filter(|_| ours) {
                Some(event) => events.push(event),
                None => break 'pages,
            }
        }
        if !full {
            break;
        }
    }
    let Some(last) = events.last() else {
        let message = format!("command_id {command_id}: another program wrote an event of that id");
        return Err(Rejection::new(RejectionCode::Conflict, message).into());
    };
    let position = last.position;
    Ok(Some(Accepted { position, events: Arc::from(events) }))
}
