//! The door in front of the stack: who may speak, is it sound, was it here before.

use std::collections::{BTreeMap, VecDeque};
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use ipnet::IpNet;
use ledgerline_schemas::event::media::RefusalReason;
use tokio::sync::mpsc::UnboundedSender;
use tokio::time::Instant;

use super::sanity::{Refused, Verdict, check};
use super::{Transport, address, message, stateless};
use crate::voice::registry::Registry;

/// How long a request is remembered to see its copies: 64 times T1.
const MERGE_WINDOW: Duration = Duration::from_secs(32);
/// Most requests remembered; beyond it the oldest are forgotten early.
const MERGE_MAX: usize = 65_536;

/// A refusal at the edge, to be recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Who asked.
    pub source: IpAddr,
    /// Number asked for, if readable.
    pub destination: Option<String>,
    /// Why it was refused.
    pub reason: RefusalReason,
    /// Status answered; 0 for silence.
    pub status: u16,
    /// What exactly; never holds text of the message.
    pub detail: &'static str,
}

/// What becomes of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Admission {
    /// Hand these bytes to the stack.
    Pass(Vec<u8>),
    /// Send these bytes there, and be done.
    Answer(Vec<u8>, SocketAddr),
    /// Be silent.
    Drop,
}

/// The door.
#[derive(Debug)]
pub struct Gate {
    allowed: Vec<IpNet>,
    registry: Arc<Registry>,
    refusals: UnboundedSender<Refusal>,
    recent: Mutex<Recent>,
}

#[derive(Debug, Default)]
struct Recent {
    branches: BTreeMap<String, String>,
    order: VecDeque<(Instant, String)>,
}

impl Gate {
    /// A door for these sources; none listed means loopback only.
    #[must_use]
    pub fn new(
        allowed: Vec<IpNet>,
        registry: Arc<Registry>,
        refusals: UnboundedSender<Refusal>,
    ) -> Self {
        Self { allowed, registry, refusals, recent: Mutex::default() }
    }

    /// True if requests of this source are heard.
    #[must_use]
    pub fn knows(&self, source: IpAddr) -> bool {
        if self.allowed.is_empty() {
            return source.is_loopback();
        }
        self.allowed.iter().any(|net| net.contains(&source))
    }

    /// Judges a message of the network.
    #[must_use]
    pub fn admit(&self, bytes: &[u8], source: SocketAddr, transport: Transport) -> Admission {
        let verdict = check(bytes, transport);
        if !self.knows(source.ip()) && !self.is_of_a_live_call(&verdict) {
            self.refuse(source, None, RefusalReason::NotAllowed, 0, "source is not allowed");
            return Admission::Drop;
        }
        match verdict {
            Verdict::Pass { bytes, head, method: Some(method) } => {
                if self.is_merged(&head, &method) {
                    let refused = Refused {
                        status: 482,
                        extra: Vec::new(),
                        reason: RefusalReason::Malformed,
                        detail: "the same request came on two ways",
                    };
                    return self.answer(&head, &refused, source);
                }
                Admission::Pass(bytes)
            }
            Verdict::Pass { bytes, method: None, .. } => Admission::Pass(bytes),
            Verdict::Answer { head, refused } => self.answer(&head, &refused, source),
            Verdict::Drop { detail } => {
                self.refuse(source, None, RefusalReason::Malformed, 0, detail);
                Admission::Drop
            }
        }
    }

    fn answer(&self, head: &message::Head, refused: &Refused, source: SocketAddr) -> Admission {
        let mut parts = head.start_line.split(' ');
        let method = parts.next().unwrap_or_default();
        let destination = parts.next().and_then(address::user);
        count_answer(method, refused.status);
        self.refuse(source, destination, refused.reason, refused.status, refused.detail);
        let (bytes, destination) = stateless::answer(head, refused, source);
        Admission::Answer(bytes, destination)
    }

    fn refuse(
        &self,
        source: SocketAddr,
        destination: Option<String>,
        reason: RefusalReason,
        status: u16,
        detail: &'static str,
    ) {
        let refusal = Refusal { source: source.ip(), destination, reason, status, detail };
        // The recorder ends after the door; what is refused in between is not worth keeping.
        let _ = self.refusals.send(refusal);
    }

    /// A phone we called is not on the list, but speaks within its call: answers, and requests whose
    /// Call-ID (ours, random) is alive.
    fn is_of_a_live_call(&self, verdict: &Verdict) -> bool {
        match verdict {
            Verdict::Pass { head, .. } => {
                head.headers.get("Call-ID").is_some_and(|call_id| self.registry.has_call(call_id))
            }
            _ => false,
        }
    }

    /// RFC 3261, 8.2.2.2: same Call-ID, From tag and CSeq outside a dialog, but another branch.
    fn is_merged(&self, head: &message::Head, method: &str) -> bool {
        let header = |name| head.headers.get(name).unwrap_or_default();
        if method == "ACK" || method == "CANCEL" || address::tag(header("To")).is_some() {
            return false;
        }
        let tag = address::tag(header("From")).unwrap_or_default();
        let key = [header("Call-ID"), tag, header("CSeq")].join("\n");
        let branch = address::via_parameter(header("Via"), "branch").unwrap_or_default();
        let mut recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        while recent.order.len() >= MERGE_MAX
            || recent.order.front().is_some_and(|(at, _)| now.duration_since(*at) > MERGE_WINDOW)
        {
            if let Some((_, old)) = recent.order.pop_front() {
                recent.branches.remove(&old);
            }
        }
        if let Some(known) = recent.branches.get(&key) {
            return known != branch;
        }
        recent.branches.insert(key.clone(), branch.to_owned());
        recent.order.push_back((now, key));
        false
    }
}

/// Counts an answer by method and status; foreign methods share one label.
pub(super) fn count_answer(method: &str, status: u16) {
    let method = match method {
        "INVITE" => "INVITE",
        "BYE" => "BYE",
        "OPTIONS" => "OPTIONS",
        "REGISTER" => "REGISTER",
        _ => "other",
    };
    metrics::counter!(
        "ledgerline_sip_requests_total",
        "method" => method,
        "status" => status.to_string()
    )
    .increment(1);
}

#[cfg(test)]
mod tests {
    use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

    use super::*;

    fn gate(allowed: &[&str]) -> (Gate, UnboundedReceiver<Refusal>) {
        let (sender, receiver) = unbounded_channel();
        let allowed = allowed.iter().map(|net| net.parse().unwrap()).collect();
        (Gate::new(allowed, Arc::new(Registry::default()), sender), receiver)
    }

    fn invite(branch: &str, call_id: &str) -> Vec<u8> {
        format!(
            "INVITE sip:100@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bK{branch}\r\n\
             Max-Forwards: 70\r\nTo: <sip:100@h>\r\nFrom: <sip:1@h>;tag=a\r\nCall-ID: {call_id}\r\n\
             CSeq: 1 INVITE\r\nContact: <sip:1@h>\r\n\r\n"
        )
        .into_bytes()
    }

    #[test]
    fn a_retransmission_passes_and_a_copy_on_another_way_gets_482() {
        let (gate, mut refusals) = gate(&[]);
        let source = "127.0.0.1:5060".parse().unwrap();
        let admit = |bytes: &[u8]| gate.admit(bytes, source, Transport::Udp);
        assert!(matches!(admit(&invite("1", "x")), Admission::Pass(_)));
        assert!(matches!(admit(&invite("1", "x")), Admission::Pass(_)));
        let Admission::Answer(bytes, _) = admit(&invite("2", "x")) else { panic!("not merged") };
        assert!(bytes.starts_with(b"SIP/2.0 482 "));
        assert!(matches!(admit(&invite("3", "y")), Admission::Pass(_)));
        assert_eq!(refusals.try_recv().unwrap().status, 482);
        assert!(refusals.try_recv().is_err());
    }

    #[test]
    fn strangers_get_silence_unless_their_call_is_alive() {
        let (gate, mut refusals) = gate(&["192.0.2.0/24"]);
        let stranger = "127.0.0.1:5060".parse().unwrap();
        let (sender, _receiver) = unbounded_channel();
        assert_eq!(gate.admit(&invite("1", "x"), stranger, Transport::Udp), Admission::Drop);
        assert_eq!(gate.admit(b"garbage", stranger, Transport::Udp), Admission::Drop);
        let known = refusals.try_recv().unwrap();
        assert_eq!((known.reason, known.status), (RefusalReason::NotAllowed, 0));
        gate.registry.add_dialog("x", "tag", sender);
        assert!(matches!(
            gate.admit(&invite("1", "x"), stranger, Transport::Udp),
            Admission::Pass(_)
        ));
        let trunk = "192.0.2.7:5060".parse().unwrap();
        assert!(matches!(gate.admit(&invite("1", "z"), trunk, Transport::Udp), Admission::Pass(_)));
    }
}
