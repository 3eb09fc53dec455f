//! Corrections: new facts, never an overwrite.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::id::EventId;

/// A recorded fact was wrong; readers see both values.
///
/// Event type `correction.recorded`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CorrectionRecorded {
    /// The event corrected.
    pub corrects_event_id: EventId,
    /// New value by field path.
    pub field_changes: BTreeMap<String, String>,
    /// Why.
    pub reason: String,
    /// Where the evidence is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub evidence_ref: Option<String>,
}
