//! The fetcher against a real server on loopback.

use std::fs;
use std::net::SocketAddr;

use ledgerline_access::oidc::{FetchError, KeyFetcher as _};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use super::*;

/// Serves one answer, byte by byte as given, to everybody.
async fn serve(answer: String, tls: Option<TlsAcceptor>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("port");
    let address = listener.local_addr().expect("address");
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            let (answer, tls) = (answer.clone(), tls.clone());
            tokio::spawn(async move {
                let mut asked = [0; 1024];
                match tls {
                    Some(tls) => {
                        let Ok(mut socket) = tls.accept(socket).await else { return };
                        let _ = socket.read(&mut asked).await;
                        let _ = socket.write_all(answer.as_bytes()).await;
                        let _ = socket.shutdown().await;
                    }
                    None => {
                        let _ = socket.read(&mut asked).await;
                        let _ = socket.write_all(answer.as_bytes()).await;
                    }
                }
            });
        }
    });
    address
}

fn ok(body: &str) -> String {
    let bytes = body.len();
    format!("HTTP/1.1 200 OK\r\ncontent-length: {bytes}\r\nconnection: close\r\n\r\n{body}")
}

async fn get(url: String, bytes_max: usize) -> Result<Vec<u8>, FetchError> {
    let fetcher = HttpFetcher::new(None).expect("client");
    fetcher.fetch(&Url::parse(&url).expect("url"), bytes_max).await
}

#[tokio::test]
async fn a_document_comes_whole_or_not_at_all() {
    let address = serve(ok("{\"keys\":[]}"), None).await;
    let url = format!("http://{address}/keys");
    assert_eq!(get(url.clone(), 11).await.expect("fetched"), b"{\"keys\":[]}");
    assert!(get(url, 10).await.expect_err("too long").0.contains("longer than 10 bytes"));
    // Without a length that is declared: counted as it comes.
    let body = "x".repeat(100_000);
    let endless = format!("HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n{body}");
    let address = serve(endless, None).await;
    let error = get(format!("http://{address}/"), 50_000).await.expect_err("too long");
    assert!(error.0.contains("longer than 50000 bytes"), "{error}");
    let cut = "HTTP/1.1 200 OK\r\ncontent-length: 100\r\nconnection: close\r\n\r\n{\"keys\"";
    let address = serve(cut.to_owned(), None).await;
    get(format!("http://{address}/"), 1_000).await.expect_err("cut short");
}

#[tokio::test]
async fn nobody_on_the_way_changes_the_place() {
    let elsewhere = serve(ok("{\"keys\":[\"theirs\"]}"), None).await;
    for status in ["301 Moved", "302 Found", "307 Temporary", "308 Permanent"] {
        let moved = format!(
            "HTTP/1.1 {status}\r\nlocation: http://{elsewhere}/\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
        );
        let address = serve(moved, None).await;
        let error = get(format!("http://{address}/"), 1_000).await.expect_err("not followed");
        assert!(error.0.contains(&status[..3]), "{error}");
    }
    for status in ["404 Not Found", "500 Oops", "204 No Content"] {
        let answer = format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
        let address = serve(answer, None).await;
        let error = get(format!("http://{address}/"), 1_000).await.expect_err("no document");
        assert!(error.0.contains(&status[..3]), "{error}");
    }
}

#[tokio::test]
async fn an_address_where_nobody_is_says_so() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("port");
    let address = listener.local_addr().expect("address");
    drop(listener);
    let error = get(format!("http://{address}/"), 1_000).await.expect_err("nobody");
    assert!(error.0.contains("refused"), "{error}");
}

#[tokio::test]
async fn a_server_is_checked_with_the_certificates_named() {
    let names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
    let made = rcgen::generate_simple_self_signed(names).expect("certificate");
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()));
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .expect("certificate");
    let address = serve(ok("{}"), Some(TlsAcceptor::from(Arc::new(config)))).await;
    let url = Url::parse(&format!("https://{address}/")).expect("url");
    let folder = tempfile::tempdir().expect("folder");
    let (ours, other) = (folder.path().join("ca.pem"), folder.path().join("other.pem"));
    fs::write(&ours, made.cert.pem()).expect("written");
    let stranger = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]);
    fs::write(&other, stranger.expect("certificate").cert.pem()).expect("written");
    let with = |path| HttpFetcher::new(Some(path)).expect("client");
    assert_eq!(with(&ours).fetch(&url, 10).await, Ok(b"{}".to_vec()));
    with(&other).fetch(&url, 10).await.expect_err("not signed by that one");
    let system = HttpFetcher::new(None).expect("client");
    system.fetch(&url, 10).await.expect_err("not signed by any of the system's");
    let empty = folder.path().join("empty.pem");
    fs::write(&empty, "").expect("written");
    assert!(HttpFetcher::new(Some(&empty)).expect_err("empty").contains("no certificate"));
    assert!(HttpFetcher::new(Some(&folder.path().join("absent.pem"))).is_err());
}
