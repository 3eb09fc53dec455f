//! What a statement tells about its parameters `$1`, `$2` … before any are bound.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use datafusion::arrow::datatypes::DataType;
use datafusion::logical_expr::LogicalPlan;
use datafusion::sql::sqlparser::ast::{
    DataType as SqlType, Expr, Statement, Value, visit_expressions,
};

use crate::error::QueryError;

/// Types of `$1`, `$2` … in order; `None` where neither the plan nor a cast tells.
///
/// # Errors
/// [`QueryError`] when one parameter would have two types.
pub(crate) fn types(
    statement: &Statement,
    plan: &LogicalPlan,
) -> Result<Vec<Option<DataType>>, QueryError> {
    let planned = plan.get_parameter_types()?;
    let cast = cast_types(statement);
    let named = (1..=planned.len()).map(|number| {
        let name = format!("${number}");
        planned.get(&name).cloned().flatten().or_else(|| cast.get(&name).cloned())
    });
    Ok(named.collect())
}

/// Types of parameters that the statement casts itself, as in `$1::bigint`.
fn cast_types(statement: &Statement) -> BTreeMap<String, DataType> {
    let mut found = BTreeMap::new();
    let _: ControlFlow<()> = visit_expressions(statement, |expr| {
        if let Expr::Cast { expr, data_type, .. } = expr
            && let Expr::Value(value) = expr.as_ref()
            && let Value::Placeholder(name) = &value.value
            && let Some(known) = match data_type {
                SqlType::BigInt(_) | SqlType::Int8(_) => Some(DataType::Int64),
                SqlType::Integer(_) | SqlType::Int(_) | SqlType::Int4(_) => Some(DataType::Int32),
                SqlType::DoublePrecision | SqlType::Float8 => Some(DataType::Float64),
                SqlType::Boolean | SqlType::Bool => Some(DataType::Boolean),
                SqlType::Text | SqlType::Varchar(_) => Some(DataType::Utf8),
                _ => None,
            }
        {
            found.insert(name.clone(), known);
        }
        ControlFlow::Continue(())
    });
    found
}
