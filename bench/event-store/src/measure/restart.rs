//! Opening our log after its process was killed in the middle of writing.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::Instant;

use ledgerline_event_store::{Direction, EventReader as _, EventWriter as _, Filter};
use ledgerline_schemas::Position;
use serde::{Deserialize, Serialize};

use super::replay::fill_log;
use crate::load::{Load, Sequence, Streams};
use crate::machine::{disk, processes};
use crate::outcome::Outcome;
use crate::stores::ledgerline::{Embedded, append_of};

/// Events of an append.
const BATCH: u64 = 100;
/// Bytes of a payload: small, so that many events fit the disk.
const PAYLOAD_BYTES: usize = 64;
/// What an event of this shape takes in the log, rounded up, with room for indexes.
pub(crate) const EVENT_BYTES: u64 = 260;
/// What is said when the log is full; the number of events follows.
pub(crate) const FILLED: &str = "filled ";

const LOAD: Load =
    Load { writers: 1, batch: BATCH, payload_bytes: PAYLOAD_BYTES, streams: Streams::Spread };

/// Fills a log, says so, and appends on until it is killed.
pub(crate) fn fill_and_hold(directory: &Path, events: u64) -> Outcome<()> {
    let store = Embedded::open(directory)?;
    let filled = fill_log(&store, LOAD, events)?;
    let mut output = std::io::stdout();
    writeln!(output, "{FILLED}{filled}")?;
    output.flush()?;
    // Numbers that the filling did not use.
    let mut sequence = Sequence::new(Load { writers: 2, ..LOAD }, 1);
    let mut next = || {
        let mut batch = sequence.next(0);
        batch.first += 2 * filled;
        batch
    };
    loop {
        store.log.submit(append_of(&next()))?.wait_blocking()?;
    }
}

/// What to open.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Spec {
    pub(crate) directory: PathBuf,
    /// Events that were acknowledged before the kill.
    pub(crate) at_least: u64,
    /// Empty the page cache before.
    pub(crate) cold: bool,
}

/// How it opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Opened {
    /// Events found.
    pub(crate) events: u64,
    /// Until the log was open, seconds.
    pub(crate) open_s: f64,
    /// From then until the last event was read and one more was durably appended, seconds.
    pub(crate) first_use_s: f64,
    /// Memory when open, bytes.
    pub(crate) memory_bytes: u64,
    /// Most memory until then, bytes.
    pub(crate) peak_bytes: u64,
    /// Bytes of the log's files.
    pub(crate) disk_bytes: u64,
}

/// Opens a log and times it.
pub(crate) fn open(spec: &Spec) -> Outcome<Opened> {
    if spec.cold && !disk::drop_caches() {
        return Err("the page cache cannot be emptied by this user".into());
    }
    let began = Instant::now();
    let store = Embedded::open(&spec.directory)?;
    let open_s = began.elapsed().as_secs_f64();
    let memory_bytes = processes::usage(std::process::id()).memory_bytes;
    let peak_bytes = processes::own_peak_bytes();
    let head = store.log.head();
    if head.0 < spec.at_least {
        return Err(format!("{} events acknowledged, {} found", spec.at_least, head.0).into());
    }
    let began = Instant::now();
    let page = store.log.read_all(head, Direction::Backward, &Filter::all(), 1)?;
    if page.events.first().map(|event| event.header.position) != Some(head) {
        return Err(format!("the event at {head:?} cannot be read").into());
    }
    let mut batch = Sequence::new(LOAD, 0).next(0);
    batch.first = u64::MAX / 2 + head.0;
    // The child that measures is a task of a runtime.
    let submitted = store.log.submit(append_of(&batch))?;
    let appended = tokio::task::block_in_place(|| submitted.wait_blocking())?;
    if appended.first != Position(head.0 + 1) {
        return Err(format!("appended at {:?} after {head:?}", appended.first).into());
    }
    let first_use_s = began.elapsed().as_secs_f64();
    let disk_bytes = disk::size_bytes(&spec.directory);
    Ok(Opened { events: head.0, open_s, first_use_s, memory_bytes, peak_bytes, disk_bytes })
}
