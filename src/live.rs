//! A client of the live datasets of a running server: their rows, kept current by frames (docs/realtime.md).

use std::collections::BTreeMap;

use futures::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Error as WebSocketError;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;

use crate::failure::Failure;

type Socket =
    tokio_tungstenite::WebSocketStream<tokio_tungstenite::MaybeTlsStream<tokio::net::TcpStream>>;

/// The rows of a dataset at a position.
#[derive(Debug, Default)]
pub(crate) struct Dataset {
    /// Columns of the key.
    key: Vec<String>,
    rows: BTreeMap<Vec<String>, Value>,
    /// Everything up to here is in the rows.
    pub(crate) position: u64,
    /// Whether a snapshot has been read to its end.
    pub(crate) is_whole: bool,
}

impl Dataset {
    /// The rows in the order of their keys.
    pub(crate) fn rows(&self) -> impl Iterator<Item = &Value> {
        self.rows.values()
    }

    /// The values of a row's key, as text.
    pub(crate) fn key_of(&self, row: &Value) -> Vec<String> {
        let part = |name: &String| match row.get(name) {
            Some(Value::String(text)) => text.clone(),
            Some(other) => other.to_string(),
            None => String::new(),
        };
        self.key.iter().map(part).collect()
    }

    /// Takes a frame of this dataset; false when the server has ended the subscription.
    pub(crate) fn take(&mut self, frame: &Value) -> bool {
        let list =
            |name: &str| frame.get(name).and_then(Value::as_array).into_iter().flatten().cloned();
        let number = |name: &str| frame.get(name).and_then(Value::as_u64);
        match kind(frame) {
            "snapshot_begin" => {
                let key = list("key").filter_map(|it| it.as_str().map(str::to_owned));
                *self = Self { key: key.collect(), ..Self::default() };
            }
            "resync" => {
                *self = Self::default();
                return false;
            }
            "snapshot_end" => self.is_whole = true,
            _ => {}
        }
        for row in list("rows").chain(list("upserts")) {
            self.rows.insert(self.key_of(&row), row);
        }
        for gone in list("deletes") {
            self.rows.remove(&self.key_of(&gone));
        }
        if let Some(position) = number("position").or_else(|| number("to")) {
            self.position = position;
        }
        true
    }
}

/// What kind of frame it is.
fn kind(frame: &Value) -> &str {
    frame.get("type").and_then(Value::as_str).unwrap_or_default()
}

/// Subscriptions to whole datasets over one connection.
pub(crate) struct Live {
    socket: Socket,
    max_hz: f64,
    /// The organization whose datasets they are; known with the first frame.
    pub(crate) org_id: Option<String>,
    datasets: BTreeMap<&'static str, Dataset>,
    /// Those that are to be subscribed to.
    ended: Vec<&'static str>,
}

impl Live {
    /// Connects and subscribes.
    ///
    /// # Errors
    /// When the server cannot be reached or does not take the token.
    pub(crate) async fn open(
        base: &str,
        token: &str,
        datasets: &[&'static str],
        max_hz: f64,
    ) -> Result<Self, Failure> {
        let Some(host) = base.strip_prefix("http://") else {
            return Err(Failure::data(format!("{base}: live datasets are read over http:// here")));
        };
        let url = format!("ws://{host}/v1/realtime");
        let mut request = url.into_client_request().map_err(Failure::data)?;
        let value = format!("Bearer {token}").parse().map_err(Failure::data)?;
        request.headers_mut().insert("authorization", value);
        let (socket, _) = tokio_tungstenite::connect_async(request).await.map_err(|error| {
            let said = format!("{base}: {error}");
            match error {
                WebSocketError::Http(answer) if matches!(answer.status().as_u16(), 401 | 403) => {
                    Failure::denied(said)
                }
                _ => Failure::unavailable(said),
            }
        })?;
        let ended = datasets.to_vec();
        let datasets = datasets.iter().map(|name| (*name, Dataset::default())).collect();
        Ok(Self { socket, max_hz, org_id: None, datasets, ended })
    }

    /// Subscribes to what is not subscribed to.
    async fn subscribe(&mut self) -> Result<(), Failure> {
        while let Some(name) = self.ended.last() {
            let wanted =
                json!({"type": "subscribe", "id": name, "dataset": name, "max_hz": self.max_hz});
            let wanted = Message::text(wanted.to_string());
            self.socket.send(wanted).await.map_err(Failure::unavailable)?;
            self.ended.pop();
        }
        Ok(())
    }

    /// Takes the next frame. What the server ended is subscribed to again.
    ///
    /// # Errors
    /// When the connection ends, or with the server's words when it refuses something.
    pub(crate) async fn next(&mut self) -> Result<(), Failure> {
        self.subscribe().await?;
        let frame = self.frame().await?;
        if let Some(org_id) = frame.get("org_id").and_then(Value::as_str) {
            self.org_id = Some(org_id.to_owned());
        }
        let id = frame.get("id").and_then(Value::as_str).unwrap_or_default();
        if kind(&frame) == "error" {
            let message = frame.get("message").and_then(Value::as_str).unwrap_or("an error");
            return Err(Failure::denied(format!("{id}: {message}")));
        }
        let known = self.datasets.iter_mut().find(|(name, _)| **name == id);
        if let Some((name, dataset)) = known
            && !dataset.take(&frame)
        {
            self.ended.push(name);
        }
        Ok(())
    }

    /// A dataset that was subscribed to.
    pub(crate) fn dataset(&self, name: &str) -> Option<&Dataset> {
        self.datasets.get(name)
    }

    /// Whether the first snapshot of every dataset is there.
    pub(crate) fn is_whole(&self) -> bool {
        self.datasets.values().all(|dataset| dataset.is_whole)
    }

    async fn frame(&mut self) -> Result<Value, Failure> {
        loop {
            match self.socket.next().await {
                Some(Ok(Message::Text(text))) => {
                    return serde_json::from_str(&text).map_err(Failure::unavailable);
                }
                Some(Ok(Message::Close(Some(why)))) => {
                    let said = format!("the server closed: {} {}", why.code, why.reason);
                    return Err(Failure::unavailable(said));
                }
                Some(Ok(_)) => {}
                Some(Err(error)) => return Err(Failure::unavailable(error)),
                None => return Err(Failure::unavailable("the live connection ended")),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(frames: &[Value]) -> Dataset {
        let mut dataset = Dataset::default();
        for frame in frames {
            assert!(dataset.take(frame));
        }
        dataset
    }

    #[test]
    fn rows_follow_the_frames() {
        let begin = json!({"type": "snapshot_begin", "key": ["id"], "position": 4});
        let rows = json!({"type": "rows", "rows": [{"id": "a", "n": 1}, {"id": "b", "n": 2}]});
        let end = json!({"type": "snapshot_end", "position": 4});
        let delta = json!({
            "type": "delta", "from": 4, "to": 9,
            "upserts": [{"id": "b", "n": 3}, {"id": "c", "n": 4}], "deletes": [{"id": "a"}],
        });
        let progress = json!({"type": "progress", "position": 12});
        let frames = [begin.clone(), rows, end, delta, progress];
        let dataset = after(&frames);
        let found: Vec<&Value> = dataset.rows().collect();
        assert_eq!(found, [&json!({"id": "b", "n": 3}), &json!({"id": "c", "n": 4})]);
        assert_eq!((dataset.position, dataset.is_whole), (12, true));
        let part = after(&frames[..2]);
        assert_eq!((part.rows().count(), part.is_whole), (2, false));
        // A fresh snapshot begins with nothing.
        let again = after(&[&frames[..], &[begin]].concat());
        assert_eq!((again.rows().count(), again.is_whole), (0, false));
        let mut ended = after(&frames);
        assert!(!ended.take(&json!({"type": "resync", "reason": "epoch"})));
        assert_eq!(ended.rows().count(), 0);
    }
}
