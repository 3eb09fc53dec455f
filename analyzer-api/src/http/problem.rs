//! Errors as RFC 9457 problem details.

use axum::body::Body;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use crate::error::QueryError;

/// A problem: status, stable code, and what exactly.
#[derive(Clone, Debug, PartialEq)]
pub struct Problem {
    status: u16,
    body: Value,
}

impl Problem {
    /// A problem with a stable `lower_snake` code.
    #[must_use]
    pub fn new(status: u16, code: &str, detail: &str) -> Self {
        let title = code.replace('_', " ");
        let body = json!({
            "type": format!("urn:ledgerline:problem:{code}"),
            "title": title,
            "status": status,
            "code": code,
            "detail": detail,
        });
        Self { status, body }
    }

    /// The JSON object, for answers that have begun already.
    #[must_use]
    pub const fn body(&self) -> &Value {
        &self.body
    }
}

impl From<&QueryError> for Problem {
    fn from(error: &QueryError) -> Self {
        let mut problem = Self::new(error.status(), error.code(), &error.to_string());
        if let (QueryError::Syntax { place: Some((line, column)), .. }, Value::Object(body)) =
            (error, &mut problem.body)
        {
            body.insert("line".to_owned(), json!(line));
            body.insert("column".to_owned(), json!(column));
        }
        problem
    }
}

impl From<QueryError> for Problem {
    fn from(error: QueryError) -> Self {
        Self::from(&error)
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = Response::new(Body::from(self.body.to_string()));
        *response.status_mut() =
            StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let headers = response.headers_mut();
        headers.insert(
            header::CONTENT_TYPE,
            header::HeaderValue::from_static("application/problem+json"),
        );
        if self.status == 401 {
            headers.insert(header::WWW_AUTHENTICATE, header::HeaderValue::from_static("Bearer"));
        }
        response
    }
}
