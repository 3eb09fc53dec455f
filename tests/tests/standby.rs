//! Real processes: a leader on an engine of its own process is killed, or stopped and continued, while clients use
//! it; its standby takes over. Seed: `LEDGERLINE_SEED`; lease, ms: `LEDGERLINE_LEASE_MS`.

#![allow(clippy::expect_used, reason = "a test helper that cannot go on should fail the test")]

mod duo;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use duo::{Cluster, Process, events, holding, leaves, next, number, put, token, until};
use reqwest::Client;
use tokio::task::JoinHandle;

/// Clients that use the leader at the same time.
const CLIENTS: u64 = 4;

/// What was asked for by one client, in order, and where it was acknowledged.
type Ledger = Vec<(String, Option<u64>)>;

/// Clients that put one entity after the other until one is not acknowledged.
fn clients(http: u16, token: &str, acknowledged: &Arc<AtomicU64>) -> Vec<JoinHandle<Ledger>> {
    let client = |number: u64| {
        let (token, acknowledged) = (token.to_owned(), Arc::clone(acknowledged));
        async move {
            let (client, mut ledger) = (Client::new(), Ledger::new());
            for turn in 0.. {
                let name = format!("site-{number}-{turn}-x");
                let at = put(&client, http, &token, &name).await;
                ledger.push((name, at));
                if at.is_none() {
                    break;
                }
                acknowledged.fetch_add(1, Ordering::SeqCst);
            }
            ledger
        }
    };
    (0..CLIENTS).map(|number| tokio::spawn(client(number))).collect()
}

async fn ledgers(clients: Vec<JoinHandle<Ledger>>) -> Vec<Ledger> {
    let mut ledgers = Vec::new();
    for client in clients {
        ledgers.push(client.await.expect("no panic"));
    }
    ledgers
}

/// Waits until the clients have so many acknowledgements.
async fn reached(acknowledged: &AtomicU64, wanted: u64) {
    until("enough acknowledgements", || async {
        (acknowledged.load(Ordering::SeqCst) >= wanted).then_some(())
    })
    .await;
}

/// The first event that a process acknowledges; its position.
async fn first_acknowledged(client: &Client, process: &Process, token: &str, name: &str) -> u64 {
    until(&format!("an acknowledgement of {}", process.name), || {
        put(client, process.http, token, name)
    })
    .await
}

/// Every acknowledged event is on the log exactly once, where it was acknowledged; what was not acknowledged is
/// there once at most.
fn assert_kept(ledgers: &[Ledger], log: &[ledgerline_schemas::Recorded], seed: u64) -> usize {
    let mut count = 0;
    for ledger in ledgers {
        let mut last = 0;
        for (name, at) in ledger {
            let found = holding(log, name);
            match at {
                Some(at) => {
                    assert_eq!(found, [*at], "{name}, seed {seed}");
                    assert!(last < *at, "{name}, seed {seed}: the order is another one");
                    last = *at;
                    count += 1;
                }
                None => {
                    assert!(found.len() <= 1, "{name} is there {} times, seed {seed}", found.len())
                }
            }
        }
    }
    count
}

/// A leader that serves, and a standby.
async fn pair(cluster: &Cluster) -> (Process, Process) {
    let settings = cluster.settings();
    let mut leader = cluster.process("one", &settings, false);
    leader.serves().await;
    (leader, cluster.process("two", &settings, true))
}

fn seed_and_lease() -> (u64, u64) {
    let (seed, lease) =
        (number("LEDGERLINE_SEED", 20_261_129), number("LEDGERLINE_LEASE_MS", 2_000));
    eprintln!("LEDGERLINE_SEED={seed} LEDGERLINE_LEASE_MS={lease}");
    (seed, lease)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_kill_9_the_standby_has_every_acknowledged_event_and_the_old_leader_only_follows() {
    let (mut seed, lease) = seed_and_lease();
    let began_with = seed;
    let folder = tempfile::tempdir().expect("folder");
    let mut cluster = Cluster::start(folder.path(), lease).await;
    let (mut leader, mut standby) = pair(&cluster).await;
    let client = Client::new();
    let here = token(&leader.data, "administrator");
    let first = put(&client, leader.http, &here, "site-first-x").await.expect("acknowledged");
    standby.follows(&client, first).await;

    // The leader is killed in the middle of whatever its clients ask.
    let acknowledged = Arc::new(AtomicU64::new(0));
    let using = clients(leader.http, &here, &acknowledged);
    reached(&acknowledged, 20 + next(&mut seed) % 60).await;
    let killed = Instant::now();
    leader.kill();
    let ledgers = ledgers(using).await;
    standby.serves().await;
    let there = token(&standby.data, "administrator");
    let at = first_acknowledged(&client, &standby, &there, "site-after-x").await;
    let takeover = killed.elapsed();

    // The old one is refused, and as a standby it follows and takes nothing.
    let mut old = cluster.process("one", &cluster.settings(), false);
    assert_eq!(old.ends().await, 75, "{}", old.said());
    assert!(old.said().contains("another process writes this log"), "{}", old.said());
    let mut old = cluster.process("one", &cluster.settings(), true);
    old.follows(&client, at).await;
    assert_eq!(put(&client, old.http, &here, "site-old-x").await, None, "a standby took it");
    assert_eq!(put(&client, old.http, &there, "site-old-x").await, None, "a standby took it");
    assert!(first_acknowledged(&client, &standby, &there, "site-last-x").await > at);
    old.stop().await;
    standby.stop().await;
    cluster.process.stop().await;

    let (one, two) = (events(&leader.data), events(&standby.data));
    let kept = assert_kept(&ledgers, &two, began_with);
    assert_eq!(kept as u64, acknowledged.load(Ordering::SeqCst));
    assert_eq!(
        (holding(&two, "site-first-x"), holding(&two, "site-after-x")),
        (vec![first], vec![at])
    );
    assert!(holding(&two, "site-old-x").is_empty());
    let both = one.len().min(two.len());
    assert!(both as u64 >= at, "the old leader followed up to {both}");
    assert_eq!(leaves(&one)[..both], leaves(&two)[..both], "seed {began_with}");
    println!(
        "takeover after kill -9: {} ms from the kill to the first acknowledged event, with a lease of {lease} ms; \
         {kept} acknowledged events kept of {} on the log",
        takeover.as_millis(),
        two.len()
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leader_that_was_stopped_and_goes_on_acknowledges_nothing_more_and_ends() {
    let (mut seed, lease) = seed_and_lease();
    let folder = tempfile::tempdir().expect("folder");
    let mut cluster = Cluster::start(folder.path(), lease).await;
    let (mut leader, mut standby) = pair(&cluster).await;
    let client = Client::new();
    let here = token(&leader.data, "administrator");
    let first = put(&client, leader.http, &here, "site-first-x").await.expect("acknowledged");
    standby.follows(&client, first).await;

    let acknowledged = Arc::new(AtomicU64::new(0));
    let using = clients(leader.http, &here, &acknowledged);
    reached(&acknowledged, 10 + next(&mut seed) % 30).await;
    let stopped = Instant::now();
    leader.signal("-STOP");
    // What is asked now waits in its sockets, and what the clients asked last in the middle of its work.
    let late = (0..8).map(|number| {
        let (client, token, http) = (Client::new(), here.clone(), leader.http);
        tokio::spawn(async move {
            let name = format!("site-late-{number}-x");
            let at = put(&client, http, &token, &name).await;
            vec![(name, at)]
        })
    });
    let late: Vec<JoinHandle<Ledger>> = late.collect();
    standby.serves().await;
    let there = token(&standby.data, "administrator");
    let at = first_acknowledged(&client, &standby, &there, "site-after-x").await;
    let takeover = stopped.elapsed();
    leader.signal("-CONT");
    let code = leader.ends().await;
    assert_ne!(code, 0, "{}", leader.said());
    let said = leader.said();
    assert!(said.contains("another process writes this log now, since epoch 2"), "{said}");
    let (used, late) = (ledgers(using).await, ledgers(late).await);
    assert!(late.iter().flatten().all(|(_, at)| at.is_none()), "{late:?} was acknowledged late");
    assert!(first_acknowledged(&client, &standby, &there, "site-last-x").await > at);
    standby.stop().await;
    cluster.process.stop().await;

    let (one, two) = (events(&leader.data), events(&standby.data));
    let kept = assert_kept(&used, &two, seed);
    assert_eq!(kept as u64, acknowledged.load(Ordering::SeqCst));
    for (name, _) in late.iter().flatten() {
        assert!(holding(&two, name).is_empty(), "{name} is on the log");
    }
    // The old leader has nothing that the log has not.
    assert!(one.len() < two.len());
    assert_eq!(leaves(&one), leaves(&two)[..one.len()]);
    println!(
        "takeover after kill -STOP: {} ms to the first acknowledged event, with a lease of {lease} ms; \
         the old leader ended with exit code {code}; {kept} acknowledged events kept",
        takeover.as_millis()
    );
    assert!(takeover > Duration::from_millis(lease / 2), "it did not wait for the lease");
}
