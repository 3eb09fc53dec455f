//! How far a subscription has come, in a file of its own: one file, replaced as a whole, so that an event is at every
//! instant either not read yet, open, a dead letter, or done.

use std::io;
use std::path::{Path, PathBuf};

use ledgerline_access::outbound::whole_file;
use ledgerline_schemas::id::{EntityId, EventId, OrgId};
use ledgerline_schemas::{Position, StreamId, Timestamp};
use serde::{Deserialize, Serialize};

use super::dead_letter::DeadLetters;

/// The file of a subscription cannot be used. Nothing is sent until it can.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// Reading or writing failed.
    #[error("webhook file '{}' cannot be used: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// The content is not what this program writes.
    #[error("webhook file '{}' is damaged: {reason}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// It is of another organization or subscription.
    #[error("webhook file '{}' is of another organization or subscription", path.display())]
    Other {
        /// The file.
        path: PathBuf,
    },
    /// The saved position is beyond the log, which must have been replaced by an older one.
    #[error("webhook file '{}' is at position {saved}, beyond the log's head {head}", path.display())]
    Ahead {
        /// The file.
        path: PathBuf,
        /// The saved position.
        saved: Position,
        /// The log's head.
        head: Position,
    },
}

/// An event that was read and is not done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Item {
    /// Where it is.
    pub position: Position,
    /// The event.
    pub event_id: EventId,
    /// Its stream, in whose order it is sent.
    pub stream: StreamId,
    /// The type it is sent as.
    pub event_type: String,
    /// Attempts that failed, as the schedule counts them.
    pub attempts: u32,
    /// When the last one failed.
    pub tried_at: Timestamp,
    /// Not before.
    pub next_at: Timestamp,
    /// Why the last one failed.
    pub reason: String,
}

/// An endpoint said that it is gone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Disabled {
    /// When.
    pub at: Timestamp,
    /// Why.
    pub reason: String,
    /// Position of the subscription's document of that time: a newer one enables it again.
    pub config_position: Position,
}

/// Everything that outlives the process.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Saved {
    /// Whose.
    pub org_id: OrgId,
    /// Of which subscription.
    pub subscription_id: EntityId,
    /// Where the subscription was created: one that was deleted and made anew begins anew.
    pub since: Position,
    /// Everything up to here was read, and is done unless it is open.
    pub read: Position,
    /// What is not done, in order.
    pub open: Vec<Item>,
    /// What was given up.
    pub dead: DeadLetters,
    /// The endpoint is not sent to.
    pub disabled: Option<Disabled>,
}

/// The file of one subscription.
#[derive(Clone, Debug)]
pub struct Journal {
    path: PathBuf,
}

impl Journal {
    /// The file of a subscription in a folder that exists.
    #[must_use]
    pub fn of(folder: &Path, subscription_id: EntityId) -> Self {
        Self { path: folder.join(format!("{subscription_id}.json")) }
    }

    /// What was saved; without a file, or when it is of a former subscription of the same name, the beginning.
    ///
    /// # Errors
    /// [`JournalError`].
    pub fn load(
        &self,
        org_id: OrgId,
        subscription_id: EntityId,
        since: Position,
        head: Position,
    ) -> Result<Saved, JournalError> {
        let path = || self.path.clone();
        let fresh = Saved {
            org_id,
            subscription_id,
            since,
            read: since,
            open: Vec::new(),
            dead: DeadLetters::default(),
            disabled: None,
        };
        let bytes = match std::fs::read(&self.path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(fresh),
            Err(source) => return Err(JournalError::Io { path: path(), source }),
        };
        let saved: Saved = serde_json::from_slice(&bytes)
            .map_err(|error| JournalError::Damaged { path: path(), reason: error.to_string() })?;
        if saved.org_id != org_id || saved.subscription_id != subscription_id {
            return Err(JournalError::Other { path: path() });
        }
        if saved.read > head {
            return Err(JournalError::Ahead { path: path(), saved: saved.read, head });
        }
        Ok(if saved.since == since { saved } else { fresh })
    }

    /// Saves, durably.
    ///
    /// # Errors
    /// [`JournalError::Io`]; the file then holds the old content or the new one.
    pub fn save(&self, saved: &Saved) -> Result<(), JournalError> {
        serde_json::to_vec(saved)
            .map_err(io::Error::from)
            .and_then(|bytes| whole_file::replace(&self.path, &bytes))
            .map_err(|source| JournalError::Io { path: self.path.clone(), source })
    }

    /// Forgets a subscription that is gone.
    ///
    /// # Errors
    /// [`JournalError::Io`].
    pub fn remove(&self) -> Result<(), JournalError> {
        match std::fs::remove_file(&self.path) {
            Err(source) if source.kind() != io::ErrorKind::NotFound => {
                Err(JournalError::Io { path: self.path.clone(), source })
            }
            _ => Ok(()),
        }
    }
}
