//! `queue_live`: the present state of every queue.

use std::sync::Arc;

use ledgerline_schemas::Timestamp;
use ledgerline_schemas::config::ChannelType;
use ledgerline_schemas::id::{InteractionId, LegId, QueueId};

table! {
    /// A queue now, with totals since the log began: offered = answered + abandoned + other + open, the
    /// same legs as in `queue_leg`. The figures of today are sums over `queue_interval` of the UTC day of the
    /// newest event.
    QueueLive = "queue_live", key QueueId = [queue_id], sort [queue_id], live true;
    /// The queue.
    @Queue queue_id: QueueId,
    /// Its name.
    queue_name: Option<Arc<str>>,
    /// Channel of its interactions; null until configuration or a leg tells.
    channel_type: Option<ChannelType>,
    /// Service level threshold in force, ms.
    sl_threshold_ms: Option<u64>,
    /// Legs waiting now, those being offered included.
    in_queue_now: i64,
    /// Legs connected to an agent now.
    connected_now: i64,
    /// Legs whose agent is in wrap-up now.
    wrapup_now: i64,
    /// Entry of the leg that waits longest.
    oldest_entered_time: Option<Timestamp>,
    /// That leg.
    oldest_leg_id: Option<LegId>,
    /// Its interaction.
    oldest_interaction_id: Option<InteractionId>,
    /// Legs that entered.
    offered: i64,
    /// Legs that left to an agent.
    answered: i64,
    /// Legs whose customer left.
    abandoned: i64,
    /// Legs that left for any other reason.
    other: i64,
    /// Legs that have not left yet.
    open: i64,
    /// Answered within the threshold in force at entry.
    answered_in_sl: i64,
    /// Abandoned within the threshold in force at entry.
    abandoned_in_sl: i64,
    /// Sum of the time in queue of answered legs, ms.
    sum_wait_answered_ms: i64,
    /// Sum of the time in queue of abandoned legs, ms.
    sum_wait_abandoned_ms: i64,
    /// Sum of the time connected including hold of conversations that ended, ms.
    sum_connected_ms: i64,
    /// Offers nobody answered in time.
    ronas: i64,
    /// Agents logged in to a team of the queue.
    logged_on_agents: i64,
    /// Of those, available with nothing in hand.
    available_agents: i64,
    /// Legs that entered today.
    offered_today: i64,
    /// Legs that left to an agent today.
    answered_today: i64,
    /// Of those, within the threshold in force at entry.
    answered_in_sl_today: i64,
    /// Legs whose customer left today.
    abandoned_today: i64,
    /// Of those, within the threshold in force at entry.
    abandoned_in_sl_today: i64,
    /// Legs that left for any other reason today.
    other_today: i64,
    /// Sum of the time in queue of legs answered today, ms.
    sum_wait_answered_today_ms: i64,
    /// Estimated wait, ms: median wait of the newest answered legs, at most 200 and of one hour; null with fewer
    /// than 40 or a coefficient of variation above 0.4.
    ewt_ms: Option<i64>,
}
