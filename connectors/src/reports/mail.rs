//! Delivery as a mail with the file attached, over the relay of the settings.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ledgerline_access::outbound::{Secret, Undelivered};
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use serde::Deserialize;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::due::utc;
use super::parcel::Parcel;
use super::smtp::{Session, Wire};

/// Longest time to connect, TLS included.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(20);
/// Bytes of a line of base64 before it is coded: 76 characters.
const CODED_LINE: usize = 57;

/// How the connection to the relay is protected.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Security {
    /// In clear until STARTTLS, which has to be offered.
    #[default]
    StartTls,
    /// TLS from the first byte.
    Tls,
    /// Not at all: only to a relay on this machine.
    None,
}

/// Whether a relay is on this machine, by its name alone.
#[must_use]
pub fn is_local(host: &str) -> bool {
    host.eq_ignore_ascii_case("localhost")
        || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// Sends reports by mail.
#[derive(Clone, Debug)]
pub struct MailChannel {
    /// The relay's name.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// How the connection is protected.
    pub security: Security,
    /// User and password, if the relay wants a log-in.
    pub login: Option<(String, Secret)>,
    /// Address that mails come from.
    pub from: String,
    /// Addresses by name.
    pub recipients: BTreeMap<String, String>,
    /// Largest file, bytes.
    pub bytes_max: u64,
    /// Whom TLS trusts.
    pub tls: Arc<ClientConfig>,
}

impl MailChannel {
    /// Hands a mail to the relay; the names of the recipients.
    ///
    /// # Errors
    /// [`Undelivered`].
    pub async fn deliver(
        &self,
        parcel: &Parcel,
        to: &[String],
        subject: &str,
    ) -> Result<String, Undelivered> {
        let size = u64::try_from(parcel.artifact.bytes.len()).unwrap_or(u64::MAX);
        if size > self.bytes_max {
            return Err(Undelivered::never(format!(
                "the file has {size} bytes, a mail takes {}",
                self.bytes_max
            )));
        }
        let mut addresses = Vec::new();
        for name in to {
            let address = self.recipients.get(name).ok_or_else(|| {
                Undelivered::never(format!("reports.mail.recipients.{name} is not in the settings"))
            })?;
            addresses.push(address.clone());
        }
        let message =
            message(parcel, &self.from, &addresses, subject).map_err(Undelivered::never)?;
        let refused = self.converse(&addresses, message.as_bytes()).await?;
        let told = to.iter().enumerate().map(|(index, name)| {
            match refused.iter().find(|(at, _)| *at == index) {
                Some((_, code)) => format!("{name} (refused: {code})"),
                None => name.clone(),
            }
        });
        Ok(told.collect::<Vec<_>>().join(", "))
    }

    async fn converse(
        &self,
        to: &[String],
        message: &[u8],
    ) -> Result<Vec<(usize, u16)>, Undelivered> {
        let connecting = async {
            let stream = TcpStream::connect((self.host.as_str(), self.port))
                .await
                .map_err(|_| Undelivered::later("the relay cannot be reached"))?;
            let wire: Box<dyn Wire> = match self.security {
                Security::Tls => Box::new(self.encrypted(stream).await?),
                Security::StartTls => {
                    let mut session = Session::new(stream);
                    session.greeting().await?;
                    let offers = session.hello(self.own_name()).await?;
                    if offers.get("STARTTLS").is_none() {
                        return Err(Undelivered::later(
                            "the relay offers no TLS, and mail is not sent in clear",
                        ));
                    }
                    session.start_tls().await?;
                    Box::new(self.encrypted(session.into_wire()?).await?)
                }
                Security::None => {
                    let is_local = stream.peer_addr().is_ok_and(|peer| peer.ip().is_loopback());
                    if !is_local {
                        return Err(Undelivered::never(
                            "a relay without TLS is not on this machine",
                        ));
                    }
                    Box::new(stream)
                }
            };
            Ok(Session::new(wire))
        };
        let mut session = match tokio::time::timeout(CONNECT_TIMEOUT, connecting).await {
            Ok(session) => session?,
            Err(_) => return Err(Undelivered::later("the relay cannot be reached in time")),
        };
        if self.security != Security::StartTls {
            session.greeting().await?;
        }
        let offers = session.hello(self.own_name()).await?;
        if let Some(limit) = offers.get("SIZE").and_then(|size| size.trim().parse::<usize>().ok())
            && (1..message.len()).contains(&limit)
        {
            let size = message.len();
            return Err(Undelivered::never(format!(
                "the mail has {size} bytes, the relay takes {limit}"
            )));
        }
        if let Some((user, password)) = &self.login {
            session.log_in(user, password).await?;
        }
        let refused = session.mail(&self.from, to, message).await?;
        session.quit().await;
        Ok(refused)
    }

    async fn encrypted(&self, stream: TcpStream) -> Result<impl Wire + 'static, Undelivered> {
        let name = ServerName::try_from(self.host.clone())
            .map_err(|_| Undelivered::never("reports.mail.host is no name that TLS can check"))?;
        let connector = TlsConnector::from(Arc::clone(&self.tls));
        connector
            .connect(name, stream)
            .await
            .map_err(|_| Undelivered::later("TLS with the relay failed"))
    }

    /// How we call ourselves: the domain that mails come from.
    fn own_name(&self) -> &str {
        domain(&self.from)
    }
}

fn domain(address: &str) -> &str {
    address.rsplit_once('@').map_or("localhost", |(_, domain)| domain)
}

/// Whether text can stand as an address in commands and headers.
///
/// # Errors
/// What is wrong with it; never the address.
pub fn check_address(address: &str) -> Result<(), String> {
    let is_plain = |c: char| c.is_ascii_graphic() && !"<>()[],;:\\\"".contains(c);
    match address.split_once('@') {
        Some((local, domain))
            if !local.is_empty()
                && !domain.is_empty()
                && !domain.contains('@')
                && address.chars().all(is_plain)
                && address.len() <= 254 =>
        {
            Ok(())
        }
        _ => Err("is no mail address of the form name@domain, in ASCII".to_owned()),
    }
}

/// Text of a header: as it is, or as encoded words (RFC 2047).
fn words(text: &str) -> String {
    if text.is_ascii() && text.len() <= 200 {
        return text.to_owned();
    }
    let mut lines = Vec::new();
    let mut part = String::new();
    for c in text.chars() {
        // A line with encoded words has at most 76 characters, and a word is whole characters.
        if part.len() + c.len_utf8() > 39 {
            lines.push(std::mem::take(&mut part));
        }
        part.push(c);
    }
    lines.push(part);
    let coded = lines.iter().map(|part| format!("=?utf-8?B?{}?=", STANDARD.encode(part)));
    coded.collect::<Vec<_>>().join("\r\n ")
}

/// A file's name as a parameter of a header (RFC 2231 where it is not ASCII).
fn file_name_parameter(name: &str) -> String {
    use std::fmt::Write as _;
    if name.is_ascii() {
        return format!("filename=\"{}\"", name.replace(['"', '\\'], "_"));
    }
    let coded = name.bytes().fold(String::new(), |mut out, byte| {
        if byte.is_ascii_alphanumeric() || b"._-".contains(&byte) {
            out.push(char::from(byte));
        } else {
            // Writing to a string cannot fail.
            let _ = write!(out, "%{byte:02X}");
        }
        out
    });
    format!("filename*=UTF-8''{coded}")
}

fn coded(bytes: &[u8]) -> String {
    let lines = bytes.chunks(CODED_LINE).map(|chunk| STANDARD.encode(chunk));
    lines.collect::<Vec<_>>().join("\r\n")
}

/// The mail (RFC 5322, RFC 2045): a few words and the file. The same for every attempt but for its date.
fn message(parcel: &Parcel, from: &str, to: &[String], subject: &str) -> Result<String, String> {
    let id = parcel.delivery_id;
    let date = utc(parcel.now).map(|now| now.to_rfc2822()).unwrap_or_default();
    let name = parcel.file_name("{schedule}-{due}.{ext}")?;
    let about = parcel.line(
        "{report}\r\n\r\nSchedule: {schedule}\r\nDue: {due}\r\nPosition of the log: {position}\r\n",
    );
    let boundary = format!("=_{}", id.uuid().simple());
    Ok(format!(
        "From: <{from}>\r\n\
         To: {to}\r\n\
         Subject: {subject}\r\n\
         Date: {date}\r\n\
         Message-ID: <{id}@{domain}>\r\n\
         Auto-Submitted: auto-generated\r\n\
         MIME-Version: 1.0\r\n\
         Content-Type: multipart/mixed; boundary=\"{boundary}\"\r\n\
         \r\n\
         --{boundary}\r\n\
         Content-Type: text/plain; charset=utf-8\r\n\
         Content-Transfer-Encoding: base64\r\n\
         \r\n\
         {about}\r\n\
         --{boundary}\r\n\
         Content-Type: {media_type}\r\n\
         Content-Transfer-Encoding: base64\r\n\
         Content-Disposition: attachment; {file}\r\n\
         \r\n\
         {content}\r\n\
         --{boundary}--\r\n",
        to = to.iter().map(|it| format!("<{it}>")).collect::<Vec<_>>().join(",\r\n "),
        subject = words(&parcel.line(subject)),
        domain = domain(from),
        about = coded(about.as_bytes()),
        media_type = parcel.artifact.media_type,
        file = file_name_parameter(&name),
        content = coded(&parcel.artifact.bytes),
    ))
}
