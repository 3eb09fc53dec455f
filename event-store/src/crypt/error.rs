//! What can go wrong with keys and sealed values.

use std::path::PathBuf;

use ledgerline_schemas::id::KeyId;

use super::kek::WrapError;

/// Sealing, opening or key keeping failed. Messages never contain plaintext.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CryptError {
    /// Another process has the key file open.
    #[error("the key file {} is in use by another process", path.display())]
    Locked {
        /// The file.
        path: PathBuf,
    },
    /// The key file cannot be opened, read or written.
    #[error("the key file {} cannot be used: {reason}", path.display())]
    Store {
        /// The file; `(memory)` for a ring without one.
        path: PathBuf,
        /// What failed.
        reason: String,
    },
    /// There is no such key in this organization: it was destroyed, or never made here.
    #[error("there is no key {key_id} in this organization")]
    NoKey {
        /// The key.
        key_id: KeyId,
    },
    /// The sealed bytes are not what was sealed with this key.
    #[error("the value sealed with key {key_id} is damaged")]
    Damaged {
        /// The key.
        key_id: KeyId,
    },
    /// A stored key has a form this version does not know.
    #[error("the stored {what} has an unknown form")]
    Malformed {
        /// Which kind of key.
        what: &'static str,
    },
    /// A key could not be wrapped or unwrapped.
    #[error(transparent)]
    Wrap(#[from] WrapError),
    /// The value could not be encoded.
    #[error("the value cannot be encoded: {0}")]
    Encode(String),
    /// The opened bytes are not a value of the wanted type.
    #[error("the opened value cannot be decoded: {0}")]
    Decode(String),
    /// The operating system gave no random bytes.
    #[error("the operating system gave no random bytes")]
    Random,
}
