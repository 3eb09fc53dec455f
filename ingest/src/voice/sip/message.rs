//! SIP messages as our dialogs see them: a start line, headers in order, a body.
//!
//! Parsing here is lexical only. Whether a message makes sense is the business of
//! [`super::sanity`], which runs on the same representation before the stack sees a byte.

use std::fmt::Write as _;

/// Headers in the order of the wire, compact names expanded.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Headers(Vec<(String, String)>);

impl Headers {
    /// Adds a header at the end.
    pub fn push(&mut self, name: &str, value: impl Into<String>) {
        self.0.push((expand(name), value.into()));
    }

    /// Adds a header in front of all others.
    pub fn push_front(&mut self, name: &str, value: impl Into<String>) {
        self.0.insert(0, (expand(name), value.into()));
    }

    /// The first value of a header.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| v.as_str())
    }

    /// Every value of a header, in order.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> + 'a {
        self.0.iter().filter(move |(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| v.as_str())
    }

    /// How often a header occurs.
    #[must_use]
    pub fn count(&self, name: &str) -> usize {
        self.all(name).count()
    }

    /// Replaces every occurrence by one.
    pub fn set(&mut self, name: &str, value: impl Into<String>) {
        self.0.retain(|(n, _)| !n.eq_ignore_ascii_case(name));
        self.push(name, value);
    }

    /// Number of header lines.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// True without any header.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn write(&self, body: &[u8]) -> String {
        let mut text = String::new();
        for (name, value) in self.0.iter().filter(|(n, _)| n != "Content-Length") {
            // Writing to a string cannot fail.
            let _ = write!(text, "{name}: {value}\r\n");
        }
        let _ = write!(text, "Content-Length: {}\r\n\r\n", body.len());
        text
    }
}

/// A request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// The method, upper case.
    pub method: String,
    /// The Request-URI.
    pub uri: String,
    /// The headers.
    pub headers: Headers,
    /// The body.
    pub body: Vec<u8>,
}

impl Request {
    /// A request without headers and body.
    #[must_use]
    pub fn new(method: &str, uri: &str) -> Self {
        Self {
            method: method.to_owned(),
            uri: uri.to_owned(),
            headers: Headers::default(),
            body: Vec::new(),
        }
    }

    /// The number in the CSeq header.
    #[must_use]
    pub fn cseq(&self) -> Option<u32> {
        self.headers.get("CSeq")?.split_ascii_whitespace().next()?.parse().ok()
    }

    /// The bytes of the wire. Content-Length is always written and always right.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = format!("{} {} SIP/2.0\r\n", self.method, self.uri).into_bytes();
        bytes.extend_from_slice(self.headers.write(&self.body).as_bytes());
        bytes.extend_from_slice(&self.body);
        bytes
    }

    /// An answer with the headers every answer copies. `tag` goes into To unless it has one.
    #[must_use]
    pub fn answer(&self, status: u16, tag: Option<&str>) -> Response {
        let mut headers = Headers::default();
        for name in ["Via", "From", "To", "Call-ID", "CSeq", "Record-Route"] {
            // A dialog is only made by 1xx and 2xx; other answers need no route.
            if name == "Record-Route" && status >= 300 {
                continue;
            }
            for value in self.headers.all(name) {
                match tag.filter(|_| name == "To" && super::address::tag(value).is_none()) {
                    Some(tag) => headers.push(name, format!("{value};tag={tag}")),
                    None => headers.push(name, value),
                }
            }
        }
        Response { status, reason: reason_phrase(status).to_owned(), headers, body: Vec::new() }
    }
}

/// An answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    /// The status, 100 to 699.
    pub status: u16,
    /// The reason phrase.
    pub reason: String,
    /// The headers.
    pub headers: Headers,
    /// The body.
    pub body: Vec<u8>,
}

impl Response {
    /// Adds a header.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push(name, value);
        self
    }

    /// Adds a session description.
    #[must_use]
    pub fn with_sdp(mut self, sdp: Vec<u8>) -> Self {
        self.headers.set("Content-Type", "application/sdp");
        self.body = sdp;
        self
    }

    /// The bytes of the wire.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = format!("SIP/2.0 {} {}\r\n", self.status, self.reason).into_bytes();
        bytes.extend_from_slice(self.headers.write(&self.body).as_bytes());
        bytes.extend_from_slice(&self.body);
        bytes
    }
}

/// The part of a message before its body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// The first line, without its line end.
    pub start_line: String,
    /// The headers.
    pub headers: Headers,
    /// Where the body begins, bytes.
    pub body_at: usize,
    /// True if a line was not `name: value`.
    pub broken_line: bool,
}

/// Where the empty line begins that ends the head.
#[must_use]
pub fn end_of_head(bytes: &[u8]) -> Option<usize> {
    bytes.windows(4).position(|window| window == b"\r\n\r\n")
}

/// Splits the head of a message into its lines; `None` without the empty line that ends it.
#[must_use]
pub fn parse_head(bytes: &[u8]) -> Option<Head> {
    let end = end_of_head(bytes)?;
    let text = String::from_utf8_lossy(bytes.get(..end)?);
    let mut lines = text.split("\r\n");
    let start_line = lines.next()?.to_owned();
    let mut headers = Headers::default();
    let mut broken_line = false;
    for line in lines {
        if line.starts_with([' ', '\t']) {
            match headers.0.last_mut() {
                Some((_, value)) => {
                    if !value.is_empty() {
                        value.push(' ');
                    }
                    value.push_str(line.trim());
                }
                None => broken_line = true,
            }
            continue;
        }
        match line.split_once(':') {
            Some((name, value)) if is_token(name.trim_end()) => {
                headers.push(name.trim_end(), value.trim());
            }
            _ => broken_line = true,
        }
    }
    Some(Head { start_line, headers, body_at: end + 4, broken_line })
}

/// True for a non-empty RFC 3261 token.
#[must_use]
pub fn is_token(text: &str) -> bool {
    !text.is_empty()
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-.!%*_+`'~".contains(&b))
}

fn expand(name: &str) -> String {
    let long = match name.to_ascii_lowercase().as_str() {
        "v" | "via" => "Via",
        "f" | "from" => "From",
        "t" | "to" => "To",
        "i" | "call-id" => "Call-ID",
        "m" | "contact" => "Contact",
        "l" | "content-length" => "Content-Length",
        "c" | "content-type" => "Content-Type",
        "e" | "content-encoding" => "Content-Encoding",
        "k" | "supported" => "Supported",
        "s" | "subject" => "Subject",
        "cseq" => "CSeq",
        _ => name,
    };
    long.to_owned()
}

/// The standard phrase of a status.
#[must_use]
pub fn reason_phrase(status: u16) -> &'static str {
    match status {
        100 => "Trying",
        180 => "Ringing",
        200 => "OK",
        400 => "Bad Request",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        408 => "Request Timeout",
        415 => "Unsupported Media Type",
        416 => "Unsupported URI Scheme",
        420 => "Bad Extension",
        480 => "Temporarily Unavailable",
        481 => "Call/Transaction Does Not Exist",
        482 => "Loop Detected",
        483 => "Too Many Hops",
        486 => "Busy Here",
        487 => "Request Terminated",
        488 => "Not Acceptable Here",
        491 => "Request Pending",
        500 => "Server Internal Error",
        501 => "Not Implemented",
        503 => "Service Unavailable",
        505 => "Version Not Supported",
        513 => "Message Too Large",
        _ => "Answer",
    }
}

/// Reads a request whose head the sanity layer has accepted.
#[must_use]
pub fn parse_request(bytes: &[u8]) -> Option<Request> {
    let head = parse_head(bytes)?;
    let mut parts = head.start_line.split(' ');
    let (method, uri) = (parts.next()?, parts.next()?);
    Some(Request {
        method: method.to_owned(),
        uri: uri.to_owned(),
        body: bytes.get(head.body_at..)?.to_vec(),
        headers: head.headers,
    })
}

/// Reads an answer.
#[must_use]
pub fn parse_response(bytes: &[u8]) -> Option<Response> {
    let head = parse_head(bytes)?;
    let mut parts = head.start_line.splitn(3, ' ');
    parts.next().filter(|version| version.eq_ignore_ascii_case("SIP/2.0"))?;
    let status = parts.next()?.parse().ok().filter(|status| (100..700).contains(status))?;
    Some(Response {
        status,
        reason: parts.next().unwrap_or_default().to_owned(),
        body: bytes.get(head.body_at..)?.to_vec(),
        headers: head.headers,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folded_lines_and_compact_names_are_read() {
        let bytes = b"OPTIONS sip:a@b SIP/2.0\r\nv: SIP/2.0/UDP h\r\n ;branch=z9hG4bK1\r\nSubject : x\r\n\r\nbody";
        let head = parse_head(bytes).unwrap();
        assert_eq!(head.headers.get("Via"), Some("SIP/2.0/UDP h ;branch=z9hG4bK1"));
        assert_eq!(head.headers.get("subject"), Some("x"));
        assert_eq!(&bytes[head.body_at..], b"body");
        assert!(!head.broken_line);
    }

    #[test]
    fn content_length_is_always_the_length_of_the_body() {
        let mut request = Request::new("INVITE", "sip:a@b");
        request.headers.push("Content-Length", "999");
        request.body = b"abc".to_vec();
        let text = String::from_utf8(request.to_bytes()).unwrap();
        assert_eq!(text.matches("Content-Length").count(), 1);
        assert!(text.ends_with("Content-Length: 3\r\n\r\nabc"), "{text}");
    }

    #[test]
    fn an_answer_tags_only_an_untagged_to() {
        let mut request = Request::new("BYE", "sip:a@b");
        request.headers.push("To", "<sip:a@b>;tag=old");
        assert_eq!(request.answer(200, Some("new")).headers.get("To"), Some("<sip:a@b>;tag=old"));
        request.headers.set("To", "<sip:a@b>");
        assert_eq!(request.answer(200, Some("new")).headers.get("To"), Some("<sip:a@b>;tag=new"));
    }
}
