//! Packed, archived and dropped segments, backups and restores, through the program itself.

#![allow(clippy::expect_used, reason = "a test helper that cannot go on should fail the test")]

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ledgerline_event_store::archive::Depot;
use ledgerline_event_store::custody::{Hash, leaf_hash};
use ledgerline_event_store::{EmbeddedLog, Options};
use ledgerline_schemas::Position;
use ledgerline_tests::{Said, Server, csv, run, succeed};

struct Place {
    folder: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().expect("folder") }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn text(&self, name: &str) -> String {
        self.path(name).to_string_lossy().into_owned()
    }

    fn settings(&self, storage: &str) -> PathBuf {
        let path = self.path("ledgerline.toml");
        fs::write(&path, format!("[storage]\nsegment_bytes = 65536\n{storage}")).expect("written");
        path
    }

    /// Puts so many entities, each an event.
    fn fill(&self, server: &Server, round: u32, count: u32) {
        let mut text = String::new();
        for number in 0..count {
            let _ = writeln!(text, "[[site]]\nname = \"Site {round}-{number}\"");
        }
        let path = self.path("fill.toml");
        fs::write(&path, text).expect("written");
        let token = succeed(&["token", "--data", &self.text("data"), "--role", "administrator"]);
        let (file, url) = (path.to_string_lossy().into_owned(), server.url());
        let _ = succeed(&["config", "apply", &file, "--server", &url, "--token", token.trim()]);
    }
}

fn sql(data: &str, question: &str) -> String {
    let answer = succeed(&["sql", "--data", data, "--format", "csv", question]);
    csv(&answer)[1][0].clone()
}

/// Size and root of the log as it is now.
fn root(data: &str) -> Vec<String> {
    let checkpoint = succeed(&["audit", "checkpoint", "--data", data]);
    checkpoint.lines().skip(1).take(2).map(str::to_owned).collect()
}

/// Leaf hashes of the log in a data directory.
fn leaves(data: &Path, archive: Option<&Path>) -> Vec<Hash> {
    let orgs = fs::read_dir(data.join("orgs")).expect("lists");
    let org = orgs.flatten().next().expect("one organization");
    let org_id = org.file_name().to_string_lossy().parse().expect("an id");
    let archive = archive.map(|path| Depot::open(&path.to_string_lossy()).expect("opens"));
    let options = Options {
        raw_segments: None,
        archive: archive.map(|depot| Arc::new(depot) as Arc<_>),
        ..Options::default()
    };
    let log = EmbeddedLog::open(&org.path().join("log"), org_id, options).expect("opens");
    log.scan(Position::START).map(|event| leaf_hash(&event.expect("reads"))).collect()
}

/// Asks until the answer is such.
fn until(mut ask: impl FnMut() -> String, wanted: impl Fn(&str) -> bool) -> String {
    let mut said = String::new();
    for _ in 0..2_000 {
        said = ask();
        if wanted(&said) {
            return said;
        }
    }
    panic!("it does not come to pass: {said}");
}

#[test]
fn dropped_segments_answer_from_the_archive() {
    let place = Place::new();
    let data = place.text("data");
    let archive = place.text("archive");
    let config = place.settings(&format!(
        "pack_after_segments = 1\narchive = \"{archive}\"\narchive_every_s = 1\nkeep_local_segments = 2\n"
    ));
    let server = Server::start(&place.path("data"), Some(&config));
    for round in 0..3 {
        place.fill(&server, round, 300);
    }
    let list = || succeed(&["archive", "list", "--data", &data]);
    let listed = until(list, |said| said.matches("dropped").count() >= 2);
    assert!(listed.contains("only there since"), "{listed}");
    // The tables and histories of the running server read through it.
    let token = succeed(&["token", "--data", &data, "--role", "auditor,supervisor"]);
    let count = succeed(&[
        "sql",
        "--server",
        &server.url(),
        "--token",
        token.trim(),
        "--format",
        "csv",
        "select count(*) from config_entity where kind = 'site'",
    ]);
    assert_eq!(csv(&count)[1][0], "900");
    assert_eq!(server.stop(), 0);
    // A drop is an event, with what it takes to find the copy.
    let events =
        sql(&data, "select count(*) from event_log where event_type = 'log.segment_dropped'");
    assert!(events.parse::<usize>().expect("a number") >= 2, "{events}");
    // One question: each of them is an event as well.
    assert_eq!(sql(&data, "select max(position) - count(*) from event_log"), "0");
    assert!(succeed(&["verify", "--data", &data]).contains("log verified"));
    let rebuilt = succeed(&["rebuild", "--data", &data]);
    assert!(rebuilt.contains("identical") && !rebuilt.contains("DIFFERS"), "{rebuilt}");
    let signed = place.path("signed.txt");
    fs::write(&signed, succeed(&["audit", "checkpoint", "--data", &data])).expect("written");
    let _ =
        succeed(&["audit", "verify", "--data", &data, "--checkpoint", &signed.to_string_lossy()]);
    assert!(succeed(&["archive", "verify", "--data", &data]).contains("compared"));
    // Running it again changes nothing.
    assert!(succeed(&["archive", "run", "--data", &data]).contains(" 0 segments archived now"));
    // An object that was changed is named, and not believed.
    let object = newest_object(&place.path("archive"));
    let mut bytes = fs::read(&object).expect("reads");
    bytes[700] ^= 1;
    fs::write(&object, bytes).expect("written");
    let Said { code, err, .. } = run(&["archive", "verify", "--data", &data]);
    assert_eq!(code, 73, "{err}");
    assert!(err.contains("SHA-256"), "{err}");
    // The whole archive is gone.
    fs::rename(place.path("archive"), place.path("elsewhere")).expect("moved");
    let Said { code, err, .. } = run(&["verify", "--data", &data]);
    assert!(code != 0 && err.contains("archive"), "{err}");
    assert!(!place.path("archive").exists(), "nothing is made in its place");
    fs::rename(place.path("elsewhere"), place.path("archive")).expect("moved back");
}

fn newest_object(archive: &Path) -> PathBuf {
    let org = fs::read_dir(archive.join("orgs")).expect("lists").flatten().next().expect("one");
    let segments = fs::read_dir(org.path().join("segments")).expect("lists");
    segments.flatten().map(|entry| entry.path()).max().expect("one")
}

#[test]
fn a_backup_made_while_serving_is_restored_to_any_point() {
    let place = Place::new();
    let (data, backup) = (place.text("data"), place.text("backup"));
    let config = place.settings("pack_after_segments = 1\n");
    let server = Server::start(&place.path("data"), Some(&config));
    place.fill(&server, 0, 300);
    let first = succeed(&["backup", &backup, "--data", &data]);
    assert!(first.contains("without keys"), "{first}");
    place.fill(&server, 1, 300);
    let second = succeed(&["backup", &backup, "--data", &data]);
    assert!(!second.contains(" 0 before"), "the sealed ones were there: {second}");
    let busy = run(&["backup", &backup, "--data", &data, "--with-keys"]);
    assert_eq!(busy.code, 75, "{}", busy.err);
    place.fill(&server, 2, 50);
    assert_eq!(server.stop(), 0);
    let whole = leaves(&place.path("data"), None);
    for name in ["keys.redb", "custody.key", "token.key", "kek"] {
        assert!(!place.path("backup").join(name).exists());
    }
    assert!(!place.path("backup").join("keys").exists(), "no key is in it");

    // All of it.
    let all = place.text("all");
    let said = succeed(&["restore", &backup, "--data", &all]);
    let restored = leaves(&place.path("all"), None);
    assert!(whole.starts_with(&restored) && restored.len() > 600, "{said}");
    assert!(succeed(&["verify", "--data", &all]).contains("log verified"));
    let rebuilt = succeed(&["rebuild", "--data", &all]);
    assert!(!rebuilt.contains("DIFFERS"), "{rebuilt}");
    assert_eq!(sql(&all, "select count(*) from config_entity where kind = 'site'"), "600");

    // A position in the middle, and a time.
    let middle = place.text("middle");
    let said = succeed(&["restore", &backup, "--data", &middle, "--to", "333"]);
    let prefix = leaves(&place.path("middle"), None);
    assert!(prefix.len() <= 333 && prefix.len() > 300, "{said}");
    assert!(whole.starts_with(&prefix));
    assert!(succeed(&["rebuild", "--data", &middle]).contains("built"));
    let time = sql(&all, "select cast(recorded_at as varchar) from event_log where position = 320");
    let time = format!("{}Z", time.trim_end_matches('Z').replace(' ', "T"));
    let then = place.text("then");
    let said = succeed(&["restore", &backup, "--data", &then, "--to-time", &time]);
    let prefix = leaves(&place.path("then"), None);
    assert!(prefix.len() >= 320 && whole.starts_with(&prefix) && prefix.len() < 600, "{said}");

    // What cannot be.
    let behind = run(&["restore", &backup, "--data", &place.text("no"), "--to", "999999"]);
    assert_eq!(behind.code, 65, "{}", behind.err);
    assert!(run(&["verify", "--data", &place.text("no")]).code == 73, "it is no data directory");
    let occupied = run(&["restore", &backup, "--data", &all]);
    assert!(occupied.code == 73 && occupied.err.contains("not empty"), "{}", occupied.err);
    let nothing = run(&["restore", &place.text("empty"), "--data", &place.text("no2")]);
    assert_eq!(nothing.code, 78, "{}", nothing.err);
    fs::create_dir(place.path("empty")).expect("made");
    let nothing = run(&["restore", &place.text("empty"), "--data", &place.text("no2")]);
    assert!(nothing.code == 65 && nothing.err.contains("backup.json"), "{}", nothing.err);
    let time = run(&["restore", &backup, "--data", &place.text("no3"), "--to-time", "yesterday"]);
    assert_eq!(time.code, 2, "{}", time.err);
}

#[test]
fn an_encrypted_log_is_backed_up_archived_and_listed_beside_its_server() {
    let place = Place::new();
    let (data, backup) = (place.text("data"), place.text("backup"));
    let archive = place.text("archive");
    let config = place.settings(&format!(
        "pack_after_segments = 1\narchive = \"{archive}\"\narchive_every_s = 1\n\
         [encryption]\nat_rest = true\n"
    ));
    let server = Server::start(&place.path("data"), Some(&config));
    place.fill(&server, 0, 300);
    let _ = until(
        || succeed(&["archive", "list", "--data", &data]),
        |list| list.matches(" bytes, ").count() > 0,
    );
    // The server has the key file open: these read a copy of it.
    assert!(succeed(&["archive", "verify", "--data", &data]).contains("verified"));
    let _ = succeed(&["backup", &backup, "--data", &data]);
    assert_eq!(server.stop(), 0);
    let _ = succeed(&["backup", &backup, "--data", &data, "--with-keys"]);
    let clear = |path: PathBuf| {
        let bytes = fs::read(newest_object(&path)).expect("reads");
        !bytes.starts_with(b"LLVEIL")
    };
    assert!(!clear(place.path("archive")) && !clear(place.path("backup")));
    let restored = place.text("restored");
    let said = succeed(&["restore", &backup, "--data", &restored]);
    assert!(said.contains("keys restored"), "{said}");
    assert!(succeed(&["verify", "--data", &restored]).contains("log verified"));
    assert_eq!(sql(&restored, "select count(*) from config_entity where kind = 'site'"), "300");
}

#[test]
fn checkpoints_go_on_after_a_whole_restore_with_keys_and_never_fork() {
    let place = Place::new();
    let (data, backup) = (place.text("data"), place.text("backup"));
    let config = place.settings("");
    let server = Server::start(&place.path("data"), Some(&config));
    place.fill(&server, 0, 150);
    assert_eq!(server.stop(), 0);
    let signed = succeed(&["audit", "checkpoint", "--data", &data]);
    let file = place.text("signed.txt");
    fs::write(&file, &signed).expect("written");
    let said = succeed(&["backup", &backup, "--data", &data, "--with-keys"]);
    assert!(said.contains("files of keys"), "{said}");

    let whole = place.text("whole");
    let said = succeed(&["restore", &backup, "--data", &whole]);
    assert!(said.contains("it has the signed root"), "{said}");
    assert_eq!(
        succeed(&["audit", "key", "--data", &whole]),
        succeed(&["audit", "key", "--data", &data])
    );
    let _ = succeed(&["audit", "verify", "--data", &whole, "--checkpoint", &file]);
    assert_eq!(root(&whole), root(&data));
    // Whoever it was made for can open it again.
    let token = succeed(&["token", "--data", &data, "--role", "auditor"]);
    let server = Server::start(&place.path("whole"), Some(&config));
    let _ = succeed(&["sql", "--server", &server.url(), "--token", token.trim(), "select 1"]);
    assert_eq!(server.stop(), 0);

    // Back before what was signed: the key does not come along, so that it cannot sign another history.
    let cut = place.text("cut");
    let said = succeed(&["restore", &backup, "--data", &cut, "--to", "100"]);
    assert!(said.contains("checkpoints begin anew"), "{said}");
    assert_ne!(
        succeed(&["audit", "key", "--data", &cut]),
        succeed(&["audit", "key", "--data", &data])
    );
    let _ = succeed(&["audit", "verify", "--data", &cut]);
    let key = succeed(&["audit", "key", "--data", &data]);
    let found =
        run(&["audit", "verify", "--data", &cut, "--checkpoint", &file, "--key", key.trim()]);
    assert!(found.code == 65 && found.out.contains("cut off"), "{}{}", found.out, found.err);
}
