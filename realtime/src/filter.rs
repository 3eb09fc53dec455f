//! Row filters: conditions on columns, all of which must hold.
//!
//! `{"queue_id": "…", "channel": ["chat", "voice"], "waiting": {"gte": 5}, "ended_at": null}`. A bare
//! value means equal, a list means one of, an object holds one or more comparisons. As in SQL, null is
//! neither less, nor greater, nor different: only `null` and `{"ne": null}` look at it.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use ledgerline_projections::{ColumnType, Row, TableDef, Value};
use ledgerline_schemas::Timestamp;
use serde_json::Value as Json;

/// Most values in one list of a filter.
pub const LIST_MAX: usize = 1_000;

/// A filter that fits its table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    conditions: BTreeSet<Condition>,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Condition {
    column: usize,
    test: Test,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Test {
    Null,
    NotNull,
    OneOf(BTreeSet<Value>),
    Not(Value),
    Less(Value),
    LessOrEqual(Value),
    Greater(Value),
    GreaterOrEqual(Value),
}

/// A filter does not fit its table.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("field 'filter{at}': {reason}")]
pub struct FilterError {
    /// Where: empty for the filter as a whole, else `.column`.
    pub at: String,
    /// What is wrong, and what would be right.
    pub reason: String,
}

impl Filter {
    /// Reads a filter; `null` lets every row through.
    ///
    /// # Errors
    /// [`FilterError`] naming the column and what it takes.
    pub fn parse(table: &TableDef, json: &Json) -> Result<Self, FilterError> {
        let object = match json {
            Json::Null => return Ok(Self::default()),
            Json::Object(object) => object,
            _ => return Err(error("", "must be an object of columns")),
        };
        let mut conditions = BTreeSet::new();
        for (name, wanted) in object {
            let at = format!(".{name}");
            let Some((index, column)) =
                table.columns.iter().enumerate().find(|(_, column)| column.name == name)
            else {
                let names: Vec<&str> = table.columns.iter().map(|column| column.name).collect();
                let reason = format!("no such column, there are {}", names.join(", "));
                return Err(error(&at, &reason));
            };
            for test in tests(column.column_type, wanted).map_err(|reason| error(&at, &reason))? {
                conditions.insert(Condition { column: index, test });
            }
        }
        Ok(Self { conditions })
    }

    /// Whether a row passes.
    #[must_use]
    pub fn passes(&self, row: &Row) -> bool {
        self.conditions.iter().all(|condition| {
            let value = row.get(condition.column).unwrap_or(&Value::Null);
            condition.test.holds(value)
        })
    }

    /// One text for all filters that mean the same.
    #[must_use]
    pub(crate) fn canonical(&self) -> String {
        let mut text = String::new();
        for condition in &self.conditions {
            // Debug escapes text, so no value can look like another condition.
            let _ = write!(text, "{}:{:?};", condition.column, condition.test);
        }
        text
    }
}

impl Test {
    fn holds(&self, value: &Value) -> bool {
        let null = matches!(value, Value::Null);
        match self {
            Self::Null => null,
            Self::NotNull => !null,
            Self::OneOf(values) => values.contains(value),
            Self::Not(other) => !null && value != other,
            Self::Less(other) => !null && value < other,
            Self::LessOrEqual(other) => !null && value <= other,
            Self::Greater(other) => !null && value > other,
            Self::GreaterOrEqual(other) => !null && value >= other,
        }
    }
}

fn tests(column_type: ColumnType, wanted: &Json) -> Result<Vec<Test>, String> {
    if column_type == ColumnType::Json {
        return Err("a JSON column cannot be filtered".to_owned());
    }
    match wanted {
        Json::Object(comparisons) if comparisons.is_empty() => {
            Err("must hold one of eq, ne, lt, lte, gt, gte, in".to_owned())
        }
        Json::Object(comparisons) => comparisons
            .iter()
            .map(|(operator, operand)| comparison(column_type, operator, operand))
            .collect(),
        Json::Array(values) => Ok(vec![one_of(column_type, values)?]),
        Json::Null => Ok(vec![Test::Null]),
        single => Ok(vec![Test::OneOf(BTreeSet::from([value(column_type, single)?]))]),
    }
}

fn comparison(column_type: ColumnType, operator: &str, operand: &Json) -> Result<Test, String> {
    match (operator, operand) {
        ("eq", Json::Null) => return Ok(Test::Null),
        ("ne", Json::Null) => return Ok(Test::NotNull),
        ("in", Json::Array(values)) => return one_of(column_type, values),
        ("in", _) => return Err("'in' takes a list".to_owned()),
        _ => {}
    }
    let operand = || value(column_type, operand);
    Ok(match operator {
        "eq" => Test::OneOf(BTreeSet::from([operand()?])),
        "ne" => Test::Not(operand()?),
        "lt" => Test::Less(operand()?),
        "lte" => Test::LessOrEqual(operand()?),
        "gt" => Test::Greater(operand()?),
        "gte" => Test::GreaterOrEqual(operand()?),
        other => {
            return Err(format!("no comparison '{other}', there are eq, ne, lt, lte, gt, gte, in"));
        }
    })
}

fn one_of(column_type: ColumnType, values: &[Json]) -> Result<Test, String> {
    if values.is_empty() || values.len() > LIST_MAX {
        return Err(format!("a list has 1 to {LIST_MAX} values"));
    }
    values.iter().map(|it| value(column_type, it)).collect::<Result<_, _>>().map(Test::OneOf)
}

fn value(column_type: ColumnType, json: &Json) -> Result<Value, String> {
    let expected = match column_type {
        ColumnType::Text | ColumnType::Json => {
            if let Some(text) = json.as_str() {
                return Ok(Value::Text(text.into()));
            }
            "a text"
        }
        ColumnType::Int => {
            if let Some(number) = json.as_i64() {
                return Ok(Value::Int(number));
            }
            "a whole number"
        }
        ColumnType::Bool => {
            if let Some(truth) = json.as_bool() {
                return Ok(Value::Bool(truth));
            }
            "true or false"
        }
        ColumnType::Time => {
            if let Some(time) = json.as_str().and_then(|text| Timestamp::parse(text).ok()) {
                return Ok(Value::Time(time.micros()));
            }
            "an RFC 3339 time"
        }
    };
    Err(format!("must be {expected}"))
}

fn error(at: &str, reason: &str) -> FilterError {
    FilterError { at: at.to_owned(), reason: reason.to_owned() }
}
