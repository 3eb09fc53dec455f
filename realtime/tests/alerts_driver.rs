//! Running the rules: feeds that end, logs that do not take an event at once. Time is the runtime's own, paused.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should stop where it is")]

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use futures::StreamExt as _;
use futures::channel::mpsc;
use futures::future::BoxFuture;
use ledgerline_projections::rights::Directory;
use ledgerline_projections::{
    ChangeBatch, ColumnDef, ColumnType, Dimension, Row, RowChange, TableDef, Value,
};
use ledgerline_realtime::alerts::{AlertFact, AlertRecorder, evaluate};
use ledgerline_realtime::{FeedSource, Follow, LiveState};
use ledgerline_schemas::id::{EntityId, OrgId};
use ledgerline_schemas::{Event, Position, Timestamp};
use serde_json::json;

const fn column(name: &'static str, column_type: ColumnType) -> ColumnDef {
    ColumnDef { name, column_type, nullable: false, doc: "", dimension: Dimension::None }
}

static QUEUES: TableDef = TableDef {
    name: "queue_live",
    doc: "one row a queue",
    columns: &[column("queue_id", ColumnType::Text), column("in_queue_now", ColumnType::Int)],
    key: &["queue_id"],
    sort: &["queue_id"],
    live: true,
};

const ORG: OrgId = OrgId::from_u128(0xA);

fn row(waiting: i64) -> Row {
    Arc::from([Value::Text("sales".into()), Value::Int(waiting)])
}

fn state(position: u64, waiting: i64) -> LiveState {
    let rows = BTreeMap::from([(Arc::from("sales"), row(waiting))]);
    LiveState {
        epoch: 1,
        position: Position(position),
        rows: BTreeMap::from([("queue_live", Arc::new(rows))]),
    }
}

/// States from which a feed begins, one after the other, and the batches that follow each.
struct Feeds(Mutex<Vec<(LiveState, mpsc::UnboundedReceiver<Arc<ChangeBatch>>)>>);

impl FeedSource for Feeds {
    fn org_id(&self) -> OrgId {
        ORG
    }

    fn tables(&self) -> Vec<&'static TableDef> {
        vec![&QUEUES]
    }

    fn live(&self) -> LiveState {
        state(0, 0)
    }

    fn follow(&self) -> BoxFuture<'static, Option<Follow>> {
        let mut feeds = self.0.lock().unwrap();
        if feeds.is_empty() {
            return Box::pin(std::future::ready(None));
        }
        let (live, batches) = feeds.remove(0);
        let rule = json!({
            "name": "crowded", "dataset": "queue_live", "figure": {"column": "in_queue_now"},
            "comparison": "above", "threshold": 10, "for_ms": 5_000,
        });
        let rule = serde_json::from_value(rule).unwrap();
        let follow = Follow {
            live,
            directory: Directory::default(),
            alert_rules: [(EntityId::from_u128(7), rule)].into_iter().collect(),
            batches: batches.boxed(),
        };
        Box::pin(std::future::ready(Some(follow)))
    }
}

/// A log that refuses the first few facts.
struct Log {
    refuses: Mutex<u32>,
    tried: Mutex<Vec<AlertFact>>,
    taken: mpsc::UnboundedSender<AlertFact>,
}

impl AlertRecorder for Log {
    fn record(&self, org_id: OrgId, fact: AlertFact) -> BoxFuture<'_, Result<(), String>> {
        assert_eq!(org_id, ORG);
        self.tried.lock().unwrap().push(fact.clone());
        let mut refuses = self.refuses.lock().unwrap();
        let outcome = match refuses.checked_sub(1) {
            Some(left) => {
                *refuses = left;
                Err("no space".to_owned())
            }
            None => self.taken.unbounded_send(fact).map_err(|error| error.to_string()),
        };
        Box::pin(std::future::ready(outcome))
    }
}

fn batch(position: u64, waiting: i64) -> Arc<ChangeBatch> {
    let change = RowChange {
        table: &QUEUES,
        key: "sales".into(),
        before: None,
        after: Some(row(waiting)),
        position: Position(position),
    };
    Arc::new(ChangeBatch {
        from: Position(position - 1),
        to: Position(position),
        changes: vec![change],
    })
}

/// Milliseconds of the fact, and what it says.
fn told(fact: &AlertFact) -> (i64, &'static str) {
    (fact.time.micros() / 1_000, fact.event.event_type())
}

#[tokio::test(start_paused = true)]
async fn facts_are_recorded_in_order_and_tried_again_until_they_are() {
    let (first, first_batches) = mpsc::unbounded();
    let (second, second_batches) = mpsc::unbounded();
    let feeds = vec![(state(1, 20), first_batches), (state(3, 4), second_batches)];
    let (taken, mut facts) = mpsc::unbounded();
    let log = Arc::new(Log { refuses: Mutex::new(2), tried: Mutex::default(), taken });
    let began = tokio::time::Instant::now();
    let clock = move || Timestamp::from_micros(i64::try_from(began.elapsed().as_micros()).unwrap());
    let source = Arc::new(Feeds(Mutex::new(feeds)));
    let recorder: Arc<dyn AlertRecorder> = log.clone();
    let task = tokio::spawn(evaluate(source, recorder, Arc::new(clock)));

    // More than 10 from the begin on, for 5 s; the log takes it at the third time.
    let fired = facts.next().await.unwrap();
    assert_eq!(told(&fired), (5_000, "alert.fired"));
    assert!(began.elapsed().as_millis() >= 7_000, "a second passes between tries");
    {
        let tried = log.tried.lock().unwrap();
        assert_eq!(tried.len(), 3);
        assert!(tried.iter().all(|fact| *fact == fired), "the same fact each time");
    }
    first.unbounded_send(batch(2, 30)).unwrap();
    // The feed ends; what it would have told is in the state of the next one.
    drop(first);
    let cleared = facts.next().await.unwrap();
    let (Event::AlertFired(fired), Event::AlertCleared(it)) = (&fired.event, &cleared.event) else {
        panic!("fired and cleared")
    };
    assert_eq!((it.alert_id, it.value), (fired.alert_id, Some(4)));
    assert_eq!(it.read_position, Position(3));
    assert_ne!(cleared.id, log.tried.lock().unwrap()[0].id);

    second.unbounded_send(batch(4, 11)).unwrap();
    let again = facts.next().await.unwrap();
    let Event::AlertFired(again) = &again.event else { panic!("fired") };
    assert_ne!(again.alert_id, fired.alert_id, "another alert");
    assert_eq!(log.tried.lock().unwrap().len(), 5);
    task.abort();
}
