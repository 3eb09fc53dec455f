//! Tables whose files are encrypted.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use ledgerline_event_store::EventReader as _;
use ledgerline_event_store::crypt::KeyRing;
use ledgerline_event_store::crypt::at_rest::StorageKeys;

use crate::checksum::checksum;
use crate::engine::Engine;
use crate::error::ProjectionError;
use crate::rebuild::rebuild_encrypted;
use crate::store::Files;
use crate::tests::script::{ORG, advance, options};
use crate::tests::storage::{calls, content, files, more_calls, unsynced};

fn encrypted(seals: bool) -> impl Fn(&KeyRing) -> Files {
    move |ring| Files {
        store: unsynced(),
        cipher: Arc::new(StorageKeys::new(ring.clone(), ORG, seals)),
    }
}

/// Files under a folder that hold these bytes.
fn holding(dir: &Path, needle: &[u8]) -> usize {
    let holds = |bytes: &Vec<u8>| bytes.windows(needle.len()).any(|window| window == needle);
    content(dir).values().filter(|bytes| holds(bytes)).count()
}

#[test]
fn encrypted_tables_are_the_same_tables_and_show_no_value() {
    let mut script = calls(40);
    let settings = options(40, 20);
    let ring = KeyRing::in_memory().unwrap();
    let (on, off) = (encrypted(true), encrypted(false));
    let folded = |files: Files| {
        let dir = tempfile::tempdir().unwrap();
        let mut engine = Engine::open(files, dir.path(), ORG, settings).unwrap();
        advance(&mut engine, &script.log, script.log.head(), 16).unwrap();
        let sums = checksum(&engine.snapshot().unwrap()).unwrap();
        (dir, sums)
    };
    let (clear, expected) = folded(off(&ring));
    let (dir, sums) = folded(on(&ring));
    assert_eq!(sums, expected);
    // A name that is in a file of every table, and the name of an event in states.
    for (name, least) in [("PAR1", 10), ("queue.entered", 1)] {
        assert!(holding(clear.path(), name.as_bytes()) >= least, "{name}");
        assert_eq!(holding(dir.path(), name.as_bytes()), 0, "{name}");
    }
    // Off again, and with another key for new files: everything stays readable, in one set of tables.
    ring.rotate_storage(ORG).unwrap();
    let mut sums = Vec::new();
    more_calls(&mut script, 100, 20);
    for files in [on(&ring), off(&ring)] {
        let mut engine = Engine::open(files, dir.path(), ORG, settings).unwrap();
        advance(&mut engine, &script.log, script.log.head(), 16).unwrap();
        sums.push(checksum(&engine.snapshot().unwrap()).unwrap());
        more_calls(&mut script, 200, 20);
    }
    assert_eq!(ring.status(ORG).unwrap().storage_keys.len(), 2);
    assert!(holding(dir.path(), b"PAR1") > 0, "new files are in clear");
    let cipher = off(&ring).cipher;
    let rebuilt = rebuild_encrypted(&script.log, dir.path(), settings, cipher, |_, _| {}).unwrap();
    assert_eq!(rebuilt.before.unwrap().unwrap(), rebuilt.after);
    let cipher = on(&ring).cipher;
    rebuild_encrypted(&script.log, dir.path(), settings, cipher, |_, _| {}).unwrap();
    assert_eq!(holding(dir.path(), b"PAR1"), 0, "a rebuild encrypts everything");
}

#[test]
fn encrypted_tables_need_their_key_and_say_which() {
    let script = calls(40);
    let settings = options(40, 20);
    let ring = KeyRing::in_memory().unwrap();
    let dir = tempfile::tempdir().unwrap();
    let tables = encrypted(true)(&ring);
    let mut engine = Engine::open(tables.clone(), dir.path(), ORG, settings).unwrap();
    advance(&mut engine, &script.log, script.log.head(), 16).unwrap();
    let key = ring.status(ORG).unwrap().storage_keys[0].to_string();
    let other = KeyRing::in_memory().unwrap();
    for files in [Files::from(unsynced()), encrypted(true)(&other)] {
        let error = Engine::open(files, dir.path(), ORG, settings).unwrap_err();
        assert!(matches!(error, ProjectionError::Cipher { .. }), "{error}");
        assert!(error.to_string().contains(&key), "{error}");
    }
    // A file in the place of another one, of the same length.
    let parquet = |path: &PathBuf| path.extension().is_some_and(|it| it == "parquet");
    let all: Vec<PathBuf> = files(dir.path()).into_iter().filter(parquet).collect();
    let (first, second) = (&all[0], &all[1]);
    let bytes = std::fs::read(first).unwrap();
    let mut other = std::fs::read(second).unwrap();
    other.resize(bytes.len(), 0);
    std::fs::write(first, other).unwrap();
    let error = Engine::open(tables.clone(), dir.path(), ORG, settings).unwrap_err();
    assert!(matches!(error, ProjectionError::Cipher { .. }), "{error}");
    std::fs::write(first, &bytes).unwrap();
    let mut engine = Engine::open(tables, dir.path(), ORG, settings).unwrap();
    let good = checksum(&engine.snapshot().unwrap()).unwrap();
    for at in [bytes.len() / 2, bytes.len() - 1] {
        let mut changed = bytes.clone();
        changed[at] ^= 1;
        std::fs::write(first, changed).unwrap();
        let error = checksum(&engine.snapshot().unwrap()).unwrap_err();
        assert!(error.to_string().contains(&key), "{error}");
    }
    std::fs::write(first, &bytes).unwrap();
    assert_eq!(checksum(&engine.snapshot().unwrap()).unwrap(), good);
}
