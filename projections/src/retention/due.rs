//! Which tables are due for a run.

use ledgerline_schemas::id::EntityId;
use ledgerline_schemas::{Position, Timestamp};

use super::{Retention, Run, rule};

const DAY_MS: u64 = 86_400_000;

/// A run that is due.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Due {
    /// The table.
    pub table: &'static str,
    /// The policy it follows from.
    pub policy_id: EntityId,
    /// Rows that ended before this instant, which is the begin of a day in UTC, are to be dropped.
    pub before: Timestamp,
    /// Of what was dropped at or before this instant the past is to be given up.
    pub past_before: Timestamp,
    /// The run as it would be now, with the holds in force now.
    pub run: Run,
}

impl Retention {
    /// The runs that are due at an instant: because a day is over, a hold ended or was narrowed, or the past of
    /// an earlier run is to be given up.
    #[must_use]
    pub fn due(&self, now: Timestamp) -> Vec<Due> {
        let mut found = Vec::new();
        for (id, policy) in &self.policies {
            let Some(rule) = rule(&policy.table) else { continue };
            let today = Timestamp::from_micros(
                now.micros() - now.micros().rem_euclid(DAY_MS as i64 * 1_000),
            );
            let before = today.minus_ms(u64::from(policy.keep_days) * DAY_MS);
            let past_before = now.minus_ms(u64::from(policy.past_days) * DAY_MS);
            let run =
                Run { position: Position(u64::MAX), time: now, before, holds: self.holds.clone() };
            let is_due = match self.dropped.get(rule.table) {
                None => true,
                Some(dropped) => {
                    let last = dropped.runs.last();
                    let has_moved = dropped.floor().is_none_or(|floor| before > floor);
                    let has_ended = last.is_some_and(|last| {
                        last.holds.iter().any(|(id, hold)| self.holds.get(id) != Some(hold))
                    });
                    let is_past = dropped
                        .runs
                        .iter()
                        .any(|run| run.position > dropped.removed && run.time <= past_before);
                    has_moved || has_ended || is_past
                }
            };
            if is_due {
                let floor = self.dropped.get(rule.table).and_then(super::Dropped::floor);
                let before = floor.map_or(before, |floor| floor.max(before));
                let run = Run { before, ..run };
                found.push(Due { table: rule.table, policy_id: *id, before, past_before, run });
            }
        }
        found
    }
}
