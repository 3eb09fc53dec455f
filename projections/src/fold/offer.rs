//! `offer`, and what offers of legs to agents mean elsewhere.

use ledgerline_schemas::event::offer::{
    OfferAccepted, OfferFailed, OfferMade, OfferRejected, OfferRescinded, OfferTimedOut,
};
use ledgerline_schemas::id::{InteractionId, LegId, OfferId, UserId};

use crate::column::{AgentActivityState, OfferOutcome, Outcome, Stage};
use crate::fold::activity::Step;
use crate::fold::agent::Hand;
use crate::fold::interval::{Counts, interval_start};
use crate::fold::{At, Fold, text};
use crate::tables::{AgentInterval, Offer, QueueLeg};

/// How an offer ended without a conversation.
struct Ending<'a> {
    offer_id: OfferId,
    interaction_id: InteractionId,
    leg_id: LegId,
    agent_id: UserId,
    outcome: OfferOutcome,
    reason: &'a str,
}

macro_rules! ending {
    ($it:ident, $outcome:ident, $reason:expr) => {
        Ending {
            offer_id: $it.offer_id,
            interaction_id: $it.interaction_id,
            leg_id: $it.leg_id,
            agent_id: $it.agent_id,
            outcome: OfferOutcome::$outcome,
            reason: $reason,
        }
    };
}

impl Fold {
    pub(super) fn offer_made(&mut self, at: &mut At<'_>, it: &OfferMade) {
        let time = at.time();
        if let Some(interaction) = self.interactions.get_mut(&it.interaction_id) {
            interaction.offers.insert(it.offer_id, time);
            self.offer_rings(at, it);
        }
        self.leg(at, it.leg_id, |leg| leg.offers += 1);
        self.session(at, it.interaction_id, |row| row.offer_count += 1);
        self.offers_counted(at, it.leg_id, &Counts { offers: 1, ..Counts::default() });
        self.agent_row(at, it.agent_id, |row| row.offer_count += 1);
        self.agent_offers_counted(at, it.leg_id, it.agent_id, |row| row.offered += 1);
        let hand = Hand {
            interaction_id: it.interaction_id,
            leg_id: it.leg_id,
            queue_id: Some(it.queue_id),
            channel_type: it.channel_type,
        };
        self.hand(at, it.agent_id, hand, AgentActivityState::Ringing);
        let step = Step {
            next: Some(Stage::Offered),
            leg_id: Some(it.leg_id),
            agent_id: Some(it.agent_id),
            ..Step::default()
        };
        self.step(at, it.interaction_id, step);
    }

    pub(super) fn offer_accepted(&mut self, at: &mut At<'_>, it: &OfferAccepted) {
        self.rang(at, it.interaction_id, it.leg_id, it.offer_id);
        self.offer_ended(at, it.offer_id, OfferOutcome::Accepted, None);
        self.agent_offers_counted(at, it.leg_id, it.agent_id, |row| row.accepted += 1);
        let step = Step { leg_id: Some(it.leg_id), agent_id: Some(it.agent_id), ..Step::default() };
        self.step(at, it.interaction_id, step);
    }

    pub(super) fn offer_rejected(&mut self, at: &mut At<'_>, it: &OfferRejected) {
        self.leg(at, it.leg_id, |leg| leg.rejects += 1);
        self.session(at, it.interaction_id, |row| row.reject_count += 1);
        self.offers_counted(at, it.leg_id, &Counts { rejects: 1, ..Counts::default() });
        self.agent_row(at, it.agent_id, |row| row.reject_count += 1);
        self.agent_offers_counted(at, it.leg_id, it.agent_id, |row| row.rejected += 1);
        self.offer_over(at, &ending!(it, Rejected, it.reason.name()));
    }

    pub(super) fn offer_timed_out(&mut self, at: &mut At<'_>, it: &OfferTimedOut) {
        self.leg(at, it.leg_id, |leg| leg.ronas += 1);
        self.session(at, it.interaction_id, |row| row.rona_count += 1);
        self.offers_counted(at, it.leg_id, &Counts { ronas: 1, ..Counts::default() });
        self.agent_row(at, it.agent_id, |row| row.rona_count += 1);
        self.agent_offers_counted(at, it.leg_id, it.agent_id, |row| row.ronas += 1);
        self.offer_over(at, &ending!(it, TimedOut, "no_answer"));
    }

    pub(super) fn offer_rescinded(&mut self, at: &mut At<'_>, it: &OfferRescinded) {
        self.leg(at, it.leg_id, |leg| leg.rescinds += 1);
        self.offer_over(at, &ending!(it, Rescinded, it.reason.name()));
    }

    pub(super) fn offer_failed(&mut self, at: &mut At<'_>, it: &OfferFailed) {
        self.leg(at, it.leg_id, |leg| leg.offer_failures += 1);
        self.offer_over(at, &ending!(it, Failed, &it.code));
    }

    fn offer_over(&mut self, at: &mut At<'_>, it: &Ending<'_>) {
        self.rang(at, it.interaction_id, it.leg_id, it.offer_id);
        self.offer_ended(at, it.offer_id, it.outcome, Some(it.reason));
        self.hand_over(at, it.agent_id, it.leg_id, AgentActivityState::Ringing);
        let waits =
            self.tables.queue_leg.get(&it.leg_id).is_some_and(|leg| leg.outcome == Outcome::Open);
        let step = Step {
            next: waits.then_some(Stage::Queued),
            leg_id: Some(it.leg_id),
            agent_id: Some(it.agent_id),
            reason: Some(it.reason),
            ..Step::default()
        };
        self.step(at, it.interaction_id, step);
    }

    /// Adds the time an offer rang, once.
    fn rang(&mut self, at: &mut At<'_>, id: InteractionId, leg_id: LegId, offer_id: OfferId) {
        let since = self.interactions.get_mut(&id).and_then(|it| it.offers.remove(&offer_id));
        let Some(since) = since else { return };
        let rang_ms = at.time().ms_since(since);
        self.leg(at, leg_id, |leg: &mut QueueLeg| leg.ringing_duration_ms += rang_ms);
        self.session(at, id, |row| row.ringing_duration_ms += rang_ms);
    }

    fn offers_counted(&mut self, at: &mut At<'_>, leg_id: LegId, counts: &Counts) {
        let Some(leg) = self.tables.queue_leg.get(&leg_id) else { return };
        let key = (interval_start(at.time()), leg.queue_id, leg.channel_type);
        self.interval(at, key, counts);
    }
    fn agent_offers_counted(
        &mut self,
        at: &mut At<'_>,
        leg_id: LegId,
        agent_id: UserId,
        count: impl FnOnce(&mut AgentInterval),
    ) {
        let channel_type = self.tables.queue_leg.get(&leg_id).map(|leg| leg.channel_type);
        if let Some(channel_type) = channel_type {
            self.agent_counted_on(at, agent_id, channel_type, count);
        }
    }

    fn offer_rings(&mut self, at: &mut At<'_>, it: &OfferMade) {
        let row = Offer {
            offer_id: it.offer_id,
            decision_id: it.decision_id,
            interaction_id: it.interaction_id,
            leg_id: it.leg_id,
            queue_id: it.queue_id,
            agent_id: it.agent_id,
            agent_name: self.config.name(it.agent_id.uuid()),
            agent_session_id: it.agent_session_id,
            team_id: it.team_id,
            site_id: it.site_id,
            channel_type: it.channel_type,
            ring_timeout_ms: it.ring_timeout_ms,
            made_time: at.time(),
            ended_time: None,
            outcome: OfferOutcome::Ringing,
            reason: None,
            ring_duration_ms: None,
            valid_from_position: at.header.position,
        };
        self.tables.offer.put(at.sink, row);
    }

    /// Ends an offer that rings.
    fn offer_ended(
        &mut self,
        at: &mut At<'_>,
        offer_id: OfferId,
        outcome: OfferOutcome,
        reason: Option<&str>,
    ) {
        let time = at.time();
        let rings = |row: &Offer| row.outcome == OfferOutcome::Ringing;
        self.tables.offer.change_if(at.sink, &offer_id, rings, |row| {
            row.outcome = outcome;
            row.reason = reason.map(text);
            row.ended_time = Some(time);
            row.ring_duration_ms = Some(time.ms_since(row.made_time));
        });
    }
}
