//! `ledgerline sql`.

use std::io::Read as _;
use std::path::Path;

use ledgerline_analyzer_api::past::Moment;
use ledgerline_analyzer_api::query::{self, Output, Rows};
use ledgerline_analyzer_api::{Bounds, Door, Question};
use reqwest::Method;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::cli::{Format, Sql};
use crate::command::client::Server;
use crate::command::local::LocalOrganization;
use crate::failure::Failure;
use crate::output::print;

/// Asks and prints.
pub(crate) async fn run(arguments: Sql) -> Result<(), Failure> {
    let mut sql = arguments.sql.clone();
    if sql == "-" {
        sql.clear();
        std::io::stdin().read_to_string(&mut sql).map_err(Failure::file)?;
    }
    match Server::of(&arguments.target)? {
        Some(server) => remote(&server, &sql, &arguments).await,
        None => local(&arguments, &sql).await,
    }
}

async fn remote(server: &Server, sql: &str, arguments: &Sql) -> Result<(), Failure> {
    let format = arguments.format;
    let (accept, name) = match format {
        Format::Csv => ("text/csv", "csv"),
        Format::Json | Format::Table => ("application/json", "json"),
    };
    let mut body = json!({"sql": sql, "format": name});
    if let Some(as_of) = &arguments.as_of {
        body["as_of"] = json!(as_of);
    }
    let response = server.ask(Method::POST, "/v1/sql", accept, Some(body)).await?;
    let text = response.text().await.map_err(Failure::unavailable)?;
    match format {
        Format::Csv => print(&text),
        Format::Json | Format::Table => {
            let answer: Value = serde_json::from_str(&text).map_err(Failure::unavailable)?;
            if format == Format::Table {
                print(&table(&answer));
            } else {
                let rows = answer.get("rows").cloned().unwrap_or_default();
                print(&format!("{}\n", serde_json::to_string_pretty(&rows).unwrap_or_default()));
            }
        }
    }
    Ok(())
}

/// The rows of a JSON answer as padded columns.
pub(crate) fn table(answer: &Value) -> String {
    let columns: Vec<String> = answer
        .get("columns")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(|column| column.get("name").and_then(Value::as_str).map(str::to_owned))
        .collect();
    let cell = |row: &Value, name: &str| match row.get(name) {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    };
    let rows: Vec<Vec<String>> = answer
        .get("rows")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .map(|row| columns.iter().map(|name| cell(row, name)).collect())
        .collect();
    let widths: Vec<usize> = columns
        .iter()
        .enumerate()
        .map(|(at, name)| {
            rows.iter()
                .filter_map(|row| row.get(at).map(|cell| cell.chars().count()))
                .chain([name.chars().count()])
                .max()
                .unwrap_or(0)
        })
        .collect();
    let line = |cells: &[String]| {
        let padded: Vec<String> =
            cells.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
        format!("{}\n", padded.join("  ").trim_end())
    };
    let mut text = line(&columns);
    text.push_str(&line(&widths.iter().map(|width| "-".repeat(*width)).collect::<Vec<_>>()));
    for row in &rows {
        text.push_str(&line(row));
    }
    text
}

async fn local(arguments: &Sql, sql: &str) -> Result<(), Failure> {
    let as_of = arguments.as_of.as_deref().map(Moment::parse).transpose().map_err(Failure::data)?;
    let data = arguments.target.data.as_deref().unwrap_or(Path::new("./ledgerline-data"));
    let organization = LocalOrganization::open(data, arguments.target.org.as_deref()).await?;
    let question = Question {
        principal: organization.operator(),
        door: Door::Cli,
        sql: sql.to_owned(),
        parameters: None,
        as_of,
        bounds: Bounds::default(),
        cancel: CancellationToken::new(),
        backend_pid: 0,
    };
    let outcome = whole_answer(&organization, question).await;
    organization.close().await;
    let output = match arguments.format {
        Format::Table => Output::Table,
        Format::Csv => Output::Csv,
        Format::Json => Output::Json,
    };
    print(&query::render(&outcome?, output).map_err(Failure::software)?);
    Ok(())
}

async fn whole_answer(
    organization: &LocalOrganization,
    question: Question,
) -> Result<Rows, Failure> {
    let state = organization.analyzer()?;
    let mut answer = state.ask(question).await.map_err(Failure::data)?;
    let schema = answer.schema();
    let mut batches = Vec::new();
    while let Some(batch) = answer.next().await {
        batches.push(batch.map_err(Failure::data)?);
    }
    Ok((schema, batches))
}
