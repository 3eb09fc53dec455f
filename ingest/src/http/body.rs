//! JSON request bodies: bounded, typed, and refused with the name of the field that does not fit.

use axum::body::{Bytes, to_bytes};
use axum::extract::{FromRequest, Request};
use axum::http::{StatusCode, header};
use ledgerline_schemas::limits::HTTP_BODY_BYTES_MAX;
use serde::de::DeserializeOwned;

use crate::http::problem::Problem;

/// A request body read as JSON. Unknown fields are refused by the type (`deny_unknown_fields`).
#[derive(Clone, Debug)]
pub struct Body<T>(pub T);

/// Like [`Body`], but an empty body stands for the type's default.
#[derive(Clone, Debug)]
pub struct OptionalBody<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Body<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<Self, Problem> {
        let (json, bytes) = read(request).await?;
        parse(json, &bytes).map(Self)
    }
}

impl<S: Send + Sync, T: DeserializeOwned + Default> FromRequest<S> for OptionalBody<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<Self, Problem> {
        let (json, bytes) = read(request).await?;
        if bytes.is_empty() {
            return Ok(Self(T::default()));
        }
        parse(json, &bytes).map(Self)
    }
}

async fn read(request: Request) -> Result<(bool, Bytes), Problem> {
    let declared = request
        .headers()
        .get(header::CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok()?.parse::<usize>().ok());
    if declared.is_some_and(|bytes| bytes > HTTP_BODY_BYTES_MAX) {
        return Err(Problem::too_large("the request body", HTTP_BODY_BYTES_MAX));
    }
    let json = request
        .headers()
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.split(';').next())
        .is_some_and(|value| value.trim().eq_ignore_ascii_case("application/json"));
    let bytes = to_bytes(request.into_body(), HTTP_BODY_BYTES_MAX).await.map_err(|error| {
        // The only other cause is a client that broke off, and nobody reads the answer then.
        tracing::debug!(%error, "request body not read");
        Problem::too_large("the request body", HTTP_BODY_BYTES_MAX)
    })?;
    Ok((json, bytes))
}

fn parse<T: DeserializeOwned>(json: bool, bytes: &[u8]) -> Result<T, Problem> {
    if !json {
        return Err(Problem::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "unsupported_media_type",
            "the body has to be application/json",
        )
        .field("content-type"));
    }
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    let value = serde_path_to_error::deserialize(&mut reader).map_err(|error| {
        let path = error.path().to_string();
        let inner = error.into_inner();
        if inner.is_data() {
            return Problem::invalid(field_of(&path, &inner.to_string()), inner.to_string());
        }
        malformed(&inner)
    })?;
    reader.end().map_err(|error| malformed(&error))?;
    Ok(value)
}

fn malformed(error: &serde_json::Error) -> Problem {
    Problem::new(
        StatusCode::BAD_REQUEST,
        "malformed_json",
        format!("the body is not JSON: {error}"),
    )
}

/// The field a data error is about: the path to it, and for a missing or unknown field also the name that
/// the message quotes.
#[must_use]
pub(crate) fn field_of(path: &str, message: &str) -> String {
    let parent = if path == "." { "" } else { path };
    let quoted = ["missing field `", "unknown field `"]
        .iter()
        .find_map(|start| message.strip_prefix(start)?.split('`').next());
    match quoted {
        Some(name) if parent.is_empty() => name.to_owned(),
        // The path of an unknown field ends in its name already.
        Some(name) if parent == name || parent.ends_with(&format!(".{name}")) => parent.to_owned(),
        Some(name) => format!("{parent}.{name}"),
        None if parent.is_empty() => "body".to_owned(),
        None => parent.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[allow(dead_code, reason = "only its form matters")]
    struct Sample {
        one: u8,
        #[serde(default)]
        inner: Option<Inner>,
    }

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[allow(dead_code, reason = "only its form matters")]
    struct Inner {
        two: bool,
    }

    #[test]
    fn the_field_is_named() {
        for (body, field) in [
            (r#"{"one":"x"}"#, "one"),
            (r#"{}"#, "one"),
            (r#"{"one":1,"three":3}"#, "three"),
            (r#"{"one":1,"inner":{"two":1}}"#, "inner.two"),
            (r#"{"one":1,"inner":{}}"#, "inner.two"),
            (r#"{"one":1,"inner":{"two":true,"four":4}}"#, "inner.four"),
            (r#"[]"#, "one"),
        ] {
            let problem = parse::<Sample>(true, body.as_bytes()).expect_err(body);
            assert_eq!(problem.status(), StatusCode::UNPROCESSABLE_ENTITY, "{body}");
            let json = serde_json::to_value(&problem).expect("json");
            if body != "[]" {
                assert_eq!(json["field"], field, "{body}");
            }
        }
    }

    #[test]
    fn text_that_is_not_json_is_a_bad_request() {
        for body in ["", "{", "{\"one\":1} trailing"] {
            let problem = parse::<Sample>(true, body.as_bytes()).expect_err(body);
            assert_eq!(problem.status(), StatusCode::BAD_REQUEST, "{body}");
        }
        let problem = parse::<Sample>(false, b"{\"one\":1}").expect_err("type");
        assert_eq!(problem.status(), StatusCode::UNSUPPORTED_MEDIA_TYPE);
    }
}
