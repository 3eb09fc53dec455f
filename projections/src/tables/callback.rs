//! `callback`: one row per callback asked for.

use std::sync::Arc;

use ledgerline_schemas::Timestamp;
use ledgerline_schemas::event::callback::CallbackType;
use ledgerline_schemas::id::{CallbackId, InteractionId, LegId, QueueId, UserId};

use crate::column::CallbackState;

table! {
    /// One callback, from the request to its end. The number is sealed in `event_log`.
    Callback = "callback", key CallbackId = [callback_id], sort [requested_time, callback_id], live false;
    /// The callback.
    callback_id: CallbackId,
    /// Interaction it came from.
    interaction_id: Option<InteractionId>,
    /// courtesy, scheduled, web.
    callback_type: CallbackType,
    /// The queue.
    @Queue queue_id: QueueId,
    /// Leg whose place is kept.
    keeps_leg_id: Option<LegId>,
    /// requested, dialling, connected, failed (an attempt failed, another may follow), cancelled, completed.
    state: CallbackState,
    /// When it was asked for.
    requested_time: Timestamp,
    /// Begin of the agreed window.
    not_before: Option<Timestamp>,
    /// End of the agreed window.
    not_after: Option<Timestamp>,
    /// Attempts so far.
    attempts: u32,
    /// Begin of the first attempt.
    first_dialled_time: Option<Timestamp>,
    /// When the customer answered.
    connected_time: Option<Timestamp>,
    /// Interaction of the call.
    call_interaction_id: Option<InteractionId>,
    /// The agent.
    agent_id: Option<UserId>,
    /// Name of the agent.
    agent_name: Option<Arc<str>>,
    /// When it was completed or cancelled.
    ended_time: Option<Timestamp>,
    /// Code of the last failure or of the cancellation.
    code: Option<Arc<str>>,
}
