//! `interval_current`: the quarter of an hour that runs, by queue and channel.

use std::sync::Arc;

use ledgerline_schemas::Timestamp;
use ledgerline_schemas::config::ChannelType;
use ledgerline_schemas::id::QueueId;

use crate::tables::QueueInterval;

table! {
    /// The rows of `queue_interval` of the newest 15 minutes that an event reached. With the first event of the next
    /// quarter all of them go.
    IntervalCurrent = "interval_current", key (QueueId, ChannelType) = [queue_id, channel_type], sort [queue_id, channel_type], live true;
    /// The queue.
    @Queue queue_id: QueueId,
    /// The channel.
    channel_type: ChannelType,
    /// Begin of the 15 minutes.
    interval_start: Timestamp,
    /// Name of the queue when the row was last shaped.
    queue_name: Option<Arc<str>>,
    /// Legs that entered.
    offered: i64,
    /// Of those, legs that came by transfer.
    transferred_in: i64,
    /// Of those, legs that came back after their agent was lost.
    requeued: i64,
    /// Of those, legs that have not left yet.
    open: i64,
    /// Legs that left to an agent.
    answered: i64,
    /// Of those, within the threshold in force at entry.
    answered_in_sl: i64,
    /// Legs whose customer left.
    abandoned: i64,
    /// Of those, within the threshold in force at entry.
    abandoned_in_sl: i64,
    /// Legs that left for any other reason.
    other: i64,
    /// Of those, because the longest time in queue passed.
    max_time: i64,
    /// Of those, handed to an overflow destination.
    overflowed: i64,
    /// Of those, because the customer chose to leave the queue (opt-out or escape key).
    opt_out: i64,
    /// Of those, because the customer asked for a callback.
    callback_requested: i64,
    /// Legs that left after waiting (time in queue above 0).
    waited: i64,
    /// Sum of the time in queue of answered legs, ms.
    sum_wait_answered_ms: i64,
    /// Sum of the time in queue of abandoned legs, ms.
    sum_wait_abandoned_ms: i64,
    /// Offers made to agents.
    offers: i64,
    /// Offers rejected.
    rejects: i64,
    /// Offers nobody answered in time.
    ronas: i64,
    /// Conversations that ended.
    handled: i64,
    /// Of those, by transfer.
    transferred_out: i64,
    /// Sum of their time connected including hold, ms.
    sum_connected_ms: i64,
    /// Sum of their time on hold, ms.
    sum_hold_ms: i64,
    /// Wrap-ups that ended.
    wrapups: i64,
    /// Sum of their time, ms.
    sum_wrapup_ms: i64,
}

impl From<&QueueInterval> for IntervalCurrent {
    fn from(row: &QueueInterval) -> Self {
        Self {
            queue_id: row.queue_id,
            channel_type: row.channel_type,
            interval_start: row.interval_start,
            queue_name: row.queue_name.clone(),
            offered: row.offered,
            transferred_in: row.transferred_in,
            requeued: row.requeued,
            open: row.open,
            answered: row.answered,
            answered_in_sl: row.answered_in_sl,
            abandoned: row.abandoned,
            abandoned_in_sl: row.abandoned_in_sl,
            other: row.other,
            max_time: row.max_time,
            overflowed: row.overflowed,
            opt_out: row.opt_out,
            callback_requested: row.callback_requested,
            waited: row.waited,
            sum_wait_answered_ms: row.sum_wait_answered_ms,
            sum_wait_abandoned_ms: row.sum_wait_abandoned_ms,
            offers: row.offers,
            rejects: row.rejects,
            ronas: row.ronas,
            handled: row.handled,
            transferred_out: row.transferred_out,
            sum_connected_ms: row.sum_connected_ms,
            sum_hold_ms: row.sum_hold_ms,
            wrapups: row.wrapups,
            sum_wrapup_ms: row.sum_wrapup_ms,
            valid_from_position: row.valid_from_position,
        }
    }
}
