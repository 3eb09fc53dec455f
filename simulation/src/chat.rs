//! A simulated customer in a web chat.

use std::time::Duration;

use futures::{SinkExt as _, StreamExt as _};
use ledgerline_schemas::id::InteractionId;
use reqwest::Client;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep, sleep_until};
use tokio_tungstenite::tungstenite::Message;
use uuid::Uuid;

use crate::random::Random;
use crate::tally::Tally;

/// Begins one chat at an entry point and lives through it.
pub async fn chat(base: String, token: String, entry_point: String, random: Random, tally: Tally) {
    if let Err(problem) = live(&base, &token, &entry_point, random, &tally).await {
        tally.surprise(format!("chat: {problem}"));
    }
}

async fn live(
    base: &str,
    token: &str,
    entry_point: &str,
    mut random: Random,
    tally: &Tally,
) -> Result<(), String> {
    let response = Client::new()
        .post(format!("{base}/v1/chats"))
        .bearer_auth(token)
        .json(&json!({"entryPoint": entry_point, "name": "Simulated Customer"}))
        .send()
        .await
        .map_err(|error| error.to_string())?;
    let status = response.status().as_u16();
    if matches!(status, 429 | 503) {
        return Ok(());
    }
    let body: Value = response.json().await.map_err(|error| error.to_string())?;
    if !(200..300).contains(&status) {
        return Err(format!("beginning was answered {status}: {body}"));
    }
    let field = |name: &str| body.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let interaction: InteractionId =
        field("interactionId").parse().map_err(|_| format!("no interactionId in {body}"))?;
    tally.note(|totals| totals.chats += 1);
    tally.acknowledged(interaction);
    let url = format!("{}{}", base.replacen("http", "ws", 1), field("socket"));
    let (mut socket, _) =
        tokio_tungstenite::connect_async(url).await.map_err(|error| error.to_string())?;
    let patience_ms = if random.chance(12) {
        random.between(1_500, 4_000)
    } else {
        random.between(20_000, 45_000)
    };
    let patience = Instant::now() + Duration::from_millis(patience_ms);
    let mut talked = false;
    say(&mut socket, "Hi, I have a question about my order").await?;
    loop {
        tokio::select! {
            () = sleep_until(patience), if !talked => {
                tally.note(|totals| totals.chats_abandoned += 1);
                let leave = json!({"type": "leave"}).to_string();
                let _ = socket.send(Message::text(leave)).await;
                let _ = socket.close(None).await;
                return Ok(());
            }
            frame = socket.next() => {
                let text = match frame {
                    Some(Ok(Message::Text(text))) => text,
                    Some(Ok(Message::Close(_))) | None => return Ok(()),
                    Some(Ok(_)) => continue,
                    Some(Err(error)) => return Err(error.to_string()),
                };
                let Ok(frame) = serde_json::from_str::<Value>(&text) else { continue };
                match frame.get("type").and_then(Value::as_str).unwrap_or_default() {
                    "connected" if !talked => {
                        talked = true;
                        tally.note(|totals| totals.chats_talked += 1);
                        say(&mut socket, "Number 4711, please").await?;
                    }
                    "message" if random.chance(60) => {
                        sleep(Duration::from_millis(random.between(100, 800))).await;
                        say(&mut socket, "Thanks").await?;
                    }
                    "accepted" => {
                        if let Some(id) = frame.get("messageId").and_then(Value::as_str) {
                            tally.acknowledged_message(id);
                        }
                    }
                    "ended" => return Ok(()),
                    _ => {}
                }
            }
        }
    }
}

async fn say<S>(socket: &mut S, text: &str) -> Result<(), String>
where
    S: futures::Sink<Message, Error = tokio_tungstenite::tungstenite::Error> + Unpin,
{
    let frame = json!({"type": "message", "text": text, "clientMessageId": Uuid::new_v4()});
    match socket.send(Message::text(frame.to_string())).await {
        Ok(())
        // The conversation may end while the customer types.
        | Err(tokio_tungstenite::tungstenite::Error::ConnectionClosed
            | tokio_tungstenite::tungstenite::Error::AlreadyClosed
            | tokio_tungstenite::tungstenite::Error::Protocol(_)) => Ok(()),
        Err(error) => Err(error.to_string()),
    }
}
