//! Runs a report as a principal.

use std::sync::Arc;
use std::time::Duration;

use chrono::SecondsFormat;
use datafusion::arrow::compute::concat_batches;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::arrow::record_batch::RecordBatch;
use datafusion::common::ParamValues;
use datafusion::scalar::ScalarValue;
use ledgerline_access::Principal;
use ledgerline_projections::Snapshot;
use ledgerline_schemas::config::report::{ReportDefinition, Unit};
use tokio_util::sync::CancellationToken;

use super::compile::{Column, Role, compile};
use super::error::ReportError;
use super::metrics::Metrics;
use super::period::Period;
use super::sheet::Sheet;
use crate::analyzer::{AnalyzerState, Bounds, Door, Question};
use crate::past::Moment;

/// Who wants which report.
#[derive(Clone, Debug)]
pub struct Request {
    /// Who asks.
    pub principal: Principal,
    /// Through which door.
    pub door: Door,
    /// What to show.
    pub definition: ReportDefinition,
    /// Of what time.
    pub period: Option<Period>,
    /// At which position; the present one without.
    pub as_of: Option<Moment>,
    /// Longest time for all of it.
    pub deadline: Option<Duration>,
}

/// Runs a report: the formulas of its metrics, its rows and its totals, all of one position.
///
/// # Errors
/// [`ReportError`].
pub async fn run(state: &AnalyzerState, request: Request) -> Result<Sheet, ReportError> {
    let period = request.period.filter(|_| needs_period(&request.definition));
    let ask = |sql: String, parameters: Option<ParamValues>, as_of: Option<Moment>| Question {
        principal: request.principal.clone(),
        door: request.door,
        sql,
        parameters,
        as_of,
        bounds: Bounds { deadline: request.deadline, rows_max: None },
        cancel: CancellationToken::new(),
        backend_pid: 0,
    };
    let first = ask(format!("-- report {}", request.definition.name), None, request.as_of);
    let tables = match state.view(&first).await {
        Ok(tables) => tables,
        Err(error) => return Err(state.refuse(&first, error).await.into()),
    };
    let metrics = match Metrics::question(&request.definition) {
        None => Metrics::default(),
        Some(sql) => {
            let (_, batches) = whole(state, ask(sql, None, None), &tables).await?;
            Metrics::of_answer(&request.definition, &batches)
        }
    };
    let compiled = compile(&request.definition, period.as_ref(), &metrics)?;
    let parameters = period.filter(|_| compiled.has_parameters).map(parameters);
    let (schema, batches) = whole(state, ask(compiled.rows, parameters, None), &tables).await?;
    let totals = match compiled.totals {
        None => None,
        Some(sql) => {
            let (schema, batches) = whole(state, ask(sql, None, None), &tables).await?;
            let all = concat_batches(&schema, &batches);
            Some(all.map_err(|error| ReportError::Output(error.to_string()))?)
        }
    };
    let columns = match compiled.columns.is_empty() {
        true => described(&schema),
        false => compiled.columns,
    };
    let position = tables.position;
    Ok(Sheet { definition: request.definition, period, position, schema, columns, batches, totals })
}

/// Whether a report covers a time.
#[must_use]
pub fn needs_period(definition: &ReportDefinition) -> bool {
    match &definition.sql {
        Some(sql) => sql.contains("$1") || sql.contains("$2"),
        None => definition.time_field.is_some(),
    }
}

fn parameters(period: Period) -> ParamValues {
    let text = |instant: chrono::DateTime<chrono::Utc>| {
        ScalarValue::TimestampMicrosecond(Some(instant.timestamp_micros()), Some("+00:00".into()))
    };
    ParamValues::from(vec![text(period.from), text(period.to)])
}

/// Columns of a question that is SQL, by what they are called and made of.
fn described(schema: &SchemaRef) -> Vec<Column> {
    let fields = schema.fields().iter().map(|field| {
        let name = field.name().clone();
        let role = match (field.data_type().is_numeric(), name.ends_with("_ms")) {
            (true, true) => Role::Measure(Unit::Ms),
            (true, false) if name.contains("percent") => Role::Measure(Unit::Percent),
            (true, false) if field.data_type().is_integer() => Role::Measure(Unit::Count),
            (true, false) => Role::Measure(Unit::Number),
            (false, _) => Role::Segment,
        };
        Column { name, role }
    });
    fields.collect()
}

async fn whole(
    state: &AnalyzerState,
    question: Question,
    tables: &Arc<Snapshot>,
) -> Result<(SchemaRef, Vec<RecordBatch>), ReportError> {
    let mut answer = state.ask_on(question, Some(Arc::clone(tables))).await?;
    let schema = answer.schema();
    let mut batches = Vec::new();
    while let Some(batch) = answer.next().await {
        batches.push(batch?);
    }
    Ok((schema, batches))
}

/// What a sheet says about itself, as name and value.
#[must_use]
pub fn about(sheet: &Sheet) -> Vec<(&'static str, String)> {
    let mut lines = vec![("Report", sheet.definition.name.clone())];
    if !sheet.definition.description.is_empty() {
        lines.push(("Description", sheet.definition.description.clone()));
    }
    if let Some(period) = &sheet.period {
        let local = |instant: chrono::DateTime<chrono::Utc>| {
            instant.with_timezone(&period.zone).to_rfc3339_opts(SecondsFormat::Secs, true)
        };
        lines.push(("From", local(period.from)));
        lines.push(("To", local(period.to)));
        lines.push(("Time zone", period.zone.name().to_owned()));
    }
    lines.push(("Position", sheet.position.to_string()));
    lines
}
