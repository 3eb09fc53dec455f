//! A log that moves to a real cluster and back is the same log at every position.

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use ledgerline_event_store::custody::{Hash, leaf_hash};
use ledgerline_event_store::engine::{Compared, Mirror, MirrorOptions, compare, detach};
use ledgerline_event_store::{Append, EmbeddedLog, EventWriter as _};
use ledgerline_schemas::Position;

use super::mirrors::{LEASE, ORG, event, options};
use super::{Cluster, Outcome, text};

/// Events before the move: several segments of the log.
const EVENTS: u128 = 20_000;
/// Events appended in each place afterwards.
const MORE: u128 = 500;
const TOPIC: &str = "moving";

fn own_log(directory: &Path) -> Outcome<EmbeddedLog> {
    EmbeddedLog::open(directory, ORG, options()).map_err(text)
}

async fn fill(log: &EmbeddedLog, numbers: std::ops::Range<u128>) -> Outcome<()> {
    let numbers: Vec<u128> = numbers.collect();
    for some in numbers.chunks(100) {
        let events = some.iter().map(|number| event(*number)).collect();
        log.submit(Append { events, expected: Vec::new() }).map_err(text)?.await.map_err(text)?;
    }
    Ok(())
}

fn leaves(log: &EmbeddedLog) -> Outcome<Vec<Hash>> {
    log.scan(Position::START).map(|event| event.map(|it| leaf_hash(&it)).map_err(text)).collect()
}

/// The writer of a directory that is given to the topic, or is its mirror already.
async fn leader(cluster: &Cluster, directory: &Path) -> Outcome<(Mirror, u64)> {
    let of_mirror = MirrorOptions { lease: LEASE, ..MirrorOptions::new("fluvio") };
    let carrier = Arc::new(cluster.open(TOPIC).await?);
    let mirror = Mirror::adopt(directory, ORG, options(), carrier, of_mirror).map_err(text)?;
    let takeover = mirror.lead().await.map_err(text)?;
    Ok((mirror, takeover.healed_events))
}

/// Reads the topic anew, from its first record, and compares every position.
async fn same(cluster: &Cluster, mirror: &Mirror) -> Outcome<Compared> {
    let carrier = Arc::new(cluster.open(TOPIC).await?);
    let compared = compare(mirror.log(), carrier, &mut |_| ()).await.map_err(text)?;
    if compared.is_equal() { Ok(compared) } else { Err(format!("not the same: {compared:?}")) }
}

fn begins_with(all: &[Hash], beginning: &[Hash], whose: &str) -> Outcome<()> {
    if all.starts_with(beginning) {
        return Ok(());
    }
    let differs = all.iter().zip(beginning).position(|(one, other)| one != other);
    Err(format!("{whose}: {} leaves of {}, first other {differs:?}", all.len(), beginning.len()))
}

/// Embedded, then Fluvio, where another directory goes on, then embedded again.
pub(crate) async fn there_and_back(cluster: &mut Cluster) -> Outcome<String> {
    let folders = [tempfile::tempdir().map_err(text)?, tempfile::tempdir().map_err(text)?];
    let [ours, others] = &folders;
    let log = own_log(ours.path())?;
    fill(&log, 0..EVENTS).await?;
    let embedded = leaves(&log)?;
    drop(log);

    let began = Instant::now();
    let (mirror, sent) = leader(cluster, ours.path()).await?;
    let sending = began.elapsed();
    if u128::from(sent) != EVENTS {
        return Err(format!("{sent} events were sent instead of {EVENTS}"));
    }
    same(cluster, &mirror).await?;
    fill(mirror.log(), EVENTS..EVENTS + MORE).await?;
    let in_engine = leaves(mirror.log())?;
    begins_with(&in_engine, &embedded, "the log in the topic")?;
    drop(mirror);

    // A directory that begins empty has only what the topic gives it.
    let (other, _) = leader(cluster, others.path()).await?;
    fill(other.log(), EVENTS + MORE..EVENTS + 2 * MORE).await?;
    let elsewhere = leaves(other.log())?;
    begins_with(&elsewhere, &in_engine, "another directory")?;
    drop(other);

    let (mirror, _) = leader(cluster, ours.path()).await?;
    let compared = same(cluster, &mirror).await?;
    drop(mirror);
    detach(ours.path(), ORG, options()).map_err(text)?;
    let log = own_log(ours.path())?;
    let back = leaves(&log)?;
    if back != elsewhere {
        return Err("the log that came back is not the one that was in the topic".to_owned());
    }
    // It is a log of its own: it takes appends without the cluster.
    fill(&log, EVENTS + 2 * MORE..EVENTS + 3 * MORE).await?;
    Ok(format!(
        "{EVENTS} events sent in {:.1} s, {MORE} more from the directory, {MORE} from another one that \
         began empty, then back: the leaf hashes of all {} positions are the same in the log before, in \
         the topic, in the other directory and in the log after; root {} on both sides",
        sending.as_secs_f64(),
        compared.log_events,
        compared.log_root
    ))
}
