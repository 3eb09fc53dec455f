//! A subscriber that is cut off again and again and goes on with the last token it got.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures::{SinkExt as _, StreamExt as _};
use ledgerline_projections::{ColumnType, Row, Snapshot, TableDef, Value};
use ledgerline_schemas::{Position, Timestamp};
use serde_json::{Value as Json, json};
use tokio::sync::watch;
use tokio_tungstenite::connect_async;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_util::sync::CancellationToken;

use crate::day::random::Random;

/// What they follow; every sixth the events.
const DATASETS: [&str; 6] =
    ["queue_live", "agent_live", "interaction_live", "events", "alerts", "interval_current"];

/// What happened to all of them.
#[derive(Debug, Default)]
pub struct Going {
    pub frames: AtomicU64,
    pub resumed: watch::Sender<u64>,
    pub anew: AtomicU64,
    pub events: AtomicU64,
    /// One of them found a mistake.
    pub failed: CancellationToken,
}

/// One of them, with what it has.
pub struct Subscriber {
    dataset: &'static str,
    max_hz: f64,
    random: Random,
    key: Vec<String>,
    rows: BTreeMap<String, Json>,
    position: u64,
    token: Option<String>,
    in_snapshot: bool,
    /// A resumed subscription said that it goes on.
    goes_on: bool,
}

impl Drop for CutOff<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.failed.cancel();
        }
    }
}

/// Tells the others when its task panics.
struct CutOff<'a>(&'a Going);

impl Subscriber {
    pub fn new(seed: u64, number: u64) -> Self {
        let mut random = Random::of(seed);
        let dataset = DATASETS[number as usize % DATASETS.len()];
        Self {
            dataset,
            max_hz: *random.pick(&[1.0, 5.0, 20.0]),
            random,
            key: Vec::new(),
            rows: BTreeMap::new(),
            position: 0,
            token: None,
            in_snapshot: false,
            goes_on: false,
        }
    }

    /// Follows a server until told to stop or the server is gone.
    pub async fn follow(
        mut self,
        address: SocketAddr,
        token: String,
        stop: CancellationToken,
        going: Arc<Going>,
    ) -> Self {
        let _told = CutOff(&going);
        // A server that starts has another key for tokens, and may be left before it gives one.
        self.token = None;
        while !stop.is_cancelled() {
            let stay = Duration::from_millis(100 + self.random.below(2_000) as u64);
            let connected = self.connection(address, &token, stay, &stop, &going);
            if connected.await.is_none() {
                // The server is gone, or going.
                stop.cancelled().await;
            }
        }
        self
    }

    /// One connection, cut off after a while without a word; `None` when the server is gone.
    async fn connection(
        &mut self,
        address: SocketAddr,
        token: &str,
        stay: Duration,
        stop: &CancellationToken,
        going: &Going,
    ) -> Option<()> {
        let mut request = format!("ws://{address}/v1/realtime").into_client_request().unwrap();
        request.headers_mut().insert("authorization", format!("Bearer {token}").parse().unwrap());
        let (mut socket, _) = connect_async(request).await.ok()?;
        let mut subscribe = json!({"type": "subscribe", "id": "s", "dataset": self.dataset});
        let mut resumes = false;
        match (&self.token, self.dataset) {
            (Some(token), _) if !self.in_snapshot => {
                subscribe["resume"] = json!(token);
                resumes = true;
            }
            // Events go on after the last one that was seen, whatever became of the server.
            (_, "events") => subscribe["after"] = json!(self.position),
            _ => {}
        }
        if self.dataset != "events" {
            subscribe["max_hz"] = json!(self.max_hz);
        }
        self.goes_on = resumes;
        socket.send(Message::text(subscribe.to_string())).await.ok()?;
        let cut = tokio::time::sleep(stay);
        tokio::pin!(cut);
        let mut first = true;
        loop {
            let message = tokio::select! {
                () = &mut cut => return Some(()),
                () = stop.cancelled() => return None,
                message = socket.next() => message,
            };
            let Message::Text(text) = message?.ok()? else { continue };
            let frame: Json = serde_json::from_str(&text).unwrap();
            let kind = frame["type"].as_str().unwrap().to_owned();
            if kind == "ready" {
                continue;
            }
            if std::mem::take(&mut first) {
                if resumes && (kind == "snapshot_begin" || kind == "resync") {
                    going.anew.fetch_add(1, Ordering::Relaxed);
                } else if resumes {
                    going.resumed.send_modify(|it| *it += 1);
                }
            }
            going.frames.fetch_add(1, Ordering::Relaxed);
            if kind == "resync" {
                // Too far behind for what is kept: it says so, and begins anew.
                assert_eq!(frame["reason"], "retention", "{text}");
                (self.token, self.in_snapshot) = (None, false);
                return Some(());
            }
            let events = self.take(&frame, &kind);
            going.events.fetch_add(events, Ordering::Relaxed);
        }
    }

    /// Takes a frame in; gives how many events it brought.
    fn take(&mut self, frame: &Json, kind: &str) -> u64 {
        let number = |name: &str| frame[name].as_u64().unwrap_or_else(|| panic!("{name}: {frame}"));
        let list = |name: &str| frame[name].as_array().unwrap_or_else(|| panic!("{name}: {frame}"));
        let mut events = 0;
        match kind {
            "snapshot_begin" => {
                let key = list("key").iter().map(|it| it.as_str().unwrap().to_owned());
                (self.key, self.in_snapshot) = (key.collect(), true);
                (self.rows, self.token) = (BTreeMap::new(), None);
                self.position = number("position");
            }
            "rows" => {
                for row in list("rows") {
                    let twice = self.rows.insert(key_of(&self.key, row), row.clone());
                    assert!(twice.is_none(), "twice: {frame}");
                }
            }
            "snapshot_end" => {
                assert_eq!(number("position"), self.position, "{frame}");
                self.in_snapshot = false;
            }
            "delta" => {
                assert!(!self.in_snapshot, "{frame}");
                assert_eq!(number("from"), self.position, "a gap or an overlap: {frame}");
                self.position = number("to");
                for row in list("upserts") {
                    self.rows.insert(key_of(&self.key, row), row.clone());
                }
                for row in list("deletes") {
                    let had = self.rows.remove(&key_of(&self.key, row));
                    assert!(had.is_some(), "never had {row}: {frame}");
                }
            }
            "events" => {
                assert_eq!(number("from"), self.position, "a gap or an overlap: {frame}");
                for event in list("events") {
                    // Unfiltered: each follows the one before it.
                    assert_eq!(event["position"].as_u64(), Some(self.position + 1), "{event}");
                    self.position += 1;
                    events += 1;
                }
                assert_eq!(number("to"), self.position, "{frame}");
            }
            "progress" => {
                assert!(number("position") >= self.position, "backwards: {frame}");
                if self.dataset == "events" {
                    assert_eq!(number("position"), self.position, "events were left out: {frame}");
                }
                self.position = number("position");
            }
            _ => panic!("unexpected: {frame}"),
        }
        if let Some(token) = frame["token"].as_str() {
            self.token = Some(token.to_owned());
        }
        events
    }

    /// The position of its rows, if it has all of them.
    pub fn whole_at(&self) -> Option<Position> {
        let whole = self.dataset != "events" && !self.in_snapshot && !self.key.is_empty();
        whole.then_some(Position(self.position))
    }

    /// Holds its rows against a table.
    pub fn compare(&self, snapshot: &Snapshot) {
        let table = snapshot.tables[self.dataset].def;
        let rows = snapshot.live.get(self.dataset);
        let expected: BTreeMap<String, Json> = rows
            .into_iter()
            .flat_map(|rows| rows.values())
            .map(|row| json_of(table, row))
            .map(|row| (key_of(&self.key, &row), row))
            .collect();
        assert_eq!(self.rows, expected, "{} at {}", self.dataset, self.position);
    }
}

fn key_of(key: &[String], row: &Json) -> String {
    key.iter().map(|column| row[column].to_string()).collect::<Vec<_>>().join(" ")
}

fn json_of(table: &TableDef, row: &Row) -> Json {
    let cells = table.columns.iter().zip(row.iter()).map(|(column, value)| {
        let value = match value {
            Value::Null => Json::Null,
            Value::Text(text) if column.column_type == ColumnType::Json => {
                serde_json::from_str(text).unwrap()
            }
            Value::Text(text) => json!(&**text),
            Value::Int(number) => json!(number),
            Value::Bool(truth) => json!(truth),
            Value::Time(micros) => json!(Timestamp::from_micros(*micros).to_string()),
        };
        (column.name.to_owned(), value)
    });
    Json::Object(cells.collect())
}
