//! How an interaction ends, from wherever it is.

use ledgerline_schemas::event::flow::FlowExit;
use ledgerline_schemas::event::interaction::{
    InteractionEnded, LastStage, TerminatingEnd, TerminationReason,
};
use ledgerline_schemas::event::leg::{HoldEnded, LegDisconnected, LegEndReason};
use ledgerline_schemas::event::monitor::MonitorEndReason;
use ledgerline_schemas::event::offer::RescindReason;
use ledgerline_schemas::event::queue::QueueLeaveReason;
use ledgerline_schemas::event::wrapup::WrapUpStarted;
use ledgerline_schemas::id::InteractionId;

use super::Decision;
use crate::state::interaction::LegPhase;

/// Who and what ends an interaction.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ending {
    pub(crate) end: TerminatingEnd,
    pub(crate) reason: TerminationReason,
    /// Stage to record when the leg is gone already.
    pub(crate) stage: LastStage,
}

impl Ending {
    /// Ledgerline ends it.
    pub(crate) const fn system(reason: TerminationReason) -> Self {
        Self { end: TerminatingEnd::System, reason, stage: LastStage::Ivr }
    }

    /// The customer left.
    pub(crate) const fn customer() -> Self {
        Self {
            end: TerminatingEnd::Customer,
            reason: TerminationReason::CustomerLeft,
            stage: LastStage::Ivr,
        }
    }

    /// The agent ended it.
    pub(crate) const fn agent() -> Self {
        Self {
            end: TerminatingEnd::Agent,
            reason: TerminationReason::AgentEnded,
            stage: LastStage::Connected,
        }
    }

    const fn leave_reason(self) -> QueueLeaveReason {
        match self.reason {
            TerminationReason::CustomerLeft => QueueLeaveReason::Abandoned,
            TerminationReason::MaxTimeInQueue => QueueLeaveReason::MaxTime,
            TerminationReason::FlowEnded => QueueLeaveReason::Flow,
            _ => QueueLeaveReason::Error,
        }
    }

    const fn leg_reason(self) -> LegEndReason {
        match self.reason {
            TerminationReason::CustomerLeft => LegEndReason::CustomerLeft,
            TerminationReason::AgentEnded => LegEndReason::AgentEnded,
            TerminationReason::NetworkError => LegEndReason::NetworkError,
            _ => LegEndReason::System,
        }
    }

    const fn exit(self) -> FlowExit {
        match self.reason {
            TerminationReason::CustomerLeft | TerminationReason::NetworkError => {
                FlowExit::CustomerLeft
            }
            _ => FlowExit::Ended,
        }
    }
}

impl Decision<'_> {
    /// Ends an interaction that is not over; one that is stays as it is.
    pub(crate) fn finish(&mut self, id: InteractionId, ending: Ending) {
        let Some(interaction) = self.open(id) else { return };
        let stage = match interaction.leg.as_ref().map(|leg| &leg.phase) {
            None => ending.stage,
            Some(LegPhase::Waiting) => LastStage::Queue,
            Some(LegPhase::Offered(_)) => LastStage::Offer,
            Some(LegPhase::Connected(_)) => LastStage::Connected,
        };
        match stage {
            LastStage::Queue | LastStage::Offer => {
                let why = match ending.end {
                    TerminatingEnd::Customer => RescindReason::CustomerLeft,
                    TerminatingEnd::Agent | TerminatingEnd::System | TerminatingEnd::Unknown => {
                        RescindReason::QueueLeft
                    }
                };
                self.leave_queue(id, ending.leave_reason(), why);
            }
            LastStage::Connected => self.disconnect(id, ending.leg_reason(), true),
            LastStage::Ivr | LastStage::Wrapup => {}
        }
        self.end_run(id, ending.exit());
        let event = InteractionEnded {
            interaction_id: id,
            terminating_end: ending.end,
            reason: ending.reason,
            last_stage: stage,
        };
        self.emit(id, event);
    }

    /// Ends the conversation of the connected agent; with `wrap_up` the queue's wrap-up follows.
    pub(crate) fn disconnect(&mut self, id: InteractionId, reason: LegEndReason, wrap_up: bool) {
        let Some(leg) = self.interaction(id).and_then(|interaction| interaction.leg.clone()) else {
            return;
        };
        let LegPhase::Connected(connection) = leg.phase else { return };
        let agent_id = connection.agent_id;
        let leg_id = leg.leg_id;
        if connection.held {
            self.prompt_over(id, true);
            self.emit(id, HoldEnded { interaction_id: id, leg_id, agent_id });
        }
        let connected_ms = self.now.ms_since(connection.connected_at);
        let event = LegDisconnected { interaction_id: id, leg_id, agent_id, reason, connected_ms };
        self.emit(id, event);
        self.monitor_over(id, MonitorEndReason::ConversationEnded);
        let length = match self.state.config.queue(leg.queue_id) {
            Some(queue) if wrap_up => queue.wrapup_ms,
            _ => Some(0),
        };
        if length != Some(0) && self.state.agents.contains_key(&agent_id) {
            let auto_end_at = length.map(|ms| self.now.plus_ms(ms));
            self.emit(id, WrapUpStarted { interaction_id: id, leg_id, agent_id, auto_end_at });
        }
        self.free(agent_id);
    }
}
