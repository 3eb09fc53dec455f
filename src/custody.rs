//! Custody of the logs that are open in this process: who is asked for it, and the clock that signs.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use ledgerline_analyzer_api::{Custodian, CustodySource};
use ledgerline_event_store::EventReader;
use ledgerline_event_store::custody::{Custody, CustodyKey};
use ledgerline_schemas::id::OrgId;
use tokio::task::JoinHandle;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use crate::data_dir::{DataDir, Known};
use crate::failure::Failure;

/// The custodians of everything that is open. Clones share them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Custodians(Arc<RwLock<BTreeMap<OrgId, Arc<Custodian>>>>);

impl CustodySource for Custodians {
    fn custodian(&self, org_id: OrgId) -> Option<Arc<Custodian>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).get(&org_id).cloned()
    }
}

impl Custodians {
    /// Takes custody of a log. A history of checkpoints that cannot be used is no reason not to take calls:
    /// it is told, and custody of this organization stays closed.
    pub(crate) fn add(
        &self,
        data: &DataDir,
        known: &Known,
        log: Arc<dyn EventReader>,
    ) -> Result<Option<Arc<Custodian>>, Failure> {
        let key = CustodyKey::open_or_create(data.root()).map_err(Failure::file)?;
        let folder = data.organization_dir(known.org_id).join("custody");
        match Custody::open(&folder, known.org_id, key) {
            Ok(custody) => {
                let custodian = Arc::new(Custodian::new(log, custody));
                let mut all = self.0.write().unwrap_or_else(PoisonError::into_inner);
                all.insert(known.org_id, Arc::clone(&custodian));
                Ok(Some(custodian))
            }
            Err(error) => {
                metrics::counter!("custody_failures_total").increment(1);
                tracing::error!(organization = %known.name, %error, "no custody of this log");
                Ok(None)
            }
        }
    }

    /// Lets go of everything, so that logs can close.
    pub(crate) fn clear(&self) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

/// Signs what is durable. The checkpoint also goes to the process's log: whoever collects that elsewhere
/// has a copy out of reach.
pub(crate) fn sign(name: &str, custodian: &Custodian) {
    let before = custodian.newest().map_or(0, |newest| newest.size);
    match custodian.sign() {
        Ok(signed) if signed.size > before => {
            metrics::counter!("custody_checkpoints_total").increment(1);
            tracing::info!(organization = %name, size = signed.size, note = %signed.note.trim_end(), "signed a checkpoint");
        }
        Ok(_) => {}
        Err(error) => {
            metrics::counter!("custody_failures_total").increment(1);
            tracing::error!(organization = %name, %error, "no checkpoint could be signed");
        }
    }
}

/// Signs every so often until it is told to end.
pub(crate) fn sign_regularly(
    name: String,
    custodian: Arc<Custodian>,
    every: Duration,
    close: CancellationToken,
) -> JoinHandle<()> {
    tokio::spawn(async move {
        let mut clock = tokio::time::interval(every);
        clock.set_missed_tick_behavior(MissedTickBehavior::Delay);
        clock.tick().await;
        loop {
            tokio::select! {
                () = close.cancelled() => return,
                _ = clock.tick() => {}
            }
            let (name, custodian) = (name.clone(), Arc::clone(&custodian));
            let signing = tokio::task::spawn_blocking(move || sign(&name, &custodian));
            if signing.await.is_err() {
                tracing::error!("signing a checkpoint ended badly");
            }
        }
    })
}
