//! What is compared with: every change goes to everybody it concerns as soon as it is there, through one broadcast
//! channel, as pushes are usually made. Nothing is conflated; who falls behind loses messages.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::response::Response;
use axum::routing::get;
use ledgerline_projections::{Projections, Row, TableDef, Value};
use serde_json::{Value as Json, json};
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;

use super::Failure;
use super::watchers::COLUMNS;

/// Messages that a slow reader may be behind.
const BEHIND: usize = 4_096;

/// A changed row: its key and the message that says so.
type Change = (Arc<str>, Arc<str>);

/// The door.
///
/// # Errors
/// When the tables give no changes.
pub async fn router(tables: &Projections) -> Result<Router, Failure> {
    let (sender, _) = broadcast::channel::<Change>(BEHIND);
    let (_, mut feed) = tables.follow().await?;
    let changes = sender.clone();
    tokio::spawn(async move {
        while let Ok(batch) = feed.next().await {
            for change in batch.changes.iter().filter(|it| it.table.name == "queue_live") {
                let Some(row) = &change.after else { continue };
                let to = change.position.0;
                let shown = shown(change.table, row);
                let text = json!({"type": "delta", "from": to - 1, "to": to, "upserts": [shown]});
                // Nobody listens before the first is connected.
                let _ = changes.send((Arc::clone(&change.key), text.to_string().into()));
            }
        }
    });
    Ok(Router::new().route("/v1/realtime", get(upgrade)).with_state(sender))
}

fn shown(table: &TableDef, row: &Row) -> Json {
    let cells = table.columns.iter().zip(row.iter());
    let cells =
        cells.filter(|(column, _)| COLUMNS.contains(&column.name) || column.name == "queue_id");
    cells
        .map(|(column, value)| {
            let value = match value {
                Value::Null => Json::Null,
                Value::Text(text) => json!(&**text),
                Value::Int(number) => json!(number),
                Value::Bool(truth) => json!(truth),
                Value::Time(micros) => json!(micros),
            };
            (column.name.to_owned(), value)
        })
        .collect::<serde_json::Map<_, _>>()
        .into()
}

async fn upgrade(
    State(sender): State<broadcast::Sender<Change>>,
    socket: WebSocketUpgrade,
) -> Response {
    // As ours: the library's own buffer is most of what a connection costs.
    socket.read_buffer_size(4 * 1_024).on_upgrade(move |socket| serve(socket, sender))
}

async fn serve(mut socket: WebSocket, sender: broadcast::Sender<Change>) {
    let Some(Ok(Message::Text(wanted))) = socket.recv().await else { return };
    let wanted: Json = serde_json::from_str(&wanted).unwrap_or_default();
    let keys = wanted["filter"]["queue_id"].as_array().cloned().unwrap_or_default();
    let keys: BTreeSet<String> =
        keys.iter().filter_map(|it| it.as_str().map(str::to_owned)).collect();
    let mut changes = sender.subscribe();
    if socket.send(Message::text(r#"{"type":"snapshot_end","position":0}"#)).await.is_err() {
        return;
    }
    loop {
        let message = match changes.recv().await {
            Ok((key, text)) if keys.contains(&*key) => Message::text(&*text),
            Ok(_) => continue,
            Err(RecvError::Lagged(lost)) => {
                Message::text(format!(r#"{{"type":"lost","count":{lost}}}"#))
            }
            Err(RecvError::Closed) => return,
        };
        if socket.send(message).await.is_err() {
            return;
        }
    }
}
