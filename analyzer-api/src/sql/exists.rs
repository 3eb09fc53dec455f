//! `EXISTS` among the columns of an answer, which the planner knows in conditions only: it becomes a comparison of a
//! count with nothing.

use datafusion::sql::sqlparser::ast::{BinaryOperator, Expr, Query, SelectItem, SetExpr, Value};

use super::correlate::plain_select;
use super::rewrite::{call, take};

fn number(text: &str) -> Expr {
    Expr::value(Value::Number(text.to_owned(), false))
}

/// Rewrites the columns of a query.
pub(super) fn among_columns(query: &mut Query) {
    let SetExpr::Select(select) = query.body.as_mut() else { return };
    for item in &mut select.projection {
        if let SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. } = item {
            counted(expr);
        }
    }
}

/// Follows what combines conditions; what is inside of sub-queries has columns of its own.
fn counted(expr: &mut Expr) {
    match expr {
        Expr::Nested(inner)
        | Expr::UnaryOp { expr: inner, .. }
        | Expr::Cast { expr: inner, .. } => {
            counted(inner);
        }
        Expr::BinaryOp { left, right, .. } => {
            counted(left);
            counted(right);
        }
        Expr::Case { conditions, else_result, .. } => {
            for when in conditions {
                counted(&mut when.condition);
                counted(&mut when.result);
            }
            if let Some(otherwise) = else_result {
                counted(otherwise);
            }
        }
        Expr::Exists { .. } => {
            if let Some(new) = count(expr) {
                *expr = new;
            }
        }
        _ => {}
    }
}

fn count(expr: &mut Expr) -> Option<Expr> {
    let Expr::Exists { subquery, negated } = expr else { return None };
    // `LIMIT 0` has no row, an aggregate always has one: such sub-queries are left to the planner.
    if subquery.limit_clause.is_some() || subquery.fetch.is_some() {
        return None;
    }
    let select = plain_select(subquery)?;
    if !select.projection.iter().all(is_of_the_row) {
        return None;
    }
    select.projection = vec![SelectItem::UnnamedExpr(call("count", vec![number("1")]))];
    subquery.order_by = None;
    let op = if *negated { BinaryOperator::Eq } else { BinaryOperator::Gt };
    let Expr::Exists { subquery, .. } = take(expr) else { return None };
    let left = Box::new(Expr::Subquery(subquery));
    Some(Expr::BinaryOp { left, op, right: Box::new(number("0")) })
}

/// Whether a column is one value for each row.
fn is_of_the_row(item: &SelectItem) -> bool {
    match item {
        SelectItem::UnnamedExpr(expr) => {
            matches!(expr, Expr::Value(_) | Expr::Identifier(_) | Expr::CompoundIdentifier(_))
        }
        SelectItem::Wildcard(_) | SelectItem::QualifiedWildcard(..) => true,
        _ => false,
    }
}
