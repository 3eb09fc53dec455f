//! The HTTP port with TLS as clients meet it: HTTP/2 and HTTP/1.1 by ALPN, many streams over one connection, WebSockets
//! over both, and handshakes that hold up nobody.

#![allow(clippy::expect_used, reason = "helpers of tests fail a test by panicking")]

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::ws::{Message as Received, WebSocket, WebSocketUpgrade};
use axum::extract::{Request as Asked, State};
use axum::response::sse::{Event, Sse};
use axum::routing::get;
use futures::{SinkExt as _, Stream, StreamExt as _, stream};
use http_body_util::{BodyExt as _, Empty};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::{http1, http2};
use hyper::ext::Protocol;
use hyper::{Request, Response, StatusCode, Version};
use hyper_util::rt::{TokioExecutor, TokioIo};
use ledgerline_ingest::http::listener::{HANDSHAKE_TIME_MAX, HttpListener, PROTOCOLS};
use rustls::pki_types::{PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio_rustls::client::TlsStream;
use tokio_rustls::{TlsAcceptor, TlsConnector};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::Role;

/// A browser opens 6 connections to a host over HTTP/1.1.
const STREAMS: usize = 16;

struct Port {
    address: SocketAddr,
    roots: RootCertStore,
    /// What every stream of server-sent events tells.
    told: watch::Sender<u64>,
}

async fn version(request: Asked) -> String {
    format!("{:?}", request.version())
}

async fn tell(
    State(told): State<watch::Receiver<u64>>,
) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    Sse::new(stream::unfold(told, |mut told| async move {
        told.changed().await.ok()?;
        let event = Event::default().data(told.borrow_and_update().to_string());
        Some((Ok(event), told))
    }))
}

async fn echo(mut socket: WebSocket) {
    while let Some(Ok(message)) = socket.recv().await {
        if matches!(message, Received::Text(_)) && socket.send(message).await.is_err() {
            return;
        }
    }
}

async fn upgrade(upgrade: WebSocketUpgrade) -> axum::response::Response {
    upgrade.on_upgrade(echo)
}

impl Port {
    async fn open(patience: Duration) -> Self {
        let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).expect("made");
        let certificate = made.cert.der().clone();
        let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).expect("a key");
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut server = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_no_client_auth()
            .with_single_cert(vec![certificate.clone()], key)
            .expect("a pair");
        server.alpn_protocols = PROTOCOLS.iter().map(|it| it.to_vec()).collect();
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("bound");
        let address = listener.local_addr().expect("address");
        let acceptor = TlsAcceptor::from(Arc::new(server));
        let listener = HttpListener::new(listener, Some(acceptor), patience);
        let told = watch::Sender::new(0);
        let router = Router::new()
            .route("/version", get(version))
            .route("/told", get(tell))
            .route("/socket", get(upgrade).connect(upgrade))
            .with_state(told.subscribe());
        tokio::spawn(async move { axum::serve(listener, router).await });
        let mut roots = RootCertStore::empty();
        roots.add(certificate).expect("a root");
        Self { address, roots, told }
    }

    /// A connection after its handshake, by a client that offers these protocols.
    async fn connect(&self, protocols: &[&[u8]]) -> TlsStream<TcpStream> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut client = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_root_certificates(self.roots.clone())
            .with_no_client_auth();
        client.alpn_protocols = protocols.iter().map(|it| it.to_vec()).collect();
        let stream = TcpStream::connect(self.address).await.expect("connected");
        let name = ServerName::try_from("localhost").expect("a name");
        TlsConnector::from(Arc::new(client)).connect(name, stream).await.expect("handshake")
    }

    async fn http2(&self) -> http2::SendRequest<Empty<Bytes>> {
        let stream = self.connect(&[b"h2", b"http/1.1"]).await;
        assert_eq!(stream.get_ref().1.alpn_protocol(), Some(b"h2".as_slice()));
        let handshake = http2::handshake(TokioExecutor::new(), TokioIo::new(stream));
        let (sender, connection) = handshake.await.expect("HTTP/2");
        tokio::spawn(connection);
        sender
    }

    fn url(&self, path: &str) -> String {
        format!("https://localhost:{}{path}", self.address.port())
    }
}

async fn ask(
    sender: &mut http2::SendRequest<Empty<Bytes>>,
    request: Request<Empty<Bytes>>,
) -> Response<Incoming> {
    sender.ready().await.expect("ready");
    sender.send_request(request).await.expect("answered")
}

async fn text(response: Response<Incoming>) -> String {
    let body = response.into_body().collect().await.expect("a body").to_bytes();
    String::from_utf8(body.to_vec()).expect("text")
}

/// What a client is answered that speaks HTTP/1.1.
async fn http1_version(port: &Port, protocols: &[&[u8]]) -> String {
    let stream = TokioIo::new(port.connect(protocols).await);
    let (mut sender, connection) = http1::handshake(stream).await.expect("HTTP/1.1");
    tokio::spawn(connection);
    let request = Request::get("/version").header("host", "localhost");
    let request = request.body(Empty::<Bytes>::new()).expect("a request");
    text(sender.send_request(request).await.expect("answered")).await
}

#[tokio::test]
async fn the_client_chooses_the_version() {
    let port = Port::open(HANDSHAKE_TIME_MAX).await;
    let mut sender = port.http2().await;
    let request = Request::get(port.url("/version")).body(Empty::new()).expect("a request");
    let response = ask(&mut sender, request).await;
    assert_eq!(response.version(), Version::HTTP_2);
    assert_eq!(text(response).await, "HTTP/2.0");
    assert_eq!(http1_version(&port, &[b"http/1.1"]).await, "HTTP/1.1");
    assert_eq!(http1_version(&port, &[]).await, "HTTP/1.1", "a client without ALPN");
}

#[tokio::test]
async fn more_streams_than_a_browser_has_connections_share_one() {
    let port = Port::open(HANDSHAKE_TIME_MAX).await;
    let mut sender = port.http2().await;
    let mut streams = Vec::new();
    for _ in 0..STREAMS {
        let request = Request::get(port.url("/told")).body(Empty::new()).expect("a request");
        let response = ask(&mut sender, request).await;
        assert_eq!(response.status(), StatusCode::OK);
        streams.push(response.into_body());
    }
    for round in 1..=3 {
        port.told.send_replace(round);
        for body in &mut streams {
            let frame = body.frame().await.expect("goes on").expect("a frame");
            let data = frame.into_data().expect("data");
            assert_eq!(data, format!("data: {round}\n\n"));
        }
    }
}

#[tokio::test]
async fn a_websocket_comes_over_both_versions() {
    let port = Port::open(HANDSHAKE_TIME_MAX).await;
    let stream = port.connect(&[b"http/1.1"]).await;
    let url = format!("wss://localhost:{}/socket", port.address.port());
    let (mut socket, response) =
        tokio_tungstenite::client_async(url, stream).await.expect("upgraded");
    assert_eq!(response.status().as_u16(), 101);
    socket.send(Message::text("one")).await.expect("sent");
    assert_eq!(socket.next().await.expect("goes on").expect("a message"), Message::text("one"));

    let mut sender = port.http2().await;
    // The server says that it takes CONNECT with its settings, which come before the first answer.
    let request = Request::get(port.url("/version")).body(Empty::new()).expect("a request");
    text(ask(&mut sender, request).await).await;
    let request = Request::connect(port.url("/socket"))
        .extension(Protocol::from_static("websocket"))
        .header("sec-websocket-version", "13")
        .body(Empty::new())
        .expect("a request");
    let response = ask(&mut sender, request).await;
    assert_eq!(response.status(), StatusCode::OK);
    let stream = TokioIo::new(hyper::upgrade::on(response).await.expect("upgraded"));
    let mut socket = WebSocketStream::from_raw_socket(stream, Role::Client, None).await;
    socket.send(Message::text("two")).await.expect("sent");
    assert_eq!(socket.next().await.expect("goes on").expect("a message"), Message::text("two"));
}

#[tokio::test]
async fn handshakes_that_do_not_end_hold_up_nobody() {
    // Longer than a test may run: only what does not wait for them is answered.
    let port = Port::open(Duration::from_secs(86_400)).await;
    let mut waiting = Vec::new();
    for number in 0..100 {
        let mut stream = TcpStream::connect(port.address).await.expect("connected");
        if number % 2 == 0 {
            // The begin of a record that never comes whole.
            stream.write_all(&[0x16, 3, 1, 2, 0, 1]).await.expect("written");
        }
        waiting.push(stream);
    }
    assert_eq!(http1_version(&port, &[b"http/1.1"]).await, "HTTP/1.1");
    drop(waiting);
}

#[tokio::test]
async fn a_handshake_that_takes_too_long_is_cut_off() {
    let port = Port::open(Duration::from_millis(50)).await;
    let mut stream = TcpStream::connect(port.address).await.expect("connected");
    stream.write_all(&[0x16, 3, 1, 2, 0, 1]).await.expect("written");
    let mut rest = Vec::new();
    // Ends only when the server closes.
    let _ = stream.read_to_end(&mut rest).await;
}

#[tokio::test]
async fn clear_text_is_refused_and_the_port_goes_on() {
    let port = Port::open(HANDSHAKE_TIME_MAX).await;
    let mut stream = TcpStream::connect(port.address).await.expect("connected");
    stream.write_all(b"GET /version HTTP/1.1\r\nhost: localhost\r\n\r\n").await.expect("written");
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    assert!(!answer.windows(5).any(|it| it == b"HTTP/"), "answered in clear text: {answer:?}");
    assert_eq!(http1_version(&port, &[b"http/1.1"]).await, "HTTP/1.1");
}

#[tokio::test]
async fn clear_text_takes_both_versions_without_tls() {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("bound");
    let listener = HttpListener::new(listener, None, HANDSHAKE_TIME_MAX);
    let address = axum::serve::Listener::local_addr(&listener).expect("address");
    let router = Router::new().route("/version", get(version));
    tokio::spawn(async move { axum::serve(listener, router).await });
    let stream = TcpStream::connect(address).await.expect("connected");
    let handshake = http2::handshake(TokioExecutor::new(), TokioIo::new(stream));
    let (mut sender, connection) = handshake.await.expect("HTTP/2");
    tokio::spawn(connection);
    let request = Request::get(format!("http://{address}/version")).body(Empty::new());
    assert_eq!(text(ask(&mut sender, request.expect("a request")).await).await, "HTTP/2.0");
    let answer = reqwest::get(format!("http://{address}/version")).await.expect("answered");
    assert_eq!(answer.text().await.expect("text"), "HTTP/1.1");
}
