//! `flow_trace`: one row per step of a flow run.

use std::sync::Arc;

use ledgerline_schemas::Timestamp;
use ledgerline_schemas::id::{EntryPointId, FlowId, InteractionId, RunId};

table! {
    /// One step of a flow run: an activity from the moment the run entered it. Values of variables and input
    /// are not here; personal ones are sealed in `event_log`.
    FlowTrace = "flow_trace", key (RunId, u32) = [run_id, seq], sort [entered_time, run_id, seq], live false;
    /// The run.
    run_id: RunId,
    /// Number of the step in the run, from 0.
    seq: u32,
    /// The interaction.
    interaction_id: InteractionId,
    /// Entry point of the interaction.
    @EntryPoint entry_point_id: Option<EntryPointId>,
    /// The flow.
    flow_id: Option<FlowId>,
    /// Its version.
    flow_version: Option<u32>,
    /// Id of the activity in the flow.
    activity_id: Arc<str>,
    /// Type of the activity.
    activity_type: Arc<str>,
    /// Name of the activity.
    activity_name: Arc<str>,
    /// When the run entered it.
    entered_time: Timestamp,
    /// When the run left it; null when it has not, or the interaction ended in it.
    exited_time: Option<Timestamp>,
    /// Time in the step, ms, as recorded when it was left.
    duration_ms: Option<u64>,
    /// Branch taken.
    branch: Option<Arc<str>>,
    /// Branch that collected input decided.
    input_outcome: Option<Arc<str>>,
    /// Code of the last error in the step.
    error_code: Option<Arc<str>>,
    /// Method of the last HTTP call of the step.
    http_method: Option<Arc<str>>,
    /// HTTP status of its answer; 0 when none came.
    http_status: Option<u32>,
    /// Time to its answer, ms.
    http_latency_ms: Option<u64>,
}
