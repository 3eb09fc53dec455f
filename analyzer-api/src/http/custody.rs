//! `/v1/custody/…`: the key, checkpoints, proofs and evidence, while the system runs.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use ledgerline_access::{Action, Principal, allows};
use ledgerline_event_store::custody::CustodyError;
use ledgerline_event_store::custody::verify::Checkpoint;
use ledgerline_schemas::StreamId;
use ledgerline_schemas::config::Module;
use ledgerline_schemas::event::access::AccessHistoryViewed;
use ledgerline_schemas::id::InteractionId;

use super::bearer::Bearer;
use super::problem::Problem;
use crate::analyzer::AnalyzerState;
use crate::custody::Custodian;
use crate::error::QueryError;

/// The custodian, if the caller may ask it.
async fn custodian(
    state: &AnalyzerState,
    principal: &Principal,
) -> Result<Arc<Custodian>, Problem> {
    if !allows(principal, Action::CustodyProve) {
        let reason = "checkpoints, proofs and evidence are for auditors";
        state.record_denied(principal, Action::CustodyProve.name(), reason).await;
        return Err(Problem::new(403, "not_allowed", reason));
    }
    state.enter(principal, Module::Custody, Action::CustodyProve).await?;
    let found = state.custody.as_ref().and_then(|custody| custody.custodian(principal.org_id));
    Ok(found.ok_or_else(|| QueryError::NotReady(principal.org_id.to_string()))?)
}

/// Runs work that reads the log, away from the threads that serve connections.
async fn away<T: Send + 'static>(
    custodian: Arc<Custodian>,
    work: impl FnOnce(&Custodian) -> Result<T, CustodyError> + Send + 'static,
) -> Result<T, Problem> {
    let outcome = tokio::task::spawn_blocking(move || work(&custodian)).await;
    let outcome = outcome.map_err(|error| QueryError::Internal(error.to_string()))?;
    outcome.map_err(|error| problem(&error))
}

fn problem(error: &CustodyError) -> Problem {
    let detail = error.to_string();
    match error {
        CustodyError::NoEvents { .. } => Problem::new(404, "unknown_interaction", &detail),
        CustodyError::NotCovered { .. } => Problem::new(409, "not_covered", &detail),
        CustodyError::LogCut { .. }
        | CustodyError::LogChanged { .. }
        | CustodyError::ProofFails { .. } => {
            tracing::error!(%error, "the log is not what was signed");
            Problem::new(500, "log_not_as_signed", &detail)
        }
        _ => {
            tracing::error!(%error, "custody failed");
            Problem::new(500, "custody_failed", &detail)
        }
    }
}

fn text(text: String) -> Response {
    ([(header::CONTENT_TYPE, "text/plain; charset=utf-8")], text).into_response()
}

/// `GET /v1/custody/key`: the public key as a C2SP verifier key.
pub(super) async fn key(
    State(state): State<AnalyzerState>,
    Bearer(principal): Bearer,
) -> Result<Response, Problem> {
    let custodian = custodian(&state, &principal).await?;
    Ok(text(format!("{}\n", custodian.vkey())))
}

/// `GET /v1/custody/checkpoint`: the newest signed checkpoint.
pub(super) async fn newest(
    State(state): State<AnalyzerState>,
    Bearer(principal): Bearer,
) -> Result<Response, Problem> {
    let custodian = custodian(&state, &principal).await?;
    let newest = away(custodian, |custodian| Ok(custodian.newest())).await?;
    let newest = newest.ok_or_else(|| {
        let detail = "nothing was signed yet; POST to this address signs a checkpoint";
        Problem::new(404, "no_checkpoint", detail)
    })?;
    Ok(text(newest.note))
}

/// `POST /v1/custody/checkpoint`: signs what is durable now.
pub(super) async fn sign(
    State(state): State<AnalyzerState>,
    Bearer(principal): Bearer,
) -> Result<Response, Problem> {
    let custodian = custodian(&state, &principal).await?;
    Ok(text(away(custodian, Custodian::sign).await?.note))
}

/// `GET /v1/custody/checkpoints`: all of them, oldest first, an empty line between.
pub(super) async fn all(
    State(state): State<AnalyzerState>,
    Bearer(principal): Bearer,
) -> Result<Response, Problem> {
    let custodian = custodian(&state, &principal).await?;
    let all = away(custodian, |custodian| Ok(custodian.checkpoints())).await?;
    let notes: Vec<String> = all.into_iter().map(|checkpoint| checkpoint.note).collect();
    Ok(text(notes.join("\n")))
}

/// `POST /v1/custody/consistency`: the body is an older checkpoint; the proof that the newest one continues
/// it, with the newest one in it.
pub(super) async fn consistency(
    State(state): State<AnalyzerState>,
    Bearer(principal): Bearer,
    older: String,
) -> Result<Response, Problem> {
    let custodian = custodian(&state, &principal).await?;
    let older = Checkpoint::open(&older, custodian.public_key()).map_err(|error| {
        let detail = format!("the body is no checkpoint of this organization: {error}");
        Problem::new(400, "invalid_checkpoint", &detail)
    })?;
    Ok(text(away(custodian, move |custodian| custodian.continues(&older)).await?))
}

/// The interaction that was asked for, once the log says who looks at it.
async fn looked_at(
    state: &AnalyzerState,
    principal: &Principal,
    custodian: &Arc<Custodian>,
    id: &str,
) -> Result<InteractionId, Problem> {
    let interaction_id: InteractionId = id.parse().map_err(|_| {
        Problem::new(400, "invalid_interaction_id", &format!("interaction id {id} is not a UUID"))
    })?;
    let viewed = AccessHistoryViewed { principal: principal.subject.clone(), interaction_id };
    let recorded = state.ports.recorder.record(principal, viewed.into()).await;
    recorded.map_err(QueryError::NotRecorded)?;
    // What is not granted is as unknown as what does not exist.
    let rights = state.rights(principal).await?;
    if !state.shows(principal, &rights, interaction_id).await? {
        let stream = StreamId::interaction(interaction_id).to_string();
        let newest = away(Arc::clone(custodian), |custodian| Ok(custodian.newest())).await?;
        let size = newest.map_or(0, |newest| newest.size);
        return Err(problem(&CustodyError::NoEvents { stream, size }));
    }
    Ok(interaction_id)
}

/// `GET /v1/custody/interactions/{id}/proofs`: a `tlog-proof` for each event, an empty line between.
pub(super) async fn proofs(
    State(state): State<AnalyzerState>,
    Bearer(principal): Bearer,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let custodian = custodian(&state, &principal).await?;
    let interaction = looked_at(&state, &principal, &custodian, &id).await?;
    let proofs = away(custodian, move |custodian| custodian.prove(interaction)).await?;
    Ok(text(proofs.join("\n")))
}

/// `GET /v1/custody/interactions/{id}/evidence`: the evidence bundle as a tar archive.
pub(super) async fn evidence(
    State(state): State<AnalyzerState>,
    Bearer(principal): Bearer,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let custodian = custodian(&state, &principal).await?;
    let interaction = looked_at(&state, &principal, &custodian, &id).await?;
    let archive = away(custodian, move |custodian| {
        let packed =
            |error: std::io::Error| CustodyError::Io { path: "evidence".into(), source: error };
        let folder = tempfile::tempdir().map_err(packed)?;
        let exported = custodian.export(interaction, folder.path())?;
        let mut archive = tar::Builder::new(Vec::new());
        for file in &exported.files {
            archive.append_path_with_name(folder.path().join(file), file).map_err(packed)?;
        }
        archive.into_inner().map_err(packed)
    })
    .await?;
    let name = format!("attachment; filename=\"evidence-{interaction}.tar\"");
    let headers = [
        (header::CONTENT_TYPE, "application/x-tar".to_owned()),
        (header::CONTENT_DISPOSITION, name),
    ];
    Ok((headers, archive).into_response())
}
