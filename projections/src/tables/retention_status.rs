//! `retention_status`: what is kept of each table, and what was dropped.

use std::sync::Arc;

use ledgerline_schemas::{Position, Timestamp};

table! {
    /// Tables that have, or had, a retention policy: how long their rows are kept and what was dropped.
    RetentionStatus = "retention_status", key Arc<str> = [table_name], sort [table_name], live false;
    /// The table.
    table_name: Arc<str>,
    /// Its policy; null when it has none any more.
    policy_name: Option<Arc<str>>,
    /// Days for which rows are kept after they ended.
    keep_days: Option<u32>,
    /// Days in which the table can still be asked for as it was before rows were dropped.
    past_days: Option<u32>,
    /// Rows that ended before are dropped, unless a hold covered them; null before the first run.
    floor_time: Option<Timestamp>,
    /// Position of the last run.
    applied_position: Option<Position>,
    /// When it was.
    applied_time: Option<Timestamp>,
    /// The table can be asked for as it was from this position on.
    past_from_position: Position,
    /// Runs.
    runs: u64,
    /// Rows dropped by all runs, as counted by them.
    rows_dropped: u64,
    /// Rows dropped by the last run.
    last_rows_dropped: Option<u64>,
    /// Rows that were old enough for the last run and stayed because of a hold.
    rows_held: Option<u64>,
}
