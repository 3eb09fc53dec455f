//! A recursive scalar sub-query about one row of the outer query, in a form the planner can turn into a join.
//!
//! `(WITH RECURSIVE r AS (SELECT … WHERE i.a = o.b UNION ALL SELECT … FROM …, r …) SELECT x FROM r …)` begins with
//! the rows of one `o.b`. The planner knows the outer query's columns at the top of a sub-query only, so the
//! recursion begins with the rows of every value here, each row carries the value that it began with, and the top
//! asks for those that began with `o.b`. `ORDER BY y LIMIT 1` becomes `first_value(x ORDER BY y)`.

use std::collections::BTreeSet;

use datafusion::sql::sqlparser::ast::{
    BinaryOperator, Expr, FunctionArguments, Ident, LimitClause, ObjectNamePart, OrderByKind,
    Query, Select, SelectItem, SetExpr, SetOperator, SetQuantifier, TableAliasColumnDef,
    TableFactor, Value,
};

use super::array::{order_clause, ordered_by};
use super::correlate::{
    both, conjuncts, has_aggregate, is_plain, only_outer, relation_of, relations,
};
use super::rewrite::call;
use crate::functions::single_value;

/// The column that carries the value a row began with.
const BEGINNING: &str = "ledgerline_beginning";

/// Brings such a sub-query into that form. Any other one is left as it is.
pub(super) fn uncorrelate(query: &mut Query, aggregates: &BTreeSet<String>) {
    if let Some(new) = uncorrelated(query.clone(), aggregates) {
        *query = new;
    }
}

fn uncorrelated(mut query: Query, aggregates: &BTreeSet<String>) -> Option<Query> {
    let one = limited_to_one(&query)?;
    let with = query.with.as_mut().filter(|with| with.recursive)?;
    let [table] = with.cte_tables.as_mut_slice() else { return None };
    let name = table.alias.name.value.clone();
    let bounded = table.query.order_by.is_some()
        || table.query.limit_clause.is_some()
        || table.query.fetch.is_some()
        || table.query.with.is_some();
    let SetExpr::SetOperation {
        left,
        right,
        op: SetOperator::Union,
        set_quantifier: SetQuantifier::All | SetQuantifier::None | SetQuantifier::Distinct,
    } = table.query.body.as_mut()
    else {
        return None;
    };
    let (SetExpr::Select(first), SetExpr::Select(next)) = (left.as_mut(), right.as_mut()) else {
        return None;
    };
    let of_rows = |select: &Select| is_plain(select) && !has_aggregate(select, aggregates);
    if bounded || !of_rows(first) || !of_rows(next) {
        return None;
    }
    let (own, outer) = beginning(first)?;
    let again = reference(next, &name)?;
    first.projection.push(named(Expr::CompoundIdentifier(own)));
    next.projection.push(named(Expr::CompoundIdentifier(vec![again, Ident::new(BEGINNING)])));
    if !table.alias.columns.is_empty() {
        let column = TableAliasColumnDef { name: Ident::new(BEGINNING), data_type: None };
        table.alias.columns.push(column);
    }

    let order = match query.order_by.take().map(|order| order.kind) {
        Some(OrderByKind::Expressions(by)) => by,
        Some(OrderByKind::All(_)) => return None,
        None => Vec::new(),
    };
    query.limit_clause = None;
    let SetExpr::Select(top) = query.body.as_mut() else { return None };
    let [from] = top.from.as_slice() else { return None };
    if !is_plain(top) || !from.joins.is_empty() {
        return None;
    }
    let whole = reference(top, &name)?;
    if !has_aggregate(top, aggregates) {
        let (value, alias) = match top.projection.as_slice() {
            [SelectItem::UnnamedExpr(expr)] => (expr.clone(), None),
            [SelectItem::ExprWithAlias { expr, alias }] => (expr.clone(), Some(alias.clone())),
            _ => return None,
        };
        let order = order.into_iter().map(|by| ordered_by(by, &value, alias.as_ref())).collect();
        let function = if one { "first_value" } else { single_value::NAME };
        let mut aggregate = call(function, vec![value]);
        if let Expr::Function(function) = &mut aggregate
            && let FunctionArguments::List(list) = &mut function.args
            && one
        {
            list.clauses = order_clause(order);
        }
        top.projection = vec![SelectItem::UnnamedExpr(aggregate)];
    }
    let began = Expr::BinaryOp {
        left: Box::new(Expr::CompoundIdentifier(vec![whole, Ident::new(BEGINNING)])),
        op: BinaryOperator::Eq,
        right: Box::new(Expr::CompoundIdentifier(outer)),
    };
    top.selection = Some(match top.selection.take() {
        Some(filter) => both(Expr::Nested(Box::new(filter)), began),
        None => began,
    });
    Some(query)
}

/// Whether a query says `LIMIT 1`; `None` if it is bounded in another way.
fn limited_to_one(query: &Query) -> Option<bool> {
    if query.fetch.is_some() {
        return None;
    }
    match &query.limit_clause {
        None => Some(false),
        Some(LimitClause::LimitOffset {
            limit: Some(Expr::Value(limit)),
            offset: None,
            limit_by,
        }) if limit_by.is_empty() => match &limit.value {
            Value::Number(number, _) if number == "1" => Some(true),
            _ => None,
        },
        Some(_) => None,
    }
}

/// Takes the one `own = outer` out of what a recursion begins with.
fn beginning(select: &mut Select) -> Option<(Vec<Ident>, Vec<Ident>)> {
    let inner = relations(select);
    let is_own = |name: &[Ident]| relation_of(name).map(|relation| inner.contains(relation));
    let (mut found, mut rest) = (Vec::new(), Vec::new());
    for one in conjuncts(select.selection.clone()?) {
        if let Expr::BinaryOp { left, op: BinaryOperator::Eq, right } = &one
            && let (Expr::CompoundIdentifier(left), Expr::CompoundIdentifier(right)) =
                (left.as_ref(), right.as_ref())
        {
            match (is_own(left), is_own(right)) {
                (Some(true), Some(false)) => {
                    found.push((left.clone(), right.clone()));
                    continue;
                }
                (Some(false), Some(true)) => {
                    found.push((right.clone(), left.clone()));
                    continue;
                }
                _ => {}
            }
        }
        if only_outer(&one, &inner) {
            return None;
        }
        rest.push(one);
    }
    select.selection = rest.into_iter().reduce(both);
    match (found.pop(), found.is_empty()) {
        (Some(only), true) => Some(only),
        _ => None,
    }
}

/// The name under which a `SELECT` knows the table, if it reads it once.
fn reference(select: &Select, table: &str) -> Option<Ident> {
    let factors = select.from.iter().flat_map(|from| {
        std::iter::once(&from.relation).chain(from.joins.iter().map(|join| &join.relation))
    });
    let mut names = factors.filter_map(|factor| match factor {
        TableFactor::Table { name, alias, args: None, .. } => match name.0.as_slice() {
            [ObjectNamePart::Identifier(ident)] if ident.value == table => {
                Some(alias.as_ref().map_or_else(|| ident.clone(), |alias| alias.name.clone()))
            }
            _ => None,
        },
        _ => None,
    });
    match (names.next(), names.next()) {
        (Some(name), None) => Some(name),
        _ => None,
    }
}

fn named(expr: Expr) -> SelectItem {
    SelectItem::ExprWithAlias { expr, alias: Ident::new(BEGINNING) }
}
