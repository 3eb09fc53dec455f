//! `/v1/config/…`.

use axum::Json;
use axum::extract::Path;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use ledgerline_access::Action;
use ledgerline_schemas::command::Command;
use ledgerline_schemas::config::EntityKind;
use ledgerline_schemas::document::Document;
use ledgerline_schemas::id::EntityId;
use ledgerline_schemas::{ActorType, Position};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::apply::{ApplyOptions, ApplyReport, apply};
use super::file::ConfigFile;
use super::rights::{require, require_write};
use crate::http::Caller;
use crate::http::body::Body;
use crate::http::params::Params;
use crate::http::port::{EntityKey, EntityView};
use crate::http::problem::Problem;

#[derive(Debug, Serialize)]
pub(super) struct Shown {
    kind: EntityKind,
    id: EntityId,
    version: u32,
    document: Document,
}

impl Shown {
    fn of(kind: EntityKind, view: EntityView) -> Self {
        Self { kind, id: view.id, version: view.version, document: view.document }
    }
}

fn kind_of(name: &str) -> Result<EntityKind, Problem> {
    EntityKind::parse(name)
        .ok_or_else(|| Problem::not_found(format!("{name:?} is no kind of configuration entity")))
}

async fn find(caller: &Caller, kind: EntityKind, key: &str) -> Result<EntityView, Problem> {
    caller
        .organization
        .engine
        .entity(kind, EntityKey::parse(key))
        .await?
        .ok_or_else(|| Problem::not_found(format!("no {} {key:?} exists", kind.name())))
}

pub(super) async fn list(
    caller: Caller,
    Path(kind): Path<String>,
) -> Result<Json<Vec<Shown>>, Problem> {
    require(&caller, Action::ConfigRead).await?;
    let kind = kind_of(&kind)?;
    let views = caller.organization.engine.entities(kind).await?;
    Ok(Json(views.into_iter().map(|view| Shown::of(kind, view)).collect()))
}

pub(super) async fn show(
    caller: Caller,
    Path((kind, key)): Path<(String, String)>,
) -> Result<Json<Shown>, Problem> {
    require(&caller, Action::ConfigRead).await?;
    let kind = kind_of(&kind)?;
    let view = find(&caller, kind, &key).await?;
    Ok(Json(Shown::of(kind, view)))
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Why {
    #[serde(default)]
    reason: Option<String>,
}

#[derive(Debug, Serialize)]
pub(super) struct Put {
    id: EntityId,
    /// `created`, `updated`, `unchanged`.
    result: &'static str,
    /// Position of the change; 0 when nothing changed.
    position: Position,
}

pub(super) async fn put(
    caller: Caller,
    Path((kind, key)): Path<(String, String)>,
    Params(why): Params<Why>,
    Body(object): Body<Map<String, Value>>,
) -> Result<(StatusCode, Json<Put>), Problem> {
    require(&caller, Action::ConfigWrite).await?;
    let kind = kind_of(&kind)?;
    require_write(&caller, kind).await?;
    let object = addressed(object, &EntityKey::parse(&key))?;
    let options = ApplyOptions { dry_run: false, reason: why.reason };
    let report = run(&caller, ConfigFile::single(kind, object), &options).await?;
    let lists = [
        ("created", StatusCode::CREATED, report.created),
        ("updated", StatusCode::OK, report.updated),
        ("unchanged", StatusCode::OK, report.unchanged),
    ];
    for (result, status, list) in lists {
        if let Some(applied) = list.into_iter().next() {
            return Ok((status, Json(Put { id: applied.id, result, position: report.position })));
        }
    }
    let failed = report.failed.into_iter().next();
    Err(failed.map_or_else(
        || Problem::internal(&"an entity that was put is in no list of the report"),
        |failed| {
            let status = match failed.code {
                "not_found" => StatusCode::NOT_FOUND,
                "conflict" => StatusCode::CONFLICT,
                "busy" => StatusCode::TOO_MANY_REQUESTS,
                "unavailable" => StatusCode::SERVICE_UNAVAILABLE,
                _ => StatusCode::UNPROCESSABLE_ENTITY,
            };
            let problem = Problem::new(status, failed.code, failed.reason);
            match failed.field {
                Some(field) => problem.field(field),
                None => problem,
            }
        },
    ))
}

/// The path says which entity it is; the body may repeat that, not contradict it. Under an id the body's
/// name is free: that is how an entity is renamed.
fn addressed(
    mut object: Map<String, Value>,
    key: &EntityKey,
) -> Result<Map<String, Value>, Problem> {
    let (field, text) = match key {
        EntityKey::Id(id) => ("id", id.to_string()),
        EntityKey::Name(name) => ("name", name.clone()),
    };
    let value = Value::String(text);
    match object.get(field) {
        Some(given) if *given != value => {
            Err(Problem::invalid(field, format!("the path says {value}")))
        }
        _ => {
            object.insert(field.to_owned(), value);
            Ok(object)
        }
    }
}

async fn run(
    caller: &Caller,
    file: ConfigFile,
    options: &ApplyOptions,
) -> Result<ApplyReport, Problem> {
    let organization = &caller.organization;
    let actor = caller.actor(ActorType::Admin);
    Ok(apply(&*organization.engine, organization.org_id, &actor, file, options).await?)
}

#[derive(Debug, Serialize)]
pub(super) struct Deleted {
    id: EntityId,
    position: Position,
}

pub(super) async fn delete(
    caller: Caller,
    Path((kind, key)): Path<(String, String)>,
    Params(why): Params<Why>,
) -> Result<Json<Deleted>, Problem> {
    require(&caller, Action::ConfigWrite).await?;
    let kind = kind_of(&kind)?;
    let entity_id = find(&caller, kind, &key).await?.id;
    let command = Command::DeleteEntity { kind, entity_id, reason: why.reason };
    let command_id = caller.command_id(&format!("config/{}/{entity_id}/delete", kind.name()));
    let actor = caller.actor(ActorType::Admin);
    let commanded = caller.commanded(command_id, actor, None, None, command);
    let accepted = caller.organization.engine.submit(commanded).await?;
    Ok(Json(Deleted { id: entity_id, position: accepted.position }))
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct How {
    #[serde(default)]
    dry_run: bool,
    #[serde(default)]
    reason: Option<String>,
}

/// 200 when every entity is as the file says; 422 with the same report when some could not be put.
pub(super) async fn apply_file(
    caller: Caller,
    Params(how): Params<How>,
    Body(value): Body<Value>,
) -> Result<Response, Problem> {
    require(&caller, Action::ConfigWrite).await?;
    let file = ConfigFile::from_value(value)
        .map_err(|error| Problem::invalid("body", error.to_string()))?;
    for kind in file.kinds() {
        require_write(&caller, kind).await?;
    }
    let options = ApplyOptions { dry_run: how.dry_run, reason: how.reason };
    let report = run(&caller, file, &options).await?;
    let status =
        if report.failed.is_empty() { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY };
    Ok((status, Json(report)).into_response())
}
