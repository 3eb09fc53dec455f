//! The arguments of a query.

use async_graphql::dynamic::ObjectAccessor;
use async_graphql::indexmap::IndexMap;
use async_graphql::{Name, Value};
use chrono_tz::Tz;
use ledgerline_projections::{ColumnDef, ColumnType};
use ledgerline_schemas::id::OrgId;
use sha2::{Digest as _, Sha256};

use super::cursor::{After, Cursor};
use super::filter::{listed, textual, whole};
use super::kind::Kind;
use crate::error::QueryError;
use crate::past::Moment;

/// Records of a page unless told, and at most.
pub(super) const PAGE: u64 = 250;
/// Most records of a page.
pub(super) const PAGE_MAX: u64 = 1_000;
/// Most aggregations of a query.
const AGGREGATIONS_MAX: usize = 32;

/// What a query asks for, besides its fields.
#[derive(Debug)]
pub(super) struct Arguments {
    /// First time, ms.
    pub(super) from: Option<i64>,
    /// First time that is beyond, ms.
    pub(super) to: Option<i64>,
    /// The column they bound, and pages are ordered by.
    pub(super) time: &'static str,
    pub(super) filter: Option<Value>,
    pub(super) ext_filter: Option<Value>,
    pub(super) aggregations: Vec<Aggregation>,
    pub(super) interval: Option<Interval>,
    pub(super) moment: Option<Moment>,
    pub(super) after: Option<After>,
    pub(super) size: u64,
    /// What a cursor of this query is bound to.
    pub(super) question: String,
}

/// One aggregated value.
#[derive(Debug)]
pub(super) struct Aggregation {
    pub(super) name: String,
    pub(super) column: &'static ColumnDef,
    pub(super) function: Function,
    pub(super) predicates: Vec<Value>,
}

/// How values are taken together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Function {
    Count,
    Min,
    Max,
    Sum,
    Average,
    Cardinality,
}

/// Bins of time on the clocks of a zone.
#[derive(Clone, Copy, Debug)]
pub(super) struct Interval {
    /// As SQL writes an interval.
    pub(super) length: &'static str,
    pub(super) zone: Tz,
}

/// The lengths of `aggregationInterval`, by name.
pub(super) const LENGTHS: [(&str, &str); 6] = [
    ("FIFTEEN_MINUTES", "15 minutes"),
    ("THIRTY_MINUTES", "30 minutes"),
    ("HOURLY", "1 hour"),
    ("DAILY", "1 day"),
    ("WEEKLY", "7 days"),
    ("MONTHLY", "1 month"),
];
/// The functions of `aggregations`, by name.
pub(super) const FUNCTIONS: [(&str, Function); 6] = [
    ("count", Function::Count),
    ("min", Function::Min),
    ("max", Function::Max),
    ("sum", Function::Sum),
    ("average", Function::Average),
    ("cardinality", Function::Cardinality),
];

impl Arguments {
    /// # Errors
    /// [`QueryError::Value`] or [`QueryError::Column`] naming the argument.
    pub(super) fn read(
        kind: &Kind,
        org_id: OrgId,
        given: &ObjectAccessor<'_>,
        columns: &[&'static ColumnDef],
    ) -> Result<Self, QueryError> {
        let given = given.as_index_map();
        let value = |name: &str| given.get(name).filter(|value| **value != Value::Null);
        let millis = |name: &str| {
            value(name)
                .map(|value| {
                    whole(value).ok_or_else(|| {
                        QueryError::Value(format!("{name}: {value} is not a time in milliseconds"))
                    })
                })
                .transpose()
        };
        let (from, to) = (millis("from")?, millis("to")?);
        if let (Some(from), Some(to)) = (from, to)
            && from > to
        {
            return Err(QueryError::Value(format!("from ({from}) is after to ({to})")));
        }
        let time = match value("timeComparator").and_then(textual).as_deref() {
            Some("endedTime") => kind.ended,
            _ => kind.created,
        };
        let aggregations = value("aggregations").map_or(&[][..], listed);
        if aggregations.len() > AGGREGATIONS_MAX {
            return Err(QueryError::Value(format!(
                "aggregations: {} of them; there can be {AGGREGATIONS_MAX}",
                aggregations.len()
            )));
        }
        let aggregations =
            aggregations.iter().map(|it| aggregation(kind, it)).collect::<Result<Vec<_>, _>>()?;
        let interval = value("aggregationInterval").map(interval).transpose()?;
        if interval.is_some() && aggregations.is_empty() {
            return Err(QueryError::Value("aggregationInterval wants aggregations".to_owned()));
        }
        // Aggregated rows are those of the columns that are asked for.
        let columns = if aggregations.is_empty() { &[] } else { columns };
        let question = question(kind, org_id, given, columns);
        let pagination = value("pagination");
        let cursor = pagination
            .and_then(|it| entry(it, "cursor"))
            .and_then(textual)
            // What clients send for the first page.
            .filter(|text| !text.is_empty() && text != "0")
            .map(|text| Cursor::decode("pagination: cursor", &text, &question))
            .transpose()?;
        let size = match pagination.and_then(|it| entry(it, "size")) {
            None => PAGE,
            Some(value) => whole(value)
                .and_then(|size| u64::try_from(size).ok())
                .filter(|size| (1..=PAGE_MAX).contains(size))
                .ok_or_else(|| {
                    QueryError::Value(format!(
                        "pagination: size is {value}; it can be 1 to {PAGE_MAX}"
                    ))
                })?,
        };
        let moment = match (&cursor, value("asOf")) {
            (Some(cursor), _) => Some(Moment::At(cursor.position)),
            (None, Some(value)) => Some(moment(value)?),
            (None, None) => None,
        };
        Ok(Self {
            from,
            to,
            time,
            filter: value("filter").cloned(),
            ext_filter: value("extFilter").cloned(),
            aggregations,
            interval,
            moment,
            after: cursor.map(|cursor| cursor.after),
            size,
            question,
        })
    }
}

/// A position or an instant.
fn moment(value: &Value) -> Result<Moment, QueryError> {
    let text = match value {
        Value::Number(number) => number.to_string(),
        other => textual(other).unwrap_or_default(),
    };
    Moment::parse(&text).map_err(|error| QueryError::Value(format!("asOf: {error}")))
}

fn entry<'a>(object: &'a Value, name: &str) -> Option<&'a Value> {
    match object {
        Value::Object(entries) => entries.get(name).filter(|value| **value != Value::Null),
        _ => None,
    }
}

fn aggregation(kind: &Kind, value: &Value) -> Result<Aggregation, QueryError> {
    let text = |name: &str| {
        entry(value, name)
            .and_then(textual)
            .ok_or_else(|| QueryError::Value(format!("aggregations: {name} is missing")))
    };
    let field = text("field")?;
    let column = kind
        .column(&field)
        .ok_or_else(|| QueryError::Column(format!("aggregations: no field {field}")))?;
    let asked = text("type")?;
    let function = FUNCTIONS
        .iter()
        .find(|(name, _)| *name == asked)
        .map(|(_, function)| *function)
        .ok_or_else(|| QueryError::Value(format!("aggregations: no type {asked}")))?;
    let fits = match (function, column.column_type) {
        (Function::Count | Function::Cardinality, _)
        | (_, ColumnType::Int)
        | (Function::Min | Function::Max, ColumnType::Time) => true,
        (_, ColumnType::Time | ColumnType::Text | ColumnType::Bool | ColumnType::Json) => false,
    };
    if !fits {
        return Err(QueryError::Value(format!("aggregations: there is no {asked} of {field}")));
    }
    let predicates = ["filter", "predicate"].into_iter().filter_map(|name| entry(value, name));
    Ok(Aggregation {
        name: text("name")?,
        column,
        function,
        predicates: predicates.cloned().collect(),
    })
}

fn interval(value: &Value) -> Result<Interval, QueryError> {
    let asked = entry(value, "interval").and_then(textual).unwrap_or_default();
    let length =
        LENGTHS.iter().find(|(name, _)| *name == asked).map(|(_, length)| *length).ok_or_else(
            || QueryError::Value(format!("aggregationInterval: no interval {asked}")),
        )?;
    let zone = entry(value, "timezone").and_then(textual).unwrap_or_else(|| "UTC".to_owned());
    let zone = zone.parse::<Tz>().map_err(|_| {
        QueryError::Value(format!("aggregationInterval: \"{zone}\" is not a time zone"))
    })?;
    Ok(Interval { length, zone })
}

/// What makes a page one of this question and of no other: organization, query, all arguments but the page's own
/// and the position, which the cursor has.
fn question(
    kind: &Kind,
    org_id: OrgId,
    given: &IndexMap<Name, Value>,
    columns: &[&ColumnDef],
) -> String {
    let mut hash = Sha256::new();
    let mut put = |text: &str| {
        hash.update((text.len() as u64).to_le_bytes());
        hash.update(text.as_bytes());
    };
    put(&org_id.to_string());
    put(kind.query);
    for column in columns {
        put(column.name);
    }
    let mut named: Vec<_> = given
        .iter()
        .filter(|(name, value)| {
            !matches!(name.as_str(), "pagination" | "asOf") && **value != Value::Null
        })
        .collect();
    named.sort_by_key(|(name, _)| name.as_str());
    for (name, value) in named {
        put(name);
        put(&value.to_string());
    }
    crate::analyzer::hex(&hash.finalize())
}
