//! `format(pattern, …)`: values put into a text, as PostgreSQL documents it ("String Functions and Operators").

use std::fmt;
use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, StringArray};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::DataType;
use datafusion::common::{exec_err, plan_err};
use datafusion::error::Result;
use datafusion::logical_expr::{
    ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};

use super::functions::quoted;

/// The function.
pub(crate) fn function() -> ScalarUDF {
    ScalarUDF::from(Format { signature: Signature::variadic_any(Volatility::Immutable) })
}

#[derive(PartialEq, Eq, Hash)]
struct Format {
    signature: Signature,
}

impl fmt::Debug for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("format")
    }
}

impl ScalarUDFImpl for Format {
    fn name(&self) -> &'static str {
        "format"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    /// Values of other types have other texts in PostgreSQL than the engine gives them.
    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        let plain = |it: &DataType| it.is_string() || it.is_integer() || it.is_null();
        match types.iter().find(|it| !plain(it)) {
            Some(other) => plan_err!(
                "function format takes texts and whole numbers here, not {other}: cast it to text"
            ),
            None => Ok(DataType::Utf8),
        }
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let columns = args
            .args
            .iter()
            .map(|arg| Ok(cast(&arg.to_array(args.number_rows)?, &DataType::Utf8)?))
            .collect::<Result<Vec<ArrayRef>>>()?;
        let columns: Vec<&StringArray> = columns.iter().map(|it| it.as_string::<i32>()).collect();
        let rows = (0..args.number_rows).map(|row| {
            let values: Vec<Option<&str>> = columns
                .iter()
                .map(|column| column.is_valid(row).then(|| column.value(row)))
                .collect();
            match values.split_first() {
                Some((Some(pattern), values)) => filled(pattern, values).map(Some),
                _ => Ok(None),
            }
        });
        let rows = rows.collect::<Result<Vec<Option<String>>>>()?;
        Ok(ColumnarValue::Array(Arc::new(StringArray::from(rows))))
    }
}

/// The pattern with its values; the first of `values` is number 1.
fn filled(pattern: &str, values: &[Option<&str>]) -> Result<String> {
    let mut text = String::with_capacity(pattern.len());
    let mut rest = pattern;
    let mut next = 0;
    while let Some((before, after)) = rest.split_once('%') {
        text.push_str(before);
        let (position, after) = number_before(after, '$');
        let (left, after) = match after.strip_prefix('-') {
            Some(after) => (true, after),
            None => (false, after),
        };
        let (width, after) = digits(after);
        let mut characters = after.chars();
        let kind = characters.next();
        rest = characters.as_str();
        if kind == Some('%') {
            text.push('%');
            continue;
        }
        next = position.unwrap_or(next + 1);
        let value = match next.checked_sub(1) {
            None => {
                return exec_err!("format specifies argument 0, but arguments are numbered from 1");
            }
            Some(at) => values.get(at),
        };
        let Some(value) = value else { return exec_err!("too few arguments for format()") };
        let value = match (kind, value) {
            (Some('s'), value) => value.unwrap_or_default().to_owned(),
            (Some('I'), Some(value)) => quoted(value, '"'),
            (Some('I'), None) => {
                return exec_err!("null values cannot be formatted as an SQL identifier");
            }
            (Some('L'), Some(value)) => quoted(value, '\''),
            (Some('L'), None) => "NULL".to_owned(),
            (Some(other), _) => {
                return exec_err!("unrecognized format() type specifier \"{other}\"");
            }
            (None, _) => return exec_err!("unterminated format() type specifier"),
        };
        let width = width.unwrap_or_default();
        text.push_str(&if left { format!("{value:<width$}") } else { format!("{value:>width$}") });
    }
    text.push_str(rest);
    Ok(text)
}

/// A number at the front that `end` follows, and what comes after both.
fn number_before(text: &str, end: char) -> (Option<usize>, &str) {
    match digits(text) {
        (Some(number), rest) => match rest.strip_prefix(end) {
            Some(rest) => (Some(number), rest),
            None => (None, text),
        },
        _ => (None, text),
    }
}

fn digits(text: &str) -> (Option<usize>, &str) {
    let end = text.find(|it: char| !it.is_ascii_digit()).unwrap_or(text.len());
    let (number, rest) = text.split_at(end);
    // Wider than any text, as PostgreSQL's own limit is.
    (number.parse().ok().filter(|it| *it <= 100_000), rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_come_into_the_pattern() {
        for (pattern, values, expected) in [
            ("%s, %s!", vec![Some("a"), Some("b")], Some("a, b!")),
            ("%2$s %s %1$s", vec![Some("a"), Some("b"), Some("c")], Some("b c a")),
            ("%I.%I", vec![Some("public"), Some("Two words")], Some("public.\"Two words\"")),
            ("%L %L", vec![Some("it's"), None], Some("'it''s' NULL")),
            ("[%5s|%-5s|%s]", vec![Some("x"), Some("y"), None], Some("[    x|y    |]")),
            ("100 %%", vec![], Some("100 %")),
            ("%s", vec![], None),
            ("%d", vec![Some("1")], None),
            ("%", vec![Some("1")], None),
            ("%0$s", vec![Some("1")], None),
            ("%I", vec![None], None),
        ] {
            assert_eq!(filled(pattern, &values).ok().as_deref(), expected, "{pattern}");
        }
    }
}
