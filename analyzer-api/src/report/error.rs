//! Why a report could not be had.

use crate::error::QueryError;
use crate::format::FormatError;

/// A report was refused or failed.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// There is none of that name.
    #[error("there is no report '{0}'")]
    Unknown(String),
    /// There was none of that name at the moment.
    #[error("there was no report '{0}' at that moment; send its definition to run it")]
    UnknownThen(String),
    /// The definition does not say what to do; names the field.
    #[error("{field}: {reason}")]
    Definition {
        /// Path of the field.
        field: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The period is none.
    #[error("{0}")]
    Period(String),
    /// The question it makes was refused or failed.
    #[error(transparent)]
    Query(#[from] QueryError),
    /// The answer cannot be written in the format.
    #[error(transparent)]
    Format(#[from] FormatError),
    /// The answer cannot be drawn, or does not fit a spreadsheet.
    #[error("{0}")]
    Output(String),
}

impl ReportError {
    /// A mistake in a field of the definition.
    pub(crate) fn field(field: impl Into<String>, reason: impl Into<String>) -> Self {
        Self::Definition { field: field.into(), reason: reason.into() }
    }
}
