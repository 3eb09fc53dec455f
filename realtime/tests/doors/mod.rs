//! A server with the doors open, and a client that speaks their protocol.

#![allow(unreachable_pub, reason = "shared by test binaries that use parts of it")]

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;

use futures::{SinkExt as _, StreamExt as _};
use ledgerline_access::{Grant, Role, TokenIssuer};
use ledgerline_event_store::log::EventReader;
use ledgerline_event_store::memory::MemoryLog;
use ledgerline_realtime::{Limits, RealtimeState, router};
use ledgerline_schemas::Timestamp;
use ledgerline_schemas::id::{OrgId, UserId};
use serde_json::{Value as Json, json};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

use crate::common::{ORG_A, ORG_B, Replica, TestFeed};

/// A server with two organizations.
pub struct Server {
    pub address: SocketAddr,
    pub issuer: TokenIssuer,
    pub state: RealtimeState,
    pub feeds: [TestFeed; 2],
    pub logs: [MemoryLog; 2],
    _dir: tempfile::TempDir,
}

impl Server {
    pub async fn start(limits: Limits) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let issuer = TokenIssuer::open(dir.path()).unwrap();
        let state = RealtimeState::new(issuer.clone(), limits).unwrap();
        let orgs = [ORG_A, ORG_B];
        let feeds = orgs.map(TestFeed::new);
        let logs = orgs.map(|org_id| MemoryLog::new(org_id, || Timestamp::EPOCH));
        for (feed, log) in feeds.iter().zip(&logs) {
            let log: Arc<dyn EventReader> = Arc::new(log.clone());
            state.add_organization(Arc::new(feed.clone()), Some(log));
        }
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let app = router(state.clone());
        tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        Self { address, issuer, state, feeds, logs, _dir: dir }
    }

    pub fn token(&self, org_id: OrgId, role: Role) -> String {
        let grant = Grant {
            org_id,
            subject: "someone".to_owned(),
            roles: BTreeSet::from([role]),
            user_id: (role == Role::Agent).then(|| UserId::from_u128(1)),
            user_profile_id: None,
            ttl_s: 600,
        };
        self.issuer.issue(&grant).unwrap()
    }

    pub async fn open(&self, header: Option<&str>, query: &str) -> Result<Client, Error> {
        let url = format!("ws://{}/v1/realtime{query}", self.address);
        let mut request = url.into_client_request().unwrap();
        if let Some(token) = header {
            let value = format!("Bearer {token}").parse().unwrap();
            request.headers_mut().insert("authorization", value);
        }
        connect_async(request).await.map(|(socket, _)| Client { socket })
    }

    /// A client that was let in.
    pub async fn client(&self, org_id: OrgId, role: Role) -> Client {
        let mut client = self.open(Some(&self.token(org_id, role)), "").await.unwrap();
        assert_eq!(client.frame().await["type"], "ready");
        client
    }
}

pub struct Client {
    pub socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
}

impl Client {
    pub async fn send(&mut self, frame: Json) {
        self.socket.send(Message::Text(frame.to_string().into())).await.unwrap();
    }

    pub async fn frame(&mut self) -> Json {
        loop {
            match self.socket.next().await.unwrap().unwrap() {
                Message::Text(text) => return serde_json::from_str(&text).unwrap(),
                Message::Ping(_) | Message::Pong(_) => {}
                other => panic!("not a frame: {other:?}"),
            }
        }
    }

    /// The next binary message; `progress` may come before it.
    pub async fn binary(&mut self) -> Vec<u8> {
        loop {
            match self.socket.next().await.unwrap().unwrap() {
                Message::Binary(bytes) => return bytes.to_vec(),
                Message::Text(text) if text.contains(r#""type":"progress""#) => {}
                Message::Ping(_) | Message::Pong(_) => {}
                other => panic!("not rows: {other:?}"),
            }
        }
    }

    /// The next frame that is not `progress`.
    pub async fn answer(&mut self) -> Json {
        loop {
            let frame = self.frame().await;
            if frame["type"] != "progress" {
                return frame;
            }
        }
    }

    /// Applies frames until the replica has a position.
    pub async fn until(&mut self, replica: &mut Replica, position: u64) {
        while !replica.complete || replica.position < position {
            let frame = self.frame().await;
            replica.apply(&frame);
        }
    }

    /// Frames up to the end, and the close code.
    pub async fn end(mut self) -> (Vec<Json>, Option<u16>) {
        let mut frames = Vec::new();
        loop {
            match self.socket.next().await {
                Some(Ok(Message::Text(text))) => frames.push(serde_json::from_str(&text).unwrap()),
                Some(Ok(Message::Close(close))) => {
                    return (frames, close.map(|close| close.code.into()));
                }
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return (frames, None),
            }
        }
    }
}

pub fn subscribe(id: &str, dataset: &str) -> Json {
    json!({"type": "subscribe", "id": id, "dataset": dataset, "max_hz": 50})
}
