//! Questions of a search as SQL: names of ours, numbers of parameters, and nothing that a client wrote.

use datafusion::scalar::ScalarValue;

use super::arguments::{Arguments, Function};
use super::cursor::After;
use super::filter::{self, Scope};
use super::kind::{Activities, Kind};
use super::selection::Listing;
use crate::error::QueryError;

/// A question: its text, and the values of its parameters.
#[derive(Debug, Default)]
pub(super) struct Sql {
    pub(super) text: String,
    pub(super) values: Vec<ScalarValue>,
    /// Comparisons of filters in it.
    pub(super) comparisons: usize,
}

impl Sql {
    /// Adds a parameter; gives what stands for it.
    pub(super) fn bind(&mut self, value: ScalarValue) -> String {
        self.values.push(value);
        format!("${}", self.values.len())
    }
}

/// A time in milliseconds as the tables hold times.
///
/// # Errors
/// [`QueryError::Value`] beyond what a time can be.
pub(super) fn time(argument: &str, millis: i64) -> Result<ScalarValue, QueryError> {
    let micros = millis
        .checked_mul(1_000)
        .ok_or_else(|| QueryError::Value(format!("{argument}: {millis} is out of range")))?;
    Ok(ScalarValue::TimestampMicrosecond(Some(micros), Some("UTC".into())))
}

fn whole(number: u64) -> ScalarValue {
    ScalarValue::from(i64::try_from(number).unwrap_or(i64::MAX))
}

/// Conditions of the arguments, without the page's.
fn conditions(
    sql: &mut Sql,
    kind: &Kind,
    arguments: &Arguments,
) -> Result<Vec<String>, QueryError> {
    let time_column = arguments.time;
    // Without an end there is no `endedTime` to compare.
    let mut all = vec![format!("r.\"{time_column}\" IS NOT NULL")];
    if let Some(from) = arguments.from {
        let from = sql.bind(time("from", from)?);
        all.push(format!("r.\"{time_column}\" >= {from}"));
    }
    if let Some(to) = arguments.to {
        let to = sql.bind(time("to", to)?);
        all.push(format!("r.\"{time_column}\" < {to}"));
    }
    if let Some(filter) = &arguments.filter {
        let scope = Scope { argument: "filter", view: kind.view, table: "r" };
        all.push(filter::condition(sql, scope, filter)?);
    }
    if let (Some(ext_filter), Some(activities)) = (&arguments.ext_filter, kind.activities) {
        let scope = Scope { argument: "extFilter", view: activities.view, table: "x" };
        let condition = filter::condition(sql, scope, ext_filter)?;
        all.push(format!(
            "r.\"{}\" IN (SELECT x.\"{}\" FROM {} WHERE {condition})",
            kind.id,
            activities.parent,
            activities.relation()
        ));
    }
    Ok(all)
}

/// A page of records: their columns, then `id` and `at`. One more than the page has, to know whether there is more.
pub(super) fn records(
    kind: &Kind,
    arguments: &Arguments,
    columns: &[&str],
) -> Result<Sql, QueryError> {
    let mut sql = Sql::default();
    let (id, time_column) = (kind.id, arguments.time);
    let mut all = conditions(&mut sql, kind, arguments)?;
    if let Some(After::Record(micros, after)) = &arguments.after {
        let at = ScalarValue::TimestampMicrosecond(Some(*micros), Some("UTC".into()));
        let (later, same) = (sql.bind(at.clone()), sql.bind(at));
        let after = sql.bind(ScalarValue::from(after.as_str()));
        all.push(format!(
            "(r.\"{time_column}\" > {later} OR (r.\"{time_column}\" = {same} AND r.\"{id}\" > {after}))"
        ));
    }
    let shown: String =
        columns.iter().enumerate().map(|(at, name)| format!("r.\"{name}\" AS c{at}, ")).collect();
    sql.text = format!(
        "SELECT {shown}r.\"{id}\" AS id, r.\"{time_column}\" AS at FROM {} WHERE {} ORDER BY r.\"{time_column}\", \
         r.\"{id}\" LIMIT {}",
        kind.relation(),
        all.join(" AND "),
        arguments.size + 1
    );
    Ok(sql)
}

/// A page of aggregated rows: begin of the interval if there are intervals, the columns they are grouped by, the
/// values.
pub(super) fn aggregated(
    kind: &Kind,
    arguments: &Arguments,
    columns: &[&str],
) -> Result<Sql, QueryError> {
    let mut sql = Sql::default();
    let mut shown = Vec::new();
    if let Some(interval) = arguments.interval {
        let zone = sql.bind(ScalarValue::from(interval.zone.name()));
        shown.push(format!(
            "cc_bin(interval '{}', r.\"{}\", CAST({zone} AS TEXT)) AS bin",
            interval.length, arguments.time
        ));
    }
    shown.extend(columns.iter().enumerate().map(|(at, name)| format!("r.\"{name}\" AS c{at}")));
    let groups: Vec<String> = (1..=shown.len()).map(|at| at.to_string()).collect();
    for (at, aggregation) in arguments.aggregations.iter().enumerate() {
        let column = format!("r.\"{}\"", aggregation.column.name);
        let call = match aggregation.function {
            Function::Count => format!("count({column})"),
            Function::Min => format!("min({column})"),
            Function::Max => format!("max({column})"),
            Function::Sum => format!("sum({column})"),
            Function::Average => format!("avg({column})"),
            Function::Cardinality => format!("count(DISTINCT {column})"),
        };
        let scope = Scope { argument: "aggregations: predicate", view: kind.view, table: "r" };
        let mut predicates = Vec::new();
        for predicate in &aggregation.predicates {
            predicates.push(filter::condition(&mut sql, scope, predicate)?);
        }
        let filter = if predicates.is_empty() {
            String::new()
        } else {
            format!(" FILTER (WHERE {})", predicates.join(" AND "))
        };
        shown.push(format!("{call}{filter} AS a{at}"));
    }
    let all = conditions(&mut sql, kind, arguments)?;
    let offset = match &arguments.after {
        Some(After::Rows(rows)) => *rows,
        _ => 0,
    };
    let mut text =
        format!("SELECT {} FROM {} WHERE {}", shown.join(", "), kind.relation(), all.join(" AND "));
    if !groups.is_empty() {
        // Grouped by all of them, so ordered by all of them is a total order.
        let groups = groups.join(", ");
        text.push_str(&format!(" GROUP BY {groups} ORDER BY {groups}"));
    }
    text.push_str(&format!(" LIMIT {} OFFSET {offset}", arguments.size + 1));
    sql.text = text;
    Ok(sql)
}

/// The channels of agents' sessions.
pub(super) fn channels(activities: &Activities, channel: &str, parents: &[&str]) -> Sql {
    let mut sql = Sql::default();
    let parents = bound(&mut sql, parents);
    let parent = activities.parent;
    sql.text = format!(
        "SELECT x.\"{parent}\" AS parent, x.\"{channel}\" AS channel, sum(x.\"duration\") AS duration, \
         last_value(x.\"state\" ORDER BY {order}) FILTER (WHERE x.\"isCurrentActivity\") AS state, \
         max(x.\"startTime\") AS latest FROM {relation} WHERE x.\"{parent}\" IN ({parents}) \
         GROUP BY 1, 2 ORDER BY 1, 2",
        order = activities.order(),
        relation = activities.relation(),
    );
    sql
}

/// Activities of records: the record, its channel if they are listed by channel, number and count, the columns. The
/// first of each is among them whatever is asked for, for the count.
pub(super) fn activities(
    activities: &Activities,
    by_channel: Option<&str>,
    parents: &[&str],
    listing: &Listing,
    ext_filter: Option<&async_graphql::Value>,
) -> Result<Sql, QueryError> {
    let mut sql = Sql::default();
    let of = bound(&mut sql, parents);
    let parent = format!("x.\"{}\"", activities.parent);
    let channel = by_channel.map(|channel| format!("x.\"{channel}\""));
    let part = match &channel {
        Some(channel) => format!("{parent}, {channel}"),
        None => parent.clone(),
    };
    let mut all = format!("{parent} IN ({of})");
    if let Some(ext_filter) = ext_filter {
        let scope = Scope { argument: "extFilter", view: activities.view, table: "x" };
        let condition = filter::condition(&mut sql, scope, ext_filter)?;
        all.push_str(&format!(" AND {condition}"));
    }
    let columns: String = listing
        .columns
        .iter()
        .enumerate()
        .map(|(at, column)| format!(", x.\"{}\" AS c{at}", column.name))
        .collect();
    let after = sql.bind(whole(listing.slice.after));
    let until = sql.bind(whole(listing.slice.after.saturating_add(listing.slice.first)));
    sql.text = format!(
        "SELECT * FROM (SELECT {parent} AS parent, {channel} AS channel, row_number() OVER (PARTITION BY {part} \
         ORDER BY {order}) AS number, count(*) OVER (PARTITION BY {part}) AS total{columns} FROM {relation} \
         WHERE {all}) y WHERE y.number = 1 OR (y.number > {after} AND y.number <= {until}) \
         ORDER BY y.parent, y.channel, y.number",
        channel = channel.as_deref().unwrap_or("CAST(NULL AS TEXT)"),
        order = activities.order(),
        relation = activities.relation(),
    );
    Ok(sql)
}

fn bound(sql: &mut Sql, texts: &[&str]) -> String {
    let bound: Vec<String> = texts.iter().map(|text| sql.bind(ScalarValue::from(*text))).collect();
    bound.join(", ")
}
