//! What the voice edge needs of the rest: a place for commands, and effects to run.

use std::sync::Arc;

use async_trait::async_trait;
use ledgerline_routing_core::{Effect, EffectId, Rejection};
use ledgerline_schemas::command::Commanded;
use ledgerline_schemas::event::media::MediaSide;
use ledgerline_schemas::id::{InteractionId, MediaLegId, OrgId};
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

/// A leg that the routing state believes to be on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LiveLeg {
    /// The interaction.
    pub interaction_id: InteractionId,
    /// The leg.
    pub media_leg_id: MediaLegId,
    /// Whose.
    pub side: MediaSide,
}

/// Takes commands; the engine of one organization.
#[async_trait]
pub trait CommandPort: Send + Sync {
    /// Resolves when the command's events are durable.
    ///
    /// # Errors
    /// If it was rejected or could not be made durable.
    async fn submit(&self, command: Commanded) -> Result<(), PortError>;

    /// The voice legs that the routing state believes to be on the wire.
    ///
    /// # Errors
    /// If the engine cannot be asked.
    async fn live_legs(&self) -> Result<Vec<LiveLeg>, PortError>;
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
