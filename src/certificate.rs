//! Certificates of doors that speak TLS.

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::TlsAcceptor;

use crate::failure::Failure;

/// Certificate chain and private key, PEM.
pub(crate) type Files = (PathBuf, PathBuf);

/// TLS with these files, offering these protocols.
pub(crate) fn acceptor(files: &Files, protocols: &[&[u8]]) -> Result<TlsAcceptor, Failure> {
    let (certificate, key) = files;
    let fault = |path: &Path, error: String| Failure::file(format!("{}: {error}", path.display()));
    let chain = CertificateDer::pem_file_iter(certificate)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| fault(certificate, error.to_string()))?;
    let secret =
        PrivateKeyDer::from_pem_file(key).map_err(|error| fault(key, error.to_string()))?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut server = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(Failure::software)?
        .with_no_client_auth()
        .with_single_cert(chain, secret)
        .map_err(|error| fault(certificate, error.to_string()))?;
    server.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
    Ok(TlsAcceptor::from(Arc::new(server)))
}

/// The self-signed certificate of a door in the data directory; made once, so that clients may pin it.
pub(crate) fn self_signed(dir: &Path, door: &str) -> Result<Files, Failure> {
    let certificate = dir.join(format!("{door}-certificate.pem"));
    let key = dir.join(format!("{door}-key.pem"));
    if certificate.exists() && key.exists() {
        return Ok((certificate, key));
    }
    let names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
    let made = rcgen::generate_simple_self_signed(names).map_err(Failure::software)?;
    let file = |path: &Path, error| Failure::file(format!("{}: {error}", path.display()));
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
