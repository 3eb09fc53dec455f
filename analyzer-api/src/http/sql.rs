//! `POST /v1/sql`, and `GET /v1/sql` for what caches may keep.

use std::time::Duration;

use axum::body::Bytes;
use axum::extract::rejection::{BytesRejection, QueryRejection};
use axum::extract::{Query, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use datafusion::common::ParamValues;
use datafusion::scalar::ScalarValue;
use ledgerline_access::Principal;
use serde::Deserialize;
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use super::bearer::Bearer;
use super::problem::Problem;
use super::{POSITION_HEADER, body, etag, queries};
use crate::analyzer::{AnalyzerState, Bounds, Door, Question};
use crate::format::Format;
use crate::limits::Limits;
use crate::past::Moment;

/// The request as JSON. A body of type `application/sql` or `text/plain` is the text itself.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Request {
    sql: String,
    #[serde(default)]
    format: Option<String>,
    #[serde(default)]
    params: Vec<Value>,
    #[serde(default)]
    as_of: Option<Value>,
    /// Answer 202 at once; the rows are fetched later.
    #[serde(default, rename = "async")]
    by_itself: bool,
    #[serde(default)]
    timeout_ms: Option<u64>,
    #[serde(default)]
    max_rows: Option<u64>,
}

pub(super) async fn answer(
    State(state): State<AnalyzerState>,
    Bearer(principal): Bearer,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, Problem> {
    let body = body.map_err(|rejection| {
        let status = rejection.status().as_u16();
        let code = if status == 413 { "body_too_large" } else { "unreadable_body" };
        Problem::new(status, code, &rejection.body_text())
    })?;
    run(&state, principal, &headers, read(&headers, &body)?).await
}

/// The request as parameters of an address.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct InAddress {
    sql: String,
    #[serde(default)]
    format: Option<String>,
    /// A JSON array.
    #[serde(default)]
    params: Option<String>,
    #[serde(default)]
    as_of: Option<String>,
    #[serde(default)]
    timeout_ms: Option<u64>,
    #[serde(default)]
    max_rows: Option<u64>,
}

pub(super) async fn answer_get(
    State(state): State<AnalyzerState>,
    Bearer(principal): Bearer,
    headers: HeaderMap,
    request: Result<Query<InAddress>, QueryRejection>,
) -> Result<Response, Problem> {
    let Query(given) = request
        .map_err(|rejection| Problem::new(400, "invalid_parameter", &rejection.body_text()))?;
    let params = match &given.params {
        None => Vec::new(),
        Some(text) => serde_json::from_str(text).map_err(|error| {
            let detail = format!("params is not a JSON array: {error}");
            Problem::new(400, "invalid_parameter", &detail)
        })?,
    };
    let request = Request {
        sql: given.sql,
        format: given.format,
        params,
        as_of: given.as_of.map(Value::String),
        by_itself: false,
        timeout_ms: given.timeout_ms,
        max_rows: given.max_rows,
    };
    run(&state, principal, &headers, request).await
}

async fn run(
    state: &AnalyzerState,
    principal: Principal,
    headers: &HeaderMap,
    request: Request,
) -> Result<Response, Problem> {
    let format = format(headers, request.format.as_deref())?;
    let question = Question {
        principal,
        door: Door::Http,
        sql: request.sql.clone(),
        parameters: parameters(&request.params)?,
        as_of: request.as_of.as_ref().map(moment).transpose()?,
        bounds: bounds(&request, state.engine.limits())?,
        // Nothing else cancels it: when the client leaves, future and body are dropped, and with them
        // the computation.
        cancel: CancellationToken::new(),
        backend_pid: 0,
    };
    if request.by_itself {
        return queries::start(state, question, format);
    }
    let tag = match state.closed(&question).await {
        Some((position, epoch)) => {
            let rights = state.rights(&question.principal).await?;
            Some((position, etag::of((&question, &rights), format, position, epoch)?))
        }
        None => None,
    };
    if let Some((position, tag)) = &tag
        && etag::is_known(headers, tag)
    {
        state.not_modified(&question, *position).await?;
        let mut response = StatusCode::NOT_MODIFIED.into_response();
        response.headers_mut().insert(POSITION_HEADER, HeaderValue::from(position.0));
        etag::put(response.headers_mut(), tag);
        return Ok(response);
    }
    let answer = state.ask(question).await?;
    let position = answer.position();
    let tag = tag.filter(|(at, _)| *at == position && answer.is_repeatable());
    let mut response = body::of(answer, format, tag.is_some()).await?.into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(format.media_type()));
    headers.insert(POSITION_HEADER, HeaderValue::from(position.0));
    match tag {
        Some((_, tag)) => etag::put(headers, &tag),
        None => {
            headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        }
    }
    Ok(response)
}

fn read(headers: &HeaderMap, body: &Bytes) -> Result<Request, Problem> {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|it| it.to_str().ok()).unwrap_or("");
    match kind.split(';').next().unwrap_or("").trim() {
        "application/sql" | "text/plain" => {
            let sql = std::str::from_utf8(body)
                .map_err(|_| Problem::new(400, "unreadable_body", "the body is not UTF-8"))?;
            Ok(Request { sql: sql.to_owned(), ..Request::default() })
        }
        "" | "application/json" | "application/x-www-form-urlencoded" => {
            serde_json::from_slice(body)
                .map_err(|error| Problem::new(400, "unreadable_body", &error.to_string()))
        }
        other => Err(Problem::new(
            415,
            "unsupported_media_type",
            &format!("Content-Type is {other}; send application/json or application/sql"),
        )),
    }
}

fn format(headers: &HeaderMap, field: Option<&str>) -> Result<Format, Problem> {
    if let Some(name) = field {
        return Format::from_name(name).ok_or_else(|| {
            let detail = format!("format is {name}; it can be json, ndjson, csv, arrow or parquet");
            Problem::new(400, "unknown_format", &detail)
        });
    }
    let Some(accept) = headers.get(header::ACCEPT) else { return Ok(Format::default()) };
    accept.to_str().ok().and_then(Format::from_accept).ok_or_else(|| {
        Problem::new(
            406,
            "not_acceptable",
            "Accept can be application/json, application/x-ndjson, text/csv, \
             application/vnd.apache.arrow.stream or application/vnd.apache.parquet",
        )
    })
}

/// Bounds of the request; what is beyond the limits is refused, not cut.
fn bounds(request: &Request, limits: &Limits) -> Result<Bounds, Problem> {
    let within = |name: &str, value: Option<u64>, most: u64| match value {
        Some(value) if value == 0 || value > most => {
            let detail = format!("{name} is {value}; it can be 1 to {most}");
            Err(Problem::new(400, "invalid_bound", &detail))
        }
        other => Ok(other),
    };
    let longest = if request.by_itself { limits.job_deadline } else { limits.deadline };
    let longest_ms = u64::try_from(longest.as_millis()).unwrap_or(u64::MAX);
    let timeout_ms = within("timeout_ms", request.timeout_ms, longest_ms)?;
    Ok(Bounds {
        deadline: Some(timeout_ms.map_or(longest, Duration::from_millis)),
        rows_max: within("max_rows", request.max_rows, limits.rows_max)?,
    })
}

/// A position as a number, or position or instant as text.
pub(super) fn moment(value: &Value) -> Result<Moment, Problem> {
    let text = match value {
        Value::Number(number) => number.to_string(),
        Value::String(text) => text.clone(),
        _ => String::new(),
    };
    Moment::parse(&text)
        .map_err(|error| Problem::new(400, "invalid_as_of", &format!("as_of: {error}")))
}

fn parameters(values: &[Value]) -> Result<Option<ParamValues>, Problem> {
    if values.is_empty() {
        return Ok(None);
    }
    let scalars = values.iter().enumerate().map(|(index, value)| {
        Ok(match value {
            Value::Null => ScalarValue::Null,
            Value::Bool(value) => ScalarValue::from(*value),
            Value::String(text) => ScalarValue::from(text.as_str()),
            Value::Number(number) => match (number.as_i64(), number.as_f64()) {
                (Some(whole), _) => ScalarValue::from(whole),
                (None, Some(fraction)) => ScalarValue::from(fraction),
                (None, None) => return Err(bad_parameter(index)),
            },
            Value::Array(_) | Value::Object(_) => return Err(bad_parameter(index)),
        })
    });
    let scalars = scalars.collect::<Result<Vec<_>, _>>()?;
    Ok(Some(ParamValues::from(scalars)))
}

fn bad_parameter(index: usize) -> Problem {
    let detail = format!("params[{index}] must be text, a number, true, false or null");
    Problem::new(400, "invalid_parameter", &detail)
}
