//! Conditions of a report as SQL.

use ledgerline_schemas::config::report::{Comparison, ReportCondition};
use serde_json::Value;

use super::error::ReportError;

/// Most values of one condition.
const VALUES_MAX: usize = 1_000;

/// A name in quotes.
pub(super) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// A text in quotes. The dialect is fixed to standard strings: a backslash is itself.
pub(super) fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// All conditions together; `None` without any.
///
/// # Errors
/// [`ReportError::Definition`] when a value does not fit its comparison.
pub(super) fn all(
    conditions: &[ReportCondition],
    path: &str,
) -> Result<Option<String>, ReportError> {
    let parts = conditions
        .iter()
        .enumerate()
        .map(|(index, condition)| one(condition, &format!("{path}[{index}]")))
        .collect::<Result<Vec<_>, _>>()?;
    Ok((!parts.is_empty()).then(|| parts.join(" and ")))
}

fn one(condition: &ReportCondition, path: &str) -> Result<String, ReportError> {
    let field = quoted(&condition.field);
    let compare = |sign: &str| {
        Ok(format!("{field} {sign} {}", scalar(&condition.value, &format!("{path}.value"))?))
    };
    match condition.op {
        Comparison::Eq => compare("="),
        Comparison::Ne => compare("<>"),
        Comparison::Lt => compare("<"),
        Comparison::Lte => compare("<="),
        Comparison::Gt => compare(">"),
        Comparison::Gte => compare(">="),
        Comparison::In => Ok(format!("{field} in ({})", list(&condition.value, path)?)),
        Comparison::NotIn => Ok(format!("{field} not in ({})", list(&condition.value, path)?)),
        Comparison::Contains => match &condition.value {
            Value::String(text) => Ok(format!("strpos({field}, {}) > 0", literal(text))),
            _ => Err(ReportError::field(format!("{path}.value"), "must be text")),
        },
        Comparison::IsNull | Comparison::NotNull if !condition.value.is_null() => {
            Err(ReportError::field(format!("{path}.value"), "must be left out"))
        }
        Comparison::IsNull => Ok(format!("{field} is null")),
        Comparison::NotNull => Ok(format!("{field} is not null")),
    }
}

fn scalar(value: &Value, path: &str) -> Result<String, ReportError> {
    match value {
        Value::String(text) => Ok(literal(text)),
        Value::Number(number) => Ok(number.to_string()),
        Value::Bool(truth) => Ok(truth.to_string()),
        _ => Err(ReportError::field(path, "must be text, a number, true or false")),
    }
}

fn list(value: &Value, path: &str) -> Result<String, ReportError> {
    let path = format!("{path}.value");
    let Value::Array(values) = value else {
        return Err(ReportError::field(path, "must be a list"));
    };
    if values.is_empty() || values.len() > VALUES_MAX {
        return Err(ReportError::field(path, format!("must have 1 to {VALUES_MAX} values")));
    }
    let values = values
        .iter()
        .enumerate()
        .map(|(index, value)| scalar(value, &format!("{path}[{index}]")))
        .collect::<Result<Vec<_>, _>>()?;
    Ok(values.join(", "))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn condition(op: Comparison, value: Value) -> ReportCondition {
        ReportCondition { field: "queue \"x\"".to_owned(), op, value }
    }

    #[test]
    fn names_and_values_stay_what_they_are() {
        for (op, value, expected) in [
            (Comparison::Eq, json!("a'; drop --"), "\"queue \"\"x\"\"\" = 'a''; drop --'"),
            (Comparison::Lte, json!(-1.5), "\"queue \"\"x\"\"\" <= -1.5"),
            (Comparison::In, json!(["a", 2, true]), "\"queue \"\"x\"\"\" in ('a', 2, true)"),
            (Comparison::Contains, json!("%_\\"), "strpos(\"queue \"\"x\"\"\", '%_\\') > 0"),
            (Comparison::IsNull, Value::Null, "\"queue \"\"x\"\"\" is null"),
        ] {
            assert_eq!(one(&condition(op, value), "where[0]").unwrap(), expected);
        }
    }

    #[test]
    fn a_value_that_does_not_fit_is_named() {
        for (op, value, expected) in [
            (Comparison::Eq, Value::Null, "where[0].value: must be text, a number, true or false"),
            (Comparison::In, json!("a"), "where[0].value: must be a list"),
            (Comparison::In, json!([]), "where[0].value: must have 1 to 1000 values"),
            (Comparison::In, json!([[1]]), "where[0].value[0]: must be text"),
            (Comparison::Contains, json!(1), "where[0].value: must be text"),
            (Comparison::NotNull, json!(1), "where[0].value: must be left out"),
        ] {
            let error = all(&[condition(op, value)], "where").unwrap_err().to_string();
            assert!(error.starts_with(expected), "{error}");
        }
    }
}
