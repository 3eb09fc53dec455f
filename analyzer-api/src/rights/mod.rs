//! Tables as a user profile grants them.
//!
//! A granted table plans its own rows: the table as it is, the rows that are granted, masks over what is masked.
//! That plan is closed before the question's plan is made around it ([`barrier::GrantedRows`]): no predicate of the
//! question gets below the condition, no limit, no statistics and no error get out of it. What is not granted is
//! never given to an expression that somebody wrote.
//!
//! Whoever is not limited gets the tables themselves; nothing here is on the way then.

mod ask;
pub(crate) mod barrier;
mod condition;
pub(crate) mod safe;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use datafusion::arrow::datatypes::{Field, Schema, SchemaRef};
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::ScalarValue;
use datafusion::datasource::{TableType, provider_as_source};
use datafusion::error::{DataFusionError, Result};
use datafusion::logical_expr::{
    Expr, LogicalPlanBuilder, TableProviderFilterPushDown, col, ident, lit,
};
use datafusion::physical_plan::ExecutionPlan;
use ledgerline_projections::rights::{Rule, Test, mask_value, rule};
use ledgerline_projections::{Limited, Rights, Snapshot, TableDef, Value, data_type};

use crate::error::QueryError;
use crate::past::Asked;
use crate::retention;
use barrier::GrantedRows;

/// Names of the masked columns that a question has read, `table.column`.
#[derive(Clone, Debug, Default)]
pub(crate) struct MaskedColumns(Arc<Mutex<BTreeSet<String>>>);

impl MaskedColumns {
    fn note(&self, table: &TableDef, column: &str) {
        let mut names = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        names.insert(format!("{}.{column}", table.name));
    }

    /// In order of their names.
    pub(crate) fn names(&self) -> Vec<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
    }
}

/// The rights of one question.
#[derive(Clone, Debug)]
pub(crate) struct Grants {
    limited: Arc<Limited>,
    masked: MaskedColumns,
}

impl Grants {
    /// None for whoever is not limited.
    pub(crate) fn of(rights: &Rights, masked: &MaskedColumns) -> Option<Self> {
        let limited = Arc::clone(rights.limits()?);
        Some(Self { limited, masked: masked.clone() })
    }

    /// A table of a snapshot as it is granted.
    pub(crate) fn table(&self, snapshot: &Snapshot, def: &'static TableDef) -> GrantedTable {
        let whole = |name: &str| {
            let table = snapshot.tables.get(name)?.clone();
            Some(retention::provider(table))
        };
        self.over(snapshot, def, whole(def.name))
    }

    /// Rows of a table that were computed, with or without columns of their own before those of the table.
    pub(crate) fn rows(
        &self,
        snapshot: &Snapshot,
        def: &'static TableDef,
        rows: Arc<dyn TableProvider>,
    ) -> GrantedTable {
        self.over(snapshot, def, Some(rows))
    }

    fn over(
        &self,
        snapshot: &Snapshot,
        def: &'static TableDef,
        rows: Option<Arc<dyn TableProvider>>,
    ) -> GrantedTable {
        let beside = ["queue_leg", "customer_session"].into_iter().filter_map(|name| {
            let table = snapshot.tables.get(name)?.clone();
            Some((name, retention::provider(table)))
        });
        let schema = rows.as_ref().map_or_else(|| Arc::new(Schema::empty()), |it| it.schema());
        GrantedTable {
            def,
            schema: self.shown(def, &schema),
            // A table without a rule, and one whose rule does not let it be seen, has no rows.
            rule: rule(def.name).filter(|_| self.limited.sees(def)),
            rows,
            beside: beside.collect(),
            grants: self.clone(),
        }
    }

    /// A masked column that is not text is null.
    fn shown(&self, def: &TableDef, schema: &Schema) -> SchemaRef {
        let fields = schema.fields().iter().map(|field| {
            let is_null = self.mask_of(def, field.name()).is_some_and(|mask| mask.is_null());
            Field::new(field.name(), field.data_type().clone(), field.is_nullable() || is_null)
        });
        Arc::new(Schema::new(fields.collect::<Vec<_>>()))
    }

    /// What a column shows instead of its values, if it is masked.
    fn mask_of(&self, def: &TableDef, column: &str) -> Option<ScalarValue> {
        let at = def.column(column).filter(|at| self.limited.masks(def, *at))?;
        let column = def.columns.get(at)?;
        Some(match mask_value(column.column_type) {
            Value::Text(text) => ScalarValue::from(&*text),
            // The type has a null, or it would be no type of a column.
            _ => ScalarValue::try_from(&data_type(column.column_type)).unwrap_or(ScalarValue::Null),
        })
    }
}

/// Refuses what would tell more than the rows that are granted.
///
/// # Errors
/// [`QueryError::NotAllowed`].
pub(crate) fn check_past(limited: &Limited, asked: &Asked) -> Result<(), QueryError> {
    let refused = |what: String| Err(QueryError::NotAllowed(what));
    match asked {
        Asked::AsOf { .. } => Ok(()),
        Asked::Check { .. } => {
            refused("replay_check counts all rows; a user profile does not allow it".to_owned())
        }
        Asked::Changes { table, key: Some(_), .. } if limited.masks_key(table) => {
            refused(format!("history: the key of {} is masked by the user profile", table.name))
        }
        Asked::Changes { table, key: None, .. } if !limited.decides_by_row(table) => {
            refused(format!(
                "changes of {} are found by interaction; under a user profile ask for the history of one row",
                table.name
            ))
        }
        Asked::Changes { .. } => Ok(()),
    }
}

/// A table with the rows and columns that are granted.
pub(crate) struct GrantedTable {
    def: &'static TableDef,
    schema: SchemaRef,
    rule: Option<Rule>,
    rows: Option<Arc<dyn TableProvider>>,
    /// The tables that say which interactions are shown.
    beside: BTreeMap<&'static str, Arc<dyn TableProvider>>,
    grants: Grants,
}

impl fmt::Debug for GrantedTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GrantedTable").field("name", &self.def.name).finish_non_exhaustive()
    }
}

impl GrantedTable {
    /// The condition of a row; `None` when every row is granted.
    fn condition(&self, tests: &[Test]) -> Result<Option<Expr>> {
        let limited = &self.grants.limited;
        // What an alert tells of a row may be masked there.
        if limited.sees_all_rows() && !tests.contains(&Test::Alert) {
            return Ok(None);
        }
        let conditions = tests
            .iter()
            .map(|test| condition::of(*test, limited, &self.beside))
            .collect::<Result<Vec<_>>>()?;
        Ok(conditions.into_iter().reduce(Expr::and))
    }
}

#[async_trait]
impl TableProvider for GrantedTable {
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
        let taken = |filter: &&Expr| {
            let is_clear = |name: &str| self.grants.mask_of(self.def, name).is_none();
            match safe::is_safe(filter, &self.schema, &is_clear) {
                true => TableProviderFilterPushDown::Inexact,
                false => TableProviderFilterPushDown::Unsupported,
            }
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
        let columns: Vec<usize> = match projection {
            Some(columns) => columns.clone(),
            None => (0..self.schema.fields().len()).collect(),
        };
        let schema = Arc::new(self.schema.project(&columns)?);
        let (Some(rule), Some(rows)) = (self.rule, &self.rows) else {
            return Ok(Arc::new(GrantedRows::nothing(self.def.name, schema)));
        };
        let mut plan =
            LogicalPlanBuilder::scan("rows", provider_as_source(Arc::clone(rows)), None)?;
        if let Some(condition) = self.condition(rule.tests)? {
            plan = plan.filter(condition)?;
        }
        let is_clear = |name: &str| self.grants.mask_of(self.def, name).is_none();
        for filter in filters {
            // Only what was said to be taken comes here; the barrier does not rest on that.
            if safe::is_safe(filter, &self.schema, &is_clear) {
                plan = plan.filter(safe::bare(filter)?)?;
            }
        }
        let mut shown = Vec::with_capacity(columns.len().max(1));
        for field in schema.fields() {
            let name = field.name();
            shown.push(match self.grants.mask_of(self.def, name) {
                Some(mask) => {
                    self.grants.masked.note(self.def, name);
                    lit(mask.cast_to(field.data_type())?).alias(name)
                }
                None => ident(name),
            });
        }
        if shown.is_empty() {
            // Rows without columns still have to be counted.
            shown.push(col("valid_from_position"));
        }
        plan = plan.project(shown)?;
        if limit.is_some() && filters.is_empty() {
            plan = plan.limit(0, limit)?;
        }
        let inner = state.create_physical_plan(&plan.build()?).await?;
        Ok(Arc::new(GrantedRows::new(self.def.name, schema, inner)))
    }
}

/// An error that names what is missing.
fn missing(table: &str) -> DataFusionError {
    DataFusionError::Internal(format!("rights: the snapshot has no table {table}"))
}
