//! Names of answer columns as PostgreSQL gives them.
//!
//! PostgreSQL calls an unnamed column after the function or column it comes from, `?column?` otherwise,
//! and lets names repeat. The planner wants distinct names: repeated ones get a hidden suffix here and
//! their plain name back at the door. The same holds of sub-queries that stand for tables, whose columns
//! are named outside (`SELECT count FROM (SELECT count(*) FROM t) AS counted`).

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use datafusion::arrow::datatypes::Schema;
use datafusion::sql::sqlparser::ast::{
    ArrayElemTypeDef, DataType, Expr, Ident, Query, SelectItem, SetExpr, Statement, TableFactor,
    VisitMut, VisitorMut,
};

/// Comes between a repeated name and its number.
const HIDDEN: char = '\u{1f}';

/// Gives every unnamed column its name and makes the names distinct inside.
///
/// Returns the names to show, in order; `None` if the columns are only known after planning (`*`).
pub(crate) fn apply(statement: &mut Statement) -> Option<Vec<String>> {
    // This never breaks off.
    let _: ControlFlow<()> = statement.visit(&mut OfTables);
    match statement {
        Statement::Query(query) => of_query(query),
        _ => None,
    }
}

/// The names to show of columns that were not known before planning; `None` if they are as planned.
pub(crate) fn shown(schema: &Schema) -> Option<Vec<String>> {
    let names = || schema.fields().iter().map(|field| field.name());
    names()
        .any(|name| name.contains(HIDDEN))
        .then(|| names().map(|name| name.split(HIDDEN).next().unwrap_or(name).to_owned()).collect())
}

/// Names the columns of sub-queries that stand for tables.
struct OfTables;

impl VisitorMut for OfTables {
    type Break = ();

    fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<()> {
        for table in query.with.iter_mut().flat_map(|with| &mut with.cte_tables) {
            inside(&mut table.query.body);
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_table_factor(&mut self, factor: &mut TableFactor) -> ControlFlow<()> {
        if let TableFactor::Derived { subquery, .. } = factor {
            inside(&mut subquery.body);
        }
        ControlFlow::Continue(())
    }
}

/// Names what has no name of its own. A name that repeats can be meant by nobody: each of its columns is hidden.
fn inside(body: &mut SetExpr) {
    let select = match body {
        SetExpr::Select(select) => select,
        SetExpr::Query(inner) => return inside(&mut inner.body),
        SetExpr::SetOperation { left, right, .. } => {
            inside(right);
            return inside(left);
        }
        _ => return,
    };
    let name = |item: &SelectItem| match item {
        SelectItem::ExprWithAlias { alias, .. } => Some(identifier(alias)),
        SelectItem::UnnamedExpr(expr) => Some(name_of(expr)),
        _ => None,
    };
    let names: Vec<_> = select.projection.iter().map(name).collect();
    for (at, item) in select.projection.iter_mut().enumerate() {
        let SelectItem::UnnamedExpr(expr) = item else { continue };
        if matches!(expr, Expr::Identifier(_) | Expr::CompoundIdentifier(_)) {
            continue;
        }
        let Some(Some(own)) = names.get(at) else { continue };
        let repeated = names.iter().flatten().filter(|name| *name == own).count() > 1;
        let inner = if repeated { format!("{own}{HIDDEN}{at}") } else { own.clone() };
        let alias = Ident::with_quote('"', inner);
        *item = SelectItem::ExprWithAlias { expr: expr.clone(), alias };
    }
}

fn of_query(query: &mut Query) -> Option<Vec<String>> {
    of_body(&mut query.body)
}

fn of_body(body: &mut SetExpr) -> Option<Vec<String>> {
    let select = match body {
        SetExpr::Select(select) => select,
        SetExpr::Query(inner) => return of_query(inner),
        SetExpr::SetOperation { left, right, .. } => {
            // The first part names the columns; the others only need distinct names.
            of_body(right);
            return of_body(left);
        }
        _ => return None,
    };
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    let mut names = Vec::with_capacity(select.projection.len());
    for item in &mut select.projection {
        let (shown, plain) = match item {
            SelectItem::ExprWithAlias { alias, .. } => (identifier(alias), true),
            SelectItem::UnnamedExpr(expr @ (Expr::Identifier(_) | Expr::CompoundIdentifier(_))) => {
                (name_of(expr), true)
            }
            SelectItem::UnnamedExpr(expr) => (name_of(expr), false),
            _ => return None,
        };
        let count = seen.entry(shown.clone()).or_insert(0);
        *count += 1;
        let repeated = *count > 1;
        if repeated || !plain {
            let inner = if repeated { format!("{shown}{HIDDEN}{count}") } else { shown.clone() };
            let alias = Ident::with_quote('"', inner);
            match item {
                SelectItem::UnnamedExpr(expr) => {
                    *item = SelectItem::ExprWithAlias { expr: expr.clone(), alias };
                }
                SelectItem::ExprWithAlias { alias: old, .. } => *old = alias,
                _ => {}
            }
        }
        names.push(shown);
    }
    Some(names)
}

fn identifier(ident: &Ident) -> String {
    match ident.quote_style {
        Some(_) => ident.value.clone(),
        None => ident.value.to_ascii_lowercase(),
    }
}

fn name_of(expr: &Expr) -> String {
    match expr {
        Expr::Identifier(ident) => identifier(ident),
        Expr::CompoundIdentifier(parts) => parts.last().map_or_else(unnamed, identifier),
        Expr::Function(function) => {
            function.name.0.last().and_then(|part| part.as_ident()).map_or_else(unnamed, identifier)
        }
        Expr::Cast { expr, data_type, .. } => match expr.as_ref() {
            Expr::Value(_) => type_name(data_type),
            inner => match name_of(inner) {
                name if name == UNNAMED => type_name(data_type),
                name => name,
            },
        },
        Expr::Nested(inner) | Expr::Collate { expr: inner, .. } => name_of(inner),
        Expr::Case { .. } => "case".to_owned(),
        Expr::Extract { .. } => "extract".to_owned(),
        Expr::Exists { .. } => "exists".to_owned(),
        _ => unnamed(),
    }
}

/// The name of a type in the catalogs, which is the name of a column that is cast to it; of an array, its elements'.
fn type_name(data_type: &DataType) -> String {
    let text = match data_type {
        DataType::Array(
            ArrayElemTypeDef::SquareBracket(element, _) | ArrayElemTypeDef::AngleBracket(element),
        ) => return type_name(element),
        other => other.to_string().to_ascii_lowercase(),
    };
    let zoned = text.ends_with("with time zone") && !text.ends_with("without time zone");
    let name = text.split(['(', ' ']).next().unwrap_or(&text);
    let name = name.rsplit('.').next().unwrap_or(name).trim_matches('"');
    match name {
        _ if text.ends_with(" unsigned") => "unsigned",
        "boolean" => "bool",
        "smallint" => "int2",
        "int" | "integer" => "int4",
        "bigint" => "int8",
        "real" => "float4",
        "double" | "float" => "float8",
        "decimal" | "dec" => "numeric",
        "character" | "char" if text.contains("varying") => "varchar",
        "character" | "char" => "bpchar",
        "timestamp" if zoned => "timestamptz",
        "time" if zoned => "timetz",
        other => other,
    }
    .to_owned()
}

const UNNAMED: &str = "?column?";

fn unnamed() -> String {
    UNNAMED.to_owned()
}
