//! Answers without a transaction: for requests that the stack never sees.

use std::net::{IpAddr, SocketAddr};

use ledgerline_schemas::id::{NAMESPACE, derive_id};

use super::address;
use super::message::{Head, Headers, Response, reason_phrase};
use super::sanity::Refused;

/// Builds the answer and says where it goes.
///
/// The To tag is derived from the request, so that a retransmission is answered with the same tag
/// although nothing is remembered (RFC 3261, 8.2.7).
#[must_use]
pub fn answer(head: &Head, refused: &Refused, source: SocketAddr) -> (Vec<u8>, SocketAddr) {
    let mut headers = Headers::default();
    let mut destination = source;
    for (index, via) in head.headers.all("Via").enumerate() {
        if index == 0 {
            headers.push("Via", received(via, source));
            // Without rport the answer goes to the port the sender named (RFC 3261, 18.2.2).
            if address::via_parameter(via, "rport").is_none() {
                destination.set_port(sent_by_port(via));
            }
        } else {
            headers.push("Via", via);
        }
    }
    for name in ["From", "To", "Call-ID", "CSeq"] {
        if let Some(value) = head.headers.get(name) {
            if name == "To" && address::tag(value).is_none() {
                headers.push(name, format!("{value};tag={}", derived_tag(head)));
            } else {
                headers.push(name, value);
            }
        }
    }
    for (name, value) in &refused.extra {
        headers.push(name, value.clone());
    }
    let reason = reason_phrase(refused.status).to_owned();
    let response = Response { status: refused.status, reason, headers, body: Vec::new() };
    (response.to_bytes(), destination)
}

fn derived_tag(head: &Head) -> String {
    let parts = ["Call-ID", "From", "CSeq"].map(|name| head.headers.get(name).unwrap_or_default());
    derive_id(NAMESPACE, &parts.join("\n")).simple().to_string()
}

fn received(via: &str, source: SocketAddr) -> String {
    let (first, others) = via.split_once(',').map_or((via, None), |(a, b)| (a, Some(b)));
    let kept = first.split(';').map(str::trim).filter(|parameter| {
        let name = parameter.split('=').next().unwrap_or_default();
        !name.eq_ignore_ascii_case("rport") && !name.eq_ignore_ascii_case("received")
    });
    let mut text = kept.collect::<Vec<_>>().join(";");
    match source.ip() {
        IpAddr::V4(ip) => text.push_str(&format!(";received={ip}")),
        IpAddr::V6(ip) => text.push_str(&format!(";received=[{ip}]")),
    }
    if address::via_parameter(via, "rport").is_some() {
        text.push_str(&format!(";rport={}", source.port()));
    }
    if let Some(others) = others {
        text.push(',');
        text.push_str(others);
    }
    text
}

fn sent_by_port(via: &str) -> u16 {
    let sent_by = via.split([';', ',']).next().unwrap_or_default();
    let host = sent_by.split_ascii_whitespace().nth(1).unwrap_or_default();
    let after_address = host.rsplit_once(']').map_or(host, |(_, rest)| rest);
    after_address.rsplit_once(':').and_then(|(_, port)| port.parse().ok()).unwrap_or(5060)
}

#[cfg(test)]
mod tests {
    use ledgerline_schemas::event::media::RefusalReason;

    use super::*;
    use crate::voice::sip::message::parse_head;

    fn refused() -> Refused {
        Refused { status: 400, extra: Vec::new(), reason: RefusalReason::Malformed, detail: "x" }
    }

    #[test]
    fn goes_back_by_rport_or_by_sent_by_with_a_stable_tag() {
        let source: SocketAddr = "127.0.0.9:4321".parse().unwrap();
        for (via, port, expected) in [
            ("SIP/2.0/UDP h:7777;branch=z9hG4bK1;rport", 4321, ";rport=4321"),
            ("SIP/2.0/UDP h:7777;branch=z9hG4bK1", 7777, ";received=127.0.0.9"),
            ("SIP/2.0/UDP h;branch=z9hG4bK1", 5060, ";received=127.0.0.9"),
        ] {
            let text = format!(
                "INVITE sip:a@b SIP/2.0\r\nVia: {via}\r\nTo: <sip:a@b>\r\nFrom: <sip:c@d>;tag=1\r\n\
                 Call-ID: q\r\nCSeq: 1 INVITE\r\n\r\n"
            );
            let head = parse_head(text.as_bytes()).unwrap();
            let (bytes, destination) = answer(&head, &refused(), source);
            assert_eq!(destination.port(), port, "{via}");
            let answer_text = String::from_utf8(bytes.clone()).unwrap();
            assert!(answer_text.starts_with("SIP/2.0 400 Bad Request\r\n"));
            assert!(answer_text.contains(expected), "{answer_text}");
            assert_eq!(bytes, answer(&head, &refused(), source).0);
        }
    }
}
