//! Which predicates of a question may be applied to rows that are not granted.
//!
//! Only those that cannot fail, whatever the row holds, and that no column's type has to be changed for: a
//! division, a cast or a function that fails on one value would tell that the value is there.

use datafusion::arrow::datatypes::Schema;
use datafusion::common::Column;
use datafusion::common::tree_node::{Transformed, TreeNode as _};
use datafusion::error::Result;
use datafusion::logical_expr::expr::InList;
use datafusion::logical_expr::{Between, BinaryExpr, Expr, Operator};

/// Comparisons of a clear column with values of its own type, and `and`, `or`, `not` over them.
pub(crate) fn is_safe(filter: &Expr, schema: &Schema, is_clear: &dyn Fn(&str) -> bool) -> bool {
    let safe = |expr: &Expr| is_safe(expr, schema, is_clear);
    let clear = |column: &Expr| match column {
        Expr::Column(column) => is_clear(column.name()),
        _ => false,
    };
    let fits = |column: &Expr, value: &Expr| match (column, value) {
        (Expr::Column(column), Expr::Literal(value, _)) => schema
            .field_with_name(column.name())
            .is_ok_and(|field| *field.data_type() == value.data_type() && is_clear(column.name())),
        _ => false,
    };
    match filter {
        Expr::BinaryExpr(BinaryExpr { left, op, right }) => match op {
            Operator::And | Operator::Or => safe(left) && safe(right),
            Operator::Eq
            | Operator::NotEq
            | Operator::Lt
            | Operator::LtEq
            | Operator::Gt
            | Operator::GtEq => fits(left, right) || fits(right, left),
            _ => false,
        },
        Expr::Not(inner) => safe(inner),
        Expr::IsNull(column) | Expr::IsNotNull(column) => clear(column),
        Expr::Between(Between { expr, negated: _, low, high }) => {
            fits(expr, low) && fits(expr, high)
        }
        Expr::InList(InList { expr, list, negated: _ }) => {
            list.iter().all(|value| fits(expr, value))
        }
        _ => false,
    }
}

/// The same over columns without the name that the question gave the table.
pub(crate) fn bare(filter: &Expr) -> Result<Expr> {
    let changed = filter.clone().transform(|expr| {
        Ok(match expr {
            Expr::Column(column) => {
                Transformed::yes(Expr::Column(Column::new_unqualified(column.name)))
            }
            other => Transformed::no(other),
        })
    })?;
    Ok(changed.data)
}

#[cfg(test)]
mod tests {
    use datafusion::arrow::datatypes::{DataType, Field};
    use datafusion::logical_expr::{cast, col, lit};

    use super::*;

    #[test]
    fn only_what_cannot_fail_is_safe() {
        let schema = Schema::new(vec![
            Field::new("a", DataType::Int64, true),
            Field::new("t", DataType::Utf8, true),
            Field::new("masked", DataType::Utf8, true),
        ]);
        let clear = |name: &str| name != "masked";
        let safe = [
            col("a").eq(lit(1_i64)),
            lit(1_i64).lt(col("a")).or(col("t").eq(lit("x"))),
            !col("x.a").is_null(),
            col("t").in_list(vec![lit("x"), lit("y")], true),
            col("a").between(lit(1_i64), lit(2_i64)),
        ];
        for filter in safe {
            assert!(is_safe(&filter, &schema, &clear), "{filter}");
        }
        let unsafe_ones = [
            (lit(1_i64) / col("a")).gt(lit(1_i64)),
            cast(col("t"), DataType::Int64).eq(lit(1_i64)),
            // The column would be cast.
            col("t").eq(lit(1_i64)),
            col("a").eq(lit("1")),
            col("masked").eq(lit("x")),
            col("masked").is_null(),
            col("a").eq(lit(1_i64)).and(col("masked").is_not_null()),
            col("t").like(lit("%\\")),
            col("a").eq(col("a")),
            lit(true),
        ];
        for filter in unsafe_ones {
            assert!(!is_safe(&filter, &schema, &clear), "{filter}");
        }
    }
}
