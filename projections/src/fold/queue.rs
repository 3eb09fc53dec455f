//! `queue_leg`: stays in queues.

use ledgerline_schemas::event::queue::{
    QueueEntered, QueueGroupEscalated, QueueLeaveReason, QueueLeft, QueueRequirementsRelaxed,
};
use ledgerline_schemas::id::LegId;

use crate::column::{Json, Outcome, Stage};
use crate::fold::activity::Step;
use crate::fold::interval::Contributions;
use crate::fold::{At, Fold, live};
use crate::tables::QueueLeg;

/// What leaving a queue for this reason counts as.
pub(crate) const fn outcome(reason: QueueLeaveReason) -> Outcome {
    match reason {
        QueueLeaveReason::Assigned => Outcome::Answered,
        QueueLeaveReason::Abandoned => Outcome::Abandoned,
        QueueLeaveReason::MaxTime
        | QueueLeaveReason::OptOut
        | QueueLeaveReason::EscapeKey
        | QueueLeaveReason::Moved
        | QueueLeaveReason::CallbackRequested
        | QueueLeaveReason::Overflow
        | QueueLeaveReason::Flow
        | QueueLeaveReason::Error => Outcome::Other,
    }
}

/// What a leg counts wherever legs are counted.
struct Counted {
    intervals: Contributions,
    live: live::Counts,
}

impl Counted {
    fn of(leg: &QueueLeg) -> Self {
        Self { intervals: Contributions::of(leg), live: live::Counts::of(leg) }
    }
}

impl Fold {
    /// Changes a leg, if it is known, and everything that counts legs.
    pub(super) fn leg(
        &mut self,
        at: &mut At<'_>,
        leg_id: LegId,
        change: impl FnOnce(&mut QueueLeg),
    ) {
        let Some(before) = self.tables.queue_leg.get(&leg_id).map(Counted::of) else { return };
        self.tables.queue_leg.change(at.sink, &leg_id, change);
        self.leg_counted(at, Some(before), leg_id);
        if let Some(interaction_id) = self.tables.queue_leg.get(&leg_id).map(|it| it.interaction_id)
        {
            self.touched(interaction_id);
        }
    }

    /// Corrects the figures of intervals and queues by what a leg counted before and counts now.
    fn leg_counted(&mut self, at: &mut At<'_>, before: Option<Counted>, leg_id: LegId) {
        let Some(leg) = self.tables.queue_leg.get(&leg_id) else { return };
        let Counted { intervals, live } = Counted::of(leg);
        let of = (leg.queue_id, leg.channel_type);
        let stay = (leg.entered_time, leg.leg_id);
        let (intervals_before, live_before) = before.map(|it| (it.intervals, it.live)).unzip();
        self.intervals_counted(at, of, intervals_before.unwrap_or_default(), intervals);
        self.live_counted(at, of, stay, live_before.as_ref(), &live);
    }

    pub(super) fn queue_entered(&mut self, at: &mut At<'_>, it: &QueueEntered) {
        let time = at.time();
        self.flow_time_over(at, it.interaction_id);
        let Some(session) = self.tables.customer_session.get(&it.interaction_id) else { return };
        let (channel_type, entry_point_id) = (session.channel_type, session.entry_point_id);
        if !session.is_offered {
            self.entry_point(at, entry_point_id, |row| row.escalated_to_queue += 1);
        }
        let queue_name = self.config.name(it.queue_id.uuid());
        let known = self.tables.queue_leg.get(&it.leg_id).is_some();
        if known {
            // The same stay goes on: it has not left after all.
            self.leg(at, it.leg_id, |leg| {
                leg.outcome = Outcome::Open;
                leg.left_time = None;
                leg.leave_reason = None;
                leg.queue_duration_ms = None;
            });
        } else {
            let prev_leg_id = self.interactions.get(&it.interaction_id).and_then(|it| it.last_leg);
            let row = QueueLeg {
                leg_id: it.leg_id,
                interaction_id: it.interaction_id,
                leg_no: it.leg_no,
                queue_id: it.queue_id,
                queue_name: queue_name.clone(),
                channel_type,
                entry_point_id,
                source: it.source,
                outcome: Outcome::Open,
                entered_time: time,
                left_time: None,
                leave_reason: None,
                queue_duration_ms: None,
                priority: it.priority,
                wait_credit_ms: it.wait_credit_ms,
                sl_threshold_ms: self.config.queues.get(&it.queue_id).map(|it| it.threshold_ms),
                preferred_agent_id: it.preferred_agent_id,
                required_skills: (!it.requirements.is_empty()).then(|| Json::of(&it.requirements)),
                relax_steps: 0,
                group_no: 0,
                offers: 0,
                rejects: 0,
                ronas: 0,
                rescinds: 0,
                offer_failures: 0,
                ringing_duration_ms: 0,
                agent_id: None,
                agent_name: None,
                agent_session_id: None,
                team_id: None,
                team_name: None,
                site_id: None,
                site_name: None,
                connected_time: None,
                disconnected_time: None,
                disconnect_reason: None,
                connected_duration_ms: None,
                hold_count: 0,
                hold_duration_ms: 0,
                consult_count: 0,
                consult_duration_ms: 0,
                conference_count: 0,
                conference_duration_ms: 0,
                wrapup_time: None,
                wrapup_duration_ms: None,
                wrapup_code_id: None,
                wrapup_code: None,
                handle_duration_ms: None,
                handle_type: None,
                transfer_kind: None,
                next_destination_type: None,
                next_destination_id: None,
                prev_leg_id,
                next_leg_id: None,
                valid_from_position: at.header.position,
            };
            self.tables.queue_leg.put(at.sink, row);
            self.leg_counted(at, None, it.leg_id);
            if let Some(prev_leg_id) = prev_leg_id {
                self.leg(at, prev_leg_id, |leg| leg.next_leg_id = Some(it.leg_id));
            }
        }
        if let Some(interaction) = self.interactions.get_mut(&it.interaction_id) {
            interaction.last_leg = Some(it.leg_id);
            if !known {
                interaction.legs.push(it.leg_id);
            }
        }
        self.session(at, it.interaction_id, |row| {
            row.is_offered = true;
            row.queue_count += u32::from(!known);
            row.first_queue_id = row.first_queue_id.or(Some(it.queue_id));
            row.last_queue_id = Some(it.queue_id);
            row.last_queue_name = queue_name;
        });
        let step = Step {
            next: Some(Stage::Queued),
            leg_id: Some(it.leg_id),
            reason: Some(it.source.name()),
            ..Step::default()
        };
        self.step(at, it.interaction_id, step);
    }

    pub(super) fn queue_left(&mut self, at: &mut At<'_>, it: &QueueLeft) {
        let time = at.time();
        if self.tables.queue_leg.get(&it.leg_id).is_none_or(|leg| leg.outcome != Outcome::Open) {
            return;
        }
        self.leg(at, it.leg_id, |leg| {
            leg.outcome = outcome(it.reason);
            leg.left_time = Some(time);
            leg.leave_reason = Some(it.reason);
            leg.queue_duration_ms = Some(it.wait_ms);
        });
        let overflowed = it.reason == QueueLeaveReason::Overflow;
        self.session(at, it.interaction_id, |row| {
            row.queue_duration_ms += it.wait_ms;
            row.overflow_count += u32::from(overflowed);
        });
        let next = match outcome(it.reason) {
            Outcome::Answered => Some(Stage::Offered),
            Outcome::Other => Some(Stage::Ivr),
            // The end of the interaction says where the customer left.
            Outcome::Abandoned | Outcome::Open => None,
        };
        let step = Step {
            next,
            leg_id: Some(it.leg_id),
            reason: Some(it.reason.name()),
            ..Step::default()
        };
        self.step(at, it.interaction_id, step);
    }

    pub(super) fn queue_group_escalated(&mut self, at: &mut At<'_>, it: &QueueGroupEscalated) {
        self.leg(at, it.leg_id, |leg| leg.group_no = it.to_group);
    }

    pub(super) fn queue_requirements_relaxed(
        &mut self,
        at: &mut At<'_>,
        it: &QueueRequirementsRelaxed,
    ) {
        self.leg(at, it.leg_id, |leg| leg.relax_steps += 1);
    }
}
