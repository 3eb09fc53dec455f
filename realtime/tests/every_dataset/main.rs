//! Snapshot and deltas up to P are what SQL says `as_of` P: for every dataset, under random filters, columns,
//! formats and rates, with reconnects, lost feeds, small retention and snapshots that lag behind the changes.
//!
//! Each seed is a question that three subscribers ask side by side. `LEDGERLINE_SEEDS` (default 3,400, which is more than
//! 10,000 subscribers), from `LEDGERLINE_SEED` on.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should stop where it is")]
#![allow(unreachable_pub, reason = "modules of a test")]

#[path = "../arrow/mod.rs"]
mod arrow;
#[path = "../day/mod.rs"]
mod day;
mod history;
mod subscriber;

use std::collections::BTreeMap;
use std::sync::Mutex;

use day::random::Random;
use history::History;

/// Events of a log, after its configuration.
const EVENTS: usize = 110;
/// Seeds of each log.
const OF_EACH: u64 = 100;
const THREADS: u64 = 2;

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap()
}

#[test]
fn a_subscriber_of_any_dataset_has_what_sql_says_at_its_position() {
    let (first, seeds) = (number("LEDGERLINE_SEED", 1), number("LEDGERLINE_SEEDS", 3_400));
    let looked = Mutex::new(BTreeMap::<&str, u64>::new());
    std::thread::scope(|threads| {
        for thread in 0..THREADS {
            let looked = &looked;
            threads.spawn(move || {
                let logs =
                    (0..seeds.div_ceil(OF_EACH)).skip(thread as usize).step_by(THREADS as usize);
                for log in logs {
                    let seed = first + log * OF_EACH;
                    let folding =
                        tokio::runtime::Builder::new_current_thread().enable_all().build();
                    let history = folding.unwrap().block_on(History::of(seed, EVENTS));
                    let end = (seed + OF_EACH).min(first + seeds);
                    for seed in seed..end {
                        let seen = runtime().block_on(subscriber::follow(&history, seed));
                        *looked.lock().unwrap().entry(seen.dataset).or_default() += seen.frames;
                    }
                }
            });
        }
    });
    let looked = looked.into_inner().unwrap();
    println!("frames compared: {looked:?}");
    // Every live table there is, and none without rows: a log that leaves one empty proves nothing about it.
    let history = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let history = history.block_on(History::of(first, EVENTS));
    for table in &history.tables {
        assert!(looked.get(table.name).is_some_and(|frames| *frames > 0), "{}", table.name);
        let most = (0..=history.end()).map(|at| history.rows_at(table, at).len()).max();
        assert!(most > Some(0), "{} is never filled", table.name);
    }
}

#[test]
fn the_same_seed_is_the_same_log() {
    let bytes = |log: &ledgerline_event_store::memory::MemoryLog| -> Vec<Vec<u8>> {
        use ledgerline_event_store::EventReader as _;
        log.scan(ledgerline_schemas::Position::START)
            .map(|it| it.unwrap().payload.to_vec())
            .collect()
    };
    let [one, two] = [7, 7].map(|seed| bytes(&day::write(history::ORG, seed, EVENTS)));
    assert_eq!(one, two);
    assert_ne!(one, bytes(&day::write(history::ORG, 8, EVENTS)));
    assert!(Random::of(1).below(1_000_000) != Random::of(2).below(1_000_000));
}
