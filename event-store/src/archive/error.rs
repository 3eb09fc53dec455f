//! Why something with copies of a log did not work.

use std::io;

use ledgerline_schemas::Position;
use ledgerline_schemas::id::OrgId;

/// Archiving, dropping, backing up or restoring failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ArchiveError {
    /// The address of a store cannot be used.
    #[error("{address}: {reason}")]
    Address {
        /// The address as it was given.
        address: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The store did not do what it was asked.
    #[error("{store}: {object}: {reason}")]
    Store {
        /// The store.
        store: String,
        /// The object it was asked about.
        object: String,
        /// What it said.
        reason: String,
        /// Whether it said that there is no such object.
        missing: bool,
    },
    /// A stored object is not as it must be.
    #[error("{object} is damaged: {reason}")]
    Damaged {
        /// The object.
        object: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The copies there are of another log or another history.
    #[error("{store} holds another history of organization {org_id}: {reason}")]
    OtherHistory {
        /// The store.
        store: String,
        /// Whose log it is.
        org_id: OrgId,
        /// Where they differ.
        reason: String,
    },
    /// There is nothing to restore there.
    #[error("{store} holds no backup: {reason}")]
    NoBackup {
        /// The store.
        store: String,
        /// What is missing.
        reason: String,
    },
    /// The point to restore to is behind the end.
    #[error("position {wanted} is behind the end of the backup at position {head}")]
    BehindEnd {
        /// The position asked for.
        wanted: Position,
        /// Position of the last event in the backup.
        head: Position,
    },
    /// What was to happen could not be recorded, so it did not happen.
    #[error("it could not be recorded: {0}")]
    Record(String),
    /// A file of the log cannot be read or written.
    #[error("the log's files: {0}")]
    Files(#[from] io::Error),
}
