//! Bad input at the command line and the doors: a message that names the thing, a code that fits, nothing
//! lost.

#![allow(clippy::expect_used, reason = "a test helper that cannot go on should fail the test")]

use std::fs;
use std::path::{Path, PathBuf};

use ledgerline_tests::{Server, ledgerline, run, succeed};

/// Runs a command that has to fail with this exit code and name these things.
fn fails(arguments: &[&str], code: i32, names: &[&str]) {
    let said = run(arguments);
    assert_eq!(said.code, code, "{arguments:?}: {}{}", said.out, said.err);
    for name in names {
        assert!(said.err.contains(name), "{arguments:?} does not name {name:?}: {}", said.err);
    }
    assert!(!said.err.contains("panicked"), "{}", said.err);
}

fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

/// A data directory with one organization and some events, and no server.
fn used_data(temporary: &Path) -> PathBuf {
    let data = temporary.join("data");
    assert_eq!(Server::start(&data, None).stop(), 0);
    let entities = temporary.join("entities.toml");
    let sites: String = (0..50).map(|at| format!("[[site]]\nname = \"Site {at}\"\n")).collect();
    fs::write(&entities, sites).expect("written");
    let said = succeed(&["config", "apply", &text(&entities), "--data", &text(&data)]);
    assert!(said.contains("50 created, 0 updated, 0 unchanged, 0 failed"), "{said}");
    data
}

fn segments(data: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![data.join("orgs")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("readable").flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.parent().is_some_and(|parent| parent.ends_with("log"))
                && fs::metadata(&path).is_ok_and(|meta| meta.len() >= 1 << 20)
            {
                found.push(path);
            }
        }
    }
    found
}

#[test]
fn configuration_and_data_directories_are_checked() {
    let temporary = tempfile::tempdir().expect("folder");
    let config = temporary.path().join("ledgerline.toml");
    fs::write(&config, "[http]\nlisen = \"127.0.0.1:0\"\n").expect("written");
    fails(&["serve", "--config", &text(&config)], 78, &["lisen", "ledgerline.toml"]);
    fs::write(&config, "[sip]\nrtp_ports = [30000, 20000]\n").expect("written");
    fails(&["serve", "--config", &text(&config)], 78, &["sip.rtp_ports"]);
    fails(&["serve", "--config", "no-such-file.toml"], 78, &["no-such-file.toml"]);
    let foreign = temporary.path().join("foreign");
    fs::create_dir(&foreign).expect("made");
    fs::write(foreign.join("holiday.jpg"), "x").expect("written");
    fails(
        &["serve", "--data", &text(&foreign), "--ports", "auto"],
        73,
        &["foreign", "not Ledgerline's"],
    );
    assert_eq!(fs::read(foreign.join("holiday.jpg")).expect("still there"), b"x");
    let file = temporary.path().join("file");
    fs::write(&file, "x").expect("written");
    fails(&["serve", "--data", &text(&file), "--ports", "auto"], 73, &["file"]);
    fails(&["sql", "--data", "no-such-data", "select 1"], 73, &["no-such-data"]);
    fails(&["demo", "--data", &text(&foreign)], 73, &["foreign"]);
}

#[test]
fn a_second_process_a_taken_port_and_an_ordinary_directory_are_refused() {
    let temporary = tempfile::tempdir().expect("folder");
    let data = temporary.path().join("data");
    let server = Server::start(&data, None);
    fails(
        &["serve", "--data", &text(&data), "--ports", "auto"],
        75,
        &["another process", "--server"],
    );
    fails(&["sql", "--data", &text(&data), "select 1"], 75, &["--server"]);
    let config = temporary.path().join("ledgerline.toml");
    let other = temporary.path().join("other");
    fs::write(
        &config,
        format!(
            "data = {:?}\n[http]\nlisten = \"{}\"\n[sip]\nudp = \"127.0.0.1:0\"\ntcp = \"127.0.0.1:0\"\n\
             [sql]\nlisten = \"127.0.0.1:0\"\n",
            text(&other),
            server.http
        ),
    )
    .expect("written");
    fails(&["serve", "--config", &text(&config)], 69, &["http.listen", &server.http.to_string()]);
    assert_eq!(server.stop(), 0, "SIGTERM ends it cleanly");
    fails(&["demo", "--data", &text(&data)], 73, &["not a demo's"]);
}

#[test]
fn a_relative_data_directory_is_the_same_directory() {
    let temporary = tempfile::tempdir().expect("folder");
    let data = used_data(temporary.path());
    let events = "select count(*) as n from event_log where event_type = 'config.site.created'";
    let sql = ["sql", "--format", "csv", "--data"];
    let absolute = succeed(&[&sql[..], &[&text(&data), events]].concat());
    for relative in ["data", "./data", "../data"] {
        // From inside the directory for the last one.
        let folder = if relative.starts_with("..") { &data } else { temporary.path() };
        let mut command = ledgerline(&[&sql[..], &[relative, events]].concat());
        let output = command.current_dir(folder).output().expect("runs");
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{relative}: {told}");
        assert_eq!(String::from_utf8_lossy(&output.stdout), absolute, "{relative}");
        let rebuilt = ledgerline(&["rebuild", "--data", relative]).current_dir(folder).output();
        let rebuilt = String::from_utf8_lossy(&rebuilt.expect("runs").stdout).into_owned();
        assert!(rebuilt.contains("identical"), "{relative}: {rebuilt}");
    }
    assert_eq!(absolute.trim_end(), "n\r\n50");
}

#[test]
fn a_damaged_segment_is_refused_and_named() {
    let temporary = tempfile::tempdir().expect("folder");
    let data = used_data(temporary.path());
    let segment = segments(&data).pop().expect("a segment");
    let mut bytes = fs::read(&segment).expect("readable");
    let found = bytes.windows(12).position(|window| window == b"config.site.");
    let middle = found.expect("events are in the segment") + 3;
    bytes[middle] ^= 0x20;
    fs::write(&segment, &bytes).expect("written");
    let name = segment.file_name().expect("named").to_string_lossy().into_owned();
    fails(&["serve", "--data", &text(&data), "--ports", "auto"], 73, &["damaged", &name]);
    assert_eq!(fs::read(&segment).expect("readable"), bytes, "a damaged log was changed");
}

#[test]
fn entities_mappings_and_questions_are_checked() {
    let temporary = tempfile::tempdir().expect("folder");
    let data = text(&used_data(temporary.path()));
    let entities = temporary.path().join("bad.toml");
    fs::write(&entities, "[[queue]]\nname = \"Sales\"\nchannel_type = \"voice\"\nringtime = 3\n")
        .expect("written");
    let said = run(&["config", "apply", &text(&entities), "--data", &data]);
    assert_eq!(said.code, 65);
    assert!(said.out.contains("ringtime") || said.err.contains("ringtime"), "{said:?}");
    fails(&["sql", "--data", &data, "select nothing from queue_leg"], 65, &["nothing"]);
    fails(&["sql", "--data", &data, "drop table queue_leg"], 65, &["SELECT"]);
    fails(&["sql", "--data", &data, "--org", "nobody", "select 1"], 65, &["nobody", "main"]);
    fails(&["replay", "--data", &data, "not-an-id"], 65, &["INTERACTION"]);
    fails(
        &["replay", "--data", &data, "00000000-0000-0000-0000-000000000001"],
        65,
        &["no interaction"],
    );
    fails(&["rebuild", "no_table", "--data", &data], 65, &["no_table", "queue_leg"]);
    fails(&["token", "--data", &data, "--role", "king"], 65, &["--role", "king"]);
    fails(
        &["import", "call-records", "--mapping", "nothing", "--data", &data, &text(&entities)],
        65,
        &["--mapping", "anonymous-bank"],
    );
}

#[tokio::test]
async fn bad_tokens_bad_sql_and_oversized_bodies_are_refused_at_the_doors() {
    let temporary = tempfile::tempdir().expect("folder");
    let data = temporary.path().join("data");
    let server = Server::start(&data, None);
    let token = succeed(&["token", "--data", &text(&data), "--role", "administrator"]);
    let client = reqwest::Client::new();
    let ask = |token: &str, sql: &str| {
        client
            .post(format!("{}/v1/sql", server.url()))
            .bearer_auth(token.trim())
            .json(&serde_json::json!({"sql": sql}))
            .send()
    };
    assert_eq!(ask(&token, "select 1 as one").await.expect("answers").status(), 200);
    let mut wrong = token.trim().to_owned();
    wrong.pop();
    assert_eq!(ask(&wrong, "select 1").await.expect("answers").status(), 401);
    let bad = ask(&token, "selec 1").await.expect("answers");
    assert_eq!(bad.status(), 400);
    assert!(bad.text().await.expect("a body").contains("selec"));
    let huge = "x".repeat(5 << 20);
    for _ in 0..20 {
        assert_eq!(ask(&token, &huge).await.expect("answers").status(), 413);
        // On the same connection or a new one, whatever the answer said about it.
        assert_eq!(ask(&token, "select 1").await.expect("answers").status(), 200);
    }
    // A body that no limit of ours would read to its end.
    let endless = futures::stream::repeat_with(|| Ok::<_, std::io::Error>(vec![b'x'; 1 << 20]));
    let endless = client
        .post(format!("{}/v1/sql", server.url()))
        .bearer_auth(token.trim())
        .body(reqwest::Body::wrap_stream(endless));
    if let Ok(answer) = endless.send().await {
        assert_eq!(answer.status(), 413);
        assert_eq!(answer.headers()["connection"], "close");
    }
    assert_eq!(ask(&token, "select 1").await.expect("answers").status(), 200);
    for path in ["/metrics", "/v1/config/queue", "/v1/sql", "/v1/agents/login", "/v1/realtime"] {
        let answer = client.get(format!("{}{path}", server.url())).send().await.expect("answers");
        let status = answer.status().as_u16();
        assert!(matches!(status, 400 | 401 | 405 | 426), "{path} is open to everybody: {status}");
    }
    for path in ["/healthz", "/readyz"] {
        let answer = client.get(format!("{}{path}", server.url())).send().await.expect("answers");
        assert_eq!(answer.status(), 200, "{path}");
    }
    let metrics = client
        .get(format!("{}/metrics", server.url()))
        .bearer_auth(token.trim())
        .send()
        .await
        .expect("answers");
    assert_eq!(metrics.status(), 200);
    let text = metrics.text().await.expect("a body");
    assert!(text.contains("ledgerline_projection_lag_events"), "{text}");
    assert_eq!(server.stop(), 0);
}
