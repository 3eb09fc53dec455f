//! A data directory without a running server: held, log and tables open.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use ledgerline_access::{Principal, Role, ScramCredentials, TokenIssuer};
use ledgerline_analyzer_api::AnalyzerState;
use ledgerline_event_store::{Append, EmbeddedLog, EventReader as _, EventWriter as _};
use ledgerline_projections::Projections;
use ledgerline_schemas::Event;

use crate::at_rest;
use crate::data_dir::{DataDir, Held, Known};
use crate::failure::Failure;
use crate::organization::{open_log, open_tables};
use crate::ports::{Open, Opened};
use crate::progress;
use crate::system::analyzer_state;

/// How long others are waited for that still hold the log: 5 s at most.
const LET_GO_TURN: Duration = Duration::from_millis(5);
const LET_GO_TURNS: u32 = 1_000;

/// One organization of a data directory that this process holds.
pub(crate) struct LocalOrganization {
    pub(crate) known: Known,
    pub(crate) log: Arc<EmbeddedLog>,
    pub(crate) projections: Projections,
    data: DataDir,
    _held: Held,
}

impl LocalOrganization {
    /// Opens it and folds the tail of the log into the tables.
    pub(crate) async fn open(data: &Path, org: Option<&str>) -> Result<Self, Failure> {
        let data = DataDir::existing(data)?;
        let held = data.hold()?;
        let known = data.choose(org)?;
        let log = open_log(&data, &known)?;
        let projections = open_tables(&data, &known, &log)?;
        progress::folded(&projections, log.head()).await.map_err(Failure::software)?;
        Ok(Self { known, log, projections, data, _held: held })
    }

    /// Who asks when somebody has the files in hand: the operator, who may see everything.
    pub(crate) fn operator(&self) -> Principal {
        Principal {
            org_id: self.known.org_id,
            subject: "operator".to_owned(),
            roles: [Role::Administrator, Role::Auditor, Role::Analyst].into(),
            user_id: None,
            user_profile_id: None,
        }
    }

    /// The analyzer over this organization alone, with the same governor and access log as a server's.
    pub(crate) fn analyzer(&self) -> Result<AnalyzerState, Failure> {
        let opened = Opened::default();
        let open = Open { log: self.log.clone(), projections: self.projections.clone() };
        opened.add(self.known.org_id, open);
        let issuer = TokenIssuer::open(self.data.root()).map_err(Failure::file)?;
        let users = ScramCredentials::open(self.data.root()).map_err(Failure::file)?;
        analyzer_state(&opened, &issuer.into(), &users)
    }

    /// Whether new files of the data directory are encrypted.
    pub(crate) fn is_encrypted(&self) -> Result<bool, Failure> {
        at_rest::is_on(&self.data)
    }

    /// Records a read on the log; durable when this returns.
    pub(crate) async fn record(&self, event: &Event) -> Result<(), Failure> {
        let new = ledgerline_analyzer_api::record::access_event(&self.operator(), event);
        let append = Append { events: vec![new], expected: Vec::new() };
        let submitted = self.log.submit(append).map_err(Failure::software)?;
        submitted.await.map_err(Failure::software)?;
        Ok(())
    }

    /// Lets go of everything; after it the data directory can be opened again. Questions that were asked here may hold the
    /// log for a moment longer, on threads of their own.
    pub(crate) async fn close(self) {
        let Self { log, projections, _held, .. } = self;
        projections.stop().await;
        drop(projections);
        for _ in 0..LET_GO_TURNS {
            if Arc::strong_count(&log) == 1 {
                break;
            }
            tokio::time::sleep(LET_GO_TURN).await;
        }
    }
}
