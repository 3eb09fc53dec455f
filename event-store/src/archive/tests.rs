//! Archiving, dropping, and reading what was dropped.

use std::fs;
use std::path::{Path, PathBuf};

use ledgerline_schemas::Timestamp;

use super::testing::{ORG, append, events, leaves, open, options, silent};
use super::*;
use crate::embedded::EmbeddedLog;
use crate::files::Kept;
use crate::log::{EventReader as _, ReadError};

const NOW: Timestamp = Timestamp::from_micros(1_000_000_000_000);
const ALL_BUT_ONE: Retention = Retention { keep_segments: Some(1), keep_days: None };

struct Place {
    folder: tempfile::TempDir,
    depot: Depot,
}

impl Place {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("folder");
        let archive = folder.path().join("archive");
        let depot = Depot::open(archive.to_str().expect("UTF-8")).expect("opens");
        Self { folder, depot }
    }

    fn log(&self) -> PathBuf {
        self.folder.path().join("log")
    }

    fn file(&self, object: &str) -> PathBuf {
        Path::new(self.depot.address()).join(object)
    }

    fn archive(&self) -> Archive {
        Archive::open(self.depot.clone(), ORG).expect("opens")
    }
}

fn flip(path: &Path, at: usize) {
    let mut bytes = fs::read(path).expect("reads");
    bytes[at] ^= 0x10;
    fs::write(path, bytes).expect("writes");
}

#[test]
fn every_sealed_segment_is_archived_once_and_verifies() {
    let place = Place::new();
    let log = open(&place.log(), None);
    append(&log, 60, 1);
    let files = log.files().expect("files");
    let sealed = files.sealed().expect("lists").len() as u64;
    assert!(sealed > 3, "{sealed}");
    let first = place.archive().run(&files, NOW, &mut silent).expect("archived");
    assert_eq!((first.segments, first.before), (sealed, 0));
    let again = place.archive().run(&files, NOW, &mut silent).expect("nothing new");
    assert_eq!((again.segments, again.bytes, again.before), (0, 0, sealed));
    append(&log, 30, 2);
    let more = place.archive().run(&files, NOW, &mut silent).expect("the new ones");
    assert!(more.segments > 0 && more.before == sealed);
    let verified = place.archive().verify(None, &mut silent).expect("whole");
    assert_eq!(verified.segments, sealed + more.segments);
    assert_eq!(verified.events, files.end_of_sealed().expect("lists") - 1);
    assert_eq!(place.archive().compare(&files).expect("the same"), verified.segments);
}

#[test]
fn an_interrupted_run_is_finished_by_repeating_it() {
    let place = Place::new();
    let log = open(&place.log(), None);
    append(&log, 60, 1);
    let files = log.files().expect("files");
    place.archive().run(&files, NOW, &mut silent).expect("archived");
    let whole = place.archive().manifest().clone();
    // As if the power had gone between the object and the manifest.
    let mut shorter = whole.clone();
    shorter.segments.truncate(2);
    shorter.store(&place.depot).expect("stored");
    let again = place.archive().run(&files, NOW, &mut silent).expect("archived");
    assert_eq!(again.segments as usize, whole.segments.len() - 2);
    assert_eq!(*place.archive().manifest(), whole);
}

#[test]
fn what_is_dropped_is_read_from_the_archive_and_recorded_before() {
    let place = Place::new();
    let log = open(&place.log(), Some(&place.depot));
    append(&log, 60, 1);
    let (before, hashes) = (events(&log), leaves(&log));
    let files = log.files().expect("files");
    let mut archive = place.archive();
    archive.run(&files, NOW, &mut silent).expect("archived");
    let mut recorded = Vec::new();
    let gone = archive
        .drop_local(&files, ALL_BUT_ONE, NOW, &mut |dropped| {
            let kept = files.list().expect("lists");
            let kept = kept.iter().find(|it| it.base_position == dropped.base_position);
            assert!(kept.is_some_and(|it| it.kept == Kept::Raw), "it is still here");
            recorded.push(dropped.clone());
            Ok(())
        })
        .expect("dropped");
    assert_eq!(gone, recorded);
    let sealed = files.sealed().expect("lists").len();
    assert_eq!(gone.len(), sealed - 1);
    let here: u64 = files.list().expect("lists").iter().map(|it| it.local_bytes).sum();
    assert!(here < 40 << 10, "{here} bytes are left");
    // The open log, and one opened anew.
    assert!(events(&log) == before);
    log.verify().expect("whole");
    drop(log);
    let log = open(&place.log(), Some(&place.depot));
    assert!(events(&log) == before && leaves(&log) == hashes);
    for event in &before {
        let stream = log
            .read_stream(&event.header.stream, event.header.version, crate::Direction::Forward, 1)
            .expect("reads");
        assert_eq!(stream.first(), Some(event));
    }
    let again = archive.drop_local(&files, ALL_BUT_ONE, NOW, &mut |_| Ok(())).expect("nothing");
    assert_eq!(again, []);
    // New segments go on from there.
    append(&log, 30, 2);
    let files = log.files().expect("files");
    let more = place.archive().run(&files, NOW, &mut silent).expect("archived");
    assert!(more.segments > 0);
    assert_eq!(place.archive().compare(&files).expect("the same"), more.segments + more.before);
}

#[test]
fn nothing_is_dropped_without_a_good_copy_or_without_a_record() {
    let place = Place::new();
    let log = open(&place.log(), Some(&place.depot));
    append(&log, 60, 1);
    let files = log.files().expect("files");
    let mut archive = place.archive();
    let none = archive.drop_local(&files, ALL_BUT_ONE, NOW, &mut |_| Ok(())).expect("nothing");
    assert_eq!(none, [], "nothing is archived");
    archive.run(&files, NOW, &mut silent).expect("archived");
    let before = files.list().expect("lists");
    let no_limits = archive.drop_local(&files, Retention::default(), NOW, &mut |_| Ok(()));
    assert_eq!(no_limits.expect("nothing"), []);
    let young = Retention { keep_segments: None, keep_days: Some(30) };
    assert_eq!(archive.drop_local(&files, young, NOW, &mut |_| Ok(())).expect("nothing"), []);
    let refused = archive.drop_local(&files, ALL_BUT_ONE, NOW, &mut |_| Err("full".to_owned()));
    assert!(matches!(refused, Err(ArchiveError::Record(_))), "{refused:?}");
    let first = place.file(&archive.manifest().segments[0].object);
    flip(&first, 100);
    let damaged = archive.drop_local(&files, ALL_BUT_ONE, NOW, &mut |_| Ok(()));
    assert!(matches!(damaged, Err(ArchiveError::Damaged { .. })), "{damaged:?}");
    fs::remove_file(&first).expect("removed");
    let missing = archive.drop_local(&files, ALL_BUT_ONE, NOW, &mut |_| Ok(()));
    assert!(matches!(missing, Err(ArchiveError::Store { missing: true, .. })), "{missing:?}");
    assert_eq!(files.list().expect("lists"), before);
}

#[test]
fn damage_in_the_archive_is_noticed_and_never_served() {
    let place = Place::new();
    let log = open(&place.log(), Some(&place.depot));
    append(&log, 60, 1);
    let files = log.files().expect("files");
    let mut archive = place.archive();
    archive.run(&files, NOW, &mut silent).expect("archived");
    archive.drop_local(&files, ALL_BUT_ONE, NOW, &mut |_| Ok(())).expect("dropped");
    let whole = events(&log);
    let entry = archive.manifest().segments[1].clone();
    let object = place.file(&entry.object);
    let good = fs::read(&object).expect("reads");
    for at in 0..good.len() {
        fs::write(&object, &good).expect("writes");
        flip(&object, at);
        let verified = archive.verify(None, &mut silent).expect_err("noticed");
        assert!(verified.to_string().contains(&entry.object), "{verified}");
        let mut read = Vec::new();
        let failed = log.scan(Position::START).find_map(|event| match event {
            Ok(event) => {
                read.push(event);
                None
            }
            Err(error) => Some(error),
        });
        assert!(whole.starts_with(&read), "byte {at}");
        match failed {
            // Table and footer of the object: the stub has its own.
            None => assert!(read.len() == whole.len() && at >= entry_blocks(&entry, &good)),
            Some(error) => assert!(matches!(error, ReadError::Damaged { .. }), "{error}"),
        }
    }
    fs::remove_file(&object).expect("removed");
    let error = log.scan(Position::START).find_map(Result::err).expect("missing");
    assert!(matches!(error, ReadError::Io(_)), "{error}");
}

/// Where the blocks of an object end.
fn entry_blocks(entry: &Entry, object: &[u8]) -> usize {
    let blocks = usize::try_from(entry.raw_bytes.div_ceil(256 << 10)).expect("small");
    object.len() - blocks * 48 - 256
}

#[test]
fn the_archive_of_another_log_is_not_added_to() {
    let place = Place::new();
    let log = open(&place.log(), None);
    append(&log, 60, 1);
    place.archive().run(&log.files().expect("files"), NOW, &mut silent).expect("archived");
    // The same organization, another history: the data directory was made anew.
    let other = open(&place.folder.path().join("other"), None);
    append(&other, 90, 2);
    let refused = place.archive().run(&other.files().expect("files"), NOW, &mut silent);
    assert!(matches!(refused, Err(ArchiveError::OtherHistory { .. })), "{refused:?}");
    let refused = place.archive().compare(&other.files().expect("files"));
    assert!(matches!(refused, Err(ArchiveError::OtherHistory { .. })), "{refused:?}");
}

#[test]
fn without_its_archive_a_log_opens_and_only_what_was_dropped_is_missed_by_name() {
    let place = Place::new();
    let log = open(&place.log(), Some(&place.depot));
    append(&log, 60, 1);
    let before = events(&log);
    let files = log.files().expect("files");
    let mut archive = place.archive();
    archive.run(&files, NOW, &mut silent).expect("archived");
    let gone = archive.drop_local(&files, ALL_BUT_ONE, NOW, &mut |_| Ok(())).expect("dropped");
    let first_here = gone.last().expect("some").next_position;
    drop((log, files));
    let away = place.folder.path().join("away");
    fs::rename(place.depot.address(), &away).expect("moved");
    for (depot, named) in
        [(None, "no archive is known"), (Some(&place.depot), place.depot.address())]
    {
        let log = EmbeddedLog::open(&place.log(), ORG, options(depot)).expect("opens");
        // What is here is as it was;
        assert_eq!(log.head(), Position(before.len() as u64));
        let here: Vec<_> = log
            .scan(Position(first_here - 1))
            .collect::<Result<_, _>>()
            .expect("what is here is read");
        let from = usize::try_from(first_here - 1).expect("small");
        assert!(here == before[from..]);
        // what was dropped is missed, by the names of archive and segment.
        let Err(error) = log.verify() else { panic!("what is elsewhere was verified") };
        for error in [error, log.scan(Position::START).find_map(Result::err).expect("missed")] {
            assert!(matches!(error, ReadError::Io(_)), "{error}");
            let said = error.to_string();
            assert!(said.contains(named) && said.contains(".seg is in the archive only"), "{said}");
        }
    }
    // Appends go on, and everything is there again when the archive is.
    let log = open(&place.log(), Some(&place.depot));
    append(&log, 30, 2);
    let head = log.head();
    drop(log);
    fs::rename(&away, place.depot.address()).expect("moved back");
    let log = open(&place.log(), Some(&place.depot));
    assert_eq!(log.head(), head);
    assert!(events(&log).starts_with(&before));
    log.verify().expect("whole");
}

#[test]
fn a_changed_manifest_is_noticed() {
    let place = Place::new();
    let log = open(&place.log(), None);
    append(&log, 60, 1);
    place.archive().run(&log.files().expect("files"), NOW, &mut silent).expect("archived");
    let path = place.file(&format!("orgs/{ORG}/manifest.json"));
    let good = fs::read_to_string(&path).expect("reads");
    let sha256 = place.archive().manifest().segments[1].sha256.clone();
    for changed in [
        good.replace(&sha256, &"0".repeat(64)),
        good.replacen("\"base_position\": 1,", "\"base_position\": 2,", 1),
        good.replacen("\"format\": 1", "\"format\": 2", 1),
        "{".to_owned(),
    ] {
        assert_ne!(changed, good);
        fs::write(&path, changed).expect("writes");
        let refused = Archive::open(place.depot.clone(), ORG);
        assert!(matches!(refused, Err(ArchiveError::Damaged { .. })), "{refused:?}");
    }
}
