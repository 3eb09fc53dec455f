//! `aar`: agent activity records.

use super::view;

view! {
    /// Agent activity records: intervals of agents' states under compatible field names. `taskId` is the `id`
    /// of `csr`.
    "aar" from "agent_activity";
    "id": Text = "activity_id",
    "agentSessionId": Text = "agent_session_id",
    "agentId": Text = "agent_id",
    "agentName": Text = "agent_name",
    "channelType": Text = "channel_type",
    "startTime": Time = "start_time",
    "endTime": Time = "end_time",
    "duration": Int = "duration_ms",
    "state": Text = "case state when 'hold' then 'on-hold' when 'conference' then 'conferencing' when 'not_responding' then 'not-responding' else state end",
    "idleCode.id": Text = "idle_code_id",
    "taskId": Text = "interaction_id",
    "queue.id": Text = "queue_id",
    "wrapupCode.id": Text = "wrapup_code_id",
    "isCurrentActivity": Bool = "end_time is null",
    "changedById": Text = "changed_by_id",
    "site.id": Text = "site_id",
    "team.id": Text = "team_id",
}
