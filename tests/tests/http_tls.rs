//! `serve` with a certificate for the HTTP port: TLS there and nothing in clear text; a file that cannot be used is named.

#![allow(clippy::expect_used, reason = "a test helper that cannot go on should fail the test")]

use std::fs;
use std::path::{Path, PathBuf};

use ledgerline_tests::{Server, run};
use reqwest::{Certificate, Client};

/// A certificate, its key and settings that name both.
fn files(folder: &Path) -> (String, PathBuf, PathBuf) {
    let names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
    let made = rcgen::generate_simple_self_signed(names).expect("made");
    let (certificate, key) = (folder.join("server.pem"), folder.join("server.key"));
    fs::write(&certificate, made.cert.pem()).expect("written");
    fs::write(&key, made.signing_key.serialize_pem()).expect("written");
    let config = folder.join("ledgerline.toml");
    let text = format!(
        "[http]\ncertificate = \"{}\"\nprivate_key = \"{}\"\n",
        certificate.display(),
        key.display()
    );
    fs::write(&config, text).expect("written");
    (made.cert.pem(), key, config)
}

#[tokio::test]
async fn the_port_speaks_tls_and_nothing_else() {
    let folder = tempfile::tempdir().expect("folder");
    let (certificate, _, config) = files(folder.path());
    let server = Server::start(&folder.path().join("data"), Some(&config));
    let trusted = Certificate::from_pem(certificate.as_bytes()).expect("a certificate");
    let client = Client::builder().add_root_certificate(trusted).build().expect("a client");
    let answer = client.get(format!("https://{}/healthz", server.http)).send().await;
    assert_eq!(answer.expect("answers").status(), 200);
    let in_clear = client.get(format!("http://{}/healthz", server.http)).send().await;
    assert!(in_clear.is_err(), "{in_clear:?}");
    assert_eq!(server.stop(), 0);
}

#[test]
fn a_file_that_cannot_be_used_is_named() {
    let folder = tempfile::tempdir().expect("folder");
    let (_, key, config) = files(folder.path());
    fs::write(&key, "no key").expect("written");
    let data = folder.path().join("data").to_string_lossy().into_owned();
    let config = config.to_string_lossy().into_owned();
    let said = run(&["serve", "--data", &data, "--ports", "auto", "--config", &config]);
    assert_eq!(said.code, 73, "{said:?}");
    assert!(said.err.contains("server.key"), "{said:?}");
}
