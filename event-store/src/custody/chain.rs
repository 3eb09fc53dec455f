//! The chain of a stream: one hash that names a stream's whole history up to an event.
//!
//! ```text
//! chain(v) = SHA-256(0x02 | chain(v - 1) | leaf hash of version v)     chain(-1) = 32 zero bytes
//! ```
//!
//! It is computed from the log, not stored in it: a log of any age has it. The prefix differs from those of
//! the tree (0x00, 0x01), so that no value of one can be passed off as a value of the other.

use sha2::{Digest as _, Sha256};

use super::hash::Hash;

const LINK: u8 = 2;

/// The chain value of a stream without events.
pub const CHAIN_START: Hash = Hash([0; 32]);

/// The chain value after the event with this leaf hash.
#[must_use]
pub fn link(previous: Hash, leaf: Hash) -> Hash {
    let mut hasher = Sha256::new();
    hasher.update([LINK]);
    hasher.update(previous.0);
    hasher.update(leaf.0);
    Hash(hasher.finalize().into())
}
