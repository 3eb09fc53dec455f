//! What the disk can do: the limit beside every row.

use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::latency::{Latencies, Summary};
use crate::outcome::Outcome;

const BLOCK: [u8; 4_096] = [7; 4_096];
/// Blocks of the file that is written round and round.
const BLOCKS: u64 = 1_024;
/// Bytes of one write of the bandwidth measurement.
const STRIPE_BYTES: usize = 1 << 20;

/// The disk's limits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Raw {
    /// Writes of 4 KiB with `fdatasync`, one thread, per second, in place in a file that is there.
    pub(crate) syncs_per_s: f64,
    /// How long each took.
    pub(crate) sync: Summary,
    /// Bytes a second of 1 MiB appends, each with `fdatasync`.
    pub(crate) write_bytes_per_s: f64,
}

/// Measures both, half of the time each.
pub(crate) fn measure(directory: &Path, time: Duration) -> Outcome<Raw> {
    let (syncs_per_s, sync) = syncs(&directory.join("raw-syncs"), time / 2)?;
    let write_bytes_per_s = bandwidth(&directory.join("raw-bandwidth"), time / 2)?;
    Ok(Raw { syncs_per_s, sync, write_bytes_per_s })
}

fn syncs(path: &Path, time: Duration) -> Outcome<(f64, Summary)> {
    let file = File::create(path)?;
    for block in 0..BLOCKS {
        file.write_all_at(&BLOCK, block * BLOCK.len() as u64)?;
    }
    file.sync_all()?;
    let mut latencies = Latencies::new()?;
    let began = Instant::now();
    for block in (0..BLOCKS).cycle() {
        let call = Instant::now();
        file.write_all_at(&BLOCK, block * BLOCK.len() as u64)?;
        file.sync_data()?;
        latencies.record(call.elapsed());
        if began.elapsed() >= time {
            break;
        }
    }
    let rate = latencies.count() as f64 / began.elapsed().as_secs_f64();
    std::fs::remove_file(path)?;
    Ok((rate, latencies.summary()))
}

fn bandwidth(path: &Path, time: Duration) -> Outcome<f64> {
    let file = File::create(path)?;
    let stripe = vec![7; STRIPE_BYTES];
    let began = Instant::now();
    let mut written = 0;
    while began.elapsed() < time {
        file.write_all_at(&stripe, written)?;
        file.sync_data()?;
        written += STRIPE_BYTES as u64;
    }
    let rate = written as f64 / began.elapsed().as_secs_f64();
    std::fs::remove_file(path)?;
    Ok(rate)
}
