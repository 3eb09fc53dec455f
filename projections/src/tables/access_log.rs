//! `access_log`: one row per read, and per refusal of one.

use std::sync::Arc;

use ledgerline_schemas::id::{EventId, InteractionId};
use ledgerline_schemas::{Position, Timestamp};

use crate::column::Json;

table! {
    /// Who read what: every question in SQL, every read of events, every look at an interaction's history,
    /// every refusal.
    AccessLog = "access_log", key Position = [position], sort [position], live false;
    /// Position of the event.
    position: Position,
    /// The event's own id.
    event_id: EventId,
    /// Type of the event: access.query_run, access.log_read, access.history_viewed, access.denied,
    /// access.revealed, access.report_run, access.report_delivered.
    event_type: Arc<str>,
    /// When.
    time: Timestamp,
    /// Token subject or database user; empty when not authenticated.
    principal: Arc<str>,
    /// Door of a question or read: http, pgwire, flight_sql, cli, kurrentdb; null for histories and
    /// refusals.
    door: Option<Arc<str>>,
    /// How a question ended: ok or a stable error code, cancelled included; denied for a refusal; done, failed or
    /// given_up for a report that was due and for its delivery; null for histories and reads of events, whose end is
    /// not recorded.
    outcome: Option<Arc<str>>,
    /// SHA-256 of the question's text, lower-case hex.
    sql_sha256: Option<Arc<str>>,
    /// Position the answer is true at; of a read of events, the log's end when it began.
    as_of_position: Option<Position>,
    /// Rows answered.
    rows: Option<u64>,
    /// Tables that a question read (JSON array of text); null when it was not planned, and before this was noted.
    tables: Option<Json>,
    /// Columns shown masked (JSON array of text).
    masked_columns: Option<Json>,
    /// Interaction whose history was viewed.
    interaction_id: Option<InteractionId>,
    /// Kind of a read of events: read, subscription, group.
    read_kind: Option<Arc<str>>,
    /// Stream that was read, or $all.
    stream: Option<Arc<str>>,
    /// Group of a consumer of a persistent subscription.
    consumer_group: Option<Arc<str>>,
    /// Where a read of events began: start, end, or a revision or position.
    read_from: Option<Arc<str>>,
    /// Whether it went towards older events.
    backward: Option<bool>,
    /// Most events it asked for.
    events_max: Option<u64>,
    /// Why sealed values were shown, as whoever saw them put it.
    reveal_reason: Option<Arc<str>>,
    /// Sealed values that were shown: position, event type and field of each (JSON array of text).
    revealed_fields: Option<Json>,
    /// What was refused.
    denied_action: Option<Arc<str>>,
    /// Why it was refused.
    denied_reason: Option<Arc<str>>,
}
