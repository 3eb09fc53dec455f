//! SQL functions: time, distributions and contact-center metrics, and the scalar functions PostgreSQL
//! clients expect.

pub mod distribution;
mod fold;
pub(crate) mod gapfill;
mod metric;
pub(crate) mod per_row;
mod scalar;
pub mod service_level;
pub(crate) mod session;
pub(crate) mod single_value;
pub(crate) mod spec;
mod time;
mod wire;

use std::sync::Arc;

use datafusion::logical_expr::{AggregateUDF, ScalarUDF};

use spec::Spec;

/// The aggregates for everybody.
pub(crate) fn aggregates() -> Vec<Arc<AggregateUDF>> {
    let mut all = service_level::aggregates();
    all.extend(metric::aggregates());
    all.extend(distribution::aggregates());
    all
}

/// The scalar functions for everybody that do not depend on the session.
pub(crate) fn scalars() -> Vec<ScalarUDF> {
    let mut all = time::functions();
    all.extend(distribution::functions());
    all
}

/// What a described function is to a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// One result for a row.
    Scalar,
    /// One result for a group.
    Aggregate,
    /// One result for a row, from the rows of its window.
    Window,
    /// Rows.
    Table,
}

impl Kind {
    /// What `pg_proc.prokind` has for it.
    pub(crate) const fn catalog_letter(self) -> &'static str {
        match self {
            Self::Scalar | Self::Table => "f",
            Self::Window => "w",
            Self::Aggregate => "a",
        }
    }
}

/// Descriptions of the functions above, for the catalogs. The service levels have their own.
pub(crate) fn specs() -> Vec<(&'static Spec, Kind)> {
    let mut all: Vec<_> = time::specs().into_iter().map(|spec| (spec, Kind::Scalar)).collect();
    all.extend(distribution::specs());
    all.extend(metric::specs().into_iter().map(|spec| (spec, Kind::Aggregate)));
    all.extend(gapfill::specs());
    all
}
