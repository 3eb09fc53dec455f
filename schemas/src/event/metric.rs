//! Metric definitions: a change of a formula is itself on the log.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A definition was published.
///
/// Event type `metric_definition.published`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct MetricDefinitionPublished {
    /// Name, e.g. `sl.negative`.
    pub name: String,
    /// Version, from 1.
    pub definition_version: u32,
    /// Hash of the formula, lower-case hex.
    pub sql_sha256: String,
}
