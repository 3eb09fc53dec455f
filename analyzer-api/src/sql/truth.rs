//! `column = 'f'`: a constant text beside a truth is one. PostgreSQL gives a constant the type of what it is compared with;
//! the engine does so for times and numbers.

use std::sync::Arc;

use datafusion::arrow::datatypes::DataType;
use datafusion::common::{DFSchema, Result, ScalarValue};
use datafusion::logical_expr::planner::{ExprPlanner, PlannerResult, RawBinaryExpr};
use datafusion::logical_expr::{Expr, ExprSchemable, lit};
use datafusion::sql::sqlparser::ast::BinaryOperator;

/// The planner of such comparisons.
pub(crate) fn planner() -> Arc<dyn ExprPlanner> {
    Arc::new(Truths)
}

#[derive(Debug)]
struct Truths;

impl ExprPlanner for Truths {
    fn plan_binary_op(
        &self,
        mut expr: RawBinaryExpr,
        schema: &DFSchema,
    ) -> Result<PlannerResult<RawBinaryExpr>> {
        if matches!(expr.op, BinaryOperator::Eq | BinaryOperator::NotEq) {
            let is_truth = |expr: &Expr| {
                expr.get_type(schema).is_ok_and(|data_type| data_type == DataType::Boolean)
            };
            match (truth(&expr.left), truth(&expr.right)) {
                (None, Some(value)) if is_truth(&expr.left) => expr.right = lit(value),
                (Some(value), None) if is_truth(&expr.right) => expr.left = lit(value),
                _ => {}
            }
        }
        Ok(PlannerResult::Original(expr))
    }
}

/// What a constant text says. Source: PostgreSQL 15, 8.6 "Boolean Type".
fn truth(expr: &Expr) -> Option<bool> {
    let Expr::Literal(
        ScalarValue::Utf8(Some(text))
        | ScalarValue::Utf8View(Some(text))
        | ScalarValue::LargeUtf8(Some(text)),
        _,
    ) = expr
    else {
        return None;
    };
    match text.trim().to_ascii_lowercase().as_str() {
        "t" | "tr" | "tru" | "true" | "y" | "ye" | "yes" | "on" | "1" => Some(true),
        "f" | "fa" | "fal" | "fals" | "false" | "n" | "no" | "of" | "off" | "0" => Some(false),
        _ => None,
    }
}
