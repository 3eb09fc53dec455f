//! A data directory without a running server: held, log and tables open.

use std::path::Path;
use std::sync::Arc;

use ledgerline_access::{Principal, Role};
use ledgerline_event_store::{Append, EmbeddedLog, EventReader as _, EventWriter as _};
use ledgerline_projections::Projections;
use ledgerline_schemas::Event;

use crate::data_dir::{DataDir, Held, Known};
use crate::failure::Failure;
use crate::organization::{open_log, open_tables};

/// One organization of a data directory that this process holds.
pub(crate) struct LocalOrganization {
    pub(crate) known: Known,
    pub(crate) log: Arc<EmbeddedLog>,
    pub(crate) projections: Projections,
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
        projections.wait_for(log.head()).await.map_err(Failure::software)?;
        Ok(Self { known, log, projections, _held: held })
    }

    /// Who asks when somebody has the files in hand: the operator, who may see everything.
    pub(crate) fn operator(&self) -> Principal {
        Principal {
            org_id: self.known.org_id,
            subject: "operator".to_owned(),
            roles: [Role::Administrator, Role::Auditor, Role::Analyst].into(),
            user_id: None,
        }
    }

    /// Records a read on the log; durable when this returns.
    pub(crate) async fn record(&self, event: &Event) -> Result<(), Failure> {
        let new = ledgerline_analyzer_api::record::access_event(&self.operator(), event);
        let append = Append { events: vec![new], expected: Vec::new() };
        let submitted = self.log.submit(append).map_err(Failure::software)?;
        submitted.await.map_err(Failure::software)?;
        Ok(())
    }

    /// Lets go of everything.
    pub(crate) async fn close(self) {
        self.projections.stop().await;
    }
}
