//! What is kept: policies, holds and runs, and `retention_status`.

use std::sync::Arc;

use ledgerline_schemas::Position;
use ledgerline_schemas::config::{EntityKind, LegalHold, RetentionPolicy};
use ledgerline_schemas::event::ConfigChange;
use ledgerline_schemas::event::retention::RetentionApplied;

use crate::fold::{At, Fold, text};
use crate::retention::Hold;
use crate::tables::RetentionStatus;

impl Fold {
    /// A document that does not fit is none.
    pub(super) fn retention_configured(&mut self, at: &mut At<'_>, it: &ConfigChange) {
        match it.kind {
            EntityKind::RetentionPolicy => {
                let policy = it.after.as_ref().and_then(|it| it.parse::<RetentionPolicy>().ok());
                for table in Arc::make_mut(&mut self.retention).set_policy(it.entity_id, policy) {
                    self.retention_status(at, &table, |_| {});
                }
            }
            EntityKind::LegalHold => {
                let hold = it.after.as_ref().and_then(|it| it.parse::<LegalHold>().ok());
                let hold = hold.filter(|hold| hold.active).map(|hold| Hold::of(&hold));
                Arc::make_mut(&mut self.retention).set_hold(it.entity_id, hold);
            }
            _ => {}
        }
    }

    pub(super) fn retention_applied(&mut self, at: &mut At<'_>, it: &RetentionApplied) {
        let (position, time) = (at.header.position, at.time());
        let Some(dropped) = Arc::make_mut(&mut self.retention).apply(position, time, it) else {
            return;
        };
        let floor = dropped.floor();
        self.retention_status(at, &it.table, |row| {
            row.floor_time = floor;
            row.applied_position = Some(position);
            row.applied_time = Some(time);
            row.runs += 1;
            row.rows_dropped = row.rows_dropped.saturating_add(it.rows_dropped);
            row.last_rows_dropped = Some(it.rows_dropped);
            row.rows_held = Some(it.rows_held);
        });
    }

    /// Brings the row of a table up to date, with something more to be said.
    fn retention_status(
        &mut self,
        at: &mut At<'_>,
        table: &str,
        more: impl FnOnce(&mut RetentionStatus),
    ) {
        let key = text(table);
        let policy = self.retention.policy(table).map(|(_, policy)| policy.clone());
        let mut row = match self.tables.retention_status.get(&key) {
            Some(row) => row.clone(),
            None => empty(key, at.header.position),
        };
        row.policy_name = policy.as_ref().map(|it| text(&it.name));
        row.keep_days = policy.as_ref().map(|it| it.keep_days);
        row.past_days = policy.as_ref().map(|it| it.past_days);
        row.past_from_position = self.retention.removed(table);
        more(&mut row);
        self.tables.retention_status.put(at.sink, row);
    }
}

/// Of a table of which nothing was dropped yet.
fn empty(table_name: Arc<str>, position: Position) -> RetentionStatus {
    RetentionStatus {
        table_name,
        policy_name: None,
        keep_days: None,
        past_days: None,
        floor_time: None,
        applied_position: None,
        applied_time: None,
        past_from_position: Position::START,
        runs: 0,
        rows_dropped: 0,
        last_rows_dropped: None,
        rows_held: None,
        valid_from_position: position,
    }
}
