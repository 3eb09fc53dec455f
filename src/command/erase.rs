//! `ledgerline erase-subject`.

use std::path::Path;
use std::sync::Arc;

use ledgerline_event_store::EventWriter;
use ledgerline_ingest::privacy::{ErasureRequest, Person, check_reason, erase};
use ledgerline_schemas::id::CommandId;
use ledgerline_schemas::{Actor, ActorType};
use reqwest::Method;
use serde_json::Value;
use uuid::Uuid;

use crate::cli::EraseSubject;
use crate::command::client::Server;
use crate::data_dir::DataDir;
use crate::failure::Failure;
use crate::keys;
use crate::organization::{now, open_log};
use crate::output::say;

/// Destroys the keys of a person, in a running server or in a data directory.
pub(crate) async fn run(arguments: EraseSubject) -> Result<(), Failure> {
    let person = arguments.person.named();
    check_reason(&person, &arguments.reason)
        .map_err(|error| Failure::data(format!("--{error}")))?;
    let report = match Server::of(&arguments.target)? {
        Some(server) => remote(&server, &person, &arguments).await?,
        None => local(&person, &arguments).await?,
    };
    show(&report)
}

async fn remote(
    server: &Server,
    person: &Person,
    arguments: &EraseSubject,
) -> Result<Value, Failure> {
    let mut body = serde_json::to_value(person).map_err(Failure::software)?;
    if let Some(body) = body.as_object_mut() {
        body.insert("reason".to_owned(), arguments.reason.clone().into());
        body.insert("dryRun".to_owned(), arguments.dry_run.into());
    }
    let path = "/v1/privacy/erasures";
    let response = server.ask(Method::POST, path, "application/json", Some(body)).await?;
    response.json().await.map_err(Failure::unavailable)
}

async fn local(person: &Person, arguments: &EraseSubject) -> Result<Value, Failure> {
    let data = arguments.target.data.as_deref().unwrap_or(Path::new("./ledgerline-data"));
    let data = DataDir::existing(data)?;
    let _held = data.hold()?;
    let known = data.choose(arguments.target.org.as_deref())?;
    let ring = keys::open(&data, None)?;
    let log: Arc<dyn EventWriter> = open_log(&data, &known)?;
    let request = ErasureRequest {
        request_id: CommandId::new(Uuid::now_v7()),
        actor: Actor::new(ActorType::Admin, "operator"),
        reason: arguments.reason.clone(),
        time: now(),
        subjects: person.subjects(&ring, known.org_id).map_err(Failure::data)?,
        dry_run: arguments.dry_run,
    };
    let report = erase(&log, &ring, request).await.map_err(Failure::software)?;
    serde_json::to_value(report).map_err(Failure::software)
}

fn show(report: &Value) -> Result<(), Failure> {
    let dry = report.get("dryRun").and_then(Value::as_bool).unwrap_or_default();
    let erased = report.get("erased").and_then(Value::as_array).cloned().unwrap_or_default();
    if erased.is_empty() {
        return Err(Failure::data("there is no key of this person in this organization"));
    }
    let word = if dry { "would destroy" } else { "destroyed" };
    for person in &erased {
        let subject = person.get("subjectId").and_then(Value::as_str).unwrap_or_default();
        for key in person.get("keyIds").and_then(Value::as_array).into_iter().flatten() {
            say(&format!("{word} key {} of person {subject}", key.as_str().unwrap_or_default()));
        }
    }
    if dry {
        say("dry run: nothing was changed");
        return Ok(());
    }
    let request = report.get("requestId").and_then(Value::as_str).unwrap_or_default();
    let position = report.get("position").and_then(Value::as_u64).unwrap_or_default();
    say(&format!("recorded as request {request} up to position {position}"));
    Ok(())
}
