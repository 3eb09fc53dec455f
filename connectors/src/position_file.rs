//! How far a consumer has come, in a file of its own.

use std::io;
use std::path::{Path, PathBuf};

use ledgerline_access::outbound::whole_file;
use ledgerline_schemas::Position;
use ledgerline_schemas::id::OrgId;
use serde::{Deserialize, Serialize};

/// A position file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum PositionError {
    /// Reading or writing failed.
    #[error("position file '{}' cannot be used: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// The content is not what this program writes.
    #[error("position file '{}' is damaged: {reason}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// It is of another organization.
    #[error("position file '{}' is of organization {found}, not of {expected}", path.display())]
    OtherOrganization {
        /// The file.
        path: PathBuf,
        /// Whose it is.
        found: OrgId,
        /// Whose it should be.
        expected: OrgId,
    },
}

#[derive(Serialize, Deserialize)]
struct Saved {
    org_id: OrgId,
    position: Position,
}

/// A position that outlives the process.
#[derive(Debug)]
pub struct PositionFile {
    path: PathBuf,
    org_id: OrgId,
    position: Position,
}

impl PositionFile {
    /// Opens the file; without one, the consumer is at the beginning.
    ///
    /// # Errors
    /// [`PositionError`].
    pub fn open(path: &Path, org_id: OrgId) -> Result<Self, PositionError> {
        let path = path.to_owned();
        let bytes = match std::fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Ok(Self { path, org_id, position: Position::START });
            }
            Err(source) => return Err(PositionError::Io { path, source }),
        };
        let saved: Saved = match serde_json::from_slice(&bytes) {
            Ok(saved) => saved,
            Err(error) => return Err(PositionError::Damaged { path, reason: error.to_string() }),
        };
        if saved.org_id != org_id {
            let (found, expected) = (saved.org_id, org_id);
            return Err(PositionError::OtherOrganization { path, found, expected });
        }
        Ok(Self { path, org_id, position: saved.position })
    }

    /// The position saved last.
    #[must_use]
    pub const fn position(&self) -> Position {
        self.position
    }

    /// Saves a position, durably.
    ///
    /// # Errors
    /// [`PositionError`]; the file then holds the old position or the new one.
    pub fn save(&mut self, position: Position) -> Result<(), PositionError> {
        let saved = Saved { org_id: self.org_id, position };
        serde_json::to_vec(&saved)
            .map_err(io::Error::from)
            .and_then(|bytes| whole_file::replace(&self.path, &bytes))
            .map_err(|source| PositionError::Io { path: self.path.clone(), source })?;
        self.position = position;
        Ok(())
    }
}
