//! A definition and a period become one question.

use chrono::SecondsFormat;
use ledgerline_schemas::config::report::{
    Aggregation, ReportDefinition, ReportMeasure, ReportOrder, Unit,
};

use super::check;
use super::condition::{all, literal, quoted};
use super::error::ReportError;
use super::metrics::Metrics;
use super::period::Period;

/// Rows of a report without a limit of its own.
pub const LIMIT: u32 = 100_000;
/// Name of the column with the begin of the interval, an instant.
pub const INTERVAL: &str = "interval_start";
/// Name of the column with the same on the clocks of the zone.
pub const LOCAL: &str = "interval_local";

/// What a column of a report is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// The begin of an interval, on the clocks of the zone.
    Interval,
    /// What rows are grouped by; also every column of a report that lists rows or is SQL.
    Segment,
    /// A figure.
    Measure(Unit),
}

/// A column of a report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column {
    /// Its name.
    pub name: String,
    /// What it is.
    pub role: Role,
}

/// The questions of a report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Compiled {
    /// The rows.
    pub rows: String,
    /// The figures over all of them.
    pub totals: Option<String>,
    /// The columns that are known beforehand; empty for a report that is SQL.
    pub columns: Vec<Column>,
    /// Whether `$1` and `$2` stand for the period.
    pub has_parameters: bool,
}

/// Compiles a definition by these metrics.
///
/// # Errors
/// [`ReportError::Definition`], [`ReportError::Period`] when the report needs a period and there is none.
pub fn compile(
    definition: &ReportDefinition,
    period: Option<&Period>,
    metrics: &Metrics,
) -> Result<Compiled, ReportError> {
    check::definition(definition, metrics)?;
    if let Some(sql) = &definition.sql {
        let has_parameters = sql.contains("$1") || sql.contains("$2");
        if has_parameters && period.is_none() {
            return Err(ReportError::Period("the report needs a period".to_owned()));
        }
        let rows = sql.trim().trim_end_matches(';').to_owned();
        return Ok(Compiled { rows, totals: None, columns: Vec::new(), has_parameters });
    }
    let parts = Parts::of(definition, period, metrics)?;
    let columns = parts.columns();
    let rows = if definition.fill_gaps { parts.filled() } else { parts.plain() };
    let order = order(&definition.order_by, &columns)?;
    let order = order.unwrap_or_else(|| parts.natural_order());
    let limit = definition.limit.unwrap_or(LIMIT);
    let rows = format!("{rows}\n{order}limit {limit}");
    let totals = (definition.totals && !parts.measures.is_empty()).then(|| parts.totals());
    Ok(Compiled { rows, totals, columns, has_parameters: false })
}

fn order(order: &[ReportOrder], columns: &[Column]) -> Result<Option<String>, ReportError> {
    let mut parts = Vec::new();
    for (index, by) in order.iter().enumerate() {
        if !columns.iter().any(|column| column.name == by.column) {
            let reason = format!("'{}' is no column of the report", by.column);
            return Err(ReportError::field(format!("order_by[{index}].column"), reason));
        }
        let direction = if by.descending { " desc nulls last" } else { "" };
        parts.push(format!("{}{direction}", quoted(&by.column)));
    }
    Ok((!parts.is_empty()).then(|| format!("order by {}\n", parts.join(", "))))
}

/// A figure: its name, its aggregate, its unit.
struct Figure {
    name: String,
    sql: String,
    unit: Unit,
}

struct Parts<'a> {
    definition: &'a ReportDefinition,
    period: Option<&'a Period>,
    table: String,
    filter: String,
    measures: Vec<Figure>,
}

impl<'a> Parts<'a> {
    fn of(
        definition: &'a ReportDefinition,
        period: Option<&'a Period>,
        metrics: &Metrics,
    ) -> Result<Self, ReportError> {
        let mut filters = Vec::new();
        match (&definition.time_field, period) {
            (Some(field), Some(period)) => {
                let field = quoted(field);
                filters.push(format!("{field} >= {}", instant(period.from)));
                filters.push(format!("{field} < {}", instant(period.to)));
            }
            (Some(_), None) => {
                return Err(ReportError::Period("the report needs a period".to_owned()));
            }
            (None, _) => {}
        }
        filters.extend(all(&definition.conditions, "where")?);
        let filter = match filters.as_slice() {
            [] => String::new(),
            filters => format!("where {}\n", filters.join(" and ")),
        };
        let measures = definition.measures.iter().enumerate().map(|(index, measure)| {
            let path = format!("measures[{index}]");
            let (sql, unit) = aggregate(measure, metrics, &path)?;
            Ok(Figure { name: measure.name.clone(), sql, unit: measure.unit.unwrap_or(unit) })
        });
        Ok(Self {
            definition,
            period,
            table: quoted(definition.record_type.as_deref().unwrap_or_default()),
            filter,
            measures: measures.collect::<Result<_, ReportError>>()?,
        })
    }

    /// Interval length, time column, begin and end, and zone, if the report has intervals.
    fn interval(&self) -> Option<(&str, String, &'a Period)> {
        let (interval, period) = (self.definition.interval.as_deref()?, self.period?);
        Some((interval, quoted(self.definition.time_field.as_deref()?), period))
    }

    fn columns(&self) -> Vec<Column> {
        let mut columns = Vec::new();
        if self.interval().is_some() {
            columns.push(Column { name: INTERVAL.to_owned(), role: Role::Segment });
            columns.push(Column { name: LOCAL.to_owned(), role: Role::Interval });
        }
        columns.extend(
            self.definition
                .segments
                .iter()
                .map(|segment| Column { name: segment.shown().to_owned(), role: Role::Segment }),
        );
        columns.extend(
            self.measures.iter().map(|figure| Column {
                name: figure.name.clone(),
                role: Role::Measure(figure.unit),
            }),
        );
        columns
    }

    /// Begin of the interval of a row.
    fn bin(&self) -> Option<String> {
        let (interval, field, period) = self.interval()?;
        let zone = literal(period.zone.name());
        Some(format!("cc_bin(interval {}, {field}, {zone})", literal(interval)))
    }

    fn segments(&self) -> impl Iterator<Item = String> + '_ {
        self.definition
            .segments
            .iter()
            .map(|it| format!("{} as {}", quoted(&it.field), quoted(it.shown())))
    }

    fn figures(&self) -> impl Iterator<Item = String> + '_ {
        self.measures.iter().map(|it| format!("{} as {}", it.sql, quoted(&it.name)))
    }

    /// The groups that have rows.
    fn plain(&self) -> String {
        let mut list = Vec::new();
        let mut groups = self.definition.segments.len();
        if let (Some(bin), Some((_, _, period))) = (self.bin(), self.interval()) {
            let zone = literal(period.zone.name());
            list.push(format!("{bin} as {INTERVAL}"));
            list.push(format!("cc_local({bin}, {zone}) as {LOCAL}"));
            groups += 2;
        }
        list.extend(self.segments());
        list.extend(self.figures());
        let grouped = if self.measures.is_empty() || groups == 0 {
            String::new()
        } else {
            let numbers: Vec<String> = (1..=groups).map(|number| number.to_string()).collect();
            format!("group by {}\n", numbers.join(", "))
        };
        let list = list.join(",\n       ");
        format!("select {list}\nfrom {}\n{}{grouped}", self.table, self.filter)
            .trim_end()
            .to_owned()
    }

    /// All intervals of the period, each with every combination of segments that has rows at all.
    fn filled(&self) -> String {
        let Some((interval, _, period)) = self.interval() else { return self.plain() };
        let zone = literal(period.zone.name());
        let segments: Vec<String> =
            self.definition.segments.iter().map(|it| quoted(it.shown())).collect();
        let (distinct, joined) = if segments.is_empty() {
            (String::new(), String::new())
        } else {
            let list = segments.join(", ");
            (
                format!(",\nsegments as (select distinct {list} from counted)"),
                "\ncross join segments s".to_owned(),
            )
        };
        let same: String =
            segments.iter().map(|it| format!(" and c.{it} is not distinct from s.{it}")).collect();
        let shown: String = segments.iter().map(|it| format!(", s.{it}")).collect();
        let figures: String = self
            .measures
            .iter()
            .map(|it| {
                let name = quoted(&it.name);
                match it.unit {
                    // Nothing happened: a count is 0, a mean or a share has no value.
                    Unit::Count => format!(", coalesce(c.{name}, 0) as {name}"),
                    _ => format!(", c.{name}"),
                }
            })
            .collect();
        format!(
            "with counted as (\n{counted}\n),\n\
             bins as (select bin from cc_bins(interval {interval}, {from}, {to}, {zone})){distinct}\n\
             select b.bin as {INTERVAL}, cc_local(b.bin, {zone}) as {LOCAL}{shown}{figures}\n\
             from bins b{joined}\nleft join counted c on c.{INTERVAL} = b.bin{same}",
            counted = self.plain(),
            interval = literal(interval),
            from = literal(&rfc3339(period.from)),
            to = literal(&rfc3339(period.to)),
        )
    }

    fn totals(&self) -> String {
        let figures: Vec<String> = self.figures().collect();
        let list = figures.join(",\n       ");
        format!("select {list}\nfrom {}\n{}", self.table, self.filter).trim_end().to_owned()
    }

    fn natural_order(&self) -> String {
        let mut columns = Vec::new();
        if self.interval().is_some() {
            columns.push(INTERVAL.to_owned());
        } else if let (true, Some(field)) = (self.measures.is_empty(), &self.definition.time_field)
        {
            columns.push(quoted(field));
        }
        if !self.measures.is_empty() {
            columns.extend(self.definition.segments.iter().map(|it| quoted(it.shown())));
        }
        if columns.is_empty() {
            String::new()
        } else {
            format!("order by {}\n", columns.join(", "))
        }
    }
}

fn rfc3339(instant: chrono::DateTime<chrono::Utc>) -> String {
    instant.to_rfc3339_opts(SecondsFormat::AutoSi, true)
}

fn instant(instant: chrono::DateTime<chrono::Utc>) -> String {
    format!("timestamptz {}", literal(&rfc3339(instant)))
}

/// The aggregate of a measure, and its unit unless the definition says another.
fn aggregate(
    measure: &ReportMeasure,
    metrics: &Metrics,
    path: &str,
) -> Result<(String, Unit), ReportError> {
    let filter = all(&measure.conditions, &format!("{path}.where"))?;
    let filtered = |aggregate: String| match &filter {
        Some(filter) => format!("{aggregate} filter (where {filter})"),
        None => aggregate,
    };
    if let Some(name) = &measure.metric {
        let path = format!("{path}.metric");
        let metric = metrics.named(name, &path)?;
        // An expression whoever wrote it: what else a formula says is not run.
        return Ok((check::expression(&metric.sql, &path)?, metric.unit));
    }
    if let Some(sql) = &measure.sql {
        return Ok((check::expression(sql, &format!("{path}.sql"))?, Unit::Number));
    }
    let field = measure.field.as_deref().map(quoted).unwrap_or_default();
    let unit = match measure.field.as_deref() {
        Some(field) if field.ends_with("_ms") || field.ends_with("uration") => Unit::Ms,
        _ => Unit::Number,
    };
    Ok(match measure.aggregation.unwrap_or(Aggregation::Count) {
        Aggregation::Count => (filtered("count(*)".to_owned()), Unit::Count),
        Aggregation::CountDistinct => (filtered(format!("count(distinct {field})")), Unit::Count),
        Aggregation::Sum if unit == Unit::Number => {
            (filtered(format!("sum({field})")), Unit::Count)
        }
        Aggregation::Sum => (filtered(format!("sum({field})")), unit),
        Aggregation::Average => (filtered(format!("avg({field})")), unit),
        Aggregation::Minimum => (filtered(format!("min({field})")), unit),
        Aggregation::Maximum => (filtered(format!("max({field})")), unit),
        Aggregation::Percentile => {
            let fraction = measure.percentile.unwrap_or(50.0) / 100.0;
            (filtered(format!("percentile_exact({field}, {fraction})")), unit)
        }
        Aggregation::Share => {
            let filter = filter.unwrap_or_else(|| "true".to_owned());
            let sql = format!("100.0 * count(*) filter (where {filter}) / nullif(count(*), 0)");
            (sql, Unit::Percent)
        }
    })
}
