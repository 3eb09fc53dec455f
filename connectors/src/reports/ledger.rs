//! What the log says about schedules: which there are, what was run, what was delivered, what is still open.
//!
//! A pure fold. The same events give the same ledger, in one go or over restarts, and an event that comes twice
//! changes nothing.

use std::collections::{BTreeMap, BTreeSet};

use ledgerline_schemas::config::EntityKind;
use ledgerline_schemas::config::report_schedule::{DeliveryTarget, MissedRuns, ReportSchedule};
use ledgerline_schemas::event::ConfigChange;
use ledgerline_schemas::event::report::{
    AccessReportDelivered, AccessReportRun, AttemptOutcome, ReportTrigger,
};
use ledgerline_schemas::id::{EntityId, ReportDeliveryId};
use ledgerline_schemas::{Event, Position, Recorded, StreamId, Timestamp};

use super::due::Due;
use super::retry::Retry;

/// The subject that reads and events of a schedule are recorded under.
#[must_use]
pub fn principal(schedule_id: EntityId) -> String {
    format!("report-schedule:{schedule_id}")
}

/// The stream of what was run and delivered for a schedule.
#[must_use]
pub fn stream(schedule_id: EntityId) -> StreamId {
    StreamId::access(&principal(schedule_id))
}

/// The id of a delivery: by schedule, due time and place.
#[must_use]
pub fn delivery_id(
    schedule_id: EntityId,
    due_at: Timestamp,
    target: &DeliveryTarget,
) -> ReportDeliveryId {
    // The vocabulary's own types always serialize.
    let place = serde_json::to_string(target).unwrap_or_default();
    ReportDeliveryId::derived(schedule_id.uuid(), &format!("{}:{place}", due_at.micros()))
}

/// Attempts so far, and when the next one is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tries {
    /// Attempts that failed.
    pub failed: u32,
    /// Not before.
    pub next_at: Timestamp,
}

/// A run that is not over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Open {
    /// Why it ran.
    pub trigger: ReportTrigger,
    /// Who asked for it.
    pub requested_by: Option<String>,
    /// Runs before it that are not made up for.
    pub skipped: u32,
    /// Attempts at running it; `None` once it ran.
    pub running: Option<Tries>,
    /// Position of its report.
    pub position: Position,
    /// What is still to be delivered.
    pub deliveries: BTreeMap<ReportDeliveryId, Tries>,
}

/// What happened last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Last {
    /// When the run was due.
    pub due_at: Timestamp,
    /// When it happened.
    pub at: Timestamp,
    /// How the run ended.
    pub run: AttemptOutcome,
    /// How each delivery's last attempt ended: channel, place, outcome, reason.
    pub deliveries: BTreeMap<ReportDeliveryId, (String, String, AttemptOutcome, String)>,
    /// Why the run was not done.
    pub reason: String,
    /// Position of the report.
    pub position: Position,
}

/// One schedule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its document; `None` when it is gone.
    pub document: Option<ReportSchedule>,
    /// Its due times, or why there are none.
    pub due: Result<Due, String>,
    /// Only what is due after this counts: its creation, or the last change of its times.
    pub since: Timestamp,
    /// The newest due run that was begun.
    pub begun: Option<Timestamp>,
    /// Runs that are not over, by when they were due.
    pub open: BTreeMap<Timestamp, Open>,
    /// What happened last.
    pub last: Option<Last>,
    seen: Position,
}

impl Entry {
    /// The document, when it is switched on.
    #[must_use]
    pub fn active(&self) -> Option<&ReportSchedule> {
        self.document.as_ref().filter(|document| document.active)
    }

    fn cursor(&self) -> Timestamp {
        self.begun.unwrap_or(self.since).max(self.since)
    }

    /// When it is due next.
    #[must_use]
    pub fn next_due(&self, now: Timestamp) -> Option<Timestamp> {
        self.active()?;
        self.due.as_ref().ok()?.after(self.cursor().max(now))
    }
}

/// Something to be done now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Work {
    /// Run a report.
    Run {
        /// The schedule.
        schedule_id: EntityId,
        /// When it was due.
        due_at: Timestamp,
        /// Why.
        trigger: ReportTrigger,
        /// Who asked for it.
        requested_by: Option<String>,
        /// From 1.
        attempt: u32,
        /// Runs before it that are not made up for.
        skipped: u32,
    },
    /// Deliver one to a place.
    Deliver {
        /// The schedule.
        schedule_id: EntityId,
        /// When it was due.
        due_at: Timestamp,
        /// Which delivery.
        delivery_id: ReportDeliveryId,
        /// The place.
        target: DeliveryTarget,
        /// Position of the report.
        position: Position,
        /// From 1.
        attempt: u32,
    },
}

/// All schedules of an organization.
#[derive(Clone, Debug, Default)]
pub struct Ledger {
    /// By id.
    pub schedules: BTreeMap<EntityId, Entry>,
    retry: Retry,
}

impl Ledger {
    /// An empty one; `retry` says when failures are tried again.
    #[must_use]
    pub fn new(retry: Retry) -> Self {
        Self { schedules: BTreeMap::new(), retry }
    }

    /// Takes in an event. What is not about schedules changes nothing, nor does what was taken in before.
    pub fn fold(&mut self, recorded: &Recorded) {
        let header = &recorded.header;
        let is_ours = header.event_type.starts_with("config.report_schedule.")
            || header.event_type.starts_with("access.report_");
        if !is_ours {
            return;
        }
        let retry = self.retry;
        match recorded.decode() {
            Ok(Event::Config(change)) if change.kind == EntityKind::ReportSchedule => {
                self.changed(&change, header.position, header.time);
            }
            Ok(Event::AccessReportRun(run)) => {
                if let Some(entry) = self.unseen(run.schedule_id, header.position) {
                    entry.ran(&run, retry);
                }
            }
            Ok(Event::AccessReportDelivered(it)) => {
                if let Some(entry) = self.unseen(it.schedule_id, header.position) {
                    entry.delivered(&it, retry);
                }
            }
            _ => {}
        }
    }

    fn unseen(&mut self, id: EntityId, position: Position) -> Option<&mut Entry> {
        let entry = self.schedules.get_mut(&id).filter(|entry| entry.seen < position)?;
        entry.seen = position;
        Some(entry)
    }

    fn changed(&mut self, change: &ConfigChange, position: Position, time: Timestamp) {
        let document: Option<ReportSchedule> =
            change.after.as_ref().and_then(|after| after.parse().ok());
        let entry = self.schedules.entry(change.entity_id).or_insert_with(|| Entry {
            document: None,
            due: Err("it is gone".to_owned()),
            since: time,
            begun: None,
            open: BTreeMap::new(),
            last: None,
            seen: Position::START,
        });
        if entry.seen >= position {
            return;
        }
        entry.seen = position;
        let times = |document: &ReportSchedule| {
            (document.when.clone(), document.timezone.clone(), document.active)
        };
        if entry.document.as_ref().map(times) != document.as_ref().map(times) {
            entry.since = time;
        }
        match &document {
            Some(document) if document.active => {
                let places = |due_at: Timestamp| -> BTreeSet<ReportDeliveryId> {
                    let ids = document.deliver.iter();
                    ids.map(|it| delivery_id(change.entity_id, due_at, it)).collect()
                };
                for (due_at, open) in &mut entry.open {
                    let known = places(*due_at);
                    open.deliveries.retain(|id, _| known.contains(id));
                }
                entry.open.retain(|_, open| open.running.is_some() || !open.deliveries.is_empty());
            }
            // Whoever switches a schedule off wants nothing more from it.
            _ => entry.open.clear(),
        }
        entry.due = match &document {
            Some(document) => Due::new(&document.when, &document.timezone),
            None => Err("it is gone".to_owned()),
        };
        entry.document = document;
    }

    /// What is to be done now. Of each schedule at most one new run: the next one follows when it is on the log.
    #[must_use]
    pub fn work(&self, now: Timestamp) -> Vec<Work> {
        let mut work = Vec::new();
        for (id, entry) in &self.schedules {
            let Some(document) = entry.active() else { continue };
            for (due_at, open) in &entry.open {
                entry.again(*id, *due_at, open, document, now, &mut work);
            }
            let Ok(due) = &entry.due else { continue };
            let (missed, more) = due.between(entry.cursor(), now);
            let count = u32::try_from(missed.len()).unwrap_or(u32::MAX).saturating_sub(1);
            let next = match document.missed {
                MissedRuns::Newest => missed.last().map(|at| (*at, count.saturating_add(more))),
                MissedRuns::All => missed.first().map(|at| (*at, more)),
            };
            if let Some((due_at, skipped)) = next {
                work.push(Work::Run {
                    schedule_id: *id,
                    due_at,
                    trigger: ReportTrigger::Due,
                    requested_by: None,
                    attempt: 1,
                    skipped,
                });
            }
        }
        work
    }

    /// When there is something to do next, as far as is known; now, if there is something already.
    #[must_use]
    pub fn next_work(&self, now: Timestamp) -> Option<Timestamp> {
        let mut next: Option<Timestamp> = None;
        let mut note = |at: Timestamp| next = Some(next.map_or(at, |known| known.min(at)));
        for entry in self.schedules.values().filter(|entry| entry.active().is_some()) {
            if let Ok(due) = &entry.due
                && let Some(at) = due.after(entry.cursor())
            {
                note(at);
            }
            for open in entry.open.values() {
                open.running.iter().for_each(|tries| note(tries.next_at));
                open.deliveries.values().for_each(|tries| note(tries.next_at));
            }
        }
        next.map(|at| at.max(now))
    }
}

impl Entry {
    fn again(
        &self,
        schedule_id: EntityId,
        due_at: Timestamp,
        open: &Open,
        document: &ReportSchedule,
        now: Timestamp,
        work: &mut Vec<Work>,
    ) {
        if let Some(tries) = open.running {
            if tries.next_at <= now {
                work.push(Work::Run {
                    schedule_id,
                    due_at,
                    trigger: open.trigger,
                    requested_by: open.requested_by.clone(),
                    attempt: tries.failed.saturating_add(1),
                    skipped: open.skipped,
                });
            }
            return;
        }
        for target in &document.deliver {
            let delivery_id = delivery_id(schedule_id, due_at, target);
            let Some(tries) = open.deliveries.get(&delivery_id) else { continue };
            if tries.next_at <= now {
                work.push(Work::Deliver {
                    schedule_id,
                    due_at,
                    delivery_id,
                    target: target.clone(),
                    position: open.position,
                    attempt: tries.failed.saturating_add(1),
                });
            }
        }
    }

    fn ran(&mut self, run: &AccessReportRun, retry: Retry) {
        if run.trigger == ReportTrigger::Due {
            self.begun = Some(self.begun.map_or(run.due_at, |known| known.max(run.due_at)));
        }
        self.last = Some(Last {
            due_at: run.due_at,
            at: run.at,
            run: run.outcome,
            deliveries: BTreeMap::new(),
            reason: run.reason.clone(),
            position: run.position,
        });
        let running = match run.outcome {
            AttemptOutcome::GivenUp => {
                self.open.remove(&run.due_at);
                return;
            }
            AttemptOutcome::Failed => {
                let id = ReportDeliveryId::derived(
                    run.schedule_id.uuid(),
                    &run.due_at.micros().to_string(),
                );
                let next_at = retry.next(id.uuid(), run.attempt, run.at);
                Some(Tries { failed: run.attempt, next_at })
            }
            AttemptOutcome::Done => None,
        };
        let tries = Tries { failed: 0, next_at: run.at };
        let deliveries: BTreeMap<_, _> = run.delivery_ids.iter().map(|id| (*id, tries)).collect();
        if running.is_none() && deliveries.is_empty() {
            self.open.remove(&run.due_at);
            return;
        }
        let open = Open {
            trigger: run.trigger,
            requested_by: run.requested_by.clone(),
            skipped: run.skipped,
            running,
            position: run.position,
            deliveries,
        };
        self.open.insert(run.due_at, open);
    }

    fn delivered(&mut self, it: &AccessReportDelivered, retry: Retry) {
        if let Some(last) = self.last.as_mut().filter(|last| last.due_at == it.due_at) {
            last.at = it.at;
            let told = (it.channel.clone(), it.target.clone(), it.outcome, it.reason.clone());
            last.deliveries.insert(it.delivery_id, told);
        }
        let Some(open) = self.open.get_mut(&it.due_at) else { return };
        match it.outcome {
            AttemptOutcome::Failed => {
                if let Some(tries) = open.deliveries.get_mut(&it.delivery_id) {
                    let next_at = retry.next(it.delivery_id.uuid(), it.attempt, it.at);
                    *tries = Tries { failed: it.attempt, next_at };
                }
            }
            AttemptOutcome::Done | AttemptOutcome::GivenUp => {
                open.deliveries.remove(&it.delivery_id);
            }
        }
        if open.running.is_none() && open.deliveries.is_empty() {
            self.open.remove(&it.due_at);
        }
    }
}
