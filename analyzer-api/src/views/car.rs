//! `car`: customer activity records.

use super::view;

view! {
    /// Customer activity records: steps of interactions under compatible field names. `taskId` is the `id` of
    /// `csr`. Events without a compatible name keep their own.
    "car" from "customer_activity";
    "id": Text = "activity_id",
    "taskId": Text = "interaction_id",
    "isActive": Bool = "ended_time is null",
    "createdTime": Time = "created_time",
    "endedTime": Time = "ended_time",
    "duration": Int = "duration_ms",
    "eventName": Text = "case event_name when 'interaction.created' then 'new' when 'flow.started' then 'ivr-connected' when 'flow.ended' then 'ivr-done' when 'queue.entered' then 'parked' when 'offer.made' then 'connect' when 'leg.connected' then 'connected' when 'hold.started' then 'on-hold' when 'hold.ended' then 'hold-done' when 'consult.requested' then 'consult' when 'consult.answered' then 'consulting' when 'consult.ended' then 'consult-done' when 'consult.failed' then 'consult-error' when 'conference.started' then 'Conference' when 'conference.ended' then 'conference-done' when 'transfer.completed' then case transfer_kind when 'blind' then 'blind-transfer' when 'vteam' then 'vt-transfer' when 'consult' then 'ConsultTransfer' else 'Transferred' end when 'wrapup.started' then 'WrapUp' when 'interaction.ended' then 'ended' else event_name end",
    "previousState": Text = "previous_state",
    "nextState": Text = "next_state",
    "agentId": Text = "agent_id",
    "agentName": Text = "agent_name",
    "agentSessionId": Text = "agent_session_id",
    "entrypointId": Text = "entry_point_id",
    "queueId": Text = "queue_id",
    "siteId": Text = "site_id",
    "teamId": Text = "team_id",
    "transferType": Text = "transfer_kind",
    "destinationAgentId": Text = "case destination_type when 'agent' then destination_id end",
    "destinationQueueId": Text = "case destination_type when 'queue' then destination_id end",
    "terminationReason": Text = "case event_name when 'interaction.ended' then reason end",
    "ivrScriptId": Text = "flow_id",
}
