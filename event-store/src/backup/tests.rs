//! Copying a log and making it again.

use std::fs;
use std::path::Path;

use ledgerline_schemas::{Position, Timestamp};

use super::*;
use crate::archive::testing::{ORG, append, events, leaves, open, silent};
use crate::embedded::EmbeddedLog;
use crate::log::EventReader as _;

const NOW: Timestamp = Timestamp::from_micros(1_000_000_000_000);

fn depot(folder: &Path) -> Depot {
    Depot::open(folder.join("backup").to_str().expect("UTF-8")).expect("opens")
}

fn copied(depot: &Depot, log: &EmbeddedLog) -> (LogCopy, Archived) {
    copy(depot, ORG, &log.files().expect("files"), NOW, &mut silent).expect("copied")
}

/// Restores into a new folder and opens it.
fn restored(
    depot: &Depot,
    copy: &LogCopy,
    until: Until,
) -> (tempfile::TempDir, Restored, EmbeddedLog) {
    let folder = tempfile::tempdir().expect("folder");
    let done =
        restore(depot, ORG, copy, until, folder.path(), None, &mut silent).expect("restored");
    let log = open(folder.path(), None);
    log.verify().expect("whole");
    (folder, done, log)
}

#[test]
fn every_position_is_restored_as_the_prefix_that_ends_with_its_append() {
    let folder = tempfile::tempdir().expect("folder");
    let depot = depot(folder.path());
    let log = open(&folder.path().join("log"), None);
    append(&log, 40, 1);
    let hashes = leaves(&log);
    let (copy, _) = copied(&depot, &log);
    assert_eq!(copy.head, log.head());
    // Appends of one, two and three events.
    let mut ends = vec![0];
    for append in 0..40 {
        ends.push(ends[append] + 1 + append as u64 % 3);
    }
    for wanted in 1..=copy.head.0 {
        let (_folder, done, again) = restored(&depot, &copy, Until::Position(Position(wanted)));
        let end = ends.iter().copied().filter(|end| *end <= wanted).max().expect("one");
        assert_eq!((done.head.0, again.head().0), (end, end), "position {wanted}");
        assert!(leaves(&again) == hashes[..usize::try_from(end).expect("small")]);
        let next = ends.iter().copied().find(|end| *end > wanted);
        let left_out =
            next.filter(|_| end < wanted).map(|next| (Position(end + 1), Position(next)));
        assert_eq!(done.left_out, left_out, "position {wanted}");
        // It goes on from there.
        append(&again, 1, 9);
        assert!(again.head().0 > end);
    }
    let behind = restore(
        &depot,
        ORG,
        &copy,
        Until::Position(Position(copy.head.0 + 1)),
        folder.path(),
        None,
        &mut silent,
    );
    assert!(matches!(behind, Err(ArchiveError::BehindEnd { .. })), "{behind:?}");
}

#[test]
fn a_time_is_restored_as_what_was_recorded_by_then() {
    let folder = tempfile::tempdir().expect("folder");
    let depot = depot(folder.path());
    let log = open(&folder.path().join("log"), None);
    append(&log, 40, 1);
    let all = events(&log);
    let (copy, _) = copied(&depot, &log);
    assert_eq!(copy.last_recorded_at, all.last().expect("events").header.recorded_at);
    for at in (0..all.len()).step_by(7) {
        let time = all[at].header.recorded_at;
        let (_folder, done, again) = restored(&depot, &copy, Until::Time(time));
        let wanted: Vec<_> =
            all.iter().filter(|it| it.header.recorded_at <= time).cloned().collect();
        assert_eq!(done.head.0, wanted.len() as u64);
        assert!(events(&again) == wanted);
    }
    let (_folder, done, again) = restored(&depot, &copy, Until::Time(Timestamp::EPOCH));
    assert_eq!((done.head, again.head()), (Position::START, Position::START));
}

#[test]
fn a_repetition_copies_what_is_new_and_leaves_one_tail() {
    let folder = tempfile::tempdir().expect("folder");
    let depot = depot(folder.path());
    let log = open(&folder.path().join("log"), None);
    let mut before = 0;
    for round in 0..4 {
        append(&log, 25, round);
        let (copy, archived) = copied(&depot, &log);
        tidy(&depot, ORG, &copy).expect("tidied");
        assert_eq!(archived.before, before, "round {round}");
        before += archived.segments;
        assert!(archived.segments > 0);
        assert_eq!(depot.list(&tail_folder(ORG)).expect("lists").len(), 1);
        let (_folder, done, again) = restored(&depot, &copy, Until::End);
        assert_eq!(done.head, log.head());
        assert!(leaves(&again) == leaves(&log));
    }
}

#[test]
fn a_copy_made_while_the_log_grows_is_a_beginning_of_it() {
    let folder = tempfile::tempdir().expect("folder");
    let depot = depot(folder.path());
    let log = open(&folder.path().join("log"), None);
    append(&log, 20, 1);
    let copies: Vec<LogCopy> = std::thread::scope(|scope| {
        let growing = scope.spawn(|| append(&log, 120, 2));
        let mut copies = Vec::new();
        while !growing.is_finished() || copies.is_empty() {
            let files =
                crate::LogFiles::reading(&folder.path().join("log"), None, None).expect("opens");
            let seen = log.head();
            let (copy, _) = copy(&depot, ORG, &files, NOW, &mut silent).expect("copied");
            assert!(copy.head >= seen, "what was durable before is in it");
            copies.push(copy);
        }
        copies
    });
    let hashes = leaves(&log);
    for copy in copies.iter().rev().take(3) {
        let (_folder, done, again) = restored(&depot, copy, Until::End);
        assert_eq!(done.head, copy.head);
        assert!(hashes.starts_with(&leaves(&again)));
        assert_eq!(again.head(), copy.head);
    }
}

#[test]
fn damage_in_a_backup_is_noticed() {
    let folder = tempfile::tempdir().expect("folder");
    let depot = depot(folder.path());
    let log = open(&folder.path().join("log"), None);
    append(&log, 40, 1);
    let (copy, _) = copied(&depot, &log);
    let tail = copy.tail.clone().expect("a tail").object;
    for object in depot.list("orgs/").expect("lists") {
        let path = Path::new(depot.address()).join(&object);
        let good = fs::read(&path).expect("reads");
        for at in (0..good.len()).step_by(97) {
            let mut bad = good.clone();
            bad[at] ^= 4;
            fs::write(&path, bad).expect("writes");
            let target = tempfile::tempdir().expect("folder");
            let done = restore(&depot, ORG, &copy, Until::End, target.path(), None, &mut silent);
            // Some of what the manifest says is of no use for a restore.
            let harmless = object.ends_with(".json") && done.is_ok();
            if harmless {
                assert!(leaves(&open(target.path(), None)) == leaves(&log), "{object} byte {at}");
            } else {
                assert!(done.is_err(), "{object} byte {at}");
            }
        }
        fs::remove_file(&path).expect("removed");
        let target = tempfile::tempdir().expect("folder");
        let gone = restore(&depot, ORG, &copy, Until::End, target.path(), None, &mut silent);
        assert!(gone.is_err(), "{object} is missed");
        fs::write(&path, good).expect("writes");
    }
    assert!(depot.find(&tail).expect("asks").is_some());
}

#[test]
fn the_backup_of_another_history_is_not_added_to() {
    let folder = tempfile::tempdir().expect("folder");
    let depot = depot(folder.path());
    let log = open(&folder.path().join("log"), None);
    append(&log, 40, 1);
    let (copy, _) = copied(&depot, &log);
    // Restored to an earlier point, and gone on from there.
    let (_again, _, branch) = restored(&depot, &copy, Until::Position(Position(10)));
    append(&branch, 60, 2);
    let files = branch.files().expect("files");
    let refused = super::copy(&depot, ORG, &files, NOW, &mut silent);
    assert!(matches!(refused, Err(ArchiveError::OtherHistory { .. })), "{refused:?}");
    let (_same, _, whole) = restored(&depot, &copy, Until::End);
    append(&whole, 30, 3);
    let (more, _) = copied(&depot, &whole);
    assert!(more.head > copy.head, "a whole restore goes on with the same backup");
}
