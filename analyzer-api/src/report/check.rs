//! Whether a definition says what to do. Whether its columns exist is for the planner to say, who knows them.

use std::collections::BTreeSet;

use datafusion::sql::sqlparser::dialect::PostgreSqlDialect;
use datafusion::sql::sqlparser::parser::Parser;
use datafusion::sql::sqlparser::tokenizer::Token;
use ledgerline_schemas::config::report::{
    Aggregation, ReportDefinition, ReportMeasure, ReportPlot,
};

use super::compile::{INTERVAL, LOCAL};
use super::error::ReportError;
use super::metrics::Metrics;

const LIMIT_MAX: u32 = 1_000_000;
const COLUMNS_MAX: usize = 100;
const UNITS: [&str; 5] = ["minute", "hour", "day", "week", "month"];

/// Checks a definition against the metrics there are.
///
/// # Errors
/// [`ReportError::Definition`] with the path of the first field that is wrong.
pub fn definition(it: &ReportDefinition, metrics: &Metrics) -> Result<(), ReportError> {
    if it.name.trim().is_empty() || it.name.chars().count() > 120 {
        return Err(ReportError::field("name", "must have 1 to 120 characters"));
    }
    match (&it.record_type, &it.sql) {
        (None, None) => return Err(ReportError::field("record_type", "is missing")),
        (Some(_), Some(_)) => {
            return Err(ReportError::field("sql", "must be left out beside record_type"));
        }
        (None, Some(_)) => return sql_only(it),
        (Some(_), None) => {}
    }
    if it.segments.is_empty() && it.measures.is_empty() {
        return Err(ReportError::field("measures", "a report needs a segment or a measure"));
    }
    if it.segments.len() + it.measures.len() > COLUMNS_MAX {
        let reason = format!("a report has at most {COLUMNS_MAX} segments and measures");
        return Err(ReportError::field("measures", reason));
    }
    if let Some(interval) = &it.interval {
        self::interval(interval)?;
        if it.time_field.is_none() {
            return Err(ReportError::field("time_field", "is missing: the report has an interval"));
        }
        if it.measures.is_empty() {
            return Err(ReportError::field("measures", "a report with an interval needs one"));
        }
    }
    if it.fill_gaps && it.interval.is_none() {
        return Err(ReportError::field("fill_gaps", "needs an interval"));
    }
    if it.limit.is_some_and(|limit| limit == 0 || limit > LIMIT_MAX) {
        return Err(ReportError::field("limit", format!("must be 1 to {LIMIT_MAX}")));
    }
    names(it)?;
    for (index, measure) in it.measures.iter().enumerate() {
        self::measure(measure, it, metrics, &format!("measures[{index}]"))?;
    }
    it.plot.as_ref().map_or(Ok(()), |plot| self::plot(plot, it))
}

/// A report that is SQL has nothing else.
fn sql_only(it: &ReportDefinition) -> Result<(), ReportError> {
    let given = [
        ("time_field", it.time_field.is_some()),
        ("segments", !it.segments.is_empty()),
        ("measures", !it.measures.is_empty()),
        ("where", !it.conditions.is_empty()),
        ("interval", it.interval.is_some()),
        ("fill_gaps", it.fill_gaps),
        ("order_by", !it.order_by.is_empty()),
        ("limit", it.limit.is_some()),
        ("totals", it.totals),
    ];
    match given.iter().find(|(_, given)| *given) {
        Some((field, _)) => Err(ReportError::field(*field, "must be left out beside sql")),
        None => Ok(()),
    }
}

fn interval(text: &str) -> Result<(), ReportError> {
    let fits = text.split_once(' ').is_some_and(|(number, unit)| {
        number.parse::<u32>().is_ok_and(|number| (1..=1_440).contains(&number))
            && UNITS.contains(&unit.trim_end_matches('s'))
    });
    if fits {
        return Ok(());
    }
    let reason =
        format!("is '{text}'; use a number and a unit, such as 30 minutes, 1 day, 1 month");
    Err(ReportError::field("interval", reason))
}

fn names(it: &ReportDefinition) -> Result<(), ReportError> {
    let mut seen = BTreeSet::new();
    if it.interval.is_some() {
        seen.extend([INTERVAL, LOCAL]);
    }
    let segments = it.segments.iter().enumerate();
    let segments = segments.map(|(index, it)| (format!("segments[{index}].name"), it.shown()));
    let measures = it.measures.iter().enumerate();
    let measures = measures.map(|(index, it)| (format!("measures[{index}].name"), &*it.name));
    for (field, name) in segments.chain(measures) {
        if name.is_empty() || name.len() > 63 {
            return Err(ReportError::field(field, "must have 1 to 63 bytes"));
        }
        if !seen.insert(name) {
            return Err(ReportError::field(field, format!("'{name}' is there already")));
        }
    }
    Ok(())
}

fn measure(
    measure: &ReportMeasure,
    report: &ReportDefinition,
    metrics: &Metrics,
    path: &str,
) -> Result<(), ReportError> {
    let at = |field: &str| format!("{path}.{field}");
    let ways = [measure.aggregation.is_some(), measure.metric.is_some(), measure.sql.is_some()];
    if ways.iter().filter(|given| **given).count() != 1 {
        return Err(ReportError::field(path, "needs one of aggregation, metric and sql"));
    }
    let Some(aggregation) = measure.aggregation else {
        for (field, given) in [
            ("field", measure.field.is_some()),
            ("percentile", measure.percentile.is_some()),
            ("where", !measure.conditions.is_empty()),
        ] {
            if given {
                return Err(ReportError::field(at(field), "goes with an aggregation only"));
            }
        }
        if let Some(name) = &measure.metric {
            let metric = metrics.named(name, &at("metric"))?;
            if report.record_type.as_deref() != Some(&*metric.record_type) {
                let reason = format!("{name} is over {}", metric.record_type);
                return Err(ReportError::field(at("metric"), reason));
            }
        }
        return Ok(());
    };
    let needs_field = !matches!(aggregation, Aggregation::Count | Aggregation::Share);
    if needs_field != measure.field.is_some() {
        let reason = if needs_field { "is missing" } else { "must be left out" };
        return Err(ReportError::field(at("field"), reason));
    }
    match (aggregation == Aggregation::Percentile, measure.percentile) {
        (true, Some(it)) if it > 0.0 && it < 100.0 => Ok(()),
        (true, _) => Err(ReportError::field(at("percentile"), "must be between 0 and 100")),
        (false, Some(_)) => Err(ReportError::field(at("percentile"), "must be left out")),
        (false, None) => Ok(()),
    }
}

fn plot(plot: &ReportPlot, report: &ReportDefinition) -> Result<(), ReportError> {
    if plot.measures.is_empty() {
        return Err(ReportError::field("plot.measures", "must name a measure"));
    }
    for (index, name) in plot.measures.iter().enumerate() {
        if !report.measures.iter().any(|measure| measure.name == *name) {
            let field = format!("plot.measures[{index}]");
            return Err(ReportError::field(field, format!("there is no measure '{name}'")));
        }
    }
    match &plot.series {
        Some(name) if !report.segments.iter().any(|segment| segment.shown() == name) => {
            Err(ReportError::field("plot.series", format!("there is no segment '{name}'")))
        }
        Some(_) if plot.measures.len() > 1 => {
            Err(ReportError::field("plot.series", "goes with one measure only"))
        }
        _ => Ok(()),
    }
}

/// An SQL expression, whole: in the form the parser gives back, so that nothing can come after it.
///
/// # Errors
/// [`ReportError::Definition`] when it is none.
pub(super) fn expression(sql: &str, path: &str) -> Result<String, ReportError> {
    let wrong = |reason: String| ReportError::field(path, reason);
    let mut parser = Parser::new(&PostgreSqlDialect {})
        .with_recursion_limit(64)
        .try_with_sql(sql)
        .map_err(|error| wrong(error.to_string()))?;
    let expression = parser.parse_expr().map_err(|error| wrong(error.to_string()))?;
    match parser.peek_token().token {
        Token::EOF => Ok(expression.to_string()),
        token => Err(wrong(format!("is an expression and then '{token}'"))),
    }
}
