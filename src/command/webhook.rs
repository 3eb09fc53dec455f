//! `ledgerline webhook`: all of it asks the serving process, which is what sends.

use reqwest::Method;
use serde_json::{Value, json};

use crate::cli::{Target, Webhook, WebhookVerb};
use crate::command::client::Server;
use crate::command::sql::table;
use crate::failure::Failure;
use crate::output::print;

/// Lists, tests, enables, replays.
pub(crate) async fn run(webhook: Webhook) -> Result<(), Failure> {
    match webhook.verb {
        WebhookVerb::List { target } => list(&target).await,
        WebhookVerb::Test { subscription, target } => test(&subscription, &target).await,
        WebhookVerb::Enable { subscription, target } => {
            let status = ask(&target, Method::POST, &[&subscription, "enable"], None).await?;
            print(&format!("{} is {}\n", text(&status, "/name"), text(&status, "/state")));
            Ok(())
        }
        WebhookVerb::DeadLetters { subscription, target } => {
            dead_letters(&subscription, &target).await
        }
        WebhookVerb::Replay { subscription, positions, target } => {
            let wanted =
                if positions.is_empty() { json!({}) } else { json!({ "positions": positions }) };
            let path = [subscription.as_str(), "dead-letters", "replay"];
            let told = ask(&target, Method::POST, &path, Some(wanted)).await?;
            print(&format!("{} are sent again\n", number(&told, "/replayed")));
            Ok(())
        }
    }
}

async fn ask(
    target: &Target,
    method: Method,
    parts: &[&str],
    body: Option<Value>,
) -> Result<Value, Failure> {
    let server = Server::of(target)?
        .ok_or_else(|| Failure::usage("a serving process sends webhooks: name it with --server"))?;
    let mut path = reqwest::Url::parse("http://server/v1/webhooks").map_err(Failure::software)?;
    if let Ok(mut segments) = path.path_segments_mut() {
        segments.extend(parts);
    }
    let asked = server.ask(method, path.path(), "application/json", body).await?;
    asked.json().await.map_err(Failure::unavailable)
}

fn text<'a>(value: &'a Value, pointer: &str) -> &'a str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

fn number(value: &Value, pointer: &str) -> u64 {
    value.pointer(pointer).and_then(Value::as_u64).unwrap_or_default()
}

fn listed(answer: &Value, name: &str) -> Vec<Value> {
    answer.get(name).and_then(Value::as_array).cloned().unwrap_or_default()
}

fn show(columns: &[&str], rows: Vec<Value>) {
    let columns: Vec<Value> = columns.iter().map(|name| json!({ "name": name })).collect();
    print(&table(&json!({ "columns": columns, "rows": rows })));
}

async fn list(target: &Target) -> Result<(), Failure> {
    let answer = ask(target, Method::GET, &[], None).await?;
    let rows = listed(&answer, "webhooks").into_iter().map(|it| {
        let trouble = ["/problem", "/disabled/reason", "/failing/0/reason", "/last/reason"];
        let trouble = trouble.map(|pointer| text(&it, pointer));
        json!({
            "name": text(&it, "/name"),
            "url": text(&it, "/url"),
            "state": text(&it, "/state"),
            "done_position": number(&it, "/done_position"),
            "lag_events": number(&it, "/lag_events"),
            "open_events": number(&it, "/open_events"),
            "dead_letters": number(&it, "/dead_letters"),
            "trouble": trouble.into_iter().find(|reason| !reason.is_empty()).unwrap_or_default(),
        })
    });
    let columns = [
        "name",
        "url",
        "state",
        "done_position",
        "lag_events",
        "open_events",
        "dead_letters",
        "trouble",
    ];
    show(&columns, rows.collect());
    Ok(())
}

/// Sends a test event; fails when it was not taken.
async fn test(subscription: &str, target: &Target) -> Result<(), Failure> {
    let told = ask(target, Method::POST, &[subscription, "test"], None).await?;
    if told.get("is_taken").and_then(Value::as_bool) == Some(true) {
        print(&format!("taken: the server answered {}\n", number(&told, "/status")));
        return Ok(());
    }
    Err(Failure::unavailable(text(&told, "/reason")))
}

async fn dead_letters(subscription: &str, target: &Target) -> Result<(), Failure> {
    let answer = ask(target, Method::GET, &[subscription, "dead-letters"], None).await?;
    let columns = ["position", "event_type", "stream", "attempts", "at", "reason"];
    show(&columns, listed(&answer, "dead_letters"));
    let dropped = number(&answer, "/dropped");
    if dropped > 0 {
        print(&format!("{dropped} older ones are no longer kept\n"));
    }
    Ok(())
}
