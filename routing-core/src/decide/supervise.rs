//! What supervisors do with interactions that wait or that others have in hand.

use ledgerline_schemas::event::interaction::InteractionPrioritySet;
use ledgerline_schemas::id::{InteractionId, LegId};
use ledgerline_schemas::limits::PRIORITY_DEFAULT;

use super::Decision;
use crate::rejection::{Rejection, RejectionCode};
use crate::state::interaction::Leg;

fn conflict(message: impl Into<String>) -> Rejection {
    Rejection::new(RejectionCode::Conflict, message)
}

impl Decision<'_> {
    /// The stay in a queue, or the conversation after it, that a supervisor means.
    fn stay(&self, id: InteractionId, meant: Option<LegId>) -> Result<&Leg, Rejection> {
        let interaction = self.open(id).ok_or_else(|| {
            let message = format!("interaction_id: no open interaction {id}");
            Rejection::new(RejectionCode::NotFound, message)
        })?;
        let leg = interaction.leg.as_ref().ok_or_else(|| {
            conflict(format!("interaction_id: {id} is neither in a queue nor with an agent"))
        })?;
        if meant.is_some_and(|meant| meant != leg.leg_id) {
            return Err(conflict(format!("interaction_id: {id} has gone on meanwhile")));
        }
        Ok(leg)
    }

    /// Nothing has to be routed anew: whoever waits, waits because nobody is free for it.
    pub(super) fn set_waiting_priority(
        &mut self,
        id: InteractionId,
        leg_id: Option<LegId>,
        priority: u8,
    ) -> Result<(), Rejection> {
        if !(1..=PRIORITY_DEFAULT).contains(&priority) {
            let message = format!("priority: has to be 1 to {PRIORITY_DEFAULT}, not {priority}");
            return Err(Rejection::new(RejectionCode::Invalid, message));
        }
        let leg = self.stay(id, leg_id)?;
        if !leg.waits() {
            return Err(conflict(format!("interaction_id: {id} no longer waits, an agent has it")));
        }
        let old = leg.priority;
        if old != priority {
            self.emit(id, InteractionPrioritySet { interaction_id: id, old, new: priority });
        }
        Ok(())
    }
}
