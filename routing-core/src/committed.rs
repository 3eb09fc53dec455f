//! An event as the core sees it: the payload decoded, and the parts of the header that matter here.

use ledgerline_schemas::event::{DecodeError, Event};
use ledgerline_schemas::id::{CommandId, CorrelationId, EventId};
use ledgerline_schemas::{Actor, ActorType, Position, Recorded, StreamId, Timestamp};

/// Prefix of streams that other programs write; their events are none of ours.
const FOREIGN: &str = "external-";

/// A committed event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Committed {
    /// Place in the organization's log.
    pub position: Position,
    /// The event's own id.
    pub id: EventId,
    /// Its stream.
    pub stream: StreamId,
    /// When it happened.
    pub time: Timestamp,
    /// The command whose decision it is part of.
    pub command_id: CommandId,
    /// The piece of work it belongs to.
    pub correlation_id: CorrelationId,
    /// Who caused it.
    pub actor: Actor,
    /// The fact.
    pub event: Event,
}

impl Committed {
    /// Reads a recorded event; `None` for events of foreign streams (`external-*`).
    ///
    /// # Errors
    /// [`DecodeError`] if the event is ours and does not decode.
    pub fn from_recorded(recorded: &Recorded) -> Result<Option<Self>, DecodeError> {
        let header = &recorded.header;
        if header.stream.as_str().starts_with(FOREIGN) {
            return Ok(None);
        }
        Ok(Some(Self {
            position: header.position,
            id: header.id,
            stream: header.stream.clone(),
            time: header.time,
            command_id: header.command_id,
            correlation_id: header.correlation_id,
            actor: header.actor.clone(),
            event: recorded.decode()?,
        }))
    }

    /// Whether routing takes notice of it: one of the facts that decisions consist of, and not imported
    /// history. Facts that others write to the same log (reads, erasures, evaluations …) pass by.
    #[must_use]
    pub fn concerns_routing(&self) -> bool {
        self.actor.kind != ActorType::Importer && is_decided_here(&self.event)
    }
}

const fn is_decided_here(event: &Event) -> bool {
    matches!(
        event,
        Event::Config(_)
            | Event::InteractionCreated(_)
            | Event::InteractionPrioritySet(_)
            | Event::InteractionEnded(_)
            | Event::FlowStarted(_)
            | Event::FlowStepEntered(_)
            | Event::FlowStepExited(_)
            | Event::FlowInputCollected(_)
            | Event::FlowError(_)
            | Event::FlowEnded(_)
            | Event::FlowPublished(_)
            | Event::QueueEntered(_)
            | Event::QueueGroupEscalated(_)
            | Event::QueueLeft(_)
            | Event::RoutingDecisionMade(_)
            | Event::RoutingManualAssigned(_)
            | Event::OfferMade(_)
            | Event::OfferAccepted(_)
            | Event::OfferRejected(_)
            | Event::OfferTimedOut(_)
            | Event::OfferRescinded(_)
            | Event::OfferFailed(_)
            | Event::LegConnected(_)
            | Event::LegDisconnected(_)
            | Event::HoldStarted(_)
            | Event::HoldEnded(_)
            | Event::TransferRequested(_)
            | Event::TransferCompleted(_)
            | Event::MediaLegOffered(_)
            | Event::MediaLegDialled(_)
            | Event::MediaLegAnswered(_)
            | Event::MediaLegFailed(_)
            | Event::MediaLegBridged(_)
            | Event::MediaLegEnded(_)
            | Event::PromptStarted(_)
            | Event::PromptFinished(_)
            | Event::EdgeRequestRefused(_)
            | Event::AgentSessionStarted(_)
            | Event::AgentSessionEnded(_)
            | Event::AgentStateChanged(_)
            | Event::AgentStateForced(_)
            | Event::WrapUpStarted(_)
            | Event::WrapUpCodeSet(_)
            | Event::WrapUpEnded(_)
            | Event::MessageReceived(_)
            | Event::MessageSent(_)
            | Event::BroadcastSent(_)
            | Event::MonitorRequested(_)
            | Event::MonitorFailed(_)
            | Event::MonitorStarted(_)
            | Event::MonitorSilenced(_)
            | Event::MonitorWhispered(_)
            | Event::MonitorBargedIn(_)
            | Event::MonitorEnded(_)
            | Event::TimerFired(_)
    )
}
