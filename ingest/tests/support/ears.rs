//! Phones of one call each: they speak one tone and say which tones they hear together.

#![allow(unreachable_pub, reason = "shared by test binaries that use parts of it")]

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use ledgerline_ingest::voice::media::codec::Codec;
use ledgerline_ingest::voice::media::rtp::{self, Header};
use tokio::net::UdpSocket;
use tokio::sync::{Notify, watch};

/// Samples that are looked at together: 200 ms. Every tone is a whole number of waves in it.
const WINDOW: usize = 1_600;
/// Windows in a row that have to agree.
const IN_A_ROW: usize = 3;
const PATIENCE: Duration = Duration::from_secs(30);

/// The three tones of the tests, Hz.
pub const TONES: [u32; 3] = [1_000, 1_500, 2_100];

/// Everything an ear took in.
#[derive(Clone, Debug, Default)]
pub struct Taken {
    /// The tones of each window.
    pub windows: Vec<BTreeSet<u32>>,
    pub headers: Vec<Header>,
}

pub struct Ear {
    pub port: u16,
    taken: watch::Receiver<Taken>,
    key: Arc<Notify>,
}

impl Ear {
    /// A phone that speaks this tone to whoever sends to it.
    pub async fn start(tone_hz: u32, codec: Codec) -> Self {
        let socket = Arc::new(UdpSocket::bind("127.0.0.1:0").await.unwrap());
        let port = socket.local_addr().unwrap().port();
        let (sender, taken) = watch::channel(Taken::default());
        let key = Arc::new(Notify::new());
        tokio::spawn(listen(socket, tone_hz, codec, sender, Arc::clone(&key)));
        Self { port, taken, key }
    }

    pub fn taken(&self) -> Taken {
        self.taken.borrow().clone()
    }

    /// Presses a key once.
    pub fn press(&self) {
        self.key.notify_one();
    }

    /// Waits until something fits.
    pub async fn until(&self, what: &str, fits: impl Fn(&Taken) -> bool) {
        let mut taken = self.taken.clone();
        if tokio::time::timeout(PATIENCE, taken.wait_for(fits)).await.is_err() {
            let windows = self.taken().windows;
            panic!(
                "never {what}; the last windows: {:?}",
                &windows[windows.len().saturating_sub(12)..]
            );
        }
    }

    /// Waits until from now on these tones and no other of the three are heard for a while.
    pub async fn hears(&self, who: &str, tones: &[u32]) {
        let tones: BTreeSet<u32> = tones.iter().copied().collect();
        let from = self.taken.borrow().windows.len();
        let what = format!("{who} hears {tones:?}");
        self.until(&what, |taken| {
            let new = &taken.windows[from..];
            new.windows(IN_A_ROW).any(|row| row.iter().all(|window| *window == tones))
        })
        .await;
    }

    /// One source, numbers without gap, a clock that goes forward: what a receiver must find whatever is mixed.
    pub fn assert_one_stream(&self) {
        let mut headers = self.taken().headers;
        let first = headers[0];
        headers.sort_by_key(|header| header.sequence.wrapping_sub(first.sequence));
        for pair in headers.windows(2) {
            let (one, two) = (pair[0], pair[1]);
            assert_eq!((one.ssrc, two.ssrc), (first.ssrc, first.ssrc));
            assert_eq!(two.sequence, one.sequence.wrapping_add(1), "{one:?} {two:?}");
            let step = two.timestamp.wrapping_sub(one.timestamp);
            let most = 8_000 * 5;
            assert!(step < most, "the clock jumps: {one:?} {two:?}");
            let audio = |header: &Header| header.payload_type != EVENT;
            assert!(step > 0 || !audio(&one) || !audio(&two), "the clock stands: {one:?} {two:?}");
        }
    }
}

/// Payload type of keys in the scenarios.
pub const EVENT: u8 = 101;

async fn listen(
    socket: Arc<UdpSocket>,
    tone_hz: u32,
    codec: Codec,
    sender: watch::Sender<Taken>,
    key: Arc<Notify>,
) {
    let mut buffer = [0; 2_048];
    let mut samples = Vec::new();
    let mut speaking = None;
    while let Ok((length, source)) = socket.recv_from(&mut buffer).await {
        let Some((header, payload)) = rtp::parse(&buffer[..length]) else { continue };
        if speaking.is_none() {
            let speech = speak(Arc::clone(&socket), source, tone_hz, codec, Arc::clone(&key));
            speaking = Some(tokio::spawn(speech));
        }
        if header.payload_type == codec.payload_type() {
            samples.extend(codec.decode(payload));
        }
        sender.send_modify(|taken| {
            taken.headers.push(header);
            if samples.len() >= WINDOW {
                let window: Vec<i16> = samples.drain(..WINDOW).collect();
                taken
                    .windows
                    .push(TONES.into_iter().filter(|tone| is_in(&window, *tone)).collect());
            }
        });
    }
}

async fn speak(
    socket: Arc<UdpSocket>,
    to: std::net::SocketAddr,
    tone_hz: u32,
    codec: Codec,
    key: Arc<Notify>,
) {
    let mut interval = tokio::time::interval(Duration::from_millis(20));
    let payload_type = codec.payload_type();
    let mut header =
        Header { marker: true, payload_type, sequence: 1, timestamp: 0, ssrc: tone_hz };
    loop {
        tokio::select! {
            _ = interval.tick() => {}
            () = key.notified() => {
                for (end, duration) in [(0, 160_u16), (0, 320), (0x80, 480), (0x80, 480), (0x80, 480)] {
                    let [high, low] = duration.to_be_bytes();
                    let packet = Header { payload_type: EVENT, ..header };
                    let packet = packet.packet(&[5, end | 10, high, low]);
                    let _ = socket.send_to(&packet, to).await;
                    header.sequence = header.sequence.wrapping_add(1);
                }
                continue;
            }
        }
        let frame: Vec<i16> = (0..160)
            .map(|n| {
                let at = f64::from(header.timestamp.wrapping_add(n));
                let phase = at * f64::from(tone_hz) / 8_000.0;
                ((phase * std::f64::consts::TAU).sin() * 6_000.0) as i16
            })
            .collect();
        let _ = socket.send_to(&header.packet(&codec.encode(&frame)), to).await;
        header.marker = false;
        header.sequence = header.sequence.wrapping_add(1);
        header.timestamp = header.timestamp.wrapping_add(160);
    }
}

/// Whether a tone is in a window with at least a third of its strength (Goertzel).
fn is_in(window: &[i16], tone_hz: u32) -> bool {
    let coefficient = 2.0 * (std::f64::consts::TAU * f64::from(tone_hz) / 8_000.0).cos();
    let (mut one, mut two) = (0.0, 0.0);
    for sample in window {
        let zero = f64::from(*sample) + coefficient * one - two;
        two = one;
        one = zero;
    }
    let power = one * one + two * two - coefficient * one * two;
    power.sqrt() * 2.0 / window.len() as f64 > 2_000.0
}
