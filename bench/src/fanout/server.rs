//! The server: a log on disk, folds, and the doors of real time.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use ledgerline_access::{Grant, Role, TokenIssuer};
use ledgerline_event_store::{EmbeddedLog, EventReader, Options as LogOptions};
use ledgerline_projections::{Options, Projections};
use ledgerline_realtime::{Limits, ProjectionsFeed, RealtimeState, router};
use tokio::net::TcpListener;
use tokio::task::AbortHandle;

use super::load::{Load, ORG};
use super::settings::Settings;
use super::{Failure, naive};

/// A server that runs.
#[derive(Debug)]
pub struct Server {
    /// Where it listens.
    pub address: SocketAddr,
    /// A supervisor's token.
    pub token: String,
    /// Its log.
    pub log: Arc<EmbeddedLog>,
    /// What is written to it.
    pub load: Load,
    tables: Projections,
    serving: AbortHandle,
}

impl Server {
    /// Starts it in a folder.
    ///
    /// # Errors
    /// When a part of it cannot start.
    pub async fn start(folder: &Path, settings: &Settings) -> Result<Self, Failure> {
        let log = EmbeddedLog::open(&folder.join("log"), ORG, LogOptions::default())?;
        let log = Arc::new(log);
        let mut load = Load::default();
        load.begin(&log).await?;
        let reader: Arc<dyn EventReader> = Arc::clone(&log) as _;
        let tables =
            Projections::start(Arc::clone(&reader), folder.join("tables"), Options::default())?;
        tables.wait_for(log.head()).await?;
        let issuer = TokenIssuer::open(folder)?;
        let connections = usize::try_from(settings.subscribers + settings.slow)? + 16;
        let limits = Limits { connections, ..Limits::default() };
        let state = RealtimeState::new(issuer.clone(), limits)?;
        state.add_organization(Arc::new(ProjectionsFeed::new(tables.clone())), Some(reader));
        let app = match settings.naive {
            true => naive::router(&tables).await?,
            false => router(state),
        };
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let address = listener.local_addr()?;
        let serving = tokio::spawn(async move { axum::serve(listener, app).await }).abort_handle();
        let grant = Grant {
            org_id: ORG,
            subject: "wall".to_owned(),
            roles: BTreeSet::from([Role::Supervisor]),
            user_id: None,
            user_profile_id: None,
            ttl_s: 3_600,
        };
        let token = issuer.issue(&grant)?;
        Ok(Self { address, token, log, load, tables, serving })
    }

    /// Ends it.
    pub async fn stop(self) {
        self.serving.abort();
        self.tables.stop().await;
    }
}
