//! Files beside the fold: merged, taken away when nobody needs them, damaged and made again.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ledgerline_event_store::EventReader as _;
use ledgerline_event_store::crypt::KeyRing;
use ledgerline_event_store::crypt::at_rest::StorageKeys;
use ledgerline_schemas::Position;

use crate::checksum::{TableChecksum, checksum};
use crate::engine::{self, Engine};
use crate::error::ProjectionError;
use crate::manifest::SharedStore;
use crate::past::Past;
use crate::plan::Limits;
use crate::projections::Options;
use crate::store::Files;
use crate::tables;
use crate::tests::script::{ORG, Script, advance, open, open_with, options};
use crate::tests::storage::{Dying, calls, content, files, unsynced};
use crate::upkeep::{Done, Upkeep};

pub(super) const ON: &(dyn Fn() -> bool + Sync) = &|| true;

/// Small groups, so that short logs have several levels of them.
pub(super) const LIMITS: Limits = Limits { fan_in: 3, rows_max: 1_000, bytes_max: 1 << 20 };

pub(super) type Sums = BTreeMap<&'static str, TableChecksum>;

pub(super) fn upkeep(engine: &Engine, script: &Script, options: Options, limits: Limits) -> Upkeep {
    Upkeep::new(Arc::clone(engine.ledger()), script.reader(), options, limits)
}

/// Does what there is to do; gives what was done.
pub(super) fn kept_up(mut upkeep: Upkeep) -> Result<Vec<Done>, ProjectionError> {
    let mut all = Vec::new();
    while let Some(done) = upkeep.step(ON)? {
        all.push(done);
    }
    Ok(all)
}

pub(super) fn sums(engine: &mut Engine) -> Sums {
    checksum(&engine.snapshot().unwrap()).unwrap()
}

/// The tables after the first events, never committed.
pub(super) fn fresh(script: &Script, to: Position) -> Sums {
    let dir = tempfile::tempdir().unwrap();
    let mut engine = open(dir.path(), options(u64::MAX, 0));
    advance(&mut engine, &script.log, to, 1_000).unwrap();
    sums(&mut engine)
}

fn parquet(dir: &Path) -> Vec<PathBuf> {
    let is_table = |path: &PathBuf| path.extension().is_some_and(|it| it == "parquet");
    files(dir).into_iter().filter(is_table).collect()
}

#[test]
fn merged_files_are_the_same_rows_and_the_old_ones_go() {
    let script = calls(60);
    let head = script.log.head();
    let settings = options(16, 8);
    let dir = tempfile::tempdir().unwrap();
    let mut engine = open(dir.path(), settings);
    advance(&mut engine, &script.log, head, 16).unwrap();
    let held = engine.snapshot().unwrap();
    let before = checksum(&held).unwrap();
    let many = parquet(dir.path());

    let done = kept_up(upkeep(&engine, &script, settings, LIMITS)).unwrap();
    assert!(done.iter().filter(|it| **it == Done::Merged).count() > 20, "{done:?}");
    assert_eq!(sums(&mut engine), before);
    assert_eq!(checksum(&held).unwrap(), before, "whoever has a snapshot can read it");
    assert!(many.iter().all(|path| path.exists()));
    drop(held);
    let few = parquet(dir.path());
    assert!(few.len() * 3 < many.len(), "{} files of {}", few.len(), many.len());
    // 15 commits: nine in a file, three in another, three more.
    let legs = &engine.snapshot().unwrap().tables["queue_leg"];
    let spans: Vec<_> = engine.ledger().layout().tables["queue_leg"]
        .iter()
        .map(|it| (it.from.0, it.to.0))
        .collect();
    assert_eq!(spans, [(0, 144), (144, 192), (192, 240)]);
    let cold: u64 = legs.cold.iter().map(|file| file.rows).sum();
    let hot: usize = legs.hot.iter().map(|batch| batch.num_rows()).sum();
    assert_eq!(cold + hot as u64, before["queue_leg"].rows);

    // The same after a restart, and nothing is left to do or to tidy up.
    drop(engine);
    let on_disk = content(dir.path());
    let mut engine = open(dir.path(), settings);
    advance(&mut engine, &script.log, head, 16).unwrap();
    assert_eq!(sums(&mut engine), before);
    let done = kept_up(upkeep(&engine, &script, settings, LIMITS)).unwrap();
    assert_eq!(done.len(), few.len(), "every file is looked at once: {done:?}");
    assert!(done.iter().all(|it| *it == Done::Verified));
    assert_eq!(content(dir.path()), on_disk);
}

#[test]
fn every_position_is_what_it_was_and_commits_fit_the_log_though_files_were_merged() {
    let script = calls(40);
    let head = script.log.head();
    for state_bytes_max in [u64::MAX, 0] {
        let settings = Options { state_bytes_max, ..options(16, 8) };
        let dir = tempfile::tempdir().unwrap();
        let mut engine = open(dir.path(), settings);
        advance(&mut engine, &script.log, head, 16).unwrap();
        let past = Past::new(script.reader(), Arc::clone(engine.ledger()), settings);
        let unmerged: Vec<_> = tables::ALL
            .iter()
            .map(|def| past.check(def, Position::START, head, ON).unwrap())
            .collect();
        kept_up(upkeep(&engine, &script, settings, LIMITS)).unwrap();
        for position in 0..=head.0 {
            let then = past.snapshot_at(Position(position), ON).unwrap();
            let expected = fresh(&script, Position(position));
            assert_eq!(checksum(&then).unwrap(), expected, "position {position}");
            for (name, table) in &then.tables {
                let rows: u64 = table.cold.iter().map(|file| file.rows).sum();
                let hot: usize = table.hot.iter().map(|batch| batch.num_rows()).sum();
                assert_eq!(rows + hot as u64, expected[name].rows, "{name} at {position}");
            }
        }
        for (def, unmerged) in tables::ALL.iter().zip(unmerged) {
            let checks = past.check(def, Position::START, head, ON).unwrap();
            assert!(checks.iter().all(|it| it.stored == it.replayed), "{}", def.name);
            assert_eq!(checks, unmerged, "{}", def.name);
        }
    }
}

/// Commits and exchanges in turn, as a running system makes them, but always in the same order.
pub(super) fn run(
    store: SharedStore,
    dir: &Path,
    script: &Script,
    settings: Options,
) -> Result<Engine, ProjectionError> {
    let mut engine = open_with(store, dir, settings)?;
    loop {
        kept_up(upkeep(&engine, script, settings, LIMITS))?;
        let here = engine.fold.position;
        if here >= script.log.head() {
            return Ok(engine);
        }
        let next = Position((here.0 / 40 + 1) * 40).min(script.log.head());
        advance(&mut engine, &script.log, next, 16)?;
    }
}

#[test]
fn a_crash_at_any_write_of_commits_and_exchanges_leaves_tables_that_go_on_to_the_same_files() {
    let script = calls(30);
    let settings = options(40, 20);
    let calm = tempfile::tempdir().unwrap();
    let mut engine = run(unsynced(), calm.path(), &script, settings).unwrap();
    let expected = sums(&mut engine);
    drop(engine);
    let expected_files = content(calm.path());
    assert!(expected_files.keys().any(|path| path.to_string_lossy().contains("-x2.parquet")));
    assert_eq!(expected, fresh(&script, script.log.head()));

    let mut crashes = 0;
    for writes in 0.. {
        let dir = tempfile::tempdir().unwrap();
        let disk = Dying::after(writes);
        let done = run(disk.clone(), dir.path(), &script, settings).is_ok();
        if !done {
            crashes += 1;
            disk.die();
        }
        let mut engine = run(unsynced(), dir.path(), &script, settings)
            .unwrap_or_else(|error| panic!("after {writes} writes: {error}"));
        assert_eq!(sums(&mut engine), expected, "after {writes} writes");
        drop(engine);
        assert_eq!(content(dir.path()), expected_files, "after {writes} writes");
        if done {
            break;
        }
    }
    assert!(crashes > 60, "{crashes} crashes");
}

/// Tables with merged and unmerged files, and their folder.
fn laid_out(script: &Script, settings: Options) -> (tempfile::TempDir, Sums) {
    let dir = tempfile::tempdir().unwrap();
    let mut engine = open(dir.path(), settings);
    advance(&mut engine, &script.log, script.log.head(), 16).unwrap();
    kept_up(upkeep(&engine, script, settings, LIMITS)).unwrap();
    let sums = sums(&mut engine);
    (dir, sums)
}

/// Opens damaged tables as a server does, follows the log to its head, and holds the rows against what they
/// have to be.
pub(super) fn opens_and_is_whole(
    dir: &Path,
    script: &Script,
    settings: Options,
    expected: &Sums,
    what: &str,
) {
    let opened = Engine::open_mending(unsynced(), dir, &script.reader(), settings);
    let mut engine = opened.unwrap_or_else(|error| panic!("{what}: {error}"));
    kept_up(upkeep(&engine, script, settings, LIMITS)).unwrap_or_else(|it| panic!("{what}: {it}"));
    advance(&mut engine, &script.log, script.log.head(), 16).unwrap();
    assert_eq!(&sums(&mut engine), expected, "{what}");
}

pub(super) fn copied(from: &Path) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    for (name, bytes) in content(from) {
        let path = dir.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }
    dir
}

#[test]
fn every_lost_file_comes_back_from_the_log() {
    let script = calls(21);
    let settings = options(16, 8);
    let (dir, expected) = laid_out(&script, settings);
    let all: Vec<PathBuf> = content(dir.path()).into_keys().collect();
    let of = |what: &str| all.iter().filter(|path| path.to_string_lossy().contains(what)).count();
    assert!(of(".parquet") > 10 && of("manifest") == 5 && of("exchange") > 3 && of("state") == 5);
    for name in &all {
        for (how, cut) in [("lost", false), ("cut off", true)] {
            let copy = copied(dir.path());
            let path = copy.path().join(name);
            if cut {
                let bytes = std::fs::read(&path).unwrap();
                std::fs::write(&path, &bytes[..bytes.len() / 2]).unwrap();
            } else {
                std::fs::remove_file(&path).unwrap();
            }
            let what = format!("{} is {how}", name.display());
            opens_and_is_whole(copy.path(), &script, settings, &expected, &what);
        }
    }
    // All states at once; all files of a table; everything but the log.
    for folder in ["state", "queue_leg", "event_log", "exchange", "manifest", ""] {
        let copy = copied(dir.path());
        let folder = copy.path().join("g1").join(folder);
        std::fs::remove_dir_all(&folder).unwrap();
        let what = format!("{} is gone", folder.display());
        opens_and_is_whole(copy.path(), &script, settings, &expected, &what);
    }
}

#[test]
fn a_changed_byte_anywhere_is_noticed_and_made_good() {
    let script = calls(21);
    let settings = options(16, 8);
    let (dir, expected) = laid_out(&script, settings);
    let whole = content(dir.path());
    let mut tried = 0;
    for (index, (name, bytes)) in whole.iter().enumerate() {
        // Two places in each file, other ones in each: heads, ends, and what is between.
        let places = [bytes.len() * (index % 13) / 13, bytes.len() / 2 + index];
        let places: BTreeSet<usize> = places.into_iter().filter(|at| *at < bytes.len()).collect();
        for at in places {
            let copy = copied(dir.path());
            let mut changed = bytes.clone();
            changed[at] ^= 1 << (at % 8);
            std::fs::write(copy.path().join(name), changed).unwrap();
            // Before upkeep has looked at anything, a read is an error or right, never something else.
            let opened = Engine::open_mending(unsynced(), copy.path(), &script.reader(), settings);
            let mut engine = opened.unwrap();
            advance(&mut engine, &script.log, script.log.head(), 16).unwrap();
            let what = format!("byte {at} of {}", name.display());
            match checksum(&engine.snapshot().unwrap()) {
                Ok(found) => assert_eq!(found, expected, "{what}"),
                Err(error) => {
                    assert!(matches!(error, ProjectionError::Damaged { .. }), "{what}: {error}");
                    assert!(name.extension().is_some_and(|it| it == "parquet"), "{what}: {error}");
                }
            }
            drop(engine);
            opens_and_is_whole(copy.path(), &script, settings, &expected, &what);
            tried += 1;
        }
    }
    assert!(tried > 40, "{tried} places");
}

#[test]
fn what_a_reader_reports_is_looked_at_first_and_damage_does_not_spread_by_merging() {
    let script = calls(45);
    let settings = options(16, 8);
    let dir = tempfile::tempdir().unwrap();
    let mut engine = open(dir.path(), settings);
    advance(&mut engine, &script.log, script.log.head(), 16).unwrap();
    let expected = sums(&mut engine);
    let file = engine.snapshot().unwrap().tables["queue_leg"].cold[1].clone();
    let mut bytes = std::fs::read(&file.path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 4;
    std::fs::write(&file.path, &bytes).unwrap();
    assert!(matches!(checksum(&engine.snapshot().unwrap()), Err(ProjectionError::Damaged { .. })));
    file.lease.suspect();
    let mut upkeep = upkeep(&engine, &script, settings, LIMITS);
    assert_eq!(upkeep.step(ON).unwrap(), Some(Done::Mended));
    assert_eq!(sums(&mut engine), expected);
    // Another one that nobody has read: it is to be merged, and is mended instead.
    let file = engine.snapshot().unwrap().tables["event_log"].cold[0].clone();
    let mut bytes = std::fs::read(&file.path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 4;
    std::fs::write(&file.path, &bytes).unwrap();
    let done = kept_up(upkeep).unwrap();
    assert_eq!(done.iter().filter(|it| **it == Done::Mended).count(), 1);
    assert_eq!(sums(&mut engine), expected);
    drop((engine, file));
    let mut engine = open(dir.path(), settings);
    advance(&mut engine, &script.log, script.log.head(), 16).unwrap();
    assert_eq!(sums(&mut engine), expected);
}

#[test]
fn a_full_disk_leaves_the_files_as_they_are() {
    let script = calls(45);
    let settings = options(16, 8);
    let dir = tempfile::tempdir().unwrap();
    let mut engine = open(dir.path(), settings);
    advance(&mut engine, &script.log, Position(176), 16).unwrap();
    let expected = sums(&mut engine);
    let opening = {
        let copy = copied(dir.path());
        let mut writes = 0;
        while open_with(Dying::after(writes), copy.path(), settings).is_err() {
            writes += 1;
        }
        writes
    };
    for writes in (opening..opening + 40).step_by(3) {
        let copy = copied(dir.path());
        let mut engine = open_with(Dying::after(writes), copy.path(), settings).unwrap();
        kept_up(upkeep(&engine, &script, settings, LIMITS)).unwrap_err();
        let calm: SharedStore = engine::disk();
        assert_eq!(sums(&mut engine), expected, "after {writes} writes");
        drop(engine);
        let mut engine = open_with(calm, copy.path(), settings).unwrap();
        kept_up(upkeep(&engine, &script, settings, LIMITS)).unwrap();
        assert_eq!(sums(&mut engine), expected, "after {writes} writes");
    }
}

#[test]
fn encrypted_files_are_merged_and_mended_as_encrypted_files() {
    let script = calls(30);
    let settings = options(16, 8);
    let ring = KeyRing::in_memory().unwrap();
    let sealed =
        || Files { store: unsynced(), cipher: Arc::new(StorageKeys::new(ring.clone(), ORG, true)) };
    let dir = tempfile::tempdir().unwrap();
    let mut engine = Engine::open(sealed(), dir.path(), ORG, settings).unwrap();
    advance(&mut engine, &script.log, Position(112), 16).unwrap();
    let expected = sums(&mut engine);
    ring.rotate_storage(ORG).unwrap();
    let done = kept_up(upkeep(&engine, &script, settings, LIMITS)).unwrap();
    assert!(done.contains(&Done::Merged));
    assert_eq!(sums(&mut engine), expected);
    drop(engine);
    let is_clear = |bytes: &Vec<u8>| bytes.windows(4).any(|it| it == b"PAR1");
    assert!(!content(dir.path()).values().any(is_clear));

    let lost = parquet(dir.path()).into_iter().find(|it| it.to_string_lossy().contains("-x"));
    std::fs::remove_file(lost.unwrap()).unwrap();
    let opened = Engine::open_mending(sealed(), dir.path(), &script.reader(), settings);
    assert_eq!(sums(&mut opened.unwrap()), expected);
    assert!(!content(dir.path()).values().any(is_clear));
    // A key that is not there is not damage: nothing is built anew without it.
    let before = content(dir.path());
    let keyless = Engine::open_mending(unsynced(), dir.path(), &script.reader(), settings);
    assert!(matches!(keyless, Err(ProjectionError::Cipher { .. })));
    assert_eq!(content(dir.path()), before);
}
