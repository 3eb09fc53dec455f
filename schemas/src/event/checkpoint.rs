//! Signed states of the log, starts of the writer, and where its segments are.

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

/// A segment of the log is removed from the data directory; its verified copy in the archive stays.
///
/// Recorded before the removal: a crash in between leaves the segment, and the event again later. Event
/// type `log.segment_dropped`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LogSegmentDropped {
    /// Position of its first event.
    pub first_position: crate::envelope::Position,
    /// Position of its last event.
    pub last_position: crate::envelope::Position,
    /// Bytes it took in the data directory.
    pub local_bytes: u64,
    /// Where the archive is.
    pub archive: String,
    /// Name of the object in it.
    pub object: String,
    /// SHA-256 of the object, lower-case hex.
    pub sha256: String,
}
