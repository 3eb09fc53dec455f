//! TLS on the same port.

use std::sync::Arc;

use arrow_flight::sql::client::FlightSqlServiceClient;
use hyper_util::rt::TokioIo;
use rustls::pki_types::{PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use tokio::net::TcpStream;
use tokio_rustls::{TlsAcceptor, TlsConnector};
use tonic::transport::{Channel, Endpoint};

use crate::server::{Server, config, serve_world};
use crate::support::{PASSWORD, world};

fn provider() -> Arc<rustls::crypto::CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

async fn secured() -> (Server, RootCertStore) {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
    let mut tls = ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .unwrap();
    tls.alpn_protocols = vec![b"h2".to_vec()];
    let mut roots = RootCertStore::empty();
    roots.add(made.cert.der().clone()).unwrap();
    let world = world();
    let (state, mut config) = (world.state.clone(), config());
    config.tls = Some(TlsAcceptor::from(Arc::new(tls)));
    (serve_world(world, state, config).await, roots)
}

async fn connect(
    server: &Server,
    roots: RootCertStore,
) -> Result<Channel, tonic::transport::Error> {
    let mut tls = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    tls.alpn_protocols = vec![b"h2".to_vec()];
    let (connector, address) = (TlsConnector::from(Arc::new(tls)), server.address);
    // The connector speaks TLS: the library is not told.
    let endpoint = Endpoint::from_static("http://localhost");
    let connect = tower::service_fn(move |_: tonic::transport::Uri| {
        let connector = connector.clone();
        async move {
            let socket = TcpStream::connect(address).await?;
            let name = ServerName::try_from("localhost").unwrap();
            std::io::Result::Ok(TokioIo::new(connector.connect(name, socket).await?))
        }
    });
    endpoint.connect_with_connector(connect).await
}

#[tokio::test]
async fn one_port_speaks_tls_and_to_this_machine_clear_text() {
    let (server, roots) = secured().await;
    let mut client = FlightSqlServiceClient::new(connect(&server, roots).await.unwrap());
    client.handshake("acme-analyst", PASSWORD).await.unwrap();
    let token = client.token().unwrap().clone();
    let info = client.execute("SELECT count(*) FROM queue_leg".to_owned(), None).await.unwrap();
    let ticket = crate::server::ticket(&info);
    let rows: Vec<_> =
        futures::TryStreamExt::try_collect(client.do_get(ticket).await.unwrap()).await.unwrap();
    assert_eq!(rows.len(), 1);
    let clear = server.caller(&token).await;
    assert_eq!(clear.ask("SELECT 1::bigint").await.unwrap().number(), 1);
}

#[tokio::test]
async fn a_certificate_that_is_not_trusted_is_refused_by_the_client() {
    let (server, _) = secured().await;
    connect(&server, RootCertStore::empty()).await.unwrap_err();
}
