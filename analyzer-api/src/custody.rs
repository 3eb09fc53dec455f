//! Custody of the logs of a running system: signs checkpoints, gives proofs and evidence.

use std::fmt;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ledgerline_event_store::custody::verify::{Checkpoint, PublicKey};
use ledgerline_event_store::custody::{Custody, CustodyError, Exported};
use ledgerline_event_store::{Direction, EventReader};
use ledgerline_schemas::id::{InteractionId, OrgId};
use ledgerline_schemas::{StreamId, Version};

/// Gives the custody of an organization's log.
pub trait CustodySource: Send + Sync + fmt::Debug + 'static {
    /// `None` when the organization is unknown.
    fn custodian(&self, org_id: OrgId) -> Option<Arc<Custodian>>;
}

/// Custody of one organization's log beside the process that writes it. One caller at a time: what it
/// gives rests on tiles that it keeps.
///
/// Every call but [`Custodian::vkey`] may read much of the log and must not run on a thread of the async
/// runtime.
#[derive(Debug)]
pub struct Custodian {
    log: Arc<dyn EventReader>,
    custody: Mutex<Custody>,
    vkey: String,
    public: PublicKey,
}

impl Custodian {
    /// Custody of this log.
    #[must_use]
    pub fn new(log: Arc<dyn EventReader>, custody: Custody) -> Self {
        let (vkey, public) = (custody.vkey(), custody.public_key().clone());
        Self { log, custody: Mutex::new(custody), vkey, public }
    }

    /// The public key as a C2SP verifier key.
    #[must_use]
    pub fn vkey(&self) -> &str {
        &self.vkey
    }

    /// The public key, ready to verify with.
    #[must_use]
    pub const fn public_key(&self) -> &PublicKey {
        &self.public
    }

    fn custody(&self) -> MutexGuard<'_, Custody> {
        self.custody.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The newest checkpoint; nothing is signed.
    #[must_use]
    pub fn newest(&self) -> Option<Checkpoint> {
        self.custody().newest().cloned()
    }

    /// Every checkpoint that was signed, oldest first.
    #[must_use]
    pub fn checkpoints(&self) -> Vec<Checkpoint> {
        self.custody().checkpoints().to_vec()
    }

    /// Signs a checkpoint over what is durable now; the newest one when it covers that already.
    ///
    /// # Errors
    /// [`CustodyError`].
    pub fn sign(&self) -> Result<Checkpoint, CustodyError> {
        self.custody().checkpoint(&*self.log, &mut |_, _| {})
    }

    /// Proves that the newest checkpoint continues an older one.
    ///
    /// # Errors
    /// [`CustodyError`].
    pub fn continues(&self, older: &Checkpoint) -> Result<String, CustodyError> {
        self.custody().prove_consistency(&*self.log, older, &mut |_, _| {})
    }

    /// A proof for every event of an interaction, in their order, under a checkpoint that covers all of
    /// them; it is signed if there is none.
    ///
    /// # Errors
    /// [`CustodyError::NoEvents`] when there is no such interaction; [`CustodyError`].
    pub fn prove(&self, interaction: InteractionId) -> Result<Vec<String>, CustodyError> {
        let mut custody = self.custody();
        let stream = self.cover(&mut custody, interaction)?;
        let events = custody.covered(&*self.log, &stream)?;
        events.iter().map(|event| custody.prove(&*self.log, event, &mut |_, _| {})).collect()
    }

    /// Writes the evidence of an interaction to an empty folder.
    ///
    /// # Errors
    /// As [`Custodian::prove`].
    pub fn export(
        &self,
        interaction: InteractionId,
        folder: &Path,
    ) -> Result<Exported, CustodyError> {
        let mut custody = self.custody();
        let stream = self.cover(&mut custody, interaction)?;
        custody.export(&*self.log, &stream, folder, &mut |_, _| {})
    }

    /// Signs a checkpoint if the newest one does not cover the interaction; the interaction's stream.
    fn cover(
        &self,
        custody: &mut Custody,
        interaction: InteractionId,
    ) -> Result<StreamId, CustodyError> {
        let stream = StreamId::interaction(interaction);
        let last = self.log.read_stream(&stream, Version(u64::MAX), Direction::Backward, 1)?;
        let newest = custody.newest().map_or(0, |newest| newest.size);
        let Some(last) = last.first() else {
            return Err(CustodyError::NoEvents { stream: stream.to_string(), size: newest });
        };
        if newest < last.header.position.0 {
            custody.checkpoint(&*self.log, &mut |_, _| {})?;
        }
        Ok(stream)
    }
}
