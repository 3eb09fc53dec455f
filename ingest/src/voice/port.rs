//! What the voice edge needs of the rest: a place for commands, effects to run, a seal for numbers.

use std::sync::Arc;

use async_trait::async_trait;
use ledgerline_routing_core::{Effect, EffectId, Rejection};
use ledgerline_schemas::Sensitive;
use ledgerline_schemas::command::Commanded;
use ledgerline_schemas::id::{OrgId, SubjectId};
use tokio::sync::mpsc::UnboundedReceiver;

/// A command was not carried out.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PortError {
    /// The core says no.
    #[error(transparent)]
    Rejected(#[from] Rejection),
    /// Too many commands wait.
    #[error("engine queue is full")]
    Busy,
    /// The engine does not run.
    #[error("engine is unavailable: {0}")]
    Unavailable(String),
}

/// Takes commands; the engine of one organization.
#[async_trait]
pub trait CommandPort: Send + Sync {
    /// Resolves when the command's events are durable.
    ///
    /// # Errors
    /// If it was rejected or could not be made durable.
    async fn submit(&self, command: Commanded) -> Result<(), PortError>;
}

/// A value could not be sealed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("personal data cannot be sealed: {0}")]
pub struct SealError(pub String);

/// Seals personal data under the key of the person it belongs to. May block.
pub trait Seal: Send + Sync {
    /// The person behind a number or address, by keyed hash.
    ///
    /// # Errors
    /// If the key ring cannot be used.
    fn subject(&self, org_id: OrgId, kind: &str, value: &str) -> Result<SubjectId, SealError>;

    /// Seals a text.
    ///
    /// # Errors
    /// If the key ring cannot be used.
    fn seal_text(
        &self,
        org_id: OrgId,
        subject: SubjectId,
        text: &str,
    ) -> Result<Sensitive<String>, SealError>;
}

/// Says whether a number belongs to an organization.
pub type Numbers = Arc<dyn Fn(&str) -> bool + Send + Sync>;

/// One organization at the voice edge.
pub struct VoiceDoor {
    /// The organization.
    pub org_id: OrgId,
    /// Its engine.
    pub commands: Arc<dyn CommandPort>,
    /// The effects of its voice legs, in the order of the log.
    pub effects: UnboundedReceiver<(EffectId, Effect)>,
    /// Which numbers are its own; absent: the engine is asked by the command itself.
    pub numbers: Option<Numbers>,
}
