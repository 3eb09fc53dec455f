//! `flow_live`: the runs of every flow.

use std::sync::Arc;

use ledgerline_schemas::Timestamp;
use ledgerline_schemas::id::FlowId;

table! {
    /// A flow now, with totals since the log began. A flow is here as soon as it has run.
    FlowLive = "flow_live", key FlowId = [flow_id], sort [flow_id], live true;
    /// The flow.
    flow_id: FlowId,
    /// Its name.
    flow_name: Option<Arc<str>>,
    /// Version that started last.
    flow_version: Option<u32>,
    /// Interactions in `interaction_live` that are in this flow (state `ivr`).
    in_flow_now: i64,
    /// Runs started.
    started: i64,
    /// Runs that ended by themselves.
    ended: i64,
    /// Errors of activities.
    errors: i64,
    /// When the last error happened.
    last_error_time: Option<Timestamp>,
    /// Its code.
    last_error_code: Option<Arc<str>>,
}
