//! Scalar sub-queries in a form the planner can turn into joins.
//!
//! The planner joins a correlated scalar sub-query only when it is an aggregate whose correlation is by
//! equality. PostgreSQL asks for neither. Three general rules close the gap:
//!
//! 1. a plain sub-query gets the aggregate [`crate::functions::single_value`], which keeps PostgreSQL's
//!    meaning (no row is NULL, two rows are an error);
//! 2. where the sub-query says `inner = outer`, every other use of `outer` in it becomes `inner`;
//! 3. a conjunct that speaks of outer columns alone moves out: `(SELECT x … AND p)` is
//!    `CASE WHEN p THEN (SELECT x …) END`.

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    BinaryOperator, Expr, Function, GroupByExpr, Ident, JoinOperator, Query, Select, SelectItem,
    SetExpr, TableFactor, VisitMut, VisitorMut, visit_expressions,
};

use super::rewrite::call;
use crate::functions::single_value;

/// Applies the rules to the sub-query of a scalar expression. Returns the condition that moved out.
pub(super) fn make_scalar(query: &mut Query, aggregates: &BTreeSet<String>) -> Option<Expr> {
    let limited = query.limit_clause.is_some() || query.fetch.is_some();
    let select = plain_select(query)?;
    let aggregated = has_aggregate(select, aggregates);
    if !aggregated && limited {
        return None;
    }
    let inner = relations(select);
    if let Some(filter) = &mut select.selection {
        substitute(filter, &inner);
    }
    if aggregated || select.from.is_empty() || !aggregate_select(select, single_value::NAME) {
        return None;
    }
    let moved = select.selection.take().and_then(|filter| {
        let (outer, own): (Vec<Expr>, Vec<Expr>) =
            conjuncts(filter).into_iter().partition(|one| only_outer(one, &inner));
        select.selection = own.into_iter().reduce(both);
        outer.into_iter().reduce(both)
    });
    // The order of one row does not matter.
    query.order_by = None;
    moved
}

pub(super) fn both(left: Expr, right: Expr) -> Expr {
    Expr::BinaryOp { left: Box::new(left), op: BinaryOperator::And, right: Box::new(right) }
}

pub(super) fn conjuncts(filter: Expr) -> Vec<Expr> {
    match filter {
        Expr::Nested(inner) => conjuncts(*inner),
        Expr::BinaryOp { left, op: BinaryOperator::And, right } => {
            let mut all = conjuncts(*left);
            all.extend(conjuncts(*right));
            all
        }
        other => vec![other],
    }
}

/// Whether an expression names columns, and none of the sub-query's own tables. A bare name may be
/// either's, so it counts as own.
pub(super) fn only_outer(expr: &Expr, inner: &BTreeSet<String>) -> bool {
    let mut named = false;
    let own = visit_expressions(expr, |part| match part {
        Expr::CompoundIdentifier(name) => {
            named = true;
            match relation_of(name) {
                Some(relation) if !inner.contains(relation) => ControlFlow::Continue(()),
                _ => ControlFlow::Break(()),
            }
        }
        Expr::Identifier(_) | Expr::Subquery(_) | Expr::InSubquery { .. } | Expr::Exists { .. } => {
            ControlFlow::Break(())
        }
        _ => ControlFlow::Continue(()),
    });
    named && own.is_continue()
}

/// The table in a column's name: `t` of `t.c` and of `s.t.c`.
pub(super) fn relation_of(name: &[Ident]) -> Option<&String> {
    name.len().checked_sub(2).and_then(|at| name.get(at)).map(|ident| &ident.value)
}

/// Applies rule 2 to a plain sub-query.
pub(super) fn substitute_outer(select: &mut Select) {
    let inner = relations(select);
    if let Some(filter) = &mut select.selection {
        substitute(filter, &inner);
    }
}

/// Whether a scalar sub-query asks one of the catalogs that never have rows: it is NULL then. The planner would plan
/// it first, which it cannot where its columns are made of the outer query's.
pub(super) fn of_nothing(
    query: &mut Query,
    empty: &BTreeSet<String>,
    aggregates: &BTreeSet<String>,
) -> bool {
    let Some(select) = plain_select(query) else { return false };
    let [from] = select.from.as_slice() else { return false };
    let mut nothing = is_empty(&from.relation, empty);
    for join in &from.joins {
        match &join.join_operator {
            JoinOperator::Join(_) | JoinOperator::Inner(_) | JoinOperator::CrossJoin(_) => {
                nothing |= is_empty(&join.relation, empty);
            }
            JoinOperator::Left(_) | JoinOperator::LeftOuter(_) => {}
            _ => return false,
        }
    }
    nothing && !has_aggregate(select, aggregates)
}

/// Whether a table is a catalog without rows.
fn is_empty(factor: &TableFactor, empty: &BTreeSet<String>) -> bool {
    let TableFactor::Table { name, args: None, .. } = factor else { return false };
    let known = name.to_string().to_ascii_lowercase();
    known.strip_prefix("pg_catalog.").is_some_and(|table| empty.contains(table))
}

/// The sub-query as one `SELECT` without grouping, if it is one.
pub(super) fn plain_select(query: &mut Query) -> Option<&mut Select> {
    if query.with.is_some() {
        return None;
    }
    match query.body.as_mut() {
        SetExpr::Select(select) => is_plain(select).then_some(select),
        _ => None,
    }
}

/// Whether a `SELECT` has neither groups nor `DISTINCT`.
pub(super) fn is_plain(select: &Select) -> bool {
    let grouped = match &select.group_by {
        GroupByExpr::All(_) => true,
        GroupByExpr::Expressions(by, _) => !by.is_empty(),
    };
    !grouped && select.distinct.is_none() && select.having.is_none() && select.qualify.is_none()
}

fn aggregate_select(select: &mut Select, function: &str) -> bool {
    let [item] = select.projection.as_mut_slice() else { return false };
    let expr = match item {
        SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. } => expr,
        _ => return false,
    };
    *item = SelectItem::UnnamedExpr(call(function, vec![expr.clone()]));
    true
}

/// Whether the sub-query gives one row because it aggregates.
pub(super) fn has_aggregate(select: &Select, aggregates: &BTreeSet<String>) -> bool {
    visit_expressions(&select.projection, |expr| match expr {
        Expr::Function(Function { name, over: None, .. })
            if aggregates.contains(&name.to_string().to_ascii_lowercase()) =>
        {
            ControlFlow::Break(())
        }
        _ => ControlFlow::Continue(()),
    })
    .is_break()
}

/// Names under which the sub-query's own tables are known.
pub(super) fn relations(select: &Select) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for table in &select.from {
        let factors =
            std::iter::once(&table.relation).chain(table.joins.iter().map(|join| &join.relation));
        for factor in factors {
            match factor {
                TableFactor::Table { alias: Some(alias), .. }
                | TableFactor::Derived { alias: Some(alias), .. } => {
                    names.insert(alias.name.value.clone());
                }
                TableFactor::Table { name, .. } => {
                    if let Some(last) = name.0.last().and_then(|part| part.as_ident()) {
                        names.insert(last.value.clone());
                    }
                }
                _ => {}
            }
        }
    }
    names
}

fn substitute(filter: &mut Expr, inner: &BTreeSet<String>) {
    let mut equalities = Vec::new();
    collect(filter, inner, &mut equalities);
    for (outer, replacement) in equalities {
        let mut replace = Replace { outer: &outer, inner: &replacement };
        let _: ControlFlow<()> = filter.visit(&mut replace);
    }
}

/// `(outer, inner)` of each `inner = outer` that is a conjunct of the filter.
fn collect(filter: &Expr, inner: &BTreeSet<String>, found: &mut Vec<(Vec<Ident>, Vec<Ident>)>) {
    match filter {
        Expr::Nested(filter) => collect(filter, inner, found),
        Expr::BinaryOp { left, op: BinaryOperator::And, right } => {
            collect(left, inner, found);
            collect(right, inner, found);
        }
        Expr::BinaryOp { left, op: BinaryOperator::Eq, right } => {
            let (Expr::CompoundIdentifier(left), Expr::CompoundIdentifier(right)) =
                (left.as_ref(), right.as_ref())
            else {
                return;
            };
            let own = |name: &[Ident]| relation_of(name).is_some_and(|it| inner.contains(it));
            match (own(left), own(right)) {
                (true, false) => found.push((right.clone(), left.clone())),
                (false, true) => found.push((left.clone(), right.clone())),
                _ => {}
            }
        }
        _ => {}
    }
}

/// Replaces one column by another everywhere but in the equality that says they are the same.
struct Replace<'a> {
    outer: &'a [Ident],
    inner: &'a [Ident],
}

impl VisitorMut for Replace<'_> {
    type Break = ();

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        let named = |expr: &Expr, name: &[Ident]| {
            matches!(expr, Expr::CompoundIdentifier(parts)
            if parts.as_slice() == name)
        };
        let Expr::BinaryOp { left, op, right } = expr else { return ControlFlow::Continue(()) };
        let the_equality = *op == BinaryOperator::Eq
            && ((named(left, self.outer) && named(right, self.inner))
                || (named(left, self.inner) && named(right, self.outer)));
        if !the_equality {
            for side in [left, right] {
                if named(side, self.outer) {
                    **side = Expr::CompoundIdentifier(self.inner.to_vec());
                }
            }
        }
        ControlFlow::Continue(())
    }
}
