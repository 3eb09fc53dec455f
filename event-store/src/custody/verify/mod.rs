//! The verifier: what an auditor needs, and nothing of what signs and proves.
//!
//! It shares no code with the prover beside it: it has its own parsers, its own hashing and its own layout
//! of a leaf, and it uses nothing of [`super`]. What both sides agree on is written in `docs/custody.md`.
//! A mistake on one side is therefore a proof that does not hold, not a proof of nothing.
//!
//! Whatever it is given may be forged: it never panics and takes no size from its input on trust.

mod finding;
mod leaf;
mod locate;
mod log;
mod note;
mod proof;
mod tiles;
pub(super) mod tree;

pub use finding::{Exact, Finding, How, Report};
pub use log::{Evidence, log};
pub use note::{Checkpoint, PublicKey, StreamStatement, notes};
pub use proof::{Inclusion, consistency, inclusion};
pub use tree::Root;

/// Something does not verify.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum VerifyError {
    /// The text is not of its form.
    #[error("{what}: {reason}")]
    Malformed {
        /// Which text.
        what: &'static str,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// No signature of the trusted key is on it.
    #[error("it is not signed by {name}")]
    NotSigned {
        /// Name of the trusted key.
        name: String,
    },
    /// The signature is not of this text and key.
    #[error("the signature of {name} does not fit the text")]
    BadSignature {
        /// Name of the trusted key.
        name: String,
    },
    /// A checkpoint is of another log.
    #[error("it is about {found:?}, not about {expected:?}")]
    WrongOrigin {
        /// The log it is about.
        found: String,
        /// The log it should be about.
        expected: String,
    },
    /// The proof leads to another root than the signed one.
    #[error("the proof does not lead to the root of the checkpoint of size {size}")]
    RootDiffers {
        /// Size of the checkpoint.
        size: u64,
    },
    /// The proof is for another tree.
    #[error("the proof begins at size {found}, the older checkpoint has size {expected}")]
    WrongSize {
        /// In the proof.
        found: u64,
        /// In the checkpoint.
        expected: u64,
    },
}

const fn malformed(what: &'static str, reason: &'static str) -> VerifyError {
    VerifyError::Malformed { what, reason }
}
