//! Ports for RTP: even ones out of a configured range, or whatever the system gives.

use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::ops::RangeInclusive;
use std::sync::atomic::{AtomicU16, Ordering};

/// Hands out bound sockets.
#[derive(Debug)]
pub struct PortPool {
    address: IpAddr,
    range: Option<RangeInclusive<u16>>,
    next: AtomicU16,
}

impl PortPool {
    /// A pool on this address. Without a range the system chooses.
    #[must_use]
    pub fn new(address: IpAddr, range: Option<RangeInclusive<u16>>) -> Self {
        let range = range.filter(|range| *range.end() > 0);
        let next = range.as_ref().map_or(0, |range| first_even(*range.start()));
        Self { address, range, next: AtomicU16::new(next) }
    }

    /// Binds a socket; from a range always an even port, the odd one above stays unused for RTCP.
    ///
    /// # Errors
    /// If every port of the range is taken, or the address cannot be bound.
    pub fn bind(&self) -> std::io::Result<UdpSocket> {
        let Some(range) = &self.range else {
            return open(SocketAddr::new(self.address, 0));
        };
        let first = first_even(*range.start());
        let pairs = range.end().saturating_sub(first) / 2 + 1;
        let mut last_error = None;
        for _ in 0..pairs {
            // Every port rests as long as possible before it is used again.
            let port = self
                .next
                .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |port| {
                    let after = port.checked_add(2).filter(|after| range.contains(after));
                    Some(after.unwrap_or(first))
                })
                .unwrap_or(first);
            match open(SocketAddr::new(self.address, port)) {
                Ok(socket) => return Ok(socket),
                Err(error) => last_error = Some(error),
            }
        }
        Err(last_error.unwrap_or_else(|| std::io::ErrorKind::AddrInUse.into()))
    }
}

fn open(address: SocketAddr) -> std::io::Result<UdpSocket> {
    let socket = UdpSocket::bind(address)?;
    socket.set_nonblocking(true)?;
    Ok(socket)
}

const fn first_even(port: u16) -> u16 {
    port.saturating_add(port % 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_gives_even_ports_until_it_is_used_up() {
        let address: IpAddr = "127.0.0.1".parse().unwrap();
        // A pair that is free now; another process may take it, then the next is tried.
        let start = UdpSocket::bind((address, 0)).unwrap().local_addr().unwrap().port() & !1;
        let pool = PortPool::new(address, Some(start.saturating_sub(1)..=start.saturating_add(7)));
        let mut held = Vec::new();
        while let Ok(socket) = pool.bind() {
            let port = socket.local_addr().unwrap().port();
            assert_eq!(port % 2, 0);
            assert!((start..=start + 7).contains(&port));
            held.push(socket);
        }
        assert!((1..=4).contains(&held.len()), "{}", held.len());
    }

    #[test]
    fn zero_means_the_system_chooses() {
        let address: IpAddr = "127.0.0.1".parse().unwrap();
        let socket = PortPool::new(address, Some(0..=0)).bind().unwrap();
        assert_ne!(socket.local_addr().unwrap().port(), 0);
    }
}
