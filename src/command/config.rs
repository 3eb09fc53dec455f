//! `ledgerline config apply`.

use std::path::Path;
use std::sync::Arc;

use ledgerline_ingest::admin::{ApplyOptions, ConfigFile, apply};
use ledgerline_ingest::engine::EffectSinks;
use ledgerline_schemas::{Actor, ActorType};
use reqwest::Method;
use serde_json::{Value, json};

use crate::cli::{Config, ConfigApply, ConfigVerb};
use crate::command::client::Server;
use crate::data_dir::DataDir;
use crate::failure::Failure;
use crate::organization::{open_log, start_engine};
use crate::output::say;

/// Runs the command.
pub(crate) async fn run(arguments: Config) -> Result<(), Failure> {
    let ConfigVerb::Apply(arguments) = arguments.verb;
    let path = &arguments.file;
    let text = std::fs::read_to_string(path)
        .map_err(|error| Failure::file(format!("{}: {error}", path.display())))?;
    let is_json = path.extension().is_some_and(|extension| extension == "json");
    let wrong =
        |error: &dyn std::fmt::Display| Failure::data(format!("{}: {error}", path.display()));
    let file = if is_json { ConfigFile::from_json(&text) } else { ConfigFile::from_toml(&text) }
        .map_err(|error| wrong(&error))?;
    let report = match Server::of(&arguments.target)? {
        Some(server) => {
            let entities: Value = if is_json {
                serde_json::from_str(&text).map_err(|error| wrong(&error))?
            } else {
                toml::from_str(&text).map_err(|error| wrong(&error))?
            };
            remote(&server, &arguments, entities).await?
        }
        None => local(&arguments, file).await?,
    };
    show(&report)
}

async fn remote(
    server: &Server,
    arguments: &ConfigApply,
    entities: Value,
) -> Result<Value, Failure> {
    let mut query = format!("?dry_run={}", arguments.dry_run);
    if let Some(reason) = &arguments.reason {
        let encoded: String = reason
            .bytes()
            .map(|byte| {
                if byte.is_ascii_alphanumeric() {
                    char::from(byte).to_string()
                } else {
                    format!("%{byte:02X}")
                }
            })
            .collect();
        query.push_str(&format!("&reason={encoded}"));
    }
    let path = format!("/v1/config/apply{query}");
    let response = server.ask(Method::POST, &path, "application/json", Some(entities)).await?;
    response.json().await.map_err(Failure::unavailable)
}

async fn local(arguments: &ConfigApply, file: ConfigFile) -> Result<Value, Failure> {
    let data = arguments.target.data.as_deref().unwrap_or(Path::new("./ledgerline-data"));
    let data = DataDir::existing(data)?;
    let _held = data.hold()?;
    let known = data.choose(arguments.target.org.as_deref())?;
    let log = open_log(&data, &known)?;
    let engine = start_engine(&data, &known, &log, EffectSinks::default())?;
    let options = ApplyOptions { dry_run: arguments.dry_run, reason: arguments.reason.clone() };
    let actor = Actor::new(ActorType::Admin, "operator");
    let handle = Arc::new(engine.handle());
    let report = apply(&*handle, known.org_id, &actor, file, &options).await;
    drop(handle);
    engine.stop();
    let report = report.map_err(Failure::software)?;
    serde_json::to_value(report).map_err(Failure::software)
}

fn show(report: &Value) -> Result<(), Failure> {
    let list = |name: &str| report.get(name).and_then(Value::as_array).cloned().unwrap_or_default();
    let text = |item: &Value, name: &str| {
        item.get(name).and_then(Value::as_str).unwrap_or_default().to_owned()
    };
    for outcome in ["created", "updated", "unchanged"] {
        for item in list(outcome) {
            say(&format!("{outcome:<10} {:<20} {}", text(&item, "kind"), text(&item, "name")));
        }
    }
    let failed = list("failed");
    for item in &failed {
        let field = text(item, "field");
        let place = if field.is_empty() { String::new() } else { format!(" {field}:") };
        let (kind, name) = (text(item, "kind"), text(item, "name"));
        say(&format!("{:<10} {kind:<20} {name}:{place} {}", "failed", text(item, "reason")));
    }
    let dry = report.get("dry_run") == Some(&json!(true));
    say(&format!(
        "{} created, {} updated, {} unchanged, {} failed{}",
        list("created").len(),
        list("updated").len(),
        list("unchanged").len(),
        failed.len(),
        if dry { " (dry run: nothing was written)" } else { "" },
    ));
    if failed.is_empty() {
        return Ok(());
    }
    Err(Failure::data(format!("{} entities could not be put", failed.len())))
}
