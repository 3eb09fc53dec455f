//! `POST /v1/privacy/erasures`.

use std::collections::BTreeSet;
use std::time::{SystemTime, UNIX_EPOCH};

use axum::Json;
use axum::http::StatusCode;
use ledgerline_access::Action;
use ledgerline_event_store::log::{Direction, EventReader, ReadError};
use ledgerline_schemas::id::{InteractionId, SubjectId};
use ledgerline_schemas::{ActorType, StreamId, Timestamp, Version};
use serde::Deserialize;

use super::erase::{ErasureReport, ErasureRequest, erase};
use super::person::{Person, PersonError, check_reason};
use super::refusal;
use crate::http::Caller;
use crate::http::body::Body;
use crate::http::problem::Problem;

/// Events read at a time.
const PAGE_EVENTS: usize = 500;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Asked {
    #[serde(default)]
    phone: Option<String>,
    #[serde(default)]
    email: Option<String>,
    #[serde(default)]
    subject_id: Option<SubjectId>,
    #[serde(default)]
    kind: Option<String>,
    #[serde(default)]
    value: Option<String>,
    reason: String,
    #[serde(default)]
    dry_run: bool,
}

/// 200 with what was destroyed; 404 when nothing of the person is here; 409 while an interaction of the
/// person is open, because its text is in use.
pub(super) async fn erasures(
    caller: Caller,
    Body(asked): Body<Asked>,
) -> Result<Json<ErasureReport>, Problem> {
    if let Err(refused) = caller.require(Action::SubjectErase) {
        if let Err(error) = refusal::record(&caller, Action::SubjectErase).await {
            tracing::error!(%error, "a refused erasure could not be recorded");
        }
        return Err(refused);
    }
    let Asked { phone, email, subject_id, kind, value, reason, dry_run } = asked;
    let person = Person { phone, email, subject_id, kind, value };
    check_reason(&person, &reason)
        .map_err(|error| Problem::invalid("reason", error.to_string()))?;
    let organization = &caller.organization;
    let (keys, org_id) = (organization.keys.clone(), organization.org_id);
    let subjects = tokio::task::spawn_blocking(move || person.subjects(&keys, org_id))
        .await
        .map_err(|error| Problem::internal(&error))?
        .map_err(|error| match error {
            PersonError::Keys(_) => Problem::internal(&error),
            _ => Problem::invalid("person", error.to_string()),
        })?;
    let open = organization.engine.open_interactions().await?;
    let wanted: BTreeSet<SubjectId> = subjects.iter().copied().collect();
    let busy =
        busy(&*organization.reader, &open, &wanted).map_err(|error| Problem::internal(&error))?;
    if let Some(interaction_id) = busy {
        return Err(Problem::new(
            StatusCode::CONFLICT,
            "open_interaction",
            format!("interaction {interaction_id} of this person is open; end it first"),
        ));
    }
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let request = ErasureRequest {
        request_id: caller.command_id("privacy/erasures"),
        actor: caller.actor(ActorType::Admin),
        reason,
        time: Timestamp::from_micros(i64::try_from(since.as_micros()).unwrap_or(i64::MAX)),
        subjects,
        dry_run,
    };
    let report = erase(&organization.log, &organization.keys, request)
        .await
        .map_err(|error| Problem::internal(&error))?;
    if report.erased.is_empty() {
        return Err(Problem::not_found("there is no key of this person in this organization"));
    }
    Ok(Json(report))
}

/// An open interaction of one of these persons.
fn busy(
    reader: &dyn EventReader,
    open: &[InteractionId],
    persons: &BTreeSet<SubjectId>,
) -> Result<Option<InteractionId>, ReadError> {
    for interaction_id in open {
        let stream = StreamId::interaction(*interaction_id);
        let mut from = Version(0);
        loop {
            let page = reader.read_stream(&stream, from, Direction::Forward, PAGE_EVENTS)?;
            let Some(last) = page.last() else { break };
            from = Version(last.header.version.0 + 1);
            let theirs = page.iter().filter_map(|recorded| recorded.header.data_subject_id);
            if theirs.into_iter().any(|subject| persons.contains(&subject)) {
                return Ok(Some(*interaction_id));
            }
            if page.len() < PAGE_EVENTS {
                break;
            }
        }
    }
    Ok(None)
}
