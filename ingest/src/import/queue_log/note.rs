//! What a line says that the vocabulary has no event for, kept as `external.event`.

use ledgerline_schemas::event::Event;
use ledgerline_schemas::event::external::ExternalEvent;
use ledgerline_schemas::id::{AuxCodeId, QueueId, UserId};
use ledgerline_schemas::sensitive::Blob;
use serde::{Deserialize, Serialize};

/// Before the event's name in `external_type`.
const TYPE_PREFIX: &str = "asterisk.";
const CONTENT_TYPE: &str = "application/json";

/// A line kept as information, without names and numbers of people.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Note {
    /// The event's name in the queue log.
    #[serde(skip)]
    pub(super) event: String,
    /// The call.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) call: Option<String>,
    /// The queue.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) queue_id: Option<QueueId>,
    /// The agent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) agent_id: Option<UserId>,
    /// Reason of a pause.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) aux_code_id: Option<AuxCodeId>,
    /// A member that was added paused.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) paused: bool,
    /// The number that was called.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) number: Option<String>,
    /// Penalty, or whether a member in use is rung.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) value: Option<i64>,
}

impl Note {
    pub(super) fn event(&self) -> Event {
        // A struct of texts, ids and numbers has no way to fail.
        let data = serde_json::to_vec(self).unwrap_or_default();
        ExternalEvent {
            external_type: format!("{TYPE_PREFIX}{}", self.event),
            content_type: CONTENT_TYPE.to_owned(),
            data: Blob(data),
            metadata: Blob::default(),
        }
        .into()
    }

    /// The note that an event of ours holds.
    pub(super) fn of(event: &ExternalEvent) -> Option<Self> {
        let name = event.external_type.strip_prefix(TYPE_PREFIX)?;
        let note: Self = serde_json::from_slice(&event.data.0).ok()?;
        Some(Self { event: name.to_owned(), ..note })
    }
}
