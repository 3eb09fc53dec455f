//! The server: one port, bounded in everything.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tonic::transport::Server;
use uuid::Uuid;

use super::authorizer::{Authorizer, Logs};
use super::connection::Connection;
use super::door::Door;
use super::features::FeaturesService;
use super::gossip::GossipService;
use super::house::House;
use super::persistent::{PersistentService, Registry, Store};
use super::router::Router;
use super::streams::StreamsService;
use super::wire::gossip::gossip_server::GossipServer;
use super::wire::persistent::persistent_subscriptions_server::PersistentSubscriptionsServer;
use super::wire::server_features::server_features_server::ServerFeaturesServer;
use super::wire::streams::streams_server::StreamsServer;

/// Longest message, bytes: the longest append and its frame.
const MESSAGE_BYTES_MAX: usize = 17 << 20;
/// Calls at once on one connection.
const CALLS_MAX: u32 = 256;
/// Silence after which a client is asked whether it is there.
const KEEPALIVE: Duration = Duration::from_secs(10);
/// How long it may take to answer.
const KEEPALIVE_ANSWER: Duration = Duration::from_secs(20);
/// How long open calls may take to end when the server stops.
const FAREWELL: Duration = Duration::from_secs(2);
/// Longest list of headers of one call, bytes.
const HEADERS_BYTES_MAX: u32 = 16 << 10;

/// How to serve.
#[derive(Clone)]
pub struct Config {
    /// Address to listen at.
    pub listen: SocketAddr,
    /// TLS for those who ask for it; it must offer the protocol `h2`. Without it, and for clients of other
    /// machines always, clear text is refused unless the client is on this machine.
    pub tls: Option<TlsAcceptor>,
    /// Most connections at once; further ones wait.
    pub connections_max: usize,
    /// File of the persistent subscriptions; without one they live as long as the server.
    pub groups: Option<PathBuf>,
}

impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config")
            .field("listen", &self.listen)
            .field("tls", &self.tls.is_some())
            .field("connections_max", &self.connections_max)
            .field("groups", &self.groups)
            .finish()
    }
}

/// The door cannot be opened.
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
    /// The file of the persistent subscriptions cannot be used.
    #[error("{0}")]
    Groups(String),
}

/// A running server.
#[derive(Debug)]
pub struct KurrentServer {
    /// Where it listens.
    pub address: SocketAddr,
    /// Ends when the server has stopped and lets go of all logs.
    pub task: JoinHandle<()>,
}

/// Listens and serves until `close`; then subscriptions end with UNAVAILABLE.
///
/// # Errors
/// [`ServeError`].
pub async fn serve(
    config: Config,
    authorizer: Arc<dyn Authorizer>,
    logs: Arc<dyn Logs>,
    house: Arc<dyn House>,
    close: CancellationToken,
) -> Result<KurrentServer, ServeError> {
    let fault = |source| ServeError::Listen { address: config.listen, source };
    let store = Store::open(config.groups.as_deref())
        .map_err(|error| ServeError::Groups(error.to_string()))?;
    let listener = TcpListener::bind(config.listen).await.map_err(fault)?;
    let address = listener.local_addr().map_err(fault)?;
    let door = Arc::new(Door::new(authorizer, logs, house, close.clone()));
    let groups = Arc::new(Registry::new(Arc::clone(&door), store));
    let persistent = PersistentService { door: Arc::clone(&door), groups };
    let router = Router {
        persistent: PersistentSubscriptionsServer::new(persistent)
            .max_decoding_message_size(MESSAGE_BYTES_MAX)
            .max_encoding_message_size(MESSAGE_BYTES_MAX),
        features: ServerFeaturesServer::new(FeaturesService),
        gossip: GossipServer::new(GossipService { instance_id: Uuid::new_v4(), listen: address }),
        streams: StreamsServer::new(StreamsService(Arc::clone(&door)))
            .max_decoding_message_size(MESSAGE_BYTES_MAX)
            .max_encoding_message_size(MESSAGE_BYTES_MAX),
    };
    let (sender, connections) = mpsc::channel(16);
    let accepting = tokio::spawn(accept(listener, config, sender, close.clone()));
    let task = tokio::spawn(async move {
        let serving = Server::builder()
            .max_concurrent_streams(CALLS_MAX)
            .http2_keepalive_interval(Some(KEEPALIVE))
            .http2_keepalive_timeout(Some(KEEPALIVE_ANSWER))
            .http2_max_header_list_size(HEADERS_BYTES_MAX)
            .accept_http1(false)
            .serve_with_incoming_shutdown(
                router,
                ReceiverStream::new(connections),
                close.clone().cancelled_owned(),
            );
        let mut serving = std::pin::pin!(serving);
        let ended = tokio::select! {
            ended = &mut serving => ended,
            () = close.cancelled() => {
                // Clients that do not read their last message are cut.
                match tokio::time::timeout(FAREWELL, serving).await {
                    Ok(ended) => ended,
                    Err(_) => Ok(()),
                }
            }
        };
        if let Err(error) = ended {
            tracing::error!(%error, "the KurrentDB endpoint stopped");
        }
        accepting.abort();
        door.tasks.close();
        if tokio::time::timeout(FAREWELL, door.tasks.wait()).await.is_err() {
            tracing::warn!("calls over the KurrentDB protocol are still running");
        }
    });
    Ok(KurrentServer { address, task })
}

/// Accepts connections; their handshakes run beside each other.
async fn accept(
    listener: TcpListener,
    config: Config,
    sender: mpsc::Sender<io::Result<Connection>>,
    close: CancellationToken,
) {
    let places = Arc::new(Semaphore::new(config.connections_max));
    loop {
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = close.cancelled() => return,
        };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                // Out of file descriptors, most likely: others may close theirs meanwhile.
                tracing::warn!(%error, "a connection cannot be accepted");
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
