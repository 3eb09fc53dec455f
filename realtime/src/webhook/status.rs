//! Subscriptions as they are shown.

use ledgerline_schemas::id::EntityId;
use ledgerline_schemas::{Position, StreamId, Timestamp};
use serde::Serialize;

use super::deliver::Outcome;
use super::journal::Disabled;

/// Events that are shown of those that wait for another attempt.
pub const FAILING_MAX: usize = 20;

/// A subscription and what has become of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SubscriptionStatus {
    /// Its id.
    pub id: EntityId,
    /// Its name.
    pub name: String,
    /// Where to: scheme, host and port.
    pub url: String,
    /// What it is doing.
    pub state: EndpointState,
    /// Why the endpoint is not sent to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub disabled: Option<DisabledStatus>,
    /// Why nothing can be sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
    /// Everything up to here was delivered or given up.
    pub done_position: Position,
    /// Everything up to here was read.
    pub read_position: Position,
    /// Events of the log behind `done_position`, whether they are to be sent or not.
    pub lag_events: u64,
    /// Events that were read and are not done.
    pub open_events: usize,
    /// Streams that they are of.
    pub open_streams: usize,
    /// Too much waits: nothing more is read until something is done.
    pub is_paused: bool,
    /// Events that wait for another attempt, oldest first, at most [`FAILING_MAX`].
    pub failing: Vec<FailingStatus>,
    /// Events that were given up and can be sent again.
    pub dead_letters: usize,
    /// Dead letters that were too many and are no longer kept.
    pub dead_letters_dropped: u64,
    /// The last attempt since the server was started.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last: Option<AttemptStatus>,
}

/// What a subscription is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum EndpointState {
    /// It is sent to.
    On,
    /// It is switched off in the configuration.
    Off,
    /// The endpoint said that it is gone.
    Disabled,
    /// Its file cannot be used.
    Broken,
}

/// Why an endpoint is not sent to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DisabledStatus {
    /// Since when.
    pub at: Timestamp,
    /// Why.
    pub reason: String,
}

impl From<&Disabled> for DisabledStatus {
    fn from(it: &Disabled) -> Self {
        Self { at: it.at, reason: it.reason.clone() }
    }
}

/// An event that waits for another attempt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FailingStatus {
    /// Where it is.
    pub position: Position,
    /// Its stream.
    pub stream: StreamId,
    /// The type it is sent as.
    pub event_type: String,
    /// Attempts that failed.
    pub attempts: u32,
    /// When it is tried again.
    pub next_at: Timestamp,
    /// Why the last one failed.
    pub reason: String,
}

/// An attempt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct AttemptStatus {
    /// When it ended.
    pub at: Timestamp,
    /// Whether the endpoint took it.
    pub is_taken: bool,
    /// The status of the answer, if there was one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// Why it was not taken.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub reason: String,
}

impl AttemptStatus {
    /// Of an attempt that ended.
    #[must_use]
    pub fn of(outcome: &Outcome, at: Timestamp) -> Self {
        let (is_taken, status, reason) = match outcome {
            Outcome::Taken(status) => (true, Some(*status), String::new()),
            Outcome::Gone => (false, Some(410), "the server answered 410, gone".to_owned()),
            Outcome::Failed { status, reason } => (false, *status, reason.clone()),
        };
        Self { at, is_taken, status, reason }
    }
}
