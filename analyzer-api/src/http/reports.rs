//! `/v1/reports`.

use axum::Json;
use axum::extract::rejection::JsonRejection;
use axum::extract::{Path, State};
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use chrono::Utc;
use serde::Deserialize;
use serde_json::{Value, json};

use super::bearer::Bearer;
use super::problem::Problem;
use super::{POSITION_HEADER, sql};
use crate::analyzer::{AnalyzerState, Door};
use crate::report::output::{Output, file_name};
use crate::report::period::{self, Period};
use crate::report::run::needs_period;
use crate::report::saved::{self, Origin};
use crate::report::{ReportDefinition, ReportError, Request, run};

/// What to run: a report by name or a definition, and its period.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Wanted {
    #[serde(default)]
    report: Option<String>,
    #[serde(default)]
    definition: Option<ReportDefinition>,
    #[serde(default)]
    from: Option<String>,
    #[serde(default)]
    to: Option<String>,
    /// A named period instead of `from` and `to`.
    #[serde(default)]
    period: Option<String>,
    #[serde(default)]
    timezone: Option<String>,
    #[serde(default)]
    as_of: Option<Value>,
    #[serde(default)]
    format: Option<String>,
}

impl From<ReportError> for Problem {
    fn from(error: ReportError) -> Self {
        let text = error.to_string();
        match error {
            ReportError::Query(error) => Self::from(error),
            ReportError::Unknown(_) | ReportError::UnknownThen(_) => {
                Self::new(404, "unknown_report", &text)
            }
            ReportError::Definition { .. } => Self::new(422, "invalid_report", &text),
            ReportError::Period(_) => Self::new(400, "invalid_period", &text),
            ReportError::Format(_) | ReportError::Output(_) => {
                Self::new(422, "no_such_form", &text)
            }
        }
    }
}

/// The reports there are.
pub(super) async fn list(
    State(state): State<AnalyzerState>,
    Bearer(principal): Bearer,
) -> Result<Json<Value>, Problem> {
    let reports = saved::all(&state, &principal, Door::Http, None).await?;
    let shown = reports.iter().map(|(origin, definition)| {
        json!({
            "name": definition.name,
            "description": definition.description,
            "origin": match origin { Origin::Saved => "saved", Origin::Stock => "stock" },
            "needs_period": needs_period(definition),
        })
    });
    Ok(Json(json!({ "reports": shown.collect::<Vec<_>>() })))
}

/// One definition.
pub(super) async fn show(
    State(state): State<AnalyzerState>,
    Bearer(principal): Bearer,
    Path(name): Path<String>,
) -> Result<Json<ReportDefinition>, Problem> {
    Ok(Json(saved::by_name(&state, &principal, Door::Http, &name, None).await?))
}

/// Runs one.
pub(super) async fn answer(
    State(state): State<AnalyzerState>,
    Bearer(principal): Bearer,
    body: Result<Json<Wanted>, JsonRejection>,
) -> Result<Response, Problem> {
    let Json(wanted) = body.map_err(|rejection| {
        let status = rejection.status().as_u16();
        Problem::new(status, "unreadable_body", &rejection.body_text())
    })?;
    let name = wanted.format.as_deref().unwrap_or("json");
    let output = Output::from_name(name).ok_or_else(|| {
        let detail = format!("format is {name}; it can be {}", Output::NAMES);
        Problem::new(400, "unknown_format", &detail)
    })?;
    let period = period(&wanted)?;
    let as_of = wanted.as_of.as_ref().map(sql::moment).transpose()?;
    let definition = match (wanted.report, wanted.definition) {
        (Some(name), None) => saved::by_name(&state, &principal, Door::Http, &name, as_of).await?,
        (None, Some(definition)) => definition,
        _ => {
            let detail = "send either report (a name) or definition";
            return Err(Problem::new(400, "invalid_report", detail));
        }
    };
    let request =
        Request { principal, door: Door::Http, definition, period, as_of, deadline: None };
    let sheet = run(&state, request).await?;
    let bytes = output.of(&sheet)?;
    let mut response = bytes.into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(output.media_type()));
    headers.insert(POSITION_HEADER, HeaderValue::from(sheet.position.0));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    let attachment = format!("attachment; filename=\"{}\"", file_name(&sheet, output));
    if let Ok(attachment) = HeaderValue::from_str(&attachment) {
        headers.insert(header::CONTENT_DISPOSITION, attachment);
    }
    Ok(response)
}

fn period(wanted: &Wanted) -> Result<Option<Period>, ReportError> {
    let zone = period::zone(wanted.timezone.as_deref().unwrap_or("UTC"))?;
    match (&wanted.period, &wanted.from, &wanted.to) {
        (Some(name), None, None) => Period::named(name, Utc::now(), zone).map(Some),
        (None, Some(from), Some(to)) => Period::between(from, to, zone).map(Some),
        (None, None, None) => Ok(None),
        (None, Some(_), None) => Err(ReportError::Period("to is missing".to_owned())),
        (None, None, Some(_)) => Err(ReportError::Period("from is missing".to_owned())),
        (Some(_), _, _) => Err(ReportError::Period("send either period or from and to".to_owned())),
    }
}
