//! Why custody of a log cannot go on.

use std::io;
use std::path::{Path, PathBuf};

use ledgerline_schemas::Position;
use ledgerline_schemas::id::OrgId;

use super::tile::TileId;
use super::verify::VerifyError;
use crate::log::ReadError;

/// Signing, proving or exporting failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CustodyError {
    /// A file cannot be read or written.
    #[error("{path}: {source}", path = .path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The signing key cannot be used.
    #[error("{path}: {reason}", path = .path.display())]
    Key {
        /// The key file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The history of checkpoints is damaged or was changed.
    #[error("{file}: {reason}")]
    History {
        /// The file.
        file: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A stored tile is damaged or missing; tiles can be built anew from the log.
    #[error("{tile}: {reason}")]
    Tile {
        /// Its path below the custody folder.
        tile: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The log is another organization's.
    #[error("this is the log of organization {found}, not of {expected}")]
    WrongLog {
        /// Whose log it is.
        found: OrgId,
        /// Whose checkpoints these are.
        expected: OrgId,
    },
    /// The log ends before a checkpoint that was signed.
    #[error(
        "the log ends at position {head}, but the checkpoint of size {size} was signed: it was cut off"
    )]
    LogCut {
        /// Where it ends.
        head: Position,
        /// Size of the checkpoint.
        size: u64,
    },
    /// The log is not the one that was signed.
    #[error(
        "the first {size} events of the log are not those of the signed checkpoint: they were changed"
    )]
    LogChanged {
        /// Size of the checkpoint.
        size: u64,
    },
    /// There is no checkpoint that covers this position.
    #[error("position {position} is not covered: the newest checkpoint has size {size}")]
    NotCovered {
        /// The position.
        position: Position,
        /// Size of the newest checkpoint, 0 if there is none.
        size: u64,
    },
    /// There is no event of this stream under the newest checkpoint.
    #[error("stream {stream} has no events up to position {size}")]
    NoEvents {
        /// The stream.
        stream: String,
        /// Size of the newest checkpoint.
        size: u64,
    },
    /// The name of a stream cannot stand in a signed statement.
    #[error("stream {stream:?} has characters that cannot stand in a signed statement")]
    StreamName {
        /// The stream.
        stream: String,
    },
    /// A proof does not hold against the verifier, so it is not given out.
    #[error("the proof of position {position} does not hold: {reason}")]
    ProofFails {
        /// The position.
        position: Position,
        /// What the verifier says.
        reason: VerifyError,
    },
    /// The log cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
}

impl CustodyError {
    pub(super) fn io(path: &Path, source: io::Error) -> Self {
        Self::Io { path: path.to_owned(), source }
    }

    pub(super) fn tile(id: TileId, reason: &'static str) -> Self {
        Self::Tile { tile: id.to_string(), reason }
    }
}
