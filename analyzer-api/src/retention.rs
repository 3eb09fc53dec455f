//! Tables without the rows that are no longer kept.
//!
//! What is dropped is part of no answer, long before it leaves the files. The rest is planned by itself and closed
//! ([`GrantedRows`]), as granted rows are, and below them: nothing of a question, neither its errors nor its
//! statistics, reaches a row that is dropped. Tables of which nothing was dropped are as they always were.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::catalog::{Session, TableProvider};
use datafusion::datasource::{TableType, provider_as_source};
use datafusion::error::{DataFusionError, Result};
use datafusion::logical_expr::{Expr, LogicalPlanBuilder, TableProviderFilterPushDown, ident, lit};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::prelude::coalesce;
use datafusion::scalar::ScalarValue;
use ledgerline_projections::retention::{Hold, Rule, Run};
use ledgerline_projections::{Hidden, Kept, TableDef, TableSnapshot};
use ledgerline_schemas::Timestamp;

use crate::error::QueryError;
use crate::rights::barrier::GrantedRows;
use crate::rights::safe;
use crate::table::SnapshotTable;

/// A table of a snapshot.
pub(crate) fn provider(table: TableSnapshot) -> Arc<dyn TableProvider> {
    match table.kept.clone() {
        Kept::All => Arc::new(SnapshotTable::new(table)),
        kept => {
            let def = table.def;
            let all = Arc::new(SnapshotTable::new(table));
            let schema = Arc::clone(all.viewed_schema());
            Arc::new(KeptTable { def, schema, all, kept })
        }
    }
}

/// A table of which something was dropped.
struct KeptTable {
    def: &'static TableDef,
    schema: SchemaRef,
    all: Arc<SnapshotTable>,
    kept: Kept,
}

impl fmt::Debug for KeptTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeptTable").field("name", &self.def.name).finish_non_exhaustive()
    }
}

#[async_trait]
impl TableProvider for KeptTable {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    fn supports_filters_pushdown(
        &self,
        filters: &[&Expr],
    ) -> Result<Vec<TableProviderFilterPushDown>> {
        // What is taken is asked again above: it only spares reading.
        let taken = |filter: &&Expr| match safe::is_safe(filter, &self.schema, &|_| true) {
            true => TableProviderFilterPushDown::Inexact,
            false => TableProviderFilterPushDown::Unsupported,
        };
        Ok(filters.iter().map(taken).collect())
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let hidden = match &self.kept {
            Kept::All => None,
            Kept::Except(hidden) => Some(hidden),
            Kept::Gone(removed) => {
                let error = QueryError::Value(removed.to_string());
                return Err(DataFusionError::External(Box::new(error)));
            }
        };
        let columns: Vec<usize> = match projection {
            Some(columns) => columns.clone(),
            None => (0..self.schema.fields().len()).collect(),
        };
        let schema = Arc::new(self.schema.project(&columns)?);
        let all: Arc<dyn TableProvider> = Arc::clone(&self.all) as _;
        let mut plan = LogicalPlanBuilder::scan("rows", provider_as_source(all), None)?;
        if let Some(hidden) = hidden {
            plan = plan.filter(is_shown(hidden))?;
        }
        for filter in filters {
            if safe::is_safe(filter, &self.schema, &|_| true) {
                plan = plan.filter(safe::bare(filter)?)?;
            }
        }
        let mut shown: Vec<Expr> =
            schema.fields().iter().map(|field| ident(field.name())).collect();
        if shown.is_empty() {
            // Rows without columns still have to be counted.
            shown.push(ident("valid_from_position"));
        }
        plan = plan.project(shown)?;
        if limit.is_some() && filters.is_empty() {
            plan = plan.limit(0, limit)?;
        }
        let inner = state.create_physical_plan(&plan.build()?).await?;
        Ok(Arc::new(GrantedRows::new(self.def.name, schema, inner)))
    }
}

/// An instant as columns have it.
fn instant(time: Timestamp) -> Expr {
    lit(ScalarValue::TimestampMicrosecond(Some(time.micros()), Some("+00:00".into())))
}

fn first_of(columns: &[&str]) -> Expr {
    match columns {
        [only] => ident(*only),
        _ => coalesce(columns.iter().map(|name| ident(*name)).collect()),
    }
}

/// Null is no reason to hide a row: what has not ended, or does not say so, is shown.
fn is_shown(hidden: &Hidden) -> Expr {
    let dropped = hidden.runs.iter().map(|run| is_dropped(hidden.rule, run));
    dropped.reduce(Expr::or).unwrap_or_else(|| lit(false)).is_not_true()
}

fn is_dropped(rule: &Rule, run: &Run) -> Expr {
    let position = i64::try_from(run.position.0).unwrap_or(i64::MAX);
    let mut dropped = ident("valid_from_position")
        .lt_eq(lit(position))
        .and(first_of(rule.end).lt(instant(run.before)));
    for (is, is_not) in rule.open {
        dropped = dropped.and(ident(*is).is_null().or(ident(*is_not).is_not_null()));
    }
    for hold in run.holds.values() {
        if let Some(covered) = is_covered(rule, hold) {
            dropped = dropped.and(covered.is_not_true());
        }
    }
    dropped
}

/// Whether a hold covers a row that has ended; none when it covers no row of the table.
fn is_covered(rule: &Rule, hold: &Hold) -> Option<Expr> {
    let mut covered = lit(true);
    for (columns, ids) in hold.asks(rule)? {
        let is_one = columns.iter().map(|name| {
            ident(*name).in_list(ids.iter().map(|id| lit(&**id)).collect(), false).is_true()
        });
        covered = covered.and(is_one.reduce(Expr::or).unwrap_or_else(|| lit(false)));
    }
    if let Some(from) = hold.from {
        covered = covered.and(first_of(rule.end).gt_eq(instant(from)));
    }
    if let Some(to) = hold.to {
        // Without a begin it is not known to be after the end of the hold.
        covered = covered.and(first_of(rule.begin).lt(instant(to)).is_not_false());
    }
    Some(covered)
}
