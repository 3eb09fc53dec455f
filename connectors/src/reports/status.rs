//! Schedules as they are shown.

use ledgerline_schemas::event::report::AttemptOutcome;
use ledgerline_schemas::id::{EntityId, ReportDeliveryId};
use ledgerline_schemas::{Position, Timestamp};
use serde::Serialize;

use super::ledger::Entry;

/// A schedule and what has become of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ScheduleStatus {
    /// Its id.
    pub id: EntityId,
    /// Its name.
    pub name: String,
    /// Its report.
    pub report: String,
    /// Whether it is switched on.
    pub active: bool,
    /// When it is due next.
    pub next_due: Option<Timestamp>,
    /// Why it is never due.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
    /// Runs that are not over: when they were due.
    pub open: Vec<Timestamp>,
    /// What happened last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last: Option<LastStatus>,
}

/// A run as it is shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LastStatus {
    /// When it was due, or asked for.
    pub due_at: Timestamp,
    /// When something happened last.
    pub at: Timestamp,
    /// How running it ended.
    pub outcome: AttemptOutcome,
    /// Why it was not done.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub reason: String,
    /// Position of the report.
    pub position: Position,
    /// Its deliveries so far.
    pub deliveries: Vec<DeliveryStatus>,
}

/// The last attempt at a delivery.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DeliveryStatus {
    /// Its id.
    pub id: ReportDeliveryId,
    /// `file`, `webhook`, `mail`.
    pub channel: String,
    /// Where to.
    pub target: String,
    /// How it ended.
    pub outcome: AttemptOutcome,
    /// Why it was not done.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub reason: String,
}

/// What came of asking for a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Asked {
    /// It ran, and this is what happened.
    Ran(Box<LastStatus>),
    /// There is no such schedule.
    Unknown,
    /// It is switched off.
    SwitchedOff,
}

impl ScheduleStatus {
    /// Of a schedule that there is.
    #[must_use]
    pub fn of(id: EntityId, entry: &Entry, now: Timestamp) -> Option<Self> {
        let document = entry.document.as_ref()?;
        Some(Self {
            id,
            name: document.name.clone(),
            report: document.report.clone(),
            active: document.active,
            next_due: entry.next_due(now),
            problem: entry.due.as_ref().err().cloned(),
            open: entry.open.keys().copied().collect(),
            last: LastStatus::of(entry),
        })
    }
}

impl LastStatus {
    /// What happened last, if anything has.
    #[must_use]
    pub fn of(entry: &Entry) -> Option<Self> {
        let last = entry.last.as_ref()?;
        let deliveries =
            last.deliveries.iter().map(|(id, (channel, target, outcome, reason))| DeliveryStatus {
                id: *id,
                channel: channel.clone(),
                target: target.clone(),
                outcome: *outcome,
                reason: reason.clone(),
            });
        Some(Self {
            due_at: last.due_at,
            at: last.at,
            outcome: last.run,
            reason: last.reason.clone(),
            position: last.position,
            deliveries: deliveries.collect(),
        })
    }
}
