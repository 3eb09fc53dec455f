//! Filters of a request as SQL conditions. Columns are looked up by name; values become parameters.

use async_graphql::Value;
use datafusion::scalar::ScalarValue;
use ledgerline_projections::{ColumnDef, ColumnType};

use super::compile::{Sql, time};
use super::kind;
use crate::error::QueryError;
use crate::views::View;

/// Most comparisons of one question.
const COMPARISONS_MAX: usize = 256;
/// Most values of one `in` or `notin`.
const VALUES_MAX: usize = 1_000;
/// Keys that only lead to where the fields are, as in `activities: { nodes: { … } }`.
const PATH: [&str; 3] = [kind::CHANNELS, kind::ACTIVITIES, "nodes"];

/// What the fields of a filter are.
#[derive(Clone, Copy)]
pub(super) struct Scope {
    /// The argument, for messages.
    pub(super) argument: &'static str,
    /// Their columns.
    pub(super) view: &'static View,
    /// Name of the table in the question.
    pub(super) table: &'static str,
}

/// A filter as one condition, in parentheses.
///
/// # Errors
/// [`QueryError::Value`] naming argument and field.
pub(super) fn condition(sql: &mut Sql, scope: Scope, filter: &Value) -> Result<String, QueryError> {
    fields(sql, scope, None, filter)
}

/// All conditions of an object. `within` is the object of the record that its fields are nested in.
fn fields(
    sql: &mut Sql,
    scope: Scope,
    within: Option<&str>,
    filter: &Value,
) -> Result<String, QueryError> {
    let argument = scope.argument;
    let Value::Object(entries) = filter else {
        return Err(QueryError::Value(format!("{argument}: {filter} is not an object")));
    };
    let mut conditions = Vec::new();
    for (key, value) in entries {
        let key = key.as_str();
        let condition = match key {
            // Null is as if it were not there, so that a variable can be left out.
            _ if *value == Value::Null => continue,
            "and" | "or" if within.is_none() => {
                let word = if key == "and" { " AND " } else { " OR " };
                let parts = listed(value).iter().map(|part| fields(sql, scope, None, part));
                let parts = parts.collect::<Result<Vec<_>, _>>()?;
                if parts.is_empty() {
                    return Err(QueryError::Value(format!("{argument}: {key} is empty")));
                }
                format!("({})", parts.join(word))
            }
            // What cannot be said of a row is not the case, so that a row is in `x` or in `not x`.
            "not" if within.is_none() => {
                format!("NOT coalesce({}, FALSE)", fields(sql, scope, None, value)?)
            }
            _ if PATH.contains(&key) => fields(sql, scope, None, value)?,
            _ => {
                let name = match within {
                    Some(object) => format!("{object}.{key}"),
                    None => key.to_owned(),
                };
                match kind::column(scope.view, &name) {
                    Some(column) => comparisons(sql, scope, column, value)?,
                    None if within.is_none() && is_object(scope.view, key) => {
                        fields(sql, scope, Some(key), value)?
                    }
                    None => {
                        return Err(QueryError::Column(format!("{argument}: no field {name}")));
                    }
                }
            }
        };
        conditions.push(condition);
    }
    if conditions.is_empty() {
        return Err(QueryError::Value(format!("{argument}: an object without conditions")));
    }
    Ok(format!("({})", conditions.join(" AND ")))
}

fn is_object(view: &View, name: &str) -> bool {
    view.def.columns.iter().any(|column| kind::parts(column.name).0 == Some(name))
}

/// The comparisons of one column.
fn comparisons(
    sql: &mut Sql,
    scope: Scope,
    column: &ColumnDef,
    value: &Value,
) -> Result<String, QueryError> {
    let (argument, name) = (scope.argument, column.name);
    let Value::Object(operators) = value else {
        return Err(QueryError::Value(format!(
            "{argument}: {name}: {value} is not an object of comparisons"
        )));
    };
    let shown = format!("{}.\"{name}\"", scope.table);
    let mut conditions = Vec::new();
    for (operator, operand) in operators {
        sql.comparisons += 1;
        if sql.comparisons > COMPARISONS_MAX {
            return Err(QueryError::Value(format!(
                "{argument}: more than {COMPARISONS_MAX} comparisons"
            )));
        }
        let at = format!("{argument}: {name}: {operator}");
        conditions.push(comparison(sql, &at, column, &shown, operator, operand)?);
    }
    if conditions.is_empty() {
        return Err(QueryError::Value(format!("{argument}: {name}: no comparison")));
    }
    Ok(format!("({})", conditions.join(" AND ")))
}

fn comparison(
    sql: &mut Sql,
    at: &str,
    column: &ColumnDef,
    shown: &str,
    operator: &str,
    operand: &Value,
) -> Result<String, QueryError> {
    let mut bound = |value: &Value| Ok::<_, QueryError>(sql.bind(scalar(at, column, value)?));
    let ordered = matches!(column.column_type, ColumnType::Int | ColumnType::Time);
    let text = matches!(column.column_type, ColumnType::Text | ColumnType::Json);
    Ok(match (operator, operand) {
        ("equals", Value::Null) => format!("{shown} IS NULL"),
        ("notequals", Value::Null) => format!("{shown} IS NOT NULL"),
        ("equals", value) => format!("{shown} = {}", bound(value)?),
        // Rows without a value have another value than this one.
        ("notequals", value) => format!("({shown} IS NULL OR {shown} <> {})", bound(value)?),
        ("in" | "notin", value) => {
            let values = listed(value);
            if values.is_empty() || values.len() > VALUES_MAX {
                return Err(QueryError::Value(format!(
                    "{at} has {} values; it can have 1 to {VALUES_MAX}",
                    values.len()
                )));
            }
            let values = values.iter().map(&mut bound).collect::<Result<Vec<_>, _>>()?.join(", ");
            match operator {
                "in" => format!("{shown} IN ({values})"),
                _ => format!("({shown} IS NULL OR {shown} NOT IN ({values}))"),
            }
        }
        ("gt", value) if ordered => format!("{shown} > {}", bound(value)?),
        ("gte", value) if ordered => format!("{shown} >= {}", bound(value)?),
        ("lt", value) if ordered => format!("{shown} < {}", bound(value)?),
        ("lte", value) if ordered => format!("{shown} <= {}", bound(value)?),
        ("contains" | "startsWith", value) if text => {
            let Some(part) = textual(value) else {
                return Err(QueryError::Value(format!("{at}: {value} is not text")));
            };
            let before = if operator == "contains" { "%" } else { "" };
            let pattern = format!("{before}{}%", literal(&part));
            format!("{shown} LIKE {}", sql.bind(ScalarValue::from(pattern.as_str())))
        }
        _ => return Err(QueryError::Value(format!("{at} is no comparison of this field"))),
    })
}

/// Text as a LIKE pattern that means just this text.
fn literal(text: &str) -> String {
    let mut pattern = String::with_capacity(text.len());
    for c in text.chars() {
        if matches!(c, '%' | '_' | '\\') {
            pattern.push('\\');
        }
        pattern.push(c);
    }
    pattern
}

/// A value as what its column holds.
fn scalar(at: &str, column: &ColumnDef, value: &Value) -> Result<ScalarValue, QueryError> {
    let wrong = |what: &str| QueryError::Value(format!("{at}: {value} is not {what}"));
    match column.column_type {
        ColumnType::Text | ColumnType::Json => {
            let text = textual(value).ok_or_else(|| wrong("text"))?;
            Ok(ScalarValue::from(text.as_str()))
        }
        ColumnType::Int => {
            let whole = whole(value).ok_or_else(|| wrong("a whole number"))?;
            Ok(ScalarValue::from(whole))
        }
        ColumnType::Time => {
            let whole = whole(value).ok_or_else(|| wrong("a time in milliseconds"))?;
            time(at, whole)
        }
        ColumnType::Bool => match value {
            Value::Boolean(value) => Ok(ScalarValue::from(*value)),
            _ => Err(wrong("true or false")),
        },
    }
}

/// A list; one value stands for a list of it.
pub(super) fn listed(value: &Value) -> &[Value] {
    match value {
        Value::List(values) => values,
        one => std::slice::from_ref(one),
    }
}

pub(super) fn whole(value: &Value) -> Option<i64> {
    match value {
        Value::Number(number) => number.as_i64(),
        _ => None,
    }
}

/// Text, or a name as enumerations have it: both are written by clients.
pub(super) fn textual(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Enum(name) => Some(name.to_string()),
        _ => None,
    }
}
