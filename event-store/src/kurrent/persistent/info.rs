//! What a group tells about itself.

use super::group::Group;
use super::store::Key;
use crate::kurrent::wire::persistent::SubscriptionInfo;
use crate::kurrent::wire::persistent::create_req::settings::{CheckpointAfter, MessageTimeout};
use crate::kurrent::wire::persistent::subscription_info::ConnectionInfo;
use crate::log::EventReader;
use ledgerline_schemas::StreamId;

fn small(count: usize) -> i32 {
    i32::try_from(count).unwrap_or(i32::MAX)
}

/// A version or position as clients read it.
fn place(key: &Key, ordinal: u64) -> String {
    match key.stream {
        Some(_) => ordinal.to_string(),
        None => format!("C:{ordinal}/P:{ordinal}"),
    }
}

/// Nothing before the first.
fn last(key: &Key, next: u64) -> String {
    let first = u64::from(key.stream.is_none());
    if next <= first {
        return String::new();
    }
    place(key, next - 1)
}

pub(crate) fn of(group: &Group, log: &dyn EventReader) -> SubscriptionInfo {
    let (key, wire) = (&group.key, &group.stored.settings);
    let known = match &key.stream {
        Some(stream) => log
            .stream_head(&StreamId::new(stream.as_str()))
            .ok()
            .flatten()
            .map_or(0, |version| version.0.saturating_add(1)),
        None => log.head().0.saturating_add(1),
    };
    let connections = group
        .connected
        .iter()
        .map(|(id, connected)| {
            let (slots, in_flight, served) = group.queue.load_of(*id);
            ConnectionInfo {
                from: connected.from.clone(),
                username: connected.username.clone(),
                total_items: i64::try_from(served).unwrap_or(i64::MAX),
                available_slots: small(slots.saturating_sub(in_flight)),
                in_flight_messages: small(in_flight),
                ..ConnectionInfo::default()
            }
        })
        .collect();
    let timeout_ms = match wire.message_timeout {
        Some(MessageTimeout::MessageTimeoutMs(ms)) => ms,
        Some(MessageTimeout::MessageTimeoutTicks(ticks)) => {
            i32::try_from(ticks / 10_000).unwrap_or(0)
        }
        None => 30_000,
    };
    let after_ms = match wire.checkpoint_after {
        Some(CheckpointAfter::CheckpointAfterMs(ms)) => ms,
        Some(CheckpointAfter::CheckpointAfterTicks(ticks)) => {
            i32::try_from(ticks / 10_000).unwrap_or(0)
        }
        None => 2_000,
    };
    SubscriptionInfo {
        event_source: key.source().to_owned(),
        group_name: key.group.clone(),
        status: "Live".to_owned(),
        connections,
        total_items: i64::try_from(group.queue.settled).unwrap_or(i64::MAX),
        last_checkpointed_event_position: last(key, group.saved),
        last_known_event_position: last(key, known),
        resolve_link_tos: wire.resolve_links,
        start_from: place(key, group.stored.start),
        message_timeout_milliseconds: timeout_ms,
        extra_statistics: wire.extra_statistics,
        max_retry_count: wire.max_retry_count,
        live_buffer_size: wire.live_buffer_size,
        buffer_size: wire.history_buffer_size,
        read_batch_size: wire.read_batch_size,
        check_point_after_milliseconds: after_ms,
        min_check_point_count: wire.min_checkpoint_count,
        max_check_point_count: wire.max_checkpoint_count,
        read_buffer_count: small(group.queue.ready()),
        retry_buffer_count: small(group.queue.retrying()),
        total_in_flight_messages: small(group.queue.in_flight()),
        outstanding_messages_count: small(group.queue.in_flight()),
        named_consumer_strategy: group.settings.strategy.name().to_owned(),
        max_subscriber_count: wire.max_subscriber_count,
        parked_message_count: i64::try_from(group.parked.saturating_sub(group.queue.replaying()))
            .unwrap_or(i64::MAX),
        ..SubscriptionInfo::default()
    }
}
