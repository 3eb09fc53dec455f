//! Custody of a log: what is signed and proved, and that every change of the log is found where it is.

#![allow(clippy::unwrap_used, reason = "a test helper that cannot go on should fail the test")]

#[path = "../common/mod.rs"]
mod common;
mod given_out;
mod growing;
mod tampering;

use std::path::Path;

use common::{ORG, append, event, small_segments};
use ledgerline_event_store::custody::verify::{
    self, Checkpoint, Evidence, Exact, Finding, How, PublicKey, Report, StreamStatement,
};
use ledgerline_event_store::custody::{Custody, CustodyError, CustodyKey, leaf, leaf_hash};
use ledgerline_event_store::{EmbeddedLog, EventWriter as _, Options};
use ledgerline_schemas::{NewEvent, Position, Recorded, StreamId};

const EVENTS: u128 = 700;

fn key() -> CustodyKey {
    CustodyKey::from_seed(&[3; 32])
}

fn custody(folder: &Path) -> Custody {
    Custody::open(folder, ORG, key()).unwrap()
}

/// Events of seven streams, in turn.
fn events(ids: impl IntoIterator<Item = u128>) -> Vec<NewEvent> {
    ids.into_iter().map(|id| event(id, &format!("interaction-{}", id % 7))).collect()
}

fn more(from: u128, count: usize) -> Vec<NewEvent> {
    events(from..from + count as u128)
}

fn extend(log: &EmbeddedLog, events: &[NewEvent]) {
    for part in events.chunks(9) {
        log.submit(append(part.to_vec())).unwrap().wait_blocking().unwrap();
    }
}

/// A log of these events. One that differs from another is what somebody makes who rewrites the other's
/// segments with all checksums, positions and versions right.
fn log_of(folder: &Path, events: &[NewEvent]) -> EmbeddedLog {
    // Unpacked: the tests change bytes of segments.
    let options = Options { raw_segments: None, ..small_segments() };
    let log = EmbeddedLog::open(folder, ORG, options).unwrap();
    extend(&log, events);
    log
}

fn sign(custody: &mut Custody, log: &EmbeddedLog) -> Checkpoint {
    custody.checkpoint(log, &mut |_, _| {}).unwrap()
}

fn all(log: &EmbeddedLog) -> Vec<Recorded> {
    log.scan(Position::START).collect::<Result<_, _>>().unwrap()
}

/// A log with checkpoints at 300 and 700, which an auditor has taken away together with the tiles.
struct Audited {
    folder: tempfile::TempDir,
    events: Vec<NewEvent>,
    outside: Vec<Checkpoint>,
    custody: Custody,
    log: EmbeddedLog,
}

fn audited() -> Audited {
    let folder = tempfile::tempdir().unwrap();
    let events = events(1..=EVENTS);
    let log = log_of(&folder.path().join("log"), &events[..300]);
    let mut custody = custody(&folder.path().join("custody"));
    let first = sign(&mut custody, &log);
    extend(&log, &events[300..]);
    let second = sign(&mut custody, &log);
    assert_eq!((first.size, second.size), (300, 700));
    Audited { folder, events, outside: vec![first, second], custody, log }
}

impl Audited {
    fn with_tiles(&self, log: &EmbeddedLog) -> Report {
        let tiles = [self.custody.folder()];
        let evidence = Evidence { outside: &self.outside, own: None, tiles: &tiles };
        verify::log(log, &evidence, &mut |_, _| {})
    }

    fn without_tiles(&self, log: &EmbeddedLog) -> Report {
        let evidence = Evidence { outside: &self.outside, own: None, tiles: &[] };
        verify::log(log, &evidence, &mut |_, _| {})
    }

    /// Rewrites the log and tells what the auditor finds: by the tiles, and without.
    fn rewritten(&self, change: impl FnOnce(&mut Vec<NewEvent>)) -> (Finding, Finding) {
        let folder = tempfile::tempdir().unwrap();
        let mut events = self.events.clone();
        change(&mut events);
        let log = log_of(folder.path(), &events);
        let only = |report: Report| match report.findings.as_slice() {
            [finding] => finding.clone(),
            findings => panic!("{findings:?}"),
        };
        (only(self.with_tiles(&log)), only(self.without_tiles(&log)))
    }
}

fn exact(finding: &Finding) -> (u64, u64, Option<How>) {
    match finding {
        Finding::Changed { exact: Some(exact), .. }
        | Finding::Truncated { exact: Some(exact), .. }
        | Finding::Fork { exact: Some(exact), .. } => {
            (exact.position.0, exact.differing, exact.how)
        }
        other => panic!("not located: {other:?}"),
    }
}

/// The checkpoints around a change at this position.
fn between(position: u64) -> Finding {
    let (after, size) = if position <= 300 { (0, 300) } else { (300, 700) };
    Finding::Changed { size, after: Position(after), exact: None }
}
