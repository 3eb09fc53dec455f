//! Which events belong to the history of an interaction.

use std::collections::BTreeMap;

use ledgerline_event_store::{Direction, EventReader, Filter, ReadError};
use ledgerline_schemas::id::{CommandId, InteractionId};
use ledgerline_schemas::{Position, Recorded, StreamId, Version};

/// Events read at once.
const PAGE: usize = 1_000;
/// Events read at once when looking for neighbours.
const NEIGHBOURS: usize = 16;

pub(super) fn events(
    reader: &dyn EventReader,
    interaction: InteractionId,
) -> Result<Vec<Recorded>, ReadError> {
    let stream = StreamId::interaction(interaction);
    let mut found: BTreeMap<Position, Recorded> = BTreeMap::new();
    let mut from = Version(0);
    loop {
        let page = reader.read_stream(&stream, from, Direction::Forward, PAGE)?;
        let full = page.len() == PAGE;
        if let Some(last) = page.last() {
            from = Version(last.header.version.0 + 1);
        }
        found.extend(page.into_iter().map(|event| (event.header.position, event)));
        if !full {
            break;
        }
    }
    let own: Vec<(Position, CommandId)> =
        found.iter().map(|(position, event)| (*position, event.header.command_id)).collect();
    for (position, command) in own {
        // A decision is one append: what it recorded elsewhere lies right beside.
        let known = |at: u64| {
            found.get(&Position(at)).is_some_and(|event| event.header.command_id == command)
        };
        let (before, after) = (known(position.0.wrapping_sub(1)), known(position.0 + 1));
        let mut beside = Vec::new();
        if !before {
            beside.extend(neighbours(
                reader,
                Position(position.0 - 1),
                Direction::Backward,
                command,
            )?);
        }
        if !after {
            beside.extend(neighbours(reader, position, Direction::Forward, command)?);
        }
        for event in beside {
            if touches(&event, &stream, interaction) {
                found.entry(event.header.position).or_insert(event);
            }
        }
    }
    Ok(found.into_values().collect())
}

/// Events next to a position that the same command recorded.
fn neighbours(
    reader: &dyn EventReader,
    mut from: Position,
    direction: Direction,
    command: CommandId,
) -> Result<Vec<Recorded>, ReadError> {
    let mut found = Vec::new();
    loop {
        if direction == Direction::Backward && from == Position::START {
            return Ok(found);
        }
        let page = reader.read_all(from, direction, &Filter::all(), NEIGHBOURS)?;
        let read = page.events.len();
        for event in page.events {
            if event.header.command_id != command {
                return Ok(found);
            }
            found.push(event);
        }
        if read < NEIGHBOURS {
            return Ok(found);
        }
        from = page.scanned_to;
    }
}

/// Not what the same command did to another interaction or to the configuration.
fn touches(event: &Recorded, own: &StreamId, interaction: InteractionId) -> bool {
    let stream = event.header.stream.as_str();
    event.header.stream == *own
        || event.header.correlation_id.uuid() == interaction.uuid()
        || stream.starts_with("agent-")
        || stream.starts_with("callback-")
}
