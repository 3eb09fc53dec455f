//! A mail relay over a real socket, that behaves as it is told.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use rustls::ServerConfig;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio::io::{AsyncBufReadExt as _, AsyncRead, AsyncWrite, AsyncWriteExt as _, BufReader};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

/// How it behaves.
#[derive(Clone, Debug, Default)]
pub(crate) struct Manners {
    /// TLS from the first byte.
    pub(crate) tls: bool,
    /// STARTTLS is offered.
    pub(crate) start_tls: bool,
    /// It sends a reply too many behind that to STARTTLS.
    pub(crate) injects: bool,
    /// What it answers to a recipient whose address contains this.
    pub(crate) recipients: Vec<(&'static str, u16)>,
    /// What it answers to the mail itself; 250 when 0.
    pub(crate) mail: u16,
    /// What it answers to a log-in; 235 when 0.
    pub(crate) auth: u16,
    /// The size it announces.
    pub(crate) size: Option<usize>,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Received {
    /// Every command, and whether it came encrypted.
    pub(crate) commands: Vec<(String, bool)>,
    /// Mails, without the dots that SMTP doubles.
    pub(crate) mails: Vec<String>,
}

pub(crate) struct Relay {
    pub(crate) port: u16,
    pub(crate) received: Arc<Mutex<Received>>,
    /// Its certificate.
    pub(crate) authority: PathBuf,
    _folder: tempfile::TempDir,
}

impl Relay {
    pub(crate) async fn start(manners: Manners) -> Self {
        let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let authority = folder.path().join("ca.pem");
        std::fs::write(&authority, made.cert.pem()).unwrap();
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()));
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![made.cert.der().clone()], key)
            .unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let received: Arc<Mutex<Received>> = Arc::default();
        let seen = Arc::clone(&received);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (manners, acceptor, seen) =
                    (manners.clone(), acceptor.clone(), Arc::clone(&seen));
                tokio::spawn(async move {
                    if manners.tls {
                        let Ok(stream) = acceptor.accept(stream).await else { return };
                        let _ = talk(stream, &manners, &seen, true, true).await;
                        return;
                    }
                    let Some(stream) = talk(stream, &manners, &seen, false, true).await else {
                        return;
                    };
                    let Ok(stream) = acceptor.accept(stream).await else { return };
                    let _ = talk(stream, &manners, &seen, true, false).await;
                });
            }
        });
        Self { port, received, authority, _folder: folder }
    }

    pub(crate) fn received(&self) -> Received {
        self.received.lock().unwrap().clone()
    }
}

/// Talks until the other side leaves; gives the connection back when it wants TLS.
async fn talk<S: AsyncRead + AsyncWrite + Unpin>(
    stream: S,
    manners: &Manners,
    received: &Mutex<Received>,
    encrypted: bool,
    greets: bool,
) -> Option<S> {
    let mut wire = BufReader::new(stream);
    if greets {
        wire.write_all(b"220 relay ready\r\n").await.ok()?;
    }
    loop {
        let mut line = String::new();
        if wire.read_line(&mut line).await.ok()? == 0 {
            return None;
        }
        let line = line.trim_end().to_owned();
        received.lock().unwrap().commands.push((line.clone(), encrypted));
        let upper = line.to_uppercase();
        let answer = match () {
            () if upper.starts_with("EHLO") => {
                let mut lines = vec!["relay".to_owned(), "AUTH LOGIN PLAIN".to_owned()];
                if manners.start_tls && !encrypted {
                    lines.push("STARTTLS".to_owned());
                }
                lines.extend(manners.size.map(|size| format!("SIZE {size}")));
                let last = lines.len() - 1;
                let each = lines
                    .iter()
                    .enumerate()
                    .map(|(at, it)| format!("250{}{it}\r\n", if at == last { ' ' } else { '-' }));
                each.collect()
            }
            () if upper == "STARTTLS" && manners.start_tls => {
                let more = if manners.injects { "250 injected\r\n" } else { "" };
                wire.write_all(format!("220 go ahead\r\n{more}").as_bytes()).await.ok()?;
                return Some(wire.into_inner());
            }
            () if upper.starts_with("AUTH") => {
                let code = if manners.auth == 0 { 235 } else { manners.auth };
                format!("{code} as it is\r\n")
            }
            () if upper.starts_with("RCPT") => {
                let code = manners.recipients.iter().find(|(part, _)| line.contains(part));
                format!("{} <{}> said\r\n", code.map_or(250, |it| it.1), &line[8..])
            }
            () if upper == "DATA" => {
                wire.write_all(b"354 go\r\n").await.ok()?;
                let mut mail = String::new();
                loop {
                    let mut line = String::new();
                    if wire.read_line(&mut line).await.ok()? == 0 {
                        return None;
                    }
                    if line == ".\r\n" {
                        break;
                    }
                    mail.push_str(line.strip_prefix('.').unwrap_or(&line));
                }
                let code = if manners.mail == 0 { 250 } else { manners.mail };
                if code == 250 {
                    received.lock().unwrap().mails.push(mail);
                }
                format!("{code} that was the mail\r\n")
            }
            () if upper == "QUIT" => return None,
            () => "250 yes\r\n".to_owned(),
        };
        wire.write_all(answer.as_bytes()).await.ok()?;
    }
}
