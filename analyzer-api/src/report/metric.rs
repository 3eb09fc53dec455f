//! Metrics by name: what `docs/metrics.md` defines, as aggregates over the rows of one table.

use ledgerline_schemas::config::report::Unit;
use ledgerline_schemas::event::metric::MetricDefinitionPublished;
use sha2::{Digest as _, Sha256};

use crate::analyzer::hex;

/// A metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Metric {
    /// Its name.
    pub name: &'static str,
    /// Version of the formula, from 1. Another formula has another version: both are on the log, and reports of a
    /// moment use the one that was in force then.
    pub version: u32,
    /// The table over whose rows it is computed.
    pub record_type: &'static str,
    /// The aggregate.
    pub sql: &'static str,
    /// What the figure is.
    pub unit: Unit,
    /// What it says.
    pub doc: &'static str,
}

const fn metric(
    name: &'static str,
    record_type: &'static str,
    unit: Unit,
    sql: &'static str,
    doc: &'static str,
) -> Metric {
    Metric { name, version: 1, record_type, sql, unit, doc }
}

/// All metrics.
pub static METRICS: &[Metric] = &[
    metric(
        "sl.of_answered",
        "queue_leg",
        Unit::Percent,
        "sl_of_answered(outcome, queue_duration_ms, sl_threshold_ms)",
        "answered within the threshold, of the answered",
    ),
    metric(
        "sl.negative",
        "queue_leg",
        Unit::Percent,
        "sl_negative(outcome, queue_duration_ms, sl_threshold_ms)",
        "answered within the threshold, of answered and abandoned",
    ),
    metric(
        "sl.ignore",
        "queue_leg",
        Unit::Percent,
        "sl_ignore(outcome, queue_duration_ms, sl_threshold_ms)",
        "the same without those abandoned within the threshold",
    ),
    metric(
        "sl.positive",
        "queue_leg",
        Unit::Percent,
        "sl_positive(outcome, queue_duration_ms, sl_threshold_ms)",
        "answered or abandoned within the threshold, of answered and abandoned",
    ),
    metric(
        "sl.aws",
        "queue_leg",
        Unit::Percent,
        "sl_aws(outcome, leave_reason, queue_duration_ms, sl_threshold_ms)",
        "left within the threshold by answer, abandon or callback request, of all queued",
    ),
    metric(
        "sl.genesys",
        "queue_leg",
        Unit::Percent,
        "sl_genesys(outcome, queue_duration_ms, sl_threshold_ms, false, true, null)",
        "answered and not late, of answered and abandoned; flow-outs and short abandons off",
    ),
    metric(
        "abandon_rate",
        "queue_leg",
        Unit::Percent,
        "abandon_rate(outcome)",
        "abandoned, of the legs that left",
    ),
    metric(
        "asa",
        "queue_leg",
        Unit::Ms,
        "asa(outcome, queue_duration_ms)",
        "mean wait of the answered, those with no wait included",
    ),
    metric(
        "asa_queued",
        "queue_leg",
        Unit::Ms,
        "asa_queued(outcome, queue_duration_ms)",
        "mean wait of the answered that waited",
    ),
    metric(
        "average_abandon_time",
        "queue_leg",
        Unit::Ms,
        "avg(queue_duration_ms) filter (where outcome = 'abandoned')",
        "mean wait of the abandoned",
    ),
    metric(
        "longest_wait",
        "queue_leg",
        Unit::Ms,
        "max(queue_duration_ms)",
        "longest wait of the legs that left",
    ),
    metric(
        "aht",
        "queue_leg",
        Unit::Ms,
        "aht(connected_duration_ms - hold_duration_ms, hold_duration_ms, wrapup_duration_ms)",
        "mean of talk, hold and wrap-up of the answered",
    ),
    metric(
        "talk_time",
        "queue_leg",
        Unit::Ms,
        "sum(connected_duration_ms - hold_duration_ms - consult_duration_ms)",
        "connected, without hold and consult",
    ),
    metric(
        "sudden_disconnect",
        "queue_leg",
        Unit::Count,
        "count(*) filter (where connected_duration_ms <= 5000)",
        "conversations of at most 5 s",
    ),
    metric(
        "requeued_after_rona",
        "queue_leg",
        Unit::Count,
        "count(*) filter (where ronas > 0)",
        "legs with an offer that nobody answered",
    ),
    metric(
        "rona",
        "offer",
        Unit::Count,
        "count(*) filter (where outcome = 'timed_out')",
        "offers nobody answered in time",
    ),
    metric(
        "rona_incl_abandon",
        "offer",
        Unit::Count,
        "count(*) filter (where outcome = 'timed_out' or (outcome = 'rescinded' and reason = 'customer_left'))",
        "with those taken back because the customer left while it rang",
    ),
    metric(
        "accept_time",
        "offer",
        Unit::Ms,
        "avg(ring_duration_ms) filter (where outcome = 'accepted')",
        "mean time from offer to acceptance",
    ),
    metric(
        "occupancy_wall",
        "agent_interval",
        Unit::Percent,
        "100.0 * sum(any_contact_ms) / nullif(sum(any_contact_ms + ready_ms), 0)",
        "time with an interaction, of that and the time ready for one",
    ),
    metric(
        "utilization",
        "agent_interval",
        Unit::Percent,
        "100.0 * sum(any_contact_ms) / nullif(sum(logged_in_ms), 0)",
        "time with an interaction, of the time logged in",
    ),
    metric(
        "self_service_rate",
        "entry_point_interval",
        Unit::Percent,
        "100.0 * sum(self_service_completed) / nullif(sum(created), 0)",
        "interactions that the flow ended itself",
    ),
    metric(
        "average_self_service_time",
        "entry_point_interval",
        Unit::Ms,
        "1.0 * sum(sum_self_service_ms) / nullif(sum(self_service_count), 0)",
        "mean time in a flow, up to its end or the queue",
    ),
    metric(
        "handled_contacts",
        "customer_session",
        Unit::Count,
        "count(*) filter (where is_handled)",
        "interactions that reached an agent, each once",
    ),
];

impl Metric {
    /// What the log is told of it.
    #[must_use]
    pub fn published(&self) -> MetricDefinitionPublished {
        MetricDefinitionPublished {
            name: self.name.to_owned(),
            definition_version: self.version,
            sql_sha256: hex(&Sha256::digest(self.sql)),
            sql: Some(self.sql.to_owned()),
            record_type: Some(self.record_type.to_owned()),
            unit: Some(self.unit),
            description: Some(self.doc.to_owned()),
        }
    }
}

/// A metric by its name.
#[must_use]
pub fn named(name: &str) -> Option<&'static Metric> {
    METRICS.iter().find(|metric| metric.name == name)
}
