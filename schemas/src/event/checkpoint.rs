//! Signed states of the log and starts of the writer.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The log's tree was signed.
///
/// Event type `log.checkpoint`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LogCheckpoint {
    /// Events covered.
    pub tree_size: u64,
    /// RFC 6962 root, lower-case hex.
    pub root_hash: String,
    /// C2SP signed note.
    pub signature: String,
}

/// The single writer of the organization began a term.
///
/// Event type `engine.started`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct EngineStarted {
    /// Term, from 1.
    pub epoch: u64,
    /// SHA-256 of the routing state it started from, lower-case hex.
    pub state_hash: String,
    /// Position of that state.
    pub state_position: crate::envelope::Position,
}
