//! Metrics that an organization defines itself.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::report::Unit;
use super::yes;

/// A metric: an aggregate over the rows of one table, known by its name wherever reports name metrics.
///
/// One of the name of a metric of the product takes its place. Every version stays on the log, and a report of a
/// moment uses the one that was in force then.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MetricDefinition {
    /// Name, unique among metrics, such as `sl.negative`: letters, digits, `_`, `-` and `.`, at most 63.
    pub name: String,
    /// What it says.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// Table or view over whose rows it is computed.
    pub record_type: String,
    /// The aggregate, as SQL.
    pub sql: String,
    /// What the figure is.
    #[serde(default = "number", skip_serializing_if = "is_number")]
    pub unit: Unit,
    /// Switched on.
    #[serde(default = "yes")]
    pub active: bool,
}

const fn number() -> Unit {
    Unit::Number
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
fn is_number(unit: &Unit) -> bool {
    *unit == Unit::Number
}

impl MetricDefinition {
    /// The first field that is wrong, and why. Whether the columns of the formula exist is for the planner to say.
    ///
    /// # Errors
    /// A message that begins with the name of the field.
    pub fn check(&self) -> Result<(), String> {
        let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
        if self.name.is_empty() || self.name.len() > 63 || !self.name.chars().all(fits) {
            return Err("name: must be 1 to 63 letters, digits, '_', '-' and '.'".to_owned());
        }
        if self.record_type.trim().is_empty() {
            return Err("record_type: is empty".to_owned());
        }
        if self.sql.trim().is_empty() {
            return Err("sql: is empty".to_owned());
        }
        Ok(())
    }
}
