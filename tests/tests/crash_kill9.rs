//! kill -9 of a serving process at random moments while simulated people use it.
//!
//! The ledger of what was acknowledged is kept here, outside the killed process. After every kill: all of
//! it is on the log, the routing state from snapshot and tail equals the full replay, and in the end the
//! tables equal their rebuild. Rounds: `LEDGERLINE_KILLS` (default 6), seed: `LEDGERLINE_SEED`.

#![allow(clippy::expect_used, reason = "a test helper that cannot go on should fail the test")]

use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader};
use std::process::Stdio;

use ledgerline_tests::{Server, ledgerline, succeed};

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

/// Splitmix64.
fn next(seed: &mut u64) -> u64 {
    *seed = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = *seed;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// Lets simulated people use the server until so many things were acknowledged; gives what was.
fn use_until(server: &Server, data: &str, acknowledgements: u64, seed: u64) -> Vec<String> {
    let (url, sip, seed) = (server.url(), server.sip.to_string(), seed.to_string());
    let mut demo = ledgerline(&[
        "demo",
        "--against",
        &url,
        "--sip",
        &sip,
        "--token",
        data,
        "--rate",
        "600",
        "--seconds",
        "600",
        "--seed",
        &seed,
        "--ledger",
        "/dev/stdout",
    ])
    .stdout(Stdio::piped())
    .stderr(Stdio::null())
    .spawn()
    .expect("demo starts");
    let lines = BufReader::new(demo.stdout.take().expect("has output")).lines();
    let kinds = ["interaction ", "call ", "message "];
    let seen: Vec<String> = lines
        .map_while(Result::ok)
        .filter(|line| kinds.iter().any(|kind| line.starts_with(kind)))
        .take(usize::try_from(acknowledgements).expect("small"))
        .collect();
    // The people stop first, so that nothing is acknowledged that this test does not know of; the server
    // is in the middle of whatever they began.
    let _ = demo.kill();
    let _ = demo.wait();
    assert_eq!(seen.len() as u64, acknowledgements, "the simulation ended early (seed {seed})");
    seen
}

fn column(data: &str, sql: &str) -> String {
    succeed(&["sql", "--data", data, "--format", "csv", sql])
}

/// The replayed hash of `verify`.
fn replayed(data: &str) -> String {
    let said = succeed(&["verify", "--data", data]);
    said.split_whitespace().last().expect("a hash").to_owned()
}

#[test]
fn nothing_acknowledged_is_lost_and_state_and_tables_equal_their_replay() {
    let rounds = number("LEDGERLINE_KILLS", 6);
    let mut seed = number("LEDGERLINE_SEED", 20_261_120);
    println!("LEDGERLINE_KILLS={rounds} LEDGERLINE_SEED={seed}");
    let temporary = tempfile::tempdir().expect("folder");
    let data_path = temporary.path().join("data");
    let data = data_path.to_string_lossy().into_owned();
    let mut ledger: BTreeSet<String> = BTreeSet::new();
    let mut expected: Option<String> = None;
    for round in 1..=rounds {
        let server = Server::start(&data_path, None);
        let acknowledgements = 1 + next(&mut seed) % 60;
        ledger.extend(use_until(&server, &data, acknowledgements, next(&mut seed) % 1_000));
        server.kill();
        if let Some(expected) = &expected {
            let started = column(
                &data,
                "select data from event_log where event_type = 'engine.started' order by position desc limit 1",
            );
            assert!(started.contains(expected), "round {round}: {started} is not {expected}");
        }
        let hash = replayed(&data);
        let sessions = column(&data, "select interaction_id from customer_session");
        let calls =
            column(&data, "select data from event_log where event_type = 'media_leg.offered'");
        let messages =
            column(&data, "select data from event_log where event_type = 'message.received'");
        for line in &ledger {
            let (kind, id) = line.split_once(' ').expect("two words");
            let found = match kind {
                "interaction" => sessions.contains(id),
                "call" => calls.contains(id),
                _ => messages.contains(id),
            };
            assert!(found, "round {round}: acknowledged, but not on the log: {line}");
        }
        expected = Some(hash);
    }
    let said = succeed(&["rebuild", "--data", &data]);
    assert!(!said.contains("DIFFERS") && said.contains("identical"), "{said}");
    println!("{rounds} kills, {} acknowledgements, none lost", ledger.len());
}
