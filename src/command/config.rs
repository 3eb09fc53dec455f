//! `ledgerline config apply`.

use std::path::Path;
use std::sync::Arc;

use ledgerline_ingest::admin::{ApplyOptions, ConfigFile, apply};
use ledgerline_ingest::engine::EffectSinks;
use ledgerline_schemas::{Actor, ActorType};
use reqwest::Method;
use serde_json::{Value, json};

use crate::cli::{Config, ConfigVerb, Target};
use crate::command::client::{Server, encoded};
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
    let entities: Value = if is_json {
        serde_json::from_str(&text).map_err(|error| wrong(&error))?
    } else {
        toml::from_str(&text).map_err(|error| wrong(&error))?
    };
    // Said with the name of the file.
    ConfigFile::from_value(entities.clone()).map_err(|error| wrong(&error))?;
    put(&arguments.target, entities, arguments.dry_run, arguments.reason.as_deref()).await
}

/// Puts entities by kind, and shows what became of them.
pub(crate) async fn put(
    target: &Target,
    entities: Value,
    dry_run: bool,
    reason: Option<&str>,
) -> Result<(), Failure> {
    let report = match Server::of(target)? {
        Some(server) => remote(&server, entities, dry_run, reason).await?,
        None => {
            let file = ConfigFile::from_value(entities).map_err(Failure::data)?;
            let reason = reason.map(str::to_owned);
            local(target, file, &ApplyOptions { dry_run, reason }).await?
        }
    };
    show(&report)
}

async fn remote(
    server: &Server,
    entities: Value,
    dry_run: bool,
    reason: Option<&str>,
) -> Result<Value, Failure> {
    let mut query = format!("?dry_run={dry_run}");
    if let Some(reason) = reason {
        query.push_str(&format!("&reason={}", encoded(reason)));
    }
    let path = format!("/v1/config/apply{query}");
    let response = server.ask(Method::POST, &path, "application/json", Some(entities)).await?;
    response.json().await.map_err(Failure::unavailable)
}

async fn local(
    target: &Target,
    file: ConfigFile,
    options: &ApplyOptions,
) -> Result<Value, Failure> {
    let data = target.data.as_deref().unwrap_or(Path::new("./ledgerline-data"));
    let data = DataDir::existing(data)?;
    let _held = data.hold()?;
    let known = data.choose(target.org.as_deref())?;
    let log = open_log(&data, &known)?;
    let engine = start_engine(&data, &known, &log, EffectSinks::default())?;
    let actor = Actor::new(ActorType::Admin, "operator");
    let handle = Arc::new(engine.handle());
    let report = apply(&*handle, known.org_id, &actor, file, options).await;
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
