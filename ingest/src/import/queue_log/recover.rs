//! What earlier imports left on the log: the state, and which lines are there.

use std::collections::BTreeMap;

use ledgerline_event_store::EventReader;
use ledgerline_schemas::event::Event;
use ledgerline_schemas::id::{CommandId, ImportId};
use ledgerline_schemas::{Actor, Position};

use super::state::State;
use crate::import::error::ImportError;

/// What is known of a line that is on the log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Seen {
    /// It became more than information.
    pub(super) mapped: bool,
    /// An interaction began with it.
    pub(super) begins: bool,
}

/// The earlier imports of a mapping.
#[derive(Debug, Default)]
pub(super) struct Earlier {
    pub(super) state: State,
    /// By the command of their events.
    pub(super) lines: BTreeMap<CommandId, Seen>,
    /// Reasons of refused lines, by file and line.
    pub(super) rejected: BTreeMap<(ImportId, u64), String>,
    /// Position of the newest configuration event, whoever made it.
    pub(super) config_position: Position,
}

impl Earlier {
    /// Reads the log. `key_mark` stands for the keys that lines are known again by.
    pub(super) fn read(
        log: &dyn EventReader,
        actor: &Actor,
        key_mark: CommandId,
    ) -> Result<Self, ImportError> {
        let mut earlier = Self::default();
        for recorded in log.scan(Position::START) {
            let recorded = recorded?;
            let header = &recorded.header;
            if header.event_type.starts_with("config.") {
                earlier.config_position = header.position;
                continue;
            }
            if header.actor != *actor {
                continue;
            }
            let Ok(event) = recorded.decode() else { continue };
            match &event {
                Event::ImportBatchCompleted(_) => continue,
                Event::ImportBatchStarted(_) if header.command_id != key_mark => {
                    return Err(ImportError::OtherKeys);
                }
                Event::ImportBatchStarted(_) => continue,
                Event::ImportRowRejected(it) => {
                    earlier.rejected.insert((it.import_id, it.line), it.reason.clone());
                    continue;
                }
                _ => {}
            }
            let seen = earlier.lines.entry(header.command_id).or_default();
            seen.mapped |= !matches!(event, Event::ExternalEvent(_));
            seen.begins |= matches!(event, Event::InteractionCreated(_));
            earlier.state.evolve(header.time, &event);
        }
        Ok(earlier)
    }
}
