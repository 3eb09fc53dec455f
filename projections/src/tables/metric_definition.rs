//! `metric_definition`: one row per published version of a metric's formula.

use std::sync::Arc;

use ledgerline_schemas::{Position, Timestamp};

use crate::column::MetricOrigin;

table! {
    /// Published versions of metric definitions: those of the product, and the organization's own (the configuration
    /// kind metric_definition). Of two in force of one name reports use the organization's.
    MetricDefinition = "metric_definition", key (Arc<str>, Position) = [name, from_position], sort [name, from_position], live false;
    /// Name, such as sl.negative.
    name: Arc<str>,
    /// Position of the event that published this version.
    from_position: Position,
    /// Position of the event that published the next version or switched it off; null while it is in force.
    to_position: Option<Position>,
    /// When it was published.
    valid_from: Timestamp,
    /// When the next version was published or it was switched off; null while it is in force.
    valid_to: Option<Timestamp>,
    /// Who defines it: product or organization.
    origin: MetricOrigin,
    /// Version of the definition, from 1.
    definition_version: u32,
    /// SHA-256 of the formula, lower-case hex.
    sql_sha256: Arc<str>,
    /// Table over whose rows it is computed.
    record_type: Option<Arc<str>>,
    /// The formula: an aggregate as SQL.
    sql: Option<Arc<str>>,
    /// What the figure is: count, ms, percent or number.
    unit: Option<Arc<str>>,
    /// What it says.
    description: Option<Arc<str>>,
    /// Kind of party that published it.
    published_by_type: ledgerline_schemas::ActorType,
    /// Which one.
    published_by_id: Arc<str>,
}
