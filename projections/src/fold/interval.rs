//! `queue_interval`: figures by quarter of an hour, corrected by what each leg counted before.
//!
//! Everything in a row is a sum, so what comes after a row is final needs no memory of it: it makes a row of its
//! own, with what has to be added.

use std::collections::{BTreeMap, BTreeSet};

use ledgerline_schemas::config::ChannelType;
use ledgerline_schemas::event::leg::LegEndReason;
use ledgerline_schemas::event::queue::{QueueLeaveReason, QueueSource};
use ledgerline_schemas::id::{LegId, QueueId};
use ledgerline_schemas::{Position, Timestamp};

use crate::column::Outcome;
use crate::fold::{At, Fold};
use crate::tables::{QueueInterval, QueueLeg, TableRow as _};

/// Length of an interval, microseconds.
pub(crate) const INTERVAL_MICROS: i64 = 15 * 60 * 1_000_000;

type Key = (Timestamp, QueueId, ChannelType);

/// The quarter of an hour an instant lies in.
pub(crate) const fn interval_start(time: Timestamp) -> Timestamp {
    Timestamp::from_micros(time.micros() - time.micros().rem_euclid(INTERVAL_MICROS))
}

macro_rules! counts {
    ($($field:ident),*) => {
        /// What something adds to a row.
        #[derive(Clone, Debug, Default, PartialEq, Eq)]
        pub(super) struct Counts {$(pub(super) $field: i64,)*}

        impl Counts {
            fn minus(&self, other: &Self) -> Self {
                Self {$($field: self.$field - other.$field,)*}
            }

            fn plus(&self, other: &Self) -> Self {
                Self {$($field: self.$field + other.$field,)*}
            }

            fn add_to(&self, row: &mut QueueInterval) {
                $(row.$field += self.$field;)*
            }

            fn row((interval_start, queue_id, channel_type): Key, first: Position) -> QueueInterval {
                QueueInterval {
                    interval_start,
                    queue_id,
                    channel_type,
                    first_position: first,
                    queue_name: None,
                    $($field: 0,)*
                    valid_from_position: first,
                }
            }
        }
    };
}

counts!(
    offered,
    transferred_in,
    requeued,
    open,
    answered,
    answered_in_sl,
    abandoned,
    abandoned_in_sl,
    other,
    max_time,
    overflowed,
    opt_out,
    callback_requested,
    waited,
    sum_wait_answered_ms,
    sum_wait_abandoned_ms,
    offers,
    rejects,
    ronas,
    handled,
    transferred_out,
    sum_connected_ms,
    sum_hold_ms,
    wrapups,
    sum_wrapup_ms
);

fn ms(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

fn at_entry(leg: &QueueLeg) -> Counts {
    Counts {
        offered: 1,
        transferred_in: i64::from(leg.source == QueueSource::Transfer),
        requeued: i64::from(leg.source == QueueSource::Requeue),
        open: i64::from(leg.outcome == Outcome::Open),
        ..Counts::default()
    }
}

fn at_exit(leg: &QueueLeg) -> Counts {
    let reason = |reason| i64::from(leg.leave_reason == Some(reason));
    let wait_ms = leg.queue_duration_ms.unwrap_or_default();
    let answered = leg.outcome == Outcome::Answered;
    let abandoned = leg.outcome == Outcome::Abandoned;
    Counts {
        answered: i64::from(answered),
        answered_in_sl: i64::from(answered && leg.is_within_threshold()),
        abandoned: i64::from(abandoned),
        abandoned_in_sl: i64::from(abandoned && leg.is_within_threshold()),
        other: i64::from(leg.outcome == Outcome::Other),
        max_time: reason(QueueLeaveReason::MaxTime),
        overflowed: reason(QueueLeaveReason::Overflow),
        opt_out: reason(QueueLeaveReason::OptOut) + reason(QueueLeaveReason::EscapeKey),
        callback_requested: reason(QueueLeaveReason::CallbackRequested),
        waited: i64::from(wait_ms > 0),
        sum_wait_answered_ms: if answered { ms(wait_ms) } else { 0 },
        sum_wait_abandoned_ms: if abandoned { ms(wait_ms) } else { 0 },
        ..Counts::default()
    }
}

fn at_disconnect(leg: &QueueLeg) -> Counts {
    Counts {
        handled: 1,
        transferred_out: i64::from(leg.disconnect_reason == Some(LegEndReason::Transferred)),
        sum_connected_ms: ms(leg.connected_duration_ms.unwrap_or_default()),
        sum_hold_ms: ms(leg.hold_duration_ms),
        ..Counts::default()
    }
}

/// What a leg counts at entry, exit, end of the conversation and end of wrap-up, each with its interval.
#[derive(Debug, Default)]
pub(super) struct Contributions([Option<(Timestamp, Counts)>; 4]);

impl Contributions {
    /// Everything a leg counts.
    pub(super) fn of(leg: &QueueLeg) -> Self {
        let wrapup = leg.wrapup_time.zip(leg.wrapup_duration_ms).map(|(began, duration_ms)| {
            let counts = Counts { wrapups: 1, sum_wrapup_ms: ms(duration_ms), ..Counts::default() };
            (interval_start(began.plus_ms(duration_ms)), counts)
        });
        Self([
            Some((interval_start(leg.entered_time), at_entry(leg))),
            leg.left_time.map(|left| (interval_start(left), at_exit(leg))),
            leg.disconnected_time.map(|ended| (interval_start(ended), at_disconnect(leg))),
            wrapup,
        ])
    }

    /// What has to be added so that an interval that counts `before` counts `self`, by interval.
    fn since(self, before: Self) -> BTreeMap<Timestamp, Counts> {
        let mut change: BTreeMap<Timestamp, Counts> = BTreeMap::new();
        for (old, new) in before.0.into_iter().zip(self.0) {
            // Most events change one of the four or none.
            if old == new {
                continue;
            }
            if let Some((start, counts)) = new {
                let sum = change.entry(start).or_default();
                *sum = sum.plus(&counts);
            }
            if let Some((start, counts)) = old {
                let sum = change.entry(start).or_default();
                *sum = sum.minus(&counts);
            }
        }
        change
    }
}

impl Fold {
    /// Takes away what a leg of this queue and channel counted before and adds what it counts now.
    pub(super) fn intervals_counted(
        &mut self,
        at: &mut At<'_>,
        (queue_id, channel_type): (QueueId, ChannelType),
        before: Contributions,
        after: Contributions,
    ) {
        for (start, counts) in after.since(before) {
            if counts != Counts::default() {
                self.interval(at, (start, queue_id, channel_type), &counts);
            }
        }
    }

    /// Adds counts to the row of an interval; to a new one when there is none or it is final.
    pub(super) fn interval(&mut self, at: &mut At<'_>, key: Key, counts: &Counts) {
        let queue_name = self.config.name(key.1.uuid());
        let quarter = self.present_quarter();
        let table = &mut self.tables.queue_interval;
        let (start, queue_id, channel_type) = key;
        let of = |position| (start, queue_id, channel_type, position);
        let known = table.last_key(of(Position::START)..=of(Position(u64::MAX))).copied();
        match &known {
            Some(known) => {
                table.change(at.sink, known, |row| {
                    counts.add_to(row);
                    row.queue_name.clone_from(&queue_name);
                });
            }
            None => {
                let mut row = Counts::row(key, at.header.position);
                counts.add_to(&mut row);
                row.queue_name = queue_name;
                table.put(at.sink, row);
            }
        }
        let row = table.get(&known.unwrap_or_else(|| of(at.header.position)));
        if let Some(row) = row.filter(|row| row.interval_start == quarter) {
            self.tables.interval_current.put(at.sink, row.into());
        }
        if self.is_today(start) {
            self.queue_counted_today(at, queue_id, counts);
        }
    }

    /// The rows of the quarter before go.
    pub(super) fn intervals_over(&mut self, at: &mut At<'_>) {
        let table = &mut self.tables.interval_current;
        let mut over: Vec<_> = table.rows().map(|row| (row.queue_id, row.channel_type)).collect();
        // In the same order however the rows lie.
        over.sort_unstable();
        for key in over {
            table.remove(at.sink, &key);
        }
    }

    /// Begin of the newest quarter of an hour that an event reached.
    pub(super) const fn present_quarter(&self) -> Timestamp {
        self.border.minus_ms(INTERVAL_MICROS.unsigned_abs() / 1_000)
    }

    /// Takes out the rows of quarters that are over, that no event touched after `settled`, and that no leg in
    /// memory but those in `leaving` counts in: it may correct them yet.
    pub(super) fn evict_queue_intervals(
        &mut self,
        settled: Position,
        leaving: &BTreeSet<LegId>,
    ) -> Vec<QueueInterval> {
        let quarter = self.present_quarter();
        let staying = self.tables.queue_leg.rows().filter(|leg| !leaving.contains(&leg.leg_id));
        let reached: BTreeSet<Key> = staying
            .flat_map(|leg| {
                let Contributions(parts) = Contributions::of(leg);
                let of = (leg.queue_id, leg.channel_type);
                parts.into_iter().flatten().map(move |(start, _)| (start, of.0, of.1))
            })
            .collect();
        self.tables.queue_interval.evict(|row| {
            row.interval_start < quarter
                && row.shaped_at() <= settled
                && !reached.contains(&(row.interval_start, row.queue_id, row.channel_type))
        })
    }
}
