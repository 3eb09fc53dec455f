//! A log that moves to an engine and back is the same log at every position.
#![expect(clippy::unwrap_used, reason = "the helpers are parts of tests")]

mod common;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use common::{ORG, append, event, small_segments};
use ledgerline_event_store::custody::leaf_hash;
use ledgerline_event_store::engine::memory::{MemoryCarrier, MemoryPartition, Mischief};
use ledgerline_event_store::engine::{EngineError, Mirror, MirrorOptions, compare, detach};
use ledgerline_event_store::{EmbeddedLog, EventReader as _, EventWriter as _, OpenError, Options};
use ledgerline_schemas::Position;

const EVENTS: u128 = 400;

fn own_log(directory: &Path) -> EmbeddedLog {
    EmbeddedLog::open(directory, ORG, small_segments()).unwrap()
}

async fn fill(log: &EmbeddedLog, ids: std::ops::Range<u128>) {
    let ids: Vec<u128> = ids.collect();
    for some in ids.chunks(3) {
        let events = some.iter().map(|id| event(*id, &format!("agent-{}", id % 4))).collect();
        log.submit(append(events)).unwrap().await.unwrap();
    }
}

fn leaves(log: &EmbeddedLog) -> Vec<String> {
    log.scan(Position::START).map(|event| leaf_hash(&event.unwrap()).to_string()).collect()
}

fn adopt(directory: &Path, carrier: &MemoryCarrier) -> Mirror {
    adopt_patiently(directory, carrier, Duration::from_secs(20))
}

fn adopt_patiently(directory: &Path, carrier: &MemoryCarrier, patience: Duration) -> Mirror {
    let lease = Duration::from_millis(100);
    let options = MirrorOptions { lease, patience, ..MirrorOptions::new("memory") };
    let carrier = Arc::new(carrier.clone());
    Mirror::adopt(directory, ORG, small_segments(), carrier, options).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_position_keeps_its_hash_on_the_way_there_and_back() {
    for native in [true, false] {
        let directory = tempfile::tempdir().unwrap();
        let log = own_log(directory.path());
        fill(&log, 1..EVENTS + 1).await;
        let before = leaves(&log);
        drop(log);
        let partition = MemoryPartition::new(native, 700);
        let mischief = Mischief { acknowledgement_lost: 5, lost: 5, torn: 5, late: 5, twice: 5 };
        let line = partition.connect_badly(7, mischief);
        let mirror = adopt(directory.path(), &line);
        let takeover = mirror.lead().await.unwrap();
        assert_eq!(u128::from(takeover.healed_events), EVENTS);
        let carrier = Arc::new(partition.connect());
        let compared = compare(mirror.log(), carrier.clone(), &mut |_| ()).await.unwrap();
        assert!(compared.is_equal(), "{compared:?}");
        assert_eq!(u128::from(compared.engine_events), EVENTS);
        // It goes on there, and another directory has the same.
        fill(mirror.log(), 1_001..1_010).await;
        drop(mirror);
        let elsewhere = tempfile::tempdir().unwrap();
        let other = adopt(elsewhere.path(), &partition.connect());
        other.lead().await.unwrap();
        assert_eq!(leaves(other.log())[..before.len()], before);
        drop(other);
        // And back.
        let mirror = adopt(directory.path(), &partition.connect());
        mirror.lead().await.unwrap();
        let compared = compare(mirror.log(), carrier, &mut |_| ()).await.unwrap();
        assert!(compared.is_equal(), "{compared:?}");
        drop(mirror);
        detach(directory.path(), ORG, Options::default()).unwrap();
        let log = own_log(directory.path());
        assert_eq!(leaves(&log)[..before.len()], before);
        assert_eq!(log.head(), Position(EVENTS as u64 + 9));
        fill(&log, 2_000..2_001).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_interrupted_move_goes_on() {
    let directory = tempfile::tempdir().unwrap();
    let log = own_log(directory.path());
    fill(&log, 1..EVENTS + 1).await;
    drop(log);
    let partition = MemoryPartition::new(false, 700);
    let line = partition.connect();
    let mirror = adopt_patiently(directory.path(), &line, Duration::from_millis(200));
    let moving = {
        let mirror = mirror.clone();
        tokio::spawn(async move { mirror.lead().await })
    };
    let mut status = mirror.watch();
    status.wait_for(|status| status.epoch > 0 || status.healed_events > 0).await.unwrap();
    line.sever();
    drop(mirror);
    let _ = moving.await;
    // Once something may be there, the directory is no log of its own any more.
    let refused = EmbeddedLog::open(directory.path(), ORG, small_segments()).unwrap_err();
    assert!(matches!(refused, OpenError::Mirror { .. }), "{refused}");
    let mirror = adopt(directory.path(), &partition.connect());
    mirror.lead().await.unwrap();
    let carrier = Arc::new(partition.connect());
    let compared = compare(mirror.log(), carrier, &mut |_| ()).await.unwrap();
    assert!(compared.is_equal(), "{compared:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_engine_with_another_history_is_refused_and_nothing_is_changed() {
    let (directory, elsewhere) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let partition = MemoryPartition::new(true, 700);
    let other = adopt(elsewhere.path(), &partition.connect());
    other.lead().await.unwrap();
    fill(other.log(), 500..520).await;
    drop(other);
    let log = own_log(directory.path());
    fill(&log, 1..30).await;
    drop(log);
    let entries = partition.entries();
    let mirror = adopt(directory.path(), &partition.connect());
    let refused = mirror.lead().await.unwrap_err();
    assert!(refused.to_string().contains("holds other events"), "{refused}");
    assert!(matches!(refused, EngineError::Ended { .. }));
    drop(mirror);
    assert_eq!(partition.entries(), entries);
    assert_eq!(own_log(directory.path()).head(), Position(29));
}
