//! Key material at a standby: a whole copy first, then every change.
//!
//! ```text
//! leader    KeyRing ── publishes ──▶ KeyFeed ◀── asks, and says what it has ── standby ──▶ KeyRing
//!              └── waits until the standbys in step have it ──┘
//! ```
//!
//! Keys travel as they are in the key file: wrapped by a KEK that both sides have been given. Files that hold
//! secrets (the key of tokens, the database users) travel encrypted under a key that is wrapped the same way.
//! How messages get from one to the other is not decided here: they are bytes ([`Delivery::encode`]).
//!
//! **Invariants**
//!
//! * A key is at every standby in step before the first value sealed with it is returned. A standby that takes
//!   longer than the feed's patience is out of step until it has caught up: that is logged and counted.
//! * A destroyed key goes at a standby as well: by the feed, or by its id on the log. That a key is missing
//!   at the leader does not destroy it here: it may have been made here.
//! * Nothing that does not unwrap here becomes part of the key file.

mod feed;
mod sealed_file;
mod take;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt;

use ledgerline_schemas::id::{OrgId, SubjectId};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

pub(super) use feed::Hub;
pub use feed::KeyFeed;
pub use sealed_file::SealedCopy;
pub use take::{Taken, TakenFile};

use super::error::CryptError;

/// Format of a delivery.
const FORMAT: u32 = 1;

/// A row of the key file. No secret is in it that is not wrapped.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) enum Row {
    /// A data key: its id, and the stored record.
    Data(Uuid, Vec<u8>),
    /// Which data key seals for a person of an organization.
    Subject(Uuid, Uuid, Uuid),
    /// The index key of an organization.
    Index(Uuid, Vec<u8>),
    /// A storage key: its id, and the stored record.
    Storage(Uuid, Vec<u8>),
    /// Which storage key of an organization is in force.
    StorageCurrent(Uuid, Uuid),
    /// A KEK of an organization that keys may be wrapped by.
    Kek(Uuid, String),
}

impl fmt::Debug for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Data(..) => "Data",
            Self::Subject(..) => "Subject",
            Self::Index(..) => "Index",
            Self::Storage(..) => "Storage",
            Self::StorageCurrent(..) => "StorageCurrent",
            Self::Kek(..) => "Kek",
        })
    }
}

/// What happened to the key file.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) enum Change {
    /// Rows are new, or have another content.
    Put(Vec<Row>),
    /// Every data key of these persons was destroyed.
    Destroyed(Vec<(OrgId, SubjectId)>),
    /// A file with secrets has another content.
    File(SealedCopy),
}

/// Up to where somebody has the changes of a feed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// The feed: one life of a leading process.
    pub feed: Uuid,
    /// Number of its changes, from 0.
    pub changes: u64,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
enum Contents {
    Whole { rows: Vec<Row>, files: Vec<SealedCopy> },
    Changes(Vec<Change>),
}

/// What a feed gives a standby.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Delivery {
    format: u32,
    /// Where whoever takes it is then.
    pub place: Place,
    /// The claim that the leader holds the log of each organization by: an older one's keys are not taken.
    pub epochs: BTreeMap<OrgId, u64>,
    contents: Contents,
}

impl Delivery {
    /// Whether it is a whole copy.
    #[must_use]
    pub const fn is_whole(&self) -> bool {
        matches!(self.contents, Contents::Whole { .. })
    }

    /// Whether there is nothing in it: nothing changed for as long as was asked.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        matches!(&self.contents, Contents::Changes(changes) if changes.is_empty())
    }

    /// As bytes.
    ///
    /// # Errors
    /// [`CryptError::Encode`].
    pub fn encode(&self) -> Result<Vec<u8>, CryptError> {
        rmp_serde::to_vec_named(self).map_err(|error| CryptError::Encode(error.to_string()))
    }

    /// From bytes.
    ///
    /// # Errors
    /// [`CryptError::Decode`].
    pub fn decode(bytes: &[u8]) -> Result<Self, CryptError> {
        let decoded: Self =
            rmp_serde::from_slice(bytes).map_err(|error| CryptError::Decode(error.to_string()))?;
        if decoded.format == FORMAT {
            return Ok(decoded);
        }
        Err(CryptError::Decode(format!("format {} of key copies is not known", decoded.format)))
    }
}
