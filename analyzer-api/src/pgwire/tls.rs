//! The certificate of the door.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::TlsAcceptor;

use super::Config;

const CERTIFICATE_FILE: &str = "pgwire-certificate.pem";
const KEY_FILE: &str = "pgwire-key.pem";

/// TLS could not be set up.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TlsError {
    /// A file cannot be read or written.
    #[error("cannot use {path}: {source}")]
    File {
        /// The file.
        path: PathBuf,
        /// What the operating system says.
        source: io::Error,
    },
    /// A file holds no certificate or key.
    #[error("{path} is not a PEM file of the kind needed: {reason}")]
    Pem {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// Certificate and key do not work together.
    #[error("the certificate cannot be used: {0}")]
    Certificate(String),
}

pub(super) fn acceptor(config: &Config) -> Result<TlsAcceptor, TlsError> {
    let (certificate, key) = match &config.certificate {
        Some(files) => files.clone(),
        None => self_signed(&config.data_dir)?,
    };
    let pem = |path: &Path, reason: String| TlsError::Pem { path: path.to_owned(), reason };
    let chain = CertificateDer::pem_file_iter(&certificate)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| pem(&certificate, error.to_string()))?;
    let secret =
        PrivateKeyDer::from_pem_file(&key).map_err(|error| pem(&key, error.to_string()))?;
    let fault = |error: rustls::Error| TlsError::Certificate(error.to_string());
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut server = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(fault)?
        .with_no_client_auth()
        .with_single_cert(chain, secret)
        .map_err(fault)?;
    server.alpn_protocols = vec![b"postgresql".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(server)))
}

/// The self-signed certificate of the data directory; made once, so that clients may pin it.
fn self_signed(dir: &Path) -> Result<(PathBuf, PathBuf), TlsError> {
    let (certificate, key) = (dir.join(CERTIFICATE_FILE), dir.join(KEY_FILE));
    let file = |path: &Path, source| TlsError::File { path: path.to_owned(), source };
    if certificate.exists() && key.exists() {
        return Ok((certificate, key));
    }
    fs::create_dir_all(dir).map_err(|error| file(dir, error))?;
    let names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
    let made = rcgen::generate_simple_self_signed(names)
        .map_err(|error| TlsError::Certificate(error.to_string()))?;
    // The key first: a certificate without its key would be taken for a finished pair.
    write_secret(&key, &made.signing_key.serialize_pem()).map_err(|error| file(&key, error))?;
    fs::write(&certificate, made.cert.pem()).map_err(|error| file(&certificate, error))?;
    Ok((certificate, key))
}

fn write_secret(path: &Path, text: &str) -> io::Result<()> {
    let mut file =
        OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}
