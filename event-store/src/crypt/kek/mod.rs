//! Keys that wrap keys: one key-encryption key (KEK) in force for each organization.
//!
//! Data keys are stored wrapped by a KEK. Who holds the KEKs is behind [`KeyWrapper`]: [`FileKeyring`] keeps
//! them in a folder; a key-management service can stand in its place. Destroying or withholding a KEK makes
//! every key it wraps, and every backup of the key file made under it, useless.

mod file;

use std::fmt;
use std::path::PathBuf;

use ledgerline_schemas::id::OrgId;
use zeroize::Zeroizing;

pub use file::FileKeyring;

/// Longest name of a KEK, bytes.
pub const KEK_ID_BYTES_MAX: usize = 255;

/// Name of a KEK: what the keyring or the service calls it. Not secret.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct KekId(String);

impl KekId {
    /// A name of 1 to [`KEK_ID_BYTES_MAX`] bytes.
    #[must_use]
    pub fn new(name: impl Into<String>) -> Option<Self> {
        let name = name.into();
        (1..=KEK_ID_BYTES_MAX).contains(&name.len()).then_some(Self(name))
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for KekId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Wrapping or unwrapping a key failed. Messages hold no secret.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WrapError {
    /// The KEK is not there (any more).
    #[error("key-encryption key {kek} of organization {org} is not in {place}")]
    Missing {
        /// The organization.
        org: OrgId,
        /// The KEK.
        kek: KekId,
        /// Where it was looked for.
        place: String,
    },
    /// The wrapped bytes are not what was wrapped under this KEK for this key.
    #[error("a key wrapped by {kek} is damaged")]
    Damaged {
        /// The KEK.
        kek: KekId,
    },
    /// A stored KEK cannot be read or written.
    #[error("the keyring {} cannot be used: {reason}", path.display())]
    Keyring {
        /// The file or folder.
        path: PathBuf,
        /// What failed.
        reason: String,
    },
    /// A KEK that is in force was to be destroyed.
    #[error("key-encryption key {kek} is in force and is not destroyed")]
    InForce {
        /// The KEK.
        kek: KekId,
    },
    /// The service did not do it.
    #[error("the key service refused: {0}")]
    Refused(String),
}

/// Holds the KEKs of organizations and wraps data keys with them. Calls may block: the key ring makes them
/// on a cache miss and on new keys only, never for each value.
pub trait KeyWrapper: Send + Sync + fmt::Debug + 'static {
    /// The KEK in force for an organization; made, durably, if there is none.
    ///
    /// # Errors
    /// [`WrapError`].
    fn current(&self, org: OrgId) -> Result<KekId, WrapError>;

    /// Wraps a secret. `context` has to be the same for unwrapping.
    ///
    /// # Errors
    /// [`WrapError`].
    fn wrap(
        &self,
        org: OrgId,
        kek: &KekId,
        context: &[u8],
        secret: &[u8],
    ) -> Result<Vec<u8>, WrapError>;

    /// Unwraps what [`KeyWrapper::wrap`] gave.
    ///
    /// # Errors
    /// [`WrapError::Missing`] without the KEK, [`WrapError::Damaged`] if the bytes or the context differ.
    fn unwrap_secret(
        &self,
        org: OrgId,
        kek: &KekId,
        context: &[u8],
        wrapped: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, WrapError>;

    /// Every KEK of an organization that is still there, in no particular order.
    ///
    /// # Errors
    /// [`WrapError`].
    fn keks(&self, org: OrgId) -> Result<Vec<KekId>, WrapError>;

    /// Makes a new KEK and puts it in force, durably. Older ones stay.
    ///
    /// # Errors
    /// [`WrapError`]; the old KEK is in force then.
    fn rotate(&self, org: OrgId) -> Result<KekId, WrapError>;

    /// Destroys a KEK that is not in force; one that is not there is no error. The caller makes sure that
    /// nothing wrapped by it is needed.
    ///
    /// # Errors
    /// [`WrapError::InForce`] and others.
    fn destroy(&self, org: OrgId, kek: &KekId) -> Result<(), WrapError>;

    /// Where the KEKs are, for messages and status.
    fn place(&self) -> String;
}

#[cfg(test)]
mod tests;
