//! What real clients said (`cargo xtask clients --record`), said again to a server with the same history: message by
//! message over TLS, without the clients. Columns, types, counts and contents of the answers are what the clients got.
//!
//! Where the tables or catalogs were meant to change, `LEDGERLINE_TRANSCRIPTS=write` writes the answers of this build
//! into the transcripts; what changed then shows in the difference.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test helper that cannot go on should fail the test"
)]

mod transcript;
mod wire;

/// What `cargo xtask clients` imports too.
#[path = "../../clients/sql/calls.rs"]
mod calls;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::Instant;

use ledgerline_tests::{Server, succeed, workspace};
use transcript::{Entry, Protocol};
use wire::{Door, Wire};

/// A server with the history that the clients were run against, and its door.
fn center(folder: &Path) -> (Server, Door) {
    let log = folder.join("queue_log");
    std::fs::write(&log, calls::queue_log()).expect("written");
    let data = folder.join("data");
    let (path, log) = (data.to_string_lossy(), log.to_string_lossy());
    let import = ["import", "asterisk-queue-log", "--org", "main", "--data", &path, &log];
    assert!(!succeed(&import).is_empty());
    let server = Server::start(&data, None);
    let roles = "analyst,auditor,administrator,supervisor";
    let user = ["token", "--role", roles, "--subject", "ann", "--sql-user", "--org", "main"];
    let said = succeed(&[&user[..], &["--data", &path]].concat());
    let password = said.lines().find_map(|line| line.strip_prefix("password ")).expect("shown");
    let certificate = find(&data, "pgwire-certificate.pem").expect("made at the start");
    let door = Door::new(server.sql, password.to_owned(), &certificate);
    until_counted(&door);
    (server, door)
}

fn find(folder: &Path, name: &str) -> Option<PathBuf> {
    let here = folder.join(name);
    if here.is_file() {
        return Some(here);
    }
    let entries = std::fs::read_dir(folder).ok()?;
    let folders = entries.flatten().map(|entry| entry.path()).filter(|path| path.is_dir());
    folders.into_iter().find_map(|folder| find(&folder, name))
}

/// Asks until the tables hold every call: a server answers before it has read its whole log again.
fn until_counted(door: &Door) {
    let mut wire = door.connect();
    let all = calls::CALLS;
    let sql = format!("select 1 from (select count(*) as n from queue_leg) where n = {all}");
    let count = Entry {
        connection: 0,
        protocol: Protocol::Simple,
        sql,
        types: Vec::new(),
        values: Vec::new(),
        formats: Vec::new(),
        limit: 0,
        answer: transcript::Answer::default(),
    };
    let began = Instant::now();
    while wire.ask(&count).rows != Some(1) {
        assert!(began.elapsed().as_secs() < 60, "the calls that were imported are not there");
    }
}

/// Says everything of a transcript again. Gives what is different, and the entries with the answers of now.
fn said_again(door: &Door, entries: &[Entry]) -> (Vec<String>, Vec<Entry>) {
    let mut open: BTreeMap<usize, Wire> = BTreeMap::new();
    let mut last: BTreeMap<usize, usize> = BTreeMap::new();
    for (at, entry) in entries.iter().enumerate() {
        last.insert(entry.connection, at);
    }
    let (mut different, mut now) = (Vec::new(), Vec::new());
    for (at, entry) in entries.iter().enumerate() {
        let wire = open.entry(entry.connection).or_insert_with(|| door.connect());
        let answer = entry.told(wire.ask(entry));
        if answer != entry.answer {
            let (then, now) = (&entry.answer, &answer);
            different.push(format!("{}\n    then {then:?}\n    now  {now:?}", entry.sql));
        }
        if last.get(&entry.connection) == Some(&at) {
            open.remove(&entry.connection);
        }
        now.push(Entry { answer, ..entry.clone() });
    }
    (different, now)
}

fn transcripts() -> Vec<PathBuf> {
    let folder = workspace().join("tests/clients/sql/transcripts");
    let entries = std::fs::read_dir(folder).expect("a folder");
    let mut files: Vec<_> = entries.map(|entry| entry.expect("an entry").path()).collect();
    files.retain(|file| file.extension().is_some_and(|it| it == "jsonl"));
    files.sort();
    files
}

#[test]
fn clients_get_what_they_got() {
    let files = transcripts();
    assert!(files.len() >= CLIENTS_MIN, "{} transcripts", files.len());
    let temporary = tempfile::tempdir().expect("folder");
    let (server, door) = center(temporary.path());
    let write = std::env::var("LEDGERLINE_TRANSCRIPTS").is_ok_and(|it| it == "write");
    let (queue, failures) = (Mutex::new(files), Mutex::new(Vec::new()));
    let statements = std::thread::scope(|scope| {
        let work = || {
            let mut statements = 0;
            loop {
                let Some(file) = queue.lock().expect("whole").pop() else { return statements };
                let entries = transcript::read(&file);
                statements += entries.len();
                let (different, now) = said_again(&door, &entries);
                if write {
                    transcript::write(&file, &now);
                } else if !different.is_empty() {
                    let name = file.file_stem().unwrap_or_default().to_string_lossy();
                    let text = format!("{name}: {}\n  {}", different.len(), different.join("\n  "));
                    failures.lock().expect("whole").push(text);
                }
            }
        };
        let workers = [scope.spawn(work), scope.spawn(work)];
        workers.into_iter().map(|worker| worker.join().expect("ends")).sum::<usize>()
    });
    assert!(statements >= STATEMENTS_MIN, "{statements} statements");
    let failures = failures.into_inner().expect("whole");
    assert!(
        failures.is_empty(),
        "of {statements} statements, answers changed:\n{}",
        failures.join("\n")
    );
    assert_eq!(server.stop(), 0);
}

/// Fewer would mean that some were lost.
const CLIENTS_MIN: usize = 13;
const STATEMENTS_MIN: usize = 900;
