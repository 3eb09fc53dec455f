//! The door of the process that writes: keys and files for its standbys.
//!
//! It has a thread and a runtime of its own. Whoever seals with a new key waits until standbys have it, on any
//! thread of the process: answering them must not need one of those.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use axum::Router;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use ledgerline_access::{bearer, same_bytes};
use ledgerline_event_store::crypt::KeyRing;
use ledgerline_event_store::crypt::copy::{KeyFeed, Place};
use ledgerline_schemas::id::OrgId;
use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::{FILES, PATH};
use crate::data_dir::DataDir;
use crate::failure::Failure;

/// How often it is looked whether a file has changed: users are made by other processes.
const LOOK: Duration = Duration::from_millis(500);
/// Longest time that an answer waits for something to say.
pub(super) const WAIT_MAX: Duration = Duration::from_secs(20);

/// What a standby asks with.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Asked {
    /// Name of the standby's process.
    pub(super) standby: Uuid,
    /// Up to where it has everything, durably.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) feed: Option<Uuid>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) changes: Option<u64>,
    /// How long it waits for an answer.
    pub(super) wait_ms: u64,
}

#[derive(Clone)]
struct Offer {
    feed: KeyFeed,
    token: Arc<str>,
    close: CancellationToken,
}

/// Offers keys until it is closed.
#[derive(Debug)]
pub(crate) struct Door {
    pub(crate) address: SocketAddr,
    close: CancellationToken,
    thread: JoinHandle<()>,
}

impl Door {
    /// Opens the door at an address.
    pub(crate) fn open(
        listen: SocketAddr,
        token: &str,
        data: &DataDir,
        keys: &KeyRing,
        org: OrgId,
        feed: KeyFeed,
    ) -> Result<Self, Failure> {
        let failed = |error: std::io::Error| {
            Failure::unavailable(format!("engine.keys_listen {listen}: {error}"))
        };
        let listener = std::net::TcpListener::bind(listen).map_err(failed)?;
        listener.set_nonblocking(true).map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(failed)?;
        let close = CancellationToken::new();
        let files = Files {
            paths: FILES.map(|name| (name, data.root().join(name))),
            known: FILES.map(|_| Vec::new()),
            keys: keys.clone(),
            org,
            feed: feed.clone(),
        };
        let offer = Offer { feed, token: token.into(), close: close.clone() };
        let thread = std::thread::Builder::new()
            .name("keys-door".to_owned())
            .spawn(move || runtime.block_on(serve(listener, offer, files)))
            .map_err(failed)?;
        Ok(Self { address, close, thread })
    }

    /// Closes it; who waits for an answer is told to come again.
    pub(crate) fn close(self) {
        self.close.cancel();
        if self.thread.join().is_err() {
            tracing::error!("the door of keys ended badly");
        }
    }
}

async fn serve(listener: std::net::TcpListener, offer: Offer, mut files: Files) {
    files.look();
    let close = offer.close.clone();
    let router = Router::new().route(PATH, get(answer)).with_state(offer);
    let looking = async {
        let mut ticks = tokio::time::interval(LOOK);
        loop {
            ticks.tick().await;
            files.look();
        }
    };
    let serving = async {
        let listener = tokio::net::TcpListener::from_std(listener)?;
        axum::serve(listener, router).await
    };
    tokio::select! {
        () = close.cancelled() => {}
        () = looking => {}
        Err(error) = serving => tracing::error!(%error, "the door of keys stopped"),
    }
}

async fn answer(
    State(offer): State<Offer>,
    headers: HeaderMap,
    Query(asked): Query<Asked>,
) -> Response {
    let value = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    if !bearer(value).is_ok_and(|given| same_bytes(given.as_bytes(), offer.token.as_bytes())) {
        metrics::counter!("ledgerline_key_copy_refusals_total").increment(1);
        tracing::warn!("somebody without the secret asked for keys");
        return StatusCode::UNAUTHORIZED.into_response();
    }
    let at = asked.feed.zip(asked.changes).map(|(feed, changes)| Place { feed, changes });
    let wait = Duration::from_millis(asked.wait_ms).min(WAIT_MAX);
    let name = asked.standby.to_string();
    let delivery = tokio::select! {
        () = offer.close.cancelled() => return StatusCode::SERVICE_UNAVAILABLE.into_response(),
        delivery = offer.feed.ask(&name, at, wait) => delivery,
    };
    match delivery.and_then(|delivery| delivery.encode()) {
        Ok(bytes) => bytes.into_response(),
        Err(error) => {
            tracing::error!(%error, "keys could not be offered");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

/// The files beside the keys, and what was told of them.
struct Files {
    paths: [(&'static str, PathBuf); FILES.len()],
    known: [Vec<u8>; FILES.len()],
    keys: KeyRing,
    org: OrgId,
    feed: KeyFeed,
}

impl Files {
    /// Tells of those that changed.
    fn look(&mut self) {
        for ((name, path), known) in self.paths.iter().zip(&mut self.known) {
            let content = match std::fs::read(path) {
                Ok(content) if content == *known => continue,
                Ok(content) => content,
                Err(error) => {
                    tracing::warn!(%error, file = %name, "a file cannot be copied to standbys");
                    continue;
                }
            };
            match self.keys.seal_file(self.org, name, &content) {
                Ok(sealed) => {
                    self.feed.put_file(sealed);
                    *known = content;
                }
                Err(error) => {
                    tracing::warn!(%error, file = %name, "a file cannot be copied to standbys");
                }
            }
        }
    }
}
