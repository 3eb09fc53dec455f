//! `/v1/audit/…`: what a row was, what became of rows, who looked, why a decision was made.

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use datafusion::common::ParamValues;
use datafusion::scalar::ScalarValue;
use ledgerline_access::{Action, Principal, allows};
use ledgerline_event_store::{Direction, Filter};
use ledgerline_projections::TableDef;
use ledgerline_schemas::Position;
use ledgerline_schemas::config::Module;
use ledgerline_schemas::event::access::AccessHistoryViewed;
use ledgerline_schemas::id::{DecisionId, InteractionId};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use tokio_util::sync::CancellationToken;

use super::POSITION_HEADER;
use super::bearer::Bearer;
use super::problem::Problem;
use crate::analyzer::{AnalyzerState, Bounds, Door, Question};
use crate::audit::{self, Asked, ROWS_MAX};
use crate::error::QueryError;
use crate::format::json::lines;
use crate::history::{self, Names};

type Row = Map<String, Value>;

/// The parameters of an address, all of them known.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Difference {
    table: String,
    from: String,
    to: String,
    key: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct At {
    at: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Looked {
    interaction: Option<String>,
    table: Option<String>,
    from: Option<String>,
    to: Option<String>,
}

fn read<T>(parameters: Result<Query<T>, QueryRejection>) -> Result<T, Problem> {
    let Query(parameters) = parameters
        .map_err(|rejection| Problem::new(400, "invalid_parameter", &rejection.body_text()))?;
    Ok(parameters)
}

/// Refuses who may not audit, and says so on the log.
async fn admit(state: &AnalyzerState, principal: &Principal) -> Result<(), Problem> {
    if allows(principal, Action::AuditRead) {
        // The log knows no places and no masks: it is for those whose profile, if they have one, grants all of it.
        state.enter(principal, Module::Audit, Action::AuditRead).await?;
        return Ok(());
    }
    let reason = "the audit's addresses are for auditors and administrators";
    state.record_denied(principal, Action::AuditRead.name(), reason).await;
    Err(Problem::new(403, "not_allowed", reason))
}

/// Asks, and gathers the answer: the position it is true at and its rows.
async fn ask(
    state: &AnalyzerState,
    principal: &Principal,
    asked: Asked,
) -> Result<(Position, Vec<Row>), Problem> {
    let values: Vec<ScalarValue> =
        asked.values.iter().map(|value| ScalarValue::from(value.as_str())).collect();
    let question = Question {
        principal: principal.clone(),
        door: Door::Http,
        sql: asked.sql,
        parameters: (!values.is_empty()).then(|| ParamValues::from(values)),
        as_of: None,
        bounds: Bounds { deadline: None, rows_max: Some(ROWS_MAX) },
        cancel: CancellationToken::new(),
        backend_pid: 0,
    };
    let internal = |error: &dyn std::fmt::Display| QueryError::Internal(error.to_string());
    let mut answer = state.ask(question).await?;
    let mut rows = Vec::new();
    while let Some(batch) = answer.next().await {
        let text = lines(&batch?).map_err(|error| internal(&error))?;
        for line in text.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
            rows.push(serde_json::from_slice(line).map_err(|error| internal(&error))?);
        }
    }
    Ok((answer.position(), rows))
}

/// Whoever is shown a row of an interaction looks at that interaction; durable before the answer.
async fn looked_at(
    state: &AnalyzerState,
    principal: &Principal,
    interaction: Option<&Value>,
) -> Result<(), Problem> {
    let Some(id) = interaction.and_then(Value::as_str).and_then(|id| id.parse().ok()) else {
        return Ok(());
    };
    let interaction_id: InteractionId = id;
    let viewed = AccessHistoryViewed { principal: principal.subject.clone(), interaction_id };
    let recorded = state.ports.recorder.record(principal, viewed.into()).await;
    Ok(recorded.map_err(QueryError::NotRecorded)?)
}

fn answer(position: Position, body: Value) -> Response {
    let mut response = Json(body).into_response();
    let headers = response.headers_mut();
    headers.insert(POSITION_HEADER, HeaderValue::from(position.0));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// `GET /v1/audit/diff?table=T&from=M&to=M[&key=K]`.
pub(super) async fn diff(
    State(state): State<AnalyzerState>,
    Bearer(principal): Bearer,
    parameters: Result<Query<Difference>, QueryRejection>,
) -> Result<Response, Problem> {
    admit(&state, &principal).await?;
    let Difference { table, from, to, key } = read(parameters)?;
    let table = audit::table(&table)?;
    let asked = audit::difference(table, &from, &to, key.as_deref())?;
    let (position, flat) = ask(&state, &principal, asked).await?;
    let rows: Vec<Value> = flat.iter().map(|row| audit::arranged(table, row)).collect();
    if key.is_some() {
        for row in &flat {
            let after = row.get("after.interaction_id").filter(|id| !id.is_null());
            let shown = after.or_else(|| row.get("before.interaction_id"));
            looked_at(&state, &principal, shown).await?;
        }
    }
    let body = json!({"table": table.name, "from": from, "to": to, "as_of_position": position, "rows": rows});
    Ok(answer(position, body))
}

/// `GET /v1/audit/state/{table}/{key}?at=M`.
pub(super) async fn state(
    State(state): State<AnalyzerState>,
    Bearer(principal): Bearer,
    Path((table, key)): Path<(String, String)>,
    parameters: Result<Query<At>, QueryRejection>,
) -> Result<Response, Problem> {
    admit(&state, &principal).await?;
    let At { at } = read(parameters)?;
    let table = audit::table(&table)?;
    let (position, row) = one(&state, &principal, table, &key, at.as_deref()).await?;
    let Some(row) = row else {
        let when = at.map_or_else(|| "now".to_owned(), |at| format!("at {at}"));
        let detail = format!("table {} has no row {key} {when}", table.name);
        return Err(Problem::new(404, "unknown_row", &detail));
    };
    looked_at(&state, &principal, row.get("interaction_id")).await?;
    let body = json!({"table": table.name, "at": at, "as_of_position": position, "row": row});
    Ok(answer(position, body))
}

/// A row, as it is or as it was.
async fn one(
    state: &AnalyzerState,
    principal: &Principal,
    table: &'static TableDef,
    key: &str,
    at: Option<&str>,
) -> Result<(Position, Option<Row>), Problem> {
    let place = audit::place(table, key)?;
    let sql = format!("select * from {} where {}", audit::at(table, at)?, place.condition);
    let (position, mut rows) = ask(state, principal, Asked { sql, values: place.values }).await?;
    Ok((position, rows.pop()))
}

/// `GET /v1/audit/who-looked?interaction=ID` or `?table=T`, both with `from=M` and `to=M` if wanted.
pub(super) async fn who_looked(
    State(state): State<AnalyzerState>,
    Bearer(principal): Bearer,
    parameters: Result<Query<Looked>, QueryRejection>,
) -> Result<Response, Problem> {
    admit(&state, &principal).await?;
    let Looked { interaction, table, from, to } = read(parameters)?;
    let (from, to) = (from.as_deref(), to.as_deref());
    let asked = match (interaction, table) {
        (Some(id), None) => {
            let interaction: InteractionId = id.parse().map_err(|_| {
                let detail = format!("interaction {id} is not a UUID");
                Problem::new(400, "invalid_interaction_id", &detail)
            })?;
            audit::at_interaction(interaction, from, to)?
        }
        (None, Some(table)) => audit::at_table(audit::table(&table)?, from, to)?,
        _ => {
            let detail = "give either interaction or table";
            return Err(Problem::new(400, "invalid_parameter", detail));
        }
    };
    let (position, rows) = ask(&state, &principal, asked).await?;
    Ok(answer(position, json!({"as_of_position": position, "looks": rows})))
}

/// `GET /v1/audit/decisions/{decision_id}`: the decision's row, and its event as a step of a history, with the reason.
pub(super) async fn decision(
    State(state): State<AnalyzerState>,
    Bearer(principal): Bearer,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    admit(&state, &principal).await?;
    let decision: DecisionId = id.parse().map_err(|_| {
        Problem::new(400, "invalid_decision_id", &format!("decision id {id} is not a UUID"))
    })?;
    let table = audit::table("routing_decision")?;
    let (position, row) = one(&state, &principal, table, &decision.to_string(), None).await?;
    let shaped = row.as_ref().and_then(|row| row.get("valid_from_position")?.as_u64());
    let Some((row, at)) = row.zip(shaped) else {
        let detail = format!("decision {decision} is not in the log of this organization");
        return Err(Problem::new(404, "unknown_decision", &detail));
    };
    looked_at(&state, &principal, row.get("interaction_id")).await?;
    let not_ready = || QueryError::NotReady(principal.org_id.to_string());
    let reader = state.ports.logs.reader(principal.org_id).ok_or_else(not_ready)?;
    let step = state
        .engine
        .compute(async move {
            let unread = |error: &dyn std::fmt::Display| QueryError::Internal(error.to_string());
            let before = Position(at.saturating_sub(1));
            let page = reader
                .read_all(before, Direction::Forward, &Filter::all(), 1)
                .map_err(|error| unread(&error))?;
            let names = Names::load(reader.as_ref()).map_err(|error| unread(&error))?;
            let event = page.events.first().ok_or_else(|| unread(&"the event is not there"))?;
            Ok::<_, QueryError>(history::step(event, &names))
        })
        .await?;
    let body = json!({"as_of_position": position, "decision": row, "step": step});
    Ok(answer(position, body))
}
