//! The running projections: waiting, following, stopping.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use ledgerline_event_store::EventReader;
use ledgerline_schemas::Position;
use ledgerline_schemas::id::QueueId;

use crate::checksum::checksum;
use crate::error::ProjectionError;
use crate::feed::FeedError;
use crate::projections::Projections;
use crate::snapshot::Snapshot;
use crate::table::{Row, Value};
use crate::tests::script::{Script, fold, options};
use crate::tests::storage::{calls, more_calls};

fn start(script: &Script, dir: &std::path::Path) -> Projections {
    Projections::start(script.reader(), dir.to_owned(), options(64, 16)).expect("start")
}

type Rows = BTreeMap<&'static str, BTreeMap<Arc<str>, Row>>;

fn live_rows(snapshot: &Snapshot) -> Rows {
    snapshot.live.iter().map(|(name, rows)| (*name, (**rows).clone())).collect()
}

#[tokio::test]
async fn the_tail_is_folded_and_the_rows_are_those_of_the_plain_fold() {
    let mut script = calls(20);
    let dir = tempfile::tempdir().unwrap();
    let projections = start(&script, dir.path());
    projections.wait_for(script.log.head()).await.unwrap();
    more_calls(&mut script, 21, 20);
    projections.wait_for(script.log.head()).await.unwrap();
    assert_eq!(projections.lag(), 0);
    assert_eq!(*projections.position_watch().borrow(), script.log.head());
    let snapshot = projections.snapshot();
    assert_eq!(snapshot.position, script.log.head());
    assert_eq!(checksum(&snapshot).unwrap(), checksum(&fold(&script)).unwrap());
    projections.health().unwrap();
    projections.stop().await;
    assert!(matches!(projections.health(), Err(ProjectionError::Stopped)));
    let beyond = Position(script.log.head().0 + 1);
    assert!(matches!(projections.wait_for(beyond).await, Err(ProjectionError::Stopped)));
    // The thread has let go of the tables: they can be opened again, and nothing is lost.
    let again = start(&script, dir.path());
    again.wait_for(script.log.head()).await.unwrap();
    assert_eq!(checksum(&again.snapshot()).unwrap(), checksum(&snapshot).unwrap());
}

#[tokio::test]
async fn a_snapshot_and_the_changes_after_it_give_the_later_snapshot() {
    let mut script = calls(3);
    let dir = tempfile::tempdir().unwrap();
    let projections = start(&script, dir.path());
    more_calls(&mut script, 4, 10);
    let (snapshot, mut feed) = projections.follow().await.unwrap();
    more_calls(&mut script, 14, 30);
    let head = script.log.head();
    let mut rows = live_rows(&snapshot);
    let mut at = snapshot.position;
    let mut events = 0;
    while at < head {
        let batch = feed.next().await.unwrap();
        assert_eq!(batch.from, at, "no gap, no duplicate");
        at = batch.to;
        for change in &batch.changes {
            assert!(change.position > batch.from && change.position <= batch.to);
            if change.table.name == "event_log" {
                assert!(change.before.is_none());
                events += 1;
            }
            if change.table.live {
                let table = rows.get_mut(change.table.name).unwrap();
                assert_eq!(table.get(&change.key).cloned(), change.before);
                match &change.after {
                    Some(row) => table.insert(change.key.clone(), row.clone()),
                    None => table.remove(&change.key),
                };
            }
        }
    }
    assert_eq!(events, head.0 - snapshot.position.0, "every event is in the feed once");
    projections.wait_for(head).await.unwrap();
    assert_eq!(rows, live_rows(&projections.snapshot()));
    let queue = QueueId::from_u128(1).to_string();
    let def = projections.snapshot().tables["queue_live"].def;
    let row = &rows["queue_live"][queue.as_str()];
    assert_eq!(row[def.column("abandoned").unwrap()], Value::Int(15));
    projections.stop().await;
    assert_eq!(feed.next().await.map(|batch| batch.to), Err(FeedError::Closed));
}

#[tokio::test]
async fn who_asks_after_an_append_sees_it() {
    let mut script = calls(1);
    let dir = tempfile::tempdir().unwrap();
    let projections = start(&script, dir.path());
    let patient = Duration::from_secs(60);
    for round in 0..20 {
        more_calls(&mut script, 2 + round * 3, 3);
        let snapshot = projections.caught_up(patient).await;
        assert_eq!(snapshot.position, script.log.head(), "round {round}");
    }
    // Tables that no longer follow do not hold an answer up; it says where it stands.
    let stopped_at = script.log.head();
    projections.stop().await;
    more_calls(&mut script, 90, 3);
    assert_eq!(projections.caught_up(patient).await.position, stopped_at);
    assert!(stopped_at < script.log.head());
}

#[tokio::test]
async fn dropping_the_last_handle_stops_the_fold() {
    let script = calls(3);
    let dir = tempfile::tempdir().unwrap();
    let projections = start(&script, dir.path());
    let mut feed = projections.subscribe_changes();
    let other = projections.clone();
    drop(projections);
    other.wait_for(script.log.head()).await.unwrap();
    drop(other);
    loop {
        match feed.next().await {
            Ok(_) => {}
            Err(error) => break assert_eq!(error, FeedError::Closed),
        }
    }
}
