//! Filling stores and reading them back.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use ledgerline_event_store::{EventReader as _, EventWriter as _, Submitted};
use serde::{Deserialize, Serialize};

use super::drive::Writers;
use crate::load::{Load, Sequence, Streams};
use crate::machine::disk;
use crate::outcome::Outcome;
use crate::stores::ledgerline::{Embedded, append_of};
use crate::stores::{self, Kind, Place, Want};

/// Appends on their way to the disk while our log is filled.
const IN_FLIGHT: usize = 4_096;
/// Writers while another store is filled.
const FILL_WRITERS: u64 = 4;

/// Which events to put into a store.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct FillSpec {
    pub(crate) kind: Kind,
    pub(crate) place: Place,
    pub(crate) events: u64,
    pub(crate) batch: u64,
    pub(crate) payload_bytes: usize,
}

/// A filled store.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Filled {
    /// Events in it, all acknowledged.
    pub(crate) events: u64,
    /// How long it took.
    pub(crate) seconds: f64,
}

/// Fills a store and waits for every acknowledgement.
pub(crate) async fn fill(spec: &FillSpec) -> Outcome<Filled> {
    let load = Load {
        writers: FILL_WRITERS,
        batch: spec.batch,
        payload_bytes: spec.payload_bytes,
        streams: Streams::Spread,
    };
    let began = Instant::now();
    let events = if spec.kind == Kind::Ledgerline {
        let log = Embedded::open(&spec.place.directory)?;
        fill_log(&log, Load { writers: 1, ..load }, spec.events)?
    } else {
        let client = stores::connect(spec.kind, &spec.place, &load).await?;
        let writers = Writers::start(client.as_ref(), load, None, spec.events / spec.batch).await?;
        writers.finish(Duration::ZERO).await?.acknowledged * spec.batch
    };
    Ok(Filled { events, seconds: began.elapsed().as_secs_f64() })
}

/// Fills our log without waiting for each append: many are on their way at a time.
pub(crate) fn fill_log(store: &Embedded, load: Load, events: u64) -> Outcome<u64> {
    let mut sequence = Sequence::new(load, 0);
    let mut waiting: VecDeque<Submitted> = VecDeque::with_capacity(IN_FLIGHT);
    for _ in 0..events / load.batch {
        waiting.push_back(store.log.submit(append_of(&sequence.next(0)))?);
        if waiting.len() >= IN_FLIGHT
            && let Some(oldest) = waiting.pop_front()
        {
            tokio::task::block_in_place(|| oldest.wait_blocking())?;
        }
    }
    for submitted in waiting {
        tokio::task::block_in_place(|| submitted.wait_blocking())?;
    }
    Ok(store.log.head().0)
}

/// What to read.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct ReadSpec {
    pub(crate) kind: Kind,
    pub(crate) place: Place,
    /// Only events of the rare type.
    pub(crate) filtered: bool,
    /// How many events there are to be read.
    pub(crate) expected: u64,
    /// Empty the page cache before, in this process: for stores that are in it.
    pub(crate) cold: bool,
}

/// What was read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Read {
    /// Events that came.
    pub(crate) events: u64,
    /// Frames that were verified; 0 where that is not what was measured.
    pub(crate) frames: u64,
    /// Bytes of the records that were verified; 0 likewise.
    pub(crate) bytes: u64,
    /// How long it took.
    pub(crate) seconds: f64,
}

/// Reads and times it.
pub(crate) async fn read(spec: &ReadSpec) -> Outcome<Read> {
    let load = Load { writers: 1, batch: 1, payload_bytes: 0, streams: Streams::Hot };
    let client = stores::connect(spec.kind, &spec.place, &load).await?;
    if spec.cold && !disk::drop_caches() {
        return Err("the page cache cannot be emptied by this user".into());
    }
    let want = if spec.filtered { Want::Rare } else { Want::All };
    let began = Instant::now();
    let events = client.read(want, spec.expected).await?;
    let seconds = began.elapsed().as_secs_f64();
    if events != spec.expected {
        return Err(format!("{events} of {} events came", spec.expected).into());
    }
    Ok(Read { events, frames: 0, bytes: 0, seconds })
}

/// Verifies every frame of our log and times it.
pub(crate) fn verify(spec: &ReadSpec) -> Outcome<Read> {
    let store = Embedded::open(&spec.place.directory)?;
    if spec.cold && !disk::drop_caches() {
        return Err("the page cache cannot be emptied by this user".into());
    }
    let began = Instant::now();
    let verified = store.log.verify()?;
    let seconds = began.elapsed().as_secs_f64();
    if verified.events != spec.expected {
        return Err(format!("{} of {} events verified", verified.events, spec.expected).into());
    }
    Ok(Read { events: verified.events, frames: verified.frames, bytes: verified.bytes, seconds })
}
