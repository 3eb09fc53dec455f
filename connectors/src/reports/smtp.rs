//! A mail handed to one relay: the few commands of RFC 5321 and RFC 4954 that this takes.
//!
//! Replies count by their code. Their text names recipients, so it goes nowhere.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ledgerline_access::outbound::{Secret, Undelivered};
use tokio::io::{
    AsyncBufReadExt as _, AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, BufReader,
};

/// Longest line of a reply, bytes.
const LINE_BYTES_MAX: u64 = 4_096;
/// Most lines of a reply.
const LINES_MAX: usize = 100;
/// Longest wait for a reply. A relay that scans what it takes may need minutes (RFC 5321, 4.5.3.2).
const REPLY_TIMEOUT: Duration = Duration::from_secs(120);

/// A connection to a relay.
pub(super) trait Wire: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Wire for T {}

/// What the relay says it can.
#[derive(Debug, Default)]
pub(super) struct Extensions(Vec<String>);

impl Extensions {
    /// The words behind a keyword, if the relay has it.
    pub(super) fn get(&self, keyword: &str) -> Option<&str> {
        self.0.iter().find_map(|line| {
            let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
            word.eq_ignore_ascii_case(keyword).then_some(rest)
        })
    }
}

/// One conversation.
pub(super) struct Session<S> {
    wire: BufReader<S>,
}

/// A code, and the text of its lines.
struct Reply {
    code: u16,
    lines: Vec<String>,
}

fn broken(_: std::io::Error) -> Undelivered {
    Undelivered::later("the connection to the relay broke")
}

fn unexpected(step: &str, code: u16) -> Undelivered {
    let reason = format!("the relay answered {code} to {step}");
    // 5xx is for good (RFC 5321, 4.2.1); what is no SMTP at all may be another server in the way.
    if (500..600).contains(&code) { Undelivered::never(reason) } else { Undelivered::later(reason) }
}

impl<S: Wire> Session<S> {
    pub(super) fn new(wire: S) -> Self {
        Self { wire: BufReader::new(wire) }
    }

    /// The bare connection. What the relay has sent ahead in clear is not taken into what comes encrypted.
    pub(super) fn into_wire(self) -> Result<S, Undelivered> {
        if !self.wire.buffer().is_empty() {
            return Err(Undelivered::later("the relay spoke out of turn before TLS"));
        }
        Ok(self.wire.into_inner())
    }

    async fn line(&mut self) -> Result<String, Undelivered> {
        let mut line = Vec::new();
        let mut limited = (&mut self.wire).take(LINE_BYTES_MAX);
        limited.read_until(b'\n', &mut line).await.map_err(broken)?;
        if line.last() != Some(&b'\n') {
            return Err(Undelivered::later("the relay hung up"));
        }
        Ok(String::from_utf8_lossy(&line).trim_end().to_owned())
    }

    async fn reply(&mut self) -> Result<Reply, Undelivered> {
        let reading = async {
            let mut lines = Vec::new();
            while lines.len() < LINES_MAX {
                let line = self.line().await?;
                let code = line.get(..3).and_then(|code| code.parse().ok());
                let Some(code) = code else {
                    return Err(Undelivered::later("the relay does not speak SMTP"));
                };
                lines.push(line.get(4..).unwrap_or_default().to_owned());
                if line.as_bytes().get(3) != Some(&b'-') {
                    return Ok(Reply { code, lines });
                }
            }
            Err(Undelivered::later("the relay does not come to an end"))
        };
        match tokio::time::timeout(REPLY_TIMEOUT, reading).await {
            Ok(reply) => reply,
            Err(_) => Err(Undelivered::later("the relay did not answer in time")),
        }
    }

    async fn send(&mut self, bytes: &[u8]) -> Result<(), Undelivered> {
        let sending = async {
            self.wire.write_all(bytes).await?;
            self.wire.flush().await
        };
        match tokio::time::timeout(REPLY_TIMEOUT, sending).await {
            Ok(sent) => sent.map_err(broken),
            Err(_) => Err(Undelivered::later("the relay takes nothing")),
        }
    }

    async fn command(&mut self, line: &str) -> Result<Reply, Undelivered> {
        self.send(format!("{line}\r\n").as_bytes()).await?;
        self.reply().await
    }

    async fn expect(&mut self, step: &str, line: &str, code: u16) -> Result<Reply, Undelivered> {
        let reply = self.command(line).await?;
        if reply.code == code { Ok(reply) } else { Err(unexpected(step, reply.code)) }
    }

    /// Waits for the greeting.
    pub(super) async fn greeting(&mut self) -> Result<(), Undelivered> {
        let reply = self.reply().await?;
        // A relay that turns away now may take it later.
        if reply.code == 220 {
            return Ok(());
        }
        Err(Undelivered::later(format!("the relay greeted with {}", reply.code)))
    }

    /// Says who is there.
    pub(super) async fn hello(&mut self, name: &str) -> Result<Extensions, Undelivered> {
        let reply = self.expect("EHLO", &format!("EHLO {name}"), 250).await?;
        Ok(Extensions(reply.lines.into_iter().skip(1).collect()))
    }

    /// Asks for TLS.
    pub(super) async fn start_tls(&mut self) -> Result<(), Undelivered> {
        self.expect("STARTTLS", "STARTTLS", 220).await.map(drop)
    }

    /// Logs in.
    pub(super) async fn log_in(
        &mut self,
        user: &str,
        password: &Secret,
    ) -> Result<(), Undelivered> {
        let mut plain = zeroize::Zeroizing::new(Vec::new());
        plain.extend_from_slice(b"\0");
        plain.extend_from_slice(user.as_bytes());
        plain.extend_from_slice(b"\0");
        plain.extend_from_slice(password.bytes());
        let line = zeroize::Zeroizing::new(format!("AUTH PLAIN {}", STANDARD.encode(&*plain)));
        self.expect("AUTH", &line, 235).await.map(drop)
    }

    /// Hands over a mail: how many recipients were refused for good, each with its place in the list and the code.
    ///
    /// A recipient that may be taken later holds back the whole mail: nobody gets it twice for that.
    pub(super) async fn mail(
        &mut self,
        from: &str,
        to: &[String],
        message: &[u8],
    ) -> Result<Vec<(usize, u16)>, Undelivered> {
        self.expect("MAIL FROM", &format!("MAIL FROM:<{from}>"), 250).await?;
        let mut refused = Vec::new();
        for (index, address) in to.iter().enumerate() {
            let reply = self.command(&format!("RCPT TO:<{address}>")).await?;
            match reply.code {
                250 | 251 => {}
                code @ 500..600 => refused.push((index, code)),
                code => return Err(unexpected("RCPT TO", code)),
            }
        }
        if refused.len() == to.len() {
            let code = refused.first().map_or(550, |(_, code)| *code);
            return Err(Undelivered::never(format!(
                "the relay refuses every recipient, the first with {code}"
            )));
        }
        self.expect("DATA", "DATA", 354).await?;
        self.send(&dotted(message)).await?;
        let reply = self.reply().await?;
        if reply.code != 250 {
            return Err(unexpected("the mail", reply.code));
        }
        Ok(refused)
    }

    /// Says good-bye; what comes of it changes nothing any more.
    pub(super) async fn quit(mut self) {
        let _ = self.send(b"QUIT\r\n").await;
    }
}

/// The message with the dot doubled at the begin of lines, and its end.
fn dotted(message: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(message.len() + 8);
    let mut begins = true;
    for byte in message {
        if begins && *byte == b'.' {
            out.push(b'.');
        }
        begins = *byte == b'\n';
        out.push(*byte);
    }
    if !out.ends_with(b"\r\n") {
        out.extend_from_slice(b"\r\n");
    }
    out.extend_from_slice(b".\r\n");
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dot_at_the_begin_of_a_line_does_not_end_the_mail() {
        for (message, expected) in [
            ("a\r\n", "a\r\n.\r\n"),
            ("a", "a\r\n.\r\n"),
            (".\r\n.b\r\nc.\r\n", "..\r\n..b\r\nc.\r\n.\r\n"),
        ] {
            assert_eq!(dotted(message.as_bytes()), expected.as_bytes(), "{message:?}");
        }
    }

    #[tokio::test]
    async fn what_is_no_smtp_or_has_no_end_is_told() {
        let endless = "250-more\r\n".repeat(LINES_MAX + 1);
        let long = "2".repeat(5_000);
        for (spoken, reason) in [
            ("HTTP/1.1 400 Bad Request\r\n", "does not speak SMTP"),
            ("220 cut", "hung up"),
            ("554 no\r\n", "greeted with 554"),
            (endless.as_str(), "come to an end"),
            (long.as_str(), "hung up"),
        ] {
            let (ours, theirs) = tokio::io::duplex(1 << 16);
            let mut theirs = theirs;
            theirs.write_all(spoken.as_bytes()).await.unwrap();
            drop(theirs);
            let failed = Session::new(ours).greeting().await.unwrap_err();
            assert!(failed.passes && failed.reason.contains(reason), "{failed:?}");
        }
    }
}
