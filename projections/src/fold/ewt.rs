//! The estimated wait of `queue_live`: median wait of the legs that were answered last.
//!
//! The log is the only clock. What is older than an hour goes when the queue's next leg is answered, and at the latest
//! with the first event of the next quarter of an hour.

use std::collections::BTreeSet;

use ledgerline_schemas::Timestamp;
use ledgerline_schemas::id::{LegId, QueueId};
use serde::{Deserialize, Serialize};

use crate::fold::{At, Fold};

/// Waits older than this say nothing any more.
const LOOK_BACK_MS: u64 = 3_600_000;
/// Most waits that are looked at.
const SAMPLES_MAX: usize = 200;
/// A longer wait counts as this: squares of many must fit.
const WAIT_MS_MAX: i64 = 30 * 24 * 3_600_000;
/// With fewer, nothing can be said.
const SAMPLES_MIN: usize = 40;

/// Waits of answered legs by when they were answered.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Waits(BTreeSet<(Timestamp, LegId, i64)>);

impl Waits {
    fn add(&mut self, answered: Timestamp, leg_id: LegId, wait_ms: i64) {
        self.0.insert((answered, leg_id, wait_ms.clamp(0, WAIT_MS_MAX)));
        if self.0.len() > SAMPLES_MAX {
            self.0.pop_first();
        }
    }

    /// Lets go of what was answered an hour before an instant, or before the newest.
    fn age(&mut self, now: Timestamp) {
        let newest = self.0.last().map_or(now, |(answered, ..)| now.max(*answered));
        let oldest = newest.minus_ms(LOOK_BACK_MS);
        while self.0.first().is_some_and(|(answered, ..)| *answered < oldest) {
            self.0.pop_first();
        }
    }

    /// The median, ms; none of too few, or of waits that differ too much: standard deviation above 0.4 × mean.
    fn estimate(&self) -> Option<i64> {
        let count = self.0.len();
        if count < SAMPLES_MIN {
            return None;
        }
        let mut waits: Vec<i64> = self.0.iter().map(|(.., wait_ms)| *wait_ms).collect();
        waits.sort_unstable();
        // In whole numbers, so that every machine says the same: deviation² × 25 > mean² × 4.
        let n = count as i128;
        let sum: i128 = waits.iter().copied().map(i128::from).sum();
        let squares: i128 = waits.iter().map(|wait| i128::from(*wait) * i128::from(*wait)).sum();
        if (n * squares - sum * sum) * n * 25 > sum * sum * (n - 1) * 4 {
            return None;
        }
        let (low, high) = (waits.get((count - 1) / 2)?, waits.get(count / 2)?);
        Some(low.midpoint(*high))
    }
}

impl Fold {
    /// A leg of the queue was answered just now; gives the estimate.
    pub(super) fn answered(
        &mut self,
        at: &At<'_>,
        queue_id: QueueId,
        leg_id: LegId,
        wait_ms: i64,
    ) -> Option<i64> {
        let quarter = self.present_quarter();
        let waits = self.waits.entry(queue_id).or_default();
        waits.add(at.time(), leg_id, wait_ms);
        waits.age(quarter);
        waits.estimate()
    }

    /// A quarter of an hour begins: what is too old goes everywhere.
    pub(super) fn waits_aged(&mut self, at: &mut At<'_>) {
        let quarter = self.present_quarter();
        let mut estimates = Vec::with_capacity(self.waits.len());
        for (queue_id, waits) in &mut self.waits {
            waits.age(quarter);
            estimates.push((*queue_id, waits.estimate()));
        }
        self.waits.retain(|_, waits| !waits.0.is_empty());
        for (queue_id, ewt_ms) in estimates {
            self.queue_live(at, queue_id, |row| row.ewt_ms = ewt_ms);
        }
    }
}
