//! `POST /v1/search`, and `POST /search` for clients that know no other address: GraphQL over HTTP.

use async_graphql::{Request, Variables};
use axum::body::Bytes;
use axum::extract::rejection::{BytesRejection, QueryRejection};
use axum::extract::{Query, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use ledgerline_access::Action;
use serde::Deserialize;
use serde_json::Value;

use super::POSITION_HEADER;
use super::bearer::Bearer;
use super::problem::Problem;
use crate::analyzer::AnalyzerState;
use crate::graphql;
use crate::ports::may_query;

/// Media type of answers to clients that ask for it; it may say with its status that nothing was asked.
const RESPONSE: &str = "application/graphql-response+json";

/// The body of a request. Lists of requests are refused: each would cost what one may.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Body {
    query: String,
    #[serde(default)]
    variables: Option<Value>,
    #[serde(default)]
    operation_name: Option<String>,
    /// Read and left alone, as the specification has it.
    #[serde(default, rename = "extensions")]
    _extensions: Option<Value>,
}

/// Parameters of the address.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct InAddress {
    /// The organization; it can only be the token's.
    #[serde(default)]
    org_id: Option<String>,
}

pub(super) async fn answer(
    State(state): State<AnalyzerState>,
    Bearer(principal): Bearer,
    headers: HeaderMap,
    address: Result<Query<InAddress>, QueryRejection>,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, Problem> {
    let body = body.map_err(|rejection| {
        let status = rejection.status().as_u16();
        let code = if status == 413 { "body_too_large" } else { "unreadable_body" };
        Problem::new(status, code, &rejection.body_text())
    })?;
    let Query(address) = address
        .map_err(|rejection| Problem::new(400, "invalid_parameter", &rejection.body_text()))?;
    let is_own = |id: &String| id.eq_ignore_ascii_case(&principal.org_id.to_string());
    let denied = if !may_query(&principal) {
        Some("searching is for analysts, auditors, supervisors and administrators")
    } else if !address.org_id.as_ref().is_none_or(is_own) {
        Some("orgId is another organization than the token's")
    } else {
        None
    };
    if let Some(reason) = denied {
        state.record_denied(&principal, Action::SqlQuery.name(), reason).await;
        return Err(Problem::new(403, "not_allowed", reason));
    }
    let found = graphql::answer(&state, principal, read(&headers, &body)?).await?;
    let accepts = headers.get(header::ACCEPT).and_then(|it| it.to_str().ok()).unwrap_or("");
    let media_type = if accepts.contains(RESPONSE) { RESPONSE } else { "application/json" };
    let text = serde_json::to_string(&found.response)
        .map_err(|error| crate::error::QueryError::Internal(error.to_string()))?;
    let mut response = text.into_response();
    if media_type == RESPONSE && !found.understood {
        *response.status_mut() = StatusCode::BAD_REQUEST;
    }
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if let Some(position) = found.position {
        headers.insert(POSITION_HEADER, HeaderValue::from(position.0));
    }
    Ok(response)
}

fn read(headers: &HeaderMap, body: &Bytes) -> Result<Request, Problem> {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|it| it.to_str().ok()).unwrap_or("");
    let kind = kind.split(';').next().unwrap_or("").trim();
    if !kind.is_empty() && kind != "application/json" {
        let detail = format!("Content-Type is {kind}; send application/json");
        return Err(Problem::new(415, "unsupported_media_type", &detail));
    }
    let unreadable = |detail: &str| Problem::new(400, "unreadable_body", detail);
    let body: Value =
        serde_json::from_slice(body).map_err(|error| unreadable(&error.to_string()))?;
    if body.is_array() {
        return Err(unreadable("the body is a list of requests; send one request"));
    }
    let body: Body =
        serde_json::from_value(body).map_err(|error| unreadable(&error.to_string()))?;
    let mut request = Request::new(body.query);
    if let Some(variables) = body.variables {
        request = request.variables(Variables::from_json(variables));
    }
    if let Some(name) = body.operation_name {
        request = request.operation_name(name);
    }
    Ok(request)
}
