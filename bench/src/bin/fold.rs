//! Events per second of folding a log into tables with their Parquet files: wall clock and processor time.
//!
//! `cargo run --release -p ledgerline-bench --bin fold [-- FILE...]`: without files the log is of invented
//! calls. The log is in memory, so that nothing but the fold is measured; files are written as a server writes
//! them, merging included.

use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use ledgerline_bench::calls;
use ledgerline_event_store::EventReader;
use ledgerline_event_store::crypt::KeyRing;
use ledgerline_event_store::memory::MemoryLog;
use ledgerline_ingest::import::{Mapping, Source, call_records};
use ledgerline_projections::{Options, Projections};
use ledgerline_schemas::Timestamp;
use ledgerline_schemas::id::OrgId;

type Failure = Box<dyn std::error::Error>;

const ORG: OrgId = OrgId::from_u128(1);
const ROUNDS: usize = 3;
/// Invented calls: about two months of the Anonymous Bank.
const CALLS: u32 = 60_000;

fn main() -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(measure())
}

async fn measure() -> Result<(), Failure> {
    let mut files: Vec<(String, Vec<u8>)> = Vec::new();
    for path in std::env::args().skip(1) {
        let name = Path::new(&path).file_name().map(|name| name.to_string_lossy().into_owned());
        files.push((name.unwrap_or_default(), std::fs::read(&path)?));
    }
    if files.is_empty() {
        files.push(("invented".to_owned(), calls::invented(CALLS)?.into_bytes()));
    }
    let log = MemoryLog::new(ORG, || Timestamp::EPOCH);
    let keys = KeyRing::in_memory()?;
    let mapping = Mapping::named("anonymous-bank")?;
    for (name, bytes) in &files {
        let source = Source { name, bytes, imported_at: Timestamp::EPOCH };
        call_records(&log, &keys, &mapping, source, &mut |_| {}).await?;
    }
    let reader: Arc<dyn EventReader> = Arc::new(log);
    let head = reader.head();
    let mut out = std::io::stdout().lock();
    writeln!(out, "| events | wall, events/s | processor, events/s | bytes on disk |")?;
    writeln!(out, "|---:|---:|---:|---:|")?;
    for _ in 0..ROUNDS {
        let folder = tempfile::tempdir()?;
        let (began, worked) = (Instant::now(), processor_seconds()?);
        let dir = folder.path().join("tables");
        let tables = Projections::start(Arc::clone(&reader), dir.clone(), Options::default())?;
        tables.wait_for(head).await?;
        let (wall, worked) = (began.elapsed().as_secs_f64(), processor_seconds()? - worked);
        tables.stop().await;
        let (events, bytes) = (head.0 as f64, bytes_under(&dir)?);
        writeln!(
            out,
            "| {head} | {:.0} | {:.0} | {bytes} |",
            events / wall,
            events / worked.max(0.01)
        )?;
    }
    Ok(())
}

/// Processor time of this process so far, all threads, user and system, s. From `/proc/self/stat` (Linux, proc(5)):
/// fields 14 and 15, in hundredths of a second.
fn processor_seconds() -> Result<f64, Failure> {
    let stat = std::fs::read_to_string("/proc/self/stat")?;
    let after_name = stat.rsplit_once(')').map(|(_, rest)| rest).unwrap_or_default();
    let fields: Vec<&str> = after_name.split_whitespace().collect();
    let ticks = |field: usize| fields.get(field - 3).unwrap_or(&"0").parse::<u64>();
    Ok((ticks(14)? + ticks(15)?) as f64 / 100.0)
}

fn bytes_under(dir: &Path) -> Result<u64, Failure> {
    let mut bytes = 0;
    let mut dirs = vec![dir.to_owned()];
    while let Some(dir) = dirs.pop() {
        for entry in std::fs::read_dir(dir)? {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                dirs.push(entry.path());
            } else {
                bytes += entry.metadata()?.len();
            }
        }
    }
    Ok(bytes)
}
