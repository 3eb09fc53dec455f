//! `queue_interval`: one row per queue, channel and quarter of an hour.

use std::sync::Arc;

use ledgerline_schemas::config::ChannelType;
use ledgerline_schemas::id::QueueId;
use ledgerline_schemas::{Position, Timestamp};

table! {
    /// Figures of a queue and channel by 15 minutes UTC. What happens at entry counts in the interval of
    /// entry, what happens at exit in the interval of exit, conversations in the interval in which they end,
    /// wrap-up in the interval in which it ends, offers in the interval in which they are made or end. An
    /// interval has one row. Only what is dated into it after that row was final is in one more, so that sums
    /// are right in any case.
    QueueInterval = "queue_interval", key (Timestamp, QueueId, ChannelType, Position) = [interval_start, queue_id, channel_type, first_position], sort [interval_start, queue_id, channel_type, first_position], live false;
    /// Begin of the 15 minutes.
    interval_start: Timestamp,
    /// The queue.
    @Queue queue_id: QueueId,
    /// The channel.
    channel_type: ChannelType,
    /// Position of the first event that is counted in this row.
    first_position: Position,
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
