//! Entity tags of answers that can never change (RFC 9110, 8.8.3 and 13.1.2).
//!
//! The tag names the question and the position, not the bytes: rows that a question does not order may come in
//! another order, so it is a weak one. It is known before the question runs, and then nothing runs.

use std::fmt::Write as _;

use axum::http::{HeaderMap, HeaderValue, header};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use datafusion::common::ParamValues;
use ledgerline_projections::Rights;
use ledgerline_schemas::Position;
use sha2::{Digest as _, Sha256};

use crate::analyzer::Question;
use crate::error::QueryError;
use crate::format::Format;

/// The tag of the answer to a question at a position: of all that the answer depends on.
pub(super) fn of(
    (question, rights): (&Question, &Rights),
    format: Format,
    position: Position,
    epoch: u64,
) -> Result<HeaderValue, QueryError> {
    let mut hash = Sha256::new();
    let mut put = |text: &str| {
        hash.update((text.len() as u64).to_le_bytes());
        hash.update(text.as_bytes());
    };
    // What folds, formats and computes.
    put(env!("CARGO_PKG_VERSION"));
    put(&epoch.to_string());
    put(&position.to_string());
    // Everything that says what the principal may see: a profile that changed makes another answer.
    put(&format!("{:?}", question.principal));
    put(&format!("{rights:?}"));
    put(&question.sql);
    let mut parameters = String::new();
    if let Some(ParamValues::List(values)) = &question.parameters {
        for value in values {
            // Writing to a string cannot fail.
            let _ = write!(parameters, "{:?};", value.value());
        }
    }
    put(&parameters);
    put(format.name());
    put(&format!("{:?}", question.bounds.rows_max));
    let digest = hash.finalize();
    let tag = URL_SAFE_NO_PAD.encode(digest.get(..18).unwrap_or_default());
    HeaderValue::from_str(&format!("W/\"{tag}\""))
        .map_err(|error| QueryError::Internal(error.to_string()))
}

/// Whether the client has it: `If-None-Match`, compared weakly.
pub(super) fn is_known(headers: &HeaderMap, tag: &HeaderValue) -> bool {
    let Ok(tag) = tag.to_str() else { return false };
    let opaque = |tag: &str| tag.trim().trim_start_matches("W/").to_owned();
    headers
        .get_all(header::IF_NONE_MATCH)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|given| given.trim() != "*" && opaque(given) == opaque(tag))
}

/// The headers of such an answer: a client may keep it, and asks before each use, so that each use is an access
/// event.
pub(super) fn put(headers: &mut HeaderMap, tag: &HeaderValue) {
    headers.insert(header::ETAG, tag.clone());
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("private, no-cache"));
    headers.insert(header::VARY, HeaderValue::from_static("authorization, accept"));
}
