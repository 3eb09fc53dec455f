//! Imports of history from other systems.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::id::ImportId;

/// An import of a file began.
///
/// Event type `import.batch_started`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ImportBatchStarted {
    /// The batch.
    pub import_id: ImportId,
    /// Name of the mapping.
    pub mapping: String,
    /// Hash of the file, lower-case hex.
    pub file_sha256: String,
}

/// The file is imported.
///
/// Event type `import.batch_completed`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ImportBatchCompleted {
    /// The batch.
    pub import_id: ImportId,
    /// Name of the mapping.
    pub mapping: String,
    /// Hash of the file, lower-case hex.
    pub file_sha256: String,
    /// Rows read.
    pub rows: u64,
    /// Interactions in the file (new or already known).
    pub interactions: u64,
    /// Rows that are no interactions by the mapping's rule (PHANTOM).
    pub skipped: u64,
    /// Rows refused.
    pub rejected: u64,
}

/// A row could not be understood.
///
/// Event type `import.row_rejected`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ImportRowRejected {
    /// The batch.
    pub import_id: ImportId,
    /// Line in the file, from 1.
    pub line: u64,
    /// Why, without the row's content.
    pub reason: String,
}
