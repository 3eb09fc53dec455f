//! What an import did.

use std::fmt;

use ledgerline_schemas::id::ImportId;

use super::quirk::QuirkCounts;

/// How far an import is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// What is being done.
    pub phase: Phase,
    /// Rows done.
    pub done: u64,
    /// Rows in all.
    pub total: u64,
}

/// A phase of an import.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Rows are being understood; nothing is appended yet.
    Reading,
    /// Rows are being appended.
    Appending,
}

/// A row that was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RejectedRow {
    /// Line in the file, from 1.
    pub line: u64,
    /// Why, without the row's content.
    pub reason: String,
}

/// What an import did. `rows = interactions + skipped + rejected.len()`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImportReport {
    /// The batch: the same for the same mapping and file.
    pub import_id: ImportId,
    /// Name of the mapping.
    pub mapping: String,
    /// Name of the file as given.
    pub file: String,
    /// SHA-256 of the file, lower-case hex.
    pub file_sha256: String,
    /// Rows in the file, without its header and blank lines.
    pub rows: u64,
    /// Rows that are interactions, new or already known.
    pub interactions: u64,
    /// Of these, rows that were in the log already.
    pub already_there: u64,
    /// Rows that are no interactions by the mapping's `outcome.skipped`.
    pub skipped: u64,
    /// Rows refused, by line.
    pub rejected: Vec<RejectedRow>,
    /// Queues, agents and other entities the rows refer to.
    pub queues: u64,
    /// Agents the rows refer to, the one for unnamed agents included.
    pub agents: u64,
    /// What was odd, counted over the rows that were not skipped.
    pub quirks: QuirkCounts,
    /// Events appended by this import; 0 when everything was there already.
    pub events_appended: u64,
}

impl fmt::Display for ImportReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} by mapping {} (import {})", self.file, self.mapping, self.import_id)?;
        writeln!(
            f,
            "{} rows = {} interactions + {} skipped by the mapping + {} rejected",
            self.rows,
            self.interactions,
            self.skipped,
            self.rejected.len()
        )?;
        writeln!(
            f,
            "{} interactions were in the log already; {} events appended",
            self.already_there, self.events_appended
        )?;
        writeln!(f, "{} queues, {} agents", self.queues, self.agents)?;
        for (quirk, count) in self.quirks.iter() {
            writeln!(f, "  {:<30} {count:>9}", quirk.name())?;
        }
        for row in &self.rejected {
            writeln!(f, "line {} rejected: {}", row.line, row.reason)?;
        }
        Ok(())
    }
}
