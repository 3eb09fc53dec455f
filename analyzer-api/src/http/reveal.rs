//! `POST /v1/interactions/{id}/reveal`: personal data in clear, for a reason that is on the log before.

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use ledgerline_access::{Action, allows};
use ledgerline_schemas::config::Module;
use ledgerline_schemas::event::access::{AccessHistoryViewed, AccessRevealed};
use ledgerline_schemas::id::InteractionId;
use serde::Deserialize;
use serde_json::json;

use super::POSITION_HEADER;
use super::bearer::Bearer;
use super::problem::Problem;
use crate::analyzer::AnalyzerState;
use crate::error::QueryError;
use crate::history::{Opened, reveal};

/// Longest reason, characters.
const REASON_CHARS_MAX: usize = 500;
/// Most values of one interaction: their names have to fit into one event.
const VALUES_MAX: usize = 5_000;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Request {
    reason: String,
}

/// Shows what is sealed in an interaction.
pub(super) async fn answer(
    State(state): State<AnalyzerState>,
    Bearer(principal): Bearer,
    Path(id): Path<String>,
    body: Bytes,
) -> Result<Response, Problem> {
    if !allows(&principal, Action::PersonalDataReveal) {
        let reason = "personal data in clear is for auditors";
        state.record_denied(&principal, Action::PersonalDataReveal.name(), reason).await;
        return Err(Problem::new(403, "not_allowed", reason));
    }
    let interaction: InteractionId = id.parse().map_err(|_| {
        Problem::new(400, "invalid_interaction_id", &format!("interaction id {id} is not a UUID"))
    })?;
    let reason = reason(&body)?;
    let rights = state.enter(&principal, Module::History, Action::PersonalDataReveal).await?;
    let keys = state.keys.clone().ok_or_else(|| {
        Problem::new(503, "no_keys", "this process holds no keys of personal data")
    })?;
    let is_shown = state.shows(&principal, &rights, interaction).await?;
    let not_ready = || QueryError::NotReady(principal.org_id.to_string());
    let reader = state.ports.logs.reader(principal.org_id).ok_or_else(not_ready)?;
    let position = reader.head();
    let found = state
        .engine
        .compute(async move {
            reveal(reader.as_ref(), &keys, interaction)
                .map_err(|error| QueryError::Internal(error.to_string()))
        })
        .await?;
    let Some(values) = found.filter(|_| is_shown) else {
        // Looking for what is not there is an access too.
        let principal_name = principal.subject.clone();
        let viewed = AccessHistoryViewed { principal: principal_name, interaction_id: interaction };
        record(&state, &principal, viewed.into()).await?;
        let detail = format!("interaction {interaction} is not in the log of this organization");
        return Err(Problem::new(404, "unknown_interaction", &detail));
    };
    if values.len() > VALUES_MAX {
        let detail = format!(
            "the interaction has {} sealed values, the limit is {VALUES_MAX}",
            values.len()
        );
        return Err(Problem::new(422, "too_many_values", &detail));
    }
    let shown = values.iter().filter(|value| value.state == Opened::Revealed);
    let revealed = AccessRevealed {
        principal: principal.subject.clone(),
        interaction_id: interaction,
        reason,
        fields: shown.map(|value| value.name()).collect(),
    };
    // On the log before anything is shown: an answer that cannot be recorded is not given.
    record(&state, &principal, revealed.into()).await?;
    let mut response = Json(json!({
        "interaction_id": interaction,
        "as_of_position": position,
        "values": values,
    }))
    .into_response();
    let headers = response.headers_mut();
    headers.insert(POSITION_HEADER, HeaderValue::from(position.0));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

async fn record(
    state: &AnalyzerState,
    principal: &ledgerline_access::Principal,
    event: ledgerline_schemas::Event,
) -> Result<(), Problem> {
    let recorded = state.ports.recorder.record(principal, event).await;
    Ok(recorded.map_err(QueryError::NotRecorded)?)
}

fn reason(body: &[u8]) -> Result<String, Problem> {
    let request: Request = serde_json::from_slice(body)
        .map_err(|error| Problem::new(400, "unreadable_body", &error.to_string()))?;
    let reason = request.reason.trim();
    let length = reason.chars().count();
    if length == 0 || length > REASON_CHARS_MAX {
        let detail = format!("reason has {length} characters; it can have 1 to {REASON_CHARS_MAX}");
        return Err(Problem::new(400, "invalid_reason", &detail));
    }
    Ok(reason.to_owned())
}
