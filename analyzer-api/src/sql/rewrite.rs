//! PostgreSQL forms brought into those that the planner knows, each by its shape:
//!
//! * `OPERATOR(pg_catalog.~)` is `~`; `COLLATE x` is dropped, as comparison is by bytes;
//! * `pg_catalog.f(x)` is `f(x)`; `pg_class` without a schema is `pg_catalog.pg_class`;
//! * casts to `regclass`, `regtype`, `oid`, `name`, `"char"` … become functions or plain types;
//! * `x = ANY (array)` is `x IN (…)`; `ARRAY(SELECT …)` is an array (see [`super::array`]);
//! * `LIKE … ESCAPE c` becomes a pattern with the usual escape;
//! * `c.tableoid` is the id of the catalog `c` (see [`super::tableoid`]);
//! * a scalar sub-query gets an aggregate that checks for one row (see [`super::correlate`]).

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::helpers::attached_token::AttachedToken;
use datafusion::sql::sqlparser::ast::{
    AccessExpr, BinaryOperator, CaseWhen, CastKind, DataType, DateTimeField, Expr, Function,
    FunctionArg, FunctionArgExpr, FunctionArgumentList, FunctionArguments, Ident, ObjectName,
    ObjectNamePart, Query, SetExpr, Statement, TableFactor, Value, VisitMut, VisitorMut,
};

use super::casts::{both_ids, by_id, catalog_cast};
use super::instant::{Nanoseconds, in_microseconds, part_of_second, seconds, with_seconds};
use super::{array, array_text, correlate, exists, recursive, tableoid, unnest};
use crate::pg::intervals::INTERVAL_TIMES;
use crate::pg::values::{BYTEA_IN, ELEMENT_OF, EXPAND_ARRAY};

/// What the rules need to know about the session.
#[derive(Debug)]
pub(crate) struct Vocabulary {
    /// Tables of `pg_catalog`, found without naming the schema.
    pub(crate) pg_tables: BTreeSet<String>,
    /// Ids of these tables.
    pub(crate) pg_ids: BTreeMap<String, i64>,
    /// Those of them that never have rows.
    pub(crate) empty: BTreeSet<String>,
    /// Names of aggregate functions.
    pub(crate) aggregates: BTreeSet<String>,
}

/// Applies all rules in place.
pub(crate) fn apply(statement: &mut Statement, vocabulary: &Vocabulary) {
    let mut rules = Rules { vocabulary };
    // The rules never break off.
    let _: ControlFlow<()> = statement.visit(&mut rules);
}

struct Rules<'a> {
    vocabulary: &'a Vocabulary,
}

impl VisitorMut for Rules<'_> {
    type Break = ();

    fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<()> {
        exists::among_columns(query);
        unnest::beside_its_table(query);
        tableoid::known(query, &self.vocabulary.pg_ids);
        ControlFlow::Continue(())
    }

    fn pre_visit_relation(&mut self, relation: &mut ObjectName) -> ControlFlow<()> {
        if let [ObjectNamePart::Identifier(table)] = relation.0.as_slice() {
            let name = table.value.to_ascii_lowercase();
            if self.vocabulary.pg_tables.contains(&name) {
                relation.0.insert(0, ObjectNamePart::Identifier(Ident::new("pg_catalog")));
            }
        }
        ControlFlow::Continue(())
    }

    fn post_visit_table_factor(&mut self, factor: &mut TableFactor) -> ControlFlow<()> {
        if let TableFactor::Table { name, args: Some(args), .. } = factor {
            keep_last(name);
            // The engine's own table functions count time in nanoseconds.
            let mut nanoseconds = Nanoseconds;
            let _: ControlFlow<()> = args.visit(&mut nanoseconds);
        }
        array::normalize_unnest(factor);
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        // A sub-query under ANY or ALL is not a scalar one: hide its plain shape from the rule below.
        if let Expr::AnyOp { right, .. } | Expr::AllOp { right, .. } = expr
            && let Expr::Subquery(query) = right.as_mut()
        {
            wrap(query);
        }
        ControlFlow::Continue(())
    }

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        if let Some(new) = self.rewritten(expr) {
            *expr = new;
        }
        ControlFlow::Continue(())
    }
}

impl Rules<'_> {
    fn rewritten(&self, expr: &mut Expr) -> Option<Expr> {
        match expr {
            Expr::Collate { expr, .. } => Some(take(expr)),
            Expr::BinaryOp { left, op, right } => {
                if let Some(plain) = plain_operator(op) {
                    *op = plain;
                }
                if *op == BinaryOperator::Multiply {
                    return match (is_interval(left), is_interval(right)) {
                        (true, false) => Some(call(INTERVAL_TIMES, vec![take(left), take(right)])),
                        (false, true) => Some(call(INTERVAL_TIMES, vec![take(right), take(left)])),
                        _ => None,
                    };
                }
                if matches!(op, BinaryOperator::Eq | BinaryOperator::NotEq) {
                    both_ids(left, right);
                    both_ids(right, left);
                    by_id(left, right);
                    by_id(right, left);
                }
                None
            }
            Expr::Like { pattern, escape_char, .. } | Expr::ILike { pattern, escape_char, .. } => {
                if let Some(escape) = escape_char.take() {
                    **pattern = call("like_escape", vec![take(pattern), Expr::Value(escape)]);
                }
                None
            }
            Expr::Identifier(name) if name.quote_style.is_none() => bare_function(&name.value),
            Expr::Function(function) => {
                keep_last(&mut function.name);
                rename(&mut function.name);
                if let Some(seconds) = part_of_second(function) {
                    return Some(seconds);
                }
                if is_place(function) {
                    return Some(Expr::Cast {
                        kind: CastKind::Cast,
                        expr: Box::new(take(expr)),
                        data_type: DataType::BigInt(None),
                        array: false,
                        format: None,
                    });
                }
                set_of(function).or_else(|| array::of_query(function, &self.vocabulary.aggregates))
            }
            // `(pair).n`: the planner wants the name of a field as a text.
            Expr::CompoundFieldAccess { root, access_chain } => {
                column_of_table(root, access_chain);
                for access in access_chain {
                    if let AccessExpr::Dot(field @ Expr::Identifier(_)) = access
                        && let Expr::Identifier(name) = &*field
                    {
                        *field = Expr::value(Value::SingleQuotedString(name.value.clone()));
                    }
                }
                None
            }
            Expr::TypedString(typed) => {
                in_microseconds(&mut typed.data_type);
                if matches!(typed.data_type, DataType::Timestamp(..)) {
                    with_seconds(&mut typed.value.value);
                }
                None
            }
            Expr::Extract { field: DateTimeField::Second, expr, .. } => Some(seconds(take(expr))),
            Expr::Cast {
                kind: CastKind::Cast | CastKind::DoubleColon,
                expr,
                data_type: DataType::Bytea,
                ..
            } => Some(call(BYTEA_IN, vec![take(expr)])),
            Expr::Cast {
                kind: CastKind::Cast | CastKind::DoubleColon, expr, data_type, ..
            } => {
                in_microseconds(data_type);
                if let (DataType::Timestamp(..), Expr::Value(value)) = (&*data_type, expr.as_mut())
                {
                    with_seconds(&mut value.value);
                }
                catalog_cast(expr, data_type)
            }
            Expr::AnyOp { left, compare_op: BinaryOperator::Eq, right, .. } => {
                if matches!(**right, Expr::Subquery(_)) {
                    return None;
                }
                Some(match elements(right) {
                    Some(list) => Expr::InList { expr: Box::new(take(left)), list, negated: false },
                    None => call(ELEMENT_OF, vec![take(left), take(right)]),
                })
            }
            Expr::AllOp { left, compare_op: BinaryOperator::NotEq, right } => {
                let list = elements(right)?;
                Some(Expr::InList { expr: Box::new(take(left)), list, negated: true })
            }
            Expr::Subquery(query) => {
                if correlate::of_nothing(query, &self.vocabulary.empty, &self.vocabulary.aggregates)
                {
                    return Some(Expr::value(Value::Null));
                }
                recursive::uncorrelate(query, &self.vocabulary.aggregates);
                let condition = correlate::make_scalar(query, &self.vocabulary.aggregates)?;
                let result = Expr::Subquery(query.clone());
                Some(Expr::Case {
                    case_token: AttachedToken::empty(),
                    end_token: AttachedToken::empty(),
                    operand: None,
                    conditions: vec![CaseWhen { condition, result }],
                    else_result: None,
                })
            }
            _ => None,
        }
    }
}

pub(super) fn take(expr: &mut Expr) -> Expr {
    std::mem::replace(expr, Expr::value(Value::Null))
}

fn wrap(query: &mut Box<Query>) {
    if matches!(*query.body, SetExpr::Select(_)) {
        let inner = query.clone();
        query.with = None;
        query.order_by = None;
        query.limit_clause = None;
        query.fetch = None;
        *query.body = SetExpr::Query(inner);
    }
}

/// Drops the schema of a function; functions live in one flat name space.
fn keep_last(name: &mut ObjectName) {
    if let Some(last) = name.0.pop() {
        name.0.clear();
        name.0.push(last);
    }
}

fn plain_operator(op: &BinaryOperator) -> Option<BinaryOperator> {
    let BinaryOperator::PGCustomBinaryOperator(parts) = op else { return None };
    Some(match parts.last()?.as_str() {
        "~" => BinaryOperator::PGRegexMatch,
        "~*" => BinaryOperator::PGRegexIMatch,
        "!~" => BinaryOperator::PGRegexNotMatch,
        "!~*" => BinaryOperator::PGRegexNotIMatch,
        "~~" => BinaryOperator::PGLikeMatch,
        "~~*" => BinaryOperator::PGILikeMatch,
        "!~~" => BinaryOperator::PGNotLikeMatch,
        "!~~*" => BinaryOperator::PGNotILikeMatch,
        "=" => BinaryOperator::Eq,
        "<>" | "!=" => BinaryOperator::NotEq,
        "<" => BinaryOperator::Lt,
        "<=" => BinaryOperator::LtEq,
        ">" => BinaryOperator::Gt,
        ">=" => BinaryOperator::GtEq,
        "+" => BinaryOperator::Plus,
        "-" => BinaryOperator::Minus,
        "||" => BinaryOperator::StringConcat,
        _ => return None,
    })
}

/// `t.c[1]` is an element of a column, which the parser reads as a field of `t`; `(t).c` has parentheses.
fn column_of_table(root: &mut Expr, chain: &mut Vec<AccessExpr>) {
    let mut names = match root {
        Expr::Identifier(name) => vec![name.clone()],
        Expr::CompoundIdentifier(names) => names.clone(),
        _ => return,
    };
    let is_name = |access: &AccessExpr| matches!(access, AccessExpr::Dot(Expr::Identifier(_)));
    let count = chain.iter().take_while(|access| is_name(access)).count();
    if count == 0 {
        return;
    }
    names.extend(chain.drain(..count).filter_map(|access| match access {
        AccessExpr::Dot(Expr::Identifier(name)) => Some(name),
        _ => None,
    }));
    *root = Expr::CompoundIdentifier(names);
}

/// Functions that give rows or arrays, as calls of functions that the planner has.
fn set_of(function: &Function) -> Option<Expr> {
    let FunctionArguments::List(list) = &function.args else { return None };
    let mut arguments = list.args.iter().map(|arg| match arg {
        FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => Some(expr.clone()),
        _ => None,
    });
    let first = arguments.next()??;
    let number = |text: &str| Expr::value(Value::Number(text.to_owned(), false));
    match function.name.to_string().to_ascii_lowercase().as_str() {
        // One row for each index of the array.
        "generate_subscripts" => {
            let last = call("array_upper", vec![first, arguments.next()??]);
            let end = Expr::BinaryOp {
                left: Box::new(last),
                op: BinaryOperator::Plus,
                right: Box::new(number("1")),
            };
            Some(call("unnest", vec![call("range", vec![number("1"), end])]))
        }
        EXPAND_ARRAY => Some(call("unnest", vec![call(EXPAND_ARRAY, vec![first])])),
        "current_schemas" => {
            let schemas = |names: &[&str]| {
                let text = |name: &&str| Expr::value(Value::SingleQuotedString((*name).to_owned()));
                call("make_array", names.iter().map(text).collect())
            };
            Some(Expr::Case {
                case_token: AttachedToken::empty(),
                end_token: AttachedToken::empty(),
                operand: None,
                conditions: vec![CaseWhen {
                    condition: first,
                    result: schemas(&["pg_catalog", "public"]),
                }],
                else_result: Some(Box::new(schemas(&["public"]))),
            })
        }
        _ => None,
    }
}

/// Whether an expression is an interval that is written out.
fn is_interval(expr: &Expr) -> bool {
    match expr {
        Expr::Interval(_) => true,
        Expr::Cast { data_type, .. } => matches!(data_type, DataType::Interval { .. }),
        Expr::Nested(inner) => is_interval(inner),
        _ => false,
    }
}

/// Whether a function numbers the rows of a window: with `bigint`, which the engine has unsigned.
fn is_place(function: &Function) -> bool {
    let name = function.name.to_string().to_ascii_lowercase();
    function.over.is_some()
        && ["row_number", "rank", "dense_rank", "ntile"].contains(&name.as_str())
}

/// Functions that the engine has under another name.
fn rename(name: &mut ObjectName) {
    if let [ObjectNamePart::Identifier(ident)] = name.0.as_mut_slice() {
        let other = match ident.value.to_ascii_lowercase().as_str() {
            "sign" => "signum",
            "variance" => "var_samp",
            _ => return,
        };
        ident.value = other.to_owned();
    }
}

/// Functions that PostgreSQL lets one call without parentheses and the parser reads as names.
fn bare_function(name: &str) -> Option<Expr> {
    let name = name.to_ascii_lowercase();
    ["current_schema", "current_catalog", "current_user", "session_user", "user", "current_role"]
        .contains(&name.as_str())
        .then(|| call(if name == "current_role" { "current_user" } else { &name }, Vec::new()))
}

/// A call of a function.
pub(super) fn call(name: &str, args: Vec<Expr>) -> Expr {
    let args = args.into_iter().map(|arg| FunctionArg::Unnamed(FunctionArgExpr::Expr(arg)));
    Expr::Function(Function {
        name: ObjectName::from(Ident::new(name)),
        uses_odbc_syntax: false,
        parameters: FunctionArguments::None,
        args: FunctionArguments::List(FunctionArgumentList {
            duplicate_treatment: None,
            args: args.collect(),
            clauses: Vec::new(),
        }),
        filter: None,
        null_treatment: None,
        over: None,
        within_group: Vec::new(),
    })
}

/// The elements of an array literal: `ARRAY[…]` or `'{a,b}'`.
fn elements(array: &mut Expr) -> Option<Vec<Expr>> {
    match array {
        Expr::Array(array) => Some(std::mem::take(&mut array.elem)),
        Expr::Nested(inner) => elements(inner),
        // An array that is written out, with its type.
        Expr::Cast { expr, data_type: DataType::Array(_), .. }
            if matches!(**expr, Expr::Value(_) | Expr::Array(_)) =>
        {
            elements(expr)
        }
        Expr::Value(value) => {
            let Value::SingleQuotedString(text) = &value.value else { return None };
            Some(array_text::elements(text)?.into_iter().map(array_element).collect())
        }
        _ => None,
    }
}

/// An element of an array that is written as text.
pub(super) fn array_element(element: Option<String>) -> Expr {
    Expr::value(element.map_or(Value::Null, Value::SingleQuotedString))
}
