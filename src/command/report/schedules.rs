//! `ledgerline report schedules` and `report deliver`: both ask the serving process, which is what delivers.

use reqwest::Method;
use serde_json::{Value, json};

use crate::cli::Target;
use crate::command::client::Server;
use crate::command::sql::table;
use crate::failure::Failure;
use crate::output::print;

fn server(target: &Target) -> Result<Server, Failure> {
    Server::of(target)?.ok_or_else(|| {
        Failure::usage("a serving process runs and delivers schedules: name it with --server")
    })
}

fn text<'a>(value: &'a Value, pointer: &str) -> &'a str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

/// What is due when, and what became of it.
pub(super) async fn list(target: &Target) -> Result<(), Failure> {
    let server = server(target)?;
    let asked = server.ask(Method::GET, "/v1/report-schedules", "application/json", None).await?;
    let answer: Value = asked.json().await.map_err(Failure::unavailable)?;
    let schedules = answer.get("schedules").and_then(Value::as_array).cloned().unwrap_or_default();
    let rows = schedules.iter().map(|it| {
        let next = match (it.get("active"), text(it, "/problem")) {
            (Some(Value::Bool(false)), _) => "switched off".to_owned(),
            (_, "") => text(it, "/next_due").to_owned(),
            (_, problem) => problem.to_owned(),
        };
        json!({
            "name": text(it, "/name"),
            "report": text(it, "/report"),
            "next_due": next,
            "last_due": text(it, "/last/due_at"),
            "last_outcome": it.get("last").map_or_else(String::new, outcome),
        })
    });
    let columns = ["name", "report", "next_due", "last_due", "last_outcome"];
    let columns = columns.map(|name| json!({ "name": name }));
    print(&table(&json!({ "columns": columns, "rows": rows.collect::<Vec<_>>() })));
    Ok(())
}

/// The deliveries in one line: `file done, webhook failed: the server answered 503`.
fn outcome(last: &Value) -> String {
    let said = |it: &Value, what: &str| {
        let reason = text(it, "/reason");
        let behind = if reason.is_empty() { String::new() } else { format!(": {reason}") };
        format!("{what} {}{behind}", text(it, "/outcome").replace('_', " "))
    };
    match last.get("deliveries").and_then(Value::as_array) {
        Some(deliveries) if !deliveries.is_empty() => {
            let each = deliveries.iter().map(|it| said(it, text(it, "/channel")));
            each.collect::<Vec<_>>().join(", ")
        }
        _ => said(last, "run"),
    }
}

/// Runs a schedule now; fails when not everything was delivered.
pub(super) async fn deliver(schedule: &str, target: &Target) -> Result<(), Failure> {
    let server = server(target)?;
    let mut path =
        reqwest::Url::parse("http://server/v1/report-schedules").map_err(Failure::software)?;
    if let Ok(mut parts) = path.path_segments_mut() {
        parts.extend([schedule, "deliver"]);
    }
    let asked = server.ask(Method::POST, path.path(), "application/json", None).await?;
    let ran: Value = asked.json().await.map_err(Failure::unavailable)?;
    let position = ran.get("position").and_then(Value::as_u64).unwrap_or_default();
    let deliveries = ran.get("deliveries").and_then(Value::as_array).cloned().unwrap_or_default();
    for it in &deliveries {
        let (channel, place) = (text(it, "/channel"), text(it, "/target"));
        let (how, reason) = (text(it, "/outcome").replace('_', " "), text(it, "/reason"));
        let behind = if reason.is_empty() { String::new() } else { format!(": {reason}") };
        print(&format!("{channel} {place}: {how}{behind}\n"));
    }
    let is_done = |it: &Value| text(it, "/outcome") == "done";
    if is_done(&ran) && deliveries.iter().all(is_done) {
        print(&format!("the report of position {position} is delivered\n"));
        return Ok(());
    }
    Err(Failure::unavailable(outcome(&ran)))
}
