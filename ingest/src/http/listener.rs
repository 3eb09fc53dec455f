//! The HTTP port: clear text, or TLS with HTTP/2 and HTTP/1.1.
//!
//! Handshakes run beside each other and beside what is served, so that a client that takes its time holds up nobody;
//! one that has not finished in time is cut off.

use std::fmt;
use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::serve::Listener;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

/// What the port offers by ALPN, the one it would rather have first.
pub const PROTOCOLS: [&[u8]; 2] = [b"h2", b"http/1.1"];
/// How long a handshake may take when nothing else is said.
pub const HANDSHAKE_TIME_MAX: Duration = Duration::from_secs(10);
/// Most handshakes at once. Further connections wait where the operating system keeps them.
const HANDSHAKES_MAX: usize = 4_096;

/// What a handshake came to; `None` when it failed.
type Handshake = Option<(Box<TlsStream<TcpStream>>, SocketAddr)>;

/// Takes connections for [`axum::serve`].
pub struct HttpListener {
    listener: TcpListener,
    tls: Option<TlsAcceptor>,
    patience: Duration,
    /// Those under way; they end with the listener.
    handshakes: JoinSet<Handshake>,
}

impl fmt::Debug for HttpListener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpListener").field("listener", &self.listener).finish_non_exhaustive()
    }
}

impl HttpListener {
    /// Connections after their handshake, which may take `patience`; without `tls` as they come, in clear text.
    #[must_use]
    pub fn new(listener: TcpListener, tls: Option<TlsAcceptor>, patience: Duration) -> Self {
        Self { listener, tls, patience, handshakes: JoinSet::new() }
    }
}

async fn shake(
    stream: TcpStream,
    peer: SocketAddr,
    tls: TlsAcceptor,
    patience: Duration,
) -> Handshake {
    let shaking = async {
        stream.set_nodelay(true)?;
        timeout(patience, tls.accept(stream)).await.map_err(|_| io::ErrorKind::TimedOut)?
    };
    match shaking.await {
        Ok(stream) => Some((Box::new(stream), peer)),
        Err(error) => {
            tracing::debug!(%peer, %error, "no TLS handshake");
            None
        }
    }
}

impl Listener for HttpListener {
    type Io = HttpStream;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (HttpStream, SocketAddr) {
        let Self { listener, tls, patience, handshakes } = self;
        let Some(tls) = tls else {
            let (stream, peer) = Listener::accept(listener).await;
            return (HttpStream::Clear(stream), peer);
        };
        loop {
            tokio::select! {
                (stream, peer) = Listener::accept(listener), if handshakes.len() < HANDSHAKES_MAX => {
                    handshakes.spawn(shake(stream, peer, tls.clone(), *patience));
                }
                Some(ended) = handshakes.join_next() => {
                    if let Ok(Some((stream, peer))) = ended {
                        return (HttpStream::Tls(stream), peer);
                    }
                }
            }
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        Listener::local_addr(&self.listener)
    }
}

/// A connection to the HTTP port.
#[derive(Debug)]
pub enum HttpStream {
    /// Clear text.
    Clear(TcpStream),
    /// TLS, after the handshake.
    Tls(Box<TlsStream<TcpStream>>),
}

impl AsyncRead for HttpStream {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Clear(stream) => Pin::new(stream).poll_read(context, buffer),
            Self::Tls(stream) => Pin::new(stream).poll_read(context, buffer),
        }
    }
}

impl AsyncWrite for HttpStream {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Clear(stream) => Pin::new(stream).poll_write(context, bytes),
            Self::Tls(stream) => Pin::new(stream).poll_write(context, bytes),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Clear(stream) => Pin::new(stream).poll_write_vectored(context, slices),
            Self::Tls(stream) => Pin::new(stream).poll_write_vectored(context, slices),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match self {
            Self::Clear(stream) => stream.is_write_vectored(),
            Self::Tls(stream) => stream.is_write_vectored(),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Clear(stream) => Pin::new(stream).poll_flush(context),
            Self::Tls(stream) => Pin::new(stream).poll_flush(context),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Clear(stream) => Pin::new(stream).poll_shutdown(context),
            Self::Tls(stream) => Pin::new(stream).poll_shutdown(context),
        }
    }
}
