//! `clr`: contact-leg records.

use super::view;

view! {
    /// Contact-leg records: stays in queues and the service that followed, under compatible field names.
    /// `taskId` is the `id` of `csr`.
    "clr" from "queue_leg";
    "id": Text = "leg_id",
    "taskId": Text = "interaction_id",
    "createdTime": Time = "entered_time",
    "endedTime": Time = "case when outcome = 'answered' then disconnected_time else left_time end",
    "status": Text = "case when outcome = 'open' then 'parked' when connected_time is not null and disconnected_time is null then 'connected' else 'ended' end",
    "entryPoint.id": Text = "entry_point_id",
    "queue.id": Text = "queue_id",
    "queue.name": Text = "queue_name",
    "queue.duration": Int = "queue_duration_ms",
    "queuedTo": Text = "case when preferred_agent_id is not null then 'Agent' else 'Queue' end",
    "isWithinServiceLevel": Bool = "outcome = 'answered' and queue_duration_ms <= sl_threshold_ms",
    "slaValue": Int = "sl_threshold_ms",
    "ringingDuration": Int = "ringing_duration_ms",
    "owner.id": Text = "agent_id",
    "owner.name": Text = "agent_name",
    "owner.sessionId": Text = "agent_session_id",
    "site.id": Text = "site_id",
    "site.name": Text = "site_name",
    "team.id": Text = "team_id",
    "team.name": Text = "team_name",
    "handleType": Text = "case when outcome = 'abandoned' then 'abandoned' when leave_reason = 'overflow' then 'overflow' when leave_reason in ('max_time', 'moved', 'callback_requested', 'flow', 'opt_out', 'escape_key') then 'dequeued' when handle_type is not null then 'normal' end",
    "handleTime": Int = "handle_duration_ms",
    "isTaskLegHandled": Bool = "connected_time is not null",
    "isOptOutOfQueue": Bool = "leave_reason is not null and leave_reason in ('opt_out', 'escape_key')",
    "optOutOfQueueTimestamp": Time = "case when leave_reason in ('opt_out', 'escape_key') then left_time end",
    "abandonedType": Text = "case when outcome = 'abandoned' then 'queue' end",
    "abandonedSlCount": Int = "case when outcome = 'abandoned' and queue_duration_ms <= sl_threshold_ms then 1 else 0 end",
    "nextDestination.agent": Text = "case next_destination_type when 'agent' then next_destination_id end",
    "nextDestination.queue": Text = "case next_destination_type when 'queue' then next_destination_id end",
    "connectedDuration": Int = "connected_duration_ms",
    "holdCount": Int = "hold_count",
    "holdDuration": Int = "hold_duration_ms",
    "consultCount": Int = "consult_count",
    "consultDuration": Int = "consult_duration_ms",
    "conferenceCount": Int = "conference_count",
    "conferenceDuration": Int = "conference_duration_ms",
    "wrapupDuration": Int = "wrapup_duration_ms",
    "requiredSkills": Text = "required_skills",
}
