//! The sound of phones: each call hears a tone of its own and says what it heard.

#![allow(unreachable_pub, reason = "shared by test binaries that use parts of it")]

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use ledgerline_ingest::voice::media::codec::Codec;
use ledgerline_ingest::voice::media::rtp::{self, Header};
use tokio::net::UdpSocket;
use tokio::time::Instant;

/// Samples that are looked at together: 200 ms, so that tones 50 Hz apart do not mix.
const WINDOW: usize = 1_600;
/// Tones of one side.
const TONES: u32 = 20;
const SPACING_HZ: u32 = 50;

/// Which tones a side speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    Callers,
    Agents,
}

impl Side {
    const fn base_hz(self) -> u32 {
        match self {
            Self::Callers => 1_000,
            Self::Agents => 2_050,
        }
    }
}

/// One call as a phone heard it.
#[derive(Clone, Debug)]
pub struct Heard {
    /// What it said, Hz.
    pub spoken_hz: u32,
    /// For each tone of either side: in how many windows it was what was heard.
    pub windows: BTreeMap<u32, u32>,
    pub packets: u32,
}

impl Heard {
    /// The tone of the other side that was heard in at least three windows, if it was one alone.
    pub fn partner_hz(&self) -> Option<u32> {
        let mut heard = self.windows.iter().filter(|(_, windows)| **windows >= 3);
        let partner = heard.next().map(|(tone, _)| *tone);
        partner.filter(|_| heard.next().is_none())
    }
}

struct Flow {
    ssrc: u32,
    heard: Heard,
    samples: Vec<i16>,
    last: Instant,
}

/// A socket that all phones of a side share: a call is told from others by where it comes from.
pub struct Tones {
    pub port: u16,
    flows: Arc<Mutex<BTreeMap<(SocketAddr, u32), Flow>>>,
}

/// How a phone behaves.
#[derive(Clone, Debug)]
pub struct Voice {
    pub side: Side,
    pub codec: Codec,
    /// Keys pressed after half a second of listening.
    pub keys: &'static [u8],
}

impl Tones {
    pub async fn start(side: Side, codec: Codec) -> Self {
        Self::start_as(Voice { side, codec, keys: &[] }).await
    }

    pub async fn start_as(voice: Voice) -> Self {
        let socket = Arc::new(UdpSocket::bind("127.0.0.1:0").await.unwrap());
        let port = socket.local_addr().unwrap().port();
        let flows = Arc::default();
        tokio::spawn(listen(socket, voice, Arc::clone(&flows)));
        Self { port, flows }
    }

    /// Every call so far.
    pub fn heard(&self) -> Vec<Heard> {
        self.flows.lock().unwrap().values().map(|flow| flow.heard.clone()).collect()
    }
}

async fn listen(
    socket: Arc<UdpSocket>,
    voice: Voice,
    flows: Arc<Mutex<BTreeMap<(SocketAddr, u32), Flow>>>,
) {
    let mut buffer = [0; 2_048];
    loop {
        let Ok((length, source)) = socket.recv_from(&mut buffer).await else { continue };
        let Some((header, payload)) = rtp::parse(&buffer[..length]) else { continue };
        let mut all = flows.lock().unwrap();
        let number = u32::try_from(all.len()).unwrap();
        let key = (source, header.ssrc);
        let flow = all.entry(key).or_insert_with(|| {
            let spoken_hz = voice.side.base_hz() + SPACING_HZ * (number % TONES);
            let speaking =
                speak(Arc::clone(&socket), voice.clone(), key, spoken_hz, Arc::clone(&flows));
            tokio::spawn(speaking);
            let heard = Heard { spoken_hz, windows: BTreeMap::new(), packets: 0 };
            Flow { ssrc: header.ssrc, heard, samples: Vec::new(), last: Instant::now() }
        });
        assert_eq!(flow.ssrc, header.ssrc);
        flow.last = Instant::now();
        flow.heard.packets += 1;
        if header.payload_type != voice.codec.payload_type() {
            continue;
        }
        flow.samples.extend(voice.codec.decode(payload));
        if flow.samples.len() >= WINDOW {
            let window: Vec<i16> = flow.samples.drain(..WINDOW).collect();
            if let Some(tone) = dominant(&window) {
                *flow.heard.windows.entry(tone).or_default() += 1;
            }
        }
    }
}

/// Speaks for as long as it hears.
async fn speak(
    socket: Arc<UdpSocket>,
    voice: Voice,
    key: (SocketAddr, u32),
    tone_hz: u32,
    flows: Arc<Mutex<BTreeMap<(SocketAddr, u32), Flow>>>,
) {
    let mut interval = tokio::time::interval(Duration::from_millis(20));
    let mut header = Header {
        marker: true,
        payload_type: voice.codec.payload_type(),
        sequence: 1,
        timestamp: 0,
        ssrc: tone_hz,
    };
    for frame in 0_u32.. {
        interval.tick().await;
        let last = flows.lock().unwrap().get(&key).map(|flow| flow.last);
        if last.is_none_or(|last| last.elapsed() > Duration::from_millis(500)) {
            return;
        }
        let samples: Vec<i16> = (0..160)
            .map(|n| {
                let phase = f64::from(frame * 160 + n) * f64::from(tone_hz) / 8_000.0;
                ((phase * std::f64::consts::TAU).sin() * 8_000.0) as i16
            })
            .collect();
        let packet = header.packet(&voice.codec.encode(&samples));
        let _ = socket.send_to(&packet, key.0).await;
        header.sequence = header.sequence.wrapping_add(1);
        header.marker = false;
        header.timestamp = header.timestamp.wrapping_add(160);
        if frame >= 25
            && frame % 25 == 0
            && let Some(event) = voice.keys.get(usize::try_from(frame / 25 - 1).unwrap())
        {
            press(&socket, key.0, &mut header, *event).await;
        }
    }
}

/// One key: two packets of the key down, three of its end.
async fn press(socket: &UdpSocket, to: SocketAddr, header: &mut Header, event: u8) {
    for (end, duration) in [(0, 160_u16), (0, 320), (0x80, 480), (0x80, 480), (0x80, 480)] {
        let [high, low] = duration.to_be_bytes();
        let packet = Header { payload_type: 101, ..*header }.packet(&[event, end | 10, high, low]);
        let _ = socket.send_to(&packet, to).await;
        header.sequence = header.sequence.wrapping_add(1);
    }
    header.timestamp = header.timestamp.wrapping_add(480);
}

/// The tone that makes up most of a window (Goertzel); none for prompts, music and silence.
fn dominant(window: &[i16]) -> Option<u32> {
    let energy: f64 = window.iter().map(|sample| f64::from(*sample).powi(2)).sum();
    if energy < 1e6 {
        return None;
    }
    let tones = [Side::Callers, Side::Agents]
        .into_iter()
        .flat_map(|side| (0..TONES).map(move |n| side.base_hz() + SPACING_HZ * n));
    tones.into_iter().find(|tone| {
        let coefficient = 2.0 * (std::f64::consts::TAU * f64::from(*tone) / 8_000.0).cos();
        let (mut one, mut two) = (0.0, 0.0);
        for sample in window {
            let zero = f64::from(*sample) + coefficient * one - two;
            two = one;
            one = zero;
        }
        let power = one * one + two * two - coefficient * one * two;
        // A pure tone has power N/2 times its energy.
        power > 0.8 * energy * window.len() as f64 / 2.0
    })
}

/// Every call of one side hears one call of the other, and is heard by the same.
pub fn assert_paired(callers: &[Heard], agents: &[Heard], calls: usize) {
    let pairs = |side: &[Heard], turned: bool| {
        let mut pairs: Vec<(u32, u32)> = side
            .iter()
            .map(|heard| {
                let partner = heard.partner_hz().unwrap_or_else(|| panic!("{heard:?}"));
                if turned { (partner, heard.spoken_hz) } else { (heard.spoken_hz, partner) }
            })
            .collect();
        pairs.sort_unstable();
        pairs
    };
    assert_eq!((callers.len(), agents.len()), (calls, calls), "{callers:?} {agents:?}");
    assert_eq!(pairs(callers, false), pairs(agents, true));
}
