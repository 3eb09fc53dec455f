//! Archive, dropped segments, backup and restore against a real S3-compatible server.
//!
//! `cargo xtask s3` installs one, starts it and runs this. Without `LEDGERLINE_S3` it says so and does
//! nothing.

#![cfg(feature = "s3")]
#![allow(clippy::expect_used, reason = "a test helper that cannot go on should fail the test")]

mod common;

use std::path::Path;
use std::sync::Arc;

use ledgerline_event_store::archive::{Archive, Depot, Retention};
use ledgerline_event_store::backup::{self, Until};
use ledgerline_event_store::{Append, EmbeddedLog, EventWriter as _, Options};
use ledgerline_schemas::id::OrgId;
use ledgerline_schemas::{Position, Recorded, Timestamp};

const ORG: OrgId = OrgId::from_u128(7);
const NOW: Timestamp = Timestamp::from_micros(1_000_000_000_000);

fn open(folder: &Path, archive: Option<&Depot>) -> EmbeddedLog {
    let options = Options {
        segment_bytes: 64 << 10,
        archive: archive.map(|depot| Arc::new(depot.clone()) as Arc<_>),
        ..Options::default()
    };
    EmbeddedLog::open(folder, ORG, options).expect("opens")
}

fn events(log: &EmbeddedLog) -> Vec<Recorded> {
    log.scan(Position::START).map(|event| event.expect("reads")).collect()
}

#[test]
fn a_log_lives_in_s3_and_comes_back() {
    let Ok(bucket) = std::env::var("LEDGERLINE_S3") else {
        println!(
            "skipped: LEDGERLINE_S3 names no bucket; `cargo xtask s3` starts a server and does"
        );
        return;
    };
    let archived = Depot::open(&format!("{bucket}/archive")).expect("opens");
    let backed_up = Depot::open(&format!("{bucket}/backup")).expect("opens");
    let folder = tempfile::tempdir().expect("folder");
    let log = open(&folder.path().join("log"), Some(&archived));
    for number in 0..2_000 {
        let events = vec![common::event(number, "interaction-1")];
        let submitted = log.submit(Append { events, expected: Vec::new() }).expect("taken");
        submitted.wait_blocking().expect("durable");
    }
    let before = events(&log);
    let files = log.files().expect("files");
    let mut archive = Archive::open(archived.clone(), ORG).expect("opens");
    let stored = archive.run(&files, NOW, &mut |_, _| {}).expect("archived");
    assert!(stored.segments > 4, "{stored:?}");
    let mut again = Archive::open(archived, ORG).expect("opens");
    assert_eq!(again.run(&files, NOW, &mut |_, _| {}).expect("nothing new").segments, 0);
    assert_eq!(again.verify(None, &mut |_, _| {}).expect("whole").segments, stored.segments);
    let keep = Retention { keep_segments: Some(1), keep_days: None };
    let gone = archive.drop_local(&files, keep, NOW, &mut |_| Ok(())).expect("dropped");
    assert_eq!(gone.len() as u64, stored.segments - 1);
    assert!(events(&log) == before, "read from the archive");
    log.verify().expect("whole");

    let (copy, _) = backup::copy(&backed_up, ORG, &files, NOW, &mut |_, _| {}).expect("copied");
    backup::tidy(&backed_up, ORG, &copy).expect("tidied");
    for until in [Until::End, Until::Position(Position(777))] {
        let target = tempfile::tempdir().expect("folder");
        let done =
            backup::restore(&backed_up, ORG, &copy, until, target.path(), None, &mut |_, _| {});
        let done = done.expect("restored");
        let restored = events(&open(target.path(), None));
        assert_eq!(restored.len() as u64, done.head.0);
        assert!(before.starts_with(&restored));
    }
    let missing = Depot::open("s3://ledgerline-no-such-bucket").expect("opens").get("x");
    assert!(missing.is_err());
}
