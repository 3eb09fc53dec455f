//! The bearer token of a request.

use axum::extract::FromRequestParts;
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;
use ledgerline_access::{Principal, Refusal};

use super::problem::Problem;
use crate::analyzer::AnalyzerState;

/// The principal that the request's token stands for.
pub(super) struct Bearer(pub(super) Principal);

impl FromRequestParts<AnalyzerState> for Bearer {
    type Rejection = Problem;

    async fn from_request_parts(
        parts: &mut Parts,
        state: &AnalyzerState,
    ) -> Result<Self, Self::Rejection> {
        let refused = |detail: &str| Problem::new(401, "unauthenticated", detail);
        let header = parts
            .headers
            .get(AUTHORIZATION)
            .ok_or_else(|| refused("header Authorization is missing; send a bearer token"))?;
        let text =
            header.to_str().map_err(|_| refused("header Authorization is not readable text"))?;
        let token = text
            .split_once(' ')
            .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
            .map(|(_, token)| token.trim())
            .ok_or_else(|| refused("header Authorization has another scheme than Bearer"))?;
        let verified = state.ports.authenticator.verify(token).await;
        verified.map(Self).map_err(|error| {
            metrics::counter!("analyzer_unauthenticated_total", "door" => "http").increment(1);
            let detail = error.to_string();
            match error.refusal() {
                Refusal::Unauthenticated => refused(&detail),
                Refusal::Forbidden => Problem::new(403, "not_allowed", &detail),
                Refusal::Unavailable => Problem::new(503, "not_available", &detail),
            }
        })
    }
}
