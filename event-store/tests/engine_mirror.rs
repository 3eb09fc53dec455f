//! A mirror in front of an engine: what it promises, one promise after the other.
#![expect(clippy::unwrap_used, reason = "the helpers are parts of tests")]

mod common;

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use common::{ORG, append, event, expecting, small_segments};
use ledgerline_event_store::custody::leaf_hash;
use ledgerline_event_store::engine::memory::{MemoryCarrier, MemoryPartition};
use ledgerline_event_store::engine::{EngineError, Mirror, MirrorOptions, Role};
use ledgerline_event_store::{
    AppendError, EmbeddedLog, EventReader, EventWriter, Expected, OpenError,
};
use ledgerline_schemas::{NewEvent, Position};
use tempfile::TempDir;

const ENGINE: &str = "memory/org";

fn folder() -> TempDir {
    tempfile::tempdir().unwrap()
}

fn options() -> MirrorOptions {
    MirrorOptions {
        lease: Duration::from_millis(100),
        patience: Duration::from_secs(20),
        ..MirrorOptions::new(ENGINE)
    }
}

fn open(directory: &Path, carrier: &MemoryCarrier) -> Mirror {
    try_open(directory, carrier).unwrap()
}

fn try_open(directory: &Path, carrier: &MemoryCarrier) -> Result<Mirror, EngineError> {
    Mirror::open(directory, ORG, small_segments(), Arc::new(carrier.clone()), options())
}

/// Both kinds of carrier: with concurrency control of its own, and without.
fn partitions() -> [MemoryPartition; 2] {
    [MemoryPartition::new(true, 4_000), MemoryPartition::new(false, 4_000)]
}

fn events(ids: std::ops::Range<u128>) -> Vec<NewEvent> {
    ids.map(|id| event(id, if id.is_multiple_of(3) { "agent-1" } else { "interaction-1" }))
        .collect()
}

async fn put(log: &EmbeddedLog, ids: std::ops::Range<u128>) -> Result<Position, AppendError> {
    Ok(log.submit(append(events(ids)))?.await?.last)
}

/// Leaf hashes of everything in a log.
fn leaves(log: &EmbeddedLog) -> Vec<String> {
    log.scan(Position::START).map(|event| leaf_hash(&event.unwrap()).to_string()).collect()
}

async fn until_head(log: &EmbeddedLog, head: Position) {
    log.watch_head().wait_for(|at| *at >= head).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn appends_go_through_the_engine_and_every_mirror_is_the_same() {
    for partition in partitions() {
        let (here, there) = (folder(), folder());
        let leader = open(here.path(), &partition.connect());
        let takeover = leader.lead().await.unwrap();
        assert_eq!((takeover.epoch, takeover.head), (1, Position::START));
        let follower = open(there.path(), &partition.connect());
        for first in (1..60).step_by(3) {
            put(leader.log(), first..first + 3).await.unwrap();
        }
        // One append of many entries of the engine.
        let mut long = event(1_000, "agent-7");
        long.payload = (0..50_000_u32).map(|number| number as u8).collect();
        let last = leader.log().submit(append(vec![long])).unwrap().await.unwrap().last;
        until_head(follower.log(), last).await;
        assert_eq!(leaves(leader.log()), leaves(follower.log()));
        assert_eq!(leaves(leader.log()).len(), 61);
        // Versions and ids are checked as ever.
        let wrong = expecting(events(70..71), "interaction-1", Expected::NoStream);
        let refused = leader.log().submit(wrong).unwrap_err();
        assert!(matches!(refused, AppendError::WrongExpected { .. }), "{refused}");
        let again = leader.log().submit(append(events(1..4))).unwrap().await.unwrap();
        assert!(again.duplicate);
        // A follower takes nothing.
        let refused = put(follower.log(), 80..81).await.unwrap_err();
        assert!(matches!(refused, AppendError::Unavailable { .. }), "{refused}");
        assert_eq!(leader.watch().borrow().role, Role::Leading);
        assert_eq!(follower.watch().borrow().role, Role::Following);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_released_log_is_led_again_at_once_from_where_it_was() {
    for partition in partitions() {
        let (here, there) = (folder(), folder());
        let leader = open(here.path(), &partition.connect());
        leader.lead().await.unwrap();
        put(leader.log(), 1..10).await.unwrap();
        drop(leader);
        // Another directory reads everything from the engine, without waiting for a lease.
        let other = open(there.path(), &partition.connect());
        let takeover = other.lead().await.unwrap();
        assert_eq!((takeover.epoch, takeover.head, takeover.healed_events), (2, Position(9), 0));
        put(other.log(), 10..20).await.unwrap();
        drop(other);
        let leader = open(here.path(), &partition.connect());
        assert_eq!(leader.lead().await.unwrap().head, Position(19));
        assert_eq!(put(leader.log(), 20..21).await.unwrap(), Position(20));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_place_is_found_again_by_reading_everything() {
    for partition in partitions() {
        let here = folder();
        let leader = open(here.path(), &partition.connect());
        leader.lead().await.unwrap();
        put(leader.log(), 1..30).await.unwrap();
        drop(leader);
        let place = here.path().join("mirror-cursor.json");
        assert!(place.exists());
        std::fs::write(&place, "{}").unwrap();
        let leader = open(here.path(), &partition.connect());
        assert_eq!(leader.lead().await.unwrap().head, Position(29));
        put(leader.log(), 30..31).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_leader_is_followed_by_the_standby_and_is_not_heard_any_more() {
    for partition in partitions() {
        let (here, there) = (folder(), folder());
        let line = partition.connect();
        let old = open(here.path(), &line);
        old.lead().await.unwrap();
        put(old.log(), 1..10).await.unwrap();
        let standby = open(there.path(), &partition.connect());
        until_head(standby.log(), Position(9)).await;
        let waiting = {
            let standby = standby.clone();
            tokio::spawn(async move { standby.stand_by().await })
        };
        // As long as the leader is there, nobody who does not wait gets the log.
        let third = folder();
        let pushy = open(third.path(), &partition.connect());
        let refused = pushy.lead().await.unwrap_err();
        assert!(matches!(refused, EngineError::Held { epoch: 1 }), "{refused}");
        drop(pushy);
        let killed = Instant::now();
        line.sever();
        let takeover = waiting.await.unwrap().unwrap();
        println!("takeover after {:?} with a lease of {:?}", killed.elapsed(), options().lease);
        assert_eq!((takeover.epoch, takeover.head), (2, Position(9)));
        put(standby.log(), 10..20).await.unwrap();
        // The old one is alive and does not know. It may write nothing.
        let refused = put(old.log(), 100..101);
        drop(standby);
        line.mend();
        let refused = refused.await.unwrap_err();
        assert!(
            matches!(refused, AppendError::Fenced { epoch: 2 })
                || refused.to_string().contains("since epoch 2"),
            "{refused}"
        );
        let refused = put(old.log(), 101..102).await.unwrap_err();
        assert!(refused.to_string().contains("must be reopened"), "{refused}");
        drop(old);
        let old = open(here.path(), &partition.connect());
        assert_eq!(old.lead().await.unwrap().head, Position(19));
        let ids: Vec<u128> = old
            .log()
            .scan(Position::START)
            .map(|event| event.unwrap().header.id.uuid().as_u128())
            .collect();
        assert_eq!(ids, (1..20).collect::<Vec<_>>());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_engine_lost_comes_back_from_the_mirror() {
    let partition = MemoryPartition::new(false, 4_000);
    let (here, there) = (folder(), folder());
    let line = partition.connect();
    let leader = open(here.path(), &line);
    leader.lead().await.unwrap();
    for id in 1..30 {
        put(leader.log(), id..id + 1).await.unwrap();
    }
    let before = leaves(leader.log());
    line.sever();
    drop(leader);
    // Power is lost, and with it acknowledged appends that were in memory only.
    partition.lose_tail(20);
    let leader = open(here.path(), &partition.connect());
    let takeover = leader.lead().await.unwrap();
    assert!(takeover.healed_events > 0, "{takeover:?}");
    assert_eq!(takeover.head, Position(29));
    put(leader.log(), 30..31).await.unwrap();
    let follower = open(there.path(), &partition.connect());
    until_head(follower.log(), Position(30)).await;
    assert_eq!(leaves(follower.log())[..29], before);
    assert_eq!(leaves(follower.log()), leaves(leader.log()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leader_notices_that_the_engine_lost_entries() {
    let partition = MemoryPartition::new(false, 4_000);
    let here = folder();
    let leader = open(here.path(), &partition.connect());
    leader.lead().await.unwrap();
    put(leader.log(), 1..10).await.unwrap();
    put(leader.log(), 10..20).await.unwrap();
    partition.lose_tail(1);
    let ended = leader.watch().wait_for(|status| status.role == Role::Ended).await.unwrap().clone();
    assert!(ended.failure.unwrap().contains("lost entries"));
    put(leader.log(), 20..21).await.unwrap_err();
    drop(leader);
    let leader = open(here.path(), &partition.connect());
    let takeover = leader.lead().await.unwrap();
    assert_eq!(takeover.head, Position(19));
    assert!(takeover.healed_events > 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_histories_are_not_mixed() {
    let partition = MemoryPartition::new(false, 4_000);
    let (here, there) = (folder(), folder());
    let line = partition.connect();
    let leader = open(here.path(), &line);
    leader.lead().await.unwrap();
    put(leader.log(), 1..5).await.unwrap();
    put(leader.log(), 5..6).await.unwrap();
    line.sever();
    drop(leader);
    partition.lose_tail(partition.entries());
    let other = open(there.path(), &partition.connect());
    other.lead().await.unwrap();
    put(other.log(), 101..105).await.unwrap();
    drop(other);
    let leader = open(here.path(), &partition.connect());
    let refused = leader.lead().await.unwrap_err();
    assert!(
        refused.to_string().contains("at position 1 the engine holds other events"),
        "{refused}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mirror_is_never_taken_for_a_log_of_its_own() {
    let partition = MemoryPartition::new(true, 4_000);
    let here = folder();
    let leader = open(here.path(), &partition.connect());
    leader.lead().await.unwrap();
    put(leader.log(), 1..5).await.unwrap();
    drop(leader);
    let refused = EmbeddedLog::open(here.path(), ORG, small_segments()).unwrap_err();
    assert!(matches!(&refused, OpenError::Mirror { engine, .. } if engine == ENGINE), "{refused}");
    let reading = EmbeddedLog::open_to_read(here.path(), ORG, small_segments()).unwrap();
    assert_eq!(reading.head(), Position(4));
    let refused = put(&reading, 9..10).await.unwrap_err();
    assert!(refused.to_string().contains("reading only"), "{refused}");
    drop(reading);
    let elsewhere = Mirror::open(
        here.path(),
        ORG,
        small_segments(),
        Arc::new(partition.connect()),
        MirrorOptions::new("another"),
    );
    assert!(matches!(elsewhere.unwrap_err(), EngineError::OtherEngine { .. }));
    // And a log of its own is no mirror, unless somebody says so.
    let own = folder();
    let log = EmbeddedLog::open(own.path(), ORG, small_segments()).unwrap();
    put(&log, 1..3).await.unwrap();
    drop(log);
    let refused = try_open(own.path(), &partition.connect()).unwrap_err();
    assert!(matches!(refused, EngineError::NotAMirror { head: Position(2), .. }), "{refused}");
    drop(EmbeddedLog::open(own.path(), ORG, small_segments()).unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_engine_that_stays_away_makes_the_outcome_unknown_and_nothing_is_shown() {
    for partition in partitions() {
        let here = folder();
        let line = partition.connect();
        let impatient = MirrorOptions { patience: Duration::from_millis(200), ..options() };
        let carrier = Arc::new(line.clone());
        let leader = Mirror::open(here.path(), ORG, small_segments(), carrier, impatient).unwrap();
        leader.lead().await.unwrap();
        put(leader.log(), 1..5).await.unwrap();
        line.sever();
        let refused = put(leader.log(), 5..6).await.unwrap_err();
        assert!(matches!(refused, AppendError::Unknown { .. }), "{refused}");
        assert_eq!(leader.log().head(), Position(4));
        put(leader.log(), 6..7).await.unwrap_err();
        drop(leader);
        let leader = open(here.path(), &partition.connect());
        leader.lead().await.unwrap();
        // The same events again, as the caller of an unknown outcome does.
        assert_eq!(put(leader.log(), 5..6).await.unwrap(), Position(5));
    }
}
