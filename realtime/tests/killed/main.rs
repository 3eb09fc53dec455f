//! Subscribers are cut off and go on at random while events come in, and the server is killed with `kill -9` in
//! between: no gap, no duplicate, no wrong row.
//!
//! After each kill the log and the tables are opened as a server opens them; the rows that each subscriber then has must
//! be those `as_of` its position. There are three kills, each after thirty subscriptions were resumed; with
//! `LEDGERLINE_SUBSCRIBED_SECONDS` there are as many as fit. `LEDGERLINE_SUBSCRIBERS` (default 24), `LEDGERLINE_RATE`
//! (events a second, default 200), seed: `LEDGERLINE_SEED`.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should stop where it is")]
#![allow(unreachable_pub, reason = "modules of a test")]

#[path = "../day/mod.rs"]
mod day;
mod served;
mod subscriber;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use day::random::Random;
use ledgerline_event_store::EventReader;
use ledgerline_projections::Projections;
use served::{Served, log, options};
use subscriber::{Going, Subscriber};
use tokio_util::sync::CancellationToken;

/// Kills, when no time is given.
const KILLS: u64 = 3;
/// Subscriptions that are resumed before a kill, at least.
const RESUMED: u64 = 30;

/// When nothing happens for so long, nothing will.
const STUCK: Duration = Duration::from_secs(300);

/// A number from the environment.
pub fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

/// Not a test of its own: the process that is killed.
#[test]
fn the_server_that_is_killed() {
    if let Some(folder) = std::env::var_os(served::FOLDER) {
        served::run(folder.as_ref());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn subscribers_miss_nothing_when_they_or_the_server_are_cut_off() {
    let seconds = number("LEDGERLINE_SUBSCRIBED_SECONDS", 0);
    let (seed, subscribers) = (number("LEDGERLINE_SEED", 1), number("LEDGERLINE_SUBSCRIBERS", 24));
    let rate = number("LEDGERLINE_RATE", 200);
    println!(
        "LEDGERLINE_SEED={seed} LEDGERLINE_SUBSCRIBED_SECONDS={seconds} LEDGERLINE_RATE={rate}"
    );
    let folder = tempfile::tempdir().unwrap();
    let mut random = Random::of(seed);
    let going = Arc::new(Going::default());
    let mut all: Vec<Subscriber> =
        (0..subscribers).map(|number| Subscriber::new(seed * 1_000 + number, number)).collect();
    let began = Instant::now();
    let (mut kills, mut compared) = (0, 0);
    loop {
        let served = Served::start(folder.path(), rate, seed + kills);
        let until =
            going.resumed.borrow().saturating_add(RESUMED + random.below(RESUMED as usize) as u64);
        let stop = CancellationToken::new();
        let following: Vec<_> = all
            .drain(..)
            .map(|it| {
                tokio::spawn(it.follow(
                    served.address,
                    served.token.clone(),
                    stop.clone(),
                    Arc::clone(&going),
                ))
            })
            .collect();
        let mut resumed = going.resumed.subscribe();
        tokio::select! {
            _ = resumed.wait_for(|it| *it >= until) => {}
            () = going.failed.cancelled() => {}
            () = tokio::time::sleep(STUCK) => panic!("nobody resumes anything: the server is gone"),
        }
        // The server goes first: frames are cut in the middle.
        served.kill();
        stop.cancel();
        for it in following {
            all.push(it.await.unwrap());
        }
        kills += 1;
        compared += compare(folder.path(), &all).await;
        let goes_on = match seconds {
            0 => kills < KILLS,
            _ => began.elapsed() < Duration::from_secs(seconds),
        };
        if !goes_on {
            break;
        }
    }
    let [frames, anew, events] =
        [&going.frames, &going.anew, &going.events].map(|it| it.load(Ordering::Relaxed));
    let resumed = *going.resumed.borrow();
    let head = log(folder.path()).head();
    println!(
        "{head} events; {frames} frames; cut off and resumed {resumed} times, begun anew {anew} times; {events} events \
         pushed; {kills} kills -9; {compared} sets of rows compared"
    );
    assert!(resumed > 0 && events > 0 && compared > 0, "nothing was tried");
}

/// Holds what each has against the tables as of its position; gives how many were held.
async fn compare(folder: &std::path::Path, all: &[Subscriber]) -> u64 {
    let log = log(folder);
    let reader: Arc<dyn EventReader> = Arc::clone(&log) as _;
    let head = reader.head();
    let tables = Projections::start(reader, folder.join("tables"), options()).unwrap();
    tables.wait_for(head).await.unwrap();
    let past = tables.past();
    let compared = tokio::task::block_in_place(|| {
        let mut compared = 0;
        for it in all {
            let Some(position) = it.whole_at() else { continue };
            assert!(position <= head, "a frame of {position} was sent, the log ends at {head}");
            let snapshot = past.snapshot_at(position, &|| true).unwrap();
            it.compare(&snapshot);
            compared += 1;
        }
        compared
    });
    tables.stop().await;
    drop(tables);
    drop(past);
    // The next server needs the lock of the log.
    while Arc::strong_count(&log) > 1 {
        tokio::task::yield_now().await;
    }
    compared
}
