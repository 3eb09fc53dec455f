//! What edges report about media legs.

use ledgerline_schemas::event::interaction::{LastStage, TerminatingEnd, TerminationReason};
use ledgerline_schemas::event::media::{
    MediaLegAnswered, MediaLegEnded, MediaLegFailed, MediaSide, ReleaseSide,
};
use ledgerline_schemas::event::offer::OfferRejectReason;
use ledgerline_schemas::id::{InteractionId, MediaLegId};

use super::{Decision, Ending};
use crate::state::interaction::MediaPhase;

/// SIP "Busy Here" and "Busy Everywhere".
const SIP_BUSY: [u16; 2] = [486, 600];
/// SIP "Temporarily Unavailable".
const SIP_UNAVAILABLE: u16 = 480;

impl Decision<'_> {
    /// An agent's phone answered. When the offer is over meanwhile the fact is recorded and the phone
    /// is released.
    pub(super) fn media_leg_answered(
        &mut self,
        id: InteractionId,
        media_leg_id: MediaLegId,
        side: MediaSide,
        codec: &str,
    ) {
        if side == MediaSide::Customer {
            return self.customer_connected(id, codec);
        }
        if side == MediaSide::Supervisor {
            return self.monitor_answered(id, media_leg_id, codec);
        }
        let media = self.interaction(id).and_then(|it| it.agent_media.get(&media_leg_id));
        let phase = media.map(|media| media.phase);
        if phase == Some(MediaPhase::Up) {
            return;
        }
        let offer_id = media.map(|media| media.offer_id);
        let codec = codec.to_owned();
        let event = MediaLegAnswered { interaction_id: id, media_leg_id, side, codec };
        self.cause = Some(self.emit(id, event));
        let offered = self.open_offer(id).map(|(offer, _)| offer.offer_id);
        if phase == Some(MediaPhase::Ringing) && offered == offer_id {
            self.connect(id);
        }
    }

    pub(super) fn media_leg_failed(
        &mut self,
        id: InteractionId,
        media_leg_id: MediaLegId,
        side: MediaSide,
        sip_status: u16,
    ) {
        let Some(interaction) = self.interaction(id) else { return };
        let agent = interaction.agent_media.get(&media_leg_id);
        let customer = interaction.customer_media() == Some(media_leg_id);
        let monitor = interaction.monitors.get(&media_leg_id).cloned();
        if agent.is_none() && !customer && monitor.is_none() {
            return;
        }
        let serves = agent.map(|media| (media.offer_id, media.phase));
        let event = MediaLegFailed { interaction_id: id, media_leg_id, side, sip_status };
        self.cause = Some(self.emit(id, event));
        if customer {
            return self.finish(id, Ending::system(TerminationReason::NetworkError));
        }
        if let Some(monitor) = monitor {
            return self.monitor_media_lost(id, &monitor, ReleaseSide::Remote);
        }
        self.agent_media_lost(id, serves, sip_status);
    }

    /// A media leg is gone. Always a fact worth keeping; while the interaction lives it is also how
    /// customer or agent hang up.
    pub(super) fn media_leg_ended(&mut self, ended: &MediaLegEnded) {
        let id = ended.interaction_id;
        let media = self.interaction(id).and_then(|it| it.agent_media.get(&ended.media_leg_id));
        let serves = media.map(|media| (media.offer_id, media.phase));
        let customer = self.interaction(id).and_then(|it| it.customer.as_ref());
        let is_customer = customer.is_some_and(|it| it.media_leg_id == ended.media_leg_id);
        let monitor = self.monitor_at(id, ended.media_leg_id);
        self.cause = Some(self.emit(id, ended.clone()));
        if let Some(monitor) = monitor {
            return self.monitor_media_lost(id, &monitor, ended.released_by);
        }
        if is_customer {
            let ending = match ended.released_by {
                ReleaseSide::Network => Ending::system(TerminationReason::NetworkError),
                ReleaseSide::Local | ReleaseSide::Remote => Ending::customer(),
            };
            self.finish(id, ending);
        } else {
            self.agent_media_lost(id, serves, SIP_UNAVAILABLE);
        }
    }

    /// Follows from the end of an agent's media leg: a ringing offer has failed, a conversation is over.
    fn agent_media_lost(
        &mut self,
        id: InteractionId,
        serves: Option<(ledgerline_schemas::id::OfferId, MediaPhase)>,
        sip_status: u16,
    ) {
        let Some((offer_id, phase)) = serves else { return };
        match phase {
            MediaPhase::Ringing => {
                if self.open_offer(id).is_none_or(|(offer, _)| offer.offer_id != offer_id) {
                    return;
                }
                if SIP_BUSY.contains(&sip_status) {
                    self.offer_rejected(id, OfferRejectReason::Busy);
                } else {
                    self.offer_failed(id, sip_status);
                }
            }
            MediaPhase::Up => {
                let ending = Ending {
                    end: TerminatingEnd::Agent,
                    reason: TerminationReason::AgentEnded,
                    stage: LastStage::Connected,
                };
                self.finish(id, ending);
            }
            MediaPhase::Releasing | MediaPhase::Ended => {}
        }
    }
}
