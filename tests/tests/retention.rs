//! Retention and legal hold through the program itself: policies, holds, runs by hand and by a server.

#![allow(clippy::expect_used, reason = "a test helper that cannot go on should fail the test")]

use std::fs;
use std::path::PathBuf;

use ledgerline_tests::{Said, Server, csv, run, succeed};

struct Place {
    folder: tempfile::TempDir,
}

impl Place {
    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn text(&self, name: &str) -> String {
        self.path(name).to_string_lossy().into_owned()
    }

    fn file(&self, name: &str, text: &str) -> String {
        fs::write(self.path(name), text).expect("written");
        self.text(name)
    }

    /// A file of configuration, put into the stopped directory.
    fn apply(&self, text: &str) -> Said {
        let file = self.file("config.toml", text);
        run(&["config", "apply", &file, "--data", &self.text("data")])
    }

    fn policy(&self, past_days: u32) {
        let text = format!(
            "[[retention_policy]]\nname = \"Legs\"\ntable = \"queue_leg\"\nkeep_days = 30\npast_days = {past_days}\n"
        );
        let said = self.apply(&text);
        assert_eq!(said.code, 0, "{}{}", said.out, said.err);
    }

    fn retention(&self, arguments: &[&str]) -> String {
        let data = self.text("data");
        let mut all = vec!["retention"];
        all.extend(arguments);
        all.extend(["--data", &data]);
        succeed(&all)
    }

    fn ask(&self, sql: &str) -> Said {
        run(&["sql", "--data", &self.text("data"), "--format", "csv", sql])
    }

    fn one(&self, sql: &str) -> String {
        let said = self.ask(sql);
        assert_eq!(said.code, 0, "{sql}: {}", said.err);
        csv(&said.out)[1].join(",")
    }
}

/// Calls of November 2023 that all gave up: three in one queue, two in another.
fn imported() -> Place {
    let place = Place { folder: tempfile::tempdir().expect("folder") };
    let mut log = String::new();
    for (number, queue) in ["sales", "sales", "care", "sales", "care"].iter().enumerate() {
        let at = 1_700_000_000 + number * 600;
        log.push_str(&format!("{at}|call-{number}|{queue}|NONE|ENTERQUEUE||0301|1\n"));
        log.push_str(&format!("{}|call-{number}|{queue}|NONE|ABANDON|1|1|20\n", at + 20));
    }
    let file = place.file("queue_log", &log);
    let data = place.text("data");
    let _ = succeed(&["import", "asterisk-queue-log", &file, "--org", "main", "--data", &data]);
    assert_eq!(place.one("select count(*) from queue_leg"), "5");
    place
}

fn until(mut ask: impl FnMut() -> String, wanted: &str) {
    let mut said = String::new();
    for _ in 0..500 {
        said = ask();
        if said == wanted {
            return;
        }
    }
    panic!("it does not come to pass: {said} instead of {wanted}");
}

#[test]
fn rows_are_dropped_held_released_and_no_answer_is_silently_smaller() {
    let place = imported();
    assert!(place.retention(&["run"]).contains("nothing is due"));
    place.policy(30);
    // By interaction: the configuration in force does not know the queues of an import.
    let said = place.ask("select interaction_id from queue_leg where queue_name = 'care'");
    let mut hold = vec!["hold", "Case 1", "--reason", "order of the court"];
    let care: Vec<String> = csv(&said.out).into_iter().skip(1).flatten().collect();
    care.iter().for_each(|id| hold.extend(["--interaction", id]));
    assert!(place.retention(&hold).contains("created"));
    let before = place.one("select current_position()");
    let dry = place.retention(&["run", "--dry-run"]);
    assert!(dry.contains("3 rows dropped, 2 held") && dry.contains("nothing was dropped"), "{dry}");
    assert_eq!(place.one("select count(*) from queue_leg"), "5");
    let done = place.retention(&["run"]);
    assert!(done.contains("3 rows dropped, 2 held") && done.contains("dropped as of"), "{done}");
    assert!(place.retention(&["run"]).contains("nothing is due"));
    let rows = "select count(*), count(*) filter (where queue_name = 'care') from queue_leg";
    assert_eq!(place.one(rows), "2,2");
    // What the log has stays, and so does what was there before.
    assert_eq!(place.one("select count(*) from event_log where event_type = 'queue.left'"), "5");
    assert_eq!(place.one(&format!("select count(*) from as_of('queue_leg', {before})")), "5");
    let status = "select rows_dropped, rows_held, past_from_position from retention_status";
    assert_eq!(place.one(status), "3,2,0");
    let shown = place.retention(&["status"]);
    assert!(shown.contains("queue_leg") && shown.contains("Case 1"), "{shown}");
    let event = "select actor_type, actor_id from event_log where event_type = 'retention.applied'";
    assert_eq!(place.one(event), "admin,operator");
    let rebuilt = succeed(&["rebuild", "--data", &place.text("data")]);
    assert!(rebuilt.contains("identical") && !rebuilt.contains("DIFFERS"), "{rebuilt}");
    assert_eq!(place.one(rows), "2,2");

    // The past is given up: refused by name, while other tables are answered.
    place.policy(0);
    let _ = place.retention(&["run"]);
    let asked = place.ask(&format!("select count(*) from as_of('queue_leg', {before})"));
    assert_eq!(asked.code, 65, "{}", asked.out);
    for part in ["queue_leg", "no longer kept", "from position", &before] {
        assert!(asked.err.contains(part), "{}", asked.err);
    }
    assert_eq!(
        place.one(&format!("select count(*) from as_of('customer_session', {before})")),
        "5"
    );
    assert_eq!(place.one(rows), "2,2");

    // A hold that ended: nothing goes before the next run.
    assert!(
        place.retention(&["release", "Case 1", "--reason", "case closed"]).contains("released")
    );
    assert_eq!(place.one(rows), "2,2");
    assert!(place.retention(&["run"]).contains("2 rows dropped, 0 held"));
    assert_eq!(place.one(rows), "0,0");
    let history =
        "select verb, reason from config_history where kind = 'legal_hold' order by from_position";
    let said = place.ask(history);
    assert_eq!(csv(&said.out)[1..], csv("created,order of the court\ndeleted,case closed")[..]);
    let rebuilt = succeed(&["rebuild", "--data", &place.text("data")]);
    assert!(rebuilt.contains("identical") && !rebuilt.contains("DIFFERS"), "{rebuilt}");
    let again =
        run(&["retention", "release", "Case 1", "--reason", "x", "--data", &place.text("data")]);
    assert_eq!(again.code, 65, "{}", again.err);
}

#[test]
fn a_server_drops_by_itself_and_takes_holds() {
    let place = imported();
    let data = place.text("data");
    place.policy(30);
    let token = succeed(&["token", "--data", &data, "--role", "administrator"]);
    let token = token.trim();
    let answer = |server: &Server, sql: &str| {
        let url = server.url();
        csv(&succeed(&["sql", "--server", &url, "--token", token, "--format", "csv", sql]))[1]
            .join(",")
    };
    let hold = |server: &Server, arguments: &[&str]| {
        let url = server.url();
        let mut all = vec!["retention"];
        all.extend(arguments);
        all.extend(["--server", &url, "--token", token]);
        run(&all)
    };
    let interaction =
        place.one("select interaction_id from queue_leg order by entered_time limit 1");
    // Placed while no run is due: the policy is not for this table.
    let server = Server::start(&place.path("data"), None);
    until(|| answer(&server, "select count(*) from queue_leg"), "0");
    let who = "select actor_type, actor_id from event_log where event_type = 'retention.applied'";
    assert_eq!(answer(&server, who), "system,retention");
    let held = hold(
        &server,
        &["hold", "C/1 & so on", "--reason", "a case", "--interaction", &interaction],
    );
    assert_eq!(held.code, 0, "{}", held.err);
    let analyst = succeed(&["token", "--data", &data, "--role", "analyst"]);
    let url = server.url();
    let refused = run(&[
        "retention",
        "release",
        "C/1 & so on",
        "--reason",
        "x",
        "--server",
        &url,
        "--token",
        analyst.trim(),
    ]);
    assert_eq!(refused.code, 77, "{}", refused.err);
    let sessions =
        "[[retention_policy]]\nname = \"Sessions\"\ntable = \"customer_session\"\nkeep_days = 1\n";
    let file = place.file("sessions.toml", sessions);
    let _ = succeed(&["config", "apply", &file, "--server", &url, "--token", token]);
    assert_eq!(server.stop(), 0);

    let server = Server::start(&place.path("data"), None);
    until(|| answer(&server, "select count(*) from customer_session"), "1");
    assert_eq!(answer(&server, "select interaction_id from customer_session"), interaction);
    let shown = hold(&server, &["status"]);
    assert!(shown.out.contains("customer_session") && shown.out.contains("C/1"), "{}", shown.out);
    let released = hold(&server, &["release", "C/1 & so on", "--reason", "closed & done"]);
    assert_eq!(released.code, 0, "{}", released.err);
    assert_eq!(server.stop(), 0);
    let server = Server::start(&place.path("data"), None);
    until(|| answer(&server, "select count(*) from customer_session"), "0");
    assert_eq!(server.stop(), 0);
    let rebuilt = succeed(&["rebuild", "--data", &data]);
    assert!(rebuilt.contains("identical") && !rebuilt.contains("DIFFERS"), "{rebuilt}");
}

#[test]
fn what_cannot_be_kept_or_held_is_refused_by_name() {
    let place = imported();
    let policy = |fields: &str| format!("[[retention_policy]]\nname = \"P\"\n{fields}\n");
    let hold = |fields: &str| format!("[[legal_hold]]\nname = \"H\"\n{fields}\n");
    let long = format!("reason = \"{}\"", "x".repeat(501));
    let cases = [
        (
            policy("table = \"event_log\"\nkeep_days = 1"),
            "table: rows of event_log are never dropped: it is the log",
        ),
        (policy("table = \"access_log\"\nkeep_days = 1"), "never dropped: it tells who looked"),
        (policy("table = \"queue_live\"\nkeep_days = 1"), "never dropped: it shows the present"),
        (policy("table = \"queue_legs\"\nkeep_days = 1"), "there is no table \"queue_legs\""),
        (policy("table = \"queue_leg\"\nkeep_days = 0"), "keep_days: is 0, must be 1 to 36500"),
        (policy("table = \"queue_leg\"\nkeep_days = 36501"), "keep_days: is 36501"),
        (policy("table = \"queue_leg\"\nkeep_days = 1\npast_days = 36501"), "past_days: is 36501"),
        (policy("table = \"queue_leg\"\nkeep_day = 1"), "keep_day"),
        (policy("table = \"queue_leg\""), "keep_days"),
        (hold("reason = \" \""), "reason: must have 1 to 500 bytes"),
        (hold(&long), "reason: must have 1 to 500 bytes"),
        (hold("reason = \"r\"\nqueues = [\"nowhere\"]"), "no queue \"nowhere\" exists"),
        (hold("reason = \"r\"\nagents = [\"nobody\"]"), "no user \"nobody\" exists"),
        (hold("reason = \"r\"\ninteractions = [\"call-1\"]"), "interactions"),
        (
            hold("reason = \"r\"\nfrom = \"2024-01-02T00:00:00Z\"\nto = \"2024-01-02T00:00:00Z\""),
            "to: must be after from",
        ),
    ];
    for (text, expected) in cases {
        let said = place.apply(&text);
        assert_eq!(said.code, 65, "{text}");
        assert!(said.out.contains(expected), "{expected}: {}", said.out);
    }
    place.policy(1);
    let other = policy("table = \"queue_leg\"\nkeep_days = 9");
    let said = place.apply(&other);
    assert!(
        said.out.contains("queue_leg has the retention policy \"Legs\" already"),
        "{}",
        said.out
    );
    let data = place.text("data");
    let nothing = run(&["retention", "hold", "H", "--reason", "r", "--data", &data]);
    assert!(nothing.code == 65 && nothing.err.contains("--everything"), "{}", nothing.err);
    let time = run(&["retention", "hold", "H", "--reason", "r", "--from", "soon", "--data", &data]);
    assert!(time.code != 0 && time.err.contains("is no instant"), "{}", time.err);
}
