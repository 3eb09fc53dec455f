//! Starts the edge, hands requests to their calls, and ends it in order.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::Duration;

use ledgerline_event_store::crypt::KeyRing;
use ledgerline_schemas::command::Command;
use ledgerline_schemas::envelope::Actor;
use ledgerline_schemas::event::media::{MediaLegEnded, ReleaseSide};
use tokio::net::{TcpListener, UdpSocket};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::config::VoiceConfig;
use super::customer;
use super::edge::{Door, Edge};
use super::effects;
use super::leg::LegIds;
use super::media::library::Library;
use super::media::ports::PortPool;
use super::media::ticker::Ticker;
use super::outbox::Outbox;
use super::port::{LiveLeg, VoiceDoor};
use super::refusals::Recorder;
use super::registry::{LegInput, Registry};
use super::sip::gate::Gate;
use super::sip::port::{Incoming, SipError};
use super::sip::stack::Stack;
use super::sip::{ALLOW, address};

/// How long shutdown waits for calls to end and facts to be recorded.
const GRACE: Duration = Duration::from_secs(5);

/// The edge did not start.
#[derive(Debug, thiserror::Error)]
pub enum VoiceError {
    /// An address could not be bound.
    #[error("sip address {address} over {transport} cannot be bound: {source}")]
    Bind {
        /// The address of the configuration.
        address: SocketAddr,
        /// `udp` or `tcp`.
        transport: &'static str,
        /// What the system says.
        source: std::io::Error,
    },
    /// Nobody takes commands.
    #[error("voice edge has no organization")]
    NoDoor,
    /// The stack did not start.
    #[error(transparent)]
    Sip(#[from] SipError),
}

/// A running edge.
#[derive(Debug)]
pub struct VoiceServer {
    /// Where SIP over UDP listens.
    pub udp_addr: SocketAddr,
    /// Where SIP over TCP listens.
    pub tcp_addr: SocketAddr,
    /// Ends when the shutdown is complete.
    pub join: JoinHandle<()>,
}

/// Starts the voice edge for these organizations.
///
/// A call goes to the first door that has its number. Refusals that belong to nobody are recorded with
/// the first door. When `shutdown` is cancelled no new call is taken, live ones end with BYE, their
/// facts are handed in, and `join` ends; the engines must live until then.
///
/// # Errors
/// If an address cannot be bound or there is no door.
pub async fn serve(
    config: VoiceConfig,
    doors: Vec<VoiceDoor>,
    keyring: KeyRing,
    shutdown: CancellationToken,
) -> Result<VoiceServer, VoiceError> {
    let bind = |address, transport| move |source| VoiceError::Bind { address, transport, source };
    let udp = UdpSocket::bind(config.bind_udp).await.map_err(bind(config.bind_udp, "udp"))?;
    let tcp = TcpListener::bind(config.bind_tcp).await.map_err(bind(config.bind_tcp, "tcp"))?;
    let bound = |source| VoiceError::Sip(SipError::Connection(source));
    let (udp_addr, tcp_addr) = (udp.local_addr().map_err(bound)?, tcp.local_addr().map_err(bound)?);
    let registry = Arc::new(Registry::default());
    let (refusals, refused) = unbounded_channel();
    let gate = Gate::new(config.allowed_sources.clone(), Arc::clone(&registry), refusals.clone());
    let stopped = CancellationToken::new();
    let (stack, incoming) =
        Stack::start(udp, tcp, config.public_ip, Arc::new(gate), stopped.clone()).await?;
    let (mut streams, mut closed_doors) = (Vec::new(), Vec::new());
    for VoiceDoor { org_id, commands, effects, numbers } in doors {
        streams.push(effects);
        closed_doors.push(Door { org_id, commands, numbers });
    }
    let first = closed_doors.first().cloned().ok_or(VoiceError::NoDoor)?;
    let edge = Arc::new(Edge {
        sip: stack,
        library: Library::new(config.media_dir.clone()),
        ports: PortPool::new(config.public_ip, config.rtp_ports.clone()),
        ticker: Ticker::start(stopped.clone()),
        doors: closed_doors,
        registry,
        keyring: keyring.clone(),
        refusals,
        tasks: TaskTracker::new(),
        draining: shutdown,
        calls: Arc::new(AtomicUsize::new(0)),
        config,
    });
    for door in &edge.doors {
        end_lost_legs(&edge, door).await;
    }
    for (door, effects) in edge.doors.iter().cloned().zip(streams) {
        tokio::spawn(effects::run(Arc::clone(&edge), door, effects, stopped.clone()));
    }
    let record_tasks = TaskTracker::new();
    let outbox = Outbox::new(first.commands, &record_tasks);
    let recorder = Recorder { org_id: first.org_id, outbox, keyring };
    record_tasks.spawn(recorder.run(refused, stopped.clone()));
    tokio::spawn(dispatch(Arc::clone(&edge), incoming));
    let join = tokio::spawn(end_in_order(edge, record_tasks, stopped));
    Ok(VoiceServer { udp_addr, tcp_addr, join })
}

/// Legs of an earlier process are gone; the routing state has to learn it.
async fn end_lost_legs(edge: &Edge, door: &Door) {
    let legs = match door.commands.live_legs().await {
        Ok(legs) => legs,
        Err(error) => {
            tracing::error!(org = %door.org_id, %error, "lost calls were not looked for");
            return;
        }
    };
    let outbox = edge.outbox(door);
    for LiveLeg { interaction_id, media_leg_id, side } in legs {
        let ids = LegIds { org_id: door.org_id, interaction_id, media_leg_id, side };
        let ended = Command::MediaLegEnded(MediaLegEnded {
            interaction_id,
            media_leg_id,
            side,
            released_by: ReleaseSide::Network,
            sip_status: 408,
            packets_received: 0,
            packets_sent: 0,
            packets_lost: 0,
        });
        outbox.push(ids.command("ended", Actor::system("voice"), None, ended));
    }
}

async fn end_in_order(edge: Arc<Edge>, record_tasks: TaskTracker, stopped: CancellationToken) {
    edge.draining.cancelled().await;
    edge.tasks.close();
    if tokio::time::timeout(GRACE, edge.tasks.wait()).await.is_err() {
        let legs = edge.registry.legs();
        tracing::warn!(legs, "calls or their facts were left behind at shutdown");
    }
    stopped.cancel();
    record_tasks.close();
    if tokio::time::timeout(GRACE, record_tasks.wait()).await.is_err() {
        tracing::warn!("refusals were left behind at shutdown");
    }
}

async fn dispatch(edge: Arc<Edge>, mut incoming: UnboundedReceiver<Incoming>) {
    while let Some(incoming) = incoming.recv().await {
        let request = &incoming.request;
        let to = request.headers.get("To").unwrap_or_default();
        match (address::tag(to), request.method.as_str()) {
            (Some(tag), _) => within_dialog(&edge, tag.to_owned(), incoming),
            (None, "INVITE") => {
                edge.tasks.spawn(customer::take(Arc::clone(&edge), incoming));
            }
            (None, "OPTIONS") => {
                let status = if edge.draining.is_cancelled() { 503 } else { 200 };
                let response = request.answer(status, Some(&customer::new_tag()));
                let response = response.with("Allow", ALLOW).with("Accept", "application/sdp");
                incoming.transaction.answer(response);
            }
            (None, _) => {
                let response = request.answer(481, Some(&customer::new_tag()));
                incoming.transaction.answer(response);
            }
        }
    }
}

fn within_dialog(edge: &Edge, tag: String, incoming: Incoming) {
    let call_id = incoming.request.headers.get("Call-ID").unwrap_or_default().to_owned();
    let unhandled = match edge.registry.dialog(&call_id, &tag) {
        Some(inbox) => match inbox.send(LegInput::Request(Box::new(incoming))) {
            Ok(()) => return,
            Err(returned) => match returned.0 {
                LegInput::Request(incoming) => *incoming,
                LegInput::Effect(_) => return,
            },
        },
        None => incoming,
    };
    let crossed = unhandled.request.method == "BYE" && edge.registry.is_retired(&call_id, &tag);
    let status = if crossed { 200 } else { 481 };
    unhandled.transaction.answer(unhandled.request.answer(status, None));
}
