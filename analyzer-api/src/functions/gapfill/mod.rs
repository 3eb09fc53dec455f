//! Filling gaps: bins as a table, and window functions for what they have no value of.

mod bins;
mod fill;

use std::sync::Arc;

use datafusion::catalog::TableFunctionImpl;
use datafusion::logical_expr::WindowUDF;

use super::Kind;
use super::spec::Spec;

/// Functions that only mean something over an ordered window without a frame.
pub(crate) const OVER_ORDER: [&str; 2] = ["locf", "interpolate"];

/// The table function `cc_bins`.
pub(crate) const BINS: &str = "cc_bins";

/// The window functions.
pub(crate) fn windows() -> [WindowUDF; 2] {
    fill::functions()
}

/// What [`BINS`] does.
pub(crate) fn bins() -> Arc<dyn TableFunctionImpl> {
    Arc::new(bins::Bins)
}

/// Descriptions.
pub(super) fn specs() -> [(&'static Spec, Kind); 3] {
    [(&bins::SPEC, Kind::Table), (&fill::LOCF, Kind::Window), (&fill::INTERPOLATE, Kind::Window)]
}
