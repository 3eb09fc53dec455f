//! RTP of a simulated phone: sends a tone, listens for tones (RFC 3550, G.711 mu-law, 20 ms packets).

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use tokio::net::UdpSocket;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{MissedTickBehavior, interval};

/// Samples in a packet: 20 ms at 8 kHz.
const SAMPLES: usize = 160;
/// Tone of every agent's phone, Hz. Distinct from prompts, music and customers.
pub const AGENT_TONE_HZ: f64 = 1_300.0;
/// Tone of every customer, Hz.
pub const CUSTOMER_TONE_HZ: f64 = 700.0;

/// Power of one frequency in a block, relative to the block's whole energy, 0 to 1 (Goertzel 1958).
#[must_use]
pub fn tone_share(samples: &[i16], hz: f64) -> f64 {
    let coefficient = 2.0 * (std::f64::consts::TAU * hz / 8_000.0).cos();
    let (mut before, mut last, mut energy) = (0.0, 0.0, 0.0);
    for sample in samples {
        let value = f64::from(*sample);
        let next = value + coefficient * last - before;
        before = last;
        last = next;
        energy += value * value;
    }
    if energy < 1.0 {
        return 0.0;
    }
    let power = last * last + before * before - coefficient * last * before;
    2.0 * power / (energy * samples.len() as f64)
}

/// A packet of a tone; `at` is the index of its first sample.
fn tone_packet(hz: f64, sequence: u16, at: u32, ssrc: u32) -> Vec<u8> {
    let mut packet = Vec::with_capacity(12 + SAMPLES);
    packet.extend_from_slice(&[0x80, 0]);
    packet.extend_from_slice(&sequence.to_be_bytes());
    packet.extend_from_slice(&at.to_be_bytes());
    packet.extend_from_slice(&ssrc.to_be_bytes());
    let pcm: Vec<i16> = (0..SAMPLES as u32)
        .map(|index| {
            let phase = std::f64::consts::TAU * hz * f64::from(at.wrapping_add(index)) / 8_000.0;
            (phase.sin() * 8_000.0) as i16
        })
        .collect();
    packet.extend(pcm.iter().map(|sample| encode_mu_law(*sample)));
    packet
}

/// Mu-law companding (ITU-T G.711, table 2a).
#[must_use]
pub fn encode_mu_law(sample: i16) -> u8 {
    let sign = if sample < 0 { 0x80 } else { 0 };
    let magnitude = sample.unsigned_abs().min(32_635) + 132;
    let exponent = (15 - magnitude.leading_zeros()).saturating_sub(7) as u8;
    let mantissa = ((magnitude >> (exponent + 3)) & 0x0f) as u8;
    !(sign | (exponent << 4) | mantissa)
}

/// Mu-law expansion (ITU-T G.711, table 2b).
#[must_use]
pub fn decode_mu_law(byte: u8) -> i16 {
    let byte = !byte;
    let exponent = (byte >> 4) & 0x07;
    let magnitude = ((i32::from(byte & 0x0f) << 3) + 132) << exponent;
    let value = magnitude - 132;
    i16::try_from(if byte & 0x80 == 0 { value } else { -value }).unwrap_or(0)
}

/// What a phone heard.
#[derive(Debug, Default)]
pub struct Heard {
    /// Packets received.
    pub packets: AtomicU64,
    /// Packets sent.
    pub sent: AtomicU64,
    /// Packets in which the other party's tone dominated.
    pub tone_packets: AtomicU64,
    gaps: AtomicU32,
}

impl Heard {
    /// Packets missing by sequence number.
    pub fn gaps(&self) -> u32 {
        self.gaps.load(Ordering::Relaxed)
    }
}

/// A running RTP session.
#[derive(Debug)]
pub struct Session {
    local: SocketAddr,
    remote: watch::Sender<Option<SocketAddr>>,
    heard: Arc<Heard>,
    talking: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Session {
    /// Opens a socket on the loopback and begins: sends `own_hz` once the other side is known, listens
    /// for `other_hz`.
    ///
    /// # Errors
    /// If no socket can be opened.
    pub async fn open(own_hz: f64, other_hz: f64) -> io::Result<Self> {
        let socket = UdpSocket::bind("127.0.0.1:0").await?;
        let local = socket.local_addr()?;
        let remote = watch::Sender::new(None);
        let talking = watch::Sender::new(false);
        let heard = Arc::new(Heard::default());
        let task = tokio::spawn(drive(
            socket,
            remote.subscribe(),
            talking.clone(),
            Arc::clone(&heard),
            own_hz,
            other_hz,
        ));
        Ok(Self { local, remote, heard, talking, task })
    }

    /// Our address.
    #[must_use]
    pub const fn local(&self) -> SocketAddr {
        self.local
    }

    /// Says where the other side listens.
    pub fn connect(&self, remote: SocketAddr) {
        self.remote.send_replace(Some(remote));
    }

    /// What was heard so far.
    #[must_use]
    pub fn heard(&self) -> &Heard {
        &self.heard
    }

    /// Becomes true when the other party's tone has been heard for a tenth of a second.
    #[must_use]
    pub fn talking(&self) -> watch::Receiver<bool> {
        self.talking.subscribe()
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn drive(
    socket: UdpSocket,
    remote: watch::Receiver<Option<SocketAddr>>,
    talking: watch::Sender<bool>,
    heard: Arc<Heard>,
    own_hz: f64,
    other_hz: f64,
) {
    let mut ticks = interval(Duration::from_millis(20));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let ssrc = u32::from(socket.local_addr().map_or(1, |address| address.port())) * 7_919;
    let (mut sequence, mut at) = (0_u16, 0_u32);
    let mut expected: Option<u16> = None;
    let mut buffer = [0_u8; 1_500];
    loop {
        tokio::select! {
            _ = ticks.tick() => {
                let target = *remote.borrow();
                if let Some(target) = target {
                    let packet = tone_packet(own_hz, sequence, at, ssrc);
                    if socket.send_to(&packet, target).await.is_ok() {
                        heard.sent.fetch_add(1, Ordering::Relaxed);
                    }
                    sequence = sequence.wrapping_add(1);
                    at = at.wrapping_add(SAMPLES as u32);
                }
            }
            received = socket.recv_from(&mut buffer) => {
                let Ok((length, _)) = received else { continue };
                let Some(packet) = buffer.get(..length) else { continue };
                let [0x80, kind, high, low, ..] = packet else { continue };
                let number = u16::from_be_bytes([*high, *low]);
                if let Some(wanted) = expected {
                    let gap = number.wrapping_sub(wanted);
                    if gap < 1_000 {
                        heard.gaps.fetch_add(u32::from(gap), Ordering::Relaxed);
                    }
                }
                expected = Some(number.wrapping_add(1));
                heard.packets.fetch_add(1, Ordering::Relaxed);
                let payload = packet.get(12..).unwrap_or_default();
                if kind & 0x7f == 0 {
                    let pcm: Vec<i16> = payload.iter().copied().map(decode_mu_law).collect();
                    if tone_share(&pcm, other_hz) > 0.7
                        && heard.tone_packets.fetch_add(1, Ordering::Relaxed) == 4
                    {
                        talking.send_replace(true);
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn companding_keeps_every_code() {
        for byte in 0..=255_u8 {
            let decoded = decode_mu_law(byte);
            // 0x7f and 0xff are minus and plus zero.
            let expected = if byte == 0x7f { 0xff } else { byte };
            assert_eq!(encode_mu_law(decoded), expected, "code {byte:#x}");
        }
    }

    #[test]
    fn a_tone_is_told_from_another() {
        let packet = tone_packet(AGENT_TONE_HZ, 0, 0, 1);
        let pcm: Vec<i16> = packet[12..].iter().copied().map(decode_mu_law).collect();
        assert!(tone_share(&pcm, AGENT_TONE_HZ) > 0.9);
        assert!(tone_share(&pcm, CUSTOMER_TONE_HZ) < 0.1);
    }
}
