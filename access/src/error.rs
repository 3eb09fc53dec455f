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
    #[error("token algorithm is not accepted")]
    WrongAlgorithm,
    /// `exp` has passed.
    #[error("token has expired")]
    Expired,
    /// `nbf` lies in the future.
    #[error("token is not valid yet")]
    NotYetValid,
    /// `iss` names an issuer that is not trusted here.
    #[error("token issuer is not trusted here")]
    WrongIssuer,
    /// `aud` names another audience.
    #[error("token audience is not this server's interface")]
    WrongAudience,
    /// `kid` names a key that the issuer does not publish (any more), or one that cannot be used.
    #[error("token is signed with a key that its issuer does not publish")]
    UnknownKey,
    /// The issuer could not be asked for its keys, and those of before are too old.
    #[error("keys of the token's issuer are not available now")]
    KeysUnavailable,
    /// No claim of a verified token names an organization of this server.
    #[error("token opens no organization of this server")]
    NoOrganization,
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

/// How a door answers a refusal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Nobody is known by these credentials (HTTP 401).
    Unauthenticated,
    /// Somebody is, and may not come in (HTTP 403).
    Forbidden,
    /// It cannot be found out now (HTTP 503); the same credentials may do later.
    Unavailable,
}

impl AccessError {
    /// How a door answers it.
    #[must_use]
    pub const fn refusal(&self) -> Refusal {
        match self {
            Self::KeysUnavailable | Self::Unavailable => Refusal::Unavailable,
            Self::NoOrganization => Refusal::Forbidden,
            _ => Refusal::Unauthenticated,
        }
    }

    /// Its name, `lower_snake`, as in metrics.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::NotBearer => "not_bearer",
            Self::Malformed(_) => "malformed",
            Self::BadSignature => "bad_signature",
            Self::WrongAlgorithm => "wrong_algorithm",
            Self::Expired => "expired",
            Self::NotYetValid => "not_yet_valid",
            Self::WrongIssuer => "wrong_issuer",
            Self::WrongAudience => "wrong_audience",
            Self::UnknownKey => "unknown_key",
            Self::KeysUnavailable => "keys_unavailable",
            Self::NoOrganization => "no_organization",
            Self::WrongPassword => "wrong_password",
            Self::InvalidGrant { .. } => "invalid_grant",
            Self::Signing(_) => "signing",
            Self::Unavailable => "unavailable",
        }
    }
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
