//! Rows per second of importing call records: into memory, and durably into the embedded log.
//!
//! `cargo run --release -p ledgerline-bench --bin import [-- FILE...]`: without files it imports a month of
//! invented calls, about as many as in a month of the Anonymous Bank.

use std::io::Write as _;
use std::path::Path;
use std::time::Instant;

use ledgerline_bench::calls;
use ledgerline_event_store::crypt::KeyRing;
use ledgerline_event_store::memory::MemoryLog;
use ledgerline_event_store::{EmbeddedLog, EventWriter, Options};
use ledgerline_ingest::import::{ImportReport, Mapping, Source, call_records};
use ledgerline_schemas::Timestamp;
use ledgerline_schemas::id::OrgId;

type Failure = Box<dyn std::error::Error>;

const ORG: OrgId = OrgId::from_u128(1);
const ROUNDS: usize = 3;
/// About as many as in a month of the Anonymous Bank.
const CALLS: u32 = 32_000;

/// What is measured.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Into {
    Memory,
    Embedded,
    EmbeddedAgain,
}

impl Into {
    const ALL: [Self; 3] = [Self::Memory, Self::Embedded, Self::EmbeddedAgain];

    const fn name(self) -> &'static str {
        match self {
            Self::Memory => "memory",
            Self::Embedded => "embedded log, durable",
            Self::EmbeddedAgain => "embedded log, all rows already there",
        }
    }
}

/// One measured import.
struct Round {
    seconds: f64,
    report: ImportReport,
    events: u64,
}

fn main() -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let mut files: Vec<(String, Vec<u8>)> = Vec::new();
    for path in std::env::args().skip(1) {
        let bytes = std::fs::read(&path)?;
        let name = Path::new(&path).file_name().map(|name| name.to_string_lossy().into_owned());
        files.push((name.unwrap_or(path), bytes));
    }
    if files.is_empty() {
        files.push(("invented month".to_owned(), calls::invented(CALLS)?.into_bytes()));
    }
    let mut out = std::io::stdout().lock();
    writeln!(out, "| file | into | rows | events | rows/s | events/s |")?;
    writeln!(out, "|---|---|---:|---:|---:|---:|")?;
    for (name, bytes) in &files {
        for into in Into::ALL {
            let mut rounds = Vec::new();
            for _ in 0..ROUNDS {
                rounds.push(runtime.block_on(round(into, name, bytes))?);
            }
            rounds.sort_by(|left, right| left.seconds.total_cmp(&right.seconds));
            let Some(median) = rounds.get(ROUNDS / 2) else { continue };
            let Round { seconds, report, events } = median;
            let (rows_s, events_s) = (report.rows as f64 / seconds, *events as f64 / seconds);
            let (into, rows) = (into.name(), report.rows);
            writeln!(out, "| {name} | {into} | {rows} | {events} | {rows_s:.0} | {events_s:.0} |")?;
        }
    }
    Ok(())
}

async fn round(into: Into, name: &str, bytes: &[u8]) -> Result<Round, Failure> {
    let mapping = Mapping::named("anonymous-bank")?;
    let keyring = KeyRing::in_memory()?;
    let source = Source { name, bytes, imported_at: Timestamp::EPOCH };
    let directory = tempfile::tempdir()?;
    let writer: Box<dyn EventWriter> = if into == Into::Memory {
        Box::new(MemoryLog::new(ORG, || Timestamp::EPOCH))
    } else {
        Box::new(EmbeddedLog::open(&directory.path().join("log"), ORG, Options::default())?)
    };
    if into == Into::EmbeddedAgain {
        call_records(writer.as_ref(), &keyring, &mapping, source, &mut |_| {}).await?;
    }
    let began = Instant::now();
    let report = call_records(writer.as_ref(), &keyring, &mapping, source, &mut |_| {}).await?;
    let seconds = began.elapsed().as_secs_f64();
    let expected = if into == Into::EmbeddedAgain { report.interactions } else { 0 };
    if !report.rejected.is_empty() || report.already_there != expected {
        return Err(format!("not the import that was to be measured:\n{report}").into());
    }
    Ok(Round { seconds, report, events: writer.head().0 })
}
