//! Media: RTP sockets, G.711, prompts, the relay between bridged legs, the mix for supervisors, telephone events.

pub mod codec;
pub mod dtmf;
pub mod jitter;
pub mod library;
pub mod mix;
pub mod ports;
pub mod rtp;
pub mod sdp;
pub mod session;
pub mod synth;
pub mod ticker;

/// Audio of one packet, ms.
pub const FRAME_MS: u64 = 20;
/// Samples (and, in G.711, bytes) of one packet.
pub const FRAME_SAMPLES: usize = 160;
/// Clock rate of every codec we speak, Hz.
pub const CLOCK_HZ: u32 = 8_000;
