//! Metric definitions: a change of a formula is itself on the log.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::config::report::Unit;

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
    /// The formula: an aggregate as SQL.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sql: Option<String>,
    /// Table over whose rows it is computed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub record_type: Option<String>,
    /// What the figure is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit: Option<Unit>,
    /// What it says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
}
