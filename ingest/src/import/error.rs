//! Why an import stopped, and why a row was refused.

use ledgerline_event_store::crypt::CryptError;
use ledgerline_event_store::{AppendError, ReadError};

/// The import stopped. What was appended stays; importing the same file again goes on where it stopped.
/// Messages never hold the content of a row.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ImportError {
    /// The file has no header although the mapping says so.
    #[error("{file} is empty; the mapping expects a header")]
    NoHeader {
        /// The file.
        file: String,
    },
    /// The mapping names a column that the file does not have.
    #[error("{file} has no column {column:?}, which {key} of the mapping names")]
    NoColumn {
        /// The file.
        file: String,
        /// Path of the key in the mapping.
        key: &'static str,
        /// The column.
        column: String,
    },
    /// The file cannot be taken apart at all.
    #[error("{file} cannot be read: {reason}")]
    Unreadable {
        /// The file.
        file: String,
        /// Why.
        reason: String,
    },
    /// A configuration document could not be made or read.
    #[error("the document of {entity} is not valid: {reason}")]
    Document {
        /// Kind and name of the entity.
        entity: String,
        /// What does not fit.
        reason: String,
    },
    /// The log did not take the events of a row (or, for line 0, of the batch or its entities).
    #[error("the log did not take the events of line {line}")]
    Append {
        /// Line in the file, from 1; 0 for events that belong to no line.
        line: u64,
        /// Why.
        #[source]
        source: AppendError,
    },
    /// The log cannot be read.
    #[error("the log cannot be read back")]
    Read(#[from] ReadError),
    /// Lines that are on the log could not be known again.
    #[error(
        "the organization's earlier imports by this mapping were made with other keys, so their lines \
         would not be known again; bring back the key file, or import into another organization"
    )]
    OtherKeys,
    /// The keys for codes cannot be used.
    #[error("codes for agents and customers cannot be made")]
    Crypt(#[from] CryptError),
}

/// Why a row was refused; never with the row's content.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum RowError {
    #[error("has {actual} fields, expected {expected}")]
    FieldCount { actual: usize, expected: usize },
    #[error("is not UTF-8")]
    NotUtf8,
    #[error("column {column} is empty")]
    Empty { column: String },
    #[error("column {column} is not a date of the form {format}")]
    Date { column: String, format: String },
    #[error("column {column} is not a time of the form {format}")]
    Time { column: String, format: String },
    #[error("column {column} is not a whole number")]
    Number { column: String },
    #[error("column {column} is negative")]
    Negative { column: String },
    #[error("column {column} has a value that outcome does not list")]
    Outcome { column: String },
    #[error("column {column} has a value that no [[queue]] lists")]
    Queue { column: String },
    #[error("column {column} has more than {limit} characters")]
    TooLong { column: String, limit: usize },
    #[error("column {column} has a value that priority.values does not list")]
    Priority { column: String },
    #[error("has a time that is out of range")]
    OutOfRange,
    #[error("has the same key as line {line}")]
    SameKey { line: u64 },
    #[error(
        "was imported before with other events; a changed mapping needs a new name, a changed row a \
         correction"
    )]
    Conflict,
}
