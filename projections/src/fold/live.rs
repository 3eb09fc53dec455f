//! `queue_live`: queues as they are now, and their totals since the log began.

use ledgerline_schemas::config::ChannelType;
use ledgerline_schemas::id::{LegId, QueueId, TeamId};
use ledgerline_schemas::{Position, Timestamp};

use crate::column::Outcome;
use crate::fold::{At, Fold};
use crate::tables::{QueueLeg, QueueLive};

macro_rules! counts {
    ($($field:ident),*) => {
        /// What a leg adds to its queue's row.
        #[derive(Clone, Debug, Default, PartialEq, Eq)]
        pub(super) struct Counts {$($field: i64,)*}

        impl Counts {
            fn add_to(&self, row: &mut QueueLive, sign: i64) {
                $(row.$field += sign * self.$field;)*
            }
        }
    };
}

counts!(
    in_queue_now,
    connected_now,
    wrapup_now,
    offered,
    answered,
    abandoned,
    other,
    open,
    answered_in_sl,
    abandoned_in_sl,
    sum_wait_answered_ms,
    sum_wait_abandoned_ms,
    sum_connected_ms,
    ronas
);

fn ms(value: Option<u64>) -> i64 {
    i64::try_from(value.unwrap_or_default()).unwrap_or(i64::MAX)
}

impl Counts {
    /// Everything a leg adds.
    pub(super) fn of(leg: &QueueLeg) -> Self {
        let is = |outcome| leg.outcome == outcome;
        let wait_ms = ms(leg.queue_duration_ms);
        Self {
            in_queue_now: i64::from(is(Outcome::Open)),
            connected_now: i64::from(leg.is_connected()),
            wrapup_now: i64::from(leg.in_wrapup()),
            offered: 1,
            answered: i64::from(is(Outcome::Answered)),
            abandoned: i64::from(is(Outcome::Abandoned)),
            other: i64::from(is(Outcome::Other)),
            open: i64::from(is(Outcome::Open)),
            answered_in_sl: i64::from(is(Outcome::Answered) && leg.is_within_threshold()),
            abandoned_in_sl: i64::from(is(Outcome::Abandoned) && leg.is_within_threshold()),
            sum_wait_answered_ms: if is(Outcome::Answered) { wait_ms } else { 0 },
            sum_wait_abandoned_ms: if is(Outcome::Abandoned) { wait_ms } else { 0 },
            sum_connected_ms: ms(leg.connected_duration_ms),
            ronas: i64::from(leg.ronas),
        }
    }

    /// Whether the leg waits.
    const fn waits(&self) -> bool {
        self.open > 0
    }
}

fn empty(queue_id: QueueId) -> QueueLive {
    QueueLive {
        queue_id,
        queue_name: None,
        channel_type: None,
        sl_threshold_ms: None,
        in_queue_now: 0,
        connected_now: 0,
        wrapup_now: 0,
        oldest_entered_time: None,
        oldest_leg_id: None,
        oldest_interaction_id: None,
        offered: 0,
        answered: 0,
        abandoned: 0,
        other: 0,
        open: 0,
        answered_in_sl: 0,
        abandoned_in_sl: 0,
        sum_wait_answered_ms: 0,
        sum_wait_abandoned_ms: 0,
        sum_connected_ms: 0,
        ronas: 0,
        logged_on_agents: 0,
        available_agents: 0,
        offered_today: 0,
        answered_today: 0,
        answered_in_sl_today: 0,
        abandoned_today: 0,
        abandoned_in_sl_today: 0,
        other_today: 0,
        sum_wait_answered_today_ms: 0,
        ewt_ms: None,
        valid_from_position: Position::START,
    }
}

impl Fold {
    /// Brings a queue's row in line with what its leg counted before and counts now.
    pub(super) fn live_counted(
        &mut self,
        at: &mut At<'_>,
        (queue_id, channel_type): (QueueId, ChannelType),
        stay: (Timestamp, LegId),
        old: Option<&Counts>,
        new: &Counts,
    ) {
        if old == Some(new) {
            return;
        }
        let (waited, waits) = (old.is_some_and(Counts::waits), new.waits());
        let waiting = self.waiting.entry(queue_id).or_default();
        match (waited, waits) {
            (false, true) => {
                waiting.insert(stay);
            }
            (true, false) => {
                waiting.remove(&stay);
            }
            _ => {}
        }
        let oldest = waiting.first().copied();
        let oldest_interaction_id = oldest
            .and_then(|(_, leg_id)| self.tables.queue_leg.get(&leg_id))
            .map(|leg| leg.interaction_id);
        let has_answered = new.answered > 0 && old.is_none_or(|old| old.answered == 0);
        let ewt_ms =
            has_answered.then(|| self.answered(at, queue_id, stay.1, new.sum_wait_answered_ms));
        self.queue_live(at, queue_id, |row| {
            row.ewt_ms = ewt_ms.unwrap_or(row.ewt_ms);
            if let Some(old) = old {
                old.add_to(row, -1);
            }
            new.add_to(row, 1);
            row.channel_type = row.channel_type.or(Some(channel_type));
            row.oldest_entered_time = oldest.map(|(entered, _)| entered);
            row.oldest_leg_id = oldest.map(|(_, leg_id)| leg_id);
            row.oldest_interaction_id = oldest_interaction_id;
        });
    }

    /// Changes the row of a queue, a new one if there is none.
    pub(super) fn queue_live(
        &mut self,
        at: &mut At<'_>,
        queue_id: QueueId,
        change: impl FnOnce(&mut QueueLive),
    ) {
        let mut row =
            self.tables.queue_live.get(&queue_id).cloned().unwrap_or_else(|| empty(queue_id));
        change(&mut row);
        if self.tables.queue_live.get(&queue_id) != Some(&row) {
            self.tables.queue_live.put(at.sink, row);
        }
    }

    /// Name, channel, threshold and teams of the queue changed.
    pub(super) fn queue_live_configured(&mut self, at: &mut At<'_>, queue_id: QueueId) {
        let name = self.config.name(queue_id.uuid());
        let config = self.config.queues.get(&queue_id).cloned();
        self.queue_live(at, queue_id, |row| {
            row.queue_name = name;
            if let Some(config) = config {
                row.channel_type = Some(config.channel_type);
                row.sl_threshold_ms = Some(config.threshold_ms);
            }
        });
        self.queue_agents_counted(at, queue_id);
    }

    /// The agents of a team changed: every queue the team serves is brought in line.
    pub(super) fn team_counted(&mut self, at: &mut At<'_>, team_id: TeamId) {
        let queues: Vec<QueueId> = self
            .config
            .queues
            .iter()
            .filter(|(_, queue)| queue.teams.contains(&team_id))
            .map(|(queue_id, _)| *queue_id)
            .collect();
        for queue_id in queues {
            self.queue_agents_counted(at, queue_id);
        }
    }

    fn queue_agents_counted(&mut self, at: &mut At<'_>, queue_id: QueueId) {
        let Some(queue) = self.config.queues.get(&queue_id) else { return };
        let (mut logged_on, mut available) = (0, 0);
        for team in queue.teams.iter().filter_map(|team_id| self.teams.get(team_id)) {
            logged_on += team.logged_on;
            available += team.available;
        }
        self.queue_live(at, queue_id, |row| {
            row.logged_on_agents = logged_on;
            row.available_agents = available;
        });
    }
}
