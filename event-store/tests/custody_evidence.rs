//! The evidence bundle, verified the way a third party does: with Python and openssl.

#![allow(clippy::unwrap_used, reason = "a test helper that cannot go on should fail the test")]

mod common;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use common::{ORG, append, event, small_segments};
use ledgerline_event_store::custody::verify::{Checkpoint, PublicKey, StreamStatement, inclusion};
use ledgerline_event_store::custody::{Custody, CustodyError, CustodyKey};
use ledgerline_event_store::memory::MemoryLog;
use ledgerline_event_store::{Direction, EmbeddedLog, EventReader as _, EventWriter as _};
use ledgerline_schemas::{StreamId, Timestamp, Version};

const STREAM: &str = "interaction-4";

struct Exported {
    folder: tempfile::TempDir,
    vkey: String,
    older: Checkpoint,
}

impl Exported {
    fn bundle(&self) -> std::path::PathBuf {
        self.folder.path().join("bundle")
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.bundle().join(name)).unwrap()
    }
}

/// A log of 400 events, 80 of them in the stream, with checkpoints at 150 and 400.
fn exported() -> Exported {
    let folder = tempfile::tempdir().unwrap();
    let log = EmbeddedLog::open(&folder.path().join("log"), ORG, small_segments()).unwrap();
    let key = CustodyKey::open_or_create(folder.path()).unwrap();
    let mut custody = Custody::open(&folder.path().join("custody"), ORG, key).unwrap();
    let mut older = None;
    for id in 1..=400_u128 {
        let new = event(id, &format!("interaction-{}", id % 5));
        log.submit(append(vec![new])).unwrap().wait_blocking().unwrap();
        if id == 150 {
            older = Some(custody.checkpoint(&log, &mut |_, _| {}).unwrap());
        }
    }
    custody.checkpoint(&log, &mut |_, _| {}).unwrap();
    let stream = StreamId::new(STREAM);
    let bundle = folder.path().join("bundle");
    let exported = custody.export(&log, &stream, &bundle, &mut |_, _| {}).unwrap();
    assert_eq!((exported.events, exported.size), (80, 400));

    let again = custody.export(&log, &stream, &bundle, &mut |_, _| {});
    assert!(matches!(again, Err(CustodyError::Io { .. })), "evidence is not written over");
    let nobody = StreamId::new("interaction-nobody");
    let elsewhere = folder.path().join("elsewhere");
    let none = custody.export(&log, &nobody, &elsewhere, &mut |_, _| {});
    assert!(matches!(none, Err(CustodyError::NoEvents { .. })), "{none:?}");

    let older = older.unwrap();
    let consistency = custody.prove_consistency(&log, &older, &mut |_, _| {}).unwrap();
    fs::write(folder.path().join("consistency"), consistency).unwrap();
    fs::write(folder.path().join("older"), &older.note).unwrap();

    // Our own verifier, with nothing but the bundle and the events.
    let public = PublicKey::parse(&fs::read_to_string(bundle.join("vkey")).unwrap()).unwrap();
    let events = log.read_stream(&stream, Version(0), Direction::Forward, 1_000).unwrap();
    let statement = fs::read_to_string(bundle.join("stream-statement")).unwrap();
    let statement = StreamStatement::open(&statement, &public).unwrap();
    assert_eq!((statement.size, statement.events), (400, 80));
    assert!(statement.holds_for(&events));
    assert!(!statement.holds_for(&events[..79]) && !statement.holds_for(&events[1..]));
    for event in &events {
        let name = format!("proofs/{}.tlog-proof", event.header.position);
        let proof = fs::read_to_string(bundle.join(name)).unwrap();
        assert_eq!(inclusion(&proof, &public).unwrap().index + 1, event.header.position.0);
    }
    Exported { folder, vkey: custody.vkey(), older }
}

/// Whether the tools of the README are here.
fn tools() -> bool {
    let works = |tool: &str, argument: &str| {
        let mut command = Command::new(tool);
        command.arg(argument).stdout(Stdio::null()).stderr(Stdio::null());
        command.status().is_ok_and(|status| status.success())
    };
    let both = works("python3", "--version") && works("openssl", "version");
    if !both {
        eprintln!("skipped: python3 and openssl are needed to run the script of the bundle");
    }
    both
}

fn verify(bundle: &Path, arguments: &[&str]) -> (bool, String) {
    let mut command = Command::new("python3");
    command.arg("verify.py").args(arguments).current_dir(bundle).stdin(Stdio::null());
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned()
        + &String::from_utf8_lossy(&output.stderr);
    (output.status.success(), said)
}

#[test]
fn a_third_party_verifies_the_bundle() {
    let exported = exported();
    let readme = exported.read("README.md");
    assert!(
        readme.contains(&exported.vkey) && readme.contains(STREAM) && !readme.contains("{size}")
    );
    if !tools() {
        return;
    }
    let bundle = exported.bundle();
    let (good, said) = verify(&bundle, &["--vkey", &exported.vkey]);
    assert!(good && said.contains("80 events") && said.ends_with("VERIFIED\n"), "{said}");
    let (good, said) = verify(&bundle, &["--older", "../older", "--consistency", "../consistency"]);
    let line = format!("the checkpoint of size {} is of the same history", exported.older.size);
    assert!(good && said.contains(&line), "{said}");

    let other = CustodyKey::from_seed(&[9; 32]).vkey("ledgerline/orgs/another");
    let (good, said) = verify(&bundle, &["--vkey", &other]);
    assert!(!good && said.contains("not the key you trust"), "{said}");
}

#[test]
fn the_script_refuses_what_was_changed() {
    if !tools() {
        return;
    }
    let exported = exported();
    let bundle = exported.bundle();
    let lines: Vec<String> = exported.read("events.jsonl").lines().map(str::to_owned).collect();
    let changed = |index: usize, from: &str, to: &str| {
        let mut changed = lines.clone();
        assert!(changed[index].contains(from), "{}", changed[index]);
        changed[index] = changed[index].replace(from, to);
        changed.join("\n") + "\n"
    };
    let without = |index: usize| {
        let mut left = lines.clone();
        left.remove(index);
        left.join("\n") + "\n"
    };
    let swapped = {
        let mut swapped = lines.clone();
        swapped.swap(3, 4);
        swapped.join("\n") + "\n"
    };
    let checkpoint = exported.read("checkpoint");
    let statement = exported.read("stream-statement");
    let proof = exported.read("proofs/24.tlog-proof");
    let other = exported.read("proofs/29.tlog-proof");
    let cases: [(&str, String, &str); 11] = [
        // The readable form, the payload, the leaf.
        ("events.jsonl", changed(4, "queue.entered", "queue.left"), "position 24: type is"),
        (
            "events.jsonl",
            changed(4, "\"type\":\"agent\"", "\"type\":\"admin\""),
            "position 24: actor",
        ),
        (
            "events.jsonl",
            changed(4, "\"payload\":\"", "\"payload\":\"AAAA"),
            "position 24: the payload",
        ),
        ("events.jsonl", changed(4, "TExFM", "TExFN"), "position 24"),
        // What is missing, in front, in the middle and at the end.
        ("events.jsonl", without(0), "its version is 1, not 0"),
        ("events.jsonl", without(30), "its version is 31, not 30"),
        ("events.jsonl", without(79), "79 events here, 80 in the statement"),
        ("events.jsonl", swapped, "its version is 4, not 3"),
        ("checkpoint", checkpoint.replace("\n400\n", "\n401\n"), "checkpoint: the signature"),
        (
            "stream-statement",
            statement.replace("\n80\n", "\n79\n"),
            "stream-statement: the signature",
        ),
        ("proofs/24.tlog-proof", other, "position 24: the proof is for another leaf"),
    ];
    for (name, content, names) in cases {
        let path = bundle.join(name);
        let good = fs::read(&path).unwrap();
        assert_ne!(good, content.as_bytes(), "{name}");
        fs::write(&path, &content).unwrap();
        let (verified, said) = verify(&bundle, &[]);
        assert!(
            !verified && said.contains("NOT VERIFIED") && said.contains(names),
            "{name}: {said}"
        );
        assert!(!said.contains("Traceback"), "{said}");
        fs::write(&path, good).unwrap();
    }
    // A proof with another hash in its path.
    let path = bundle.join("proofs/24.tlog-proof");
    let hash = proof.lines().nth(5).unwrap();
    let first = if hash.starts_with('A') { 'B' } else { 'A' };
    fs::write(&path, proof.replace(hash, &format!("{first}{}", &hash[1..]))).unwrap();
    let (verified, said) = verify(&bundle, &[]);
    assert!(!verified && said.contains("does not lead to the root"), "{said}");
    fs::write(&path, proof).unwrap();
    assert!(verify(&bundle, &[]).0);
}

/// Every event type of the vocabulary: what the bundle shows of it is found to be its payload.
#[test]
fn the_script_reads_every_event_type() {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("../schemas/golden/v1.tsv");
    let golden = fs::read_to_string(golden).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let log = MemoryLog::new(ORG, || Timestamp::from_micros(77));
    let mut types = BTreeSet::new();
    for (id, line) in (1..).zip(golden.lines()) {
        let (event_type, rest) = line.split_once('\t').unwrap();
        // One event of each type keeps the test short.
        if !types.insert(event_type) {
            continue;
        }
        let hex = rest.split('\t').next().unwrap();
        let byte = |at: usize| u8::from_str_radix(&hex[at..at + 2], 16).unwrap();
        let mut new = event(id, STREAM);
        new.event_type = event_type.into();
        new.payload = (0..hex.len()).step_by(2).map(byte).collect();
        log.submit(append(vec![new])).unwrap().wait_blocking().unwrap();
    }
    assert!(types.len() >= 221, "{} types", types.len());
    let custody = folder.path().join("custody");
    let mut custody = Custody::open(&custody, ORG, CustodyKey::from_seed(&[5; 32])).unwrap();
    custody.checkpoint(&log, &mut |_, _| {}).unwrap();
    let bundle = folder.path().join("bundle");
    let stream = StreamId::new(STREAM);
    custody.export(&log, &stream, &bundle, &mut |_, _| {}).unwrap();
    let shown = fs::read_to_string(bundle.join("events.jsonl")).unwrap();
    assert!(!shown.contains("data_base64"), "every type of the vocabulary is decoded");
    if tools() {
        let (good, said) = verify(&bundle, &[]);
        assert!(good && said.contains(&format!("{} events", types.len())), "{said}");
    }
}
