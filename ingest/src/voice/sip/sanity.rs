//! Is this message worth a transaction? Checked on the raw bytes, before the stack.
//!
//! The stack's parser is lenient by design: it accepts conflicting lengths, unbalanced quotes and
//! foreign schemes, loses bodies without Content-Length and drops unknown methods in silence. Every
//! rule here names the answer RFC 3261 asks for (400 where it leaves the choice). Messages of the
//! obsolete RFC 2543 (no From tag, no branch cookie, no Max-Forwards) are refused with 400.

use ledgerline_schemas::event::media::RefusalReason;

use super::address;
use super::message::{Head, is_token, parse_head};
use super::{ALLOW, Transport};

/// Most header lines of one message.
pub const HEADERS_MAX: usize = 96;
/// Longest head of one message, bytes.
pub const HEAD_BYTES_MAX: usize = 6 << 10;
/// Longest message, bytes: what the stack's receive buffer holds, less a Content-Length to add.
pub const MESSAGE_BYTES_MAX: usize = (8 << 10) - 64;

const COOKIE: &str = "z9hG4bK";
const CARRIED: [&str; 5] = ["INVITE", "ACK", "CANCEL", "BYE", "OPTIONS"];
const KNOWN: [&str; 9] =
    ["REGISTER", "SUBSCRIBE", "NOTIFY", "PUBLISH", "REFER", "INFO", "UPDATE", "PRACK", "MESSAGE"];

/// A request refused before it became a transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// The status to answer.
    pub status: u16,
    /// Headers the answer needs beside the copied ones.
    pub extra: Vec<(&'static str, String)>,
    /// The kind to record.
    pub reason: RefusalReason,
    /// What is wrong; never holds text of the message.
    pub detail: &'static str,
}

/// What to do with a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Hand these bytes to the stack; Content-Length is there and right.
    Pass {
        /// The message.
        bytes: Vec<u8>,
        /// Its head.
        head: Head,
        /// The method of a request, `None` for an answer.
        method: Option<String>,
    },
    /// Answer without a transaction.
    Answer {
        /// Its head, to copy from.
        head: Head,
        /// The answer.
        refused: Refused,
    },
    /// Nothing can be answered (no way back, an ACK, an answer that is broken).
    Drop {
        /// Why; never holds text of the message.
        detail: &'static str,
    },
}

/// Judges one message: a datagram, or a frame of a stream.
#[must_use]
pub fn check(bytes: &[u8], transport: Transport) -> Verdict {
    let Some(head) = parse_head(bytes) else {
        return Verdict::Drop { detail: "no empty line ends the headers" };
    };
    if head.start_line.starts_with("SIP/") {
        return check_response(bytes, head, transport);
    }
    match check_request(bytes, &head, transport) {
        Ok(()) => {
            let method = head.start_line.split(' ').next().map(str::to_owned);
            Verdict::Pass { bytes: with_length(bytes, &head), head, method }
        }
        // An ACK is never answered, and without a Via there is no way back.
        Err(refused)
            if head.start_line.starts_with("ACK ") || head.headers.get("Via").is_none() =>
        {
            Verdict::Drop { detail: refused.detail }
        }
        Err(refused) => Verdict::Answer { head, refused },
    }
}

fn check_response(bytes: &[u8], head: Head, transport: Transport) -> Verdict {
    let mut parts = head.start_line.splitn(3, ' ');
    let version_fits = parts.next().is_some_and(|v| v.eq_ignore_ascii_case("SIP/2.0"));
    let status_fits = parts
        .next()
        .is_some_and(|s| s.len() == 3 && s.parse().is_ok_and(|s: u16| (100..700).contains(&s)));
    let headers_fit = ["From", "To", "Call-ID", "CSeq"].iter().all(|n| head.headers.count(n) == 1)
        && head.headers.get("Via").is_some();
    if !version_fits || !status_fits || !headers_fit || head.broken_line {
        return Verdict::Drop { detail: "broken answer" };
    }
    match body_length(bytes, &head, transport) {
        Ok(()) => Verdict::Pass { bytes: with_length(bytes, &head), head, method: None },
        Err(refused) => Verdict::Drop { detail: refused.detail },
    }
}

fn bad(detail: &'static str) -> Refused {
    Refused { status: 400, extra: Vec::new(), reason: RefusalReason::Malformed, detail }
}

fn unsupported(status: u16, extra: Vec<(&'static str, String)>, detail: &'static str) -> Refused {
    Refused { status, extra, reason: RefusalReason::Unsupported, detail }
}

fn check_request(bytes: &[u8], head: &Head, transport: Transport) -> Result<(), Refused> {
    if head.body_at > HEAD_BYTES_MAX
        || bytes.len() > MESSAGE_BYTES_MAX
        || head.headers.len() > HEADERS_MAX
    {
        return Err(unsupported(513, Vec::new(), "message larger than the limit"));
    }
    let method = start_line(&head.start_line)?;
    if head.broken_line {
        return Err(bad("a header line without a name and a colon"));
    }
    once_each(head)?;
    addresses(head)?;
    sequence(head, method)?;
    via(head)?;
    body_length(bytes, head, transport)?;
    if !CARRIED.contains(&method) {
        return Err(if KNOWN.contains(&method) {
            unsupported(405, vec![("Allow", ALLOW.to_owned())], "method not carried out here")
        } else {
            unsupported(501, vec![("Allow", ALLOW.to_owned())], "unknown method")
        });
    }
    extensions(head, method)?;
    content(bytes, head, method)
}

fn start_line(line: &str) -> Result<&str, Refused> {
    let mut parts = line.split(' ');
    let (Some(method), Some(uri), Some(version), None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Err(bad("start line is not method, URI and version with single spaces"));
    };
    if !is_token(method) {
        return Err(bad("method is not a token"));
    }
    if !version.get(..4).is_some_and(|name| name.eq_ignore_ascii_case("SIP/")) {
        return Err(bad("start line has no SIP version"));
    }
    if !version.eq_ignore_ascii_case("SIP/2.0") {
        return Err(unsupported(505, Vec::new(), "version is not SIP/2.0"));
    }
    request_uri(uri)?;
    Ok(method)
}

fn request_uri(uri: &str) -> Result<(), Refused> {
    if uri.contains(['<', '>', '"', '\t']) || uri.chars().any(|c| !c.is_ascii_graphic()) {
        return Err(bad("Request-URI holds brackets, quotes or white space"));
    }
    let Some((scheme, rest)) = uri.split_once(':').filter(|(_, rest)| !rest.is_empty()) else {
        return Err(bad("Request-URI has no scheme"));
    };
    let scheme = scheme.to_ascii_lowercase();
    if !["sip", "sips", "tel"].contains(&scheme.as_str()) {
        return Err(unsupported(416, Vec::new(), "URI scheme is not sip, sips or tel"));
    }
    if uri.contains('?') {
        return Err(bad("Request-URI carries headers"));
    }
    let mut bytes = rest.bytes();
    while let Some(byte) = bytes.next() {
        let mut hex = || bytes.next().is_some_and(|b| b.is_ascii_hexdigit());
        if byte == b'%' && !(hex() && hex()) {
            return Err(bad("Request-URI has a broken escape"));
        }
    }
    if scheme != "tel" && !host_is_sound(uri) {
        return Err(bad("Request-URI has no sound host and port"));
    }
    Ok(())
}

fn host_is_sound(uri: &str) -> bool {
    let Some((host, _)) = address::host_port(uri) else { return false };
    let bracketed = uri.contains('[');
    if bracketed || host.contains(':') {
        return bracketed && host.parse::<std::net::Ipv6Addr>().is_ok();
    }
    !host.is_empty() && host.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._".contains(&b))
}

fn once_each(head: &Head) -> Result<(), Refused> {
    for (name, detail) in [
        ("To", "To is not there exactly once"),
        ("From", "From is not there exactly once"),
        ("Call-ID", "Call-ID is not there exactly once"),
        ("CSeq", "CSeq is not there exactly once"),
        ("Max-Forwards", "Max-Forwards is not there exactly once"),
    ] {
        if head.headers.count(name) != 1 {
            return Err(bad(detail));
        }
    }
    if head.headers.get("Via").is_none() {
        return Err(bad("Via is missing"));
    }
    let call_id = head.headers.get("Call-ID").unwrap_or_default();
    if call_id.is_empty() || call_id.contains([' ', '\t']) {
        return Err(bad("Call-ID is empty or not one word"));
    }
    Ok(())
}

fn addresses(head: &Head) -> Result<(), Refused> {
    for name in ["From", "To", "Contact", "Route", "Record-Route"] {
        for value in head.headers.all(name) {
            if !address::is_balanced(value) {
                return Err(bad("quotes or angle brackets of an address do not pair up"));
            }
            let star = name == "Contact" && value == "*";
            if !star && address::uri(value).split_once(':').is_none() {
                return Err(bad("an address has no URI"));
            }
        }
    }
    let from = head.headers.get("From").unwrap_or_default();
    if address::tag(from).is_none() {
        return Err(bad("From has no tag"));
    }
    Ok(())
}

fn sequence(head: &Head, method: &str) -> Result<(), Refused> {
    let cseq = head.headers.get("CSeq").unwrap_or_default();
    let mut parts = cseq.split_ascii_whitespace();
    let number = parts.next().filter(|n| n.bytes().all(|b| b.is_ascii_digit()));
    if number.and_then(|n| n.parse::<u32>().ok()).is_none_or(|n| n >= 1 << 31) {
        return Err(bad("CSeq is not a number below 2^31"));
    }
    if parts.next() != Some(method) || parts.next().is_some() {
        return Err(bad("CSeq does not repeat the method"));
    }
    let hops = head.headers.get("Max-Forwards").unwrap_or_default();
    match hops.parse::<u8>() {
        Err(_) => Err(bad("Max-Forwards is not a number from 0 to 255")),
        Ok(0) => Err(unsupported(483, Vec::new(), "Max-Forwards is used up")),
        Ok(_) => Ok(()),
    }
}

fn via(head: &Head) -> Result<(), Refused> {
    let top = head.headers.get("Via").unwrap_or_default();
    let mut parts = top.split(';').next().unwrap_or_default().split_ascii_whitespace();
    let protocol = parts.next().unwrap_or_default().to_ascii_uppercase();
    if !protocol.starts_with("SIP/2.0/") || parts.next().is_none() {
        return Err(bad("Via is not a protocol and an address"));
    }
    match address::via_parameter(top, "branch") {
        Some(branch) if branch.len() > COOKIE.len() && branch.starts_with(COOKIE) => Ok(()),
        _ => Err(bad("Via branch is not the cookie and a value")),
    }
}

fn body_length(bytes: &[u8], head: &Head, transport: Transport) -> Result<(), Refused> {
    let available = bytes.len().saturating_sub(head.body_at);
    if head.headers.count("Content-Length") > 1 {
        return Err(bad("Content-Length is there more than once"));
    }
    let Some(value) = head.headers.get("Content-Length") else {
        return match transport {
            // RFC 3261, 18.3: over UDP the body then runs to the end of the datagram.
            Transport::Udp => Ok(()),
            Transport::Tcp => Err(bad("Content-Length is missing on a stream")),
        };
    };
    let length = value.bytes().all(|b| b.is_ascii_digit()).then(|| value.parse::<usize>());
    match length {
        Some(Ok(length)) if length <= available => Ok(()),
        Some(Ok(_)) => Err(bad("Content-Length is larger than the message")),
        _ => Err(bad("Content-Length is not a number")),
    }
}

fn extensions(head: &Head, method: &str) -> Result<(), Refused> {
    // RFC 3261, 8.2.2.3: Require is ignored in CANCEL and ACK.
    if method == "ACK" || method == "CANCEL" {
        return Ok(());
    }
    let required: Vec<&str> = head
        .headers
        .all("Require")
        .chain(head.headers.all("Proxy-Require"))
        .flat_map(|value| value.split(','))
        .map(str::trim)
        .filter(|tag| is_token(tag))
        .collect();
    if required.is_empty() {
        return Ok(());
    }
    let extra = vec![("Unsupported", required.join(", "))];
    Err(unsupported(420, extra, "an extension is required that is not supported"))
}

fn content(bytes: &[u8], head: &Head, method: &str) -> Result<(), Refused> {
    let body = usable_body(bytes, head);
    if method == "INVITE" && head.headers.count("Contact") != 1 {
        return Err(bad("INVITE without exactly one Contact"));
    }
    if body.is_empty() || method == "BYE" || method == "CANCEL" {
        return Ok(());
    }
    let encoding = head.headers.get("Content-Encoding").unwrap_or("identity");
    if !encoding.eq_ignore_ascii_case("identity") {
        let extra = vec![("Accept-Encoding", "identity".to_owned())];
        return Err(unsupported(415, extra, "body is encoded"));
    }
    let kind = head.headers.get("Content-Type").unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim();
    if !kind.eq_ignore_ascii_case("application/sdp") {
        let extra = vec![("Accept", "application/sdp".to_owned())];
        return Err(unsupported(415, extra, "body is not a session description"));
    }
    Ok(())
}

fn usable_body<'a>(bytes: &'a [u8], head: &Head) -> &'a [u8] {
    let body = bytes.get(head.body_at..).unwrap_or_default();
    let length = head.headers.get("Content-Length").and_then(|value| value.parse().ok());
    body.get(..length.unwrap_or(body.len())).unwrap_or(body)
}

/// The message with a Content-Length, cut to it: the stack takes a missing one for zero.
fn with_length(bytes: &[u8], head: &Head) -> Vec<u8> {
    let body = usable_body(bytes, head);
    let start = bytes.get(..head.body_at).unwrap_or_default();
    if head.headers.get("Content-Length").is_some() {
        return [start, body].concat();
    }
    let headers = start.get(..start.len().saturating_sub(2)).unwrap_or_default();
    let line = format!("Content-Length: {}\r\n\r\n", body.len());
    [headers, line.as_bytes(), body].concat()
}
