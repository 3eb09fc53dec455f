//! Why something that goes out did not arrive.

/// A place did not take what was sent.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct Undelivered {
    /// Why, without secrets, addresses, and the other side's own words: it goes to the log.
    pub reason: String,
    /// Whether it may go well later.
    pub passes: bool,
}

impl Undelivered {
    /// It may be taken later.
    #[must_use]
    pub fn later(reason: impl Into<String>) -> Self {
        Self { reason: reason.into(), passes: true }
    }

    /// It will not be taken as it is.
    #[must_use]
    pub fn never(reason: impl Into<String>) -> Self {
        Self { reason: reason.into(), passes: false }
    }
}
