//! Why somebody is not let in, and why a credential file cannot be used.

use std::io;
use std::path::PathBuf;

/// Why a token, a header, a password or a grant is refused.
///
/// The text is safe to send to the caller: it holds no secret and no part of the token.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AccessError {
    /// No `Authorization` header.
    #[error("authorization header is missing")]
    Missing,
    /// The header is not `Bearer <token>`.
    #[error("authorization header is not of the form 'Bearer <token>'")]
    NotBearer,
    /// Not a token, or a claim is absent or of the wrong form.
    #[error("token is malformed: {0}")]
    Malformed(String),
    /// Signed with another key, or changed after signing.
    #[error("token signature does not match")]
    BadSignature,
    /// Signed with an algorithm this server does not accept.
    #[error("token algorithm is not accepted, it must be HS256")]
    WrongAlgorithm,
    /// `exp` has passed.
    #[error("token has expired")]
    Expired,
    /// `nbf` lies in the future.
    #[error("token is not valid yet")]
    NotYetValid,
    /// `iss` names another issuer.
    #[error("token issuer is not this server")]
    WrongIssuer,
    /// `aud` names another audience.
    #[error("token audience is not this server's interface")]
    WrongAudience,
    /// Unknown user or wrong password; which of the two is not said.
    #[error("user name or password is wrong")]
    WrongPassword,
    /// A token of this kind is never issued.
    #[error("grant field '{field}' {reason}")]
    InvalidGrant {
        /// The field.
        field: &'static str,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The signature could not be made, or the operating system gave no random bytes.
    #[error("token cannot be made: {0}")]
    Signing(String),
    /// The credential file cannot be used; the reason is for the operator, not for the caller.
    #[error("credentials are unavailable")]
    Unavailable,
}

/// Why a key or credential file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Reading or writing failed.
    #[error("file '{}' cannot be used: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// Others than the owner can read or write it.
    #[error("file '{}' must be accessible to its owner alone (mode 0600), it has mode {mode:04o}", path.display())]
    Exposed {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// The content is not what this program writes.
    #[error("file '{}' is damaged: {reason}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// A user name outside the allowed form.
    #[error(
        "user name '{0}' is invalid, it must be 1 to 63 of the characters a-z 0-9 . _ - and begin with a letter"
    )]
    InvalidName(String),
    /// The name is taken.
    #[error("user name '{0}' exists already")]
    UserExists(String),
    /// No such user.
    #[error("user name '{0}' does not exist")]
    UnknownUser(String),
    /// A user without roles could do nothing.
    #[error("user '{0}' has no role")]
    NoRoles(String),
    /// The operating system gave no random bytes.
    #[error("random bytes are unavailable: {0}")]
    Random(String),
}

impl StoreError {
    pub(crate) fn io(path: &std::path::Path, source: io::Error) -> Self {
        Self::Io { path: path.to_owned(), source }
    }
}
