//! A data directory that is encrypted at rest: log, tables and routing snapshots are searched byte by byte, and so is a
//! backup. Then encryption is turned off, and the same search finds what it looked for.

#![allow(clippy::expect_used, reason = "a test helper that cannot go on should fail the test")]

mod center;

use std::path::{Path, PathBuf};

use center::{Center, leave};
use ledgerline_tests::{run, succeed};
use serde_json::json;

/// In the name of a queue: in payloads on the log, in rows, in routing snapshots.
const CANARY: &str = "zqrestcanary";
/// What the search looks for: the canary, the beginning of a routing snapshot, that of a segment.
const NEEDLES: [&str; 3] = [CANARY, "LLSNAP01", "LLSEG\x01\r\n"];
/// Files of keys and credentials, which have rules of their own.
const KEY_FILES: [&str; 5] = ["keys.redb", "kek", "token.key", "custody.key", "sql-users.json"];

/// Files below a folder, the key files left out.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).expect("folder") {
        let path = entry.expect("entry").path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        match path.is_dir() {
            _ if KEY_FILES.contains(&name.as_str()) => {}
            true => found.extend(files(&path)),
            false => found.push(path),
        }
    }
    found
}

fn holding(folder: &Path, needle: &str) -> Vec<PathBuf> {
    let holds = |path: &PathBuf| {
        let bytes = std::fs::read(path).expect("file");
        bytes.windows(needle.len()).any(|window| window == needle.as_bytes())
    };
    files(folder).into_iter().filter(holds).collect()
}

async fn use_it(folder: &Path, config: &Path, name: &str) -> PathBuf {
    let center = Center::start(folder, Some(config)).await;
    let queue = json!({"queue": [{"name": format!("{CANARY} {name}"), "channel_type": "voice"}]});
    let (status, report) = center.post(&center.token, "/v1/config/apply", queue).await;
    assert_eq!(status, 200, "{report}");
    center.call("+4930555", name).await;
    let (_, socket) = center.chat("Somebody", &["hello".to_owned()]).await;
    leave(socket).await;
    center.until("interaction.ended", if name == "on" { 2 } else { 4 }).await;
    center.stop()
}

#[tokio::test]
async fn no_byte_is_in_clear_with_encryption_on_and_the_search_finds_them_with_it_off() {
    let folder = tempfile::tempdir().expect("folder");
    let config = folder.path().join("ledgerline.toml");
    let elsewhere = folder.path().join("kek-elsewhere");
    let configure = |on: bool| {
        let text = format!(
            "[keys]\nkek_folder = \"{}\"\n[encryption]\nat_rest = {on}\n",
            elsewhere.display()
        );
        std::fs::write(&config, text).expect("written");
    };
    configure(true);
    let data = use_it(folder.path(), &config, "on").await;
    let directory = data.to_string_lossy().into_owned();
    assert!(files(&data).len() > 2, "{:?}", files(&data));
    for needle in NEEDLES {
        assert_eq!(holding(&data, needle), Vec::<PathBuf>::new(), "{needle}");
    }

    // What reads it finds everything, also without a configuration, and writes in the same way.
    let ask = |sql: &str| succeed(&["sql", "--data", &directory, "--format", "csv", sql]);
    let queues = "select name from config_entity where kind = 'queue' order by name";
    assert!(ask(queues).contains(CANARY));
    assert!(succeed(&["verify", "--data", &directory]).contains("log verified"));
    let signed = succeed(&["audit", "checkpoint", "--data", &directory]);
    let checkpoint = folder.path().join("outside");
    std::fs::write(&checkpoint, signed).expect("written");
    assert!(succeed(&["rebuild", "--data", &directory]).contains("identical"));
    let said = succeed(&["keys", "rotate-storage", "--data", &directory]);
    assert!(said.contains("from now on"), "{said}");
    assert!(succeed(&["keys", "list", "--data", &directory]).contains("for new files"));
    let number = ["--phone", "+4930555", "--reason", "asked"];
    let _ = succeed(&[&["erase-subject", "--data", &directory][..], &number].concat());
    for needle in NEEDLES {
        assert_eq!(holding(&data, needle), Vec::<PathBuf>::new(), "{needle}");
    }

    // A backup is encrypted as well, and is restored with the keys only.
    let backup = folder.path().join("backup");
    let backup_text = backup.to_string_lossy();
    let _ = succeed(&["backup", &backup_text, "--data", &directory]);
    let restored = folder.path().join("restored");
    let restored_text = restored.to_string_lossy();
    let without = folder.path().join("without");
    let refused = run(&["restore", &backup_text, "--data", &without.to_string_lossy()]);
    assert!(refused.code == 73 && refused.err.contains("storage key"), "{}", refused.err);
    std::fs::create_dir(&restored).expect("made");
    for name in ["keys.redb", "kek-folder"] {
        std::fs::copy(data.join(name), restored.join(name)).expect("copied");
    }
    let said = succeed(&["restore", &backup_text, "--data", &restored_text]);
    assert!(said.contains("with the keys that were there"), "{said}");
    assert!(succeed(&["verify", "--data", &restored_text]).contains("log verified"));
    assert!(succeed(&["rebuild", "--data", &restored_text]).contains("built"));
    for needle in NEEDLES {
        for folder in [&backup, &restored] {
            assert_eq!(holding(folder, needle), Vec::<PathBuf>::new(), "{needle}");
        }
    }

    // Off: what is encrypted stays readable, what is new is in clear.
    configure(false);
    let _ = use_it(folder.path(), &config, "off").await;
    // The segment that is being written stays what it is: no new one has begun in clear.
    for needle in NEEDLES.into_iter().filter(|needle| !needle.starts_with("LLSEG")) {
        assert!(!holding(&data, needle).is_empty(), "{needle}");
    }
    let queues = ask(queues);
    assert!(queues.contains(&format!("{CANARY} on")) && queues.contains(&format!("{CANARY} off")));
    assert!(succeed(&["verify", "--data", &directory]).contains("log verified"));
    let outside = checkpoint.to_string_lossy();
    let _ = succeed(&["audit", "verify", "--data", &directory, "--checkpoint", &outside]);
}
