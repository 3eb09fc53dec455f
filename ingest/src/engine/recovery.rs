//! From snapshot and log back to the state.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use ledgerline_event_store::crypt::at_rest::FileCipher;
use ledgerline_event_store::{Direction, EventReader, Filter};
use ledgerline_routing_core::{Committed, Effect, EffectId, State, event_id, evolve, react};
use ledgerline_schemas::Position;
use ledgerline_schemas::config::ChannelType;
use ledgerline_schemas::id::CommandId;

use super::effects::{Routed, route};
use super::handle::Accepted;
use super::recent::Recent;
use super::{StartError, snapshot_file};

/// Name of the checkpoint up to which effects were handed out.
pub(super) const EFFECTS_CHECKPOINT: &str = "engine-effects";
/// Events read at a time.
const PAGE: usize = 4_000;
/// Events before the head whose command ids are remembered.
const REMEMBER_EVENTS: u64 = 20_000;

/// A state brought back.
#[derive(Debug)]
pub struct Recovered {
    /// The state.
    pub state: State,
    /// Position it is true at.
    pub position: Position,
    /// Events since the snapshot that it began with.
    pub(super) replayed: u64,
    pub(super) recent: Recent,
    pub(super) effects: Vec<(Routed, EffectId, Effect)>,
}

/// Replays the whole log from its beginning, without snapshots: what every snapshot must equal.
///
/// # Errors
/// [`StartError`] if the log cannot be read.
pub fn replay(log: &dyn EventReader) -> Result<(State, Position), StartError> {
    let mut state = State::new();
    let position = each(log, Position::START, |committed| evolve(&mut state, committed))?;
    Ok((state, position))
}

fn each(
    log: &dyn EventReader,
    after: Position,
    mut take: impl FnMut(&Committed),
) -> Result<Position, StartError> {
    let mut at = after;
    loop {
        let page = log.read_all(at, Direction::Forward, &Filter::all(), PAGE)?;
        for recorded in &page.events {
            let committed = Committed::from_recorded(recorded).map_err(|source| {
                StartError::Decode { position: recorded.header.position, source }
            })?;
            if let Some(committed) = committed {
                take(&committed);
            }
        }
        if page.events.is_empty() && page.scanned_to <= at {
            return Ok(at);
        }
        at = page.scanned_to;
    }
}

pub(super) fn recover(
    log: &dyn EventReader,
    snapshots: &Path,
    cipher: &dyn FileCipher,
) -> Result<Recovered, StartError> {
    let (from, mut state) = snapshot_file::newest(snapshots, log.head(), cipher)?
        .unwrap_or_else(|| (Position::START, State::new()));
    let handed_out = log.load_checkpoint(EFFECTS_CHECKPOINT)?.unwrap_or(Position::START);
    let mut effects = Vec::new();
    let mut replayed = 0_u64;
    let position = each(log, from, |committed| {
        replayed += 1;
        evolve(&mut state, committed);
        if committed.position > handed_out {
            let again = react(&state, committed).into_iter().zip(0..);
            effects.extend(again.filter_map(|(effect, index)| {
                let id = EffectId { position: committed.position, index };
                worth_repeating(&state, &effect).map(|edge| (edge, id, effect))
            }));
        }
    })?;
    let recent = remember(log, position)?;
    tracing::info!(from = from.0, to = position.0, replayed, "routing state recovered");
    Ok(Recovered { state, position, replayed, recent, effects })
}

/// Effects that still mean something after a restart. Calls do not survive the process that carried their
/// media, so what concerned them is void; the voice edge ends them when it starts.
fn worth_repeating(state: &State, effect: &Effect) -> Option<Routed> {
    let edge = route(state, effect);
    let voice = match effect {
        Effect::Push { interaction_id: Some(id), .. } => {
            state.interaction(*id).is_none_or(|it| it.channel_type == ChannelType::Voice)
        }
        _ => edge == Routed::Voice,
    };
    (!voice).then_some(edge)
}

fn remember(log: &dyn EventReader, head: Position) -> Result<Recent, StartError> {
    let after = Position(head.0.saturating_sub(REMEMBER_EVENTS));
    let mut commands: BTreeMap<CommandId, Vec<Committed>> = BTreeMap::new();
    let mut order = Vec::new();
    each(log, after, |committed| {
        if committed.concerns_routing() {
            let events = commands.entry(committed.command_id).or_insert_with(|| {
                order.push(committed.command_id);
                Vec::new()
            });
            events.push(committed.clone());
        }
    })?;
    let mut recent = Recent::default();
    for id in order {
        let events: Arc<[Committed]> = commands.remove(&id).unwrap_or_default().into();
        // One whose beginning is further back would give half an answer; the log has the whole.
        if events.first().is_some_and(|first| first.id != event_id(id, 0)) {
            continue;
        }
        let position = events.last().map_or(head, |event| event.position);
        recent.remember(id, Accepted { position, events });
    }
    Ok(recent)
}
