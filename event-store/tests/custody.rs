//! Custody of a log: what is signed and proved, and that every change of the log is found where it is.

#![allow(clippy::unwrap_used, reason = "a test helper that cannot go on should fail the test")]

mod common;

use std::path::Path;

use common::{ORG, append, event, small_segments};
use ledgerline_event_store::custody::verify::{
    self, Checkpoint, Evidence, Exact, Finding, How, PublicKey, Report, StreamStatement,
};
use ledgerline_event_store::custody::{Custody, CustodyError, CustodyKey, leaf, leaf_hash};
use ledgerline_event_store::{EmbeddedLog, EventWriter as _};
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
    let log = EmbeddedLog::open(folder, ORG, small_segments()).unwrap();
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

#[test]
fn an_untouched_log_fits_every_checkpoint() {
    let audited = audited();
    let own = audited.custody.checkpoints();
    let evidence = Evidence { outside: &audited.outside, own: Some(own), tiles: &[] };
    let mut last = Position::START;
    let report = verify::log(&audited.log, &evidence, &mut |at, _| last = at);
    assert_eq!(report.findings, []);
    assert_eq!((report.outside, report.own), (vec![300, 700], vec![300, 700]));
    assert_eq!((report.events, last), (700, Position(700)));
}

#[test]
fn an_edited_event_is_found() {
    let audited = audited();
    for position in [1, 2, 299, 300, 301, 512, 513, 699, 700] {
        let edits: [fn(&mut NewEvent); 4] = [
            |event| event.payload.push(0),
            |event| event.actor.id.push('x'),
            |event| event.event_type = "queue.left".into(),
            |event| event.traceparent = Some("00-another".to_owned()),
        ];
        let edit = edits[position % edits.len()];
        let (located, bounded) = audited.rewritten(|events| edit(&mut events[position - 1]));
        let position = position as u64;
        assert_eq!(exact(&located), (position, 1, Some(How::Edited)));
        assert_eq!(bounded, between(position));
    }
}

#[test]
fn deleted_events_are_found() {
    let audited = audited();
    for (position, count) in [(1, 1), (250, 1), (301, 1), (400, 5), (500, 20)] {
        let (located, bounded) = audited.rewritten(|events| {
            events.drain(position - 1..position - 1 + count);
            // The log goes on, so that its length does not tell.
            events.extend(more(5_000, count));
        });
        let (at, differing, how) = exact(&located);
        assert_eq!((at, how), (position as u64, Some(How::Deleted(count as u64))));
        let size = if position <= 300 { 300 } else { 700 };
        assert_eq!(differing, size - position as u64 + 1, "all behind it moved");
        assert_eq!(bounded, between(position as u64));
    }
}

#[test]
fn inserted_events_are_found() {
    let audited = audited();
    for (position, count) in [(1, 1), (300, 2), (450, 3)] {
        let (located, bounded) = audited.rewritten(|events| {
            events.splice(position - 1..position - 1, more(5_000, count));
        });
        let (at, _, how) = exact(&located);
        assert_eq!((at, how), (position as u64, Some(How::Inserted(count as u64))));
        assert_eq!(bounded, between(position as u64));
    }
}

#[test]
fn reordered_events_are_found() {
    let audited = audited();
    // Neighbours; farther apart; and two of one stream, whose versions change places too.
    for (left, right) in [(1, 2), (299, 300), (340, 345), (600, 607)] {
        let (located, bounded) = audited.rewritten(|events| events.swap(left - 1, right - 1));
        let (at, differing, how) = exact(&located);
        assert_eq!((at, how), (left as u64, Some(How::Swapped(Position(right as u64)))));
        assert_eq!(differing, 2);
        assert_eq!(bounded, between(left as u64));
    }
}

#[test]
fn a_log_that_was_cut_off_is_found() {
    let audited = audited();
    let (located, bounded) = audited.rewritten(|events| events.truncate(650));
    assert_eq!(exact(&located), (651, 0, None), "what is left is unchanged");
    assert_eq!(bounded, Finding::Truncated { size: 700, head: Position(650), exact: None });
    // Cut off, and edited before the cut.
    let (located, _) = audited.rewritten(|events| {
        events.truncate(650);
        events[400].payload.push(1);
    });
    assert_eq!(exact(&located), (401, 1, Some(How::Edited)));
}

#[test]
fn a_log_that_was_cut_off_and_written_anew_is_found() {
    let audited = audited();
    let (located, bounded) = audited.rewritten(|events| {
        events.truncate(520);
        events.extend(more(9_000, 300));
    });
    assert_eq!(exact(&located), (521, 180, Some(How::Edited)));
    assert_eq!(bounded, between(521));
}

#[test]
fn two_histories_under_one_key_are_a_fork() {
    let audited = audited();
    let folder = tempfile::tempdir().unwrap();
    let mut events = audited.events.clone();
    events[600].payload.push(9);
    events.extend(more(9_000, 20));
    let log = log_of(&folder.path().join("log"), &events[..700]);
    let mut other = custody(&folder.path().join("custody"));
    let same_size = sign(&mut other, &log);
    assert_eq!(same_size.size, 700);

    // Two checkpoints of one size need no log.
    let both = [audited.outside[1].clone(), same_size];
    let evidence = Evidence { outside: &both, own: None, tiles: &[] };
    let report = verify::log(&audited.log, &evidence, &mut |_, _| {});
    let fork = Finding::Fork { size: 700, other: 700, after: Position::START, exact: None };
    assert_eq!(report.findings, std::slice::from_ref(&fork));
    // Not even one that fits either of them.
    let short = log_of(&folder.path().join("short"), &events[..10]);
    let report = verify::log(&short, &evidence, &mut |_, _| {});
    assert!(report.findings.contains(&fork), "{:?}", report.findings);

    // Of different sizes: the log beside them decides which one it fits.
    extend(&log, &events[700..]);
    sign(&mut other, &log);
    let tiles = [other.folder(), audited.custody.folder()];
    let evidence =
        Evidence { outside: &audited.outside, own: Some(other.checkpoints()), tiles: &tiles };
    let report = verify::log(&log, &evidence, &mut |_, _| {});
    let forked =
        report.findings.iter().find(|it| matches!(it, Finding::Fork { exact: Some(_), .. }));
    let exact = Exact { position: Position(601), differing: 1, how: Some(How::Edited) };
    let expected =
        Finding::Fork { size: 700, other: 700, after: Position(300), exact: Some(exact) };
    assert_eq!(forked, Some(&expected), "{:?}", report.findings);
    // Its own history knows nothing of what was signed at 300.
    assert!(report.findings.contains(&Finding::NotInHistory { size: 300 }));
    // And no consistency proof leads from one to the other.
    let refused = other.prove_consistency(&log, &audited.outside[1], &mut |_, _| {});
    assert!(matches!(refused, Err(CustodyError::ProofFails { .. })), "{refused:?}");
}

#[test]
fn flipped_bytes_in_a_segment_are_found() {
    let audited = audited();
    let segment = audited.folder.path().join("log/00000000000000000001.seg");
    let mut bytes = std::fs::read(&segment).unwrap();
    bytes[3_000] ^= 0x10;
    std::fs::write(&segment, bytes).unwrap();
    let report = audited.without_tiles(&audited.log);
    let [Finding::Damaged { after, reason }] = report.findings.as_slice() else {
        panic!("{:?}", report.findings);
    };
    assert!(after.0 < 300 && reason.contains("00000000000000000001.seg"), "{after} {reason}");
}

#[test]
fn a_tree_grown_in_steps_is_the_tree_grown_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let events = events(1..=1_100);
    let log = EmbeddedLog::open(&folder.path().join("log"), ORG, small_segments()).unwrap();
    let stepwise = folder.path().join("stepwise");
    let mut done = 0;
    for until in [1, 2, 255, 256, 257, 512, 700, 1_023, 1_100] {
        extend(&log, &events[done..until]);
        done = until;
        let mut custody = custody(&stepwise);
        let signed = sign(&mut custody, &log);
        assert_eq!(signed.size, until as u64);
        assert_eq!(sign(&mut custody, &log), signed, "nothing new, nothing signed");
    }
    let mut at_once = custody(&folder.path().join("at-once"));
    sign(&mut at_once, &log);
    let stepwise = custody(&stepwise);
    assert_eq!(stepwise.newest(), at_once.newest());
    assert_eq!(stepwise.checkpoints().len(), 9);
    for tile in ["tile/0/000", "tile/0/001", "tile/0/003", "tile/0/004.p/76", "tile/1/000.p/4"] {
        let read = |custody: &Custody| std::fs::read(custody.folder().join(tile)).unwrap();
        assert_eq!(read(&stepwise), read(&at_once), "{tile}");
    }
}

#[test]
fn every_event_is_proved_and_no_other() {
    let mut audited = audited();
    let public = audited.custody.public_key().clone();
    for event in all(&audited.log).iter().step_by(13) {
        let proof = audited.custody.prove(&audited.log, event, &mut |_, _| {}).unwrap();
        let proved = verify::inclusion(&proof, &public).unwrap();
        assert_eq!(proved.index + 1, event.header.position.0);
        assert_eq!(proved.leaf, leaf(event));
        assert_eq!(proved.checkpoint, audited.outside[1]);
        let mut other = event.clone();
        other.payload.push(1);
        let refused = audited.custody.prove(&audited.log, &other, &mut |_, _| {});
        assert!(matches!(refused, Err(CustodyError::ProofFails { .. })), "{refused:?}");
    }
    extend(&audited.log, &events([9_999]));
    let newest = all(&audited.log).pop().unwrap();
    let refused = audited.custody.prove(&audited.log, &newest, &mut |_, _| {});
    assert!(matches!(
        refused,
        Err(CustodyError::NotCovered { position: Position(701), size: 700 })
    ));
}

#[test]
fn a_newer_checkpoint_continues_every_older_one() {
    let folder = tempfile::tempdir().unwrap();
    let log = EmbeddedLog::open(&folder.path().join("log"), ORG, small_segments()).unwrap();
    let mut custody = custody(&folder.path().join("custody"));
    sign(&mut custody, &log);
    for step in 0..12 {
        extend(&log, &events(1 + step * 50..=step * 50 + 50 - step));
        sign(&mut custody, &log);
    }
    let public = custody.public_key().clone();
    let newest = custody.newest().cloned().unwrap();
    let older = custody.checkpoints().to_vec();
    assert_eq!((older.len(), older[0].size), (13, 0));
    for old in &older {
        let proof = custody.prove_consistency(&log, old, &mut |_, _| {}).unwrap();
        assert_eq!(verify::consistency(old, &proof, &public).unwrap(), newest);
        let mut lying = old.clone();
        lying.root.0[0] ^= 1;
        assert!(verify::consistency(&lying, &proof, &public).is_err());
    }
}

#[test]
fn damaged_tiles_are_built_anew_and_never_proved_from() {
    let audited = audited();
    let tile = audited.custody.folder().join("tile/0/001");
    let event = &all(&audited.log)[300];
    let good = std::fs::read(&tile).unwrap();
    for damage in [None, Some(good[..8_000].to_vec()), Some(vec![0; 8_192])] {
        match damage {
            None => std::fs::remove_file(&tile).unwrap(),
            Some(bytes) => std::fs::write(&tile, bytes).unwrap(),
        }
        let mut custody = custody(audited.custody.folder());
        let proof = custody.prove(&audited.log, event, &mut |_, _| {}).unwrap();
        assert!(verify::inclusion(&proof, custody.public_key()).is_ok());
        assert_eq!(std::fs::read(&tile).unwrap(), good);
    }
    // Without the edge there is nothing to go on from: it is built anew before the next signature.
    std::fs::remove_dir_all(audited.custody.folder().join("tile")).unwrap();
    let mut custody = custody(audited.custody.folder());
    extend(&audited.log, &events([9_999]));
    assert_eq!(sign(&mut custody, &audited.log).size, 701);
    assert_eq!(std::fs::read(&tile).unwrap(), good);
}

#[test]
fn nothing_is_signed_over_a_log_that_does_not_continue() {
    let audited = audited();
    let shorter = tempfile::tempdir().unwrap();
    let log = log_of(shorter.path(), &audited.events[..699]);
    let mut again = custody(audited.custody.folder());
    let refused = again.checkpoint(&log, &mut |_, _| {});
    assert!(matches!(refused, Err(CustodyError::LogCut { head: Position(699), size: 700 })));

    let edited = tempfile::tempdir().unwrap();
    let mut events = audited.events.clone();
    events[3].payload.push(0);
    events.push(event(8_000, "interaction-1"));
    let log = log_of(edited.path(), &events);
    // With its tiles gone it has to read the log, and sees what became of it.
    std::fs::remove_dir_all(audited.custody.folder().join("tile")).unwrap();
    let mut again = custody(audited.custody.folder());
    let refused = again.checkpoint(&log, &mut |_, _| {});
    assert!(matches!(refused, Err(CustodyError::LogChanged { size: 700 })), "{refused:?}");
    assert_eq!(again.checkpoints().len(), 2);
}

/// Calls `refuses` with every single-bit change of a text that is still text, and of bytes that are not.
fn flip_every_bit(text: &str, accepts: impl Fn(&str) -> bool) {
    assert!(accepts(text));
    for bit in 0..text.len() * 8 {
        let mut bytes = text.as_bytes().to_vec();
        bytes[bit / 8] ^= 1 << (bit % 8);
        // What is not UTF-8 cannot even be given to the verifier.
        let Ok(flipped) = String::from_utf8(bytes) else { continue };
        assert!(!accepts(&flipped), "bit {bit} of:\n{text}");
    }
}

#[test]
fn every_flipped_bit_of_what_is_given_out_is_noticed() {
    let mut audited = audited();
    let public = audited.custody.public_key().clone();
    let old = audited.outside[0].clone();
    flip_every_bit(&old.note, |note| Checkpoint::open(note, &public).is_ok());
    let event = &all(&audited.log)[421];
    let proof = audited.custody.prove(&audited.log, event, &mut |_, _| {}).unwrap();
    flip_every_bit(&proof, |proof| verify::inclusion(proof, &public).is_ok());
    let proof = audited.custody.prove_consistency(&audited.log, &old, &mut |_, _| {}).unwrap();
    flip_every_bit(&proof, |proof| verify::consistency(&old, proof, &public).is_ok());
    let stream = StreamId::new("interaction-1");
    let statement = audited.custody.state(&stream, 1, leaf_hash(event)).unwrap();
    flip_every_bit(&statement, |note| StreamStatement::open(note, &public).is_ok());
    flip_every_bit(&audited.custody.vkey(), |vkey| PublicKey::parse(vkey).is_ok());
}

#[test]
fn the_example_of_the_specification_verifies() {
    let vkey = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k";
    let key = PublicKey::parse(vkey).unwrap();
    let note = "This is an example message.\n\n\u{2014} example.com/foo Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq\
                6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=\n";
    // It is signed as it should be, and no checkpoint.
    let refused = Checkpoint::open(note, &key).unwrap_err().to_string();
    assert!(refused.contains("fewer than three lines"), "{refused}");
}

#[test]
fn notes_are_taken_one_by_one_out_of_a_file() {
    let audited = audited();
    let file = std::fs::read_to_string(audited.custody.folder().join("checkpoints")).unwrap();
    let all: Vec<&str> = audited.outside.iter().map(|it| it.note.as_str()).collect();
    let found = |text: &str| -> Vec<String> {
        verify::notes(text).map(|(_, note)| note.to_owned()).collect()
    };
    assert_eq!(found(&file), all);
    assert_eq!(found(all[0]), all[..1]);
    assert_eq!(found(&format!("\n\n{}\n\n\n{}", all[0], all[1])), all);
    assert_eq!(verify::notes(&file).map(|(at, _)| at).last(), Some(all[0].len() + 1));
    assert!(found("\n\n").is_empty());
    for broken in ["x", "x\n", "x\n\n", "x\n\ny", "x\n\ny\n\nz"] {
        for (_, note) in verify::notes(broken) {
            assert!(Checkpoint::open(note, audited.custody.public_key()).is_err(), "{broken:?}");
        }
    }
}

#[test]
fn another_key_or_origin_is_refused() {
    let audited = audited();
    let note = &audited.outside[0].note;
    let name = audited.custody.origin();
    let other = CustodyKey::from_seed(&[4; 32]);
    let refused = Checkpoint::open(note, &PublicKey::parse(&other.vkey(name)).unwrap());
    assert!(matches!(refused, Err(verify::VerifyError::NotSigned { .. })), "{refused:?}");
    let renamed = PublicKey::parse(&key().vkey("ledgerline/orgs/another")).unwrap();
    assert!(Checkpoint::open(note, &renamed).is_err());
    // A signature of somebody else beside the log's does no harm.
    let cosigned = format!("{note}\u{2014} witness.example AAAAAAAA\n");
    assert!(Checkpoint::open(&cosigned, audited.custody.public_key()).is_ok());
}

#[test]
fn the_key_is_made_once_and_is_the_owners_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    let vkey = || CustodyKey::open_or_create(folder.path()).map(|key| key.vkey("a"));
    let first = vkey().unwrap();
    assert_eq!(vkey().unwrap(), first);
    let path = folder.path().join("custody.key");
    let mode = |mode| std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode));
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    mode(0o640).unwrap();
    assert!(vkey().unwrap_err().to_string().contains("chmod 600"));
    mode(0o600).unwrap();
    std::fs::write(&path, "something else\n").unwrap();
    assert!(vkey().unwrap_err().to_string().contains("not a signing key"));
    assert_eq!(format!("{:?}", key()), "CustodyKey");
}

#[test]
fn the_verifier_uses_nothing_of_the_prover() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/custody/verify");
    let mut files = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let source = std::fs::read_to_string(&path).unwrap();
        for line in source.lines().filter(|line| !line.trim_start().starts_with("//")) {
            let visible = line.replace("pub(in crate::custody)", "");
            let leaves = ["crate::custody", "super::super", "super::hash", "super::key"];
            let used = leaves.iter().find(|path| visible.contains(**path));
            assert_eq!(used, None, "{}: {line}", path.display());
            let own = !visible.contains("use crate::") || visible.contains("use crate::log::");
            assert!(own, "{}: {line}", path.display());
        }
        let is_root = path.file_name().is_some_and(|name| name == "mod.rs");
        assert!(!is_root || !source.contains("use super::"), "the root of the verifier looks up");
        files += 1;
    }
    assert!(files >= 8, "{files} files");
}
