//! Certificates of doors that speak TLS.

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ledgerline_ingest::http::listener::PROTOCOLS;
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::TlsAcceptor;

use crate::failure::Failure;
use crate::settings::Http;

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

/// TLS of the HTTP port; `None` is clear text.
pub(crate) fn of_http(settings: &Http) -> Result<Option<TlsAcceptor>, Failure> {
    let files = settings.certificate.clone().zip(settings.private_key.clone());
    files.map(|files| acceptor(&files, &PROTOCOLS)).transpose()
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_that_cannot_be_used_are_named() {
        let folder = tempfile::tempdir().expect("folder");
        let pair = self_signed(folder.path(), "http").expect("made");
        assert!(acceptor(&pair, &PROTOCOLS).is_ok());
        let other = self_signed(folder.path(), "other").expect("made");
        let (empty, absent) = (folder.path().join("empty.pem"), folder.path().join("absent.pem"));
        fs::write(&empty, "no certificate").expect("written");
        for (certificate, key, named) in [
            (&empty, &pair.1, &empty),
            (&absent, &pair.1, &absent),
            (&pair.0, &empty, &empty),
            (&pair.0, &absent, &absent),
            (&pair.0, &other.1, &pair.0),
        ] {
            let files = (certificate.clone(), key.clone());
            let refused = acceptor(&files, &PROTOCOLS).err().expect("refused").to_string();
            assert!(refused.contains(&*named.to_string_lossy()), "{refused}");
        }
    }
}
