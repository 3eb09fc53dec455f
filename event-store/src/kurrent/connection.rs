//! A connection: TLS or clear text on the same port, told apart by its first byte.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::OwnedSemaphorePermit;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tonic::transport::server::{Connected, TcpConnectInfo};

/// First byte of a TLS record of a handshake.
const TLS_HANDSHAKE: u8 = 0x16;
/// How long a client may take to say its first byte and finish a handshake.
const PATIENCE: Duration = Duration::from_secs(10);

/// A connection that can be served.
#[derive(Debug)]
pub(crate) struct Connection {
    stream: Either,
    info: TcpConnectInfo,
    /// Counts against the most connections at once.
    _place: OwnedSemaphorePermit,
}

#[derive(Debug)]
enum Either {
    Clear(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

impl Connection {
    /// Takes a new connection through its handshake.
    pub(crate) async fn establish(
        stream: TcpStream,
        peer: SocketAddr,
        tls: Option<TlsAcceptor>,
        place: OwnedSemaphorePermit,
    ) -> io::Result<Self> {
        stream.set_nodelay(true)?;
        let info = TcpConnectInfo { local_addr: stream.local_addr().ok(), remote_addr: Some(peer) };
        let shaking = async {
            let mut first = [0];
            if stream.peek(&mut first).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            match tls {
                Some(tls) if first == [TLS_HANDSHAKE] => {
                    Ok(Either::Tls(Box::new(tls.accept(stream).await?)))
                }
                // Passwords and tokens must not cross a network in clear text.
                _ if !peer.ip().is_loopback() => {
                    let reason = "clear text is served to this machine only";
                    Err(io::Error::new(io::ErrorKind::PermissionDenied, reason))
                }
                _ => Ok(Either::Clear(stream)),
            }
        };
        let stream = tokio::time::timeout(PATIENCE, shaking)
            .await
            .map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??;
        Ok(Self { stream, info, _place: place })
    }
}

impl Connection {
    /// Acknowledges what was read at once. The official Rust client writes a call in several small pieces and
    /// leaves Nagle's algorithm on: each piece waits for the one before to be acknowledged, and Linux takes
    /// 40 ms over that when it has nothing to send. The system forgets this setting, so it is set again.
    fn acknowledge(&self) {
        #[cfg(any(target_os = "linux", target_os = "android"))]
        {
            let stream = match &self.stream {
                Either::Clear(stream) => stream,
                Either::Tls(stream) => stream.get_ref().0,
            };
            // Without it calls are slower, that is all.
            let _ = stream.set_quickack(true);
        }
    }
}

impl Connected for Connection {
    type ConnectInfo = TcpConnectInfo;

    fn connect_info(&self) -> TcpConnectInfo {
        self.info.clone()
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let outcome = match &mut self.stream {
            Either::Clear(stream) => Pin::new(stream).poll_read(context, buffer),
            Either::Tls(stream) => Pin::new(stream).poll_read(context, buffer),
        };
        if buffer.filled().len() > before {
            self.acknowledge();
        }
        outcome
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match &mut self.stream {
            Either::Clear(stream) => Pin::new(stream).poll_write(context, bytes),
            Either::Tls(stream) => Pin::new(stream).poll_write(context, bytes),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.stream {
            Either::Clear(stream) => Pin::new(stream).poll_flush(context),
            Either::Tls(stream) => Pin::new(stream).poll_flush(context),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.stream {
            Either::Clear(stream) => Pin::new(stream).poll_shutdown(context),
            Either::Tls(stream) => Pin::new(stream).poll_shutdown(context),
        }
    }
}
