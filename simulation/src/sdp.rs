//! The session descriptions of simulated phones: one G.711 stream.

use std::net::{IpAddr, SocketAddr};

/// An offer or answer with one audio stream at `media`: PCMU and telephone events.
#[must_use]
pub fn describe(media: SocketAddr) -> String {
    let ip = media.ip();
    let family = if ip.is_ipv4() { "IP4" } else { "IP6" };
    format!(
        "v=0\r\no=- 1 1 IN {family} {ip}\r\ns=-\r\nc=IN {family} {ip}\r\nt=0 0\r\n\
         m=audio {port} RTP/AVP 0 101\r\na=rtpmap:0 PCMU/8000\r\n\
         a=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15\r\na=ptime:20\r\na=sendrecv\r\n",
        port = media.port(),
    )
}

/// Where the other side wants its audio.
#[must_use]
pub fn media_address(description: &[u8]) -> Option<SocketAddr> {
    let text = std::str::from_utf8(description).ok()?;
    let mut ip: Option<IpAddr> = None;
    let mut port: Option<u16> = None;
    for line in text.lines() {
        if let Some(connection) = line.strip_prefix("c=IN ") {
            ip = connection.split_whitespace().nth(1).and_then(|it| it.parse().ok());
        } else if let Some(media) = line.strip_prefix("m=audio ") {
            port = media.split_whitespace().next().and_then(|it| it.parse().ok());
        }
    }
    Some(SocketAddr::new(ip?, port?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_described_is_read_back() {
        let media: SocketAddr = "127.0.0.1:40002".parse().expect("address");
        assert_eq!(media_address(describe(media).as_bytes()), Some(media));
        assert_eq!(media_address(b"v=0\r\n"), None);
    }
}
