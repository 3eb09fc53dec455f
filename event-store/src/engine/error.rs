//! Why a mirror does not open, does not lead, or goes no further.

use ledgerline_schemas::Position;

use super::carrier::{CarrierError, Offset};
use crate::custody::Hash;
use crate::embedded::OpenError;
use crate::log::{AppendError, ReadError};

/// A mirror failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EngineError {
    /// The local log does not open.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The directory is a mirror of something else.
    #[error("the log in this directory mirrors {found}, not {wanted}")]
    OtherEngine {
        /// What it mirrors.
        found: String,
        /// What it should mirror.
        wanted: String,
    },
    /// The directory has a log of its own.
    #[error(
        "the log in this directory is its own, up to position {head}, and no mirror of {wanted}; move it there first"
    )]
    NotAMirror {
        /// The log's last position.
        head: Position,
        /// What it should mirror.
        wanted: String,
    },
    /// An entry can carry too little for the longest append.
    #[error("entries of the engine have at most {actual} bytes, {needed} are needed")]
    EntriesTooShort {
        /// What the engine takes, bytes.
        actual: usize,
        /// What the longest append needs, bytes.
        needed: usize,
    },
    /// The engine said no, or is not there.
    #[error(transparent)]
    Carrier(#[from] CarrierError),
    /// The engine left entries out.
    #[error("the engine went on with entry {found}, {expected} was next")]
    Skipped {
        /// What was next.
        expected: Offset,
        /// What came.
        found: Offset,
    },
    /// Entries that were read are not there any more. Opening the mirror again brings back what it has of them.
    #[error(
        "the engine lost entries: {read} were read, and the last of them are gone or others now"
    )]
    TailLost {
        /// Number of entries that were read.
        read: Offset,
    },
    /// The engine and the mirror hold different events at the same position. One of them has to go.
    #[error(
        "at position {position} the engine holds other events (SHA-256 {theirs}) than this log ({ours})"
    )]
    Diverged {
        /// First position of the append.
        position: Position,
        /// Hash of what the mirror holds.
        ours: Hash,
        /// Hash of what the engine holds.
        theirs: Hash,
    },
    /// An append of the engine cannot be the next one here.
    #[error("what the engine holds at position {position} does not fit: {reason}")]
    Misfit {
        /// First position of the append.
        position: Position,
        /// What is wrong with it.
        reason: String,
    },
    /// Another process writes the log.
    #[error("another process writes this log (epoch {epoch}) and is there")]
    Held {
        /// The epoch of its claim.
        epoch: u64,
    },
    /// Another process took the log over.
    #[error("another process writes this log now, since epoch {epoch}")]
    Fenced {
        /// The epoch of its claim.
        epoch: u64,
    },
    /// The engine did not take what was sent in time.
    #[error("the engine did not accept appends for {waited_ms} ms: {reason}")]
    OutOfPatience {
        /// How long it was tried, ms.
        waited_ms: u128,
        /// What went wrong last.
        reason: String,
    },
    /// The local log does not take what the engine has.
    #[error("the local log: {0}")]
    Local(#[from] AppendError),
    /// The local log cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// Local files.
    #[error("{what}: {source}")]
    Io {
        /// What was being done.
        what: &'static str,
        /// The system's answer.
        source: std::io::Error,
    },
    /// The mirror was closed, or ended before.
    #[error("the mirror ended: {reason}")]
    Ended {
        /// Why.
        reason: String,
    },
}

impl EngineError {
    /// Whether waiting may help.
    pub(crate) const fn is_passing(&self) -> bool {
        matches!(self, Self::Carrier(CarrierError::Unavailable { .. }))
    }
}
