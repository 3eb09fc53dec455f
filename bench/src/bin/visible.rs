//! How long after its append an event is in the tables that a question sees, while events keep coming and others ask.
//!
//! ```text
//! cargo run --release -p ledgerline-bench --bin visible [-- --rate N --seconds N --askers N]
//! ```
//!
//! The log is on disk and syncs as a server's does. Half of the invented events are there before; the others are
//! appended four at a time at the rate given (events a second). An event counts as visible when a snapshot that
//! contains it is there to be asked.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use ledgerline_analyzer_api::AnalyzerState;
use ledgerline_analyzer_api::ports::{SnapshotSource, Snapshotting};
use ledgerline_bench::calls;
use ledgerline_bench::scale::report::percentile;
use ledgerline_bench::scale::{Failure, ask};
use ledgerline_event_store::crypt::KeyRing;
use ledgerline_event_store::memory::MemoryLog;
use ledgerline_event_store::{
    Append, EmbeddedLog, EventReader, EventWriter, Options as LogOptions,
};
use ledgerline_ingest::import::{Mapping, Source, call_records};
use ledgerline_projections::{Options, Past, Projections};
use ledgerline_schemas::id::OrgId;
use ledgerline_schemas::{NewEvent, Position, Recorded, Timestamp};
use tokio::task::JoinSet;

/// Events of an append.
const APPEND_EVENTS: usize = 4;
/// About how many events a call becomes.
const EVENTS_OF_A_CALL: u64 = 7;
/// What the others ask, in turn.
const QUESTIONS: [&str; 4] = [
    "select outcome, count(*) from queue_leg group by outcome",
    "select queue_id, hist_quantile(hist_agg(queue_duration_ms), 0.9) from queue_leg group by queue_id",
    "select event_type, count(*) from event_log group by event_type order by 2 desc",
    "select count(*) from customer_session s \
     where not exists (select 1 from queue_leg l where l.interaction_id = s.interaction_id)",
];

/// How long answers took, ms.
type Answered = Arc<Mutex<Vec<f64>>>;

struct Settings {
    rate: u64,
    seconds: u64,
    askers: u64,
}

impl Settings {
    fn parse(mut arguments: impl Iterator<Item = String>) -> Result<Self, Failure> {
        let mut given = BTreeMap::new();
        while let Some(name) = arguments.next() {
            let known = ["--rate", "--seconds", "--askers"].contains(&name.as_str());
            let value = arguments.next().filter(|_| known);
            let value = value.ok_or("options are --rate N, --seconds N, --askers N")?;
            let value: u64 = value.parse().map_err(|error| format!("{name} {value}: {error}"))?;
            given.insert(name, value);
        }
        let number = |name: &str, otherwise| given.get(name).copied().unwrap_or(otherwise);
        Ok(Self {
            rate: number("--rate", 2_000).max(1),
            seconds: number("--seconds", 30).max(1),
            askers: number("--askers", 2),
        })
    }
}

/// The tables as they move on.
#[derive(Debug)]
struct Moving(Projections);

impl SnapshotSource for Moving {
    fn snapshot(&self, _: OrgId, wait: Duration) -> Snapshotting<'_> {
        Box::pin(async move { Some(self.0.caught_up(wait).await) })
    }

    fn past(&self, _: OrgId) -> Option<Arc<Past>> {
        None
    }
}

fn main() -> Result<(), Failure> {
    let settings = Settings::parse(std::env::args().skip(1))?;
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(measure(settings))
}

async fn measure(settings: Settings) -> Result<(), Failure> {
    let wanted = settings.rate * settings.seconds;
    let events = invented(wanted * 2).await?;
    let folder = tempfile::tempdir()?;
    let log =
        Arc::new(EmbeddedLog::open(&folder.path().join("log"), ask::ORG, LogOptions::default())?);
    let (before, timed) = events.split_at(events.len().saturating_sub(usize::try_from(wanted)?));
    for some in before.chunks(1_000) {
        log.submit(Append { events: some.to_vec(), expected: Vec::new() })?.await?;
    }
    let reader: Arc<dyn EventReader> = Arc::clone(&log) as _;
    let tables = Projections::start(reader, folder.path().join("tables"), Options::default())?;
    tables.wait_for(log.head()).await?;

    let shown = tokio::spawn(shown(tables.clone(), Position(events.len() as u64)));
    let state = ask::over(Arc::new(Moving(tables.clone())), ask::limits(1 << 30))?;
    let answered = Answered::default();
    let mut askers = JoinSet::new();
    for asker in 0..settings.askers {
        askers.spawn(keep_asking(state.clone(), asker, Arc::clone(&answered)));
    }
    let (appended, behind) = append(&log, timed, settings.rate).await?;
    let shown = shown.await??;
    askers.abort_all();
    while let Some(asker) = askers.join_next().await {
        match asker {
            Ok(failed) => return Err(failed),
            Err(error) if error.is_cancelled() => {}
            Err(error) => return Err(error.into()),
        }
    }
    let answered = std::mem::take(&mut *answered.lock().map_err(|_| "an asker panicked")?);
    tables.stop().await;

    let mut waits: Vec<f64> = Vec::with_capacity(appended.len());
    for (last, at) in &appended {
        let number = shown.partition_point(|(position, _)| position < last);
        let (_, visible) = shown.get(number).ok_or("an event was never shown")?;
        waits.push(visible.duration_since(*at).as_secs_f64() * 1e3);
    }
    let mut out = std::io::stdout().lock();
    writeln!(
        out,
        "| events/s | askers | append to visible, ms: p50 | p99 | most | questions answered | their p50, ms |"
    )?;
    writeln!(out, "|---:|---:|---:|---:|---:|---:|---:|")?;
    writeln!(
        out,
        "| {} | {} | {:.1} | {:.1} | {:.1} | {} | {:.1} |",
        settings.rate,
        settings.askers,
        percentile(&waits, 0.5),
        percentile(&waits, 0.99),
        percentile(&waits, 1.0),
        answered.len(),
        percentile(&answered, 0.5),
    )?;
    if behind > Duration::from_millis(100) {
        writeln!(out, "\nThe appends fell {} ms behind their rate.", behind.as_millis())?;
    }
    Ok(())
}

/// So many events of invented calls, as they are appended.
async fn invented(count: u64) -> Result<Vec<NewEvent>, Failure> {
    let text = calls::invented(u32::try_from(count / EVENTS_OF_A_CALL + 1)?)?;
    let log = MemoryLog::new(ask::ORG, || Timestamp::EPOCH);
    let keys = KeyRing::in_memory()?;
    let source = Source { name: "invented", bytes: text.as_bytes(), imported_at: Timestamp::EPOCH };
    call_records(&log, &keys, &Mapping::named("anonymous-bank")?, source, &mut |_| {}).await?;
    let events: Result<Vec<NewEvent>, _> =
        log.scan(Position::START).map(|event| event.map(new_event)).collect();
    let mut events = events?;
    let count = usize::try_from(count)?;
    if events.len() < count {
        return Err(format!("{} events were invented, {count} are needed", events.len()).into());
    }
    events.truncate(count);
    Ok(events)
}

fn new_event(recorded: Recorded) -> NewEvent {
    let header = recorded.header;
    NewEvent {
        id: header.id,
        stream: header.stream,
        event_type: header.event_type,
        time: header.time,
        command_id: header.command_id,
        correlation_id: header.correlation_id,
        causation_id: header.causation_id,
        actor: header.actor,
        config_position: header.config_position,
        traceparent: header.traceparent,
        data_subject_id: header.data_subject_id,
        payload: recorded.payload,
    }
}

/// Each snapshot's position and when it was there, until the last.
async fn shown(tables: Projections, last: Position) -> Result<Vec<(Position, Instant)>, Failure> {
    let mut watch = tables.position_watch();
    let mut seen = Vec::new();
    loop {
        let position = *watch.borrow_and_update();
        seen.push((position, Instant::now()));
        if position >= last {
            return Ok(seen);
        }
        watch.changed().await?;
    }
}

/// Appends at a rate; gives the last position of each append and when it was made, and how far it fell behind.
async fn append(
    log: &EmbeddedLog,
    events: &[NewEvent],
    rate: u64,
) -> Result<(Vec<(Position, Instant)>, Duration), Failure> {
    let began = Instant::now();
    let mut appended = Vec::with_capacity(events.len() / APPEND_EVENTS + 1);
    let mut behind = Duration::ZERO;
    let mut waiting = JoinSet::new();
    for (number, some) in (0_u64..).zip(events.chunks(APPEND_EVENTS)) {
        let due =
            began + Duration::from_secs_f64(number as f64 * APPEND_EVENTS as f64 / rate as f64);
        tokio::time::sleep_until(due.into()).await;
        let now = Instant::now();
        behind = behind.max(now.duration_since(due));
        let submitted = log.submit(Append { events: some.to_vec(), expected: Vec::new() })?;
        appended.push((submitted.appended.last, now));
        waiting.spawn(submitted);
        while let Some(durable) = waiting.try_join_next() {
            durable??;
        }
    }
    while let Some(durable) = waiting.join_next().await {
        durable??;
    }
    Ok((appended, behind))
}

/// Asks without pause; ends at the first failure.
async fn keep_asking(state: AnalyzerState, asker: u64, answered: Answered) -> Failure {
    for question in QUESTIONS.iter().cycle().skip(usize::try_from(asker).unwrap_or(0)) {
        let began = Instant::now();
        if let Err(error) = ask::ask(&state, question).await {
            return error;
        }
        if let Ok(mut answered) = answered.lock() {
            answered.push(began.elapsed().as_secs_f64() * 1e3);
        }
    }
    "there is nothing to ask".into()
}
