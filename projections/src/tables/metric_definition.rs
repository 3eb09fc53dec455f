//! `metric_definition`: one row per published version of a metric's formula.

use std::sync::Arc;

use ledgerline_schemas::{Position, Timestamp};

table! {
    /// Published versions of metric definitions. The log holds the hash of each formula; formulas are
    /// documents of the configuration kind metric_definition (`config_history`).
    MetricDefinition = "metric_definition", key (Arc<str>, Position) = [name, from_position], sort [name, from_position], live false;
    /// Name, such as sl.negative.
    name: Arc<str>,
    /// Position of the event that published this version.
    from_position: Position,
    /// Position of the event that published the next version; null while this one is the last.
    to_position: Option<Position>,
    /// When it was published.
    valid_from: Timestamp,
    /// When the next version was published; null while this one is the last.
    valid_to: Option<Timestamp>,
    /// Version of the definition, from 1.
    definition_version: u32,
    /// SHA-256 of the formula, lower-case hex.
    sql_sha256: Arc<str>,
    /// Kind of party that published it.
    published_by_type: ledgerline_schemas::ActorType,
    /// Which one.
    published_by_id: Arc<str>,
}
