//! Ends that nobody recorded, for those who ask for them.

use std::collections::BTreeMap;

use ledgerline_schemas::event::Event;
use ledgerline_schemas::event::interaction::{
    AttributeChange, InteractionAttributesSet, InteractionEnded, LastStage, TerminatingEnd,
    TerminationReason,
};
use ledgerline_schemas::event::leg::{LegDisconnected, LegEndReason};
use ledgerline_schemas::event::queue::{QueueLeaveReason, QueueLeft};
use ledgerline_schemas::id::InteractionId;

use crate::import::queue_log::quirk::QueueLogQuirk;
use crate::import::queue_log::state::{Call, Phase, QUIRKS_ATTRIBUTE};

/// The events that end an interaction at its last line: what happened later is not known.
pub(in crate::import::queue_log) fn end(id: InteractionId, call: &Call) -> Vec<Event> {
    let interaction_id = id;
    let name = QueueLogQuirk::EndedOnRequest.name();
    let new = call.noted.as_ref().map_or_else(|| name.to_owned(), |old| format!("{old},{name}"));
    let change = AttributeChange { old: call.noted.clone(), new: Some(new) };
    let noted = InteractionAttributesSet {
        interaction_id,
        changes: BTreeMap::from([(QUIRKS_ATTRIBUTE.to_owned(), change)]),
        sensitive: BTreeMap::new(),
    };
    let mut events: Vec<Event> = vec![noted.into()];
    let (reason, last_stage) = match call.phase {
        Phase::Waiting { leg_id, queue_id, entered, .. } => {
            let (reason, wait_ms) = (QueueLeaveReason::Error, call.last.ms_since(entered));
            events.push(QueueLeft { interaction_id, leg_id, queue_id, reason, wait_ms }.into());
            (TerminationReason::Unknown, LastStage::Queue)
        }
        Phase::Talking { leg_id, agent_id, since, .. } => {
            let connected_ms = call.last.ms_since(since);
            let reason = LegEndReason::Unknown;
            events.push(
                LegDisconnected { interaction_id, leg_id, agent_id, reason, connected_ms }.into(),
            );
            (TerminationReason::Unknown, LastStage::Connected)
        }
        Phase::Transferred => (TerminationReason::TransferredOut, LastStage::Connected),
        Phase::Left | Phase::Over => (TerminationReason::Unknown, LastStage::Queue),
    };
    let terminating_end = TerminatingEnd::Unknown;
    events.push(InteractionEnded { interaction_id, terminating_end, reason, last_stage }.into());
    events
}
