//! `access_log`: who read what.

use ledgerline_schemas::event::access::{
    AccessDenied, AccessHistoryViewed, AccessLogRead, AccessQueryRun, AccessRevealed,
};
use ledgerline_schemas::event::report::{AccessReportDelivered, AccessReportRun};

use crate::column::Json;
use crate::fold::{At, Fold, text};
use crate::tables::AccessLog;

/// A row that says no more than who and when.
fn entry(at: &At<'_>, principal: &str) -> AccessLog {
    AccessLog {
        position: at.header.position,
        event_id: at.header.id,
        event_type: at.header.event_type.clone(),
        time: at.time(),
        principal: text(principal),
        door: None,
        outcome: None,
        sql_sha256: None,
        as_of_position: None,
        rows: None,
        tables: None,
        masked_columns: None,
        interaction_id: None,
        read_kind: None,
        stream: None,
        consumer_group: None,
        read_from: None,
        backward: None,
        events_max: None,
        reveal_reason: None,
        revealed_fields: None,
        denied_action: None,
        denied_reason: None,
        valid_from_position: at.header.position,
    }
}

impl Fold {
    pub(super) fn access_query_run(&mut self, at: &mut At<'_>, it: &AccessQueryRun) {
        let row = AccessLog {
            door: Some(text(&it.door)),
            outcome: Some(text(&it.outcome)),
            sql_sha256: Some(text(&it.sql_sha256)),
            as_of_position: Some(it.as_of_position),
            rows: Some(it.rows),
            tables: (!it.tables.is_empty()).then(|| Json::of(&it.tables)),
            masked_columns: Some(Json::of(&it.masked_columns)),
            ..entry(at, &it.principal)
        };
        self.tables.access_log.push(at.sink, row);
    }

    pub(super) fn access_log_read(&mut self, at: &mut At<'_>, it: &AccessLogRead) {
        let given = |value: &str| (!value.is_empty()).then(|| text(value));
        let row = AccessLog {
            door: Some(text(&it.door)),
            as_of_position: Some(it.as_of_position),
            read_kind: Some(text(&it.kind)),
            stream: Some(text(&it.stream)),
            consumer_group: given(&it.group),
            read_from: given(&it.from),
            backward: Some(it.backward),
            events_max: it.events_max,
            ..entry(at, &it.principal)
        };
        self.tables.access_log.push(at.sink, row);
    }

    pub(super) fn access_history_viewed(&mut self, at: &mut At<'_>, it: &AccessHistoryViewed) {
        let row = AccessLog { interaction_id: Some(it.interaction_id), ..entry(at, &it.principal) };
        self.tables.access_log.push(at.sink, row);
    }

    pub(super) fn access_revealed(&mut self, at: &mut At<'_>, it: &AccessRevealed) {
        let row = AccessLog {
            interaction_id: Some(it.interaction_id),
            reveal_reason: Some(text(&it.reason)),
            revealed_fields: Some(Json::of(&it.fields)),
            ..entry(at, &it.principal)
        };
        self.tables.access_log.push(at.sink, row);
    }

    pub(super) fn access_report_run(&mut self, at: &mut At<'_>, it: &AccessReportRun) {
        let row = AccessLog {
            outcome: Some(text(it.outcome.name())),
            as_of_position: Some(it.position),
            rows: Some(it.rows),
            ..entry(at, &it.principal)
        };
        self.tables.access_log.push(at.sink, row);
    }

    pub(super) fn access_report_delivered(&mut self, at: &mut At<'_>, it: &AccessReportDelivered) {
        let row = AccessLog {
            outcome: Some(text(it.outcome.name())),
            as_of_position: Some(it.position),
            ..entry(at, &it.principal)
        };
        self.tables.access_log.push(at.sink, row);
    }

    pub(super) fn access_denied(&mut self, at: &mut At<'_>, it: &AccessDenied) {
        let row = AccessLog {
            outcome: Some(text("denied")),
            denied_action: Some(text(&it.action)),
            denied_reason: Some(text(&it.reason)),
            ..entry(at, &it.principal)
        };
        self.tables.access_log.push(at.sink, row);
    }
}
