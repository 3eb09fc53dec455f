//! `/v1/queries`: questions that run by themselves.

use axum::Json;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use uuid::Uuid;

use super::POSITION_HEADER;
use super::bearer::Bearer;
use super::etag;
use super::problem::Problem;
use crate::analyzer::{AnalyzerState, Question};
use crate::format::Format;
use crate::jobs::{JOBS_MAX, Job, KEPT, Phase};

/// Starts a question; 202 with where to look for it.
pub(super) fn start(
    state: &AnalyzerState,
    question: Question,
    format: Format,
) -> Result<Response, Problem> {
    let job = state.jobs.start(state, question, format).ok_or_else(|| {
        let detail =
            format!("{JOBS_MAX} queries are running or kept; DELETE one of /v1/queries first");
        Problem::new(429, "too_many_queries", &detail)
    })?;
    let mut response = (StatusCode::ACCEPTED, Json(described(&job))).into_response();
    if let Ok(place) = HeaderValue::from_str(&format!("/v1/queries/{}", job.id)) {
        response.headers_mut().insert(header::LOCATION, place);
    }
    Ok(response)
}

/// The caller's questions.
pub(super) async fn list(
    State(state): State<AnalyzerState>,
    Bearer(principal): Bearer,
) -> Json<Value> {
    let jobs: Vec<Value> = state.jobs.of(&principal).iter().map(|job| described(job)).collect();
    Json(json!({ "queries": jobs }))
}

/// How far one is.
pub(super) async fn show(
    State(state): State<AnalyzerState>,
    Bearer(principal): Bearer,
    Path(id): Path<String>,
) -> Result<Json<Value>, Problem> {
    let job = parsed(&id).and_then(|id| state.jobs.get(&principal, id));
    job.map(|job| Json(described(&job))).ok_or_else(|| unknown(&id))
}

/// The answer.
pub(super) async fn result(
    State(state): State<AnalyzerState>,
    Bearer(principal): Bearer,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let job = parsed(&id).and_then(|id| state.jobs.get(&principal, id));
    let job = job.ok_or_else(|| unknown(&id))?;
    let state = job.state();
    if let Phase::Failed(error) = &state.phase {
        return Err(Problem::from(error));
    }
    let Some(file) = job.answer() else {
        let detail = format!("query {id} is {}; its answer is not whole yet", state.phase.name());
        return Err(Problem::new(409, "not_finished", &detail));
    };
    // An answer that was put aside is written once.
    let tag = format!("\"{}\"", job.id);
    let tag = HeaderValue::from_str(&tag)
        .map_err(|error| crate::error::QueryError::Internal(error.to_string()))?;
    if etag::is_known(&headers, &tag) {
        let mut response = StatusCode::NOT_MODIFIED.into_response();
        etag::put(response.headers_mut(), &tag);
        return Ok(response);
    }
    let bytes = file.read_stream().map_err(crate::error::QueryError::from)?;
    let mut response = Body::from_stream(bytes).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(job.format.media_type()));
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(state.bytes));
    etag::put(headers, &tag);
    if let Some(position) = state.position {
        headers.insert(POSITION_HEADER, HeaderValue::from(position.0));
    }
    Ok(response)
}

/// Stops it and forgets its answer.
pub(super) async fn remove(
    State(state): State<AnalyzerState>,
    Bearer(principal): Bearer,
    Path(id): Path<String>,
) -> Result<StatusCode, Problem> {
    match parsed(&id) {
        Some(known) if state.jobs.remove(&principal, known) => Ok(StatusCode::NO_CONTENT),
        _ => Err(unknown(&id)),
    }
}

fn parsed(id: &str) -> Option<Uuid> {
    id.parse().ok()
}

/// Somebody else's question is as unknown as none.
fn unknown(id: &str) -> Problem {
    Problem::new(404, "unknown_query", &format!("there is no query {id} of yours"))
}

fn described(job: &Job) -> Value {
    let state = job.state();
    let mut shown = json!({
        "id": job.id,
        "state": state.phase.name(),
        "rows": state.rows,
        "bytes": state.bytes,
        "elapsed_ms": u64::try_from(job.elapsed().as_millis()).unwrap_or(u64::MAX),
        "format": job.format.name(),
        "kept_s": KEPT.as_secs(),
    });
    if let Some(position) = state.position {
        shown["as_of_position"] = json!(position);
    }
    match &state.phase {
        Phase::Done => shown["result"] = json!(format!("/v1/queries/{}/result", job.id)),
        Phase::Failed(error) => shown["error"] = Problem::from(error).body().clone(),
        Phase::Waiting | Phase::Running => {}
    }
    shown
}
