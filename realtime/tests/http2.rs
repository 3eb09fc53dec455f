//! The doors over one HTTP/2 connection: more streams than a browser opens connections, and a WebSocket among them.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should stop where it is")]

mod center;
#[path = "center/tls.rs"]
mod tls;

use std::collections::BTreeMap;

use bytes::Bytes;
use center::Center;
use futures::{SinkExt as _, StreamExt as _};
use http_body_util::{BodyExt as _, Empty};
use hyper::body::Incoming;
use hyper::client::conn::http2::{SendRequest, handshake};
use hyper::ext::Protocol;
use hyper::{Request, Response, StatusCode, Version};
use hyper_util::rt::{TokioExecutor, TokioIo};
use ledgerline_access::Role;
use ledgerline_realtime::Limits;
use serde_json::{Value as Json, json};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::Role as Side;

/// A browser opens 6 connections to a host; streams of one connection are not bound by that.
const STREAMS: usize = 16;

async fn connect(address: std::net::SocketAddr) -> SendRequest<Empty<Bytes>> {
    speak(TcpStream::connect(address).await.unwrap()).await
}

async fn speak<S>(stream: S) -> SendRequest<Empty<Bytes>>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let shaking = handshake(TokioExecutor::new(), TokioIo::new(stream));
    let (sender, connection) = shaking.await.unwrap();
    tokio::spawn(connection);
    sender
}

async fn open(
    sender: &mut SendRequest<Empty<Bytes>>,
    base: &str,
    token: &str,
) -> Response<Incoming> {
    let request =
        Request::get(format!("{base}/v1/realtime/sse?dataset=interaction_live&max_hz=50"))
            .header("authorization", format!("Bearer {token}"))
            .body(Empty::new())
            .unwrap();
    sender.ready().await.unwrap();
    let response = sender.send_request(request).await.unwrap();
    assert_eq!((response.status(), response.version()), (StatusCode::OK, Version::HTTP_2));
    response
}

/// Rows of one stream by id, fed with the text of server-sent events as it comes.
#[derive(Default)]
struct Reader {
    text: String,
    rows: BTreeMap<String, Json>,
    position: u64,
}

impl Reader {
    async fn until(&mut self, body: &mut Response<Incoming>, position: u64) {
        while self.position < position {
            let frame = body.body_mut().frame().await.unwrap().unwrap();
            let bytes = frame.into_data().unwrap();
            self.text.push_str(std::str::from_utf8(&bytes).unwrap());
            while let Some((event, rest)) = self.text.split_once("\n\n") {
                let data = event.lines().find_map(|line| line.strip_prefix("data: "));
                if let Some(data) = data.map(str::to_owned) {
                    self.text = rest.to_owned();
                    self.take(&serde_json::from_str(&data).unwrap());
                } else {
                    self.text = rest.to_owned();
                }
            }
        }
    }

    fn take(&mut self, frame: &Json) {
        let list = |name: &str| frame[name].as_array().cloned().unwrap_or_default();
        let id = |row: &Json| row["interaction_id"].as_str().unwrap().to_owned();
        for row in list("rows").into_iter().chain(list("upserts")) {
            self.rows.insert(id(&row), row);
        }
        for row in list("deletes") {
            self.rows.remove(&id(&row)).unwrap();
        }
        let is_whole = frame["type"] != "snapshot_begin";
        let position = frame["position"].as_u64().or(frame["to"].as_u64());
        self.position = position.filter(|_| is_whole).unwrap_or(self.position);
    }
}

#[tokio::test]
async fn many_streams_share_a_connection() {
    let center = Center::new(Limits::default());
    let address = center.serve().await;
    follow_many(&center, connect(address).await, &format!("http://{address}")).await;
}

#[tokio::test]
async fn many_streams_share_a_connection_with_tls() {
    let center = Center::new(Limits::default());
    let (address, certificate) = tls::serve(center.router()).await;
    let sender = speak(tls::connect(address, certificate).await).await;
    follow_many(&center, sender, &format!("https://localhost:{}", address.port())).await;
}

async fn follow_many(center: &Center, mut sender: SendRequest<Empty<Bytes>>, base: &str) {
    let token = center.token(Role::Supervisor);
    let head = center.step(9).await;
    let mut streams = Vec::new();
    for _ in 0..STREAMS {
        streams.push((open(&mut sender, base, &token).await, Reader::default()));
    }
    for (body, reader) in &mut streams {
        reader.until(body, head).await;
    }
    let head = center.step(12).await;
    let expected = center.rows("interaction_live", head).await;
    assert!(!expected.is_empty());
    for (body, reader) in &mut streams {
        reader.until(body, head).await;
        assert_eq!(reader.rows.values().cloned().collect::<Vec<_>>(), expected);
    }
}

#[tokio::test]
async fn a_websocket_is_a_stream_of_the_connection() {
    let center = Center::new(Limits::default());
    let address = center.serve().await;
    let (base, token) = (format!("http://{address}"), center.token(Role::Supervisor));
    let head = center.step(9).await;
    let mut sender = connect(address).await;
    // The server says that it takes CONNECT with its settings, which come before the first answer.
    let body = open(&mut sender, &base, &token).await;
    let request = Request::connect(format!("{base}/v1/realtime"))
        .extension(Protocol::from_static("websocket"))
        .header("sec-websocket-version", "13")
        .header("authorization", format!("Bearer {token}"))
        .body(Empty::new())
        .unwrap();
    sender.ready().await.unwrap();
    let response = sender.send_request(request).await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    let upgraded = TokioIo::new(hyper::upgrade::on(response).await.unwrap());
    let mut socket = WebSocketStream::from_raw_socket(upgraded, Side::Client, None).await;
    let wanted = json!({"type": "subscribe", "id": "1", "dataset": "queue_live"});
    socket.send(Message::text(wanted.to_string())).await.unwrap();
    let mut rows = Vec::new();
    loop {
        let Message::Text(text) = socket.next().await.unwrap().unwrap() else { continue };
        let frame: Json = serde_json::from_str(&text).unwrap();
        rows.extend(frame["rows"].as_array().cloned().unwrap_or_default());
        if frame["type"] == "snapshot_end" {
            assert_eq!(frame["position"], head);
            break;
        }
    }
    assert_eq!(rows, center.rows("queue_live", head).await);
    drop(body);
}
