//! SIP over streams: our own listener and framing, fed to the stack through its channel connection.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rsipstack::sip::SipMessage;
use rsipstack::transaction::endpoint::EndpointInnerRef;
use rsipstack::transport::channel::ChannelConnection;
use rsipstack::transport::{SipAddr, SipConnection, TransportEvent};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio_util::sync::CancellationToken;

use super::Transport;
use super::gate::{Admission, Gate};
use super::message::{end_of_head, parse_head};
use super::sanity::{HEAD_BYTES_MAX, MESSAGE_BYTES_MAX};

/// Most streams at once.
const STREAMS_MAX: usize = 4_096;
/// How long a stream may stay silent within a message, or before its first one.
const PARTIAL_LIMIT: Duration = Duration::from_secs(30);
/// How long a stream may stay silent between messages.
const IDLE_LIMIT: Duration = Duration::from_secs(3_600);

/// The open streams.
pub struct Streams {
    endpoint: EndpointInnerRef,
    gate: Arc<Gate>,
    shutdown: CancellationToken,
    open: Mutex<BTreeMap<SocketAddr, SipConnection>>,
}

impl Streams {
    /// Streams of this endpoint; all end with `shutdown`.
    #[must_use]
    pub fn new(
        endpoint: EndpointInnerRef,
        gate: Arc<Gate>,
        shutdown: CancellationToken,
    ) -> Arc<Self> {
        Arc::new(Self { endpoint, gate, shutdown, open: Mutex::default() })
    }

    /// Accepts until shutdown.
    pub async fn accept(self: Arc<Self>, listener: TcpListener) {
        loop {
            let accepted = tokio::select! {
                () = self.shutdown.cancelled() => return,
                accepted = listener.accept() => accepted,
            };
            match accepted {
                Ok((stream, peer)) if self.count() < STREAMS_MAX && self.gate.knows(peer.ip()) => {
                    if self.adopt(stream, peer).await.is_err() {
                        metrics::counter!("ledgerline_sip_stream_failures_total").increment(1);
                    }
                }
                Ok(_) => metrics::counter!("ledgerline_sip_streams_refused_total").increment(1),
                Err(error) => {
                    // Out of descriptors: give the others time to close theirs.
                    tracing::warn!(%error, "a sip stream could not be accepted");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            }
        }
    }

    /// The stream to this peer: the open one, or a new one.
    ///
    /// # Errors
    /// If the peer cannot be reached.
    pub async fn to(self: &Arc<Self>, peer: SocketAddr) -> std::io::Result<SipConnection> {
        if let Some(open) = self.existing(peer) {
            return Ok(open);
        }
        let dialled = tokio::time::timeout(Duration::from_secs(5), TcpStream::connect(peer));
        let stream = dialled.await.map_err(|_| std::io::ErrorKind::TimedOut)??;
        self.adopt(stream, peer).await
    }

    /// The open stream to this peer.
    #[must_use]
    pub fn existing(&self, peer: SocketAddr) -> Option<SipConnection> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner).get(&peer).cloned()
    }

    fn count(&self) -> usize {
        self.open.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    async fn adopt(
        self: &Arc<Self>,
        stream: TcpStream,
        peer: SocketAddr,
    ) -> std::io::Result<SipConnection> {
        stream.set_nodelay(true)?;
        let address = SipAddr::new(rsipstack::sip::Transport::Tcp, SipAddr::from(peer).addr);
        let (to_stack, from_peer) = unbounded_channel();
        let (to_peer, from_stack) = unbounded_channel();
        let closed = self.shutdown.child_token();
        let channel = ChannelConnection::create_connection(
            from_peer,
            to_peer,
            address.clone(),
            Some(closed.clone()),
        )
        .await
        .map_err(std::io::Error::other)?;
        let connection = SipConnection::Channel(channel);
        self.open.lock().unwrap_or_else(PoisonError::into_inner).insert(peer, connection.clone());
        self.endpoint.transport_layer.add_connection(connection.clone());
        let (reader, writer) = stream.into_split();
        let (own_answers, answers) = unbounded_channel();
        tokio::spawn(write(writer, from_stack, answers, closed.clone()));
        let frames = Frames {
            streams: Arc::clone(self),
            peer,
            address,
            connection: connection.clone(),
            to_stack,
            own_answers,
            closed,
        };
        tokio::spawn(frames.read(reader));
        Ok(connection)
    }
}

async fn write(
    mut writer: OwnedWriteHalf,
    mut from_stack: UnboundedReceiver<TransportEvent>,
    mut answers: UnboundedReceiver<Vec<u8>>,
    closed: CancellationToken,
) {
    loop {
        let bytes = tokio::select! {
            () = closed.cancelled() => break,
            Some(bytes) = answers.recv() => bytes,
            Some(event) = from_stack.recv() => match event {
                TransportEvent::Incoming(message, _, _) => message.to_bytes(),
                _ => continue,
            },
        };
        if writer.write_all(&bytes).await.is_err() {
            break;
        }
    }
    // Ends the reader too: half a connection serves nobody.
    closed.cancel();
}

struct Frames {
    streams: Arc<Streams>,
    peer: SocketAddr,
    address: SipAddr,
    connection: SipConnection,
    to_stack: UnboundedSender<TransportEvent>,
    own_answers: UnboundedSender<Vec<u8>>,
    closed: CancellationToken,
}

impl Frames {
    async fn read(self, mut reader: OwnedReadHalf) {
        let mut buffer = Vec::new();
        let mut limit = PARTIAL_LIMIT;
        while self.consume(&mut buffer) {
            let read = tokio::select! {
                () = self.closed.cancelled() => break,
                read = tokio::time::timeout(limit, reader.read_buf(&mut buffer)) => read,
            };
            match read {
                Ok(Ok(length)) if length > 0 => {}
                _ => break,
            }
            let between = buffer.iter().all(u8::is_ascii_whitespace);
            limit = if between { IDLE_LIMIT } else { PARTIAL_LIMIT };
        }
        // What the stack still wants to send is written before the writer sees the end.
        self.streams.open.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.peer);
        self.streams.endpoint.transport_layer.remove_connection(&self.connection);
    }

    /// Takes every whole message out of the buffer; false when the stream cannot go on.
    fn consume(&self, buffer: &mut Vec<u8>) -> bool {
        loop {
            let blank = buffer.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
            if blank == buffer.len() && blank < 4 {
                return true;
            }
            if blank >= 4 {
                // A ping (RFC 5626, 4.4.1) wants its pong.
                let _ = self.own_answers.send(b"\r\n".to_vec());
            }
            buffer.drain(..blank);
            match frame_length(buffer) {
                Frame::Incomplete => return true,
                Frame::Whole(length) => {
                    let frame: Vec<u8> = buffer.drain(..length).collect();
                    if !self.take(&frame) {
                        return false;
                    }
                }
                Frame::Unframed => {
                    // No length, no next message: answer this one and close.
                    self.take(buffer);
                    return false;
                }
            }
        }
    }

    /// Passes a message on; false when the stack is gone.
    fn take(&self, frame: &[u8]) -> bool {
        match self.streams.gate.admit(frame, self.peer, Transport::Tcp) {
            Admission::Pass(bytes) => {
                let message = SipMessage::try_from(bytes.as_slice()).ok().and_then(|message| {
                    let transport = rsipstack::sip::Transport::Tcp;
                    SipConnection::update_msg_received(message, self.peer, transport).ok()
                });
                let Some(message) = message else { return true };
                let connection = self.connection.clone();
                let event = TransportEvent::Incoming(message, connection, self.address.clone());
                self.to_stack.send(event).is_ok()
            }
            Admission::Answer(bytes, _) => self.own_answers.send(bytes).is_ok(),
            Admission::Drop => true,
        }
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Frame {
    Incomplete,
    Whole(usize),
    Unframed,
}

/// Where the first message of a stream ends.
fn frame_length(buffer: &[u8]) -> Frame {
    if end_of_head(buffer).is_none() {
        return if buffer.len() > HEAD_BYTES_MAX { Frame::Unframed } else { Frame::Incomplete };
    }
    let Some(head) = parse_head(buffer) else { return Frame::Unframed };
    let length = head.headers.get("Content-Length").and_then(|value| value.parse::<usize>().ok());
    match length {
        Some(length) if length <= MESSAGE_BYTES_MAX => {
            let whole = head.body_at + length;
            if buffer.len() >= whole { Frame::Whole(whole) } else { Frame::Incomplete }
        }
        _ => Frame::Unframed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_end_where_the_length_says() {
        let one = b"OPTIONS sip:a SIP/2.0\r\nl: 3\r\n\r\nabc";
        assert_eq!(frame_length(one), Frame::Whole(one.len()));
        assert_eq!(frame_length(&one[..one.len() - 1]), Frame::Incomplete);
        assert_eq!(frame_length(&[one.as_slice(), b"next"].concat()), Frame::Whole(one.len()));
        assert_eq!(frame_length(b"OPTIONS sip:a SIP/2.0\r\n\r\n"), Frame::Unframed);
        assert_eq!(frame_length(b"X\r\nContent-Length: 99999999\r\n\r\n"), Frame::Unframed);
        assert_eq!(frame_length(&[b'a'; HEAD_BYTES_MAX + 1]), Frame::Unframed);
        assert_eq!(frame_length(b""), Frame::Incomplete);
    }
}
