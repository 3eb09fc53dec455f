//! Reports that are due: a scheduler for each organization, over the analyzer and the logs of this process.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, PoisonError, RwLock};

use chrono::DateTime;
use ledgerline_access::{Principal, Role};
use ledgerline_analyzer_api::past::Moment;
use ledgerline_analyzer_api::ports::{AccessRecorder as _, Asking, ScheduleError, ScheduleSource};
use ledgerline_analyzer_api::record::LogRecorder;
use ledgerline_analyzer_api::report::output::Output;
use ledgerline_analyzer_api::report::period::{self, Period};
use ledgerline_analyzer_api::report::run::needs_period;
use ledgerline_analyzer_api::report::{ReportError, Request, run, saved};
use ledgerline_analyzer_api::{AnalyzerState, Door, QueryError};
use ledgerline_connectors::reports::channels::DeliverySettings;
use ledgerline_connectors::reports::scheduler::Parts;
use ledgerline_connectors::reports::{
    Artifact, Asked, Order, Recording, ReportRecorder, ReportRunner, RunFailure, Running,
    Scheduler, SystemClock,
};
use ledgerline_schemas::config::EntityKind;
use ledgerline_schemas::id::OrgId;
use ledgerline_schemas::{Event, Timestamp};
use serde_json::json;
use tokio::task::JoinHandle;

use crate::failure::Failure;
use crate::ports::Opened;

/// The schedulers of everything that is open. Clones share them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Schedulers(Arc<RwLock<BTreeMap<OrgId, Arc<Scheduler>>>>);

impl Schedulers {
    /// Starts one for each organization.
    pub(crate) fn start(
        &self,
        settings: &DeliverySettings,
        opened: &Opened,
        organizations: impl Iterator<Item = OrgId>,
        state: &AnalyzerState,
    ) -> Result<Vec<JoinHandle<()>>, Failure> {
        if !settings.enabled {
            return Ok(Vec::new());
        }
        let wrong = |error| Failure::config(format!("reports.{error}"));
        let parts = Parts {
            runner: Arc::new(Runner(state.clone())),
            courier: Arc::new(settings.open().map_err(wrong)?),
            recorder: Arc::new(Recorder(LogRecorder::new(opened.clone()))),
            clock: Arc::new(SystemClock),
            retry: settings.retry(),
        };
        let mut tasks = Vec::new();
        for org_id in organizations {
            let Some(open) = opened.get(org_id) else { continue };
            let known = open.projections.snapshot();
            let ids = known.config_ids(EntityKind::ReportSchedule);
            let scheduler = Scheduler::open(open.log, parts.clone(), &ids, known.position);
            let scheduler = Arc::new(scheduler.map_err(Failure::file)?);
            let working = Arc::clone(&scheduler);
            tasks.push(tokio::spawn(async move { working.work().await }));
            self.0.write().unwrap_or_else(PoisonError::into_inner).insert(org_id, scheduler);
        }
        Ok(tasks)
    }

    /// Lets go of everything, so that logs can close.
    pub(crate) fn clear(&self) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).clear();
    }

    fn get(&self, org_id: OrgId) -> Result<Arc<Scheduler>, ScheduleError> {
        let all = self.0.read().unwrap_or_else(PoisonError::into_inner);
        all.get(&org_id).cloned().ok_or_else(|| {
            ScheduleError::NotAvailable(
                "reports.enabled is off, or the server is stopping".to_owned(),
            )
        })
    }
}

impl ScheduleSource for Schedulers {
    fn list(&self, org_id: OrgId) -> Asking<'_> {
        Box::pin(async move {
            let list = self.get(org_id)?.list();
            let list = list.map_err(|error| ScheduleError::NotAvailable(error.to_string()))?;
            Ok(json!(list))
        })
    }

    fn deliver<'a>(&'a self, org_id: OrgId, name: &'a str, subject: &'a str) -> Asking<'a> {
        Box::pin(async move {
            let asked = self.get(org_id)?.deliver_now(name, subject).await;
            match asked.map_err(|error| ScheduleError::NotAvailable(error.to_string()))? {
                Asked::Ran(last) => Ok(json!(last)),
                Asked::Unknown => Err(ScheduleError::Unknown(name.to_owned())),
                Asked::SwitchedOff => Err(ScheduleError::SwitchedOff(name.to_owned())),
            }
        })
    }
}

/// The principal of a schedule: it may ask SQL and nothing else, which its author, an administrator, may too.
fn principal(org_id: OrgId, subject: &str) -> Principal {
    Principal {
        org_id,
        subject: subject.to_owned(),
        roles: BTreeSet::from([Role::Analyst]),
        user_id: None,
        user_profile_id: None,
    }
}

/// Tells the log.
#[derive(Debug)]
struct Recorder(LogRecorder<Opened>);

impl ReportRecorder for Recorder {
    fn record<'a>(&'a self, org_id: OrgId, subject: &'a str, event: Event) -> Recording<'a> {
        self.0.record(&principal(org_id, subject), event)
    }
}

/// Runs reports with the analyzer.
#[derive(Debug)]
struct Runner(AnalyzerState);

impl ReportRunner for Runner {
    fn run<'a>(&'a self, order: &'a Order) -> Running<'a> {
        Box::pin(async move { self.made(order).await.map_err(failure) })
    }
}

impl Runner {
    async fn made(&self, order: &Order) -> Result<Artifact, ReportError> {
        let state = &self.0;
        let principal = principal(order.org_id, &order.principal);
        // A definition is configuration that the author knows; what it shows is limited by the user's profile.
        let definition =
            saved::by_name(state, &principal, Door::Schedule, &order.report, None).await?;
        let zone = period::zone(&order.timezone)?;
        let due = DateTime::from_timestamp_micros(order.due_at.micros()).unwrap_or_default();
        let named = order.period.as_deref().map(|name| Period::named(name, due, zone));
        let period = named.transpose()?;
        if period.is_none() && needs_period(&definition) {
            let text = "the report is of a time, and the schedule names no period";
            return Err(ReportError::Period(text.to_owned()));
        }
        let name = order.format.name();
        let output = Output::from_name(name)
            .ok_or_else(|| ReportError::Output(format!("format {name} is not known")))?;
        let request = Request {
            principal: Principal { user_id: order.as_user_id, ..principal },
            door: Door::Schedule,
            definition,
            period,
            as_of: order.as_of.map(Moment::At),
            deadline: None,
        };
        let sheet = run(state, request).await?;
        let (position, rows) = (sheet.position, sheet.rows() as u64);
        let instant = |it: DateTime<chrono::Utc>| Timestamp::from_micros(it.timestamp_micros());
        let period = sheet.period.map(|it| (instant(it.from), instant(it.to)));
        // Spreadsheets and drawings take their time; calls must not wait for them.
        let file = tokio::task::spawn_blocking(move || output.of(&sheet)).await;
        let bytes = file.map_err(|error| ReportError::Output(error.to_string()))??;
        Ok(Artifact {
            bytes: bytes.into(),
            media_type: output.media_type(),
            position,
            rows,
            period,
        })
    }
}

/// Why a report could not be run, as the log may know it: what a planner or a function says may hold values of rows.
fn failure(error: ReportError) -> RunFailure {
    match error {
        ReportError::Query(error) => RunFailure {
            reason: match &error {
                QueryError::NotAllowed(reason) => reason.clone(),
                error => format!("the report's question failed: {}", error.code()),
            },
            passes: error.status() >= 499 || matches!(error, QueryError::Memory(_)),
        },
        ReportError::Format(_) => {
            RunFailure { reason: "the file cannot be made".to_owned(), passes: false }
        }
        other => RunFailure { reason: other.to_string(), passes: false },
    }
}
