//! Lines of calls, from their arrival to their connection.

use std::collections::BTreeMap;

use ledgerline_event_store::crypt::Binding;
use ledgerline_schemas::Timestamp;
use ledgerline_schemas::config::ChannelType;
use ledgerline_schemas::event::interaction::{
    AttributeChange, Direction, InteractionAttributesSet, InteractionCreated, Relationship,
};
use ledgerline_schemas::event::leg::{LegConnected, LegDisconnected, LegEndReason};
use ledgerline_schemas::event::offer::{
    OfferAccepted, OfferFailed, OfferMade, OfferRejectReason, OfferRejected, OfferRescinded,
    OfferTimedOut, RescindReason,
};
use ledgerline_schemas::event::queue::{QueueEntered, QueueLeaveReason, QueueLeft, QueueSource};
use ledgerline_schemas::id::{
    AgentSessionId, DecisionId, InteractionId, LegId, OfferId, QueueId, SubjectId, UserId,
};
use ledgerline_schemas::limits::PRIORITY_DEFAULT;
use ledgerline_schemas::sensitive::Sensitive;

use super::{Making, Stop};
use crate::import::queue_log::line::{LineError, named, short};
use crate::import::queue_log::mapping::CallerNumber;
use crate::import::queue_log::note::Note;
use crate::import::queue_log::quirk::QueueLogQuirk;
use crate::import::queue_log::state::{Call, Phase};
use crate::import::queue_log::verb::Verb;

/// Code of an offer whose call was dropped because agent and caller share no media format.
const INCOMPATIBLE: &str = "incompatible_media";

/// A stay in a queue that a line is about.
pub(super) struct Stay {
    pub(super) id: InteractionId,
    pub(super) call: Call,
    pub(super) leg_id: LegId,
    pub(super) queue_id: QueueId,
    pub(super) entered: Timestamp,
    pub(super) canceled: bool,
}

/// An offer to an agent.
struct Offer {
    offer_id: OfferId,
    agent_id: UserId,
    session_id: AgentSessionId,
}

impl Making<'_> {
    /// The interaction that the line's call is now.
    pub(super) fn known(&self) -> Result<(InteractionId, Call), LineError> {
        let event = self.event;
        let first = self.with.ids.call(self.line.call(event)?);
        match self.with.state.current(first) {
            None => Err(LineError::UnknownCall { event }),
            Some((_, Call { phase: Phase::Over, .. })) => Err(LineError::CallOver { event }),
            Some((id, call)) => Ok((id, call.clone())),
        }
    }

    /// The stay of the line's call in the line's queue.
    pub(super) fn stay(&mut self) -> Result<Stay, LineError> {
        let event = self.event;
        let (id, call) = self.known()?;
        let named = self.queue()?;
        match call.phase {
            Phase::Waiting { queue_id, .. } if queue_id != named => {
                Err(LineError::OtherQueue { event })
            }
            Phase::Waiting { leg_id, queue_id, entered, canceled } => {
                Ok(Stay { id, call, leg_id, queue_id, entered, canceled })
            }
            _ => Err(LineError::NotWaiting { event }),
        }
    }

    pub(super) fn did(&mut self) -> Result<(), Stop> {
        let event = self.event;
        let missing = LineError::Missing { event, field: "number" };
        let number = named(self.line.data(0)).ok_or(missing)?;
        let number = short(event, "number", number)?.to_owned();
        match self.known() {
            Ok((id, _)) => {
                let change = AttributeChange { old: None, new: Some(number) };
                let set = InteractionAttributesSet {
                    interaction_id: id,
                    changes: BTreeMap::from([("did".to_owned(), change)]),
                    sensitive: BTreeMap::new(),
                };
                self.tell(id, self.line.time, set);
            }
            Err(LineError::UnknownCall { .. }) => {
                let call = Some(self.line.call(event)?.to_owned());
                let number = Some(number);
                self.note(Note { event: event.to_owned(), call, number, ..Note::default() });
            }
            Err(error) => return Err(error.into()),
        }
        Ok(())
    }

    pub(super) fn entered(&mut self) -> Result<(), Stop> {
        let time = self.line.time;
        let name = self.line.call(self.event)?.to_owned();
        let queue_id = self.queue()?;
        let first = self.with.ids.call(&name);
        let (id, call) = match self.with.state.current(first) {
            None => {
                self.created(first, &name, None)?;
                (first, None)
            }
            Some((over, Call { phase: Phase::Over, .. })) => {
                self.odd(QueueLogQuirk::WentOnAfterEnd);
                let id = InteractionId::derived(over.uuid(), "goes on");
                self.created(id, &name, Some(over))?;
                (id, None)
            }
            Some((id, call)) => {
                self.leave_unrecorded(id, call);
                (id, Some(call.clone()))
            }
        };
        let leg_no = call.as_ref().map_or(0, |call| call.legs) + 1;
        let transferred = matches!(&call, Some(Call { phase: Phase::Transferred, .. }));
        let entered = QueueEntered {
            interaction_id: id,
            leg_id: LegId::derived(id.uuid(), &format!("leg:{leg_no}")),
            queue_id,
            leg_no,
            // Asterisk's priorities are not in its queue log.
            priority: PRIORITY_DEFAULT,
            wait_credit_ms: 0,
            requirements: Vec::new(),
            preferred_agent_id: None,
            source: if transferred { QueueSource::Transfer } else { QueueSource::Import },
        };
        self.tell(id, time, entered);
        self.note_quirks(id, call.as_ref());
        Ok(())
    }

    /// The call is in a queue again, so what it was in before is over.
    fn leave_unrecorded(&mut self, id: InteractionId, call: &Call) {
        let time = self.line.time;
        match call.phase {
            Phase::Waiting { leg_id, queue_id, entered, .. } => {
                self.odd(QueueLogQuirk::StayEndNotRecorded);
                let (reason, wait_ms) = (QueueLeaveReason::Moved, time.ms_since(entered));
                let left = QueueLeft { interaction_id: id, leg_id, queue_id, reason, wait_ms };
                self.tell(id, time, left);
            }
            Phase::Talking { leg_id, agent_id, since, .. } => {
                self.odd(QueueLogQuirk::ServiceEndNotRecorded);
                let disconnected = LegDisconnected {
                    interaction_id: id,
                    leg_id,
                    agent_id,
                    reason: LegEndReason::Unknown,
                    connected_ms: time.ms_since(since),
                };
                self.tell(id, time, disconnected);
            }
            Phase::Left | Phase::Transferred | Phase::Over => {}
        }
    }

    fn created(
        &mut self,
        id: InteractionId,
        name: &str,
        parent: Option<InteractionId>,
    ) -> Result<(), Stop> {
        let (subject_id, origin, customer_code) = self.caller(id)?;
        let did = self.with.state.did(name).cloned();
        let created = InteractionCreated {
            interaction_id: id,
            channel_type: ChannelType::Voice,
            channel_sub_type: None,
            direction: Direction::Inbound,
            entry_point_id: None,
            origin,
            destination: did.as_ref().map(|(_, number)| number.clone()),
            customer_code,
            parent_interaction_id: parent,
            relationship: match parent {
                Some(_) => Relationship::Transfer,
                None => Relationship::None,
            },
            reason: None,
            preferred_agent_id: None,
            campaign_id: None,
            media_ref: Some(name.to_owned()),
        };
        self.tell(id, did.map_or(self.line.time, |(time, _)| time), created);
        if let Some(fact) = self.decision.facts.last_mut() {
            fact.subject_id = subject_id;
        }
        Ok(())
    }

    /// The caller's number, as the mapping wants it kept.
    #[allow(clippy::type_complexity, reason = "three things that go to three places")]
    fn caller(
        &mut self,
        id: InteractionId,
    ) -> Result<(Option<SubjectId>, Option<Sensitive<String>>, Option<String>), Stop> {
        let number = self.line.data(1);
        if !self.with.mapping.identifies(number) {
            self.odd(QueueLogQuirk::CallerUnidentified);
            return Ok((None, None, None));
        }
        let coder = &self.with.coder;
        match self.with.mapping.callers.number {
            CallerNumber::Ignored => Ok((None, None, None)),
            CallerNumber::Coded => Ok((None, None, Some(coder.customer(number)?))),
            CallerNumber::Sealed => {
                let (keys, org) = (coder.keyring, coder.org_id);
                let subject = keys.subject_id(org, "phone", number)?;
                let origin = keys.seal(org, subject, Binding::origin(id), &number.to_owned())?;
                Ok((Some(subject), Some(origin), None))
            }
        }
    }

    pub(super) fn connected(&mut self) -> Result<(), Stop> {
        let time = self.line.time;
        let stay = self.stay()?;
        let quirk = QueueLogQuirk::WaitFromClock;
        let wait_ms = self.figure_or_clock("holdtime", 0, stay.entered, quirk)?;
        let ring = self.figure("ringtime", 2, 1_000)?;
        let offer = self.offered(&stay, ring)?;
        let Offer { offer_id, agent_id, session_id } = offer;
        let Stay { id: interaction_id, leg_id, queue_id, .. } = stay;
        self.tell(
            interaction_id,
            time,
            OfferAccepted { offer_id, interaction_id, leg_id, agent_id },
        );
        let reason = QueueLeaveReason::Assigned;
        self.tell(
            interaction_id,
            time,
            QueueLeft { interaction_id, leg_id, queue_id, reason, wait_ms },
        );
        let connected = LegConnected {
            interaction_id,
            leg_id,
            queue_id,
            agent_id,
            agent_session_id: Some(session_id),
            team_id: Some(self.with.team_id()),
            site_id: Some(self.with.site_id()),
            offer_id: Some(offer_id),
        };
        self.tell(interaction_id, time, connected);
        self.note_quirks(interaction_id, Some(&stay.call));
        Ok(())
    }

    /// An agent's phone rang, or was answered, and the call went on waiting.
    pub(super) fn offer_in_vain(&mut self, verb: Verb) -> Result<(), Stop> {
        if verb == Verb::AgentDump && self.dumped()? {
            return Ok(());
        }
        let time = self.line.time;
        let stay = self.stay()?;
        let ring = match verb {
            Verb::RingNoAnswer | Verb::RingCanceled => self.figure("ringtime", 0, 1)?,
            _ => None,
        };
        let Offer { offer_id, agent_id, .. } = self.offered(&stay, ring)?;
        let Stay { id: interaction_id, leg_id, .. } = stay;
        match verb {
            Verb::RingCanceled => {
                let reason = RescindReason::CustomerLeft;
                let over = OfferRescinded { offer_id, interaction_id, leg_id, agent_id, reason };
                self.tell(interaction_id, time, over);
            }
            Verb::AgentDump => {
                let reason = OfferRejectReason::Declined;
                let over = OfferRejected { offer_id, interaction_id, leg_id, agent_id, reason };
                self.tell(interaction_id, time, over);
            }
            Verb::SysCompat => {
                let code = INCOMPATIBLE.to_owned();
                let over = OfferFailed { offer_id, interaction_id, leg_id, agent_id, code };
                self.tell(interaction_id, time, over);
            }
            _ => {
                let over = OfferTimedOut { offer_id, interaction_id, leg_id, agent_id };
                self.tell(interaction_id, time, over);
            }
        }
        self.note_quirks(interaction_id, Some(&stay.call));
        Ok(())
    }

    /// The offer behind the line; it began the ring time ago.
    fn offered(&mut self, stay: &Stay, ring_ms: Option<u64>) -> Result<Offer, Stop> {
        let time = self.line.time;
        if ring_ms.is_none() {
            self.odd(QueueLogQuirk::RingTimeNotRecorded);
        }
        let ring_ms = ring_ms.unwrap_or(0);
        let made = time.minus_ms(ring_ms);
        let agent_id = self.agent_or_unnamed()?;
        let session_id = self.seen(agent_id, stay.queue_id, made);
        let offer_id = self.ids.offer();
        let offer = OfferMade {
            offer_id,
            interaction_id: stay.id,
            leg_id: stay.leg_id,
            queue_id: stay.queue_id,
            // Nobody recorded how the agent was chosen.
            decision_id: DecisionId::default(),
            agent_id,
            agent_session_id: session_id,
            team_id: self.with.team_id(),
            site_id: Some(self.with.site_id()),
            channel_type: ChannelType::Voice,
            // How long it would have rung is not recorded, how long it did is.
            ring_timeout_ms: ring_ms,
            expires_at: time,
        };
        self.tell(stay.id, made, offer);
        Ok(Offer { offer_id, agent_id, session_id })
    }
}
