//! Does what the ledger says is to be done, and tells the log.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::StreamExt as _;
use ledgerline_access::outbound::Undelivered;
use ledgerline_event_store::log::{Direction, EventReader, Filter, ReadError};
use ledgerline_schemas::config::report_schedule::{DeliveryTarget, ReportSchedule};
use ledgerline_schemas::event::report::{
    AccessReportDelivered, AccessReportRun, AttemptOutcome, ReportTrigger,
};
use ledgerline_schemas::id::{EntityId, OrgId};
use ledgerline_schemas::{Event, Position, Recorded, StreamId, Timestamp, Version};

use super::clock::Clock;
use super::ledger::{Ledger, Work, delivery_id, principal, stream};
use super::parcel::{Artifact, Parcel};
use super::ports::{Courier, Order, ReportRecorder, ReportRunner, RunFailure};
use super::retry::Retry;
use super::status::{Asked, LastStatus, ScheduleStatus};

/// Events that are read at once.
const PAGE: usize = 500;
/// Deliveries at the same time.
const DELIVERIES: usize = 8;
/// Bytes of files that are kept for another attempt; of others the report is run again.
const KEPT_BYTES: usize = 64 << 20;
/// Longest sleep: how late a change of a schedule or of the clock is noticed.
const SLEEP: Duration = Duration::from_secs(1);
/// Wait after a failure of the log.
const PAUSE: Duration = Duration::from_secs(10);

/// The scheduler cannot go on for now. Nothing is lost: what was done and could not be told is done again.
#[derive(Debug, thiserror::Error)]
pub enum SchedulerError {
    /// The log cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// An event could not be appended.
    #[error("a report could not be recorded: {0}")]
    Record(String),
    /// What was appended is not in the log.
    #[error("the log does not show what was appended to it")]
    Unseen,
}

/// Runs and delivers the reports of one organization.
#[derive(Debug)]
pub struct Scheduler {
    org_id: OrgId,
    reader: Arc<dyn EventReader>,
    runner: Arc<dyn ReportRunner>,
    courier: Arc<dyn Courier>,
    recorder: Arc<dyn ReportRecorder>,
    clock: Arc<dyn Clock>,
    retry: Retry,
    state: Mutex<State>,
    /// One at a time: what is due, and what somebody asks for.
    turn: tokio::sync::Mutex<()>,
}

#[derive(Debug)]
struct State {
    ledger: Ledger,
    followed: Position,
    artifacts: BTreeMap<(EntityId, Timestamp), Artifact>,
}

/// What a scheduler stands on.
#[derive(Clone, Debug)]
pub struct Parts {
    /// Runs reports.
    pub runner: Arc<dyn ReportRunner>,
    /// Delivers them.
    pub courier: Arc<dyn Courier>,
    /// Tells the log.
    pub recorder: Arc<dyn ReportRecorder>,
    /// Tells the time.
    pub clock: Arc<dyn Clock>,
    /// When failures are tried again.
    pub retry: Retry,
}

impl Scheduler {
    /// Reads what the log says about these schedules, and follows it from `position` on: whoever knows of the schedules
    /// at a position (the tables do) saves reading the whole log. From [`Position::START`] none need be named.
    ///
    /// # Errors
    /// [`SchedulerError::Read`].
    pub fn open(
        reader: Arc<dyn EventReader>,
        parts: Parts,
        schedules: &[EntityId],
        position: Position,
    ) -> Result<Self, SchedulerError> {
        let Parts { runner, courier, recorder, clock, retry } = parts;
        let mut ledger = Ledger::new(retry);
        for id in schedules {
            let mut events = whole(&*reader, &StreamId::config(*id))?;
            events.extend(whole(&*reader, &stream(*id))?);
            events.sort_by_key(|event| event.header.position);
            events.iter().for_each(|event| ledger.fold(event));
        }
        let state = State { ledger, followed: position, artifacts: BTreeMap::new() };
        Ok(Self {
            org_id: reader.org_id(),
            reader,
            runner,
            courier,
            recorder,
            clock,
            retry,
            state: Mutex::new(state),
            turn: tokio::sync::Mutex::new(()),
        })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn catch_up(&self) -> Result<(), SchedulerError> {
        let filter = Filter {
            type_prefixes: vec!["config.report_schedule.".into(), "access.report_".into()],
            ..Filter::default()
        };
        let mut state = self.state();
        let head = self.reader.head();
        while state.followed < head {
            let from = state.followed;
            let page = self.reader.read_all(from, Direction::Forward, &filter, PAGE)?;
            page.events.iter().for_each(|event| state.ledger.fold(event));
            if page.scanned_to <= from {
                return Err(ReadError::Closed.into());
            }
            state.followed = page.scanned_to;
        }
        let State { ledger, artifacts, .. } = &mut *state;
        artifacts.retain(|(id, due_at), _| {
            ledger.schedules.get(id).is_some_and(|entry| entry.open.contains_key(due_at))
        });
        Ok(())
    }

    /// Does everything that is to be done by now; when there is something to do next, as far as is known.
    ///
    /// Dropping the future is like a crash: what is not on the log is done again.
    ///
    /// # Errors
    /// [`SchedulerError`].
    pub async fn step(&self) -> Result<Option<Timestamp>, SchedulerError> {
        let _turn = self.turn.lock().await;
        let mut done = Vec::new();
        loop {
            self.catch_up()?;
            let now = self.clock.now();
            let work = self.state().ledger.work(now);
            if work.is_empty() {
                return Ok(self.state().ledger.next_work(now));
            }
            if work.iter().any(|it| done.contains(it)) {
                // Going on would deliver the same for ever.
                return Err(SchedulerError::Unseen);
            }
            self.all(work.clone()).await?;
            done = work;
        }
    }

    async fn all(&self, work: Vec<Work>) -> Result<(), SchedulerError> {
        let doing = work.into_iter().map(|work| self.one(work));
        let mut doing = futures::stream::iter(doing).buffer_unordered(DELIVERIES);
        let mut outcome = Ok(());
        // Also after a failure the others come to their end: what they deliver, they tell.
        while let Some(done) = doing.next().await {
            outcome = outcome.and(done);
        }
        outcome
    }

    async fn one(&self, work: Work) -> Result<(), SchedulerError> {
        match work {
            Work::Run { schedule_id, due_at, trigger, requested_by, attempt, skipped } => {
                let told = AccessReportRun {
                    schedule_id,
                    due_at,
                    trigger,
                    requested_by,
                    attempt,
                    skipped,
                    ..AccessReportRun::default()
                };
                self.run(told).await
            }
            Work::Deliver { schedule_id, due_at, target, position, attempt, .. } => {
                self.deliver(schedule_id, due_at, &target, position, attempt).await
            }
        }
    }

    fn document(&self, id: EntityId) -> Option<ReportSchedule> {
        self.state().ledger.schedules.get(&id).and_then(|entry| entry.document.clone())
    }

    async fn run(&self, mut told: AccessReportRun) -> Result<(), SchedulerError> {
        let Some(document) = self.document(told.schedule_id) else { return Ok(()) };
        let order = self.order(told.schedule_id, &document, told.due_at, None);
        let outcome = self.runner.run(&order).await;
        told.principal.clone_from(&order.principal);
        told.schedule.clone_from(&document.name);
        told.report.clone_from(&document.report);
        document.format.name().clone_into(&mut told.format);
        told.at = self.clock.now();
        match &outcome {
            Ok(artifact) => {
                told.position = artifact.position;
                told.rows = artifact.rows;
                told.bytes = artifact.bytes.len() as u64;
                told.sha256 = artifact.sha256();
                let ids = document.deliver.iter();
                told.delivery_ids =
                    ids.map(|it| delivery_id(told.schedule_id, told.due_at, it)).collect();
            }
            Err(RunFailure { reason, passes }) => {
                told.outcome = self.failed(told.attempt, *passes);
                told.reason.clone_from(reason);
            }
        }
        let key = (told.schedule_id, told.due_at);
        if told.outcome != AttemptOutcome::Done {
            tracing::warn!(org_id = %self.org_id, schedule = %told.schedule, reason = %told.reason,
                attempt = told.attempt, "a report could not be run");
        }
        self.record(&order.principal, told.into()).await?;
        if let Ok(artifact) = outcome {
            let mut state = self.state();
            let kept: usize = state.artifacts.values().map(|it| it.bytes.len()).sum();
            if kept.saturating_add(artifact.bytes.len()) <= KEPT_BYTES {
                state.artifacts.insert(key, artifact);
            }
        }
        Ok(())
    }

    fn order(
        &self,
        schedule_id: EntityId,
        document: &ReportSchedule,
        due_at: Timestamp,
        as_of: Option<Position>,
    ) -> Order {
        Order {
            org_id: self.org_id,
            principal: principal(schedule_id),
            report: document.report.clone(),
            period: document.period.clone(),
            timezone: document.timezone.clone(),
            due_at,
            format: document.format,
            as_user_id: document.as_user_id,
            as_of,
        }
    }

    const fn failed(&self, attempt: u32, passes: bool) -> AttemptOutcome {
        if passes && self.retry.goes_on(attempt) {
            AttemptOutcome::Failed
        } else {
            AttemptOutcome::GivenUp
        }
    }

    async fn deliver(
        &self,
        schedule_id: EntityId,
        due_at: Timestamp,
        target: &DeliveryTarget,
        position: Position,
        attempt: u32,
    ) -> Result<(), SchedulerError> {
        let Some(document) = self.document(schedule_id) else { return Ok(()) };
        let kept = self.state().artifacts.get(&(schedule_id, due_at)).cloned();
        let order = self.order(schedule_id, &document, due_at, Some(position));
        let artifact = match kept {
            Some(artifact) => Ok(artifact),
            // After a restart: the report of that position again.
            None => self.runner.run(&order).await,
        };
        let mut told = AccessReportDelivered {
            principal: order.principal.clone(),
            schedule_id,
            schedule: document.name.clone(),
            due_at,
            delivery_id: delivery_id(schedule_id, due_at, target),
            channel: channel(target).to_owned(),
            attempt,
            position,
            format: document.format.name().to_owned(),
            ..AccessReportDelivered::default()
        };
        let outcome = match artifact {
            Ok(artifact) => {
                told.bytes = artifact.bytes.len() as u64;
                told.sha256 = artifact.sha256();
                let parcel = self.parcel(&document, &told, artifact);
                told.target = self.courier.shown(&parcel, target);
                self.courier.deliver(&parcel, target).await
            }
            Err(RunFailure { reason, passes }) => Err(Undelivered { reason, passes }),
        };
        told.at = self.clock.now();
        match outcome {
            Ok(place) => told.target = place,
            Err(Undelivered { reason, passes }) => {
                told.outcome = self.failed(attempt, passes);
                tracing::warn!(org_id = %self.org_id, schedule = %told.schedule, channel = %told.channel,
                    attempt, outcome = told.outcome.name(), %reason, "a report was not delivered");
                told.reason = reason;
            }
        }
        self.record(&order.principal, told.into()).await
    }

    fn parcel(
        &self,
        document: &ReportSchedule,
        told: &AccessReportDelivered,
        artifact: Artifact,
    ) -> Parcel {
        Parcel {
            delivery_id: told.delivery_id,
            schedule: document.name.clone(),
            report: document.report.clone(),
            due_at: told.due_at,
            zone: document.timezone.parse().unwrap_or(chrono_tz::UTC),
            format: document.format,
            artifact,
            now: self.clock.now(),
        }
    }

    async fn record(&self, principal: &str, event: Event) -> Result<(), SchedulerError> {
        let recording = self.recorder.record(self.org_id, principal, event);
        recording.await.map_err(SchedulerError::Record)
    }

    /// The schedules, by name.
    ///
    /// # Errors
    /// [`SchedulerError::Read`].
    pub fn list(&self) -> Result<Vec<ScheduleStatus>, SchedulerError> {
        self.catch_up()?;
        let now = self.clock.now();
        let state = self.state();
        let entries = state.ledger.schedules.iter();
        let mut list: Vec<_> =
            entries.filter_map(|(id, entry)| ScheduleStatus::of(*id, entry, now)).collect();
        list.sort_by(|left, right| left.name.cmp(&right.name));
        Ok(list)
    }

    /// Runs a schedule now, by its name or id, and tries each of its places once. What fails is tried again later, as
    /// always.
    ///
    /// # Errors
    /// [`SchedulerError`].
    pub async fn deliver_now(&self, key: &str, by: &str) -> Result<Asked, SchedulerError> {
        let _turn = self.turn.lock().await;
        self.catch_up()?;
        let (schedule_id, due_at) = {
            let state = self.state();
            let is_it = |(id, entry): &(&EntityId, &super::ledger::Entry)| {
                entry.document.as_ref().is_some_and(|it| it.name == key || id.to_string() == key)
            };
            let Some((id, entry)) = state.ledger.schedules.iter().find(is_it) else {
                return Ok(Asked::Unknown);
            };
            if entry.active().is_none() {
                return Ok(Asked::SwitchedOff);
            }
            let mut due_at = self.clock.now();
            while entry.open.contains_key(&due_at) {
                due_at = Timestamp::from_micros(due_at.micros().saturating_add(1));
            }
            (*id, due_at)
        };
        self.one(Work::Run {
            schedule_id,
            due_at,
            trigger: ReportTrigger::Requested,
            requested_by: Some(by.to_owned()),
            attempt: 1,
            skipped: 0,
        })
        .await?;
        self.catch_up()?;
        let now = self.clock.now();
        let work = self.state().ledger.work(now);
        let ours = work.into_iter().filter(|work| {
            matches!(work, Work::Deliver { schedule_id: id, due_at: at, .. }
                if *id == schedule_id && *at == due_at)
        });
        let ours: Vec<_> = ours.collect();
        self.all(ours).await?;
        self.catch_up()?;
        let state = self.state();
        let entry = state.ledger.schedules.get(&schedule_id);
        Ok(entry.and_then(LastStatus::of).map_or(Asked::Unknown, |it| Asked::Ran(Box::new(it))))
    }

    /// Works for ever. Stopping it is like a crash.
    pub async fn work(&self) {
        loop {
            let wait = match self.step().await {
                Ok(Some(next)) => Duration::from_millis(next.ms_since(self.clock.now())).min(SLEEP),
                Ok(None) => SLEEP,
                Err(error) => {
                    tracing::error!(org_id = %self.org_id, %error, "reports cannot be delivered");
                    PAUSE
                }
            };
            tokio::time::sleep(wait.max(Duration::from_millis(1))).await;
        }
    }
}

/// Name of a target's channel.
const fn channel(target: &DeliveryTarget) -> &'static str {
    match target {
        DeliveryTarget::File { .. } => "file",
        DeliveryTarget::Webhook { .. } => "webhook",
        DeliveryTarget::Mail { .. } => "mail",
    }
}

/// All events of a stream.
fn whole(reader: &dyn EventReader, stream: &StreamId) -> Result<Vec<Recorded>, ReadError> {
    let mut events = Vec::new();
    let mut from = Version(0);
    loop {
        let page = reader.read_stream(stream, from, Direction::Forward, PAGE)?;
        let Some(last) = page.last() else { return Ok(events) };
        from = Version(last.header.version.0 + 1);
        events.extend(page);
    }
}
