//! The UDP socket that the stack reads: datagrams come through the [`Gate`] first.

use std::net::SocketAddr;
use std::sync::Arc;

use rsipstack::platform::net::UdpSocket as StackSocket;
use tokio::net::UdpSocket;

use super::Transport;
use super::gate::{Admission, Gate};

/// Longest datagram there is, bytes.
const DATAGRAM_BYTES_MAX: usize = 65_535;

/// A socket with a door.
pub struct GatedSocket {
    socket: UdpSocket,
    gate: Arc<Gate>,
}

impl GatedSocket {
    /// Puts a door in front of a socket.
    #[must_use]
    pub const fn new(socket: UdpSocket, gate: Arc<Gate>) -> Self {
        Self { socket, gate }
    }
}

#[async_trait::async_trait]
impl StackSocket for GatedSocket {
    async fn recv_from(&self, buffer: &mut [u8]) -> rsipstack::Result<(usize, SocketAddr)> {
        let mut datagram = vec![0; DATAGRAM_BYTES_MAX];
        loop {
            // An ICMP answer to a datagram of ours shows up as an error of the next read.
            let Ok((length, source)) = self.socket.recv_from(&mut datagram).await else { continue };
            let bytes = datagram.get(..length).unwrap_or_default();
            // Keep-alives of phones behind NAT (RFC 5626) carry nothing.
            if bytes.iter().all(u8::is_ascii_whitespace) {
                continue;
            }
            match self.gate.admit(bytes, source, Transport::Udp) {
                Admission::Pass(message) => {
                    if let Some(target) = buffer.get_mut(..message.len()) {
                        target.copy_from_slice(&message);
                        return Ok((message.len(), source));
                    }
                }
                Admission::Answer(answer, destination) => {
                    // A lost answer is asked for again by a retransmission.
                    let _ = self.socket.send_to(&answer, destination).await;
                }
                Admission::Drop => {}
            }
        }
    }

    async fn send_to(&self, bytes: &[u8], address: SocketAddr) -> rsipstack::Result<usize> {
        Ok(self.socket.send_to(bytes, address).await?)
    }

    fn local_addr(&self) -> rsipstack::Result<SocketAddr> {
        Ok(self.socket.local_addr()?)
    }
}
