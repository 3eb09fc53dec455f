//! The media of one leg: a socket, what is played into it, and the leg it is bridged to.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use tokio::net::UdpSocket;
use tokio::sync::mpsc::UnboundedSender;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::codec::Codec;
use super::library::Prompt;
use super::mix::{Mix, Party};
use super::rtp::{self, Header, Outgoing, Reception};
use super::sdp::Agreed;
use super::{FRAME_SAMPLES, dtmf};

/// Largest packet that is relayed, bytes: ten frames and a long header.
const PACKET_BYTES_MAX: usize = 2_048;

/// What a leg's media tells its call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MediaEvent {
    /// A key was pressed.
    Key(char),
    /// The prompt with this number ended by itself.
    PlayEnded(u64),
    /// Nothing came for the configured time.
    Silent,
}

/// Packet counts of a leg.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Packets received.
    pub received: u64,
    /// Packets sent.
    pub sent: u64,
    /// Packets missing by sequence number.
    pub lost: u64,
}

/// The media of one leg.
#[derive(Debug)]
pub struct Session {
    socket: UdpSocket,
    local: SocketAddr,
    silence_limit: Option<Duration>,
    events: UnboundedSender<MediaEvent>,
    closed: CancellationToken,
    state: Mutex<State>,
    received_total: metrics::Counter,
    relayed_total: metrics::Counter,
}

#[derive(Debug)]
struct State {
    agreed: Option<Agreed>,
    latched: Option<SocketAddr>,
    heard_at: Instant,
    silent: bool,
    reception: Reception,
    outgoing: Outgoing,
    sent: u64,
    keys: dtmf::Decoder,
    player: Option<Player>,
    peer: Weak<Session>,
    /// A supervisor listens, and this leg has a part in it.
    mix: Option<(Arc<Mix>, Party)>,
}

impl State {
    /// Whether the mix, and not the far end of the bridge, is what this leg hears.
    fn is_mixed(&self) -> bool {
        self.mix.as_ref().is_some_and(|(mix, party)| mix.makes_for(*party))
    }
}

#[derive(Debug)]
struct Player {
    prompt: Arc<Prompt>,
    at: usize,
    looped: bool,
    number: u64,
}

/// What a packet carries, independent of the payload types of a leg.
#[derive(Clone, Copy, Debug)]
enum Content {
    Audio(Codec),
    Event,
}

impl Session {
    /// Takes over a bound socket and reads it until [`Session::close`].
    ///
    /// `advertised` is the address that session descriptions give for the socket's port.
    ///
    /// # Errors
    /// If the socket cannot be handed to the runtime.
    pub async fn open(
        socket: std::net::UdpSocket,
        advertised: std::net::IpAddr,
        silence_limit: Option<Duration>,
        events: UnboundedSender<MediaEvent>,
    ) -> std::io::Result<Arc<Self>> {
        let port = socket.local_addr()?.port();
        let socket = UdpSocket::from_std(socket)?;
        // Sending later must not wait: learn once that the socket is writable.
        socket.writable().await?;
        let random = uuid::Uuid::new_v4().as_u128();
        let session = Arc::new(Self {
            socket,
            local: SocketAddr::new(advertised, port),
            silence_limit,
            events,
            closed: CancellationToken::new(),
            state: Mutex::new(State {
                agreed: None,
                latched: None,
                heard_at: Instant::now(),
                silent: false,
                reception: Reception::default(),
                outgoing: Outgoing::new(
                    random as u32,
                    (random >> 32) as u16,
                    (random >> 80) as u32,
                ),
                sent: 0,
                keys: dtmf::Decoder::default(),
                player: None,
                peer: Weak::new(),
                mix: None,
            }),
            received_total: metrics::counter!("ledgerline_rtp_packets_received_total"),
            relayed_total: metrics::counter!("ledgerline_rtp_packets_relayed_total"),
        });
        tokio::spawn(Arc::clone(&session).read());
        Ok(session)
    }

    /// The address that session descriptions give.
    #[must_use]
    pub const fn local(&self) -> SocketAddr {
        self.local
    }

    /// Begins, or changes, what was agreed with the far end. Media flows from now on.
    pub fn agree(&self, agreed: Agreed) {
        let mut state = self.state();
        if state.agreed.is_none_or(|before| before.address != agreed.address) {
            state.latched = None;
        }
        state.heard_at = Instant::now();
        state.silent = false;
        state.agreed = Some(agreed);
    }

    /// The codec agreed.
    #[must_use]
    pub fn codec(&self) -> Option<Codec> {
        self.state().agreed.map(|agreed| agreed.codec)
    }

    /// Plays a prompt from its start, in place of whatever played.
    pub fn play(&self, prompt: Arc<Prompt>, looped: bool, number: u64) {
        self.state().player = Some(Player { prompt, at: 0, looped, number });
    }

    /// Stops whatever plays; no [`MediaEvent::PlayEnded`] follows.
    pub fn stop(&self) {
        self.state().player = None;
    }

    /// Lets two legs hear each other; whatever played to them stops.
    pub fn bridge(a: &Arc<Self>, b: &Arc<Self>) {
        for (one, other) in [(a, b), (b, a)] {
            let mut state = one.state();
            state.player = None;
            state.peer = Arc::downgrade(other);
        }
    }

    /// Parts two legs if they hear each other.
    pub fn unbridge(a: &Arc<Self>, b: &Arc<Self>) {
        for (one, other) in [(a, b), (b, a)] {
            let mut state = one.state();
            if std::ptr::eq(state.peer.as_ptr(), Arc::as_ptr(other)) {
                state.peer = Weak::new();
            }
        }
    }

    /// Counts so far.
    #[must_use]
    pub fn counts(&self) -> Counts {
        let state = self.state();
        Counts {
            received: state.reception.received(),
            sent: state.sent,
            lost: state.reception.lost(),
        }
    }

    /// Ends the media; the port is free again.
    pub fn close(&self) {
        if self.closed.is_cancelled() {
            return;
        }
        self.closed.cancel();
        let mut state = self.state();
        state.player = None;
        state.peer = Weak::new();
        let mix = state.mix.take();
        metrics::counter!("ledgerline_rtp_packets_lost_total").increment(state.reception.lost());
        drop(state);
        // Without the supervisor the others are bridged as before.
        if let Some((mix, Party::Supervisor)) = mix {
            mix.end();
        }
    }

    /// Gives this leg a part in a mix, in place of the one it had.
    pub(super) fn join(&self, mix: &Arc<Mix>, party: Party) {
        if !self.closed.is_cancelled() {
            self.state().mix = Some((Arc::clone(mix), party));
        }
    }

    /// Takes the part in this mix away.
    pub(super) fn leave(&self, mix: &Mix) {
        let mut state = self.state();
        if state.mix.as_ref().is_some_and(|(other, _)| std::ptr::eq(Arc::as_ptr(other), mix)) {
            state.mix = None;
        }
    }

    /// The mix that this leg has a part in.
    pub(super) fn mix(&self) -> Option<Arc<Mix>> {
        self.state().mix.as_ref().map(|(mix, _)| Arc::clone(mix))
    }

    /// Whether this leg is bridged to another.
    pub(super) fn is_with(&self, other: &Arc<Self>) -> bool {
        std::ptr::eq(self.state().peer.as_ptr(), Arc::as_ptr(other))
    }

    /// Sends a frame of the mix; without one the clock runs on. A prompt has the line for itself.
    pub(super) fn say(&self, samples: Option<&[i16]>) {
        let (packet, target) = {
            let mut state = self.state();
            let Some(agreed) = state.agreed else { return };
            if state.player.is_some() {
                return;
            }
            let Some(samples) = samples.filter(|_| agreed.direction.listens()) else {
                return state.outgoing.silence(FRAME_SAMPLES as u32);
            };
            let payload = agreed.codec.encode(samples);
            let header = state.outgoing.own(agreed.payload_type, FRAME_SAMPLES as u32);
            (header.packet(&payload), state.latched.unwrap_or(agreed.address))
        };
        self.send(&packet, target);
    }

    /// One step of 20 ms: the next frame of the prompt, the watch for silence, and a supervisor's mix.
    pub(super) fn tick(&self, now: Instant) {
        if let Some(mix) = self.step(now) {
            mix.tick();
        }
    }

    /// The step of this leg alone; gives the mix that this leg drives, if it does.
    fn step(&self, now: Instant) -> Option<Arc<Mix>> {
        let (packet, target, ended) = {
            let mut state = self.state();
            let state = &mut *state;
            let agreed = state.agreed?;
            if let Some(limit) = self.silence_limit
                && agreed.direction.talks()
                && !state.silent
                && now.duration_since(state.heard_at) >= limit
            {
                state.silent = true;
                // The call may already be gone; then nobody minds.
                let _ = self.events.send(MediaEvent::Silent);
            }
            if state.player.is_none() && state.is_mixed() {
                let driven = state.mix.as_ref().filter(|(_, party)| *party == Party::Supervisor);
                return driven.map(|(mix, _)| Arc::clone(mix));
            }
            let Some(player) = &mut state.player else {
                state.outgoing.silence(FRAME_SAMPLES as u32);
                return None;
            };
            let frame = player.prompt.frame(agreed.codec, player.at);
            let packet = frame.filter(|_| agreed.direction.listens()).map(|frame| {
                state.outgoing.own(agreed.payload_type, FRAME_SAMPLES as u32).packet(frame)
            });
            player.at += 1;
            let over = player.at >= player.prompt.frames();
            if over && player.looped {
                player.at = 0;
            }
            let ended = (over && !player.looped).then_some(player.number);
            if ended.is_some() {
                state.player = None;
            }
            (packet, state.latched.unwrap_or(agreed.address), ended)
        };
        if let Some(packet) = packet {
            self.send(&packet, target);
        }
        if let Some(number) = ended {
            let _ = self.events.send(MediaEvent::PlayEnded(number));
        }
        None
    }

    async fn read(self: Arc<Self>) {
        let mut buffer = [0; PACKET_BYTES_MAX];
        loop {
            let received = tokio::select! {
                () = self.closed.cancelled() => return,
                received = self.socket.recv_from(&mut buffer) => received,
            };
            // An ICMP answer to a packet of ours shows up as an error of the next read.
            let Ok((length, source)) = received else { continue };
            let Some((header, payload)) = buffer.get(..length).and_then(rtp::parse) else {
                continue;
            };
            self.received_total.increment(1);
            if let Some((content, peer)) = self.receive(source, &header, payload) {
                peer.forward(&header, payload, content);
            }
        }
    }

    /// Takes a packet in; gives what it is and where it goes if it is to be relayed.
    fn receive(
        &self,
        source: SocketAddr,
        header: &Header,
        payload: &[u8],
    ) -> Option<(Content, Arc<Self>)> {
        let mut state = self.state();
        let agreed = state.agreed?;
        // Symmetric RTP: the first sender is the far end, whatever its description says; anybody
        // else is an intruder.
        if *state.latched.get_or_insert(source) != source {
            metrics::counter!("ledgerline_rtp_packets_foreign_total").increment(1);
            return None;
        }
        state.reception.count(header);
        state.heard_at = Instant::now();
        state.silent = false;
        let (content, key) = if Some(header.payload_type) == agreed.event_type {
            (Content::Event, state.keys.packet(header.ssrc, header.timestamp, payload))
        } else {
            let codec = if header.payload_type == agreed.payload_type {
                agreed.codec
            } else {
                Codec::ALL.into_iter().find(|codec| codec.payload_type() == header.payload_type)?
            };
            (Content::Audio(codec), state.keys.audio(header.ssrc, header.timestamp))
        };
        if let Some(key) = key {
            let _ = self.events.send(MediaEvent::Key(key));
        }
        // Keys are no sound: no supervisor hears them.
        if let (Some((mix, party)), Content::Audio(codec)) = (&state.mix, content) {
            mix.take(*party, header, &codec.decode(payload));
        }
        Some((content, state.peer.upgrade()?))
    }

    fn forward(&self, header: &Header, payload: &[u8], content: Content) {
        let (packet, target) = {
            let mut state = self.state();
            let Some(agreed) = state.agreed.filter(|agreed| agreed.direction.listens()) else {
                return;
            };
            // A prompt has the line for itself.
            if state.player.is_some() {
                return;
            }
            let mixed = state.is_mixed();
            let packet = match content {
                Content::Audio(_) if mixed => return,
                Content::Audio(codec) => {
                    let mut payload = payload.to_vec();
                    codec.transcode(&mut payload, agreed.codec);
                    let samples = u32::try_from(payload.len()).unwrap_or_default();
                    state.outgoing.relay(header, agreed.payload_type, samples).packet(&payload)
                }
                Content::Event => {
                    let Some(event_type) = agreed.event_type else { return };
                    let header = if mixed {
                        state.outgoing.insert(header, event_type)
                    } else {
                        state.outgoing.relay(header, event_type, FRAME_SAMPLES as u32)
                    };
                    header.packet(payload)
                }
            };
            (packet, state.latched.unwrap_or(agreed.address))
        };
        self.relayed_total.increment(1);
        self.send(&packet, target);
    }

    fn send(&self, packet: &[u8], target: SocketAddr) {
        // A full socket buffer loses the packet, as any router on the way would.
        if self.socket.try_send_to(packet, target).is_ok() {
            self.state().sent += 1;
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
