//! Real processes: what a standby needs that is not on the log. Persons chat with a leader, some are erased, it is
//! killed; the standby opens what it must and nothing else, for the same tokens and users.

#![allow(clippy::expect_used, reason = "a test helper that cannot go on should fail the test")]

mod center;
mod duo;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use center::{ENTITIES, Socket, leave, sealed};
use duo::{Cluster, Process, org, put, token, until};
use futures::{SinkExt as _, StreamExt as _};
use ledgerline_access::ScramCredentials;
use ledgerline_event_store::crypt::at_rest::StorageKeys;
use ledgerline_event_store::crypt::kek::FileKeyring;
use ledgerline_event_store::crypt::{CryptError, KeyRing};
use ledgerline_schemas::id::SubjectId;
use ledgerline_tests::succeed;
use reqwest::Client;
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;

/// Files are encrypted under keys of the key ring.
const AT_REST: &str = "[encryption]\nat_rest = true\n";

/// A person who chats.
struct Person {
    id: String,
    /// Path and query of the socket.
    path: String,
    socket: Socket,
}

async fn connect(http: u16, path: &str) -> Socket {
    let url = format!("ws://127.0.0.1:{http}{path}");
    tokio_tungstenite::connect_async(url).await.expect("socket").0
}

/// The next frame of this type.
async fn frame(socket: &mut Socket, wanted: &str) -> Value {
    loop {
        let frame = socket.next().await.expect("open").expect("frame");
        let Message::Text(text) = frame else { continue };
        let frame: Value = serde_json::from_str(&text).expect("json");
        assert_ne!(frame["type"], "error", "{frame}");
        if frame["type"] == wanted {
            return frame;
        }
    }
}

/// Begins a chat and says something; both are acknowledged.
async fn chat(client: &Client, http: u16, text: &str) -> Person {
    let url = format!("http://127.0.0.1:{http}/v1/chats");
    let body = json!({"entryPoint": "page", "name": format!("name of {text}")});
    let answer = client.post(url).json(&body).send().await.expect("answers");
    assert_eq!(answer.status(), 201);
    let started: Value = answer.json().await.expect("json");
    let path = started["socket"].as_str().expect("a path").to_owned();
    let mut socket = connect(http, &path).await;
    let said = json!({"type": "message", "text": text, "clientMessageId": "1"});
    socket.send(Message::text(said.to_string())).await.expect("sent");
    frame(&mut socket, "accepted").await;
    Person { id: started["interactionId"].as_str().expect("an id").to_owned(), path, socket }
}

async fn post(client: &Client, http: u16, token: &str, path: &str, body: Value) -> (u16, Value) {
    let url = format!("http://127.0.0.1:{http}{path}");
    let answer = client.post(url).bearer_auth(token).json(&body).send().await.expect("answers");
    (answer.status().as_u16(), answer.json().await.expect("json"))
}

/// Ends a chat and erases its person.
async fn erase(client: &Client, http: u16, token: &str, person: Person) -> String {
    leave(person.socket).await;
    let body = json!({"kind": "chat", "value": person.id, "reason": "asked"});
    until("an erasure", || async {
        let (status, answer) =
            post(client, http, token, "/v1/privacy/erasures", body.clone()).await;
        // Until the end of the conversation is known everywhere.
        assert!(status == 200 || status == 409, "{answer}");
        (status == 200).then_some(())
    })
    .await;
    person.id
}

fn copy_folder(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("made");
    for entry in fs::read_dir(from).expect("folder") {
        let path = entry.expect("entry").path();
        let target = to.join(path.file_name().expect("a name"));
        if path.is_dir() {
            copy_folder(&path, &target);
        } else {
            fs::copy(&path, &target).expect("copied");
        }
    }
}

/// A leader with a line for chats, its keys offered; and the address of their door.
async fn leading(cluster: &Cluster, more: &str) -> (Process, String, String) {
    let settings = cluster.with_keys(None) + more;
    let mut leader = cluster.process("one", &settings, false);
    let addresses = leader.serves().await;
    let admin = token(&leader.data, "administrator,auditor");
    let entities = cluster.folder.join("entities.toml");
    fs::write(&entities, ENTITIES).expect("written");
    let (file, url) = (entities.to_string_lossy(), format!("http://127.0.0.1:{}", leader.http));
    let _ = succeed(&["config", "apply", &file, "--server", &url, "--token", &admin]);
    (leader, addresses["keys"].as_str().expect("a door").to_owned(), admin)
}

/// Waits until a standby has the keys of this epoch's leader and is connected to it.
async fn has_keys(client: &Client, standby: &Process, epoch: u64) {
    until("a copy of the keys", || async {
        let health = standby.health(client).await?;
        let keys = &health["organizations"][0]["keys"];
        (keys["connected"] == true && keys["epoch"] == epoch).then_some(())
    })
    .await;
}

async fn metric(client: &Client, http: u16, token: &str, name: &str) -> Option<f64> {
    let url = format!("http://127.0.0.1:{http}/metrics");
    let text = client.get(url).bearer_auth(token).send().await.ok()?.text().await.ok()?;
    let line = text.lines().find(|line| line.starts_with(&format!("{name} ")))?;
    line.split(' ').next_back()?.parse().ok()
}

/// What was sealed on a log, by person: the texts that open with the keys of the directory, and how many do not.
fn opened(data: &Path, kek: &Path) -> BTreeMap<SubjectId, (Vec<String>, usize)> {
    let keyring = Arc::new(FileKeyring::in_directory(kek));
    let keys = KeyRing::open_with(data, keyring).expect("keys");
    let storage = StorageKeys::new(keys.clone(), org(), true);
    let mut found: BTreeMap<SubjectId, (Vec<String>, usize)> = BTreeMap::new();
    for (subject, binding, value) in sealed(data, Some(storage)) {
        let of = found.entry(subject).or_default();
        match keys.open(org(), binding, &value) {
            Ok(text) => of.0.push(text),
            Err(CryptError::NoKey { .. }) => of.1 += 1,
            Err(error) => panic!("{subject}: {error}"),
        }
    }
    found
}

fn subject(data: &Path, kek: &Path, chat: &str) -> SubjectId {
    let keyring = Arc::new(FileKeyring::in_directory(kek));
    let keys = KeyRing::open_with(data, keyring).expect("keys");
    keys.subject_id(org(), "chat", chat).expect("an id")
}

/// Files of a directory, those of the log and what is made from it left out, that hold these bytes.
fn files_with(folder: &Path, needle: &[u8]) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).expect("folder") {
        let path = entry.expect("entry").path();
        if path.is_dir() {
            if !path.ends_with("log") && !path.ends_with("tables") && !path.ends_with("snapshots") {
                found.extend(files_with(&path, needle));
            }
        } else {
            let bytes = fs::read(&path).expect("file");
            found.extend(bytes.windows(needle.len()).any(|it| it == needle).then_some(path));
        }
    }
    found
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_takeover_sealed_values_open_for_the_same_tokens_and_users_and_erased_ones_do_not()
{
    let folder = tempfile::tempdir().expect("folder");
    let mut cluster = Cluster::start(folder.path(), 2_000).await;
    let (mut leader, door, admin) = leading(&cluster, "").await;
    let client = Client::new();
    let before = chat(&client, leader.http, "said before there was a standby").await;
    let erased = chat(&client, leader.http, "said and erased").await;
    let user = ["--role", "analyst", "--subject", "reports", "--sql-user"];
    let data = leader.data.to_string_lossy().into_owned();
    let said = succeed(&[&["token", "--data", &data][..], &user].concat());
    let password = said.split_whitespace().last().expect("a password").to_owned();

    // Nobody gets keys without the secret.
    for secret in [None, Some("a-secret-of-forty-characters-for-the-tesT")] {
        let url = format!("http://{door}/v1/standby/keys");
        let mut request = client.get(url).query(&[("standby", uuid::Uuid::nil().to_string())]);
        request = request.query(&[("wait_ms", "0")]);
        if let Some(secret) = secret {
            request = request.bearer_auth(secret);
        }
        assert_eq!(request.send().await.expect("answers").status(), 401);
    }

    // The operator's part: the key-encryption keys.
    let keks = |name: &str| folder.path().join(format!("{name}-kek"));
    copy_folder(&keks("one"), &keks("two"));
    let mut standby = cluster.process("two", &cluster.with_keys(Some(&door)), true);
    has_keys(&client, &standby, 1).await;
    let erased = erase(&client, leader.http, &admin, erased).await;

    // One that does not take keys is waited for once, and told about.
    let http = leader.http;
    let in_step = |wanted: f64| {
        let (client, admin) = (client.clone(), admin.clone());
        async move {
            until("the standbys in step", || async {
                let standbys = metric(&client, http, &admin, "ledgerline_key_standbys").await?;
                ((standbys - wanted).abs() < 0.5).then_some(())
            })
            .await;
        }
    };
    in_step(1.0).await;
    standby.signal("-STOP");
    let away = chat(&client, leader.http, "said while the standby took nothing").await;
    leader.says("a standby did not take new keys in time").await;
    let timeouts = metric(&client, leader.http, &admin, "ledgerline_key_copy_timeouts_total").await;
    assert!(timeouts.is_some_and(|count| count >= 1.0), "{timeouts:?}");
    standby.signal("-CONT");
    in_step(1.0).await;

    // Acknowledged, and the leader is gone at once.
    let last = chat(&client, leader.http, "said in the last moment").await;
    leader.kill();
    let addresses = standby.serves().await;
    assert!(put(&client, standby.http, &admin, "site-after-x").await.is_some(), "the same token");
    let sql = "select count(*) as n from event_log where event_type = 'message.received'";
    until("the table of events", || async {
        let (_, answer) = post(&client, standby.http, &admin, "/v1/sql", json!({"sql": sql})).await;
        (answer["rows"][0]["n"] == 4).then_some(())
    })
    .await;
    let users = ScramCredentials::open(&standby.data).expect("users");
    let principal = users.verify_password("reports", &password).expect("the same user");
    assert_eq!(principal.org_id, org());
    let said = [
        (&before, "said before there was a standby"),
        (&away, "said while the standby took nothing"),
        (&last, "said in the last moment"),
    ];
    for (person, text) in &said {
        let mut socket = connect(standby.http, &person.path).await;
        let history = frame(&mut socket, "history").await;
        assert!(history["messages"].to_string().contains(text), "{history}");
    }

    // The old leader follows the new one, with its keys.
    let newer = chat(&client, standby.http, "said to the new leader").await;
    let door = addresses["keys"].as_str().expect("a door");
    let mut old = cluster.process("one", &cluster.with_keys(Some(door)), true);
    has_keys(&client, &old, 2).await;
    // What was said to the new leader comes before this.
    let head = put(&client, standby.http, &admin, "site-end-x").await.expect("acknowledged");
    old.follows(&client, head).await;
    old.stop().await;
    standby.stop().await;
    cluster.process.stop().await;

    for (name, data) in [("one", &leader.data), ("two", &standby.data)] {
        let gone = subject(data, &keks(name), &erased);
        let found = opened(data, &keks(name));
        assert_eq!(found[&gone], (Vec::new(), 2), "{name}: a name and a text that do not open");
        for (person, text) in said.iter().copied().chain([(&newer, "said to the new leader")]) {
            let (texts, closed) = &found[&subject(data, &keks(name), &person.id)];
            assert_eq!((texts.len(), *closed), (2, 0), "{name}: {text}");
            assert!(texts.iter().any(|it| it == text), "{name}: {texts:?}");
        }
        // The key file holds every person's id beside its keys, and this one's nowhere.
        let kept = subject(data, &keks(name), &last.id);
        assert!(!files_with(data, kept.uuid().as_bytes()).is_empty());
        let left = files_with(data, gone.uuid().as_bytes());
        assert!(left.is_empty(), "{name}: {left:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_was_erased_while_the_standby_was_away_is_gone_there_even_if_the_leader_never_comes_back()
 {
    let folder = tempfile::tempdir().expect("folder");
    let mut cluster = Cluster::start(folder.path(), 2_000).await;
    let (mut leader, door, admin) = leading(&cluster, AT_REST).await;
    let client = Client::new();
    let kept = chat(&client, leader.http, "said and kept").await;
    let erased = chat(&client, leader.http, "said and erased").await;
    let keks = |name: &str| folder.path().join(format!("{name}-kek"));
    copy_folder(&keks("one"), &keks("two"));
    let settings = cluster.with_keys(Some(&door)) + AT_REST;
    let mut standby = cluster.process("two", &settings, true);
    has_keys(&client, &standby, 1).await;
    standby.kill();
    let erased = erase(&client, leader.http, &admin, erased).await;
    leader.kill();

    let mut standby = cluster.process("two", &settings, true);
    standby.serves().await;
    let mut socket = connect(standby.http, &kept.path).await;
    let history = frame(&mut socket, "history").await;
    assert!(history["messages"].to_string().contains("said and kept"), "{history}");
    drop(socket);
    standby.stop().await;
    cluster.process.stop().await;
    // Each has its files under a key of its own until it has the other's, and reads both.
    for data in [&leader.data, &standby.data] {
        let log = data.join("orgs").join(org().to_string()).join("log");
        assert!(!files_with(&log, b"LLVEIL").is_empty());
    }
    let gone = subject(&standby.data, &keks("two"), &erased);
    let found = opened(&standby.data, &keks("two"));
    assert_eq!(found[&gone], (Vec::new(), 2));
    assert!(files_with(&standby.data, gone.uuid().as_bytes()).is_empty());
    // The directory of the dead leader has it no more either; a standby that never copied does not take over.
    assert!(files_with(&leader.data, gone.uuid().as_bytes()).is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_standby_without_the_keys_of_who_led_does_not_take_over() {
    let folder = tempfile::tempdir().expect("folder");
    let mut cluster = Cluster::start(folder.path(), 500).await;
    let (mut leader, _, admin) = leading(&cluster, "").await;
    let client = Client::new();
    let first = put(&client, leader.http, &admin, "site-first-x").await.expect("acknowledged");
    // Nobody answers where it looks for keys.
    let settings = cluster.with_keys(Some("127.0.0.1:9"));
    let mut standby = cluster.process("two", &settings, true);
    standby.follows(&client, first).await;
    standby.says("no takeover before they are").await;
    leader.kill();
    // Whoever has them takes over, although the other one has waited for longer.
    let mut again = cluster.process("one", &cluster.with_keys(None), true);
    again.serves().await;
    assert!(put(&client, again.http, &admin, "site-again-x").await.is_some());
    let health = standby.health(&client).await.expect("answers");
    assert_eq!(health["role"], "standby", "{health}");
    again.stop().await;
    standby.stop().await;
    cluster.process.stop().await;
}
