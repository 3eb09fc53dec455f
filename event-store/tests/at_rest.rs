//! A log that is encrypted at rest, through everything that is done with its files. Its folder and its copies are
//! searched byte by byte for what is in its events.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on should fail")]

mod common;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use common::{ORG, append, event, small_segments};
use ledgerline_event_store::archive::{Archive, ArchiveError, Depot, Retention};
use ledgerline_event_store::backup::{self, Until};
use ledgerline_event_store::crypt::KeyRing;
use ledgerline_event_store::crypt::at_rest::StorageKeys;
use ledgerline_event_store::{
    ArchiveReader, EmbeddedLog, EventReader as _, EventWriter as _, Kept, LogFiles, OpenError,
    Options,
};
use ledgerline_schemas::id::KeyId;
use ledgerline_schemas::{Position, Recorded, Timestamp};

/// In the name of a stream, in a type and in a payload.
const CANARY: &str = "zqlogcanary";
const NOW: Timestamp = Timestamp::from_micros(1_000_000_000_000);

struct Place {
    folder: tempfile::TempDir,
    ring: KeyRing,
}

impl Place {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap(), ring: KeyRing::in_memory().unwrap() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn log(&self) -> PathBuf {
        self.path("log")
    }

    fn depot(&self, name: &str) -> Depot {
        Depot::open(self.path(name).to_str().unwrap()).unwrap()
    }

    fn keys(&self, seals: bool) -> Option<StorageKeys> {
        Some(StorageKeys::new(self.ring.clone(), ORG, seals))
    }

    fn options(&self, keys: Option<StorageKeys>) -> Options {
        let archive = Arc::new(self.depot("archive")) as Arc<dyn ArchiveReader>;
        Options { raw_segments: None, keys, archive: Some(archive), ..small_segments() }
    }

    fn open(&self, seals: bool) -> EmbeddedLog {
        EmbeddedLog::open(&self.log(), ORG, self.options(self.keys(seals))).unwrap()
    }
}

fn fill(log: &EmbeddedLog, ids: std::ops::Range<u128>) {
    for id in ids {
        let mut event = event(id, &format!("{CANARY}-{}", id % 7));
        event.event_type = format!("{CANARY}.happened").into();
        event.payload = CANARY.repeat(1 + id as usize % 5).into_bytes();
        log.submit(append(vec![event])).unwrap().wait_blocking().unwrap();
    }
}

fn events(log: &EmbeddedLog) -> Vec<Recorded> {
    log.scan(Position::START).map(Result::unwrap).collect()
}

/// Every file below a folder, with its bytes.
fn files(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
        match entry.file_type().unwrap().is_dir() {
            true => found.extend(files(&entry.path())),
            false => drop(found.insert(entry.path(), fs::read(entry.path()).unwrap())),
        }
    }
    found
}

/// Files that hold the canary, or begin as a file of the log in clear does.
fn in_clear(folder: &Path) -> Vec<PathBuf> {
    let begins = [&b"LLSEG"[..], b"LLIDX", b"LLSTUB", &[0x28, 0xB5, 0x2F, 0xFD]];
    let shows = |bytes: &[u8]| {
        begins.iter().any(|begin| bytes.starts_with(begin))
            || bytes.windows(CANARY.len()).any(|window| window == CANARY.as_bytes())
    };
    let files = files(folder).into_iter();
    files.filter(|(_, bytes)| shows(bytes)).map(|(path, _)| path).collect()
}

fn nothing_in_clear(folder: &Path) {
    assert!(files(folder).len() > 1);
    assert_eq!(in_clear(folder), Vec::<PathBuf>::new());
}

fn ending(folder: &Path, ending: &str) -> usize {
    files(folder).keys().filter(|path| path.extension().is_some_and(|it| it == ending)).count()
}

/// Until everything that is due is packed.
fn packed(log: &EmbeddedLog) {
    let files = log.files().unwrap();
    // A list beside the one who packs may look for a file that has just changed its form.
    let raw = || {
        files.list().map(|list| list.iter().filter(|it| it.kept == Kept::Raw).count()).unwrap_or(2)
    };
    while raw() > 1 {
        std::thread::yield_now();
    }
}

#[test]
fn nothing_of_an_encrypted_log_is_in_clear_whatever_is_done_with_its_files() {
    let place = Place::new();
    // Given a log with segments, indexes and a restart.
    let log = place.open(true);
    fill(&log, 1..400);
    drop(log);
    let log = place.open(true);
    fill(&log, 400..500);
    let before = events(&log);
    assert!(ending(&place.log(), "seg") > 3 && ending(&place.log(), "idx") > 0);
    nothing_in_clear(&place.log());
    // When it is archived and dropped.
    let files = log.files().unwrap();
    let mut archive = Archive::open(place.depot("archive"), ORG).unwrap();
    archive.run(&files, NOW, &mut |_, _| ()).unwrap();
    let retention = Retention { keep_segments: Some(3), keep_days: None };
    let dropped = archive.drop_local(&files, retention, NOW, &mut |_| Ok(())).unwrap();
    assert!(!dropped.is_empty() && ending(&place.log(), "segr") == dropped.len());
    assert!(ending(&place.path("archive"), "segz") > dropped.len());
    // And what stays is packed.
    drop((files, log));
    let options = Options { raw_segments: Some(0), ..place.options(place.keys(true)) };
    let log = EmbeddedLog::open(&place.log(), ORG, options).unwrap();
    packed(&log);
    assert_eq!(ending(&place.log(), "segz"), 3);
    // Then all of it reads as before, and no file shows any of it.
    log.verify().unwrap();
    assert!(events(&log) == before);
    for event in before.iter().step_by(41) {
        let found = log
            .read_stream(
                &event.header.stream,
                event.header.version,
                ledgerline_event_store::Direction::Forward,
                1,
            )
            .unwrap();
        assert_eq!(found.first(), Some(event));
    }
    for folder in ["log", "archive"] {
        nothing_in_clear(&place.path(folder));
    }
    let keys = place.keys(false);
    let verified = archive.verify(keys.as_ref(), &mut |_, _| ()).unwrap();
    assert!(verified.segments > 3);
    assert_eq!(archive.compare(&log.files().unwrap()).unwrap(), verified.segments);
    // The archive says which key it needs of who has none.
    let refused = archive.verify(None, &mut |_, _| ()).unwrap_err().to_string();
    assert!(refused.contains(&place.key().to_string()) && refused.contains("segz"), "{refused}");
    // A repeated run finds the same objects, and an interrupted one makes the same again.
    let objects = files_of(&place.path("archive"));
    let manifest = place.path(&format!("archive/orgs/{ORG}/manifest.json"));
    fs::remove_file(&manifest).unwrap();
    let mut again = Archive::open(place.depot("archive"), ORG).unwrap();
    again.run(&log.files().unwrap(), NOW, &mut |_, _| ()).unwrap();
    assert_eq!(files_of(&place.path("archive")), objects);
}

fn files_of(folder: &Path) -> Vec<PathBuf> {
    files(folder).into_keys().collect()
}

impl Place {
    /// The key in force.
    fn key(&self) -> KeyId {
        *self.ring.status(ORG).unwrap().storage_keys.last().unwrap()
    }
}

#[test]
fn a_backup_of_an_encrypted_log_is_encrypted_and_is_restored_with_its_keys_only() {
    let place = Place::new();
    let log = place.open(true);
    fill(&log, 1..300);
    let before = events(&log);
    let depot = place.depot("backup");
    // Given a backup by another process, beside the one that writes.
    let beside = LogFiles::reading(&place.log(), None, place.keys(true)).unwrap();
    let (copy, archived) = backup::copy(&depot, ORG, &beside, NOW, &mut |_, _| ()).unwrap();
    assert!(archived.segments > 1 && copy.head == log.head());
    nothing_in_clear(&place.path("backup"));
    // When it is restored with the keys, as a whole or up to a position.
    for (number, until) in [Until::End, Until::Position(Position(150))].into_iter().enumerate() {
        let folder = place.path(&format!("restored-{number}"));
        fs::create_dir(&folder).unwrap();
        let keys = place.keys(false);
        let done =
            backup::restore(&depot, ORG, &copy, until, &folder, keys.as_ref(), &mut |_, _| ());
        let done = done.unwrap();
        assert!(done.encrypted);
        // Then it is the log, encrypted.
        nothing_in_clear(&folder);
        let again = EmbeddedLog::open(&folder, ORG, place.options(place.keys(true))).unwrap();
        again.verify().unwrap();
        assert!(events(&again) == before[..done.head.0 as usize] && done.head.0 >= 150);
        fill(&again, 1_000..1_100);
        drop(again);
        nothing_in_clear(&folder);
    }
    // Without them it says which one is missing.
    let folder = place.path("nothing");
    fs::create_dir(&folder).unwrap();
    let refused = backup::restore(&depot, ORG, &copy, Until::End, &folder, None, &mut |_, _| ());
    let refused = refused.unwrap_err();
    assert!(matches!(refused, ArchiveError::Files(_)), "{refused:?}");
    assert!(refused.to_string().contains(&place.key().to_string()), "{refused}");
    let refused = LogFiles::reading(&place.log(), None, None).unwrap_err().to_string();
    assert!(refused.contains(&place.key().to_string()), "{refused}");
}

#[test]
fn a_log_without_its_key_does_not_open_says_which_and_stays_as_it_is() {
    let place = Place::new();
    drop(place.open(true));
    let log = place.open(true);
    fill(&log, 1..300);
    drop(log);
    let before = files(&place.log());
    let stranger = KeyRing::in_memory().unwrap();
    for keys in [None, Some(StorageKeys::new(stranger, ORG, true))] {
        let refused = EmbeddedLog::open(&place.log(), ORG, place.options(keys)).unwrap_err();
        assert!(matches!(refused, OpenError::Io { .. }), "{refused:?}");
        let said = refused.to_string();
        let named =
            before.keys().any(|path| said.contains(&*path.file_name().unwrap().to_string_lossy()));
        assert!(named && said.contains(&place.key().to_string()), "{said}");
    }
    assert!(files(&place.log()) == before, "nothing was changed");
    assert_eq!(events(&place.open(false)).len(), 299);
}

#[test]
fn a_directory_with_files_in_clear_and_under_two_keys_is_one_log() {
    let place = Place::new();
    // Given a log in clear.
    let log = EmbeddedLog::open(&place.log(), ORG, place.options(None)).unwrap();
    fill(&log, 1..150);
    drop(log);
    let clear = in_clear(&place.log()).len();
    assert!(clear > 1, "the search finds what is there");
    // When encryption is turned on, the key changes, and it is turned off again.
    let log = place.open(true);
    fill(&log, 150..300);
    let first = place.key();
    let second = place.ring.rotate_storage(ORG).unwrap();
    fill(&log, 300..450);
    drop(log);
    let heads: Vec<Vec<u8>> = files(&place.log()).into_values().collect();
    for key in [first, second] {
        let of_key = heads.iter().filter(|it| it.get(16..32) == Some(key.uuid().as_bytes()));
        assert!(of_key.count() > 1, "files under both keys");
    }
    let log = place.open(false);
    fill(&log, 450..600);
    // Then everything is there, in whatever form it was written, and packs and archives in it.
    let before = events(&log);
    assert_eq!(before.len(), 599);
    assert!(in_clear(&place.log()).len() > clear, "what is new is in clear");
    log.verify().unwrap();
    drop(log);
    let options = Options { raw_segments: Some(0), ..place.options(place.keys(true)) };
    let log = EmbeddedLog::open(&place.log(), ORG, options).unwrap();
    packed(&log);
    let mut archive = Archive::open(place.depot("archive"), ORG).unwrap();
    archive.run(&log.files().unwrap(), NOW, &mut |_, _| ()).unwrap();
    assert!(events(&log) == before);
    let keys = place.keys(false);
    archive.verify(keys.as_ref(), &mut |_, _| ()).unwrap();
    nothing_in_clear(&place.path("archive"));
    assert!(ending(&place.log(), "segz") > 5);
}

#[test]
fn an_encrypted_file_goes_encrypted_to_a_store_when_encryption_is_off() {
    let place = Place::new();
    let log = place.open(true);
    fill(&log, 1..200);
    drop(log);
    let log = place.open(false);
    let mut archive = Archive::open(place.depot("archive"), ORG).unwrap();
    let archived = archive.run(&log.files().unwrap(), NOW, &mut |_, _| ()).unwrap();
    assert!(archived.segments > 1);
    nothing_in_clear(&place.path("archive"));
}

#[test]
fn changed_bits_of_an_encrypted_log_are_noticed_and_nothing_wrong_is_served() {
    let place = Place::new();
    let log = place.open(true);
    fill(&log, 1..120);
    let whole = events(&log);
    drop(log);
    let all = files(&place.log());
    // The first segment is sealed, and indexed.
    let segment = all.keys().find(|path| path.extension().is_some_and(|it| it == "seg")).unwrap();
    let good = fs::read(segment).unwrap();
    let used = good.iter().rposition(|byte| *byte != 0).unwrap();
    for at in (0..used).step_by(61) {
        let mut bad = good.clone();
        bad[at] ^= 1 << (at % 8);
        fs::write(segment, &bad).unwrap();
        match EmbeddedLog::open(&place.log(), ORG, place.options(place.keys(true))) {
            Err(error) => assert!(matches!(error, OpenError::Damaged { .. }), "{at}: {error}"),
            Ok(log) => {
                assert!(log.verify().is_err(), "byte {at}");
                let read: Vec<Recorded> = log.scan(Position::START).map_while(Result::ok).collect();
                assert!(whole.starts_with(&read) && read.len() < whole.len(), "byte {at}");
            }
        }
    }
    fs::write(segment, good).unwrap();
    assert!(events(&place.open(true)) == whole);
}
