//! Commits, crashes, restarts, damage.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use ledgerline_event_store::EventReader;
use ledgerline_schemas::Position;
use ledgerline_schemas::config::ChannelType;
use ledgerline_schemas::event::interaction::{
    Direction, InteractionCreated, InteractionEnded, LastStage, Relationship, TerminatingEnd,
    TerminationReason,
};
use ledgerline_schemas::event::queue::{QueueEntered, QueueLeaveReason, QueueLeft, QueueSource};
use ledgerline_schemas::id::{InteractionId, LegId, OrgId, QueueId};

use crate::checksum::checksum;
use crate::engine::{self, Engine};
use crate::error::ProjectionError;
use crate::rebuild::rebuild;
use crate::store::{Disk, Store};
use crate::tests::script::{ORG, Script, advance, open, open_with, options, rows};

/// Calls that all abandon after 10 s, one a second.
pub(super) fn calls(count: u128) -> Script {
    let mut script = Script::new();
    more_calls(&mut script, 1, count);
    script
}

/// The same once more, from a number on.
pub(super) fn more_calls(script: &mut Script, first: u128, count: u128) {
    for number in first..first + count {
        let interaction_id = InteractionId::from_u128(number);
        let (leg_id, queue_id) = (LegId::from_u128(number), QueueId::from_u128(number % 3));
        let now = number as i64 * 1_000;
        script.at(now, created_like(number));
        script.at(now, entered_like(number));
        let reason = QueueLeaveReason::Abandoned;
        script.at(
            now + 10_000,
            QueueLeft { interaction_id, leg_id, queue_id, reason, wait_ms: 10_000 },
        );
        script.at(now + 10_000, ended_like(number));
    }
}

pub(super) fn ended_like(number: u128) -> InteractionEnded {
    InteractionEnded {
        interaction_id: InteractionId::from_u128(number),
        terminating_end: TerminatingEnd::Customer,
        reason: TerminationReason::CustomerLeft,
        last_stage: LastStage::Queue,
    }
}

/// A disk that dies after so many writes: the write under way is torn, and names that were not made
/// durable are gone.
#[derive(Debug)]
pub(super) struct Dying {
    left: Mutex<usize>,
    /// Names not yet durable, with what was there before.
    loose: Mutex<Vec<(PathBuf, Option<Vec<u8>>)>>,
}

impl Dying {
    pub(super) fn after(writes: usize) -> Arc<Self> {
        Arc::new(Self { left: Mutex::new(writes), loose: Mutex::default() })
    }

    fn spend(&self) -> io::Result<()> {
        let mut left = self.left.lock().unwrap();
        if *left == 0 {
            return Err(io::Error::other("the disk is dead"));
        }
        *left -= 1;
        Ok(())
    }

    pub(super) fn die(&self) {
        for (path, before) in self.loose.lock().unwrap().drain(..).rev() {
            let _ = std::fs::remove_file(&path);
            if let Some(bytes) = before {
                std::fs::write(&path, bytes).unwrap();
            }
        }
    }

    fn note(&self, path: &Path) {
        self.loose.lock().unwrap().push((path.to_owned(), std::fs::read(path).ok()));
    }
}

/// A disk that does not sync: for tests that are not about crashes.
pub(super) fn unsynced() -> crate::manifest::SharedStore {
    Dying::after(usize::MAX)
}

impl Store for Dying {
    fn make_dir(&self, dir: &Path) -> io::Result<()> {
        self.spend()?;
        std::fs::create_dir_all(dir)
    }

    fn create(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        if let Err(error) = self.spend() {
            std::fs::write(path, &bytes[..bytes.len() / 2])?;
            return Err(error);
        }
        assert!(!path.exists(), "{} is written twice", path.display());
        self.note(path);
        std::fs::write(path, bytes)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.spend()?;
        self.note(to);
        std::fs::rename(from, to)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        self.spend()?;
        self.loose.lock().unwrap().retain(|(path, _)| path.parent() != Some(dir));
        Ok(())
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.spend()?;
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

pub(super) fn files(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut dirs = vec![dir.to_owned()];
    while let Some(dir) = dirs.pop() {
        for entry in std::fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() { dirs.push(path) } else { found.push(path) }
        }
    }
    found.sort();
    found
}

/// What is on disk: every file by its name under `dir`, with its bytes.
pub(super) fn content(dir: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let name = |path: &Path| path.strip_prefix(dir).unwrap().to_owned();
    files(dir).into_iter().map(|path| (name(&path), std::fs::read(&path).unwrap())).collect()
}

#[test]
fn a_crash_at_any_write_leaves_tables_that_go_on_to_the_same_rows() {
    let script = calls(40);
    let head = script.log.head();
    let settings = options(40, 20);
    let calm = tempfile::tempdir().unwrap();
    let mut engine = open(calm.path(), settings);
    advance(&mut engine, &script.log, head, 16).unwrap();
    let expected = checksum(&engine.snapshot().unwrap()).unwrap();
    let expected_files = content(calm.path());
    assert!(expected_files.len() > 10, "several commits with files");

    let mut crashes = 0;
    for writes in 0.. {
        let dir = tempfile::tempdir().unwrap();
        let disk = Dying::after(writes);
        let outcome = open_with(disk.clone(), dir.path(), settings)
            .and_then(|mut engine| advance(&mut engine, &script.log, head, 16));
        let done = outcome.is_ok();
        if !done {
            crashes += 1;
            disk.die();
        }
        let mut engine = open_with(unsynced(), dir.path(), settings)
            .unwrap_or_else(|error| panic!("after {writes} writes: {error}"));
        advance(&mut engine, &script.log, head, 5).unwrap();
        let found = checksum(&engine.snapshot().unwrap()).unwrap();
        assert_eq!(found, expected, "after {writes} writes");
        assert_eq!(content(dir.path()), expected_files, "after {writes} writes");
        if done {
            break;
        }
    }
    assert!(crashes > 40, "{crashes} crashes");
}

#[test]
fn commits_lie_at_positions_whatever_the_pages() {
    let script = calls(30);
    let mut found = Vec::new();
    for page in [1, 7, 64, 1_000] {
        let dir = tempfile::tempdir().unwrap();
        let mut engine = open(dir.path(), options(32, 8));
        advance(&mut engine, &script.log, script.log.head(), page).unwrap();
        found.push(content(dir.path()));
    }
    assert!(found.windows(2).all(|pair| pair[0] == pair[1]));
    let names: Vec<_> = found[0].keys().map(|path| path.display().to_string()).collect();
    let file = "g1/event_log/00000000000000000032-00000000000000000064.parquet";
    assert!(names.iter().any(|name| name == file), "{names:?}");
}

#[test]
fn a_restart_begins_at_the_newest_commit_and_cold_rows_stay_readable() {
    let script = calls(30);
    let dir = tempfile::tempdir().unwrap();
    let settings = options(50, 10);
    let mut engine = open(dir.path(), settings);
    advance(&mut engine, &script.log, script.log.head(), 9).unwrap();
    let before = engine.snapshot().unwrap();
    drop(engine);
    let mut engine = open(dir.path(), settings);
    assert_eq!(engine.fold.position, Position(100));
    let at_commit = engine.snapshot().unwrap();
    assert_eq!(rows(&at_commit, "event_log").len(), 100);
    assert!(at_commit.tables["event_log"].hot.is_empty());
    let cold: u64 = at_commit.tables["queue_leg"].cold.iter().map(|file| file.rows).sum();
    assert!(cold > 10, "{cold} legs are cold");
    advance(&mut engine, &script.log, script.log.head(), 9).unwrap();
    let after = engine.snapshot().unwrap();
    assert_eq!(checksum(&after).unwrap(), checksum(&before).unwrap());
}

#[test]
fn a_rebuild_gives_the_same_checksums_in_a_new_generation() {
    let script = calls(30);
    let dir = tempfile::tempdir().unwrap();
    let settings = options(50, 10);
    let mut engine = open(dir.path(), settings);
    advance(&mut engine, &script.log, Position(60), 9).unwrap();
    drop(engine);
    let mut heard = Vec::new();
    let built = rebuild(&script.log, dir.path(), settings, |at, of| heard.push((at, of))).unwrap();
    assert_eq!(built.position, script.log.head());
    assert_eq!(built.before.unwrap().unwrap(), built.after);
    assert_eq!(built.epoch, 2);
    assert_eq!(heard.last(), Some(&(built.position, built.position)));
    let names = Disk.list(dir.path()).unwrap();
    assert_eq!(names, ["current", "g2"]);
    // Without any tables there is nothing to compare with, and the same comes out.
    let empty = tempfile::tempdir().unwrap();
    let again = rebuild(&script.log, empty.path(), settings, |_, _| {}).unwrap();
    assert!(again.before.is_none());
    assert_eq!(again.after, built.after);
    let mut engine = open(dir.path(), settings);
    assert_eq!(engine.snapshot().unwrap().epoch, 2);
}

#[test]
fn checksums_see_a_single_changed_value() {
    let one = calls(5);
    let mut other = calls(4);
    // The fifth call is the same but for its wait.
    other.at(5_000, created_like(5));
    let (interaction_id, leg_id) = (InteractionId::from_u128(5), LegId::from_u128(5));
    let queue_id = QueueId::from_u128(2);
    other.at(5_000, entered_like(5));
    let reason = QueueLeaveReason::Abandoned;
    other.at(15_000, QueueLeft { interaction_id, leg_id, queue_id, reason, wait_ms: 10_001 });
    other.at(
        15_000,
        InteractionEnded {
            interaction_id,
            terminating_end: TerminatingEnd::Customer,
            reason: TerminationReason::CustomerLeft,
            last_stage: LastStage::Queue,
        },
    );
    let sums = [one, other].map(|script| checksum(&super::script::fold(&script)).unwrap());
    let differing: Vec<_> =
        sums[0].keys().filter(|name| sums[0][*name] != sums[1][*name]).collect();
    assert_eq!(
        differing,
        [
            &"customer_session",
            &"event_log",
            &"interval_current",
            &"queue_interval",
            &"queue_leg",
            &"queue_live"
        ]
    );
    assert!(sums[0].keys().all(|name| sums[0][*name].rows == sums[1][*name].rows));
}

pub(super) fn created_like(number: u128) -> InteractionCreated {
    InteractionCreated {
        interaction_id: InteractionId::from_u128(number),
        channel_type: ChannelType::Voice,
        channel_sub_type: None,
        direction: Direction::Inbound,
        entry_point_id: None,
        origin: None,
        destination: None,
        customer_code: None,
        parent_interaction_id: None,
        relationship: Relationship::None,
        reason: None,
        preferred_agent_id: None,
        campaign_id: None,
        media_ref: None,
    }
}

pub(super) fn entered_like(number: u128) -> QueueEntered {
    QueueEntered {
        interaction_id: InteractionId::from_u128(number),
        leg_id: LegId::from_u128(number),
        queue_id: QueueId::from_u128(number % 3),
        leg_no: 1,
        priority: 10,
        wait_credit_ms: 0,
        requirements: Vec::new(),
        preferred_agent_id: None,
        source: QueueSource::Flow,
    }
}

#[test]
fn an_event_for_what_has_settled_is_in_the_event_log_only_and_a_rebuild_agrees() {
    let mut script = calls(30);
    let reason = QueueLeaveReason::Assigned;
    let (interaction_id, leg_id) = (InteractionId::from_u128(1), LegId::from_u128(1));
    let queue_id = QueueId::from_u128(1);
    script.at(90_000, QueueLeft { interaction_id, leg_id, queue_id, reason, wait_ms: 1 });
    let dir = tempfile::tempdir().unwrap();
    let settings = options(50, 10);
    let mut engine = open(dir.path(), settings);
    advance(&mut engine, &script.log, script.log.head(), 9).unwrap();
    let snapshot = engine.snapshot().unwrap();
    assert_eq!(rows(&snapshot, "event_log").len(), 121);
    let legs = rows(&snapshot, "queue_leg");
    assert_eq!(legs.len(), 30);
    assert!(legs.iter().all(|leg| leg["outcome"] == "abandoned"));
    drop(engine);
    let built = rebuild(&script.log, dir.path(), settings, |_, _| {}).unwrap();
    assert_eq!(built.before.unwrap().unwrap(), built.after);
}

#[test]
fn tables_that_do_not_fit_are_refused_by_name() {
    let script = calls(30);
    let dir = tempfile::tempdir().unwrap();
    let settings = options(50, 10);
    let mut engine = open(dir.path(), settings);
    advance(&mut engine, &script.log, script.log.head(), 9).unwrap();
    drop(engine);
    let foreign = Engine::open(engine::disk(), dir.path(), OrgId::from_u128(2), settings);
    assert!(matches!(foreign, Err(ProjectionError::Foreign { found, .. }) if found == ORG));

    let file = files(dir.path())
        .into_iter()
        .find(|path| path.extension().is_some_and(|it| it == "parquet"))
        .unwrap();
    let whole = std::fs::read(&file).unwrap();
    std::fs::write(&file, &whole[..whole.len() - 1]).unwrap();
    let damaged = open_with(engine::disk(), dir.path(), settings);
    assert!(matches!(damaged, Err(ProjectionError::Damaged { path, .. }) if path == file));
    std::fs::write(&file, &whole).unwrap();

    // Who may read the log makes it good.
    std::fs::write(&file, &whole[..whole.len() - 1]).unwrap();
    Engine::open_mending(engine::disk(), dir.path(), &script.reader(), settings).unwrap();
    open_with(engine::disk(), dir.path(), settings).unwrap();

    // A damaged state: the one before it serves, and the log brings it forward.
    let state = dir.path().join("g1/state/00000000000000000100.msgpack");
    std::fs::write(&state, b"nothing").unwrap();
    let mut engine = open(dir.path(), settings);
    assert_eq!(engine.fold.position, Position(50));
    advance(&mut engine, &script.log, script.log.head(), 9).unwrap();
    assert_eq!(engine.fold.position, script.log.head());
    assert_eq!(rows(&engine.snapshot().unwrap(), "queue_leg").len(), 30);
}

#[test]
fn cold_files_have_bloom_filters_and_are_in_order() {
    use parquet::file::reader::{FileReader as _, SerializedFileReader};
    let script = calls(30);
    let dir = tempfile::tempdir().unwrap();
    let mut engine = open(dir.path(), options(100, 10));
    advance(&mut engine, &script.log, script.log.head(), 9).unwrap();
    let snapshot = engine.snapshot().unwrap();
    let table = &snapshot.tables["queue_leg"];
    let file = std::fs::File::open(&table.cold[0].path).unwrap();
    let reader = SerializedFileReader::new(file).unwrap();
    let group = reader.metadata().row_group(0);
    for name in ["interaction_id", "leg_id", "agent_id"] {
        let index = table.def.column(name).unwrap();
        assert!(group.column(index).bloom_filter_offset().is_some(), "{name}");
    }
    assert!(
        reader.metadata().offset_index().is_some()
            || group.column(0).offset_index_offset().is_some()
    );
    let mut entered = Vec::new();
    for batch in crate::cold::read(&table.cold[0]).unwrap() {
        let batch = batch.unwrap();
        let column = batch.column_by_name("entered_time").unwrap();
        for row in 0..batch.num_rows() {
            entered.push(arrow::util::display::array_value_to_string(column, row).unwrap());
        }
    }
    assert!(entered.len() > 10 && entered.is_sorted());
}

#[test]
fn tables_ahead_of_the_log_are_refused() {
    let long = calls(30);
    let short = calls(2);
    let dir = tempfile::tempdir().unwrap();
    let settings = options(50, 10);
    let mut engine = open(dir.path(), settings);
    advance(&mut engine, &long.log, long.log.head(), 9).unwrap();
    drop(engine);
    let refused =
        crate::Projections::start(short.reader(), dir.path().to_owned(), settings).map(|_| ());
    assert!(
        matches!(
            refused,
            Err(ProjectionError::AheadOfLog { tables: Position(100), log: Position(8) })
        ),
        "{refused:?}"
    );
}
