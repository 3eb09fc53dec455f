//! `tableoid`, the column of every table that is the table's own id: here of the catalogs.
//!
//! No table has it as a column, as `SELECT *` must not show it. A row's table is known where the statement names it,
//! so `c.tableoid` is the id of what `c` stands for. Where a join may leave a row of `c` out, it would be NULL then:
//! such a use is left as it is, and refused.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    Expr, Ident, JoinOperator, Query, Select, SelectItem, SetExpr, TableFactor, Value, VisitMut,
    VisitorMut,
};

const NAME: &str = "tableoid";

/// Puts ids in the place of the column in one query's own `SELECT`s.
pub(super) fn known(query: &mut Query, ids: &BTreeMap<String, i64>) {
    in_body(&mut query.body, ids);
}

fn in_body(body: &mut SetExpr, ids: &BTreeMap<String, i64>) {
    match body {
        SetExpr::Select(select) => in_select(select, ids),
        SetExpr::SetOperation { left, right, .. } => {
            in_body(left, ids);
            in_body(right, ids);
        }
        // A query in parentheses is visited by itself.
        _ => {}
    }
}

fn in_select(select: &mut Select, ids: &BTreeMap<String, i64>) {
    let tables = always_there(select, ids);
    if tables.is_empty() {
        return;
    }
    // A column of that name keeps it.
    for item in &mut select.projection {
        if let SelectItem::UnnamedExpr(expr @ Expr::CompoundIdentifier(_)) = item
            && let Some(id) = id_of(expr, &tables)
        {
            *item = SelectItem::ExprWithAlias { expr: id, alias: Ident::new(NAME) };
        }
    }
    let _: ControlFlow<()> = select.visit(&mut Ids { tables: &tables, depth: 0 });
}

/// The catalogs of which every row of the joined tables has one, by the names they are known under.
fn always_there(select: &Select, ids: &BTreeMap<String, i64>) -> BTreeMap<String, i64> {
    let mut tables = BTreeMap::new();
    for from in &select.from {
        let mut here: BTreeMap<String, i64> = named(&from.relation, ids).into_iter().collect();
        for join in &from.joins {
            match &join.join_operator {
                JoinOperator::Join(_) | JoinOperator::Inner(_) | JoinOperator::CrossJoin(_) => {
                    here.extend(named(&join.relation, ids));
                }
                JoinOperator::Left(_) | JoinOperator::LeftOuter(_) => {}
                _ => here.clear(),
            }
        }
        tables.append(&mut here);
    }
    tables
}

fn named(factor: &TableFactor, ids: &BTreeMap<String, i64>) -> Option<(String, i64)> {
    let TableFactor::Table { name, alias, args: None, .. } = factor else { return None };
    let parts: Vec<_> = name.0.iter().filter_map(|part| part.as_ident()).collect();
    let table = match parts.as_slice() {
        [table] => table,
        [schema, table] if schema.value.eq_ignore_ascii_case("pg_catalog") => table,
        _ => return None,
    };
    let id = ids.get(&table.value.to_ascii_lowercase())?;
    let known = alias.as_ref().map_or(*table, |alias| &alias.name);
    Some((known.value.clone(), *id))
}

fn id_of(expr: &Expr, tables: &BTreeMap<String, i64>) -> Option<Expr> {
    let Expr::CompoundIdentifier(parts) = expr else { return None };
    let [.., table, column] = parts.as_slice() else { return None };
    let id = tables.get(&table.value)?;
    let found = column.value.eq_ignore_ascii_case(NAME);
    found.then(|| Expr::value(Value::Number(id.to_string(), false)))
}

/// Sub-queries may know other tables by the same names, and are visited by themselves.
struct Ids<'a> {
    tables: &'a BTreeMap<String, i64>,
    depth: usize,
}

impl VisitorMut for Ids<'_> {
    type Break = ();

    fn pre_visit_query(&mut self, _: &mut Query) -> ControlFlow<()> {
        self.depth += 1;
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, _: &mut Query) -> ControlFlow<()> {
        self.depth -= 1;
        ControlFlow::Continue(())
    }

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        if self.depth == 0
            && let Some(id) = id_of(expr, self.tables)
        {
            *expr = id;
        }
        ControlFlow::Continue(())
    }
}
