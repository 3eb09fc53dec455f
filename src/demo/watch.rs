//! The live line, from a subscription to `queue_live`.

use std::collections::BTreeMap;
use std::io::{IsTerminal as _, Write as _};
use std::time::Duration;

use futures::{SinkExt as _, StreamExt as _};
use ledgerline_simulation::Tally;
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_util::sync::CancellationToken;

use super::figures::{Counts, Door};
use crate::failure::Failure;

type Socket =
    tokio_tungstenite::WebSocketStream<tokio_tungstenite::MaybeTlsStream<tokio::net::TcpStream>>;

/// The rows of `queue_live` by key, kept current by frames.
#[derive(Debug, Default)]
struct Rows(BTreeMap<String, Value>);

impl Rows {
    fn put(&mut self, row: &Value) {
        if let Some(key) = row.get("queue_id").and_then(Value::as_str) {
            self.0.insert(key.to_owned(), row.clone());
        }
    }

    fn take(&mut self, frame: &Value) {
        let list =
            |name: &str| frame.get(name).and_then(Value::as_array).cloned().unwrap_or_default();
        for row in list("rows").iter().chain(&list("upserts")) {
            self.put(row);
        }
        for gone in list("deletes") {
            let key = gone.as_str().or_else(|| gone.get("queue_id").and_then(Value::as_str));
            if let Some(key) = key {
                self.0.remove(key);
            }
        }
    }

    fn sum(&self, column: &str) -> i64 {
        self.0.values().filter_map(|row| row.get(column).and_then(Value::as_i64)).sum()
    }

    fn counts(&self) -> BTreeMap<String, Counts> {
        let mut channels: BTreeMap<String, Counts> = BTreeMap::new();
        for row in self.0.values() {
            let int = |name: &str| row.get(name).and_then(Value::as_i64).unwrap_or(0);
            let channel = row.get("channel_type").and_then(Value::as_str).unwrap_or_default();
            let counts = channels.entry(channel.to_owned()).or_default();
            counts.offered += int("offered");
            counts.answered += int("answered");
            counts.abandoned += int("abandoned");
            counts.other += int("other");
            counts.open += int("open");
        }
        channels
    }
}

async fn subscribe(door: &Door) -> Result<Socket, Failure> {
    let url = format!("{}/v1/realtime", door.base.replacen("http", "ws", 1));
    let mut request = url.into_client_request().map_err(Failure::software)?;
    let value = format!("Bearer {}", door.token).parse().map_err(Failure::software)?;
    request.headers_mut().insert("authorization", value);
    let (mut socket, _) =
        tokio_tungstenite::connect_async(request).await.map_err(Failure::unavailable)?;
    let wanted = json!({"type": "subscribe", "id": "demo", "dataset": "queue_live", "max_hz": 2.0});
    socket.send(Message::text(wanted.to_string())).await.map_err(Failure::unavailable)?;
    Ok(socket)
}

async fn frame(socket: &mut Socket) -> Result<Value, Failure> {
    loop {
        match socket.next().await {
            Some(Ok(Message::Text(text))) => {
                return serde_json::from_str(&text).map_err(Failure::unavailable);
            }
            Some(Ok(_)) => {}
            Some(Err(error)) => return Err(Failure::unavailable(error)),
            None => return Err(Failure::unavailable("the live socket closed")),
        }
    }
}

fn kind(frame: &Value) -> &str {
    frame.get("type").and_then(Value::as_str).unwrap_or_default()
}

/// The totals of a fresh snapshot of `queue_live`, by channel.
pub(super) async fn snapshot(door: &Door) -> Result<BTreeMap<String, Counts>, Failure> {
    let mut socket = subscribe(door).await?;
    let mut rows = Rows::default();
    loop {
        let frame = frame(&mut socket).await?;
        rows.take(&frame);
        match kind(&frame) {
            "snapshot_end" => return Ok(rows.counts()),
            "error" => return Err(Failure::unavailable(format!("live subscription: {frame}"))),
            _ => {}
        }
    }
}

/// Shows one line of figures until `stop`.
pub(super) async fn show(door: Door, tally: Tally, stop: CancellationToken) {
    let terminal = std::io::stdout().is_terminal();
    let mut ticks = tokio::time::interval(if terminal {
        Duration::from_secs(1)
    } else {
        Duration::from_secs(10)
    });
    let mut rows = Rows::default();
    let Ok(mut socket) = subscribe(&door).await else { return };
    loop {
        tokio::select! {
            () = stop.cancelled() => break,
            frame = frame(&mut socket) => match frame {
                Ok(frame) => rows.take(&frame),
                Err(_) => break,
            },
            _ = ticks.tick() => line(&rows, &tally, terminal),
        }
    }
    if terminal {
        let _ = writeln!(std::io::stdout());
    }
}

fn line(rows: &Rows, tally: &Tally, terminal: bool) {
    let totals = tally.totals();
    let text = format!(
        "waiting {:>3}  connected {:>3}  available agents {:>2} | offered {:>5}  answered {:>5}  \
         abandoned {:>4}  other {:>4} | rtp packets {:>8}",
        rows.sum("in_queue_now"),
        rows.sum("connected_now"),
        rows.0
            .values()
            .filter_map(|row| row.get("available_agents").and_then(Value::as_i64))
            .max()
            .unwrap_or(0),
        rows.sum("offered"),
        rows.sum("answered"),
        rows.sum("abandoned"),
        rows.sum("other"),
        totals.rtp_received,
    );
    let mut out = std::io::stdout();
    let _ = if terminal { write!(out, "\r{text}") } else { writeln!(out, "{text}") };
    let _ = out.flush();
}
