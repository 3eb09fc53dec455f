//! Rows of the live datasets. Generated from the tables by `cargo xtask schemas`.

use ledgerline_schemas::Timestamp;
use serde::Deserialize;
use serde_json::Value as Json;

use super::LiveRow;

/// An agent now. The figures of today are sums over `agent_interval` of the UTC day of the newest event: what lasts is in them up to the begin of the present quarter of an hour.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct AgentLive {
    /// The agent.
    pub agent_id: String,
    /// Name of the agent.
    pub agent_name: Option<String>,
    /// The session; null when logged out.
    pub agent_session_id: Option<String>,
    /// The team, also of the last session.
    pub team_id: String,
    /// Name of the team.
    pub team_name: Option<String>,
    /// The site, also of the last session.
    pub site_id: String,
    /// Name of the site.
    pub site_name: Option<String>,
    /// Base state: logged_out, available, idle, not_responding.
    pub state: String,
    /// Begin of that state.
    pub since: Timestamp,
    /// Idle code.
    pub aux_code_id: Option<String>,
    /// Name of the idle code.
    pub aux_code: Option<String>,
    /// Log-in of the session.
    pub login_time: Option<Timestamp>,
    /// Kind of device: agent_dn, extension, browser.
    pub device_type: Option<String>,
    /// Calls in hand (ringing, connected or in wrap-up).
    pub voice_count: i64,
    /// Chats in hand.
    pub chat_count: i64,
    /// Interactions of other channels in hand.
    pub other_count: i64,
    /// Of all in hand, those that ring.
    pub ringing_count: i64,
    /// Of all in hand, those connected, on hold, in a consult or conference.
    pub connected_count: i64,
    /// Of all in hand, those in wrap-up.
    pub wrapup_count: i64,
    /// Ids of the interactions in hand (JSON array of text, sorted).
    pub interactions: Json,
    /// Time today with at least one interaction that did not only ring, ms.
    pub any_contact_today_ms: i64,
    /// Time today available with nothing in hand, ms.
    pub ready_today_ms: i64,
    /// Position of the event that gave the row its present form.
    pub valid_from_position: i64,
}

impl LiveRow for AgentLive {
    const DATASET: &'static str = "agent_live";
}

/// An alert that fired and has not cleared. It is shown to whom the row that it is about is shown.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Alerts {
    /// The alert.
    pub alert_id: String,
    /// The rule.
    pub rule_id: String,
    /// Its name when the alert fired.
    pub rule_name: String,
    /// How bad it is: info, warning, critical.
    pub severity: String,
    /// What the rule says to whoever is told.
    pub message: String,
    /// The live table.
    pub dataset: String,
    /// Key of the row in it.
    pub row_key: String,
    /// What was read of the row.
    pub figure: String,
    /// When that is out of bounds: above, at_least, below, at_most.
    pub comparison: String,
    /// The bound.
    pub threshold: i64,
    /// The figure when the alert fired; of a ratio the whole part.
    pub value: i64,
    /// When it went out of bounds.
    pub began_time: Timestamp,
    /// When the alert fired.
    pub fired_time: Timestamp,
    /// Position of the tables at which the value was read.
    pub read_position: i64,
    /// Queue of the row.
    pub queue_id: Option<String>,
    /// Name of the queue when the alert fired.
    pub queue_name: Option<String>,
    /// Entry point of the row.
    pub entry_point_id: Option<String>,
    /// Team of the row.
    pub team_id: Option<String>,
    /// Name of the team when the alert fired.
    pub team_name: Option<String>,
    /// Site of the row.
    pub site_id: Option<String>,
    /// Agent of the row.
    pub agent_id: Option<String>,
    /// Interaction of the row.
    pub interaction_id: Option<String>,
    /// Flow of the row.
    pub flow_id: Option<String>,
    /// Position of the event that gave the row its present form.
    pub valid_from_position: i64,
}

impl LiveRow for Alerts {
    const DATASET: &'static str = "alerts";
}

/// The interactions under way that came through an entry point: counts of `interaction_live`. Each is in exactly one of in flow, waiting, connected, wrap-up and elsewhere. An entry point is here as soon as one came through it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct EntryPointLive {
    /// The entry point.
    pub entry_point_id: String,
    /// Its name.
    pub entry_point_name: Option<String>,
    /// Interactions under way.
    pub interactions_now: i64,
    /// Of those, new or in a flow.
    pub in_flow_now: i64,
    /// Of those, waiting in a queue or being offered.
    pub waiting_now: i64,
    /// Of those, with an agent: connected, on hold, in a consult or conference.
    pub connected_now: i64,
    /// Of those, in wrap-up.
    pub wrapup_now: i64,
    /// Of those, anything else: after the conversation, in a survey.
    pub elsewhere_now: i64,
    /// Interactions created since the log began.
    pub created: i64,
    /// Position of the event that gave the row its present form.
    pub valid_from_position: i64,
}

impl LiveRow for EntryPointLive {
    const DATASET: &'static str = "entry_point_live";
}

/// A flow now, with totals since the log began. A flow is here as soon as it has run.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct FlowLive {
    /// The flow.
    pub flow_id: String,
    /// Its name.
    pub flow_name: Option<String>,
    /// Version that started last.
    pub flow_version: Option<i64>,
    /// Interactions in `interaction_live` that are in this flow (state `ivr`).
    pub in_flow_now: i64,
    /// Runs started.
    pub started: i64,
    /// Runs that ended by themselves.
    pub ended: i64,
    /// Errors of activities.
    pub errors: i64,
    /// When the last error happened.
    pub last_error_time: Option<Timestamp>,
    /// Its code.
    pub last_error_code: Option<String>,
    /// Position of the event that gave the row its present form.
    pub valid_from_position: i64,
}

impl LiveRow for FlowLive {
    const DATASET: &'static str = "flow_live";
}

/// An interaction that has not ended, or of which a stay in a queue, a conversation or a wrap-up still goes on. The row goes when all of that is over; then it is in `customer_session` alone.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct InteractionLive {
    /// The interaction.
    pub interaction_id: String,
    /// Its channel.
    pub channel_type: String,
    /// Who began it: inbound, outbound.
    pub direction: String,
    /// What it is at.
    pub state: String,
    /// Begin of that state.
    pub since: Timestamp,
    /// When it was created.
    pub created_time: Timestamp,
    /// Entry point it came through.
    pub entry_point_id: Option<String>,
    /// Name of the entry point.
    pub entry_point_name: Option<String>,
    /// Flow that ran last.
    pub flow_id: Option<String>,
    /// The leg entered last.
    pub leg_id: Option<String>,
    /// Queue of that leg.
    pub queue_id: Option<String>,
    /// Name of the queue.
    pub queue_name: Option<String>,
    /// When it entered that queue.
    pub entered_time: Option<Timestamp>,
    /// Whether it waits in the queue or is being offered.
    pub is_waiting: bool,
    /// Priority, 1 (first) to 10.
    pub priority: i64,
    /// Agent who had it in hand last.
    pub agent_id: Option<String>,
    /// Name of the agent.
    pub agent_name: Option<String>,
    /// Team of the agent.
    pub team_id: Option<String>,
    /// Site of the agent.
    pub site_id: Option<String>,
    /// Times put on hold.
    pub hold_count: i64,
    /// Queues entered.
    pub queue_count: i64,
    /// Transfers.
    pub transfer_count: i64,
    /// Campaign it belongs to.
    pub campaign_id: Option<String>,
    /// Position of the event that gave the row its present form.
    pub valid_from_position: i64,
}

impl LiveRow for InteractionLive {
    const DATASET: &'static str = "interaction_live";
}

/// The rows of `queue_interval` of the newest 15 minutes that an event reached. With the first event of the next quarter all of them go.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct IntervalCurrent {
    /// The queue.
    pub queue_id: String,
    /// The channel.
    pub channel_type: String,
    /// Begin of the 15 minutes.
    pub interval_start: Timestamp,
    /// Name of the queue when the row was last shaped.
    pub queue_name: Option<String>,
    /// Legs that entered.
    pub offered: i64,
    /// Of those, legs that came by transfer.
    pub transferred_in: i64,
    /// Of those, legs that came back after their agent was lost.
    pub requeued: i64,
    /// Of those, legs that have not left yet.
    pub open: i64,
    /// Legs that left to an agent.
    pub answered: i64,
    /// Of those, within the threshold in force at entry.
    pub answered_in_sl: i64,
    /// Legs whose customer left.
    pub abandoned: i64,
    /// Of those, within the threshold in force at entry.
    pub abandoned_in_sl: i64,
    /// Legs that left for any other reason.
    pub other: i64,
    /// Of those, because the longest time in queue passed.
    pub max_time: i64,
    /// Of those, handed to an overflow destination.
    pub overflowed: i64,
    /// Of those, because the customer chose to leave the queue (opt-out or escape key).
    pub opt_out: i64,
    /// Of those, because the customer asked for a callback.
    pub callback_requested: i64,
    /// Legs that left after waiting (time in queue above 0).
    pub waited: i64,
    /// Sum of the time in queue of answered legs, ms.
    pub sum_wait_answered_ms: i64,
    /// Sum of the time in queue of abandoned legs, ms.
    pub sum_wait_abandoned_ms: i64,
    /// Offers made to agents.
    pub offers: i64,
    /// Offers rejected.
    pub rejects: i64,
    /// Offers nobody answered in time.
    pub ronas: i64,
    /// Conversations that ended.
    pub handled: i64,
    /// Of those, by transfer.
    pub transferred_out: i64,
    /// Sum of their time connected including hold, ms.
    pub sum_connected_ms: i64,
    /// Sum of their time on hold, ms.
    pub sum_hold_ms: i64,
    /// Wrap-ups that ended.
    pub wrapups: i64,
    /// Sum of their time, ms.
    pub sum_wrapup_ms: i64,
    /// Position of the event that gave the row its present form.
    pub valid_from_position: i64,
}

impl LiveRow for IntervalCurrent {
    const DATASET: &'static str = "interval_current";
}

/// A queue now, with totals since the log began: offered = answered + abandoned + other + open, the same legs as in `queue_leg`. The figures of today are sums over `queue_interval` of the UTC day of the newest event.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct QueueLive {
    /// The queue.
    pub queue_id: String,
    /// Its name.
    pub queue_name: Option<String>,
    /// Channel of its interactions; null until configuration or a leg tells.
    pub channel_type: Option<String>,
    /// Service level threshold in force, ms.
    pub sl_threshold_ms: Option<i64>,
    /// Legs waiting now, those being offered included.
    pub in_queue_now: i64,
    /// Legs connected to an agent now.
    pub connected_now: i64,
    /// Legs whose agent is in wrap-up now.
    pub wrapup_now: i64,
    /// Entry of the leg that waits longest.
    pub oldest_entered_time: Option<Timestamp>,
    /// That leg.
    pub oldest_leg_id: Option<String>,
    /// Its interaction.
    pub oldest_interaction_id: Option<String>,
    /// Legs that entered.
    pub offered: i64,
    /// Legs that left to an agent.
    pub answered: i64,
    /// Legs whose customer left.
    pub abandoned: i64,
    /// Legs that left for any other reason.
    pub other: i64,
    /// Legs that have not left yet.
    pub open: i64,
    /// Answered within the threshold in force at entry.
    pub answered_in_sl: i64,
    /// Abandoned within the threshold in force at entry.
    pub abandoned_in_sl: i64,
    /// Sum of the time in queue of answered legs, ms.
    pub sum_wait_answered_ms: i64,
    /// Sum of the time in queue of abandoned legs, ms.
    pub sum_wait_abandoned_ms: i64,
    /// Sum of the time connected including hold of conversations that ended, ms.
    pub sum_connected_ms: i64,
    /// Offers nobody answered in time.
    pub ronas: i64,
    /// Agents logged in to a team of the queue.
    pub logged_on_agents: i64,
    /// Of those, available with nothing in hand.
    pub available_agents: i64,
    /// Legs that entered today.
    pub offered_today: i64,
    /// Legs that left to an agent today.
    pub answered_today: i64,
    /// Of those, within the threshold in force at entry.
    pub answered_in_sl_today: i64,
    /// Legs whose customer left today.
    pub abandoned_today: i64,
    /// Of those, within the threshold in force at entry.
    pub abandoned_in_sl_today: i64,
    /// Legs that left for any other reason today.
    pub other_today: i64,
    /// Sum of the time in queue of legs answered today, ms.
    pub sum_wait_answered_today_ms: i64,
    /// Estimated wait, ms: median wait of the newest answered legs, at most 200 and of one hour; null with fewer than 40 or a coefficient of variation above 0.4.
    pub ewt_ms: Option<i64>,
    /// Position of the event that gave the row its present form.
    pub valid_from_position: i64,
}

impl LiveRow for QueueLive {
    const DATASET: &'static str = "queue_live";
}

/// The agents at a site who are logged in now: sums over `agent_live`. Each of them is in exactly one of available, engaged, idle and not responding. A site is here as soon as an agent has logged in at it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct SiteLive {
    /// The site.
    pub site_id: String,
    /// Its name.
    pub site_name: Option<String>,
    /// Agents logged in.
    pub logged_on_agents: i64,
    /// Of those, available with nothing in hand.
    pub available_agents: i64,
    /// Of those, available with something in hand.
    pub engaged_agents: i64,
    /// Of those, idle.
    pub idle_agents: i64,
    /// Of those, not responding.
    pub not_responding_agents: i64,
    /// Of those, with at least one interaction connected, on hold, in a consult or conference.
    pub in_contact_agents: i64,
    /// Of those, with at least one interaction in wrap-up.
    pub wrapup_agents: i64,
    /// Calls in hand (ringing, connected or in wrap-up).
    pub voice_count: i64,
    /// Chats in hand.
    pub chat_count: i64,
    /// Interactions of other channels in hand.
    pub other_count: i64,
    /// Of all in hand, those that ring.
    pub ringing_count: i64,
    /// Of all in hand, those connected, on hold, in a consult or conference.
    pub connected_count: i64,
    /// Of all in hand, those in wrap-up.
    pub wrapup_count: i64,
    /// Their time today with at least one interaction that did not only ring, ms.
    pub any_contact_today_ms: i64,
    /// Their time today available with nothing in hand, ms.
    pub ready_today_ms: i64,
    /// Position of the event that gave the row its present form.
    pub valid_from_position: i64,
}

impl LiveRow for SiteLive {
    const DATASET: &'static str = "site_live";
}

/// The agents of a team who are logged in now: sums over `agent_live`. Each of them is in exactly one of available, engaged, idle and not responding. A team is here as soon as an agent has logged in to it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct TeamLive {
    /// The team.
    pub team_id: String,
    /// Its name.
    pub team_name: Option<String>,
    /// Site of the agent who was last shown in it.
    pub site_id: String,
    /// Name of the site.
    pub site_name: Option<String>,
    /// Agents logged in.
    pub logged_on_agents: i64,
    /// Of those, available with nothing in hand.
    pub available_agents: i64,
    /// Of those, available with something in hand.
    pub engaged_agents: i64,
    /// Of those, idle.
    pub idle_agents: i64,
    /// Of those, not responding.
    pub not_responding_agents: i64,
    /// Of those, with at least one interaction connected, on hold, in a consult or conference.
    pub in_contact_agents: i64,
    /// Of those, with at least one interaction in wrap-up.
    pub wrapup_agents: i64,
    /// Calls in hand (ringing, connected or in wrap-up).
    pub voice_count: i64,
    /// Chats in hand.
    pub chat_count: i64,
    /// Interactions of other channels in hand.
    pub other_count: i64,
    /// Of all in hand, those that ring.
    pub ringing_count: i64,
    /// Of all in hand, those connected, on hold, in a consult or conference.
    pub connected_count: i64,
    /// Of all in hand, those in wrap-up.
    pub wrapup_count: i64,
    /// Their time today with at least one interaction that did not only ring, ms.
    pub any_contact_today_ms: i64,
    /// Their time today available with nothing in hand, ms.
    pub ready_today_ms: i64,
    /// Position of the event that gave the row its present form.
    pub valid_from_position: i64,
}

impl LiveRow for TeamLive {
    const DATASET: &'static str = "team_live";
}
