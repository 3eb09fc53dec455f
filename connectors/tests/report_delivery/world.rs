//! A log in memory, a clock that is set, and a runner and a courier whose fate is laid down.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use chrono_tz::Tz;
use ledgerline_access::outbound::Undelivered;
use ledgerline_connectors::reports::scheduler::Parts;
use ledgerline_connectors::reports::{
    Artifact, Clock, Courier, Handing, Order, Parcel, Recording, ReportRecorder, ReportRunner,
    Retry, RunFailure, Running, Scheduler,
};
use ledgerline_event_store::log::{Append, EventReader as _, EventWriter as _};
use ledgerline_event_store::memory::MemoryLog;
use ledgerline_schemas::config::EntityKind;
use ledgerline_schemas::config::report_schedule::{DeliveryTarget, ReportFormat, ReportSchedule};
use ledgerline_schemas::document::Document;
use ledgerline_schemas::event::{ConfigChange, ConfigVerb};
use ledgerline_schemas::id::{EntityId, EventId, OrgId, ReportDeliveryId};
use ledgerline_schemas::{Actor, Event, NewEvent, Position, StreamId, Timestamp};
use serde_json::{Value, json};

pub(crate) const ORG: OrgId = OrgId::from_u128(0xA);
pub(crate) const SCHEDULE: EntityId = EntityId::from_u128(7);

/// A clock that stands until it is set.
#[derive(Debug)]
pub(crate) struct Hands(Mutex<Timestamp>);

impl Clock for Hands {
    fn now(&self) -> Timestamp {
        *self.0.lock().unwrap()
    }
}

/// What happens at a run or a delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It goes well.
    Well,
    /// It fails and may pass.
    Later,
    /// It fails for good.
    Never,
    /// The process ends before anything is done.
    CrashBefore,
    /// It is done, but the process ends before it is told.
    CrashAfter,
}

/// A delivery that was taken: which, and the log's head at that moment.
pub(crate) type Taken = (ReportDeliveryId, Position);

#[derive(Debug)]
pub(crate) struct Fates {
    pub(crate) runs: Mutex<VecDeque<Fate>>,
    pub(crate) deliveries: Mutex<VecDeque<Fate>>,
    pub(crate) taken: Mutex<Vec<Taken>>,
    pub(crate) crash: tokio::sync::Notify,
    log: MemoryLog,
}

fn next(fates: &Mutex<VecDeque<Fate>>) -> Fate {
    fates.lock().unwrap().pop_front().unwrap_or(Fate::Well)
}

impl Fates {
    async fn crashed(&self) -> ! {
        self.crash.notify_one();
        std::future::pending().await
    }
}

#[derive(Debug)]
struct Doing(Arc<Fates>);

impl ReportRunner for Doing {
    fn run<'a>(&'a self, order: &'a Order) -> Running<'a> {
        Box::pin(async move {
            let failed = |passes| Err(RunFailure { reason: "no luck".into(), passes });
            // A file that is had again is not a run of its own: it goes well, or the test would count it.
            let fate = if order.as_of.is_some() { Fate::Well } else { next(&self.0.runs) };
            match fate {
                Fate::Well => Ok(artifact(order.as_of.unwrap_or(self.0.log.head()))),
                Fate::Later => failed(true),
                Fate::Never => failed(false),
                Fate::CrashBefore | Fate::CrashAfter => self.0.crashed().await,
            }
        })
    }
}

impl Courier for Doing {
    fn deliver<'a>(&'a self, parcel: &'a Parcel, _: &'a DeliveryTarget) -> Handing<'a> {
        Box::pin(async move {
            let fate = next(&self.0.deliveries);
            if matches!(fate, Fate::Well | Fate::CrashAfter) {
                let taken = (parcel.delivery_id, self.0.log.head());
                self.0.taken.lock().unwrap().push(taken);
            }
            match fate {
                Fate::Well => Ok("there".to_owned()),
                Fate::Later => Err(Undelivered::later("down")),
                Fate::Never => Err(Undelivered::never("gone")),
                Fate::CrashBefore | Fate::CrashAfter => self.0.crashed().await,
            }
        })
    }

    fn shown(&self, _: &Parcel, _: &DeliveryTarget) -> String {
        "there".to_owned()
    }
}

pub(crate) fn artifact(position: Position) -> Artifact {
    Artifact {
        bytes: format!("position,{position}\n").into_bytes().into(),
        media_type: "text/csv",
        position,
        rows: 1,
        period: None,
    }
}

pub(crate) fn parcel(bytes: &'static [u8]) -> Parcel {
    Parcel {
        delivery_id: ReportDeliveryId::from_u128(0x77),
        schedule: "Queues, every morning".into(),
        report: "Queue Volume".into(),
        due_at: Timestamp::parse("2026-10-25T00:30:00Z").unwrap(),
        zone: Tz::Europe__Brussels,
        format: ReportFormat::Csv,
        artifact: Artifact { bytes: bytes.into(), ..artifact(Position(42)) },
        now: Timestamp::parse("2026-10-25T00:30:07Z").unwrap(),
    }
}

#[derive(Debug)]
struct Recorder {
    log: MemoryLog,
    clock: Arc<Hands>,
}

impl ReportRecorder for Recorder {
    fn record<'a>(&'a self, _: OrgId, principal: &'a str, event: Event) -> Recording<'a> {
        append(&self.log, StreamId::access(principal), self.clock.now(), &event);
        Box::pin(async { Ok(()) })
    }
}

fn append(log: &MemoryLog, stream: StreamId, time: Timestamp, event: &Event) {
    let event = NewEvent {
        id: EventId::derived(ORG.uuid(), &(log.head().0 + 1).to_string()),
        stream,
        event_type: event.event_type().into(),
        time,
        command_id: Default::default(),
        correlation_id: Default::default(),
        causation_id: None,
        actor: Actor::system("test"),
        config_position: Position::START,
        traceparent: None,
        data_subject_id: None,
        payload: event.encode(),
    };
    log.submit(Append { events: vec![event], expected: vec![] }).unwrap();
}

pub(crate) struct World {
    pub(crate) log: MemoryLog,
    pub(crate) clock: Arc<Hands>,
    pub(crate) fates: Arc<Fates>,
}

impl World {
    pub(crate) fn at(now: &str) -> Self {
        let log = MemoryLog::new(ORG, || Timestamp::EPOCH);
        let fates = Fates {
            runs: Mutex::default(),
            deliveries: Mutex::default(),
            taken: Mutex::default(),
            crash: tokio::sync::Notify::new(),
            log: log.clone(),
        };
        let clock = Hands(Mutex::new(Timestamp::parse(now).unwrap()));
        Self { log, clock: Arc::new(clock), fates: Arc::new(fates) }
    }

    pub(crate) fn set(&self, now: Timestamp) {
        *self.clock.0.lock().unwrap() = now;
    }

    pub(crate) fn pass_ms(&self, ms: u64) {
        self.set(self.clock.now().plus_ms(ms));
    }

    /// Writes a schedule as the administrator would.
    pub(crate) fn configure(&self, document: Value) {
        let parsed: ReportSchedule = serde_json::from_value(document).unwrap();
        self.change(ConfigVerb::Updated, Some(Document::of(&parsed).unwrap()));
    }

    pub(crate) fn change(&self, verb: ConfigVerb, after: Option<Document>) {
        let change = ConfigChange {
            kind: EntityKind::ReportSchedule,
            verb,
            entity_id: SCHEDULE,
            entity_version: 1,
            before_sha256: None,
            after,
            changed_paths: Vec::new(),
            reason: None,
        };
        append(&self.log, StreamId::config(SCHEDULE), self.clock.now(), &change.into());
    }

    pub(crate) fn retry() -> Retry {
        Retry { first_ms: 30_000, longest_ms: 600_000, attempts_max: 4 }
    }

    pub(crate) fn parts(&self) -> Parts {
        let doing = Arc::new(Doing(Arc::clone(&self.fates)));
        let runner: Arc<dyn ReportRunner> = doing.clone();
        let clock = Arc::clone(&self.clock);
        let recorder = Arc::new(Recorder { log: self.log.clone(), clock: Arc::clone(&clock) });
        Parts { runner, courier: doing, recorder, clock, retry: Self::retry() }
    }

    /// A scheduler as after a start: from the beginning, or by what the tables know.
    pub(crate) fn scheduler(&self, by_tables: bool) -> Scheduler {
        let reader = Arc::new(self.log.clone());
        let known = [SCHEDULE];
        let (ids, position): (&[EntityId], _) =
            if by_tables { (&known, self.log.head()) } else { (&[], Position::START) };
        Scheduler::open(reader, self.parts(), ids, position).unwrap()
    }

    /// Events of reports, in order.
    pub(crate) fn told(&self) -> Vec<(Position, Event)> {
        let events = self.log.scan(Position::START).map(|it| it.unwrap());
        let ours = events.filter(|it| it.header.event_type.starts_with("access.report_"));
        ours.map(|it| (it.header.position, it.decode().unwrap())).collect()
    }
}

pub(crate) fn document(when: Value, missed: &str) -> Value {
    json!({
        "name": "Queues", "report": "Queue Volume", "timezone": "Europe/Brussels", "when": when,
        "format": "csv", "missed": missed, "deliver": [
            {"file": {"folder": "queues"}},
            {"webhook": {"url": "https://hooks.example/x", "secret": "hook"}},
        ],
    })
}
