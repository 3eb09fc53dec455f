//! `asr`: agent session records.

use super::view;

view! {
    /// Agent session records: log-ins of agents under compatible field names, one for all channels together.
    "asr" from "agent_session";
    "agentSessionId": Text = "agent_session_id",
    "agentId": Text = "agent_id",
    "agentName": Text = "agent_name",
    "startTime": Time = "start_time",
    "endTime": Time = "end_time",
    "isActive": Bool = "is_active",
    "state": Text = "current_state",
    "agentSignOutReason": Text = "sign_out_reason",
    "site.id": Text = "site_id",
    "site.name": Text = "site_name",
    "team.id": Text = "team_id",
    "team.name": Text = "team_name",
    "totalDuration": Int = "duration_ms",
    "idleCount": Int = "idle_count",
    "idleDuration": Int = "idle_duration_ms",
    "availableCount": Int = "available_count",
    "availableDuration": Int = "available_duration_ms",
    "ringingCount": Int = "offer_count",
    "ringingDuration": Int = "ringing_duration_ms",
    "connectedCount": Int = "connected_count",
    "connectedDuration": Int = "connected_duration_ms",
    "holdCount": Int = "hold_count",
    "holdDuration": Int = "hold_duration_ms",
    "wrapupCount": Int = "wrapup_count",
    "wrapupDuration": Int = "wrapup_duration_ms",
    "notRespondedCount": Int = "rona_count",
    "notRespondedDuration": Int = "not_responding_duration_ms",
    "consultRequestCount": Int = "consult_count",
    "consultRequestDuration": Int = "consult_duration_ms",
    "conferenceCount": Int = "conference_count",
    "conferenceDuration": Int = "conference_duration_ms",
}
