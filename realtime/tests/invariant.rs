//! Snapshot and deltas up to P are the table's rows at P: for random changes, filters, rates, batches,
//! reconnects with and without tokens, small retention, changed policies and rebuilt tables, in two
//! organizations side by side.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should stop where it is")]

mod common;

use std::collections::BTreeMap;
use std::sync::Arc;

use common::{CLOSED, ORG_A, ORG_B, QUEUE_LIVE, Replica, TestFeed, principal, queue, queue_json};
use ledgerline_access::Role;
use ledgerline_projections::{Row, Value};
use ledgerline_realtime::resume::ResumeKey;
use ledgerline_realtime::session::{Now, Organization, Session};
use ledgerline_realtime::{Hub, Limits};
use ledgerline_schemas::Timestamp;
use proptest::prelude::*;
use serde_json::{Value as Json, json};
use tokio::task::JoinHandle;

#[derive(Clone, Debug)]
enum Event {
    Put { key: u8, channel: Option<u8>, waiting: i64 },
    Remove { key: u8 },
    OtherTable { key: u8 },
    Nothing,
}

#[derive(Clone, Debug)]
enum Step {
    Fold { b: bool, events: Vec<Event>, publish: bool },
    Poll { client: usize, ms: u64 },
    Reconnect { client: usize, with_token: bool },
    PolicyChanged { b: bool },
    Cut { b: bool, rebuilt: bool },
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        6 => (0_u8..6, proptest::option::of(0_u8..2), 0_i64..8)
            .prop_map(|(key, channel, waiting)| Event::Put { key, channel, waiting }),
        3 => (0_u8..6).prop_map(|key| Event::Remove { key }),
        1 => (0_u8..6).prop_map(|key| Event::OtherTable { key }),
        1 => Just(Event::Nothing),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        30 => (any::<bool>(), prop::collection::vec(event(), 1..6), any::<bool>())
            .prop_map(|(b, events, publish)| Step::Fold { b, events, publish }),
        30 => (0_usize..5, 0_u64..900).prop_map(|(client, ms)| Step::Poll { client, ms }),
        6 => (0_usize..5, any::<bool>())
            .prop_map(|(client, with_token)| Step::Reconnect { client, with_token }),
        1 => any::<bool>().prop_map(|b| Step::PolicyChanged { b }),
        1 => (any::<bool>(), any::<bool>()).prop_map(|(b, rebuilt)| Step::Cut { b, rebuilt }),
    ]
}

/// One organization: its feed, its hub and the rows of the past by epoch and position.
struct Org {
    feed: TestFeed,
    hub: Arc<Hub>,
    task: JoinHandle<()>,
    history: BTreeMap<u64, BTreeMap<Arc<str>, Row>>,
    allowed_resyncs: Vec<&'static str>,
}

impl Org {
    fn new(feed: TestFeed, retained: usize) -> Self {
        let (hub, follow) = Hub::new(Arc::new(feed.clone()), retained);
        let task = tokio::spawn(follow);
        let history = BTreeMap::from([(0, BTreeMap::new())]);
        Self { feed, hub, task, history, allowed_resyncs: vec!["retention"] }
    }

    /// Folds a batch; what every position in it looks like is remembered.
    fn fold(&mut self, events: &[Event], publish: bool) {
        let mut rows = self.feed.queues();
        let mut position = self.feed.position();
        let mut folded = Vec::new();
        for event in events {
            position += 1;
            folded.push(match event {
                Event::Put { key, channel, waiting } => {
                    let key = format!("q{key}");
                    let channel = channel.map(|it| if it == 0 { "chat" } else { "voice" });
                    let row = queue(&key, channel, *waiting, position);
                    rows.insert(key.as_str().into(), Arc::clone(&row));
                    Some((&QUEUE_LIVE, key, Some(row)))
                }
                Event::Remove { key } => {
                    let key = format!("q{key}");
                    rows.remove(key.as_str());
                    Some((&QUEUE_LIVE, key, None))
                }
                Event::OtherTable { key } => {
                    let key = format!("q{key}");
                    let row = queue(&key, None, 99, position);
                    Some((&CLOSED, key, Some(row)))
                }
                Event::Nothing => None,
            });
            self.history.insert(position, rows.clone());
        }
        // Every other time the rows that new subscribers see are those amid the batch.
        let amid = folded.len() / 2;
        self.feed.fold_showing(folded, publish.then_some(amid));
        if publish && position.is_multiple_of(2) {
            self.feed.publish();
        }
    }

    /// Waits until the hub has what was folded; after a cut it attaches by itself.
    async fn settle(&self) {
        let (epoch, position) = (self.feed_epoch(), self.feed.position());
        let mut head = self.hub.watch_head();
        head.wait_for(|head| head.epoch == epoch && head.position.0 >= position).await.unwrap();
    }

    fn feed_epoch(&self) -> u64 {
        use ledgerline_realtime::FeedSource as _;
        self.feed.live().epoch
    }
}

struct Client {
    b: bool,
    filter: Json,
    passes: fn(&Row) -> bool,
    max_hz: f64,
    session: Session,
    replica: Replica,
    now: Now,
    /// When the last delta of the subscription came.
    last_delta_ms: Option<u64>,
}

fn waiting(row: &Row) -> i64 {
    match row[2] {
        Value::Int(number) => number,
        _ => panic!("waiting is not a number"),
    }
}

/// Organization, filter, the same as a function, and rate.
type Wish = (bool, Json, fn(&Row) -> bool, f64);

fn filters() -> Vec<Wish> {
    vec![
        (false, Json::Null, |_| true, 50.0),
        (false, json!({"waiting": {"gte": 3}}), |row| waiting(row) >= 3, 4.0),
        (
            false,
            json!({"channel": ["voice"], "waiting": {"lt": 5, "ne": 2}}),
            |row| row[1] == Value::Text("voice".into()) && waiting(row) < 5 && waiting(row) != 2,
            1.0,
        ),
        (true, json!({"channel": null}), |row| row[1] == Value::Null, 10.0),
        (true, json!({"open": true}), |row| waiting(row) % 2 == 0, 0.5),
    ]
}

struct World {
    orgs: [Org; 2],
    clients: Vec<Client>,
    key: ResumeKey,
    limits: Arc<Limits>,
}

impl World {
    fn new(retained: usize) -> Self {
        let orgs = [ORG_A, ORG_B].map(|org_id| Org::new(TestFeed::new(org_id), retained));
        let limits =
            Arc::new(Limits { snapshot_rows: 2, retained_changes: retained, ..Limits::default() });
        let key = ResumeKey::random().unwrap();
        let now = Now { ms: 0, time: Timestamp::from_millis(1_800_000_000_000) };
        let clients = filters()
            .into_iter()
            .map(|(b, filter, passes, max_hz)| {
                let session = session(&orgs, b, &key, &limits);
                let replica = Replica::default();
                Client { b, filter, passes, max_hz, session, replica, now, last_delta_ms: None }
            })
            .collect();
        let mut world = Self { orgs, clients, key, limits };
        for client in 0..world.clients.len() {
            world.subscribe(client, None);
        }
        world
    }

    fn subscribe(&mut self, client: usize, resume: Option<String>) {
        let client = &mut self.clients[client];
        client.last_delta_ms = None;
        let request = json!({"type": "subscribe", "id": "s", "dataset": "queue_live",
            "filter": client.filter, "max_hz": client.max_hz, "resume": resume});
        client.session.handle(&request.to_string(), client.now);
    }

    fn reconnect(&mut self, index: usize, with_token: bool) {
        let client = &mut self.clients[index];
        client.session = session(&self.orgs, client.b, &self.key, &self.limits);
        let token = client.replica.token.clone().filter(|_| with_token);
        if token.is_none() || client.replica.in_snapshot {
            // A client that was cut off in a snapshot has nothing to go on from.
            client.replica = Replica::default();
        }
        let token = client.replica.token.clone();
        self.subscribe(index, token);
    }

    /// Takes all frames that are due and compares after each that ends at a position.
    fn poll(&mut self, index: usize, ms: u64) {
        let client = &mut self.clients[index];
        client.now.ms += ms;
        let org = &self.orgs[usize::from(client.b)];
        let least_ms = (1_000.0 / client.max_hz).ceil() as u64;
        while let Some(frame) = client.session.next_frame(client.now) {
            let frame: Json = serde_json::from_str(&frame.text).unwrap();
            client.replica.apply(&frame);
            if frame["type"] == "delta" {
                let last = client.last_delta_ms.replace(client.now.ms);
                assert!(last.is_none_or(|last| client.now.ms >= last + least_ms), "too soon");
            }
            let replica = &client.replica;
            let told = ["snapshot_end", "delta", "progress"].iter().any(|it| frame["type"] == *it);
            if told {
                let expected: BTreeMap<String, Json> = org.history[&replica.position]
                    .iter()
                    .filter(|(_, row)| (client.passes)(row))
                    .map(|(key, row)| (key.to_string(), queue_json(row)))
                    .collect();
                assert_eq!(replica.rows, expected, "at {} after {frame}", replica.position);
            }
        }
        if let Some(reason) = client.replica.resync.clone() {
            assert!(org.allowed_resyncs.contains(&reason.as_str()), "resync for {reason}");
            client.replica = Replica::default();
            self.subscribe(index, None);
        }
    }

    async fn run(&mut self, steps: Vec<Step>) {
        for step in steps {
            match step {
                Step::Fold { b, events, publish } => {
                    let org = &mut self.orgs[usize::from(b)];
                    org.fold(&events, publish);
                    org.settle().await;
                }
                Step::Poll { client, ms } => self.poll(client, ms),
                Step::Reconnect { client, with_token } => self.reconnect(client, with_token),
                Step::PolicyChanged { b } => {
                    let org = &mut self.orgs[usize::from(b)];
                    org.allowed_resyncs.push("policy_changed");
                    org.hub.policy_changed();
                    for client in self.clients.iter_mut().filter(|client| client.b == b) {
                        let reason = ledgerline_realtime::frame::ResyncReason::PolicyChanged;
                        client.session.resync_all(reason);
                    }
                }
                Step::Cut { b, rebuilt } => {
                    let org = &mut self.orgs[usize::from(b)];
                    org.allowed_resyncs.push(if rebuilt { "epoch" } else { "retention" });
                    org.feed.cut(rebuilt);
                    org.history.insert(org.feed.position(), org.feed.queues());
                    org.settle().await;
                }
            }
        }
        // In the end, everybody who keeps on reading has everything.
        for org in &self.orgs {
            org.feed.publish();
        }
        for index in 0..self.clients.len() {
            for _ in 0..4 {
                self.poll(index, 10_000);
            }
            let client = &self.clients[index];
            let org = &self.orgs[usize::from(client.b)];
            assert!(client.replica.complete);
            assert_eq!(client.replica.position, org.feed.position());
        }
    }
}

fn session(orgs: &[Org; 2], b: bool, key: &ResumeKey, limits: &Arc<Limits>) -> Session {
    let organization = Organization { hub: Arc::clone(&orgs[usize::from(b)].hub), log: None };
    let org_id = if b { ORG_B } else { ORG_A };
    let who = principal(org_id, Role::Supervisor);
    Session::new(who, organization, key.clone(), Arc::clone(limits)).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn replicas_equal_the_table_at_every_position(
        steps in prop::collection::vec(step(), 1..120),
        retained in prop_oneof![Just(8_usize), Just(40), Just(10_000)],
    ) {
        // Time stands still but for timers that are waited for: attaching again costs nothing.
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
        runtime.unwrap().block_on(async {
            let mut world = World::new(retained);
            world.run(steps).await;
            for org in &world.orgs {
                org.task.abort();
            }
        });
    }
}
