//! `ARRAY(SELECT …)`: an array made from the rows of a sub-query.
//!
//! Rows of `unnest(a)` come from an array, so a plain sub-query over it is a function of that array:
//! `ARRAY(SELECT e FROM unnest(a) x WHERE p)` is `array_transform(array_filter(a, x -> p), x -> e)`. This
//! matters where `a` is a column of the outer query, which the planner cannot unnest in a sub-query. Any
//! other one becomes the aggregate `array_agg`, which takes over its order.

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    Expr, Function, FunctionArg, FunctionArgExpr, FunctionArgumentClause, FunctionArguments, Ident,
    LambdaFunction, LambdaFunctionParameter, LambdaSyntax, OneOrManyWithParens, OrderByExpr,
    OrderByKind, Query, Select, SelectItem, TableAliasColumnDef, TableFactor, Value, VisitMut,
    VisitorMut, visit_expressions,
};

use super::correlate::{has_aggregate, plain_select, substitute_outer};
use super::rewrite::call;

/// The array of a sub-query's rows, empty without rows; `None` if the sub-query is not that simple.
pub(super) fn of_query(function: &mut Function, aggregates: &BTreeSet<String>) -> Option<Expr> {
    let is_array = function.name.to_string().eq_ignore_ascii_case("array");
    let FunctionArguments::Subquery(query) = &mut function.args else { return None };
    if !is_array || query.limit_clause.is_some() || query.fetch.is_some() {
        return None;
    }
    let array = match over_elements(query, aggregates) {
        Some(array) => array,
        None => aggregated(query)?,
    };
    Some(call("coalesce", vec![array, call("make_array", Vec::new())]))
}

/// `pg_catalog.unnest(a)` is `unnest(a)`, and an alias of it names its column too.
pub(super) fn normalize_unnest(factor: &mut TableFactor) {
    if let TableFactor::Table { name, args: Some(args), alias, .. } = factor
        && name.to_string().eq_ignore_ascii_case("unnest")
    {
        let arrays = args.args.iter().map(|arg| match arg {
            FunctionArg::Unnamed(FunctionArgExpr::Expr(array)) => Some(array.clone()),
            _ => None,
        });
        let Some(array_exprs) = arrays.collect() else { return };
        *factor = TableFactor::UNNEST {
            alias: alias.take(),
            array_exprs,
            with_offset: false,
            with_offset_alias: None,
            with_ordinality: false,
        };
    }
    if let TableFactor::UNNEST { alias: Some(alias), array_exprs, .. } = factor
        && alias.columns.is_empty()
        && array_exprs.len() == 1
    {
        alias.columns.push(TableAliasColumnDef { name: alias.name.clone(), data_type: None });
    }
}

fn over_elements(query: &mut Query, aggregates: &BTreeSet<String>) -> Option<Expr> {
    if query.order_by.is_some() {
        return None;
    }
    let select = plain_select(query)?;
    if has_aggregate(select, aggregates) {
        return None;
    }
    let [table] = select.from.as_slice() else { return None };
    let TableFactor::UNNEST { alias, array_exprs, .. } = &table.relation else { return None };
    let ([array], true) = (array_exprs.as_slice(), table.joins.is_empty()) else { return None };
    let (relation, column) = match alias {
        Some(alias) => match alias.columns.as_slice() {
            [column] => (alias.name.clone(), column.name.clone()),
            _ => return None,
        },
        None => (Ident::new("unnest"), Ident::new("unnest")),
    };
    let element = Element { relation, column };
    let array = array.clone();
    let mut filter = select.selection.clone();
    let mut value = projected(select)?.clone();
    if !std::iter::once(&value).chain(&filter).all(of_one_row) {
        return None;
    }
    element.unqualify(&mut value);
    let source = match &mut filter {
        Some(filter) => {
            element.unqualify(filter);
            call("array_filter", vec![array, element.lambda(filter.clone())])
        }
        None => array,
    };
    Some(call("array_transform", vec![source, element.lambda(value)]))
}

/// Whether an expression can be computed from one row: no sub-query, no window.
fn of_one_row(expr: &Expr) -> bool {
    visit_expressions(expr, |part| match part {
        Expr::Subquery(_) | Expr::InSubquery { .. } | Expr::Exists { .. } => ControlFlow::Break(()),
        Expr::Function(Function { over: Some(_), .. }) => ControlFlow::Break(()),
        _ => ControlFlow::Continue(()),
    })
    .is_continue()
}

/// How the sub-query calls an element of the array.
struct Element {
    relation: Ident,
    column: Ident,
}

impl Element {
    /// `x.x` becomes `x`.
    fn unqualify(&self, expr: &mut Expr) {
        let mut visitor = Unqualify(self);
        let _: ControlFlow<()> = expr.visit(&mut visitor);
    }

    fn lambda(&self, body: Expr) -> Expr {
        let parameter = LambdaFunctionParameter { name: self.column.clone(), data_type: None };
        Expr::Lambda(LambdaFunction {
            params: OneOrManyWithParens::One(parameter),
            body: Box::new(body),
            syntax: LambdaSyntax::Arrow,
        })
    }
}

struct Unqualify<'a>(&'a Element);

impl VisitorMut for Unqualify<'_> {
    type Break = ();

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        if let Expr::CompoundIdentifier(parts) = expr
            && let [relation, column] = parts.as_slice()
            && relation.value == self.0.relation.value
            && column.value == self.0.column.value
        {
            *expr = Expr::Identifier(self.0.column.clone());
        }
        ControlFlow::Continue(())
    }
}

fn aggregated(query: &mut Query) -> Option<Expr> {
    let order = match query.order_by.take().map(|order| order.kind) {
        Some(OrderByKind::Expressions(by)) => by,
        Some(OrderByKind::All(_)) => return None,
        None => Vec::new(),
    };
    let select = plain_select(query)?;
    substitute_outer(select);
    let alias = match select.projection.as_slice() {
        [SelectItem::ExprWithAlias { alias, .. }] => Some(alias.clone()),
        _ => None,
    };
    let value = projected(select)?.clone();
    let order = order.into_iter().map(|by| ordered_by(by, &value, alias.as_ref())).collect();
    let mut aggregate = call("array_agg", vec![value]);
    if let Expr::Function(Function { args: FunctionArguments::List(list), .. }) = &mut aggregate {
        list.clauses = order_clause(order);
    }
    select.projection = vec![SelectItem::UnnamedExpr(aggregate)];
    Some(Expr::Subquery(Box::new(query.clone())))
}

pub(super) fn order_clause(order: Vec<OrderByExpr>) -> Vec<FunctionArgumentClause> {
    if order.is_empty() { Vec::new() } else { vec![FunctionArgumentClause::OrderBy(order)] }
}

/// `ORDER BY 1` and `ORDER BY alias` mean the one column of the sub-query.
pub(super) fn ordered_by(mut by: OrderByExpr, value: &Expr, alias: Option<&Ident>) -> OrderByExpr {
    let is_the_column = match &by.expr {
        Expr::Value(number) => matches!(number.value, Value::Number(_, _)),
        Expr::Identifier(name) => alias.is_some_and(|alias| alias.value == name.value),
        _ => false,
    };
    if is_the_column {
        by.expr = value.clone();
    }
    by
}

/// The one column of a sub-query.
fn projected(select: &Select) -> Option<&Expr> {
    match select.projection.as_slice() {
        [SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. }] => Some(expr),
        _ => None,
    }
}
