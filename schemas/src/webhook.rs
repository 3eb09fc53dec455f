//! Event types as integrators know them, and the events of the log that they stand for.
//!
//! The one table: what is not in it is not sent. A type is `resource.action`.

/// Resources that event types are of.
pub const RESOURCES: [&str; 5] = ["task", "agent", "capture", "flow", "alert"];

/// The type of a request that only tries a subscription.
pub const TEST_TYPE: &str = "webhook.test";

/// Event type of the log, and the type it is sent as.
pub const EVENT_TYPES: &[(&str, &str)] = &[
    ("interaction.created", "task.created"),
    ("queue.entered", "task.parked"),
    ("queue.left", "task.dequeued"),
    ("offer.made", "task.connect"),
    ("offer.rejected", "task.connect_failed"),
    ("offer.timed_out", "task.connect_failed"),
    ("offer.rescinded", "task.connect_failed"),
    ("offer.failed", "task.connect_failed"),
    ("leg.connected", "task.connected"),
    ("leg.disconnected", "task.disconnected"),
    ("hold.started", "task.on_hold"),
    ("hold.ended", "task.off_hold"),
    ("consult.requested", "task.consult"),
    ("consult.answered", "task.consulting"),
    ("consult.ended", "task.consult_ended"),
    ("consult.failed", "task.consult_failed"),
    ("conference.started", "task.conference_started"),
    ("conference.ended", "task.conference_ended"),
    ("transfer.requested", "task.transfer"),
    ("transfer.completed", "task.transferred"),
    ("transfer.failed", "task.transfer_failed"),
    ("wrapup.started", "task.wrapup"),
    ("wrapup.ended", "task.wrapped_up"),
    ("interaction.owner_changed", "task.owner_changed"),
    ("interaction.merged", "task.merged"),
    ("interaction.priority_set", "task.priority_changed"),
    ("routing.manual_assigned", "task.assigned"),
    ("interaction.ended", "task.ended"),
    ("interaction.failed", "task.failed"),
    ("agent_session.started", "agent.login"),
    ("agent_state.changed", "agent.state_change"),
    ("agent_channel.changed", "agent.channel_change"),
    ("agent_session.ended", "agent.logout"),
    ("recording.started", "capture.started"),
    ("recording.paused", "capture.paused"),
    ("recording.resumed", "capture.resumed"),
    ("recording.stopped", "capture.stopped"),
    ("recording.available", "capture.available"),
    ("recording.deleted", "capture.deleted"),
    ("flow.published", "flow.published"),
    ("flow.started", "flow.started"),
    ("flow.step_entered", "flow.activity_entered"),
    ("flow.step_exited", "flow.activity_exited"),
    ("flow.error", "flow.error"),
    ("flow.ended", "flow.ended"),
    ("alert.fired", "alert.fired"),
    ("alert.cleared", "alert.cleared"),
];

/// The type that an event of the log is sent as; `None` when it is not sent.
#[must_use]
pub fn type_of(event_type: &str) -> Option<&'static str> {
    EVENT_TYPES.iter().find(|(ours, _)| *ours == event_type).map(|(_, sent)| *sent)
}

/// Whether text is a type of the table, or all types of a resource as `task.*`.
#[must_use]
pub fn is_known(pattern: &str) -> bool {
    match pattern.strip_suffix(".*") {
        Some(resource) => RESOURCES.contains(&resource),
        None => EVENT_TYPES.iter().any(|(_, sent)| *sent == pattern),
    }
}

/// Whether a type is meant by a pattern of [`is_known`]'s form.
#[must_use]
pub fn matches(pattern: &str, sent: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(begin) => sent.starts_with(begin),
        None => sent == pattern,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::all_types;

    #[test]
    fn the_table_is_of_events_that_there_are() {
        let known = all_types();
        for (index, (ours, sent)) in EVENT_TYPES.iter().enumerate() {
            assert!(known.contains(ours), "{ours}");
            assert!(EVENT_TYPES.iter().skip(index + 1).all(|(other, _)| other != ours), "{ours}");
            let (resource, action) = sent.split_once('.').expect("resource.action");
            assert!(RESOURCES.contains(&resource) && !action.is_empty(), "{sent}");
            assert!(is_known(sent) && matches(&format!("{resource}.*"), sent), "{sent}");
        }
        for resource in RESOURCES {
            assert!(is_known(&format!("{resource}.*")), "{resource}");
        }
        for wrong in ["task", "*", "task.", "task.*.x", "config.*", "interaction.created", ""] {
            assert!(!is_known(wrong), "{wrong}");
        }
        assert!(!matches("task.*", "agent.login") && !matches("task.connect", "task.connected"));
    }
}
