//! Errors at the HTTP doors: problem details of RFC 9457, naming the field where there is one.

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use ledgerline_routing_core::{Rejection, RejectionCode};
use serde::Serialize;

use crate::http::port::PortError;

/// Seconds a client is asked to wait when the engine is busy.
const RETRY_AFTER_S: &str = "1";

/// A refusal or failure as the client sees it. Holds no internal message and no personal data.
#[derive(Clone, Debug, Serialize)]
pub struct Problem {
    /// `urn:ledgerline:problem:<code>`; the code is stable.
    #[serde(rename = "type")]
    kind: String,
    /// What the status means.
    title: &'static str,
    /// HTTP status.
    status: u16,
    /// What exactly.
    detail: String,
    /// The field (dotted path), header or parameter concerned.
    #[serde(skip_serializing_if = "Option::is_none")]
    field: Option<String>,
}

impl Problem {
    /// A problem with this status, stable code and explanation.
    #[must_use]
    pub fn new(status: StatusCode, code: &str, detail: impl Into<String>) -> Self {
        Self {
            kind: format!("urn:ledgerline:problem:{code}"),
            title: status.canonical_reason().unwrap_or("error"),
            status: status.as_u16(),
            detail: detail.into(),
            field: None,
        }
    }

    /// Names the field concerned.
    #[must_use]
    pub fn field(mut self, field: impl Into<String>) -> Self {
        self.field = Some(field.into());
        self
    }

    /// Names the field as this request does, when the problem names it as the core does.
    #[must_use]
    pub fn renamed(mut self, from: &str, to: &str) -> Self {
        if self.field.as_deref() == Some(from) {
            self.field = Some(to.to_owned());
        }
        self
    }

    /// 401: no token, or one that does not hold.
    #[must_use]
    pub fn unauthorized(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "unauthorized", detail).field("authorization")
    }

    /// 403: known, but not allowed.
    #[must_use]
    pub fn forbidden(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, "forbidden", detail)
    }

    /// 404.
    #[must_use]
    pub fn not_found(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", detail)
    }

    /// 422: understood, but a value is not allowed.
    #[must_use]
    pub fn invalid(field: impl Into<String>, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid", detail).field(field)
    }

    /// 413.
    #[must_use]
    pub fn too_large(what: &str, limit_bytes: usize) -> Self {
        Self::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "too_large",
            format!("{what} is longer than {limit_bytes} bytes"),
        )
    }

    /// 503: something of ours does not work; `what` goes to the log only.
    #[must_use]
    pub fn internal(what: &dyn std::fmt::Display) -> Self {
        tracing::error!(error = %what, "request failed");
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", "the server cannot do this now")
    }

    /// The status.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    /// The explanation.
    #[must_use]
    pub fn detail(&self) -> &str {
        &self.detail
    }
}

/// The field a rejection is about: the core puts it before a colon.
#[must_use]
pub(crate) fn rejected_field(rejection: &Rejection) -> Option<&str> {
    let (field, _) = rejection.message.split_once(": ")?;
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_.[]/".contains(&byte);
    (!field.is_empty() && field.bytes().all(plain)).then_some(field)
}

/// `team_id` as the desktop and chat doors spell it: `teamId`.
fn camel(field: &str) -> String {
    let mut upper = false;
    let mut out = String::with_capacity(field.len());
    for letter in field.chars() {
        match (letter, upper) {
            ('_', _) => upper = true,
            (letter, true) => {
                out.push(letter.to_ascii_uppercase());
                upper = false;
            }
            (letter, false) => out.push(letter),
        }
    }
    out
}

impl From<PortError> for Problem {
    fn from(error: PortError) -> Self {
        match error {
            PortError::Rejected(rejection) => {
                let status = match rejection.code {
                    RejectionCode::NotFound | RejectionCode::UnknownNumber => StatusCode::NOT_FOUND,
                    RejectionCode::Invalid => StatusCode::UNPROCESSABLE_ENTITY,
                    RejectionCode::Conflict => StatusCode::CONFLICT,
                    RejectionCode::Busy => StatusCode::TOO_MANY_REQUESTS,
                };
                let field = rejected_field(&rejection).map(camel);
                let problem = Self::new(status, rejection.code.name(), rejection.message);
                match field {
                    Some(field) => problem.field(field),
                    None => problem,
                }
            }
            PortError::Busy => Self::new(
                StatusCode::TOO_MANY_REQUESTS,
                "engine_busy",
                "too many commands wait; repeat the request",
            ),
            PortError::Unavailable(reason) => Self::internal(&reason),
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = self.status();
        let mut response = (status, Json(self)).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE) {
            headers.insert(header::RETRY_AFTER, HeaderValue::from_static(RETRY_AFTER_S));
        }
        response
    }
}
