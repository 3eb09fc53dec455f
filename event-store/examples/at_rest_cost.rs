//! What encryption at rest costs the log: appends and a scan with and without, in turn.
//! `cargo run --release -p ledgerline-event-store --example at_rest_cost -- DIRECTORY [EVENTS [ROUNDS]]`
//!
//! Events have 256 bytes; 100 are an append, and 64 appends are on their way at a time. Processor time is that of the
//! whole process, from `/proc/self/stat`, whose ticks are hundredths of a second. The best round counts.
#![allow(clippy::print_stdout, reason = "a program for a terminal")]

use std::collections::VecDeque;
use std::error::Error;
use std::path::Path;
use std::time::Instant;

use ledgerline_event_store::crypt::KeyRing;
use ledgerline_event_store::crypt::at_rest::StorageKeys;
use ledgerline_event_store::{Append, EmbeddedLog, EventWriter as _, Options, Submitted};
use ledgerline_schemas::id::{CommandId, CorrelationId, EventId, OrgId};
use ledgerline_schemas::{Actor, NewEvent, Position, StreamId, Timestamp};

const ORG: OrgId = OrgId::from_u128(1);
const PER_APPEND: u128 = 100;
const WAITING: usize = 64;
const TICKS_PER_SECOND: f64 = 100.0;

/// Seconds, and processor seconds.
#[derive(Clone, Copy)]
struct Cost(f64, f64);

impl Cost {
    fn best(self, other: Self) -> Self {
        Self(self.0.min(other.0), self.1.min(other.1))
    }
}

#[derive(Clone, Copy)]
struct Round {
    append: Cost,
    scan: Cost,
}

fn event(id: u128) -> NewEvent {
    NewEvent {
        id: EventId::from_u128(id),
        stream: StreamId::new(format!("interaction-{}", id % 10_000)),
        event_type: "queue.entered".into(),
        time: Timestamp::EPOCH,
        command_id: CommandId::from_u128(id / PER_APPEND),
        correlation_id: CorrelationId::from_u128(id / 7),
        causation_id: None,
        actor: Actor::router(),
        config_position: Position::START,
        traceparent: None,
        data_subject_id: None,
        payload: id.to_le_bytes().repeat(16),
    }
}

/// Processor time of this process so far, seconds.
fn processor() -> Result<f64, Box<dyn Error>> {
    let stat = std::fs::read_to_string("/proc/self/stat")?;
    // Behind the name in brackets: state is the third field, user and system time the 14th and 15th.
    let rest = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
    let ticks = rest.split_whitespace().skip(11).take(2).map(str::parse::<u64>);
    let ticks: Vec<u64> = ticks.collect::<Result<_, _>>()?;
    Ok(ticks.iter().sum::<u64>() as f64 / TICKS_PER_SECOND)
}

fn timed(work: impl FnOnce() -> Result<(), Box<dyn Error>>) -> Result<Cost, Box<dyn Error>> {
    let (began, used) = (Instant::now(), processor()?);
    work()?;
    Ok(Cost(began.elapsed().as_secs_f64(), processor()? - used))
}

fn round(folder: &Path, keys: Option<StorageKeys>, count: u128) -> Result<Round, Box<dyn Error>> {
    let folder = tempfile::tempdir_in(folder)?;
    let options = Options { raw_segments: None, keys, ..Options::default() };
    let log = EmbeddedLog::open(folder.path(), ORG, options.clone())?;
    let append = timed(|| {
        let mut waiting: VecDeque<Submitted> = VecDeque::with_capacity(WAITING);
        for first in (0..count).step_by(PER_APPEND as usize) {
            if waiting.len() == WAITING
                && let Some(oldest) = waiting.pop_front()
            {
                oldest.wait_blocking()?;
            }
            let events = (first..count.min(first + PER_APPEND)).map(event).collect();
            waiting.push_back(log.submit(Append { events, expected: Vec::new() })?);
        }
        for submitted in waiting {
            submitted.wait_blocking()?;
        }
        Ok(())
    })?;
    drop(log);
    let log = EmbeddedLog::open(folder.path(), ORG, options)?;
    let scan = timed(|| {
        let mut seen = 0;
        for event in log.scan(Position::START) {
            event?;
            seen += 1;
        }
        if seen == count { Ok(()) } else { Err("events are missing".into()) }
    })?;
    Ok(Round { append, scan })
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let folder = arguments.next().ok_or("usage: at_rest_cost DIRECTORY [EVENTS [ROUNDS]]")?;
    let count: u128 = arguments.next().map_or(Ok(1_000_000), |text| text.parse())?;
    let rounds: u32 = arguments.next().map_or(Ok(3), |text| text.parse())?;
    let keys = StorageKeys::new(KeyRing::in_memory()?, ORG, true);
    let mut best: [Option<Round>; 2] = [None; 2];
    for _ in 0..rounds {
        for (best, keys) in best.iter_mut().zip([None, Some(keys.clone())]) {
            let Round { append, scan } = round(Path::new(&folder), keys, count)?;
            *best = Some(best.map_or(Round { append, scan }, |best| Round {
                append: append.best(best.append),
                scan: scan.best(best.scan),
            }));
        }
    }
    println!("| {count} events | events/s | processor, s per million |");
    println!("|---|---:|---:|");
    let millions = count as f64 / 1e6;
    for (name, round) in ["in clear", "encrypted"].iter().zip(best) {
        let Some(round) = round else { continue };
        for (what, Cost(seconds, used)) in [("append", round.append), ("scan", round.scan)] {
            let rate = count as f64 / seconds;
            println!("| {what}, {name} | {rate:.0} | {:.2} |", used / millions);
        }
    }
    Ok(())
}
