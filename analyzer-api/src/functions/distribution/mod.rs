//! How values are distributed: histograms, exact percentiles, the most frequent value, distinct counts.

mod buckets;
mod hist_sql;
pub mod histogram;
mod hll_sql;
pub mod hyperloglog;
mod key;
mod mode;
mod percentile;
pub(crate) mod percentiles;

use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, AsArray, BinaryArray};
use datafusion::error::{DataFusionError, Result};
use datafusion::logical_expr::{AggregateUDF, ScalarUDF};

use super::Kind;
use super::fold::aggregate;
use super::scalar::unexpected;
use super::spec::Spec;

/// The aggregates of this module.
pub(super) fn aggregates() -> Vec<Arc<AggregateUDF>> {
    vec![
        aggregate::<hist_sql::Agg>(),
        aggregate::<hist_sql::Merge>(),
        aggregate::<percentile::Percentile>(),
        aggregate::<mode::Mode>(),
        aggregate::<hll_sql::Agg>(),
        aggregate::<hll_sql::Merge>(),
    ]
}

/// The scalar functions of this module.
pub(super) fn functions() -> Vec<ScalarUDF> {
    let mut all = hist_sql::functions();
    all.extend(hll_sql::functions());
    all
}

/// Their descriptions.
pub(super) fn specs() -> Vec<(&'static Spec, Kind)> {
    let own = [(&percentile::SPEC, Kind::Aggregate), (&mode::SPEC, Kind::Aggregate)];
    hist_sql::specs().into_iter().chain(own).chain(hll_sql::specs()).collect()
}

/// An argument column.
fn column(values: &[ArrayRef], index: usize) -> Result<&ArrayRef> {
    values
        .get(index)
        .ok_or_else(|| DataFusionError::Internal(format!("there is no argument {index}")))
}

/// The first column as bytes.
fn bytes(values: &[ArrayRef]) -> Result<&BinaryArray> {
    let column = column(values, 0)?;
    column.as_binary_opt::<i32>().ok_or_else(|| unexpected(column.as_ref()))
}

/// A fraction from 0 to 1.
fn fraction(spec: &Spec, q: f64) -> Result<f64> {
    if (0.0..=1.0).contains(&q) {
        Ok(q + 0.0)
    } else {
        Err(spec.wrong("q", format!("must be between 0 and 1, got {q}")))
    }
}
