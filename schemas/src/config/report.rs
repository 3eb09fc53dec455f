//! Saved reports: record type × segments × measures × interval.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::yes;

/// A report. It says what to count over which rows; the period comes with each run.
///
/// Either `record_type` with segments and measures, or `sql` with the whole question.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ReportDefinition {
    /// Name, unique among reports.
    pub name: String,
    /// What it shows.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// Table or view whose rows are counted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub record_type: Option<String>,
    /// The whole question instead; `$1` is the begin of the period, `$2` its end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sql: Option<String>,
    /// Column by which rows fall into the period; without it the report is of the present and has no period.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time_field: Option<String>,
    /// What rows are grouped by, in this order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub segments: Vec<ReportSegment>,
    /// Figures of each group. Without any, the rows themselves are listed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub measures: Vec<ReportMeasure>,
    /// Which rows count, all of these conditions.
    #[serde(default, rename = "where", skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<ReportCondition>,
    /// Length of the intervals the period is cut into, such as `30 minutes`, `1 day`, `1 month`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interval: Option<String>,
    /// Show intervals without rows as well.
    #[serde(default)]
    pub fill_gaps: bool,
    /// Order of the rows; by interval and segments without.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub order_by: Vec<ReportOrder>,
    /// Most rows, 1 to 1,000,000.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
    /// The same figures over all groups, below the rows.
    #[serde(default)]
    pub totals: bool,
    /// How it is drawn; chosen by its columns without.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plot: Option<ReportPlot>,
    /// Switched on.
    #[serde(default = "yes")]
    pub active: bool,
}

/// A column that rows are grouped by.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ReportSegment {
    /// The column.
    pub field: String,
    /// Name in the report; the column's without.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

impl ReportSegment {
    /// Name in the report.
    #[must_use]
    pub fn shown(&self) -> &str {
        self.name.as_deref().unwrap_or(&self.field)
    }
}

/// How a figure comes from the rows of a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Aggregation {
    /// How many rows.
    Count,
    /// How many different values of the field.
    CountDistinct,
    /// Sum of the field.
    Sum,
    /// Mean of the field.
    Average,
    /// Smallest value of the field.
    Minimum,
    /// Greatest value of the field.
    Maximum,
    /// Exact percentile of the field.
    Percentile,
    /// Percent of the group's rows that pass `where`.
    Share,
}

/// What a figure is: how it is written in a sheet and on an axis.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Unit {
    /// A whole number of things.
    Count,
    /// Milliseconds; sheets show hours, minutes and seconds.
    Ms,
    /// Percent, 0 to 100.
    Percent,
    /// Any other number.
    Number,
}

impl Unit {
    /// Its name, as in documents.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Count => "count",
            Self::Ms => "ms",
            Self::Percent => "percent",
            Self::Number => "number",
        }
    }

    /// The one of a name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        [Self::Count, Self::Ms, Self::Percent, Self::Number]
            .into_iter()
            .find(|it| it.name() == name)
    }
}

/// A figure. One of `aggregation`, `metric` and `sql` says how it is computed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ReportMeasure {
    /// Name in the report.
    pub name: String,
    /// How it comes from the rows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub aggregation: Option<Aggregation>,
    /// The column; not for `count` and `share`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    /// Which percentile, between 0 and 100.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub percentile: Option<f64>,
    /// Name of a metric, such as `sl.of_answered`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metric: Option<String>,
    /// An aggregate as SQL.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sql: Option<String>,
    /// Which rows count for it, all of these conditions.
    #[serde(default, rename = "where", skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<ReportCondition>,
    /// What it is; by its aggregation and column without.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit: Option<Unit>,
}

/// How a column is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Comparison {
    /// Equal.
    Eq,
    /// Different; null is not.
    Ne,
    /// Less.
    Lt,
    /// At most.
    Lte,
    /// Greater.
    Gt,
    /// At least.
    Gte,
    /// One of a list.
    In,
    /// None of a list; null is not.
    NotIn,
    /// Text that contains the value.
    Contains,
    /// Null.
    IsNull,
    /// Not null.
    NotNull,
}

/// A condition on a column.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ReportCondition {
    /// The column.
    pub field: String,
    /// How it is compared.
    pub op: Comparison,
    /// With what: text, a number, true, false; a list for `in` and `not_in`; nothing for `is_null` and `not_null`.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub value: Value,
}

/// What rows are ordered by.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ReportOrder {
    /// A column of the report.
    pub column: String,
    /// Greatest first.
    #[serde(default)]
    pub descending: bool,
}

/// Form of a drawing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum PlotKind {
    /// Lines.
    Line,
    /// Bars side by side.
    #[default]
    Bar,
    /// Bars on top of each other.
    Stacked,
}

/// How a report is drawn.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ReportPlot {
    /// Its form.
    #[serde(default)]
    pub kind: PlotKind,
    /// Measures that are drawn; at least one, all of one unit.
    pub measures: Vec<String>,
    /// A segment with a line or bar for each of its values; only with one measure.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub series: Option<String>,
}
