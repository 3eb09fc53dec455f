//! Questions about the schema over plain HTTP, from tools that complete queries or generate code.

use async_graphql::Request;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};

use super::schema::schema;
use crate::frame::ErrorCode;
use crate::state::{RealtimeState, Verified, refuse, refuse_token};

/// Answers queries. A subscription is an error of the answer: it needs a WebSocket.
pub(crate) async fn ask(
    State(state): State<RealtimeState>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let principal = match state.authenticate(&headers, None).await {
        Ok(Some(Verified { principal, .. })) => principal,
        Ok(None) => {
            let message = "a bearer token is needed";
            return refuse(StatusCode::UNAUTHORIZED, ErrorCode::Unauthorized, message);
        }
        Err(error) => return refuse_token(&error),
    };
    if let Err(reason) = state.session(principal) {
        return refuse(StatusCode::FORBIDDEN, ErrorCode::Forbidden, reason);
    }
    let request: Request = match serde_json::from_slice(&body) {
        Ok(request) if body.len() <= state.inner.limits.request_bytes => request,
        Ok(_) => {
            let message =
                format!("a request has at most {} bytes", state.inner.limits.request_bytes);
            return refuse(StatusCode::PAYLOAD_TOO_LARGE, ErrorCode::TooLarge, &message);
        }
        Err(error) => {
            let message = format!("not a GraphQL request: {error}");
            return refuse(StatusCode::BAD_REQUEST, ErrorCode::BadRequest, &message);
        }
    };
    match schema() {
        Ok(schema) => axum::Json(schema.execute(request).await).into_response(),
        Err(error) => {
            let (status, code) = (StatusCode::SERVICE_UNAVAILABLE, ErrorCode::Unavailable);
            refuse(status, code, &error.to_string())
        }
    }
}
