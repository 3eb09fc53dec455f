//! A domain "no": the command was understood and refused. Nothing happened.

/// Why a command was refused. Codes are stable.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Rejection {
    /// Stable code, `lower_snake`.
    pub code: RejectionCode,
    /// What exactly, naming the field or entity; without personal data.
    pub message: String,
}

/// Kinds of refusal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum RejectionCode {
    /// The thing does not exist (any more).
    NotFound,
    /// A value is not allowed.
    Invalid,
    /// The state does not allow it now.
    Conflict,
    /// No entry point has this number.
    UnknownNumber,
    /// A limit of active interactions is reached.
    Busy,
}

impl RejectionCode {
    /// The `lower_snake` name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::NotFound => "not_found",
            Self::Invalid => "invalid",
            Self::Conflict => "conflict",
            Self::UnknownNumber => "unknown_number",
            Self::Busy => "busy",
        }
    }
}

impl Rejection {
    /// A refusal with this code and message.
    #[must_use]
    pub fn new(code: RejectionCode, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }
}
