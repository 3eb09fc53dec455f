//! `GET /v1/interactions/{id}/history`.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use ledgerline_access::Action;
use ledgerline_schemas::config::Module;
use ledgerline_schemas::event::access::AccessHistoryViewed;
use ledgerline_schemas::id::InteractionId;
use serde_json::json;

use super::POSITION_HEADER;
use super::bearer::Bearer;
use super::problem::Problem;
use crate::analyzer::AnalyzerState;
use crate::error::QueryError;
use crate::history;
use crate::ports::may_read_history;

/// JSON, or text when `Accept` is `text/plain`.
pub(super) async fn answer(
    State(state): State<AnalyzerState>,
    Bearer(principal): Bearer,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    if !may_read_history(&principal) {
        let reason = "histories are for auditors, supervisors and administrators";
        state.record_denied(&principal, "history_view", reason).await;
        return Err(Problem::new(403, "not_allowed", reason));
    }
    let interaction: InteractionId = id.parse().map_err(|_| {
        Problem::new(400, "invalid_interaction_id", &format!("interaction id {id} is not a UUID"))
    })?;
    let rights = state.enter(&principal, Module::History, Action::HistoryView).await?;
    let is_shown = state.shows(&principal, &rights, interaction).await?;
    let not_ready = || QueryError::NotReady(principal.org_id.to_string());
    let reader = state.ports.logs.reader(principal.org_id).ok_or_else(not_ready)?;
    let position = reader.head();
    let steps = state
        .engine
        .compute(async move {
            history::of(reader.as_ref(), interaction)
                .map_err(|error| QueryError::Internal(error.to_string()))
        })
        .await?;
    // Looking for a history that is not there is an access too.
    let viewed =
        AccessHistoryViewed { principal: principal.subject.clone(), interaction_id: interaction };
    state
        .ports
        .recorder
        .record(&principal, viewed.into())
        .await
        .map_err(QueryError::NotRecorded)?;
    // What is not granted is as unknown as what does not exist.
    if steps.is_empty() || !is_shown {
        let detail = format!("interaction {interaction} is not in the log of this organization");
        return Err(Problem::new(404, "unknown_interaction", &detail));
    }
    let wants_text = headers
        .get(header::ACCEPT)
        .and_then(|accept| accept.to_str().ok())
        .is_some_and(|accept| accept.trim_start().starts_with("text/plain"));
    let mut response = if wants_text {
        history::render(&steps).into_response()
    } else {
        Json(json!({
            "interaction_id": interaction,
            "as_of_position": position,
            "steps": steps,
        }))
        .into_response()
    };
    response.headers_mut().insert(POSITION_HEADER, HeaderValue::from(position.0));
    Ok(response)
}
