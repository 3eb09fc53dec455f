//! User profiles through a serving process: every door shows what is granted, and what is sealed is shown for a
//! reason that is on record.

#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot go on should stop where it is"
)]

mod center;

use std::path::Path;
use std::process::Command;

use center::{Center, leave};
use ledgerline_schemas::id::InteractionId;
use ledgerline_tests::succeed;
use serde_json::{Value, json};

const WORDS: &str = "xylophone-orchard";

const PROFILES: &str = r#"
[[resource_collection]]
name = "The page"
queues = ["Chats"]
entry_points = ["Page"]
[[user_profile]]
name = "Chats only"
sites = "all"
teams = "all"
resource_collections = ["The page"]
[[user_profile]]
name = "Nothing"
[[user_profile]]
name = "Masked"
sites = "all"
teams = "all"
queues = "all"
entry_points = "all"
masked_columns = ["queue_name"]
[[user]]
name = "olga"
teams = ["Team"]
user_profile = "Chats only"
"#;

struct Asking {
    center: Center,
    call: String,
    chat: InteractionId,
}

impl Asking {
    fn token(&self, arguments: &[&str]) -> String {
        let data = self.center.data.to_string_lossy();
        let mut all = vec!["token", "--data", &data];
        all.extend(arguments);
        succeed(&all).trim().to_owned()
    }

    async fn sql(&self, token: &str, sql: &str) -> Vec<Value> {
        let (status, answer) = self.center.post(token, "/v1/sql", json!({"sql": sql})).await;
        assert_eq!(status, 200, "{sql}: {answer}");
        answer["rows"].as_array().expect("rows").clone()
    }

    async fn get(&self, token: &str, path: &str) -> (u16, String) {
        let url = format!("{}{path}", self.center.server.url());
        let answer = self.center.client.get(url).bearer_auth(token).send().await.expect("answers");
        (answer.status().as_u16(), answer.text().await.unwrap_or_default())
    }

    async fn reveal(&self, token: &str, id: &str, body: Value) -> (u16, Value) {
        self.center.post(token, &format!("/v1/interactions/{id}/reveal"), body).await
    }
}

/// A call on the line and a chat on the page, both over.
async fn asking(folder: &Path) -> Asking {
    let center = Center::start(folder, None).await;
    let file = folder.join("profiles.toml");
    std::fs::write(&file, PROFILES).expect("written");
    let (file, url) = (file.to_string_lossy().into_owned(), center.server.url());
    let said = succeed(&["config", "apply", &file, "--server", &url, "--token", &center.token]);
    assert!(said.contains("0 failed"), "{said}");
    center.call_until("+4930111", "call-1", 1).await;
    let lines = [format!("{WORDS} one"), format!("{WORDS} two")];
    let (chat, socket) = center.chat(&format!("{WORDS} visitor"), &lines).await;
    leave(socket).await;
    center.until("interaction.ended", 2).await;
    let mut asking = Asking { center, call: String::new(), chat };
    let sql = "select interaction_id as id from customer_session where channel_type = 'voice'";
    let rows = asking.sql(&asking.center.token, sql).await;
    asking.call = rows[0]["id"].as_str().expect("an id").to_owned();
    asking
}

#[tokio::test]
async fn every_door_shows_what_the_profile_grants() {
    let folder = tempfile::tempdir().expect("folder");
    let asking = asking(folder.path()).await;
    let roles = "supervisor,auditor,analyst";
    let by_token = asking.token(&["--role", roles, "--user-profile", "Chats only"]);
    let by_user = asking.token(&["--role", roles, "--user", "olga"]);
    let whole = asking.center.token.clone();
    let chat = asking.chat.to_string();

    for token in [&by_token, &by_user] {
        let sessions = asking.sql(token, "select interaction_id as id from customer_session").await;
        assert_eq!(sessions, [json!({"id": chat})]);
        for (sql, granted, all) in [
            ("select count(*) as n from queue_leg", 1, 2),
            ("select count(*) as n from queue_live", 1, 2),
            ("select count(*) as n from csr", 1, 2),
            ("select count(*) as n from config_entity where kind = 'queue'", 1, 2),
            ("select count(*) as n from as_of('customer_session', current_position())", 1, 2),
        ] {
            assert_eq!(asking.sql(token, sql).await, [json!({"n": granted})], "{sql}");
            assert_eq!(asking.sql(&whole, sql).await, [json!({"n": all})], "{sql}");
        }
        let (status, _) =
            asking.center.post(token, "/v1/sql", json!({"sql": "select 1 from event_log"})).await;
        assert_eq!(status, 400, "there is no such table");

        // One's own history, and the same answer for one that is not granted as for one that is not there.
        for door in ["interactions/{}/history", "custody/interactions/{}/evidence"] {
            let at = |id: &str| format!("/v1/{}", door.replace("{}", id));
            let never = "00000000-0000-0000-0000-00000000dead";
            assert_eq!(asking.get(token, &at(&chat)).await.0, 200, "{door}");
            assert_eq!(asking.get(&whole, &at(&asking.call)).await.0, 200, "{door}");
            let (hidden, absent) =
                (asking.get(token, &at(&asking.call)).await, asking.get(token, &at(never)).await);
            assert_eq!(hidden.0, 404, "{door}: {}", hidden.1);
            assert_eq!(
                hidden.1.replace(&asking.call, "ID"),
                absent.1.replace(never, "ID"),
                "{door}"
            );
        }

        // Configuration as it is, and the log as it is, are for whoever sees everything.
        assert_eq!(asking.get(token, "/v1/config/queue").await.0, 403);
        let (status, refused) = asking.get(token, "/v1/realtime/sse?dataset=events").await;
        assert_eq!(status, 403, "{refused}");
    }
    assert_eq!(asking.get(&whole, "/v1/config/queue").await.0, 200);

    // Two profiles grant what both grant; nothing that a request says adds to it.
    let both = asking.token(&["--role", roles, "--user", "olga", "--user-profile", "Nothing"]);
    let none = asking.sql(&both, "select count(*) as n from customer_session").await;
    assert_eq!(none, [json!({"n": 0})]);

    // The same over the PostgreSQL wire.
    let arguments = ["--role", "analyst", "--subject", "max", "--user-profile", "Chats only"];
    let said = asking.token(&[&arguments[..], &["--sql-user"]].concat());
    let password = said.lines().find_map(|line| line.strip_prefix("password ")).expect("password");
    let sql = asking.center.server.sql;
    let connection =
        format!("host={} port={} user=max dbname=ledgerline sslmode=require", sql.ip(), sql.port());
    let shown = Command::new("psql")
        .args([&connection, "-XAt", "-c", "select interaction_id from customer_session"])
        .env("PGPASSWORD", password)
        .output()
        .expect("psql");
    let error = String::from_utf8_lossy(&shown.stderr).into_owned();
    assert_eq!(String::from_utf8_lossy(&shown.stdout).trim(), chat, "{error}");

    // Switched off, a profile grants nothing, to tokens that are out there already.
    let data = json!({"name": "Chats only", "active": false});
    let url = format!("{}/v1/config/user_profile/Chats%20only", asking.center.server.url());
    let put = asking.center.client.put(url).bearer_auth(&whole).json(&data);
    assert_eq!(put.send().await.expect("answers").status(), 200);
    let (status, refused) =
        asking.center.post(&by_user, "/v1/sql", json!({"sql": "select 1"})).await;
    assert_eq!(status, 403, "{refused}");
    assert!(refused["detail"].as_str().expect("detail").contains("switched off"), "{refused}");
    assert_eq!(asking.get(&by_token, &format!("/v1/interactions/{chat}/history")).await.0, 403);
}

#[tokio::test]
async fn what_is_sealed_is_shown_for_a_reason_that_is_on_record() {
    let folder = tempfile::tempdir().expect("folder");
    let asking = asking(folder.path()).await;
    let chat = asking.chat.to_string();
    let auditor = asking.token(&["--role", "auditor", "--subject", "ada"]);
    let reason = json!({"reason": "complaint 4711"});

    let (status, shown) = asking.reveal(&auditor, &chat, reason.clone()).await;
    assert_eq!(status, 200, "{shown}");
    let values = shown["values"].as_array().expect("values");
    let clear: Vec<&str> = values.iter().filter_map(|it| it["value"].as_str()).collect();
    let expected = [format!("{WORDS} visitor"), format!("{WORDS} one"), format!("{WORDS} two")];
    assert_eq!(clear, expected, "{shown}");
    assert!(values.iter().all(|it| it["state"] == "revealed"), "{shown}");
    let sql = "select principal, interaction_id, reveal_reason, revealed_fields from access_log where event_type = 'access.revealed'";
    let recorded = asking.sql(&auditor, sql).await;
    assert_eq!(recorded.len(), 1);
    assert_eq!(
        (&recorded[0]["principal"], &recorded[0]["interaction_id"]),
        (&json!("ada"), &json!(chat))
    );
    assert_eq!(recorded[0]["reveal_reason"], "complaint 4711");
    let names = recorded[0]["revealed_fields"].to_string();
    assert!(names.contains("message.received:/body") && !names.contains(WORDS), "{names}");

    // Who may not, and what is not granted or says no reason. Nothing of it is on record as revealed.
    for (arguments, id, body, expected) in [
        (vec!["--role", "administrator,supervisor"], &chat, reason.clone(), 403),
        (vec!["--role", "auditor"], &chat, json!({"reason": "  "}), 400),
        (vec!["--role", "auditor"], &chat, json!({}), 400),
        (
            vec!["--role", "auditor", "--user-profile", "Chats only"],
            &asking.call,
            reason.clone(),
            404,
        ),
        (vec!["--role", "auditor", "--user-profile", "Masked"], &chat, reason.clone(), 403),
    ] {
        let token = asking.token(&arguments);
        let (status, refused) = asking.reveal(&token, id, body).await;
        assert_eq!(status, expected, "{arguments:?}: {refused}");
        assert!(!refused.to_string().contains(WORDS), "{refused}");
    }
    assert_eq!(asking.center.count("access.revealed").await, 1);

    // An erased person stays unreadable; that something was there is told.
    let body = json!({"kind": "chat", "value": chat, "reason": "request of 2026-11-20"});
    let (status, report) = asking.center.erase(body).await;
    assert_eq!(status, 200, "{report}");
    let (status, shown) = asking.reveal(&auditor, &chat, reason).await;
    assert_eq!(status, 200, "{shown}");
    let values = shown["values"].as_array().expect("values");
    assert!(values.len() == 3 && values.iter().all(|it| it["state"] == "erased"), "{shown}");
    assert!(!shown.to_string().contains(WORDS), "{shown}");
}
