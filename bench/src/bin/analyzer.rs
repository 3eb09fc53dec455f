//! Folding imported history into tables, and SQL over it.
//!
//! `cargo run --release -p ledgerline-bench --bin analyzer -- FILE...` (the months of the Anonymous Bank)

use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use ledgerline_access::{Principal, Role};
use ledgerline_analyzer_api::query::run_local;
use ledgerline_event_store::crypt::KeyRing;
use ledgerline_event_store::{EmbeddedLog, EventReader, Options};
use ledgerline_ingest::import::{Mapping, Source, call_records};
use ledgerline_projections::{Projections, Snapshot};
use ledgerline_schemas::Timestamp;
use ledgerline_schemas::id::OrgId;

type Failure = Box<dyn std::error::Error>;

const ORG: OrgId = OrgId::from_u128(1);
const ROUNDS: usize = 7;

/// Questions of a contact center, by name.
const QUESTIONS: [(&str, &str); 8] = [
    ("calls by outcome", "select outcome, count(*) from queue_leg group by outcome"),
    (
        "service levels by queue",
        "select queue_name, sl_of_answered(outcome, queue_duration_ms, 20000), \
         sl_negative(outcome, queue_duration_ms, 20000), sl_ignore(outcome, queue_duration_ms, 20000), \
         sl_positive(outcome, queue_duration_ms, 20000) from queue_leg group by queue_name",
    ),
    (
        "ASA and AHT by day",
        "select date_trunc('day', entered_time) as day, avg(queue_duration_ms), avg(connected_duration_ms) \
         from queue_leg where outcome = 'answered' group by 1 order by 1",
    ),
    (
        "half hours with most abandons",
        "select date_bin(interval '30 minutes', entered_time) as bin, count(*) as n from queue_leg \
         where outcome = 'abandoned' group by 1 order by n desc limit 10",
    ),
    (
        "top agents by talk time",
        "select agent_name, count(*), sum(connected_duration_ms) as talk from queue_leg \
         where outcome = 'answered' group by agent_name order by talk desc limit 10",
    ),
    (
        "90th percentile of wait",
        "select queue_name, percentile_cont(0.9) within group (order by queue_duration_ms) from queue_leg \
         group by queue_name",
    ),
    (
        "sessions without a queue",
        "select count(*) from customer_session s where not exists \
         (select 1 from queue_leg l where l.interaction_id = s.interaction_id)",
    ),
    ("events by type", "select event_type, count(*) from event_log group by 1 order by 2 desc"),
];

fn main() -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(measure())
}

async fn measure() -> Result<(), Failure> {
    let files: Vec<String> = std::env::args().skip(1).collect();
    if files.is_empty() {
        return Err("name the files to import".into());
    }
    let folder = tempfile::tempdir()?;
    let log = EmbeddedLog::open(&folder.path().join("log"), ORG, Options::default())?;
    let keys = KeyRing::in_memory()?;
    let mapping = Mapping::named("anonymous-bank")?;
    for file in &files {
        let bytes = std::fs::read(file)?;
        let name = Path::new(file).file_name().unwrap_or_default().to_string_lossy().into_owned();
        let source = Source { name: &name, bytes: &bytes, imported_at: Timestamp::from_micros(0) };
        call_records(&log, &keys, &mapping, source, &mut |_| {}).await?;
    }
    let reader: Arc<dyn EventReader> = Arc::new(log);
    let head = reader.head();
    let began = Instant::now();
    let tables = Projections::start(
        Arc::clone(&reader),
        folder.path().join("tables"),
        ledgerline_projections::Options::default(),
    )?;
    tables.wait_for(head).await?;
    let seconds = began.elapsed().as_secs_f64();
    let mut out = std::io::stdout();
    writeln!(out, "| what | figure |\n|---|---:|")?;
    writeln!(out, "| events in the log | {} |", head.0)?;
    writeln!(
        out,
        "| fold into tables, with Parquet commits | {:.0} events/s |",
        head.0 as f64 / seconds
    )?;
    let snapshot = tables.snapshot();
    for (name, sql) in QUESTIONS {
        let (best, rows) = ask(&snapshot, sql).await?;
        writeln!(out, "| {name} ({rows} rows) | {best:.1} ms |")?;
    }
    tables.stop().await;
    Ok(())
}

/// Best time of several rounds, ms, and the rows of the answer.
async fn ask(snapshot: &Arc<Snapshot>, sql: &str) -> Result<(f64, usize), Failure> {
    let principal = Principal {
        org_id: ORG,
        subject: "bench".to_owned(),
        roles: [Role::Administrator].into(),
        user_id: None,
        user_profile_id: None,
    };
    let mut best = f64::INFINITY;
    let mut rows = 0;
    for _ in 0..ROUNDS {
        let began = Instant::now();
        let (_, batches) = run_local(Arc::clone(snapshot), &principal, sql).await?;
        best = best.min(began.elapsed().as_secs_f64() * 1_000.0);
        rows = batches.iter().map(|batch| batch.num_rows()).sum();
    }
    Ok((best, rows))
}
