//! What a function is called, takes and gives: one description from which calls are checked, error
//! messages are written and the catalogs are filled.

use std::fmt::Write;

use datafusion::arrow::datatypes::{DataType, IntervalUnit, TimeUnit};
use datafusion::error::{DataFusionError, Result};
use datafusion::logical_expr::{DocSection, Documentation};

/// A function of ours.
#[derive(Debug)]
pub(crate) struct Spec {
    pub(crate) name: &'static str,
    pub(crate) arguments: &'static [Argument],
    /// How many of the last arguments may be left out.
    pub(crate) optional: usize,
    pub(crate) result: Type,
    /// What it gives, for `\df+`.
    pub(crate) doc: &'static str,
}

/// An argument of a function.
#[derive(Debug)]
pub(crate) struct Argument {
    pub(crate) name: &'static str,
    pub(crate) of: Type,
}

/// A named argument.
pub(crate) const fn argument(name: &'static str, of: Type) -> Argument {
    Argument { name, of }
}

/// Types of arguments and results.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Type {
    Text,
    /// A whole number.
    Int,
    /// Any number, computed with as a double.
    Number,
    Bool,
    /// An instant.
    Time,
    /// What a clock on the wall shows: a timestamp without time zone.
    LocalTime,
    Interval,
    Bytes,
    /// Rows with the begin and the end of a bin. No argument is of this type.
    Bins,
    /// Any value that has an order: text, number, time, date or boolean.
    Any,
}

/// Instants are microseconds UTC, as in every table.
pub(crate) fn instant() -> DataType {
    DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))
}

impl Type {
    /// Its name in SQL.
    pub(crate) const fn sql(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Int => "bigint",
            Self::Number => "double precision",
            Self::Bool => "boolean",
            Self::Time => "timestamp with time zone",
            Self::LocalTime => "timestamp without time zone",
            Self::Interval => "interval",
            Self::Bytes => "bytea",
            Self::Bins => "TABLE(bin timestamp with time zone, bin_end timestamp with time zone)",
            Self::Any => "anyelement",
        }
    }

    /// What a message calls it.
    const fn words(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Int => "a whole number",
            Self::Number => "a number",
            Self::Bool => "true or false",
            Self::Time => "a timestamp",
            Self::LocalTime => "a timestamp without time zone",
            Self::Interval => "an interval",
            Self::Bytes => "bytes, such as another function gave",
            Self::Bins => "rows of bins",
            Self::Any => "text, a number, a timestamp, a date or a boolean",
        }
    }

    /// The Arrow type a value of `given` is brought to; `None` if it does not fit.
    pub(crate) fn accept(self, given: &DataType) -> Option<DataType> {
        use DataType as D;
        let null = matches!(given, D::Null);
        let text = is_text(given);
        let date = matches!(given, D::Date32 | D::Date64);
        let (fits, becomes) = match self {
            Self::Text => (text, D::Utf8),
            Self::Int => (given.is_integer(), D::Int64),
            Self::Number => (given.is_numeric(), D::Float64),
            Self::Bool => (matches!(given, D::Boolean), D::Boolean),
            // Text is there for literals: PostgreSQL takes them without a cast.
            Self::Time => (text || date || matches!(given, D::Timestamp(_, _)), instant()),
            Self::LocalTime => (
                text || date || matches!(given, D::Timestamp(_, None)),
                D::Timestamp(TimeUnit::Microsecond, None),
            ),
            Self::Interval => {
                (text || matches!(given, D::Interval(_)), D::Interval(IntervalUnit::MonthDayNano))
            }
            Self::Bytes => (matches!(given, D::Binary | D::LargeBinary | D::BinaryView), D::Binary),
            Self::Bins => return None,
            Self::Any => return any(given),
        };
        (fits || null).then_some(becomes)
    }

    /// The Arrow type of a result of this type; `Any` gives the type of the first argument.
    fn result(self, arguments: &[DataType]) -> DataType {
        let own = self.accept(&DataType::Null);
        let first = || arguments.first().and_then(any);
        let known = if self == Self::Any { first() } else { own };
        known.unwrap_or(DataType::Utf8)
    }
}

fn is_text(given: &DataType) -> bool {
    match given {
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => true,
        DataType::Dictionary(_, value) => is_text(value),
        _ => false,
    }
}

fn any(given: &DataType) -> Option<DataType> {
    use DataType as D;
    Some(match given {
        it if is_text(it) || matches!(it, D::Null) => D::Utf8,
        it if it.is_integer() => D::Int64,
        it if it.is_numeric() => D::Float64,
        D::Boolean => D::Boolean,
        D::Date32 | D::Date64 => D::Date32,
        D::Timestamp(_, zone) => D::Timestamp(TimeUnit::Microsecond, zone.clone()),
        _ => return None,
    })
}

impl Spec {
    /// Arrow types the arguments are brought to.
    ///
    /// # Errors
    /// A planning error that names the function and the argument.
    pub(crate) fn coerce(&self, given: &[DataType]) -> Result<Vec<DataType>> {
        let least = self.arguments.len() - self.optional;
        if given.len() < least || given.len() > self.arguments.len() {
            return Err(DataFusionError::Plan(format!(
                "function {} takes ({}), got {} argument{}",
                self.name,
                self.signature(|argument| argument.name.to_owned()),
                given.len(),
                if given.len() == 1 { "" } else { "s" },
            )));
        }
        let fitted = self.arguments.iter().zip(given).map(|(argument, given)| {
            argument.of.accept(given).ok_or_else(|| {
                DataFusionError::Plan(format!(
                    "function {}: {} must be {}, not {given}",
                    self.name,
                    argument.name,
                    argument.of.words()
                ))
            })
        });
        fitted.collect()
    }

    /// Arrow type of the result for arguments of these types.
    pub(crate) fn result_type(&self, arguments: &[DataType]) -> DataType {
        self.result.result(arguments)
    }

    /// The arguments with their types, as `\df` shows them.
    pub(crate) fn listed_arguments(&self) -> String {
        let required = self.arguments.len() - self.optional;
        let mut list = String::new();
        for (index, argument) in self.arguments.iter().enumerate() {
            let comma = if index == 0 { "" } else { ", " };
            let default = if index < required { "" } else { " DEFAULT NULL" };
            // Writing to a string cannot fail.
            let _ = write!(list, "{comma}{} {}{default}", argument.name, argument.of.sql());
        }
        list
    }

    /// For `information_schema.routines`.
    pub(crate) fn documentation(&self) -> Documentation {
        let section = DocSection { include: true, label: "Ledgerline", description: None };
        let syntax = format!("{}({})", self.name, self.signature(|it| it.name.to_owned()));
        Documentation::builder(section, self.doc, syntax).build()
    }

    /// A message about a value of an argument, at run time.
    pub(crate) fn wrong(&self, argument: &str, what: impl std::fmt::Display) -> DataFusionError {
        DataFusionError::Execution(format!("function {}: {argument} {what}", self.name))
    }

    /// `a, b[, c]`.
    fn signature(&self, show: impl Fn(&Argument) -> String) -> String {
        let required = self.arguments.len() - self.optional;
        let mut text = String::new();
        for (index, argument) in self.arguments.iter().enumerate() {
            let comma = if index == 0 { "" } else { ", " };
            let (open, close) = if index < required { ("", "") } else { ("[", "]") };
            let _ = write!(text, "{open}{comma}{}{close}", show(argument));
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SPEC: Spec = Spec {
        name: "f",
        arguments: &[argument("what", Type::Text), argument("n", Type::Int)],
        optional: 1,
        result: Type::Any,
        doc: "",
    };

    #[test]
    fn wrong_arguments_are_named() {
        let message = |given: &[DataType]| SPEC.coerce(given).unwrap_err().to_string();
        assert!(message(&[]).contains("function f takes (what[, n]), got 0 arguments"));
        let error = message(&[DataType::Int64]);
        assert!(error.contains("function f: what must be text, not Int64"), "{error}");
        let error = message(&[DataType::Utf8, DataType::Float64]);
        assert!(error.contains("n must be a whole number, not Float64"), "{error}");
    }

    #[test]
    fn types_are_brought_to_one_form() {
        let small = DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8));
        assert_eq!(
            SPEC.coerce(&[small, DataType::UInt8]).unwrap(),
            [DataType::Utf8, DataType::Int64]
        );
        assert_eq!(SPEC.result_type(&[DataType::Int16]), DataType::Int64);
        assert_eq!(SPEC.listed_arguments(), "what text, n bigint DEFAULT NULL");
    }
}
