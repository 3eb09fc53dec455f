//! Lines that end a stay in a queue or a conversation, and ends that were asked for.

use ledgerline_schemas::Timestamp;
use ledgerline_schemas::event::interaction::{
    InteractionEnded, LastStage, TerminatingEnd, TerminationReason,
};
use ledgerline_schemas::event::leg::{
    LegDisconnected, LegEndReason, PartyType, TransferCompleted, TransferKind, TransferRequested,
};
use ledgerline_schemas::event::queue::{QueueLeaveReason, QueueLeft};
use ledgerline_schemas::id::{InteractionId, LegId, UserId};

use super::{Making, Stop};
use crate::import::queue_log::line::LineError;
use crate::import::queue_log::quirk::QueueLogQuirk;
use crate::import::queue_log::state::{Call, Phase};
use crate::import::queue_log::verb::{Side, Verb};

/// Stands for a transfer's target that the log does not name.
const UNKNOWN_TARGET: &str = "unknown";

/// A conversation that a line is about.
struct Talk {
    id: InteractionId,
    call: Call,
    leg_id: LegId,
    agent_id: UserId,
    since: Timestamp,
}

impl Making<'_> {
    fn talk(&mut self) -> Result<Talk, Stop> {
        let event = self.event;
        let (id, call) = self.known()?;
        let queue = self.queue()?;
        let (leg_id, agent_id, since) = match call.phase {
            Phase::Talking { queue_id, .. } if queue_id != queue => {
                return Err(LineError::OtherQueue { event }.into());
            }
            Phase::Talking { leg_id, agent_id, since, .. } => (leg_id, agent_id, since),
            _ => return Err(LineError::NotConnected { event }.into()),
        };
        if self.line.agent(event).is_ok() && self.agent()? != agent_id {
            self.odd(QueueLogQuirk::OtherAgentNamed);
        }
        Ok(Talk { id, call, leg_id, agent_id, since })
    }

    fn disconnected(&mut self, talk: &Talk, reason: LegEndReason, connected_ms: u64) {
        let (leg_id, agent_id) = (talk.leg_id, talk.agent_id);
        let interaction_id = talk.id;
        let event = LegDisconnected { interaction_id, leg_id, agent_id, reason, connected_ms };
        self.tell(interaction_id, self.line.time, event);
    }

    fn ended_by(&mut self, talk: &Talk, side: Side) {
        let (terminating_end, reason) = match side {
            Side::Caller => (TerminatingEnd::Customer, TerminationReason::CustomerLeft),
            Side::Agent => (TerminatingEnd::Agent, TerminationReason::AgentEnded),
        };
        let last_stage = LastStage::Connected;
        let event =
            InteractionEnded { interaction_id: talk.id, terminating_end, reason, last_stage };
        self.tell(talk.id, self.line.time, event);
        self.note_quirks(talk.id, Some(&talk.call));
    }

    pub(super) fn completed(&mut self, side: Side) -> Result<(), Stop> {
        let talk = self.talk()?;
        let quirk = QueueLogQuirk::ServiceFromClock;
        let connected_ms = self.figure_or_clock("calltime", 1, talk.since, quirk)?;
        let reason = match side {
            Side::Caller => LegEndReason::CustomerLeft,
            Side::Agent => LegEndReason::AgentEnded,
        };
        self.disconnected(&talk, reason, connected_ms);
        self.ended_by(&talk, side);
        Ok(())
    }

    /// Whether the agent ended a conversation rather than refused an offer.
    pub(super) fn dumped(&mut self) -> Result<bool, Stop> {
        if !matches!(self.known()?.1.phase, Phase::Talking { .. }) {
            return Ok(false);
        }
        let talk = self.talk()?;
        self.odd(QueueLogQuirk::ServiceFromClock);
        let connected_ms = self.line.time.ms_since(talk.since);
        self.disconnected(&talk, LegEndReason::AgentEnded, connected_ms);
        self.ended_by(&talk, Side::Agent);
        Ok(true)
    }

    pub(super) fn transferred(&mut self, verb: Verb) -> Result<(), Stop> {
        let time = self.line.time;
        let talk = self.talk()?;
        let (kind, to_id, calltime) = match verb {
            // Method and its data, then the figures; how many fields the data has depends on the method.
            Verb::AttendedTransfer => {
                let figure = self.line.data_len().checked_sub(2).filter(|index| *index >= 2);
                (TransferKind::Consult, None, figure)
            }
            _ => {
                let target = Some(self.line.data(0)).filter(|target| !target.is_empty());
                (TransferKind::Blind, target, Some(3))
            }
        };
        let to_id = match to_id {
            // An extension or an outside number: it may be a person's.
            Some(target) => self.with.coder.number(target)?,
            None => UNKNOWN_TARGET.to_owned(),
        };
        let quirk = QueueLogQuirk::ServiceFromClock;
        let connected_ms = self.figure_or_clock("calltime", calltime, talk.since, quirk)?;
        let (interaction_id, transfer_id) = (talk.id, self.ids.transfer());
        let requested = TransferRequested {
            interaction_id,
            leg_id: talk.leg_id,
            transfer_id,
            agent_id: talk.agent_id,
            kind,
            to_type: PartyType::Dn,
            to_id,
        };
        self.tell(interaction_id, time, requested);
        self.disconnected(&talk, LegEndReason::Transferred, connected_ms);
        let completed = TransferCompleted { interaction_id, transfer_id, new_leg_id: None };
        self.tell(interaction_id, time, completed);
        self.note_quirks(interaction_id, Some(&talk.call));
        Ok(())
    }

    pub(super) fn abandoned(&mut self) -> Result<(), Stop> {
        let time = self.line.time;
        let stay = self.stay()?;
        let quirk = QueueLogQuirk::WaitFromClock;
        let wait_ms = self.figure_or_clock("waittime", 2, stay.entered, quirk)?;
        let (interaction_id, leg_id, queue_id) = (stay.id, stay.leg_id, stay.queue_id);
        let reason = QueueLeaveReason::Abandoned;
        let left = QueueLeft { interaction_id, leg_id, queue_id, reason, wait_ms };
        self.tell(interaction_id, time, left);
        let ended = InteractionEnded {
            interaction_id,
            terminating_end: TerminatingEnd::Customer,
            reason: TerminationReason::CustomerLeft,
            last_stage: if stay.canceled { LastStage::Offer } else { LastStage::Queue },
        };
        self.tell(interaction_id, time, ended);
        self.note_quirks(interaction_id, Some(&stay.call));
        Ok(())
    }

    pub(super) fn exited(&mut self, reason: QueueLeaveReason, wait: usize) -> Result<(), Stop> {
        let stay = self.stay()?;
        let quirk = QueueLogQuirk::WaitFromClock;
        let wait_ms = self.figure_or_clock("waittime", wait, stay.entered, quirk)?;
        let (interaction_id, leg_id, queue_id) = (stay.id, stay.leg_id, stay.queue_id);
        let left = QueueLeft { interaction_id, leg_id, queue_id, reason, wait_ms };
        self.tell(interaction_id, self.line.time, left);
        self.note_quirks(interaction_id, Some(&stay.call));
        Ok(())
    }
}
