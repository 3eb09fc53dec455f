//! The metrics in force at a moment, as the log has them.
//!
//! A report names metrics; which formula stands behind a name is what `metric_definition` says at the position of the
//! answer. So a report of an earlier moment computes by the formulas of that moment.

use std::collections::{BTreeMap, BTreeSet};

use datafusion::arrow::array::{Array as _, AsArray as _};
use datafusion::arrow::datatypes::Int64Type;
use datafusion::arrow::record_batch::RecordBatch;
use ledgerline_schemas::config::report::{ReportDefinition, Unit};

use super::condition::literal;
use super::error::ReportError;
use super::metric::{self, Metric};

/// A metric that a report names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Formula {
    /// The table over whose rows it is computed.
    pub record_type: String,
    /// The aggregate.
    pub sql: String,
    /// What the figure is.
    pub unit: Unit,
}

impl From<&Metric> for Formula {
    fn from(metric: &Metric) -> Self {
        Self {
            record_type: metric.record_type.to_owned(),
            sql: metric.sql.to_owned(),
            unit: metric.unit,
        }
    }
}

/// Formulas by the names that a report gives them, `NAME` or `NAME@VERSION`.
#[derive(Clone, Debug, Default)]
pub struct Metrics(BTreeMap<String, Formula>);

/// Name and version of `NAME@VERSION`.
fn parts(wanted: &str) -> (&str, Option<u32>) {
    match wanted.rsplit_once('@') {
        Some((name, version)) => match version.parse() {
            Ok(version) => (name, Some(version)),
            Err(_) => (wanted, None),
        },
        None => (wanted, None),
    }
}

fn wanted(definition: &ReportDefinition) -> impl Iterator<Item = &str> {
    definition.measures.iter().filter_map(|measure| measure.metric.as_deref())
}

impl Metrics {
    /// The product's, as this version of it has them: for a log that says nothing of them.
    #[must_use]
    pub fn of_the_product() -> Self {
        let all = metric::METRICS.iter();
        Self(all.map(|metric| (metric.name.to_owned(), metric.into())).collect())
    }

    /// The one of a name.
    ///
    /// # Errors
    /// [`ReportError::Definition`] that names the field `path`.
    pub(super) fn named(&self, name: &str, path: &str) -> Result<&Formula, ReportError> {
        self.0.get(name).ok_or_else(|| {
            let reason = match parts(name) {
                (name, Some(version)) => format!("there is no version {version} of '{name}'"),
                (name, None) => format!("there is no metric '{name}'"),
            };
            ReportError::field(path, reason)
        })
    }

    /// The question after everything that the log says of the metrics of a report; none when it names none.
    pub(super) fn question(definition: &ReportDefinition) -> Option<String> {
        let names: Vec<String> = wanted(definition).map(|it| literal(parts(it).0)).collect();
        (!names.is_empty()).then(|| {
            format!(
                "select arrow_cast(name, 'Utf8'), definition_version, to_position is null, \
                 arrow_cast(record_type, 'Utf8'), arrow_cast(sql, 'Utf8'), arrow_cast(unit, 'Utf8') \
                 from metric_definition where sql is not null and name in ({}) \
                 order by origin, from_position desc",
                names.join(", ")
            )
        })
    }

    /// What the answer to [`Metrics::question`] says. The organization's come first; of several of one version the last.
    /// Names of which the log says nothing are the product's.
    pub(super) fn of_answer(definition: &ReportDefinition, batches: &[RecordBatch]) -> Self {
        let mut found = BTreeMap::new();
        let mut known = BTreeSet::new();
        for batch in batches {
            for row in 0..batch.num_rows() {
                let text = |column: usize| {
                    let values = batch.column(column).as_string_opt::<i32>()?;
                    values.is_valid(row).then(|| values.value(row).to_owned())
                };
                let version = batch.column(1).as_primitive_opt::<Int64Type>();
                let version = version.and_then(|it| u32::try_from(it.value(row)).ok());
                let in_force = batch.column(2).as_boolean().value(row);
                let (Some(name), Some(version), Some(record_type), Some(sql)) =
                    (text(0), version, text(3), text(4))
                else {
                    continue;
                };
                let unit = text(5).and_then(|unit| Unit::parse(&unit)).unwrap_or(Unit::Number);
                let formula = Formula { record_type, sql, unit };
                known.insert(name.clone());
                found.entry((name.clone(), Some(version))).or_insert_with(|| formula.clone());
                if in_force {
                    found.entry((name, None)).or_insert(formula);
                }
            }
        }
        let formulas = wanted(definition).filter_map(|wanted| {
            let (name, version) = parts(wanted);
            let of_log = found.get(&(name.to_owned(), version)).cloned();
            let of_product = || {
                let metric = metric::named(name).filter(|_| !known.contains(name))?;
                version.is_none_or(|it| it == metric.version).then(|| Formula::from(metric))
            };
            Some((wanted.to_owned(), of_log.or_else(of_product)?))
        });
        Self(formulas.collect())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that cannot go on should stop where it is")]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_what_follows_the_last_at_sign() {
        assert_eq!(parts("sl.negative"), ("sl.negative", None));
        assert_eq!(parts("sl.negative@2"), ("sl.negative", Some(2)));
        assert_eq!(parts("a@b"), ("a@b", None));
    }
}
