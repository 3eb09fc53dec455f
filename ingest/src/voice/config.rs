//! What an administrator tells the voice edge.

use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use ipnet::IpNet;

/// Settings of the voice edge.
#[derive(Clone, Debug)]
pub struct VoiceConfig {
    /// Where SIP over UDP listens; port 0 lets the system choose.
    pub bind_udp: SocketAddr,
    /// Where SIP over TCP listens; port 0 lets the system choose.
    pub bind_tcp: SocketAddr,
    /// The address that Contact headers and session descriptions give; RTP is bound to it.
    pub public_ip: IpAddr,
    /// Ports for RTP, even ones are used; absent or `0..=0`: the system chooses.
    pub rtp_ports: Option<RangeInclusive<u16>>,
    /// Where calls to plain numbers go.
    pub outbound_proxy: Option<SocketAddr>,
    /// Networks whose requests are heard; empty: loopback only. Others get silence.
    pub allowed_sources: Vec<IpNet>,
    /// Directory of WAV files (8 kHz, mono, 16 bits) that come before the built-in prompts.
    pub media_dir: Option<PathBuf>,
    /// Most customers' calls at once; more get 503.
    pub max_calls: usize,
    /// How long a leg may be silent before it counts as lost; absent: for ever.
    pub rtp_timeout: Option<Duration>,
}

impl VoiceConfig {
    /// Loopback, ports of the system's choice.
    #[must_use]
    pub fn loopback() -> Self {
        let address = IpAddr::from([127, 0, 0, 1]);
        Self {
            bind_udp: SocketAddr::new(address, 0),
            bind_tcp: SocketAddr::new(address, 0),
            public_ip: address,
            rtp_ports: None,
            outbound_proxy: None,
            allowed_sources: Vec::new(),
            media_dir: None,
            max_calls: 1_000,
            rtp_timeout: Some(Duration::from_secs(30)),
        }
    }
}
