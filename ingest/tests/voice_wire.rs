//! The voice edge on the wire, in front of an engine that says what the test wants.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that cannot go on should stop where it is"
)]

mod support;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use ledgerline_event_store::crypt::KeyRing;
use ledgerline_ingest::voice::{
    CommandPort, LiveLeg, PortError, VoiceConfig, VoiceDoor, VoiceServer, serve,
};
use ledgerline_routing_core::{Effect, EffectId, Rejection, RejectionCode};
use ledgerline_schemas::Position;
use ledgerline_schemas::command::{Command, Commanded};
use ledgerline_schemas::event::media::{MediaSide, RefusalReason, ReleaseSide};
use ledgerline_schemas::id::{InteractionId, MediaLegId, OrgId};
use support::sipp::{Run, free_port};
use tokio::net::UdpSocket;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio_util::sync::CancellationToken;

const ORG: OrgId = OrgId::from_u128(0x0b);

/// Takes every command, but begins a call only as told.
struct Scripted {
    start: Result<(), PortError>,
    lost: Vec<LiveLeg>,
    commands: UnboundedSender<Commanded>,
}

#[async_trait]
impl CommandPort for Scripted {
    async fn submit(&self, command: Commanded) -> Result<(), PortError> {
        let is_start = matches!(command.command, Command::StartInteraction { .. });
        self.commands.send(command).unwrap();
        if is_start { self.start.clone() } else { Ok(()) }
    }

    async fn live_legs(&self) -> Result<Vec<LiveLeg>, PortError> {
        Ok(self.lost.clone())
    }
}

struct Edge {
    server: VoiceServer,
    commands: UnboundedReceiver<Commanded>,
    effects: UnboundedSender<(EffectId, Effect)>,
    shutdown: CancellationToken,
    sent: u64,
}

impl Edge {
    async fn start(start: Result<(), PortError>, lost: Vec<LiveLeg>) -> Self {
        let (sender, commands) = unbounded_channel();
        let (effects, inbox) = unbounded_channel();
        let port = Scripted { start, lost, commands: sender };
        let door =
            VoiceDoor { org_id: ORG, commands: Arc::new(port), effects: inbox, numbers: None };
        let shutdown = CancellationToken::new();
        let keyring = KeyRing::in_memory().unwrap();
        let config = VoiceConfig::loopback();
        let server = serve(config, vec![door], keyring, shutdown.clone()).await.unwrap();
        Self { server, commands, effects, shutdown, sent: 0 }
    }

    async fn command(&mut self) -> Command {
        let waiting = tokio::time::timeout(Duration::from_secs(30), self.commands.recv());
        waiting.await.expect("a command").unwrap().command
    }

    /// The id of the call that begins next.
    async fn started(&mut self) -> (InteractionId, MediaLegId) {
        match self.command().await {
            Command::StartInteraction { interaction_id, media_leg_id, destination, .. } => {
                assert_eq!(destination, "100");
                (interaction_id, media_leg_id)
            }
            other => panic!("{other:?}"),
        }
    }

    /// Sends an effect twice, as an engine may.
    fn effect(&mut self, effect: &Effect) {
        self.sent += 1;
        let id = EffectId { position: Position(self.sent), index: 0 };
        for _ in 0..2 {
            self.effects.send((id, effect.clone())).unwrap();
        }
    }

    async fn stop(self) {
        self.shutdown.cancel();
        self.server.join.await.unwrap();
    }
}

/// A phone by hand: messages as text over one socket.
struct Phone {
    socket: UdpSocket,
    edge: SocketAddr,
}

impl Phone {
    async fn to(edge: SocketAddr) -> Self {
        Self { socket: UdpSocket::bind("127.0.0.1:0").await.unwrap(), edge }
    }

    fn request(&self, method: &str, number: u32, branch: &str, to_tag: &str, body: &str) -> String {
        let port = self.socket.local_addr().unwrap().port();
        let kind = if body.is_empty() { "" } else { "Content-Type: application/sdp\r\n" };
        format!(
            "{method} sip:100@127.0.0.1 SIP/2.0\r\n\
             Via: SIP/2.0/UDP 127.0.0.1:{port};branch=z9hG4bK{branch};rport\r\n\
             Max-Forwards: 70\r\nFrom: <sip:+1555@127.0.0.1>;tag=phone\r\n\
             To: <sip:100@127.0.0.1>{to_tag}\r\nCall-ID: by-hand\r\nCSeq: {number} {method}\r\n\
             Contact: <sip:phone@127.0.0.1:{port}>\r\n{kind}Content-Length: {}\r\n\r\n{body}",
            body.len()
        )
    }

    async fn send(&self, text: &str) {
        self.socket.send_to(text.as_bytes(), self.edge).await.unwrap();
    }

    /// The next message whose first line fits; others are passed over.
    async fn until(&self, first: &str) -> String {
        let mut buffer = [0; 8_192];
        let reading = async {
            loop {
                let (length, _) = self.socket.recv_from(&mut buffer).await.unwrap();
                let text = String::from_utf8_lossy(&buffer[..length]).into_owned();
                if text.starts_with(first) {
                    return text;
                }
            }
        };
        let limit = Duration::from_secs(30);
        tokio::time::timeout(limit, reading).await.unwrap_or_else(|_| panic!("no {first}"))
    }
}

fn sdp(direction: &str) -> String {
    format!(
        "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n\
         m=audio 9 RTP/AVP 0\r\na={direction}\r\n"
    )
}

fn to_tag(answer: &str) -> String {
    let to = answer.lines().find(|line| line.starts_with("To:")).unwrap();
    to[to.find(";tag=").unwrap()..].trim().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_call_ends_with_487_and_says_so() {
    let mut edge = Edge::start(Ok(()), Vec::new()).await;
    let target = edge.server.udp_addr;
    Run::caller("caller_cancels.xml", target, "100").start(free_port()).succeed().await;
    let (interaction_id, media_leg_id) = edge.started().await;
    assert_eq!(edge.command().await, Command::CustomerLeft { interaction_id });
    let Command::MediaLegEnded(ended) = edge.command().await else { panic!("no end") };
    assert_eq!((ended.media_leg_id, ended.sip_status), (media_leg_id, 487));
    assert_eq!((ended.side, ended.released_by), (MediaSide::Customer, ReleaseSide::Remote));
    edge.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_engines_no_has_its_status() {
    let rejected = |code| Err(PortError::Rejected(Rejection::new(code, "no")));
    for (answer, status) in [
        (rejected(RejectionCode::UnknownNumber), 404),
        (rejected(RejectionCode::Busy), 486),
        (rejected(RejectionCode::Conflict), 480),
        (Err(PortError::Busy), 503),
        (Err(PortError::Unavailable("stopped".to_owned())), 503),
    ] {
        let mut edge = Edge::start(answer, Vec::new()).await;
        let phone = Phone::to(edge.server.udp_addr).await;
        phone.send(&phone.request("INVITE", 1, "a", "", &sdp("sendrecv"))).await;
        let answer = phone.until(&format!("SIP/2.0 {status} ")).await;
        assert_eq!(answer.contains("Retry-After:"), status == 503, "{answer}");
        phone.send(&phone.request("ACK", 1, "a", &to_tag(&answer), "")).await;
        edge.started().await;
        let Command::RecordRefusal(refused) = edge.command().await else { panic!("no refusal") };
        assert_eq!((refused.status, refused.count), (status, 1));
        assert!(refused.source.is_some());
        edge.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn malformed_requests_are_answered_and_recorded_once_a_minute() {
    let mut edge = Edge::start(Ok(()), Vec::new()).await;
    let phone = Phone::to(edge.server.udp_addr).await;
    let broken = phone.request("INVITE", 1, "b", "", "").replace("Max-Forwards: 70\r\n", "");
    for _ in 0..3 {
        phone.send(&broken).await;
        phone.until("SIP/2.0 400 ").await;
    }
    let Command::RecordRefusal(first) = edge.command().await else { panic!("no refusal") };
    assert_eq!((first.reason, first.status, first.count), (RefusalReason::Malformed, 400, 1));
    assert_eq!(first.destination.as_deref(), Some("100"));
    phone.send(&phone.request("OPTIONS", 1, "c", "", "")).await;
    assert!(phone.until("SIP/2.0 200 ").await.contains("Allow: INVITE"));
    phone.send(&phone.request("BYE", 1, "d", ";tag=nobody", "")).await;
    phone.until("SIP/2.0 481 ").await;
    phone.send(&phone.request("FROB", 1, "e", "", "")).await;
    phone.until("SIP/2.0 501 ").await;
    let (shutdown, join) = (edge.shutdown, edge.server.join);
    shutdown.cancel();
    join.await.unwrap();
    // What was only counted is recorded at the end: two repetitions, and the unknown method.
    let mut counts = Vec::new();
    while let Ok(command) = edge.commands.try_recv() {
        if let Command::RecordRefusal(refused) = command.command {
            counts.push((refused.status, refused.count));
        }
    }
    counts.sort_unstable();
    assert_eq!(counts, [(400, 2), (501, 1)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_by_hand_retransmission_hold_and_release() {
    let mut edge = Edge::start(Ok(()), Vec::new()).await;
    let phone = Phone::to(edge.server.udp_addr).await;
    // Without Content-Length, the body runs to the end of the datagram.
    let invite = phone.request("INVITE", 1, "a", "", &sdp("sendrecv"));
    let length = invite.lines().find(|line| line.starts_with("Content-Length")).unwrap();
    let invite = invite.replace(&format!("{length}\r\n"), "");
    phone.send(&invite).await;
    phone.until("SIP/2.0 180 ").await;
    phone.send(&invite).await;
    phone.until("SIP/2.0 180 ").await;
    let (interaction_id, media_leg_id) = edge.started().await;
    edge.effect(&Effect::AnswerCustomer { interaction_id, media_leg_id });
    let answer = phone.until("SIP/2.0 200 ").await;
    assert!(answer.contains("m=audio ") && answer.contains("a=sendrecv"), "{answer}");
    let tag = to_tag(&answer);
    // Our 200 is repeated until it is acknowledged (RFC 3261, 13.3.1.4).
    phone.until("SIP/2.0 200 ").await;
    phone.send(&phone.request("ACK", 1, "k", &tag, "")).await;
    let codec = "pcmu".to_owned();
    assert_eq!(edge.command().await, Command::CustomerConnected { interaction_id, codec });
    phone.send(&phone.request("INVITE", 2, "h", &tag, &sdp("sendonly"))).await;
    assert!(phone.until("SIP/2.0 200 OK").await.contains("a=recvonly"));
    phone.send(&phone.request("ACK", 2, "k2", &tag, "")).await;
    phone.send(&phone.request("BYE", 2, "old", &tag, "")).await;
    phone.until("SIP/2.0 500 ").await;
    edge.effect(&Effect::Release {
        interaction_id,
        media_leg_id,
        side: MediaSide::Customer,
        reason: ledgerline_routing_core::ReleaseReason::Done,
    });
    let bye = phone.until("BYE ").await;
    assert!(bye.contains(&format!("From: <sip:100@127.0.0.1>{tag}")), "{bye}");
    // Theirs crosses ours: both get a 200.
    phone.send(&phone.request("BYE", 3, "x", &tag, "")).await;
    phone.until("SIP/2.0 200 ").await;
    let Command::MediaLegEnded(ended) = edge.command().await else { panic!("no end") };
    assert_eq!((ended.released_by, ended.sip_status), (ReleaseSide::Local, 200));
    let headers: Vec<&str> = bye
        .lines()
        .filter(|l| ["Via", "From", "To", "Call-ID", "CSeq"].iter().any(|n| l.starts_with(n)))
        .collect();
    phone
        .send(&format!("SIP/2.0 200 OK\r\n{}\r\nContent-Length: 0\r\n\r\n", headers.join("\r\n")))
        .await;
    edge.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn legs_of_an_earlier_process_are_reported_as_lost() {
    let leg = LiveLeg {
        interaction_id: InteractionId::from_u128(1),
        media_leg_id: MediaLegId::from_u128(2),
        side: MediaSide::Agent,
    };
    let mut edge = Edge::start(Ok(()), vec![leg]).await;
    let Command::MediaLegEnded(ended) = edge.command().await else { panic!("no end") };
    assert_eq!((ended.media_leg_id, ended.side), (leg.media_leg_id, leg.side));
    assert_eq!(ended.released_by, ReleaseSide::Network);
    edge.stop().await;
}
