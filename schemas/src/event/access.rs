//! Reads: who looked at what.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::envelope::Position;
use crate::id::{CommandId, InteractionId, KeyId, SubjectId};

/// Somebody ran a query.
///
/// Event type `access.query_run`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AccessQueryRun {
    /// Token subject or database user.
    pub principal: String,
    /// `http`, `pgwire`, `flight_sql`, `cli`.
    pub door: String,
    /// Hash of the query text, lower-case hex.
    pub sql_sha256: String,
    /// Position the answer is true at.
    pub as_of_position: Position,
    /// Rows answered.
    pub rows: u64,
    /// Columns shown masked.
    pub masked_columns: Vec<String>,
    /// `ok`, or a stable error code.
    pub outcome: String,
    /// Tables it read, also under views and as they were, in order of their names. Empty before it was planned, and
    /// in events of versions that did not note them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tables: Vec<String>,
}

/// Somebody began to read events of the log themselves.
///
/// Event type `access.log_read`. One for each call, however many events it answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AccessLogRead {
    /// Token subject or database user.
    pub principal: String,
    /// `kurrentdb`.
    pub door: String,
    /// `read`, `subscription`, or `group`: as a consumer of a persistent subscription.
    pub kind: String,
    /// The stream, or `$all`.
    pub stream: String,
    /// The group of a consumer.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub group: String,
    /// `start`, `end`, or the revision or position asked for.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub from: String,
    /// Towards older events.
    #[serde(default)]
    pub backward: bool,
    /// Most events asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub events_max: Option<u64>,
    /// Position of the log's last event when the read began.
    pub as_of_position: Position,
}

/// Somebody looked at an interaction's history.
///
/// Event type `access.history_viewed`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AccessHistoryViewed {
    /// Token subject.
    pub principal: String,
    /// The interaction.
    pub interaction_id: InteractionId,
}

/// Somebody was shown what is sealed in an interaction.
///
/// Event type `access.revealed`. On the log before anything is shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AccessRevealed {
    /// Token subject.
    pub principal: String,
    /// The interaction.
    pub interaction_id: InteractionId,
    /// Why, as the principal put it. Never a personal value itself.
    pub reason: String,
    /// What was shown: `position:type:field` of each value, those of erased persons left out.
    pub fields: Vec<String>,
}

/// Somebody was refused.
///
/// Event type `access.denied`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AccessDenied {
    /// Token subject; empty when not authenticated.
    pub principal: String,
    /// What was tried.
    pub action: String,
    /// Why it was refused.
    pub reason: String,
}

/// Erasure of a person was asked for.
///
/// Event type `erasure.requested`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ErasureRequested {
    /// The request.
    pub request_id: CommandId,
    /// The person.
    pub subject_id: SubjectId,
    /// Why. Never the personal value itself.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reason: String,
    /// The keys that are to be destroyed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub key_ids: Vec<KeyId>,
}

/// A key of the person's is destroyed: one event for each key.
///
/// Event type `erasure.completed`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ErasureCompleted {
    /// The request.
    pub request_id: CommandId,
    /// The person.
    pub subject_id: SubjectId,
    /// The key.
    pub key_id: KeyId,
}
