//! Durable appends beside the disk's own sync rate and SQLite, and replay. Prints a Markdown table.
//!
//! `cargo run --release -p ledgerline-bench --bin event_store -- [SECONDS] [DIRECTORY] [REPLAY_EVENTS]`:
//! seconds for each row (default 5), a directory on the disk to be measured (default the temporary one),
//! events in the log that is replayed (default 1,000,000).

use std::error::Error;
use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use ledgerline_event_store::{Append, EmbeddedLog, EventReader as _, EventWriter as _, Options};
use ledgerline_schemas::id::{CommandId, CorrelationId, EventId, OrgId};
use ledgerline_schemas::{Actor, NewEvent, Position, StreamId, Timestamp};
use rusqlite::Connection;

type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

const ORG: OrgId = OrgId::from_u128(1);
const PAYLOAD_BYTES: usize = 256;
const STREAMS: u64 = 10_000;
const WRITERS: [u64; 3] = [1, 64, 512];
/// Events of one append while the replayed log is filled.
const FILL_EVENTS: u64 = 4;

struct Rate {
    per_second: f64,
    p50_us: u64,
    p99_us: u64,
}

#[expect(clippy::print_stdout, reason = "the table is the result")]
fn main() -> Outcome<()> {
    let mut arguments = std::env::args().skip(1);
    let seconds = arguments.next().map_or(Ok(5), |text| text.parse())?;
    let place = arguments.next().map_or_else(std::env::temp_dir, PathBuf::from);
    let replayed = arguments.next().map_or(Ok(1_000_000), |text| text.parse())?;
    let time = Duration::from_secs(seconds);
    let scratch = tempfile::tempdir_in(place)?;
    println!("| what | writers | per second | p50 µs | p99 µs |");
    println!("|---|---:|---:|---:|---:|");
    let row = |what: &str, writers: u64, rate: &Rate| {
        let Rate { per_second, p50_us, p99_us } = rate;
        println!("| {what} | {writers} | {per_second:.0} | {p50_us} | {p99_us} |");
    };
    for writers in WRITERS {
        // The limit is measured again beside every row: a shared disk does not keep still.
        row("write 4 KiB + fdatasync", 1, &raw_syncs(&scratch.path().join("raw"), time)?);
        let directory = scratch.path().join(format!("log-{writers}"));
        row(
            "embedded log, durable append of 1 event",
            writers,
            &appends(&directory, writers, time)?,
        );
        let file = scratch.path().join(format!("sqlite-{writers}"));
        row(
            "SQLite WAL, synchronous FULL, insert of 1 event",
            writers,
            &sqlite(&file, writers, time)?,
        );
    }
    println!();
    println!("| what | per second | MB/s |");
    println!("|---|---:|---:|");
    for (what, rate, megabytes) in replay(&scratch.path().join("replay"), replayed)? {
        println!("| {what} | {rate:.0} | {megabytes:.0} |");
    }
    Ok(())
}

fn event(n: u64) -> NewEvent {
    NewEvent {
        id: EventId::from_u128(
            u128::from(n.wrapping_mul(0x9E37_79B9_7F4A_7C15)) << 64 | u128::from(n),
        ),
        stream: StreamId::new(format!("interaction-{:036}", n % STREAMS)),
        event_type: "queue.entered".into(),
        time: Timestamp::from_millis(i64::try_from(n).unwrap_or(0)),
        command_id: CommandId::from_u128(u128::from(n)),
        correlation_id: CorrelationId::from_u128(u128::from(n % STREAMS)),
        causation_id: None,
        actor: Actor::router(),
        config_position: Position::START,
        traceparent: None,
        data_subject_id: None,
        payload: vec![n.to_le_bytes()[0]; PAYLOAD_BYTES],
    }
}

/// Runs `work` on so many threads for a time and takes every call's duration.
fn measured(
    writers: u64,
    time: Duration,
    work: impl Fn(u64) -> Outcome<()> + Sync,
) -> Outcome<Rate> {
    let (stop, next) = (AtomicBool::new(false), AtomicU64::new(1));
    let began = Instant::now();
    let one = || -> Outcome<Vec<u64>> {
        let mut taken_us = Vec::new();
        while !stop.load(Ordering::Relaxed) {
            let call = Instant::now();
            work(next.fetch_add(1, Ordering::Relaxed))?;
            taken_us.push(u64::try_from(call.elapsed().as_micros()).unwrap_or(u64::MAX));
            if began.elapsed() >= time {
                stop.store(true, Ordering::Relaxed);
            }
        }
        Ok(taken_us)
    };
    let mut taken_us = Vec::new();
    std::thread::scope(|scope| -> Outcome<()> {
        let threads: Vec<_> = (0..writers).map(|_| scope.spawn(one)).collect();
        for thread in threads {
            taken_us.extend(thread.join().map_err(|_| "a writer panicked")??);
        }
        Ok(())
    })?;
    let elapsed = began.elapsed().as_secs_f64();
    taken_us.sort_unstable();
    let at = |percent: usize| taken_us.get(taken_us.len() * percent / 100).copied().unwrap_or(0);
    Ok(Rate { per_second: taken_us.len() as f64 / elapsed, p50_us: at(50), p99_us: at(99) })
}

fn raw_syncs(path: &Path, time: Duration) -> Outcome<Rate> {
    const BLOCK: [u8; 4_096] = [7; 4_096];
    const BLOCKS: u64 = 1_024;
    let file = File::create(path)?;
    for block in 0..BLOCKS {
        file.write_all_at(&BLOCK, block * BLOCK.len() as u64)?;
    }
    file.sync_all()?;
    measured(1, time, |n| {
        file.write_all_at(&BLOCK, n % BLOCKS * BLOCK.len() as u64)?;
        Ok(file.sync_data()?)
    })
}

fn appends(directory: &Path, writers: u64, time: Duration) -> Outcome<Rate> {
    let log = EmbeddedLog::open(directory, ORG, Options::default())?;
    measured(writers, time, |n| {
        log.submit(Append { events: vec![event(n)], expected: Vec::new() })?.wait_blocking()?;
        Ok(())
    })
}

/// One connection that the writers share: SQLite has one writer at a time, and no group commit.
fn sqlite(path: &Path, writers: u64, time: Duration) -> Outcome<Rate> {
    let connection = Connection::open(path)?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.execute_batch(
        "CREATE TABLE events (
            position INTEGER PRIMARY KEY, id BLOB UNIQUE, stream TEXT, version INTEGER,
            type TEXT, payload BLOB, UNIQUE (stream, version))",
    )?;
    let connection = Mutex::new(connection);
    measured(writers, time, |n| {
        let event = event(n);
        let connection = connection.lock().unwrap_or_else(PoisonError::into_inner);
        connection
            .prepare_cached(
                "INSERT INTO events (id, stream, version, type, payload) VALUES (?1, ?2,
                 (SELECT coalesce(max(version) + 1, 0) FROM events WHERE stream = ?2), ?3, ?4)",
            )?
            .execute((
                event.id.uuid().as_bytes(),
                event.stream.as_str(),
                &*event.event_type,
                &event.payload,
            ))?;
        Ok(())
    })
}

fn replay(directory: &Path, events: u64) -> Outcome<Vec<(String, f64, f64)>> {
    let log = EmbeddedLog::open(directory, ORG, Options::default())?;
    let began = Instant::now();
    let mut last = None;
    for first in (0..events).step_by(FILL_EVENTS as usize) {
        let until = (first + FILL_EVENTS).min(events);
        let events = (first..until).map(event).collect();
        last = Some(log.submit(Append { events, expected: Vec::new() })?);
    }
    if let Some(last) = last {
        last.wait_blocking()?;
    }
    let filled = began.elapsed().as_secs_f64();
    let began = Instant::now();
    let verified = log.verify()?;
    let verify = began.elapsed().as_secs_f64();
    let bytes = verified.bytes as f64 / 1e6;
    let began = Instant::now();
    let mut decoded = 0_u64;
    for event in log.scan(Position::START) {
        event?;
        decoded += 1;
    }
    let scan = began.elapsed().as_secs_f64();
    if decoded != events || log.head() != Position(events) {
        return Err(format!("{decoded} of {events} events were read back").into());
    }
    drop(log);
    let began = Instant::now();
    drop(EmbeddedLog::open(directory, ORG, Options::default())?);
    let open = began.elapsed().as_secs_f64();
    let count = events as f64;
    Ok(vec![
        (
            format!("events appended, {FILL_EVENTS} an append, not waited for"),
            count / filled,
            bytes / filled,
        ),
        ("frames verified".to_owned(), verified.frames as f64 / verify, bytes / verify),
        ("events decoded".to_owned(), count / scan, bytes / scan),
        ("events read back and indexed at opening".to_owned(), count / open, bytes / open),
    ])
}
