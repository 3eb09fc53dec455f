//! `/v1/report-schedules`: what is due, what became of it, and a run out of turn.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use ledgerline_access::{Action, Principal, allows};
use ledgerline_schemas::config::Module;
use serde_json::{Value, json};

use super::bearer::Bearer;
use super::problem::Problem;
use crate::analyzer::AnalyzerState;
use crate::ports::{ScheduleError, ScheduleSource};

impl From<ScheduleError> for Problem {
    fn from(error: ScheduleError) -> Self {
        let (status, code) = match &error {
            ScheduleError::Unknown(_) => (404, "unknown_schedule"),
            ScheduleError::SwitchedOff(_) => (409, "schedule_switched_off"),
            ScheduleError::NotAvailable(_) => (503, "not_available"),
        };
        Self::new(status, code, &error.to_string())
    }
}

/// Schedules are configuration as it is: under a user profile they are there with every place granted and nothing
/// masked. Refusals are recorded.
async fn admit<'a>(
    state: &'a AnalyzerState,
    principal: &Principal,
    action: Action,
    modules: &[Module],
) -> Result<&'a Arc<dyn ScheduleSource>, Problem> {
    let reason = if allows(principal, action) {
        let rights = state.rights(principal).await?;
        let is_whole = modules.iter().all(|module| rights.opens(*module))
            && rights.limits().is_none_or(|it| it.sees_all_rows() && !it.masks_any());
        (!is_whole).then_some("the user profile does not open the configuration as a whole")
    } else {
        Some("no role of the token allows it")
    };
    if let Some(reason) = reason {
        state.record_denied(principal, action.name(), reason).await;
        return Err(Problem::new(403, "not_allowed", reason));
    }
    state.schedules.as_ref().ok_or_else(|| {
        ScheduleError::NotAvailable("this server does not run them".to_owned()).into()
    })
}

/// The schedules there are.
pub(super) async fn list(
    State(state): State<AnalyzerState>,
    Bearer(principal): Bearer,
) -> Result<Json<Value>, Problem> {
    let modules = [Module::Configuration];
    let source = admit(&state, &principal, Action::ConfigRead, &modules).await?;
    let schedules = source.list(principal.org_id).await?;
    Ok(Json(json!({ "schedules": schedules })))
}

/// Runs one now.
pub(super) async fn deliver(
    State(state): State<AnalyzerState>,
    Bearer(principal): Bearer,
    Path(name): Path<String>,
) -> Result<Json<Value>, Problem> {
    let modules = [Module::Configuration, Module::Analyzer, Module::Live];
    let source = admit(&state, &principal, Action::ConfigWrite, &modules).await?;
    Ok(Json(source.deliver(principal.org_id, &name, &principal.subject).await?))
}
