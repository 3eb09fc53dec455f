//! `FROM t CROSS JOIN unnest(t.array) AS element`: for each row of a table the elements of an array in it.
//!
//! The planner takes such a join for a sub-query about an outer row and cannot carry it out. Where the table is the
//! first of the join and the array a column of it, the elements become one more column of the table.

use datafusion::sql::sqlparser::ast::{
    Expr, Ident, JoinConstraint, JoinOperator, Query, SelectItem, SetExpr, Statement, TableAlias,
    TableFactor, TableWithJoins,
};

/// Rewrites the joins of a query; queries within it are visited by themselves.
pub(super) fn beside_its_table(query: &mut Query) {
    in_body(&mut query.body);
}

fn in_body(body: &mut SetExpr) {
    match body {
        SetExpr::Select(select) => {
            for table in &mut select.from {
                if let Some(widened) = widened(table) {
                    table.relation = widened;
                    table.joins.remove(0);
                }
            }
        }
        SetExpr::SetOperation { left, right, .. } => {
            in_body(left);
            in_body(right);
        }
        _ => {}
    }
}

/// The table with the elements of an array, if the first join is that.
fn widened(table: &TableWithJoins) -> Option<TableFactor> {
    let first = table.joins.first()?;
    let crossed = matches!(first.join_operator, JoinOperator::CrossJoin(JoinConstraint::None));
    let TableFactor::UNNEST { alias: Some(element), array_exprs, with_ordinality: false, .. } =
        &first.relation
    else {
        return None;
    };
    let TableFactor::Table { name, alias, args: None, .. } = &table.relation else { return None };
    let known = match alias {
        Some(alias) if alias.columns.is_empty() => alias.name.clone(),
        Some(_) => return None,
        None => name.0.last()?.as_ident()?.clone(),
    };
    let element = match element.columns.as_slice() {
        [] => element.name.clone(),
        // The column can be named without its table only.
        [column] if column.name == element.name => column.name.clone(),
        _ => return None,
    };
    let [array] = array_exprs.as_slice() else { return None };
    if !crossed || !is_column_of(array, &known) {
        return None;
    }
    let mut inner = template()?;
    let SetExpr::Select(select) = inner.body.as_mut() else { return None };
    let [_, SelectItem::ExprWithAlias { expr, alias }] = select.projection.as_mut_slice() else {
        return None;
    };
    *alias = element;
    let Expr::Function(unnest) = expr else { return None };
    *unnest = match super::rewrite::call("unnest", vec![array.clone()]) {
        Expr::Function(unnest) => unnest,
        _ => return None,
    };
    select.from.first_mut()?.relation = table.relation.clone();
    Some(TableFactor::Derived {
        lateral: false,
        subquery: inner,
        alias: Some(TableAlias { explicit: true, name: known, columns: Vec::new(), at: None }),
        sample: None,
    })
}

fn is_column_of(array: &Expr, table: &Ident) -> bool {
    match array {
        Expr::Identifier(_) => true,
        Expr::CompoundIdentifier(parts) => {
            matches!(parts.as_slice(), [of, _] if of.value.eq_ignore_ascii_case(&table.value))
        }
        _ => false,
    }
}

fn template() -> Option<Box<Query>> {
    let text = "SELECT *, unnest(a) AS element FROM t";
    match super::parse(text, text.len()).ok()?.pop()? {
        Statement::Query(query) => Some(query),
        _ => None,
    }
}
