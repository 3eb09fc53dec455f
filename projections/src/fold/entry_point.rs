//! `entry_point_interval`: interactions up to their first queue by quarter of an hour.

use ledgerline_schemas::Position;
use ledgerline_schemas::event::interaction::{InteractionEnded, TerminatingEnd, TerminationReason};
use ledgerline_schemas::id::{EntryPointId, InteractionId};

use crate::fold::interval::interval_start;
use crate::fold::{At, Fold};
use crate::tables::{EntryPointInterval, TableRow as _};

impl Fold {
    /// Counts something at an entry point in the interval of the event; in a new row when there is none or it
    /// is final.
    pub(super) fn entry_point(
        &mut self,
        at: &mut At<'_>,
        entry_point_id: Option<EntryPointId>,
        count: impl FnOnce(&mut EntryPointInterval),
    ) {
        let Some(entry_point_id) = entry_point_id else { return };
        let start = interval_start(at.time());
        let of = |position| (start, entry_point_id, position);
        let entry_point_name = self.config.name(entry_point_id.uuid());
        let table = &mut self.tables.entry_point_interval;
        let known = table.last_key(of(Position::START)..=of(Position(u64::MAX))).copied();
        if let Some(key) = known {
            table.change(at.sink, &key, |row| {
                row.entry_point_name = entry_point_name;
                count(row);
            });
        } else {
            let mut row = EntryPointInterval {
                interval_start: start,
                entry_point_id,
                first_position: at.header.position,
                entry_point_name,
                created: 0,
                escalated_to_queue: 0,
                ended_in_ivr: 0,
                abandoned_in_ivr: 0,
                self_service_completed: 0,
                other_in_ivr: 0,
                self_service_count: 0,
                sum_self_service_ms: 0,
                valid_from_position: Position::START,
            };
            count(&mut row);
            table.put(at.sink, row);
        }
    }

    /// Takes out the rows of quarters that are over and that no event touched after `settled`.
    pub(super) fn evict_entry_point_intervals(
        &mut self,
        settled: Position,
    ) -> Vec<EntryPointInterval> {
        let quarter = self.present_quarter();
        let is_final =
            |row: &EntryPointInterval| row.interval_start < quarter && row.shaped_at() <= settled;
        self.tables.entry_point_interval.evict(is_final)
    }

    /// Counts an interaction that has just ended, if it never reached a queue.
    pub(super) fn ended_in_ivr_counted(&mut self, at: &mut At<'_>, it: &InteractionEnded) {
        let session = self.tables.customer_session.get(&it.interaction_id);
        let Some(session) = session.filter(|row| row.is_ivr_ended) else { return };
        let abandoned = it.terminating_end == TerminatingEnd::Customer;
        let completed = !abandoned && it.reason == TerminationReason::FlowEnded;
        self.entry_point(at, session.entry_point_id, |row| {
            row.ended_in_ivr += 1;
            row.abandoned_in_ivr += i64::from(abandoned);
            row.self_service_completed += i64::from(completed);
            row.other_in_ivr += i64::from(!abandoned && !completed);
        });
    }

    /// Counts a stretch in a flow that has just ended.
    pub(super) fn self_service_counted(&mut self, at: &mut At<'_>, id: InteractionId, ms: u64) {
        let session = self.tables.customer_session.get(&id);
        let entry_point_id = session.and_then(|row| row.entry_point_id);
        self.entry_point(at, entry_point_id, |row| {
            row.self_service_count += 1;
            row.sum_self_service_ms += i64::try_from(ms).unwrap_or(i64::MAX);
        });
    }
}
