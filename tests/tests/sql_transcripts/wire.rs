//! A connection to the PostgreSQL door that sends a client's own messages: no driver in between decides about
//! types, formats or order.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use postgres_protocol::authentication::sasl::{ChannelBinding, SCRAM_SHA_256, ScramSha256};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::transcript::{Answer, Entry, Protocol};

/// Longest wait for an answer.
const PATIENCE: Duration = Duration::from_secs(120);
const SSL_REQUEST: i32 = 80_877_103;
const VERSION_3: i32 = 196_608;

/// Who logs in, and where.
#[derive(Clone)]
pub(crate) struct Door {
    pub(crate) address: SocketAddr,
    pub(crate) user: String,
    pub(crate) password: String,
    tls: Arc<ClientConfig>,
}

impl Door {
    pub(crate) fn new(address: SocketAddr, password: String, certificate: &Path) -> Self {
        let mut roots = RootCertStore::empty();
        let certificate = CertificateDer::from_pem_file(certificate).expect("a certificate");
        roots.add(certificate).expect("a root");
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let tls = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_root_certificates(roots)
            .with_no_client_auth();
        Self { address, user: "ann".to_owned(), password, tls: Arc::new(tls) }
    }

    /// Logs in.
    pub(crate) fn connect(&self) -> Wire {
        let mut socket = TcpStream::connect(self.address).expect("connects");
        socket.set_read_timeout(Some(PATIENCE)).expect("a limit");
        let mut request = 8_i32.to_be_bytes().to_vec();
        request.extend(SSL_REQUEST.to_be_bytes());
        socket.write_all(&request).expect("asks for TLS");
        let mut answer = [0];
        socket.read_exact(&mut answer).expect("answers");
        assert_eq!(answer, *b"S", "TLS is refused");
        let name = ServerName::try_from("localhost").expect("a name");
        let connection = ClientConnection::new(Arc::clone(&self.tls), name).expect("TLS");
        let mut wire = Wire(StreamOwned::new(connection, socket));
        wire.log_in(&self.user, &self.password);
        wire
    }
}

/// A connection that has logged in.
pub(crate) struct Wire(StreamOwned<ClientConnection, TcpStream>);

impl Wire {
    fn log_in(&mut self, user: &str, password: &str) {
        let mut body = VERSION_3.to_be_bytes().to_vec();
        for text in ["user", user, "database", "ledgerline", ""] {
            body.extend(terminated(text));
        }
        let mut message = length(body.len() + 4).to_vec();
        message.extend(body);
        self.0.write_all(&message).expect("starts");
        let mut scram = ScramSha256::new(password.as_bytes(), ChannelBinding::unsupported());
        loop {
            let (kind, body) = self.receive();
            if kind == b'Z' {
                return;
            }
            assert_ne!(kind, b'E', "log-in: {}", String::from_utf8_lossy(&body));
            if kind != b'R' {
                continue;
            }
            match Reader(&body).int() {
                0 => {}
                10 => {
                    let mut first = terminated(SCRAM_SHA_256);
                    first.extend(length(scram.message().len()));
                    first.extend(scram.message());
                    self.send(&framed(b'p', &first));
                }
                11 => {
                    scram.update(&body[4..]).expect("the server's challenge");
                    self.send(&framed(b'p', scram.message()));
                }
                12 => scram.finish(&body[4..]).expect("the server knows the password too"),
                other => panic!("authentication {other}"),
            }
        }
    }

    /// Sends a statement as the client did; gives the whole answer.
    pub(crate) fn ask(&mut self, entry: &Entry) -> Answer {
        let messages = match entry.protocol {
            Protocol::Simple => framed(b'Q', &terminated(&entry.sql)),
            Protocol::Extended => extended(entry),
        };
        self.send(&messages);
        let mut answer = Answer::default();
        let (mut rows, mut hash) = (0, 0_u64);
        let mut row = |row: &[u8]| {
            rows += 1;
            let digest = Sha256::digest(row);
            let first = digest.first_chunk().expect("32 bytes");
            hash = hash.wrapping_add(u64::from_be_bytes(*first));
        };
        let mut copied = Vec::new();
        loop {
            let (kind, body) = self.receive();
            let mut body = Reader(&body);
            match kind {
                b't' => answer.parameters = (0..body.short()).map(|_| body.unsigned()).collect(),
                // Of several answers to a simple query, the columns of the first.
                b'T' if answer.columns.is_empty() => answer.columns = body.columns(),
                b'D' => row(body.0),
                b'd' => copied.extend_from_slice(body.0),
                b'c' => copied_rows(&std::mem::take(&mut copied), &mut row),
                b'C' => {
                    let tag = body.text();
                    let tag = tag.trim_end_matches(|it: char| it == ' ' || it.is_ascii_digit());
                    answer.tag = Some(tag.to_owned());
                }
                b'I' | b's' => answer.tag = Some(String::new()),
                b'E' => answer.error = Some(body.sqlstate()),
                b'Z' => break,
                _ => {}
            }
        }
        answer.rows = Some(rows);
        answer.hash = Some(format!("{hash:016x}"));
        answer
    }

    fn send(&mut self, bytes: &[u8]) {
        self.0.write_all(bytes).expect("sent");
        self.0.flush().expect("sent");
    }

    fn receive(&mut self) -> (u8, Vec<u8>) {
        let mut head = [0; 5];
        self.0.read_exact(&mut head).expect("an answer in time");
        let [kind, rest @ ..] = head;
        let count = usize::try_from(i32::from_be_bytes(rest)).expect("a length") - 4;
        let mut body = vec![0; count];
        self.0.read_exact(&mut body).expect("a whole message");
        (kind, body)
    }
}

/// The rows of a COPY, however they were cut into messages. The header is none.
/// Format: PostgreSQL 15 documentation, COPY, "Binary Format" and "Text Format".
fn copied_rows(bytes: &[u8], row: &mut impl FnMut(&[u8])) {
    let Some(binary) = bytes.strip_prefix(b"PGCOPY\n\xff\r\n\0") else {
        bytes.split_inclusive(|it| *it == b'\n').for_each(row);
        return;
    };
    let mut reader = Reader(binary);
    let _flags = reader.int();
    let extension = usize::try_from(reader.int()).expect("a length");
    reader.0 = &reader.0[extension..];
    loop {
        let begin = reader.0;
        let fields = reader.short();
        if fields == -1 {
            assert!(reader.0.is_empty(), "bytes behind the end of a COPY");
            return;
        }
        for _ in 0..fields {
            // -1 is NULL.
            let length = usize::try_from(reader.int()).unwrap_or(0);
            reader.0 = &reader.0[length..];
        }
        row(&begin[..begin.len() - reader.0.len()]);
    }
}

/// Parse, describe where the client did, bind, execute, sync: unnamed.
fn extended(entry: &Entry) -> Vec<u8> {
    let mut parse = terminated("");
    parse.extend(terminated(&entry.sql));
    parse.extend(count(entry.types.len()));
    entry.types.iter().for_each(|oid| parse.extend(oid.to_be_bytes()));
    let mut messages = framed(b'P', &parse);
    if entry.described() {
        messages.extend(framed(b'D', b"S\0"));
    }
    let mut bind = b"\0\0".to_vec();
    bind.extend(count(entry.values.len()));
    for value in &entry.values {
        bind.extend(i16::from(value.get("binary").is_some()).to_be_bytes());
    }
    bind.extend(count(entry.values.len()));
    for value in &entry.values {
        match bytes(value) {
            Some(bytes) => {
                bind.extend(length(bytes.len()));
                bind.extend(bytes);
            }
            None => bind.extend((-1_i32).to_be_bytes()),
        }
    }
    bind.extend(count(entry.formats.len()));
    entry.formats.iter().for_each(|format| bind.extend(format.to_be_bytes()));
    messages.extend(framed(b'B', &bind));
    let mut execute = b"\0".to_vec();
    execute.extend(entry.limit.to_be_bytes());
    messages.extend(framed(b'E', &execute));
    messages.extend(framed(b'S', b""));
    messages
}

/// A parameter's value; none is NULL.
fn bytes(value: &Value) -> Option<Vec<u8>> {
    if let Some(text) = value.get("text") {
        return Some(text.as_str().expect("a text").as_bytes().to_vec());
    }
    let digits = value.get("binary")?.as_str().expect("digits");
    let pair = |at| u8::from_str_radix(&digits[at..at + 2], 16).expect("a byte");
    Some((0..digits.len()).step_by(2).map(pair).collect())
}

fn framed(kind: u8, body: &[u8]) -> Vec<u8> {
    let mut message = vec![kind];
    message.extend(length(body.len() + 4));
    message.extend(body);
    message
}

fn terminated(text: &str) -> Vec<u8> {
    [text.as_bytes(), b"\0"].concat()
}

fn length(of: usize) -> [u8; 4] {
    i32::try_from(of).expect("a short message").to_be_bytes()
}

fn count(of: usize) -> [u8; 2] {
    i16::try_from(of).expect("a short list").to_be_bytes()
}

/// Reads the body of a message from its front.
struct Reader<'a>(&'a [u8]);

impl Reader<'_> {
    fn take<const N: usize>(&mut self) -> [u8; N] {
        let (taken, rest) = self.0.split_first_chunk().expect("a longer message");
        self.0 = rest;
        *taken
    }

    fn short(&mut self) -> i16 {
        i16::from_be_bytes(self.take())
    }

    fn int(&mut self) -> i32 {
        i32::from_be_bytes(self.take())
    }

    fn unsigned(&mut self) -> u32 {
        u32::from_be_bytes(self.take())
    }

    fn text(&mut self) -> String {
        let end = self.0.iter().position(|it| *it == 0).expect("an end");
        let (text, rest) = self.0.split_at(end);
        self.0 = &rest[1..];
        String::from_utf8_lossy(text).into_owned()
    }

    /// Name and type of every column: table, number, size, modifier and format are left out.
    fn columns(&mut self) -> Vec<(String, u32)> {
        (0..self.short())
            .map(|_| {
                let name = self.text();
                let _table_and_number: [u8; 6] = self.take();
                let oid = self.unsigned();
                let _size_modifier_format: [u8; 8] = self.take();
                (name, oid)
            })
            .collect()
    }

    fn sqlstate(&mut self) -> String {
        loop {
            let [field] = self.take();
            assert_ne!(field, 0, "an error without a code");
            let text = self.text();
            if field == b'C' {
                return text;
            }
        }
    }
}
