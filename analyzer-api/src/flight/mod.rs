//! The Arrow Flight SQL door: answers as Arrow batches over gRPC
//! (<https://arrow.apache.org/docs/format/FlightSql.html>).
//!
//! A client asks twice: `GetFlightInfo` says which columns an answer has and hands out a ticket, `DoGet` fetches
//! the rows. The log moves in between, so the ticket names a position, and the rows are those of that position.
//! A ticket is signed, and good for its principal and a while.
//!
//! Every call shows a bearer token, or name and password of a database user. TLS is spoken to everybody, clear text
//! to this machine only.

mod actions;
mod answer;
mod catalog;
mod connection;
mod door;
mod info;
mod login;
mod plain;
mod prepared;
mod promises;
mod service;
mod sessions;
mod sql;
mod status;
mod ticket;
mod types;

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use arrow_flight::flight_service_server::FlightServiceServer;
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tonic::transport::Server;

use crate::analyzer::AnalyzerState;
use connection::Connection;
use door::Door;
use service::Service;

/// Longest message of a client, bytes: a statement or a row of parameters.
const MESSAGE_BYTES_MAX: usize = 4 << 20;
/// Calls at once on one connection.
const CALLS_MAX: u32 = 256;
/// Silence after which a client is asked whether it is there.
const KEEPALIVE: Duration = Duration::from_secs(10);
/// How long it may take to answer.
const KEEPALIVE_ANSWER: Duration = Duration::from_secs(20);
/// How long open calls may take to end when the door closes.
const FAREWELL: Duration = Duration::from_secs(2);
/// Longest list of headers of one call, bytes.
const HEADERS_BYTES_MAX: u32 = 16 << 10;
/// How often it is looked for sessions, statements and tickets that have ended.
const SWEEP: Duration = Duration::from_secs(10);

/// Where the door is, and how long what it hands out is good for.
#[derive(Clone)]
pub struct Config {
    /// Address to listen at; port 0 takes a free one.
    pub listen: SocketAddr,
    /// TLS for those who ask for it; it must offer the protocol `h2`. Clear text is served to this machine only.
    pub tls: Option<TlsAcceptor>,
    /// Most connections at once; further ones wait to be accepted.
    pub connections_max: usize,
    /// How long after `GetFlightInfo` rows can be fetched.
    pub ticket_life: Duration,
    /// How long after its last use a session or a prepared statement ends.
    pub session_idle: Duration,
}

impl Config {
    /// The usual times at this address, without TLS.
    #[must_use]
    pub const fn at(listen: SocketAddr) -> Self {
        Self {
            listen,
            tls: None,
            connections_max: 200,
            ticket_life: Duration::from_secs(5 * 60),
            session_idle: Duration::from_secs(60 * 60),
        }
    }
}

impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config")
            .field("listen", &self.listen)
            .field("tls", &self.tls.is_some())
            .field("connections_max", &self.connections_max)
            .field("ticket_life", &self.ticket_life)
            .field("session_idle", &self.session_idle)
            .finish()
    }
}

/// The door could not be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServeError {
    /// The address cannot be listened at.
    #[error("cannot listen at {address}: {source}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the operating system says.
        source: io::Error,
    },
    /// There is no key to sign tickets with.
    #[error("no key for tickets: {0}")]
    Key(String),
}

/// Opens the door. Returns its address and the task that serves it until `shutdown`.
///
/// # Errors
/// [`ServeError`].
pub async fn serve(
    config: Config,
    state: AnalyzerState,
    shutdown: CancellationToken,
) -> Result<(SocketAddr, JoinHandle<()>), ServeError> {
    let fault = |source| ServeError::Listen { address: config.listen, source };
    let listener = TcpListener::bind(config.listen).await.map_err(fault)?;
    let address = listener.local_addr().map_err(fault)?;
    let service = Arc::new(Service::new(state, &config).map_err(ServeError::Key)?);
    let door = FlightServiceServer::new(Door(Arc::clone(&service)))
        .max_decoding_message_size(MESSAGE_BYTES_MAX);
    let (sender, connections) = mpsc::channel(16);
    let accepting = tokio::spawn(accept(listener, config, sender, shutdown.clone()));
    let sweeping = tokio::spawn(async move {
        let mut every = tokio::time::interval(SWEEP);
        loop {
            every.tick().await;
            service.sweep();
        }
    });
    let task = tokio::spawn(async move {
        let incoming = futures::stream::unfold(connections, |mut connections| async move {
            connections.recv().await.map(|connection| (connection, connections))
        });
        let serving = Server::builder()
            .max_concurrent_streams(CALLS_MAX)
            .http2_keepalive_interval(Some(KEEPALIVE))
            .http2_keepalive_timeout(Some(KEEPALIVE_ANSWER))
            .http2_max_header_list_size(HEADERS_BYTES_MAX)
            .accept_http1(false)
            .add_service(door)
            .serve_with_incoming_shutdown(incoming, shutdown.clone().cancelled_owned());
        let mut serving = std::pin::pin!(serving);
        let ended = tokio::select! {
            ended = &mut serving => ended,
            () = shutdown.cancelled() => {
                // Clients that do not read their last message are cut.
                match tokio::time::timeout(FAREWELL, serving).await {
                    Ok(ended) => ended,
                    Err(_) => Ok(()),
                }
            }
        };
        if let Err(error) = ended {
            tracing::error!(%error, "the Flight SQL door stopped");
        }
        accepting.abort();
        sweeping.abort();
    });
    Ok((address, task))
}

/// Accepts connections; their handshakes run beside each other.
async fn accept(
    listener: TcpListener,
    config: Config,
    sender: mpsc::Sender<io::Result<Connection>>,
    shutdown: CancellationToken,
) {
    let places = Arc::new(Semaphore::new(config.connections_max.max(1)));
    loop {
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = shutdown.cancelled() => return,
        };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                // Out of file descriptors, most likely: others may close theirs meanwhile.
                tracing::warn!(%error, "a connection was not accepted");
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        let (tls, sender) = (config.tls.clone(), sender.clone());
        tokio::spawn(async move {
            match Connection::establish(stream, peer, tls, place).await {
                Ok(connection) => {
                    let _ = sender.send(Ok(connection)).await;
                }
                Err(error) => tracing::debug!(%peer, %error, "a connection was not established"),
            }
        });
    }
}
