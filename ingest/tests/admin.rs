//! Configuration by file and by REST, with a real engine behind it.

#![allow(clippy::expect_used, reason = "helpers of tests fail a test by panicking")]

mod doors;

use doors::{CONFIG, ORG, OTHER_ORG, Org, Server};
use ledgerline_access::Role;
use ledgerline_ingest::admin::{ApplyOptions, ConfigFile, apply};
use ledgerline_ingest::chat::ChatSettings;
use ledgerline_schemas::{Actor, ActorType};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

fn org() -> Org {
    Org::start(ORG, ChatSettings::default())
}

#[tokio::test]
async fn a_file_is_applied_once_and_then_changes_nothing() {
    let org = org();
    let first = org.configure(CONFIG).await;
    assert_eq!(first.failed, []);
    assert_eq!(first.created.len(), 14);
    let events = org.events().len();
    let second = org.configure(CONFIG).await;
    assert_eq!((second.created.len(), second.updated.len()), (0, 0));
    assert_eq!(second.unchanged.len(), 14);
    assert_eq!(org.events().len(), events, "nothing new on the log");
    let changed = CONFIG.replace("chat = 2", "chat = 3");
    let third = org.configure(&changed).await;
    assert_eq!(third.updated.len(), 1);
    assert_eq!(third.updated[0].name, "Chats");
    assert_eq!(third.unchanged.len(), 13);
}

#[tokio::test]
async fn the_documented_example_applies_as_written() {
    let text = include_str!("../../docs/configuration.md");
    let example = text
        .split("```toml")
        .nth(1)
        .and_then(|rest| rest.split("```").next())
        .expect("an example in docs/configuration.md");
    let report = org().configure(example).await;
    assert_eq!(report.failed, []);
    assert!(report.created.len() >= 20, "{} entities", report.created.len());
}

#[tokio::test]
async fn each_entity_fails_alone_and_what_refers_to_it_fails_too() {
    let org = org();
    let report = org
        .configure(
            r#"
            [[site]]
            name = "Berlin"
            [[site]]
            name = "Paris"
            timzone = "Europe/Paris"
            [[multimedia_profile]]
            name = "Too much"
            voice = 2
            [[team]]
            name = "Good"
            site = "Berlin"
            [[team]]
            name = "Bad"
            site = "Paris"
            [[team]]
            name = "Good"
            site = "Berlin"
            [[team]]
            site = "Berlin"
            "#,
        )
        .await;
    let created: Vec<_> = report.created.iter().map(|it| it.name.as_str()).collect();
    assert_eq!(created, ["Berlin", "Good"]);
    let failed: Vec<_> = report
        .failed
        .iter()
        .map(|it| (it.kind.name(), it.name.as_str(), it.field.as_deref().unwrap_or("")))
        .collect();
    let mut expected = vec![
        ("site", "Paris", "timzone"),
        ("multimedia_profile", "Too much", "voice"),
        ("team", "Bad", "site"),
        ("team", "Good", "name"),
        ("team", "", "name"),
    ];
    expected.sort_unstable();
    let mut found = failed.clone();
    found.sort_unstable();
    assert_eq!(found, expected, "{:?}", report.failed);
}

#[tokio::test]
async fn overflow_queues_may_stand_in_any_order() {
    let report = org()
        .configure(
            r#"
            [[queue]]
            name = "A"
            channel_type = "chat"
            overflow_queue = "B"
            max_time_in_queue_ms = 60000
            [[queue]]
            name = "B"
            channel_type = "chat"
            "#,
        )
        .await;
    assert_eq!(report.failed, []);
}

#[tokio::test]
async fn a_dry_run_writes_nothing() {
    let org = org();
    let events = org.events().len();
    let file = ConfigFile::from_toml(CONFIG).expect("file");
    let options = ApplyOptions { dry_run: true, reason: None };
    let actor = Actor::new(ActorType::Admin, "test");
    let engine = &*org.organization.engine;
    let report = apply(engine, ORG, &actor, file, &options).await.expect("engine");
    assert!(report.dry_run);
    assert_eq!(report.created.len(), 14);
    assert_eq!(org.events().len(), events);
}

#[tokio::test]
async fn one_entity_over_rest_by_name_and_by_id() {
    let (server, org) = Server::with_org().await;
    let admin = server.client(ORG, Role::Administrator, None);
    let path = "/v1/config/site/Tokyo";
    let (status, put) = admin.ask(Method::PUT, path, json!({"timezone": "Asia/Tokyo"})).await;
    assert_eq!((status, &put["result"]), (StatusCode::CREATED, &json!("created")), "{put}");
    let (status, again) = admin.ask(Method::PUT, path, json!({"timezone": "Asia/Tokyo"})).await;
    assert_eq!((status, &again["result"]), (StatusCode::OK, &json!("unchanged")));
    let shown = admin.ok(Method::GET, path, Value::Null).await;
    assert_eq!(
        (&shown["version"], &shown["document"]["timezone"]),
        (&json!(1), &json!("Asia/Tokyo"))
    );

    let by_id = format!("/v1/config/site/{}", put["id"].as_str().expect("id"));
    let renamed = admin.ok(Method::PUT, &by_id, json!({"name": "Osaka"})).await;
    assert_eq!(renamed["result"], "updated");
    let (status, _) = admin.ask(Method::GET, path, Value::Null).await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    let list = admin.ok(Method::GET, "/v1/config/site", Value::Null).await;
    assert_eq!(list.as_array().map(Vec::len), Some(2));

    let (status, problem) = admin.ask(Method::DELETE, "/v1/config/site/Berlin", Value::Null).await;
    assert_eq!(status, StatusCode::CONFLICT, "teams are there: {problem}");
    admin.ok(Method::DELETE, "/v1/config/site/Osaka?reason=moved", Value::Null).await;
    assert_eq!(org.count("config.site.deleted"), 1);
    let (status, _) = admin.ask(Method::DELETE, "/v1/config/site/Osaka", Value::Null).await;
    assert_eq!(status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn what_does_not_fit_is_refused_by_name() {
    let (server, _org) = Server::with_org().await;
    let admin = server.client(ORG, Role::Administrator, None);
    let site = "/v1/config/site/Rome";
    for (path, body, status, field) in [
        (site, json!({"timzone": "x"}), 422, "timzone"),
        (site, json!({"name": "Milan"}), 422, "name"),
        (site, json!({"active": "yes"}), 422, "active"),
        ("/v1/config/team/T", json!({"site": "Atlantis"}), 422, "site"),
        ("/v1/config/team/T", json!({}), 422, "site_id"),
        ("/v1/config/queue/Sales", json!({"channel_type": "voice"}), 422, "channel_type"),
        ("/v1/config/site/Rome?why=x", json!({}), 422, "query"),
    ] {
        let (found, problem) = admin.ask(Method::PUT, path, body.clone()).await;
        assert_eq!(found.as_u16(), status, "{path} {body}: {problem}");
        assert_eq!(problem["field"], field, "{path} {body}: {problem}");
    }
    let (status, _) = admin.ask(Method::GET, "/v1/config/planet", Value::Null).await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    let body = json!({"site": [{"name": "Rome"}, {"name": "Milan", "x": 1}]});
    let (status, report) = admin.ask(Method::POST, "/v1/config/apply", body).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(report["created"][0]["name"], "Rome");
    assert_eq!(
        (&report["failed"][0]["name"], &report["failed"][0]["field"]),
        (&json!("Milan"), &json!("x"))
    );
    let (status, problem) =
        admin.ask(Method::POST, "/v1/config/apply", json!({"planet": []})).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{problem}");
}

#[tokio::test]
async fn only_administrators_change_and_only_their_own_organization() {
    let (server, org) = Server::with_org().await;
    let other = server.add(OTHER_ORG).await;
    let before = other.events().len();
    for (role, read, write) in [
        (Role::Administrator, 200, 201),
        (Role::Supervisor, 200, 403),
        (Role::Integrator, 200, 403),
        (Role::Agent, 403, 403),
    ] {
        let user = (role == Role::Agent).then(|| org.user("ada"));
        let api = server.client(ORG, role, user);
        let (found, _) = api.ask(Method::GET, "/v1/config/site", Value::Null).await;
        assert_eq!(found.as_u16(), read, "{role:?} reads");
        let (found, _) = api.ask(Method::PUT, "/v1/config/site/Oslo", json!({})).await;
        assert_eq!(found.as_u16(), write, "{role:?} writes");
        let (found, _) = api.ask(Method::POST, "/v1/config/apply", json!({})).await;
        assert_eq!(found.is_success(), write == 201, "{role:?} applies");
    }
    let stranger = server.client(OTHER_ORG, Role::Administrator, None);
    let (status, _) = stranger.ask(Method::GET, "/v1/config/site/Oslo", Value::Null).await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    let id = org.user("ada");
    let (status, _) =
        stranger.ask(Method::GET, &format!("/v1/config/user/{id}"), Value::Null).await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    assert_eq!(other.events().len(), before, "the other organization's log is as it was");
}
