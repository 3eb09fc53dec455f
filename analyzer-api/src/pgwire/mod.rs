//! The PostgreSQL door: TLS, SCRAM-SHA-256, simple and extended protocol.
//!
//! There is no way in without TLS and none without a password. A connection holds no state but who it is:
//! every statement runs in a session of its own on the newest snapshot.

mod cancel;
mod command;
mod connection;
mod copy;
mod cursor;
mod encode;
mod extended;
mod login;
mod parameters;
mod simple;
mod times;
mod tls;

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use pgwire::tokio::process_socket;
use tokio::io::Interest;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::{JoinHandle, JoinSet};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

use crate::analyzer::AnalyzerState;
use connection::{Connection, Handlers};

pub use tls::TlsError;

/// Where the door is and with which certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Address to listen at; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Certificate chain and private key, PEM files. `None` uses a self-signed certificate that is made
    /// in `data_dir` at the first start.
    pub certificate: Option<(PathBuf, PathBuf)>,
    /// Directory of the self-signed certificate.
    pub data_dir: PathBuf,
    /// Most connections at once; further ones wait to be accepted.
    pub connections_max: usize,
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
    /// TLS cannot be set up. There is no fallback to plain text.
    #[error(transparent)]
    Tls(#[from] TlsError),
}

/// Opens the door. Returns its address and the task that serves it until `shutdown`.
///
/// # Errors
/// [`ServeError`] if the port is taken or TLS cannot be set up.
pub async fn serve(
    config: Config,
    state: AnalyzerState,
    shutdown: CancellationToken,
) -> Result<(SocketAddr, JoinHandle<()>), ServeError> {
    let acceptor = tls::acceptor(&config)?;
    let listen = |source| ServeError::Listen { address: config.listen, source };
    let listener = TcpListener::bind(config.listen).await.map_err(listen)?;
    let address = listener.local_addr().map_err(listen)?;
    let places = Arc::new(Semaphore::new(config.connections_max.max(1)));
    let task = tokio::spawn(accept(listener, acceptor, state, places, shutdown));
    Ok((address, task))
}

async fn accept(
    listener: TcpListener,
    acceptor: TlsAcceptor,
    state: AnalyzerState,
    places: Arc<Semaphore>,
    shutdown: CancellationToken,
) {
    let mut connections = JoinSet::new();
    loop {
        let accepted = async {
            let place = Arc::clone(&places).acquire_owned().await.ok()?;
            Some((place, listener.accept().await))
        };
        tokio::select! {
            () = shutdown.cancelled() => break,
            accepted = accepted => match accepted {
                Some((place, Ok((socket, _)))) => {
                    let connection = Connection::new(state.clone());
                    let acceptor = acceptor.clone();
                    connections.spawn(async move {
                        if let Err(error) = talk(socket, acceptor, connection).await {
                            tracing::debug!(%error, "a database connection broke");
                        }
                        drop(place);
                    });
                }
                Some((_, Err(error))) => tracing::warn!(%error, "a connection was not accepted"),
                None => break,
            },
            Some(_) = connections.join_next() => {}
        }
    }
    connections.shutdown().await;
}

async fn talk(socket: TcpStream, acceptor: TlsAcceptor, connection: Connection) -> io::Result<()> {
    let socket = socket.into_std()?;
    let watched = TcpStream::from_std(socket.try_clone()?)?;
    let socket = TcpStream::from_std(socket)?;
    let connection = Arc::new(connection);
    let handlers = Handlers::new(Arc::clone(&connection));
    // The protocol is not read while a query runs, so a client that left is noticed by another handle on
    // its socket.
    tokio::select! {
        outcome = process_socket(socket, Some(acceptor), handlers) => outcome,
        () = left(&watched) => Ok(()),
        () = connection.ended() => Ok(()),
    }
}

/// Resolves when the peer has closed its side. Reads nothing.
async fn left(socket: &TcpStream) {
    loop {
        match socket.ready(Interest::READABLE).await {
            Ok(ready) if ready.is_read_closed() => return,
            Ok(_) => {
                // Forget this readiness, so that the next wait is for something new.
                let _ = socket.try_io(Interest::READABLE, || -> io::Result<()> {
                    Err(io::ErrorKind::WouldBlock.into())
                });
            }
            Err(_) => return,
        }
    }
}
