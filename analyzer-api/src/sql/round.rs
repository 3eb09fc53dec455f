//! A cast of a fraction to a whole number rounds, as in PostgreSQL; the engine would cut the fraction off.
//!
//! A half goes away from zero. PostgreSQL does so for `numeric`, its type for constants and averages of whole
//! numbers; the engine has `double precision` for both.

use std::sync::Arc;

use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{DFSchema, Result};
use datafusion::functions::math;
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::utils::merge_schema;
use datafusion::logical_expr::{Cast, Expr, ExprSchemable, LogicalPlan};
use datafusion::optimizer::AnalyzerRule;

/// The rule, for a session.
pub(crate) fn rule() -> Arc<dyn AnalyzerRule + Send + Sync> {
    Arc::new(RoundingCasts)
}

#[derive(Debug)]
struct RoundingCasts;

impl AnalyzerRule for RoundingCasts {
    fn analyze(&self, plan: LogicalPlan, _: &ConfigOptions) -> Result<LogicalPlan> {
        Ok(plan.transform_up_with_subqueries(in_node)?.data)
    }

    fn name(&self) -> &'static str {
        "rounding_casts"
    }
}

fn in_node(plan: LogicalPlan) -> Result<Transformed<LogicalPlan>> {
    let schema = merge_schema(&plan.inputs());
    let names = NamePreserver::new(&plan);
    plan.map_expressions(|expr| {
        let name = names.save(&expr);
        let rounded = expr.transform_up(|expr| Ok(rounding(expr, &schema)))?;
        Ok(rounded.update_data(|expr| name.restore(expr)))
    })
}

fn rounding(expr: Expr, schema: &DFSchema) -> Transformed<Expr> {
    let Expr::Cast(cast) = expr else { return Transformed::no(expr) };
    let fraction = cast.expr.get_type(schema).is_ok_and(|it| it.is_floating() || it.is_decimal());
    if !fraction || !cast.field.data_type().is_integer() {
        return Transformed::no(Expr::Cast(cast));
    }
    let rounded = math::round().call(vec![*cast.expr]);
    Transformed::yes(Expr::Cast(Cast { expr: Box::new(rounded), ..cast }))
}
