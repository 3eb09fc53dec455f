//! Rows of the analyzer's tables that are no longer kept.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::envelope::Position;
use crate::id::EntityId;
use crate::time::Timestamp;

/// Rows of a table that ended before an instant are dropped, except what a legal hold covers at this position.
/// The log keeps what they were made from.
///
/// Event type `retention.applied`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RetentionApplied {
    /// The table.
    pub table: String,
    /// Rows that ended before this instant are dropped. It never goes back: an earlier one counts as the one of
    /// the event before.
    pub before: Timestamp,
    /// Of what was dropped at or before this instant, the past is given up: the table as it was before is no
    /// longer answered, and the rows are removed from its files.
    pub past_before: Timestamp,
    /// The policy it follows from.
    pub policy_id: EntityId,
    /// Rows dropped by this event, as counted at `counted_position`.
    pub rows_dropped: u64,
    /// Rows that are old enough and stay because of a hold, as counted at `counted_position`.
    pub rows_held: u64,
    /// Position of the tables in which the rows were counted.
    pub counted_position: Position,
}
