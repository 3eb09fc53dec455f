//! `ledgerline audit` on the command line: checkpoints, proofs, evidence, and a log that somebody rewrote.

#![allow(clippy::expect_used, reason = "a test helper that cannot go on should fail the test")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use ledgerline_event_store::{Append, EmbeddedLog, EventWriter as _, Options};
use ledgerline_schemas::id::OrgId;
use ledgerline_schemas::{NewEvent, Position, Recorded, Timestamp};
use ledgerline_tests::{Server, csv, run, succeed};

const MAPPING: &str = r#"
name = "bakery"

[file]
header = true
key = ["id"]

[time]
format = "%Y-%m-%d %H:%M:%S"

[wait]
start = "queued"
duration = "waited"

[service]
start = "answered"
duration = "talk"

[outcome]
column = "result"
answered = ["ok"]
hung_up = ["gone"]

[agent]
column = "who"

[queues]
column = "line"
unknown = "create"
"#;

fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

/// A data directory with imported calls.
struct Bakery {
    temporary: tempfile::TempDir,
    data: String,
}

impl Bakery {
    fn new() -> Self {
        let temporary = tempfile::tempdir().expect("folder");
        fs::write(temporary.path().join("bakery.toml"), MAPPING).expect("written");
        let data = text(&temporary.path().join("data"));
        let this = Self { temporary, data };
        this.import(0..30);
        this
    }

    fn path(&self, name: &str) -> PathBuf {
        self.temporary.path().join(name)
    }

    fn import(&self, calls: std::ops::Range<u32>) {
        let row = |call: u32| {
            let minute = call % 60;
            format!(
                "call-{call},2026-03-02 09:{minute:02}:00,12,2026-03-02 09:{minute:02}:12,60,ok,anna,bread\n"
            )
        };
        let header = "id,queued,waited,answered,talk,result,who,line\n";
        let rows: String = calls.clone().map(row).collect();
        let file = self.path(&format!("calls-{}.csv", calls.start));
        fs::write(&file, format!("{header}{rows}")).expect("written");
        let mapping = text(&self.path("bakery.toml"));
        let said = succeed(&[
            "import",
            "call-records",
            "--mapping",
            &mapping,
            "--data",
            &self.data,
            &text(&file),
        ]);
        assert!(said.contains("30 interactions"), "{said}");
    }

    /// An interaction of the log.
    fn interaction(&self) -> String {
        let sql = "select interaction_id from queue_leg order by entered_time limit 1";
        let rows = csv(&succeed(&["sql", "--data", &self.data, "--format", "csv", sql]));
        rows[1][0].trim().to_owned()
    }

    fn audit(&self, arguments: &[&str]) -> ledgerline_tests::Said {
        let (verb, rest) = arguments.split_first().expect("a verb");
        run(&[&["audit", verb, "--data", &self.data], rest].concat())
    }

    fn good(&self, arguments: &[&str]) -> String {
        let said = self.audit(arguments);
        assert_eq!(said.code, 0, "{arguments:?}\n{}\n{}", said.out, said.err);
        said.out
    }

    fn refused(&self, arguments: &[&str], code: i32, names: &[&str]) {
        let said = self.audit(arguments);
        assert_eq!(said.code, code, "{arguments:?}\n{}\n{}", said.out, said.err);
        for name in names {
            let all = format!("{}{}", said.out, said.err);
            assert!(all.contains(name), "{arguments:?} does not say {name:?}: {all}");
        }
        assert!(!said.err.contains("panicked"), "{}", said.err);
    }

    fn organization(&self) -> PathBuf {
        let folders: Vec<PathBuf> = fs::read_dir(Path::new(&self.data).join("orgs"))
            .expect("readable")
            .map(|entry| entry.expect("readable").path())
            .collect();
        assert_eq!(folders.len(), 1, "{folders:?}");
        folders[0].clone()
    }

    /// Writes the log anew with other events, as somebody does who knows its format: checksums, positions,
    /// versions and times are right.
    fn rewrite(&self, change: impl FnOnce(&mut Vec<Recorded>)) {
        let organization = self.organization();
        let name = organization.file_name().expect("named").to_string_lossy().into_owned();
        let org_id: OrgId = name.parse().expect("an id");
        let (log, aside) = (organization.join("log"), organization.join("log.aside"));
        fs::rename(&log, &aside).expect("moved");
        let old = EmbeddedLog::open(&aside, org_id, Options::default()).expect("opens");
        let mut events: Vec<Recorded> =
            old.scan(Position::START).collect::<Result<_, _>>().expect("reads");
        drop(old);
        change(&mut events);
        let now = Arc::new(AtomicI64::new(0));
        let clock = Arc::clone(&now);
        let options = Options {
            clock: Arc::new(move || Timestamp::from_micros(clock.load(Ordering::SeqCst))),
            ..Options::default()
        };
        let new = EmbeddedLog::open(&log, org_id, options).expect("opens");
        for event in events {
            now.store(event.header.recorded_at.micros(), Ordering::SeqCst);
            let header = event.header;
            let event = NewEvent {
                id: header.id,
                stream: header.stream,
                event_type: header.event_type,
                time: header.time,
                command_id: header.command_id,
                correlation_id: header.correlation_id,
                causation_id: header.causation_id,
                actor: header.actor,
                config_position: header.config_position,
                traceparent: header.traceparent,
                data_subject_id: header.data_subject_id,
                payload: event.payload,
            };
            let append = Append { events: vec![event], expected: Vec::new() };
            new.submit(append).expect("taken").wait_blocking().expect("durable");
        }
        drop(new);
        fs::remove_dir_all(&aside).expect("removed");
    }
}

fn size_of(checkpoint: &str) -> u64 {
    checkpoint.lines().nth(1).and_then(|line| line.parse().ok()).expect("a size")
}

#[test]
fn checkpoints_prove_verify_and_export() {
    let bakery = Bakery::new();
    let interaction = bakery.interaction();
    let vkey = bakery.good(&["key"]);
    assert!(vkey.starts_with("ledgerline/orgs/"), "{vkey}");
    let nothing = bakery.good(&["verify"]);
    assert!(nothing.contains("there is no checkpoint to hold it against"), "{nothing}");

    let old = bakery.good(&["checkpoint"]);
    let first = bakery.path("first");
    fs::write(&first, &old).expect("written");
    assert_eq!(bakery.good(&["checkpoint"]), old, "nothing new, nothing signed");
    let alone = bakery.good(&["verify"]);
    assert!(alone.contains("as far as its own checkpoints tell"), "{alone}");

    bakery.import(30..60);
    let proof = bakery.good(&["checkpoint", "--since", &text(&first)]);
    let head = format!("ledgerline/consistency-proof@v1\nold {}\n", size_of(&old));
    assert!(proof.starts_with(&head), "{proof}");
    let new = bakery.good(&["checkpoint"]);
    assert!(proof.ends_with(&new) && size_of(&new) > size_of(&old), "{new}");
    // Several checkpoints may lie in one file.
    let both = bakery.path("both");
    fs::write(&both, format!("{old}\n{new}")).expect("written");
    let verified = bakery.good(&["verify", "--checkpoint", &text(&both)]);
    let line = format!("unchanged up to position {}", size_of(&new));
    assert!(verified.contains("fits 2 of 2 checkpoints from outside"), "{verified}");
    assert!(verified.contains(&line), "{verified}");

    let printed = bakery.good(&["prove", &interaction]);
    let proofs = bakery.path("proofs");
    let said = bakery.good(&["prove", &interaction, "--out", &text(&proofs)]);
    let files = fs::read_dir(&proofs).expect("readable").count();
    assert!(files >= 5 && said.contains(&format!("{files} proofs")), "{said}");
    assert_eq!(printed.matches("c2sp.org/tlog-proof@v1\n").count(), files);

    let bundle = bakery.path("bundle");
    let arguments = ["export", &interaction, "--out", &text(&bundle), "--since", &text(&first)];
    let said = bakery.good(&arguments);
    assert!(said.contains(vkey.trim()) && said.contains(&format!("{files} events")), "{said}");
    let sql = "select count(*) as viewed from event_log where event_type = 'access.history_viewed'";
    let viewed = succeed(&["sql", "--data", &bakery.data, "--format", "csv", sql]);
    assert_eq!(csv(&viewed)[1][0].trim(), "1", "taking a history away is on the log");
    third_party(&bundle, vkey.trim(), &first);
    bakery.refused(&arguments, 73, &["bundle", "not empty"]);
}

fn third_party(bundle: &Path, vkey: &str, older: &Path) {
    let works = |tool: &str, argument: &str| {
        let mut command = Command::new(tool);
        command.arg(argument).stdout(Stdio::null()).stderr(Stdio::null());
        command.status().is_ok_and(|status| status.success())
    };
    if !works("python3", "--version") || !works("openssl", "version") {
        eprintln!("skipped: python3 and openssl are needed to run the script of the bundle");
        return;
    }
    let older = text(older);
    let output = Command::new("python3")
        .args([
            "verify.py",
            "--vkey",
            vkey,
            "--older",
            &older,
            "--consistency",
            "consistency-proof",
        ])
        .current_dir(bundle)
        .output()
        .expect("runs");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && said.ends_with("VERIFIED\n"), "{said}");
    assert!(said.contains("is of the same history"), "{said}");

    // What a reader sees of an event is what was signed, too.
    let lines = fs::read_to_string(bundle.join("events.jsonl")).expect("readable");
    for (is, becomes) in [
        ("\"voice\"", "\"chat\""),
        ("\"wait_ms\":12000", "\"wait_ms\":12"),
        ("\"bread\"", "\"rolls\""),
    ] {
        assert!(lines.contains(is), "{lines}");
        fs::write(bundle.join("events.jsonl"), lines.replace(is, becomes)).expect("written");
        let output = Command::new("python3").arg("verify.py").current_dir(bundle).output();
        let said = output.expect("runs").stdout;
        let said = String::from_utf8_lossy(&said);
        assert!(said.contains("its data is not what the payload says"), "{becomes}: {said}");
    }
    fs::write(bundle.join("events.jsonl"), lines).expect("written");
}

#[test]
fn a_rewritten_log_is_found_and_located() {
    let bakery = Bakery::new();
    let old = bakery.good(&["checkpoint"]);
    let kept = bakery.path("kept");
    fs::write(&kept, &old).expect("written");
    let kept = text(&kept);
    let size = size_of(&old);
    // What the auditor took away.
    let tiles = bakery.path("tiles");
    let tile = tiles.join("tile/0");
    fs::create_dir_all(&tile).expect("made");
    let custody = bakery.organization().join("custody");
    for number in 0..size / 256 {
        let name = format!("{number:03}");
        fs::copy(custody.join("tile/0").join(&name), tile.join(&name)).expect("copied");
    }
    let (last, width) = (format!("{:03}.p", size / 256), size % 256);
    if width > 0 {
        fs::create_dir_all(tile.join(&last)).expect("made");
        let partial = Path::new(&last).join(width.to_string());
        fs::copy(custody.join("tile/0").join(&partial), tile.join(&partial)).expect("copied");
    }

    bakery.rewrite(|_| {});
    bakery.good(&["verify", "--checkpoint", &kept]);
    bakery.rewrite(|events| events[40].payload.reverse());
    let verify = ["verify", "--checkpoint", &kept];
    bakery.refused(&verify, 65, &["WRONG changed", "position 41: the event there was edited"]);
    // Whoever rewrites the log removes what is beside it, too.
    fs::remove_dir_all(&custody).expect("removed");
    bakery.good(&["checkpoint"]);
    let bound = format!("positions 1 to {size}");
    bakery.refused(&verify, 65, &["WRONG forked", &bound]);
    let tiles = text(&tiles);
    let located = [verify.as_slice(), &["--tiles", &tiles]].concat();
    bakery.refused(&located, 65, &["WRONG forked", "first difference at position 41"]);

    bakery.rewrite(|events| events.truncate(100));
    fs::remove_dir_all(&custody).expect("removed");
    bakery.refused(
        &verify,
        65,
        &["WRONG cut off", "ends at position 100", "not among the log's own"],
    );
}

#[test]
fn what_is_wrong_is_said() {
    let bakery = Bakery::new();
    bakery.refused(&["prove", "nonsense"], 65, &["INTERACTION"]);
    let unknown = "00000000-0000-0000-0000-00000000beef";
    bakery.refused(&["prove", unknown], 65, &["there is no interaction", unknown]);
    let missing = text(&bakery.path("missing"));
    bakery.refused(&["verify", "--checkpoint", &missing], 73, &["missing"]);
    let garbage = bakery.path("garbage");
    fs::write(&garbage, "no checkpoint\n").expect("written");
    let garbage = text(&garbage);
    bakery.refused(&["verify", "--checkpoint", &garbage], 65, &["garbage", "not a checkpoint of"]);
    bakery.refused(&["checkpoint", "--since", &garbage], 65, &["garbage", "not a checkpoint"]);
    bakery.refused(&["verify", "--key", "x+y+z"], 65, &["--key x+y+z"]);

    // A checkpoint in which somebody has changed the size.
    let good = bakery.good(&["checkpoint"]);
    let size = size_of(&good);
    let forged = bakery.path("forged");
    let text_of = good.replace(&format!("\n{size}\n"), &format!("\n{}\n", size - 1));
    fs::write(&forged, text_of).expect("written");
    bakery.refused(&["verify", "--checkpoint", &text(&forged)], 65, &["forged", "signature"]);

    // The history of checkpoints, with a letter changed.
    let history = bakery.organization().join("custody/checkpoints");
    let whole = fs::read_to_string(&history).expect("readable");
    fs::write(&history, whole.replacen("ledgerline", "ledgerlime", 1)).expect("written");
    bakery.refused(&["verify"], 65, &["WRONG custody/checkpoints"]);
    bakery.refused(&["checkpoint"], 73, &["checkpoints"]);
    fs::write(&history, whole).expect("written");
    bakery.good(&["verify"]);

    let server = Server::start(Path::new(&bakery.data), None);
    bakery.refused(&["verify"], 75, &["running server", "stop the server first"]);
    assert_eq!(server.stop(), 0);
}

#[test]
fn a_running_server_signs_proves_and_exports() {
    let bakery = Bakery::new();
    let interaction = bakery.interaction();
    let offline = bakery.good(&["checkpoint"]);
    let first = bakery.path("first");
    fs::write(&first, &offline).expect("written");
    let vkey = bakery.good(&["key"]);
    let settings = bakery.path("serve.toml");
    fs::write(&settings, "organizations = [\"bakery\"]\n").expect("written");
    let token = |role: &str| {
        let made = succeed(&["token", "--data", &bakery.data, "--org", "bakery", "--role", role]);
        made.trim().to_owned()
    };
    let (auditor, analyst) = (token("auditor"), token("analyst"));
    let server = Server::start(Path::new(&bakery.data), Some(&settings));
    let asks = |token: &str, arguments: &[&str]| {
        let (verb, rest) = arguments.split_first().expect("a verb");
        let to = ["audit", verb, "--server", &server.url(), "--token", token];
        run(&[to.as_slice(), rest].concat())
    };
    let good = |arguments: &[&str]| {
        let said = asks(&auditor, arguments);
        assert_eq!(said.code, 0, "{arguments:?}\n{}\n{}", said.out, said.err);
        said.out
    };
    let denied = asks(&analyst, &["checkpoint"]);
    assert_eq!(denied.code, 77, "{}", denied.err);
    assert!(denied.err.contains("auditors"), "{}", denied.err);

    assert_eq!(good(&["key"]), vkey);
    let signed = good(&["checkpoint"]);
    // The refusal above is on the log, so there is something new to sign.
    assert!(size_of(&signed) > size_of(&offline), "{signed}");
    let proof = good(&["checkpoint", "--since", &text(&first)]);
    assert!(proof.contains(&format!("old {}\n", size_of(&offline))), "{proof}");
    let printed = good(&["prove", &interaction]);
    let proofs = bakery.path("proofs");
    good(&["prove", &interaction, "--out", &text(&proofs)]);
    let mut together: Vec<(u64, String)> = Vec::new();
    for entry in fs::read_dir(&proofs).expect("readable") {
        let path = entry.expect("readable").path();
        let position = path.file_stem().and_then(|stem| stem.to_str()).expect("a name");
        together.push((
            position.parse().expect("a position"),
            fs::read_to_string(&path).expect("readable"),
        ));
    }
    together.sort_unstable();
    assert!(together.len() >= 5, "{}", together.len());
    // Looking is on the log, but the interaction was covered already: the same proofs both times.
    let together: Vec<String> = together.into_iter().map(|(_, proof)| proof).collect();
    assert_eq!(together.join("\n"), printed);

    let unknown = "00000000-0000-0000-0000-00000000beef";
    let said = asks(&auditor, &["prove", unknown]);
    assert!(said.code == 65 && said.err.contains("has no events"), "{} {}", said.code, said.err);
    let garbage = bakery.path("garbage");
    fs::write(&garbage, "no checkpoint\n").expect("written");
    let said = asks(&auditor, &["checkpoint", "--since", &text(&garbage)]);
    assert!(said.code == 65 && said.err.contains("no checkpoint of"), "{} {}", said.code, said.err);

    let bundle = bakery.path("bundle");
    good(&["export", &interaction, "--out", &text(&bundle), "--since", &text(&first)]);
    third_party(&bundle, vkey.trim(), &first);
    let again = asks(&auditor, &["export", &interaction, "--out", &text(&bundle)]);
    assert!(again.code == 73 && again.err.contains("not empty"), "{} {}", again.code, again.err);
    assert_eq!(server.stop(), 0);

    // It signed once more when it ended, and what it signed holds against the stopped directory.
    let online = bakery.path("online");
    fs::write(&online, &signed).expect("written");
    let verified = bakery.good(&["verify", "--checkpoint", &text(&online)]);
    assert!(verified.contains("fits 1 of 1 checkpoints from outside"), "{verified}");
    let newest = fs::read_to_string(bakery.organization().join("custody/checkpoint"));
    let newest = size_of(&newest.expect("readable"));
    let own = format!("checkpoints of its own, newest at position {newest}");
    assert!(newest > size_of(&signed) && verified.contains(&own), "{verified}");
    let sql = "select count(*) as viewed from event_log where event_type = 'access.history_viewed'";
    let viewed = succeed(&["sql", "--data", &bakery.data, "--format", "csv", sql]);
    assert_eq!(csv(&viewed)[1][0].trim(), "4", "every look at the interactions is on the log");
}
