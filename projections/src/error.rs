//! What can go wrong with the tables.

use std::path::PathBuf;
use std::sync::Arc;

use ledgerline_event_store::ReadError;
use ledgerline_event_store::crypt::at_rest::FileCipherError;
use ledgerline_schemas::Position;
use ledgerline_schemas::id::OrgId;

use crate::retention::Removed;

/// The tables cannot be opened, built, written or read.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProjectionError {
    /// A file or folder of the tables could not be read or written.
    #[error("{path}: {reason}")]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the system says.
        reason: String,
    },
    /// A stored file is not what its manifest says.
    #[error("{path} is damaged: {reason}; `ledgerline rebuild` makes the tables anew from the log")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What does not fit.
        reason: String,
    },
    /// A file could not be encrypted or decrypted.
    #[error("{path}: {error}")]
    Cipher {
        /// The file.
        path: PathBuf,
        /// What does not fit; it names the key.
        error: FileCipherError,
    },
    /// The tables are of another organization.
    #[error("the tables in {path} are of organization {found}, not {expected}")]
    Foreign {
        /// Folder of the tables.
        path: PathBuf,
        /// Organization named in the manifest.
        found: OrgId,
        /// Organization of the log.
        expected: OrgId,
    },
    /// The tables have seen more than the log holds: they belong to another log.
    #[error("the tables stand at position {tables}, the log ends at {log}")]
    AheadOfLog {
        /// Position of the tables.
        tables: Position,
        /// Head of the log.
        log: Position,
    },
    /// The log could not be read.
    #[error("the log could not be read: {0}")]
    Log(#[from] Arc<ReadError>),
    /// Rows could not be encoded or decoded.
    #[error("rows of {table} could not be encoded: {reason}")]
    Encode {
        /// The table.
        table: &'static str,
        /// What does not fit.
        reason: String,
    },
    /// The log has not reached a position that was asked for.
    #[error("position {asked} is not reached yet: the log ends at {log}")]
    NotYet {
        /// Position asked for.
        asked: Position,
        /// Head of the log.
        log: Position,
    },
    /// The table is not answered as it was then: rows that were there are no longer kept.
    #[error(transparent)]
    Removed(#[from] Removed),
    /// More changes of rows than an answer may have.
    #[error("more than {max} changes: ask for fewer positions")]
    TooMany {
        /// The limit.
        max: usize,
    },
    /// Nobody waits for the answer any more.
    #[error("nobody waits for the answer any more")]
    Cancelled,
    /// The fold has been stopped.
    #[error("the projections are stopped")]
    Stopped,
}

impl From<ReadError> for ProjectionError {
    fn from(error: ReadError) -> Self {
        Self::Log(Arc::new(error))
    }
}

impl ProjectionError {
    /// An input or output error with the path it happened at.
    pub(crate) fn io(path: &std::path::Path, error: &std::io::Error) -> Self {
        Self::Io { path: path.to_owned(), reason: error.to_string() }
    }

    /// Gives a trouble with keys the path it happened at.
    pub(crate) fn cipher(path: &std::path::Path) -> impl Fn(FileCipherError) -> Self {
        move |error| Self::Cipher { path: path.to_owned(), error }
    }

    /// An Arrow or Parquet error with the table it happened in.
    pub(crate) fn encode(table: &'static str, error: impl std::fmt::Display) -> Self {
        Self::Encode { table, reason: error.to_string() }
    }
}
