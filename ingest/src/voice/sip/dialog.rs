//! Dialogs (RFC 3261, section 12): who talks to whom under which tags, routes and numbers.

use super::address;
use super::message::{Headers, Request, Response};
use super::port::Flow;

/// One dialog, seen from our side.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dialog {
    /// The Call-ID.
    pub call_id: String,
    /// Our tag.
    pub local_tag: String,
    /// The way the far end came, or was reached.
    pub flow: Option<Flow>,
    local: String,
    remote: String,
    remote_target: String,
    routes: Vec<String>,
    local_sequence: u32,
    remote_sequence: Option<u32>,
}

impl Dialog {
    /// The dialog that our 2xx to an INVITE makes; `None` if the INVITE lacks what it needs.
    #[must_use]
    pub fn of_server(invite: &Request, local_tag: &str, flow: Flow) -> Option<Self> {
        Some(Self {
            call_id: invite.headers.get("Call-ID")?.to_owned(),
            local_tag: local_tag.to_owned(),
            flow: Some(flow),
            local: format!("{};tag={local_tag}", invite.headers.get("To")?),
            remote: invite.headers.get("From")?.to_owned(),
            remote_target: address::uri(invite.headers.get("Contact")?).to_owned(),
            routes: record_route(&invite.headers),
            local_sequence: 0,
            remote_sequence: invite.cseq(),
        })
    }

    /// The dialog that a 2xx to our INVITE makes; `None` if it lacks what it needs.
    #[must_use]
    pub fn of_client(invite: &Request, response: &Response, flow: Option<Flow>) -> Option<Self> {
        let local = invite.headers.get("From")?;
        let mut routes = record_route(&response.headers);
        routes.reverse();
        Some(Self {
            call_id: invite.headers.get("Call-ID")?.to_owned(),
            local_tag: address::tag(local)?.to_owned(),
            flow,
            local: local.to_owned(),
            remote: response.headers.get("To")?.to_owned(),
            remote_target: address::uri(response.headers.get("Contact")?).to_owned(),
            routes,
            local_sequence: invite.cseq()?,
            remote_sequence: None,
        })
    }

    /// The next request of this dialog.
    pub fn request(&mut self, method: &str) -> Request {
        self.local_sequence += 1;
        let mut request = Request::new(method, &self.remote_target);
        for route in &self.routes {
            request.headers.push("Route", route.clone());
        }
        request.headers.push("From", self.local.clone());
        request.headers.push("To", self.remote.clone());
        request.headers.push("Call-ID", self.call_id.clone());
        request.headers.push("CSeq", format!("{} {method}", self.local_sequence));
        request
    }

    /// Takes a request of the far end; false if its number is not higher than the last one's.
    pub fn accept(&mut self, request: &Request) -> bool {
        let Some(number) = request.cseq() else { return false };
        if self.remote_sequence.is_some_and(|last| number <= last) {
            return false;
        }
        self.remote_sequence = Some(number);
        // Only a target refresh may move the target (RFC 3261, 12.2.2).
        if request.method == "INVITE"
            && let Some(contact) = request.headers.get("Contact")
        {
            address::uri(contact).clone_into(&mut self.remote_target);
        }
        true
    }

    /// True if both dialogs are with the same far end.
    #[must_use]
    pub fn has_same_peer(&self, other: &Self) -> bool {
        address::tag(&self.remote) == address::tag(&other.remote)
    }

    /// True if the far end's tag in a request is the one of this dialog.
    #[must_use]
    pub fn is_from_peer(&self, request: &Request) -> bool {
        let from = request.headers.get("From").and_then(address::tag);
        from.is_some() && from == address::tag(&self.remote)
    }
}

fn record_route(headers: &Headers) -> Vec<String> {
    headers
        .all("Record-Route")
        .flat_map(|value| value.split(','))
        .map(|route| route.trim().to_owned())
        .filter(|route| !route.is_empty())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::Transport;
    use super::*;

    fn invite() -> Request {
        let mut request = Request::new("INVITE", "sip:100@edge");
        for (name, value) in [
            ("Record-Route", "<sip:p2;lr>, <sip:p1;lr>"),
            ("From", "<sip:1@h>;tag=far"),
            ("To", "<sip:100@edge>"),
            ("Call-ID", "c"),
            ("CSeq", "7 INVITE"),
            ("Contact", "<sip:1@10.0.0.1:5070>"),
        ] {
            request.headers.push(name, value);
        }
        request
    }

    #[test]
    fn a_server_dialog_answers_along_the_recorded_way() {
        let flow = Flow { transport: Transport::Udp, peer: "127.0.0.1:1".parse().unwrap() };
        let mut dialog = Dialog::of_server(&invite(), "near", flow).unwrap();
        let bye = dialog.request("BYE");
        assert_eq!(bye.uri, "sip:1@10.0.0.1:5070");
        assert_eq!(bye.headers.all("Route").collect::<Vec<_>>(), ["<sip:p2;lr>", "<sip:p1;lr>"]);
        assert_eq!(bye.headers.get("From"), Some("<sip:100@edge>;tag=near"));
        assert_eq!(bye.headers.get("To"), Some("<sip:1@h>;tag=far"));
        let mut again = invite();
        assert!(dialog.is_from_peer(&again));
        assert!(!dialog.accept(&again), "the same number is not new");
        again.headers.set("CSeq", "8 INVITE");
        again.headers.set("Contact", "<sip:1@10.0.0.2>");
        assert!(dialog.accept(&again));
        assert_eq!(dialog.request("BYE").uri, "sip:1@10.0.0.2");
    }

    #[test]
    fn a_client_dialog_turns_the_route_around() {
        let mut sent = Request::new("INVITE", "sip:2@h");
        sent.headers.push("From", "<sip:q@edge>;tag=near");
        sent.headers.push("Call-ID", "c");
        sent.headers.push("CSeq", "1 INVITE");
        let mut response = sent.answer(200, None);
        response.headers.set("To", "<sip:2@h>;tag=far");
        response.headers.push("Contact", "<sip:2@10.0.0.9>");
        response.headers.push("Record-Route", "<sip:p2;lr>");
        response.headers.push("Record-Route", "<sip:p1;lr>");
        let mut dialog = Dialog::of_client(&sent, &response, None).unwrap();
        let bye = dialog.request("BYE");
        assert_eq!(bye.headers.get("CSeq"), Some("2 BYE"));
        assert_eq!(bye.headers.all("Route").collect::<Vec<_>>(), ["<sip:p1;lr>", "<sip:p2;lr>"]);
    }
}
