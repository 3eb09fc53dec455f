//! Reports that ran by themselves, and what became of their delivery.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::envelope::Position;
use crate::id::{EntityId, ReportDeliveryId};
use crate::time::Timestamp;

/// Why a report ran.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ReportTrigger {
    /// It was due.
    #[default]
    Due,
    /// Somebody asked for it.
    Requested,
}

/// How an attempt ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum AttemptOutcome {
    /// It is done.
    #[default]
    Done,
    /// It failed and will be tried again.
    Failed,
    /// It failed, and nothing more will be tried.
    GivenUp,
}

impl AttemptOutcome {
    /// The `lower_snake` name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Failed => "failed",
            Self::GivenUp => "given_up",
        }
    }
}

/// A report of a schedule was run, or could not be.
///
/// Event type `access.report_run`. On the log before anything is delivered: what is delivered later, or again, is the
/// report at this position.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AccessReportRun {
    /// Whose reads its questions are recorded as.
    pub principal: String,
    /// The schedule.
    pub schedule_id: EntityId,
    /// Its name.
    pub schedule: String,
    /// Name of the report.
    pub report: String,
    /// When it was due; when it was asked for.
    pub due_at: Timestamp,
    /// Why it ran.
    pub trigger: ReportTrigger,
    /// Subject of who asked for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requested_by: Option<String>,
    /// From 1.
    pub attempt: u32,
    /// When this attempt ended.
    pub at: Timestamp,
    /// How it ended.
    pub outcome: AttemptOutcome,
    /// Why it was not done. Never a value of a row.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reason: String,
    /// Runs that were due before this one and are not made up for.
    #[serde(default)]
    pub skipped: u32,
    /// Position the report is true at.
    pub position: Position,
    /// Form of the file.
    pub format: String,
    /// Rows of the report.
    pub rows: u64,
    /// Size of the file, bytes.
    pub bytes: u64,
    /// Hash of the file, lower-case hex.
    pub sha256: String,
    /// What it has to be delivered as.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub delivery_ids: Vec<ReportDeliveryId>,
}

/// A report was handed to one of its places, or could not be.
///
/// Event type `access.report_delivered`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AccessReportDelivered {
    /// Whose reads its questions are recorded as.
    pub principal: String,
    /// The schedule.
    pub schedule_id: EntityId,
    /// Its name.
    pub schedule: String,
    /// When the report was due.
    pub due_at: Timestamp,
    /// The same for every attempt: derived from schedule, due time and place.
    pub delivery_id: ReportDeliveryId,
    /// `file`, `webhook`, `mail`.
    pub channel: String,
    /// Where to: path inside the allowed folder, scheme and host, names of recipients.
    pub target: String,
    /// From 1.
    pub attempt: u32,
    /// When this attempt ended.
    pub at: Timestamp,
    /// How it ended.
    pub outcome: AttemptOutcome,
    /// Why it was not done. Nothing of what the other side said but its status.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reason: String,
    /// Position the report is true at.
    pub position: Position,
    /// Form of the file.
    pub format: String,
    /// Size of the file, bytes.
    pub bytes: u64,
    /// Hash of the file, lower-case hex.
    pub sha256: String,
}
