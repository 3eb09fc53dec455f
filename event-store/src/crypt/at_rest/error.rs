//! What can go wrong with files that are encrypted at rest.

use std::sync::Arc;

use ledgerline_schemas::id::KeyId;

use crate::crypt::CryptError;

/// A file cannot be sealed or opened. Messages name the key, never a content.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FileCipherError {
    /// The file is sealed and nobody gave keys to open it.
    #[error("it is encrypted with storage key {key_id}, and no keys are open here")]
    NoKeys {
        /// The key that is needed.
        key_id: KeyId,
    },
    /// The key is not among the storage keys of the organization.
    #[error(
        "it is encrypted with storage key {key_id}, which is not in this organization's key file"
    )]
    NoKey {
        /// The key that is needed.
        key_id: KeyId,
    },
    /// Key and head of the file do not belong together.
    #[error(
        "its head does not fit storage key {key_id}: it is damaged, was moved from another place, or \
         the key is another one of this name"
    )]
    WrongKey {
        /// The key that the head names.
        key_id: KeyId,
    },
    /// The bytes are not what was sealed.
    #[error("chunk {chunk} is not what was encrypted with storage key {key_id}")]
    Damaged {
        /// The key.
        key_id: KeyId,
        /// Number of the chunk, from 0.
        chunk: u64,
    },
    /// The file is shorter or longer than its head says, or its head is of another version.
    #[error("it does not have the form of an encrypted file: {0}")]
    Malformed(&'static str),
    /// The keys could not be used.
    #[error(transparent)]
    Keys(Arc<CryptError>),
}

impl From<CryptError> for FileCipherError {
    fn from(error: CryptError) -> Self {
        match error {
            CryptError::NoKey { key_id } => Self::NoKey { key_id },
            error => Self::Keys(Arc::new(error)),
        }
    }
}

impl From<FileCipherError> for std::io::Error {
    fn from(error: FileCipherError) -> Self {
        Self::new(std::io::ErrorKind::InvalidData, error)
    }
}
