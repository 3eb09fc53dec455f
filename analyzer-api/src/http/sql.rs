//! `POST /v1/sql`.

use axum::body::Bytes;
use axum::extract::State;
use axum::extract::rejection::BytesRejection;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use datafusion::common::ParamValues;
use datafusion::scalar::ScalarValue;
use serde::Deserialize;
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use super::bearer::Bearer;
use super::problem::Problem;
use super::{POSITION_HEADER, body};
use crate::analyzer::{AnalyzerState, Door, Question};
use crate::format::Format;

/// The request as JSON. A body of type `application/sql` or `text/plain` is the text itself.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Request {
    sql: String,
    #[serde(default)]
    format: Option<String>,
    #[serde(default)]
    params: Vec<Value>,
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
    let request = read(&headers, &body)?;
    let format = format(&headers, request.format.as_deref())?;
    let question = Question {
        principal,
        door: Door::Http,
        sql: request.sql,
        parameters: parameters(&request.params)?,
        // Nothing else cancels it: when the client leaves, future and body are dropped, and with them
        // the computation.
        cancel: CancellationToken::new(),
        backend_pid: 0,
    };
    let answer = state.ask(question).await?;
    let position = answer.position();
    let mut response = body::of(answer, format).await?.into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(format.media_type()));
    headers.insert(POSITION_HEADER, HeaderValue::from(position.0));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

fn read(headers: &HeaderMap, body: &Bytes) -> Result<Request, Problem> {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|it| it.to_str().ok()).unwrap_or("");
    match kind.split(';').next().unwrap_or("").trim() {
        "application/sql" | "text/plain" => {
            let sql = std::str::from_utf8(body)
                .map_err(|_| Problem::new(400, "unreadable_body", "the body is not UTF-8"))?;
            Ok(Request { sql: sql.to_owned(), format: None, params: Vec::new() })
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
            let detail = format!("format is {name}; it can be json, ndjson, csv or arrow");
            Problem::new(400, "unknown_format", &detail)
        });
    }
    let Some(accept) = headers.get(header::ACCEPT) else { return Ok(Format::default()) };
    accept.to_str().ok().and_then(Format::from_accept).ok_or_else(|| {
        Problem::new(
            406,
            "not_acceptable",
            "Accept can be application/json, application/x-ndjson, text/csv or \
             application/vnd.apache.arrow.stream",
        )
    })
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
