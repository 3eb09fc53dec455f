//! `ledgerline retention`.

use std::path::Path;

use ledgerline_ingest::engine::EffectSinks;
use ledgerline_ingest::http::port::EnginePort as _;
use ledgerline_schemas::command::{Command, Commanded};
use ledgerline_schemas::config::EntityKind;
use ledgerline_schemas::id::{CommandId, CorrelationId};
use ledgerline_schemas::{Actor, ActorType};
use reqwest::Method;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use crate::cli::{
    Format, Retention, RetentionHold, RetentionRelease, RetentionRun, RetentionVerb, Sql, Target,
};
use crate::command::client::{Server, encoded};
use crate::command::local::LocalOrganization;
use crate::command::{config, sql};
use crate::data_dir::DataDir;
use crate::failure::Failure;
use crate::organization::{now, open_log, start_engine};
use crate::output::say;
use crate::retention;

const STATUS: &str = "select table_name, policy_name, keep_days, past_days, floor_time, \
    applied_position, past_from_position, rows_dropped, rows_held \
    from retention_status order by table_name";
const HOLDS: &str = "select name as legal_hold, changed_time as placed, changed_by_id as placed_by, document \
    from config_entity where kind = 'legal_hold' and is_active and not is_deleted order by name";

pub(crate) async fn run(arguments: Retention) -> Result<(), Failure> {
    match arguments.verb {
        RetentionVerb::Status { target } => status(target).await,
        RetentionVerb::Run(arguments) => drop_due(arguments).await,
        RetentionVerb::Hold(arguments) => hold(arguments).await,
        RetentionVerb::Release(arguments) => release(arguments).await,
    }
}

async fn status(target: Target) -> Result<(), Failure> {
    for question in [STATUS, HOLDS] {
        let arguments = Sql {
            sql: question.to_owned(),
            target: target.clone(),
            format: Format::Table,
            as_of: None,
        };
        sql::run(arguments).await?;
    }
    Ok(())
}

async fn drop_due(arguments: RetentionRun) -> Result<(), Failure> {
    let data = DataDir::existing(&arguments.local.data)?;
    for known in data.choose_or_all(arguments.local.org.as_deref())? {
        let name = known.org_id.to_string();
        let opened = LocalOrganization::open(&arguments.local.data, Some(&name)).await?;
        let at = now();
        let failed =
            |error: String| Failure::software(format!("organization {}: {error}", known.name));
        let found = retention::due(&opened.log, &opened.projections, at).await.map_err(failed)?;
        for it in &found {
            say(&format!(
                "organization {}: {:<20} before {}: {} rows dropped, {} held",
                known.name, it.due.table, it.due.before, it.counted.dropped, it.counted.held
            ));
        }
        if found.is_empty() {
            say(&format!("organization {}: nothing is due", known.name));
        } else if arguments.dry_run {
            say(&format!("organization {}: dry run, nothing was dropped", known.name));
        } else {
            let actor = Actor::new(ActorType::Admin, "operator");
            let head = retention::apply(&opened.log, &found, &actor, at).await.map_err(failed)?;
            opened.projections.wait_for(head).await.map_err(Failure::software)?;
            say(&format!("organization {}: dropped as of position {head}", known.name));
        }
        opened.close().await;
    }
    Ok(())
}

async fn hold(arguments: RetentionHold) -> Result<(), Failure> {
    let RetentionHold { name, reason, interaction, queue, agent, from, to, everything, target } =
        arguments;
    let names_nothing = interaction.is_empty() && queue.is_empty() && agent.is_empty();
    if names_nothing && from.is_none() && to.is_none() && !everything {
        return Err(Failure::data(
            "name what is held (--interaction, --queue, --agent, --from, --to), or --everything",
        ));
    }
    let mut object = Map::new();
    object.insert("name".to_owned(), json!(name));
    object.insert("reason".to_owned(), json!(reason));
    for (field, list) in [("interactions", interaction), ("queues", queue), ("agents", agent)] {
        if !list.is_empty() {
            object.insert(field.to_owned(), json!(list));
        }
    }
    for (field, time) in [("from", from), ("to", to)] {
        if let Some(time) = time {
            object.insert(field.to_owned(), json!(time));
        }
    }
    let entities = json!({ "legal_hold": [object] });
    config::put(&target, entities, false, Some(&reason)).await
}

async fn release(arguments: RetentionRelease) -> Result<(), Failure> {
    let RetentionRelease { name, reason, target } = arguments;
    match Server::of(&target)? {
        Some(server) => {
            let path = format!("/v1/config/legal_hold/{}", encoded(&name));
            let path = format!("{path}?reason={}", encoded(&reason));
            let _: Value = server
                .ask(Method::DELETE, &path, "application/json", None)
                .await?
                .json()
                .await
                .map_err(Failure::unavailable)?;
        }
        None => release_local(&target, &name, reason).await?,
    }
    say(&format!("released   legal_hold           {name}"));
    Ok(())
}

async fn release_local(target: &Target, name: &str, reason: String) -> Result<(), Failure> {
    let data = target.data.as_deref().unwrap_or(Path::new("./ledgerline-data"));
    let data = DataDir::existing(data)?;
    let _held = data.hold()?;
    let known = data.choose(target.org.as_deref())?;
    let log = open_log(&data, &known)?;
    let engine = start_engine(&data, &known, &log, EffectSinks::default())?;
    let handle = engine.handle();
    let released = async {
        let kind = EntityKind::LegalHold;
        let holds = handle.entities(kind).await.map_err(Failure::software)?;
        let named = |document: &Value| document.get("name").and_then(Value::as_str) == Some(name);
        let found = holds.into_iter().find(|hold| named(&hold.document.to_value()));
        let found = found.ok_or_else(|| Failure::data(format!("no legal_hold {name:?} exists")))?;
        let command_id = CommandId::new(Uuid::now_v7());
        let commanded = Commanded {
            org_id: known.org_id,
            command_id,
            correlation_id: CorrelationId::new(command_id.uuid()),
            actor: Actor::new(ActorType::Admin, "operator"),
            traceparent: None,
            data_subject_id: None,
            command: Command::DeleteEntity { kind, entity_id: found.id, reason: Some(reason) },
        };
        handle.submit(commanded).await.map_err(Failure::software)
    };
    let outcome = released.await;
    drop(handle);
    engine.stop();
    outcome.map(|_| ())
}
