//! `entry_point_interval`: one row per entry point and quarter of an hour.

use std::sync::Arc;

use ledgerline_schemas::id::EntryPointId;
use ledgerline_schemas::{Position, Timestamp};

table! {
    /// Interactions of an entry point by 15 minutes UTC, up to their first queue: each counts in the interval
    /// in which the thing counted happens. ended_in_ivr = abandoned_in_ivr + self_service_completed +
    /// other_in_ivr. An interval has one row. Only what is dated into it after that row was final is in one
    /// more, so that sums are right in any case.
    EntryPointInterval = "entry_point_interval", key (Timestamp, EntryPointId, Position) = [interval_start, entry_point_id, first_position], sort [interval_start, entry_point_id, first_position], live false;
    /// Begin of the 15 minutes.
    interval_start: Timestamp,
    /// The entry point.
    @EntryPoint entry_point_id: EntryPointId,
    /// Position of the first event that is counted in this row.
    first_position: Position,
    /// Name of the entry point when the row was last shaped.
    entry_point_name: Option<Arc<str>>,
    /// Interactions created.
    created: i64,
    /// Interactions that entered their first queue.
    escalated_to_queue: i64,
    /// Interactions that ended without ever reaching a queue.
    ended_in_ivr: i64,
    /// Of those, ended by the customer.
    abandoned_in_ivr: i64,
    /// Of those, ended by the flow itself.
    self_service_completed: i64,
    /// Of those, ended otherwise, or the source of an import does not say how.
    other_in_ivr: i64,
    /// Stretches in a flow that ended: the run ended, a queue was entered or the interaction ended.
    self_service_count: i64,
    /// Sum of their time, ms.
    sum_self_service_ms: i64,
}
