//! The figures of today in `queue_live`, `agent_live`, `team_live` and `site_live`.
//!
//! Today is the UTC day of the newest quarter of an hour that an event reached. Its figures are those of the rows of
//! `queue_interval` and `agent_interval` that lie in it, corrected with them: what comes late and is dated into a day
//! before counts there alone. With the first event of a new day they begin again at zero.

use std::collections::BTreeSet;

use ledgerline_schemas::Timestamp;
use ledgerline_schemas::id::{QueueId, UserId};
use serde::{Deserialize, Serialize};

use crate::fold::agent_interval::Kind;
use crate::fold::interval::Counts;
use crate::fold::{At, Fold};

const DAY_MICROS: i64 = 24 * 3_600_000_000;

const fn day(time: Timestamp) -> i64 {
    time.micros().div_euclid(DAY_MICROS)
}

/// What is counted of an agent's present day.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Today {
    pub(super) any_contact_ms: i64,
    pub(super) ready_ms: i64,
}

impl Fold {
    /// Whether a quarter lies in the day of the newest one that an event reached.
    pub(super) const fn is_today(&self, start: Timestamp) -> bool {
        day(start) == day(self.present_quarter())
    }

    /// Adds what a row of `queue_interval` of today counts more.
    pub(super) fn queue_counted_today(
        &mut self,
        at: &mut At<'_>,
        queue_id: QueueId,
        counts: &Counts,
    ) {
        let figures = [
            counts.offered,
            counts.answered,
            counts.answered_in_sl,
            counts.abandoned,
            counts.abandoned_in_sl,
            counts.other,
            counts.sum_wait_answered_ms,
        ];
        if figures == [0; 7] {
            return;
        }
        let [offered, answered, answered_in_sl, abandoned, abandoned_in_sl, other, wait_ms] =
            figures;
        self.queue_live(at, queue_id, |row| {
            row.offered_today += offered;
            row.answered_today += answered;
            row.answered_in_sl_today += answered_in_sl;
            row.abandoned_today += abandoned;
            row.abandoned_in_sl_today += abandoned_in_sl;
            row.other_today += other;
            row.sum_wait_answered_today_ms += wait_ms;
        });
    }

    /// Adds what a row of `agent_interval` of today counts more. `agent_live` is brought in line by the caller.
    pub(super) fn agent_counted_today(&mut self, agent_id: UserId, kind: Kind, ms: i64) {
        let Some(agent) = self.agents.get_mut(&agent_id) else { return };
        match kind {
            Kind::AnyContact => agent.today.any_contact_ms += ms,
            Kind::Ready => agent.today.ready_ms += ms,
            _ => {}
        }
    }

    /// A day begins: its figures are zero. Gives the agents that had any; `agent_live` is brought in line by the
    /// caller.
    pub(super) fn day_begins(&mut self, at: &mut At<'_>) -> BTreeSet<UserId> {
        let mut queues: Vec<QueueId> =
            self.tables.queue_live.rows().map(|row| row.queue_id).collect();
        // In the same order however the rows lie.
        queues.sort_unstable();
        for queue_id in queues {
            self.queue_live(at, queue_id, |row| {
                row.offered_today = 0;
                row.answered_today = 0;
                row.answered_in_sl_today = 0;
                row.abandoned_today = 0;
                row.abandoned_in_sl_today = 0;
                row.other_today = 0;
                row.sum_wait_answered_today_ms = 0;
            });
        }
        let had = self.agents.iter_mut().filter(|(_, agent)| agent.today != Today::default());
        had.map(|(agent_id, agent)| {
            agent.today = Today::default();
            *agent_id
        })
        .collect()
    }
}
