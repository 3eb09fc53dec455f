//! The subscribers: a process that opens them all, notes when which frame came, and tells when it is asked.

use std::io::{BufRead as _, Write as _};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use futures::{SinkExt as _, StreamExt as _};
use serde_json::json;
use tokio::net::TcpStream;
use tokio::sync::{Semaphore, mpsc};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

use super::load::{QUEUES, queue};
use super::settings::Settings;
use super::{Failure, now_us};

/// Columns that each asks for.
pub const COLUMNS: [&str; 6] = [
    "queue_name",
    "in_queue_now",
    "oldest_entered_time",
    "available_agents",
    "answered",
    "abandoned",
];
/// Queues that each asks for; there are ten different askers.
const OF_EACH: u64 = 10;
/// Connections that are opened at the same time.
const OPENING: usize = 64;

/// A frame that came: bytes, positions it covers, when, microseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arrived {
    /// Which subscriber.
    pub subscriber: u32,
    /// Size, bytes.
    pub bytes: u32,
    /// The position before the first it covers.
    pub from: u64,
    /// The last it covers.
    pub to: u64,
    /// When it came, microseconds since 1970; 0 for messages that were lost, `to` of them.
    pub at_us: u64,
}

type Noted = Arc<Mutex<Vec<Arrived>>>;

/// Opens everything, says `ready`, reads until a line comes in, then writes what arrived.
///
/// # Errors
/// When a subscriber is not let in.
pub async fn run(address: SocketAddr, token: &str, settings: &Settings) -> Result<(), Failure> {
    let noted = Noted::default();
    let gate = Arc::new(Semaphore::new(OPENING));
    let (opened, mut all_open) = mpsc::unbounded_channel();
    for number in 0..settings.subscribers + settings.slow {
        let reads = number < settings.subscribers;
        let request = subscription(u64::from(number), settings).to_string();
        let (gate, opened, noted) = (Arc::clone(&gate), opened.clone(), Arc::clone(&noted));
        let token = token.to_owned();
        tokio::spawn(async move {
            let permit = gate.acquire_owned().await;
            let socket = open(address, &token, request).await;
            drop(permit);
            match socket {
                Ok(socket) => {
                    let _ = opened.send(Ok(()));
                    if reads {
                        read(socket, number, &noted).await;
                    } else {
                        // Held open, never read.
                        std::future::pending::<()>().await;
                        drop(socket);
                    }
                }
                Err(error) => {
                    let _ = opened.send(Err(error));
                }
            }
        });
    }
    for _ in 0..settings.subscribers + settings.slow {
        all_open.recv().await.ok_or("a subscriber ended")??;
    }
    noted.lock().map_err(|_| "a subscriber failed")?.clear();
    let mut out = std::io::stdout().lock();
    writeln!(out, "ready")?;
    out.flush()?;
    tokio::task::spawn_blocking(|| std::io::stdin().lock().read_line(&mut String::new())).await??;
    let noted = std::mem::take(&mut *noted.lock().map_err(|_| "a subscriber failed")?);
    let mut out = std::io::BufWriter::new(out);
    for Arrived { subscriber, bytes, from, to, at_us } in noted {
        writeln!(out, "{subscriber} {bytes} {from} {to} {at_us}")?;
    }
    out.flush()?;
    Ok(())
}

fn subscription(number: u64, settings: &Settings) -> serde_json::Value {
    if settings.dataset == "events" {
        return json!({"type": "subscribe", "id": "s", "dataset": "events"});
    }
    let first = number * OF_EACH % QUEUES;
    let queues: Vec<String> =
        (first..first + OF_EACH).map(|it| queue(it % QUEUES).to_string()).collect();
    json!({"type": "subscribe", "id": "s", "dataset": "queue_live", "max_hz": settings.hz,
           "filter": {"queue_id": queues}, "columns": COLUMNS})
}

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// Connects and reads up to the end of the snapshot, or the first sign of life.
async fn open(address: SocketAddr, token: &str, request: String) -> Result<Socket, Failure> {
    let mut upgrade = format!("ws://{address}/v1/realtime").into_client_request()?;
    upgrade.headers_mut().insert("authorization", format!("Bearer {token}").parse()?);
    let (mut socket, _) = connect_async(upgrade).await?;
    socket.send(Message::text(request)).await?;
    while let Some(message) = socket.next().await {
        let text = message?.into_text()?;
        if text.starts_with(r#"{"type":"error""#) {
            return Err(text.as_str().into());
        }
        if text.contains(r#""snapshot_end""#) || text.contains(r#""progress""#) {
            return Ok(socket);
        }
    }
    Err("the server closed the connection".into())
}

async fn read(mut socket: Socket, subscriber: u32, noted: &Noted) {
    while let Some(Ok(message)) = socket.next().await {
        let at_us = now_us();
        let Ok(text) = message.into_text() else { continue };
        let Some(arrived) = arrived(subscriber, &text, at_us) else { continue };
        if let Ok(mut noted) = noted.lock() {
            noted.push(arrived);
        }
    }
}

/// What a frame says of its positions, without reading all of it; `None` for frames without changes.
fn arrived(subscriber: u32, text: &str, at_us: u64) -> Option<Arrived> {
    let bytes = u32::try_from(text.len()).unwrap_or(u32::MAX);
    let number = |name: &str| {
        let rest = text.get(text.find(name)? + name.len()..)?;
        let end = rest.find(|it: char| !it.is_ascii_digit()).unwrap_or(rest.len());
        rest.get(..end)?.parse::<u64>().ok()
    };
    if text.starts_with(r#"{"type":"lost""#) {
        return Some(Arrived { subscriber, bytes, from: 0, to: number(r#""count":"#)?, at_us: 0 });
    }
    let (from, to) = if text.starts_with(r#"{"type":"progress""#) {
        // It says that nothing changed up to there: `from` is where the frame before it ended, whatever that was.
        (u64::MAX, number(r#""position":"#)?)
    } else {
        (number(r#""from":"#)?, number(r#""to":"#)?)
    };
    Some(Arrived { subscriber, bytes, from, to, at_us })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_are_read_from_the_begin_of_a_frame() {
        let delta = r#"{"type":"delta","id":"s","from":17,"to":23,"upserts":[{"to":1}]}"#;
        let it = arrived(3, delta, 5).map(|it| (it.subscriber, it.from, it.to, it.at_us));
        assert_eq!(it, Some((3, 17, 23, 5)));
        let progress = r#"{"type":"progress","id":"s","position":40,"time":"x"}"#;
        assert_eq!(arrived(3, progress, 5).map(|it| (it.from, it.to)), Some((u64::MAX, 40)));
        let lost = r#"{"type":"lost","count":12}"#;
        assert_eq!(arrived(3, lost, 5).map(|it| (it.to, it.at_us)), Some((12, 0)));
        assert_eq!(arrived(3, r#"{"type":"ready","org_id":"x"}"#, 5), None);
    }
}
