//! Hashes of the tree as RFC 6962 defines them, prover's side.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest as _, Sha256};

/// Prefix of what is hashed for a leaf.
const LEAF: u8 = 0;
/// Prefix of what is hashed for two subtrees.
const NODE: u8 = 1;

/// A SHA-256 hash. Shown as standard base64, the form of checkpoints and proofs.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Hash(pub [u8; 32]);

impl Hash {
    /// The hash of these bytes, without any prefix.
    pub(crate) fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }

    /// The hash of a leaf with these bytes.
    #[must_use]
    pub fn leaf(bytes: &[u8]) -> Self {
        let mut hasher = Sha256::new();
        hasher.update([LEAF]);
        hasher.update(bytes);
        Self(hasher.finalize().into())
    }

    /// The hash of a subtree made of these two.
    pub(crate) fn node(left: Self, right: Self) -> Self {
        let mut hasher = Sha256::new();
        hasher.update([NODE]);
        hasher.update(left.0);
        hasher.update(right.0);
        Self(hasher.finalize().into())
    }

    /// The root of the empty tree.
    pub(crate) fn of_nothing() -> Self {
        Self::of(&[])
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&STANDARD.encode(self.0))
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Hash({self})")
    }
}
