//! Whether the answer to a question at a fixed position is the same whenever it is asked.

use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::error::Result;
use datafusion::logical_expr::{Expr, LogicalPlan, Volatility};

/// `false` if the text or the plan uses what depends on the moment of asking: clocks, chance, who is connected, the
/// position that an instant means (which the log may only reach later).
///
/// # Errors
/// Those of walking the plan; there are none of its own.
pub(crate) fn is(sql: &str, plan: &LogicalPlan) -> Result<bool> {
    if sql.to_ascii_lowercase().contains("position_at") {
        return Ok(false);
    }
    let mut is_repeatable = true;
    plan.apply_with_subqueries(|node| {
        node.apply_expressions(|expr| {
            expr.apply(|expr| {
                if let Expr::ScalarFunction(call) = expr
                    && call.func.signature().volatility != Volatility::Immutable
                {
                    is_repeatable = false;
                    return Ok(TreeNodeRecursion::Stop);
                }
                Ok(TreeNodeRecursion::Continue)
            })
        })
    })?;
    Ok(is_repeatable)
}
