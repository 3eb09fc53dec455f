//! `ledgerline report`.

mod schedules;

use std::io::Write as _;
use std::path::{Path, PathBuf};

use chrono::Utc;
use ledgerline_analyzer_api::past::Moment;
use ledgerline_analyzer_api::report::output::{Output, file_name};
use ledgerline_analyzer_api::report::period::{self, Period};
use ledgerline_analyzer_api::report::run::needs_period;
use ledgerline_analyzer_api::report::saved::{self, Origin};
use ledgerline_analyzer_api::report::{ReportDefinition, ReportError, Request, run as run_report};
use ledgerline_analyzer_api::{AnalyzerState, Door};
use reqwest::Method;
use reqwest::header::CONTENT_DISPOSITION;
use serde_json::{Value, json};

use crate::cli::{Report, ReportRun, ReportVerb, Target};
use crate::command::client::Server;
use crate::command::local::LocalOrganization;
use crate::command::sql::table;
use crate::failure::Failure;
use crate::output::print;

/// The form for people; everything else is a file.
const TABLE: &str = "table";

/// Lists, shows or runs.
pub(crate) async fn run(report: Report) -> Result<(), Failure> {
    match report.verb {
        ReportVerb::List { target } => {
            let list = read(&target, "/v1/reports", |state, organization| {
                Box::pin(listed(state, organization))
            });
            print(&lines(&list.await?));
            Ok(())
        }
        ReportVerb::Show { name, target } => {
            let path = format!("/v1/reports/{}", saved::folded(&name));
            let shown = read(&target, &path, |state, organization| {
                Box::pin(async move {
                    let operator = organization.operator();
                    let found = saved::by_name(state, &operator, Door::Cli, &name, None).await;
                    serde_json::to_value(found.map_err(failure)?).map_err(Failure::software)
                })
            });
            let shown = shown.await?;
            print(&format!("{}\n", serde_json::to_string_pretty(&shown).unwrap_or_default()));
            Ok(())
        }
        ReportVerb::Run(arguments) => execute(arguments).await,
        ReportVerb::Schedules { target } => schedules::list(&target).await,
        ReportVerb::Deliver { schedule, target } => schedules::deliver(&schedule, &target).await,
    }
}

fn failure(error: ReportError) -> Failure {
    match error {
        ReportError::Query(error) => Failure::data(error),
        other => Failure::data(other),
    }
}

type Reading<'a> = std::pin::Pin<Box<dyn Future<Output = Result<Value, Failure>> + Send + 'a>>;

/// Reads JSON of a running server, or makes it over a data directory.
async fn read<F>(target: &Target, path: &str, local: F) -> Result<Value, Failure>
where
    F: for<'a> FnOnce(&'a AnalyzerState, &'a LocalOrganization) -> Reading<'a>,
{
    if let Some(server) = Server::of(target)? {
        let response = server.ask(Method::GET, path, "application/json", None).await?;
        return response.json().await.map_err(Failure::unavailable);
    }
    let organization = open(target).await?;
    let outcome = match organization.analyzer() {
        Ok(state) => local(&state, &organization).await,
        Err(failure) => Err(failure),
    };
    organization.close().await;
    outcome
}

async fn open(target: &Target) -> Result<LocalOrganization, Failure> {
    let data = target.data.as_deref().unwrap_or(Path::new("./ledgerline-data"));
    LocalOrganization::open(data, target.org.as_deref()).await
}

async fn listed(state: &AnalyzerState, organization: &LocalOrganization) -> Result<Value, Failure> {
    let all =
        saved::all(state, &organization.operator(), Door::Cli, None).await.map_err(failure)?;
    let reports = all.iter().map(|(origin, it)| {
        json!({
            "name": it.name,
            "description": it.description,
            "origin": if *origin == Origin::Saved { "saved" } else { "stock" },
            "needs_period": needs_period(it),
        })
    });
    Ok(json!({ "reports": reports.collect::<Vec<_>>() }))
}

fn lines(list: &Value) -> String {
    let rows = list.get("reports").cloned().unwrap_or_default();
    let columns = json!([{"name": "name"}, {"name": "origin"}, {"name": "description"}]);
    table(&json!({ "columns": columns, "rows": rows }))
}

async fn execute(arguments: ReportRun) -> Result<(), Failure> {
    let definition = arguments.file.as_deref().map(definition).transpose()?;
    if definition.is_some() == arguments.name.is_some() {
        return Err(Failure::usage("name a report, or give its definition with --file"));
    }
    let output = if arguments.format == TABLE { "json" } else { &arguments.format };
    let output = Output::from_name(output).ok_or_else(|| {
        Failure::usage(format!("--format {output}: use table, {}", Output::NAMES))
    })?;
    let (bytes, file) = match Server::of(&arguments.target)? {
        Some(server) => remote(&server, &arguments, definition, output).await?,
        None => local(&arguments, definition, output).await?,
    };
    if arguments.format == TABLE && arguments.out.is_none() {
        let answer: Value = serde_json::from_slice(&bytes).map_err(Failure::software)?;
        print(&with_totals(answer));
        return Ok(());
    }
    let out = arguments.out.unwrap_or_else(|| PathBuf::from(file));
    if out.as_os_str() == "-" {
        return std::io::stdout().write_all(&bytes).map_err(Failure::file);
    }
    let named = |error| Failure::file(format!("{}: {error}", out.display()));
    std::fs::write(&out, &bytes).map_err(named)?;
    print(&format!("{} ({} bytes)\n", out.display(), bytes.len()));
    Ok(())
}

fn definition(path: &Path) -> Result<ReportDefinition, Failure> {
    let named = |error: String| Failure::data(format!("{}: {error}", path.display()));
    let bytes = std::fs::read(path).map_err(|error| named(error.to_string()))?;
    serde_json::from_slice(&bytes).map_err(|error| named(error.to_string()))
}

/// The rows as padded columns, and the totals below them.
fn with_totals(mut answer: Value) -> String {
    let total = answer.get("totals").and_then(|totals| totals.get(0)).cloned();
    let Some(Value::Object(mut total)) = total else { return table(&answer) };
    let first = answer.pointer("/columns/0/name").and_then(Value::as_str).map(str::to_owned);
    if let Some(first) = first.filter(|first| !total.contains_key(first)) {
        total.insert(first, json!("Total"));
    }
    if let Some(Value::Array(rows)) = answer.get_mut("rows") {
        rows.push(Value::Object(total));
    }
    table(&answer)
}

async fn remote(
    server: &Server,
    arguments: &ReportRun,
    definition: Option<ReportDefinition>,
    output: Output,
) -> Result<(Vec<u8>, String), Failure> {
    let mut body = json!({ "format": output.name(), "timezone": arguments.timezone });
    let texts = [
        ("report", &arguments.name),
        ("from", &arguments.from),
        ("to", &arguments.to),
        ("period", &arguments.period),
        ("as_of", &arguments.as_of),
    ];
    for (field, value) in texts {
        if let Some(value) = value {
            body[field] = json!(value);
        }
    }
    if let Some(definition) = definition {
        body["definition"] = serde_json::to_value(definition).map_err(Failure::software)?;
    }
    let response = server.ask(Method::POST, "/v1/reports/run", "*/*", Some(body)).await?;
    let named = response.headers().get(CONTENT_DISPOSITION).and_then(|it| it.to_str().ok());
    // Only the name of a file, never a path of the server's choice.
    let named = named.and_then(|it| it.split('"').nth(1)).filter(|it| !it.contains(['/', '\\']));
    let file = named.unwrap_or("report").to_owned();
    let bytes = response.bytes().await.map_err(Failure::unavailable)?;
    Ok((bytes.to_vec(), file))
}

async fn local(
    arguments: &ReportRun,
    definition: Option<ReportDefinition>,
    output: Output,
) -> Result<(Vec<u8>, String), Failure> {
    let zone = period::zone(&arguments.timezone).map_err(failure)?;
    let period = match (&arguments.period, &arguments.from, &arguments.to) {
        (Some(name), _, _) => Some(Period::named(name, Utc::now(), zone).map_err(failure)?),
        (None, Some(from), Some(to)) => Some(Period::between(from, to, zone).map_err(failure)?),
        _ => None,
    };
    let as_of = arguments.as_of.as_deref().map(Moment::parse).transpose().map_err(Failure::data)?;
    let organization = open(&arguments.target).await?;
    let made = async {
        let state = organization.analyzer()?;
        let principal = organization.operator();
        let definition = match (definition, &arguments.name) {
            (Some(definition), _) => definition,
            (None, name) => {
                let name = name.as_deref().unwrap_or_default();
                saved::by_name(&state, &principal, Door::Cli, name, as_of).await.map_err(failure)?
            }
        };
        let request =
            Request { principal, door: Door::Cli, definition, period, as_of, deadline: None };
        let sheet = run_report(&state, request).await.map_err(failure)?;
        Ok((output.of(&sheet).map_err(failure)?, file_name(&sheet, output)))
    };
    let outcome = made.await;
    organization.close().await;
    outcome
}
