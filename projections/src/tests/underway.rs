//! Commits that are written while the folds go on.

use std::io;
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex};

use ledgerline_event_store::{Direction, EventReader, Filter};
use ledgerline_schemas::Position;

use crate::checksum::checksum;
use crate::engine::Engine;
use crate::error::ProjectionError;
use crate::hot::Sink;
use crate::snapshot::Snapshot;
use crate::store::{Disk, Store};
use crate::tests::script::{Script, open, open_with, options};
use crate::tests::storage::calls;

/// What the disk does with the files of tables.
#[derive(Debug, Default, PartialEq)]
enum Gate {
    /// It keeps whoever writes one waiting.
    #[default]
    Closed,
    Open,
    /// It is full.
    Full,
}

/// A disk that takes its time.
#[derive(Debug, Default)]
struct Slow {
    gate: Mutex<Gate>,
    moved: Condvar,
}

impl Slow {
    fn turn(&self, to: Gate) {
        *self.gate.lock().unwrap() = to;
        self.moved.notify_all();
    }
}

impl Store for Slow {
    fn make_dir(&self, dir: &Path) -> io::Result<()> {
        Disk.make_dir(dir)
    }

    fn create(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        if path.extension().is_some_and(|it| it == "parquet") {
            let gate = self.gate.lock().unwrap();
            let gate = self.moved.wait_while(gate, |gate| *gate == Gate::Closed).unwrap();
            if *gate == Gate::Full {
                return Err(io::Error::from(io::ErrorKind::StorageFull));
            }
        }
        Disk.create(path, bytes)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        Disk.rename(from, to)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        Disk.sync_dir(dir)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        Disk.remove(path)
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        Disk.list(dir)
    }

    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        Disk.read(path)
    }

    fn read_head(&self, path: &Path, bytes: usize) -> io::Result<Vec<u8>> {
        Disk.read_head(path, bytes)
    }

    fn size(&self, path: &Path) -> io::Result<u64> {
        Disk.size(path)
    }
}

/// Folds up to a position that lies before the next commit.
fn fold_to(engine: &mut Engine, script: &Script, to: u64) {
    let from = engine.fold.position;
    let max = usize::try_from(to - from.0).unwrap();
    let read = script.log.read_all(from, Direction::Forward, &Filter::all(), max).unwrap();
    assert_eq!(engine.apply(&read.events, &mut Sink::new(false)), max);
}

/// The tables up to a position without any commit.
fn plain(script: &Script, to: u64) -> Snapshot {
    let dir = tempfile::tempdir().unwrap();
    let mut engine = open(dir.path(), options(u64::MAX, 16));
    fold_to(&mut engine, script, to);
    engine.snapshot().unwrap()
}

fn cold_rows(snapshot: &Snapshot) -> u64 {
    snapshot.tables.values().flat_map(|table| table.cold.iter()).map(|file| file.rows).sum()
}

#[test]
fn the_folds_go_on_while_a_commit_is_written_and_every_row_is_shown_once() {
    let script = calls(60);
    let dir = tempfile::tempdir().unwrap();
    let store = Arc::new(Slow::default());
    let mut engine = open_with(store.clone(), dir.path(), options(64, 16)).unwrap();
    fold_to(&mut engine, &script, 64);
    assert!(engine.is_due());
    engine.begin_commit().unwrap();
    // Not twice at one position; and the files are not there yet.
    assert!(!engine.is_due());
    let at_once = engine.snapshot().unwrap();
    assert_eq!(cold_rows(&at_once), 0);
    assert_eq!(checksum(&at_once).unwrap(), checksum(&plain(&script, 64)).unwrap());
    fold_to(&mut engine, &script, 100);
    let later = engine.snapshot().unwrap();
    assert_eq!((later.position, cold_rows(&later)), (Position(100), 0));
    assert_eq!(checksum(&later).unwrap(), checksum(&plain(&script, 100)).unwrap());
    assert!(!engine.is_written());

    store.turn(Gate::Open);
    futures::executor::block_on(engine.written());
    assert!(engine.is_written());
    assert!(engine.finish_commit().unwrap());
    assert!(!engine.finish_commit().unwrap(), "it is part of the tables already");
    let finished = engine.snapshot().unwrap();
    assert!(cold_rows(&finished) > 0);
    assert_eq!(checksum(&finished).unwrap(), checksum(&later).unwrap());
    // The commit is of its own position, whatever was folded since.
    drop(engine);
    let again = open(dir.path(), options(64, 16));
    assert_eq!(again.fold.position, Position(64));
}

#[test]
fn the_next_commit_waits_for_the_one_before() {
    let script = calls(60);
    let dir = tempfile::tempdir().unwrap();
    let store = Arc::new(Slow::default());
    let mut engine = open_with(store.clone(), dir.path(), options(64, 16)).unwrap();
    fold_to(&mut engine, &script, 64);
    engine.begin_commit().unwrap();
    fold_to(&mut engine, &script, 128);
    assert!(engine.is_due());
    std::thread::scope(|scope| {
        scope.spawn(|| store.turn(Gate::Open));
        engine.begin_commit().unwrap();
    });
    engine.finish_commit().unwrap();
    let snapshot = engine.snapshot().unwrap();
    assert_eq!(checksum(&snapshot).unwrap(), checksum(&plain(&script, 128)).unwrap());
    drop(engine);
    let mut again = open(dir.path(), options(64, 16));
    assert_eq!(again.fold.position, Position(128));
    assert_eq!(checksum(&again.snapshot().unwrap()).unwrap(), checksum(&snapshot).unwrap());
}

#[test]
fn a_commit_that_cannot_be_written_is_none() {
    let script = calls(60);
    let dir = tempfile::tempdir().unwrap();
    let store = Arc::new(Slow::default());
    let mut engine = open_with(store.clone(), dir.path(), options(64, 16)).unwrap();
    fold_to(&mut engine, &script, 64);
    engine.begin_commit().unwrap();
    store.turn(Gate::Full);
    assert!(matches!(engine.finish_commit(), Err(ProjectionError::Io { .. })));
    drop(engine);
    let mut again = open(dir.path(), options(64, 16));
    assert_eq!(again.fold.position, Position::START);
    fold_to(&mut again, &script, 64);
    again.commit().unwrap();
    let snapshot = again.snapshot().unwrap();
    assert_eq!(checksum(&snapshot).unwrap(), checksum(&plain(&script, 64)).unwrap());
}
