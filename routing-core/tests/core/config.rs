//! Configuration: create, update, delete and every rule that refuses.

use ledgerline_routing_core::RejectionCode;
use ledgerline_schemas::Position;
use ledgerline_schemas::command::Command;
use ledgerline_schemas::config::EntityKind;
use ledgerline_schemas::document::Document;
use ledgerline_schemas::event::{ConfigChange, Event};
use ledgerline_schemas::id::EntityId;
use serde_json::{Value, json};

use crate::scenario::{Scenario, entity, entry_point, login, put, queue, team};

fn newest_change(scenario: &Scenario) -> ConfigChange {
    scenario.newest(|event| match event {
        Event::Config(change) => Some(change.clone()),
        _ => None,
    })
}

fn delete(kind: EntityKind, name: &str) -> Command {
    Command::DeleteEntity { kind, entity_id: entity(kind, name), reason: None }
}

#[test]
fn an_entity_is_created_updated_and_left_alone_when_nothing_changed() {
    let site = |zone: &str| put(EntityKind::Site, "osaka", json!({"timezone": zone}));
    Scenario::empty()
        .when(site("Asia/Tokyo"))
        .then(&["config.site.created"])
        .and(|it| {
            let change = newest_change(it);
            assert_eq!(change.entity_id, entity(EntityKind::Site, "osaka"));
            assert_eq!((change.entity_version, change.before_sha256), (1, None));
            assert_eq!(it.state.config_position(), Position(1));
        })
        .when(site("Asia/Tokyo"))
        .then(&[])
        .when(site("Europe/Vienna"))
        .then(&["config.site.updated"])
        .and(|it| {
            let change = newest_change(it);
            assert_eq!(change.entity_version, 2);
            assert_eq!(change.changed_paths, ["/timezone"]);
            assert_eq!(change.before_sha256.map(|hash| hash.len()), Some(64));
            assert_eq!(it.state.config_position(), Position(2));
        });
}

#[test]
fn switching_off_and_on_is_said_so() {
    let site = |active: bool| put(EntityKind::Site, "osaka", json!({"active": active}));
    Scenario::empty()
        .given([site(true)])
        .when(site(false))
        .then(&["config.site.deactivated"])
        .when(site(true))
        .then(&["config.site.activated"]);
}

#[test]
fn names_are_checked_at_their_limit() {
    let named = |length: usize| put(EntityKind::Site, &"x".repeat(length), json!({}));
    Scenario::empty()
        .when(named(0))
        .then_refused(RejectionCode::Invalid, "name")
        .when(named(79))
        .then(&["config.site.created"])
        .when(named(80))
        .then(&["config.site.created"])
        .when(named(81))
        .then_refused(RejectionCode::Invalid, "name");
}

#[test]
fn a_renamed_entity_keeps_its_id_and_its_old_name_asks_for_one() {
    let rename = Command::PutEntity {
        kind: EntityKind::Site,
        entity_id: Some(entity(EntityKind::Site, "old")),
        document: Document::from_value(&json!({"name": "new"})).expect("an object"),
        reason: None,
    };
    let taken = Command::PutEntity {
        kind: EntityKind::Site,
        entity_id: Some(EntityId::from_u128(7)),
        document: Document::from_value(&json!({"name": "new"})).expect("an object"),
        reason: None,
    };
    Scenario::empty()
        .given([put(EntityKind::Site, "old", json!({})), rename])
        .when(put(EntityKind::Site, "new", json!({"timezone": "Asia/Tokyo"})))
        .then(&["config.site.updated"])
        .when(put(EntityKind::Site, "old", json!({})))
        .then_refused(RejectionCode::Conflict, "entity_id")
        .when(taken)
        .then_refused(RejectionCode::Conflict, "name");
}

#[test]
fn documents_that_break_a_rule_are_refused_with_the_field() {
    let profile = |voice: u8, chat: u8| json!({"voice": voice, "chat": chat});
    let queue_with = |field: &str, value: Value| {
        let mut document = json!({"channel_type": "voice"});
        document[field] = value;
        document
    };
    let site = entity(EntityKind::Site, "tokyo");
    let cases: Vec<(EntityKind, &str, Value)> = vec![
        (EntityKind::Site, "timezon", json!({"timezon": "Asia/Tokyo"})),
        (EntityKind::Team, "site_id", json!({"site_id": team("one")})),
        (EntityKind::Team, "team_type", json!({"site_id": site, "team_type": "capacity"})),
        (EntityKind::User, "team_ids", json!({"team_ids": [team("nowhere")]})),
        (EntityKind::MultimediaProfile, "voice", profile(2, 0)),
        (EntityKind::MultimediaProfile, "chat", profile(1, 6)),
        (EntityKind::Skill, "enum_values", json!({"skill_type": "enum"})),
        (EntityKind::Queue, "routing_type", queue_with("routing_type", json!("circular"))),
        (
            EntityKind::Queue,
            "call_distribution_groups",
            queue_with("call_distribution_groups", json!([{"team_ids": [team("nowhere")]}])),
        ),
        (EntityKind::Queue, "ring_timeout_ms", queue_with("ring_timeout_ms", json!(0))),
        (EntityKind::Queue, "max_time_in_queue_ms", queue_with("max_time_in_queue_ms", json!(0))),
        (
            EntityKind::Queue,
            "overflow_queue_id",
            queue_with("overflow_queue_id", json!(queue("chats"))),
        ),
        (
            EntityKind::Queue,
            "wait_credits",
            queue_with("wait_credits", json!([{"priority": 11, "credit_ms": 1}])),
        ),
        (EntityKind::EntryPoint, "flow_id", entry_point("voice", "200", "nowhere")),
        (EntityKind::EntryPoint, "numbers", entry_point("voice", "100", "main")),
        (EntityKind::UserProfile, "queues", json!({"queues": [queue("nowhere")]})),
        (EntityKind::UserProfile, "teams", json!({"teams": [site]})),
        (EntityKind::UserProfile, "everything", json!({"modules": ["everything"]})),
        (EntityKind::UserProfile, "masked_columns", json!({"masked_columns": ["a.b.c"]})),
        (EntityKind::UserProfile, "masked_columns", json!({"masked_columns": ["Agent"]})),
        (EntityKind::UserProfile, "resource_collections", json!({"resource_collections": [site]})),
        (EntityKind::ResourceCollection, "sites", json!({"sites": [team("one")]})),
        (EntityKind::User, "user_profile_id", json!({"user_profile_id": site})),
    ];
    let mut scenario = Scenario::new();
    for (kind, field, document) in cases {
        scenario =
            scenario.when(put(kind, "x", document)).then_refused(RejectionCode::Invalid, field);
    }
}

#[test]
fn limits_hold_at_their_edge() {
    let profile =
        |chat: u8| put(EntityKind::MultimediaProfile, "p", json!({"voice": 1, "chat": chat}));
    let groups = |number: usize| {
        let groups: Vec<_> = (0..number).map(|_| json!({"team_ids": [team("one")]})).collect();
        let document = json!({"channel_type": "voice", "call_distribution_groups": groups});
        put(EntityKind::Queue, "q", document)
    };
    Scenario::new()
        .given([profile(4), profile(5)])
        .when(profile(6))
        .then_refused(RejectionCode::Invalid, "chat")
        .given([groups(19), groups(20)])
        .when(groups(21))
        .then_refused(RejectionCode::Invalid, "call_distribution_groups");
}

#[test]
fn what_is_referred_to_or_used_is_not_deleted() {
    Scenario::new()
        .when(delete(EntityKind::Site, "tokyo"))
        .then_refused(RejectionCode::Conflict, "site_id of team")
        .when(delete(EntityKind::Flow, "main"))
        .then_refused(RejectionCode::Conflict, "flow_id of entry_point")
        .given([login("ann", "one")])
        .when(delete(EntityKind::User, "ann"))
        .then_refused(RejectionCode::Conflict, "in use")
        .when(delete(EntityKind::User, "bob"))
        .then(&["config.user.deleted"])
        .when(delete(EntityKind::User, "bob"))
        .then_refused(RejectionCode::NotFound, "entity_id")
        .when(delete(EntityKind::Team, "one"))
        .then_refused(RejectionCode::Conflict, "is used by")
        .when(delete(EntityKind::EntryPoint, "hotline"))
        .then(&["config.entry_point.deleted"])
        .when(delete(EntityKind::Flow, "main"))
        .then(&["config.flow.deleted"]);
}

#[test]
fn a_profile_that_somebody_has_is_not_deleted_nor_what_it_grants() {
    let site = entity(EntityKind::Site, "tokyo");
    let profile = entity(EntityKind::UserProfile, "p");
    Scenario::new()
        .when(put(EntityKind::UserProfile, "p", json!({"sites": [site], "queues": "all"})))
        .then(&["config.user_profile.created"])
        .given([put(EntityKind::User, "eve", json!({"user_profile_id": profile}))])
        .when(delete(EntityKind::UserProfile, "p"))
        .then_refused(RejectionCode::Conflict, "user_profile_id of user")
        .given([put(EntityKind::User, "eve", json!({}))])
        .when(delete(EntityKind::UserProfile, "p"))
        .then(&["config.user_profile.deleted"]);
    Scenario::empty()
        .given([
            put(EntityKind::Site, "osaka", json!({})),
            put(
                EntityKind::UserProfile,
                "p",
                json!({"sites": [entity(EntityKind::Site, "osaka")]}),
            ),
        ])
        .when(delete(EntityKind::Site, "osaka"))
        .then_refused(RejectionCode::Conflict, "sites of user_profile");
}

#[test]
fn a_queue_keeps_its_channel() {
    Scenario::new()
        .when(put(EntityKind::Queue, "sales", json!({"channel_type": "chat"})))
        .then_refused(RejectionCode::Invalid, "channel_type");
}

#[test]
fn a_number_that_was_given_up_is_free() {
    Scenario::new()
        .with(EntityKind::EntryPoint, "hotline", entry_point("voice", "200", "main"))
        .with(EntityKind::EntryPoint, "other", entry_point("voice", "100", "main"))
        .when(put(EntityKind::EntryPoint, "other", entry_point("voice", "200", "main")))
        .then_refused(RejectionCode::Invalid, "numbers");
}

#[test]
fn the_form_of_a_report_schedule_is_checked_by_field() {
    let whole = || {
        json!({
            "report": "Queue Volume", "period": "yesterday", "timezone": "Europe/Brussels",
            "when": {"daily": {"at": "06:00"}}, "format": "xlsx",
            "deliver": [{"file": {"folder": "a/b"}}, {"mail": {"to": ["ops"]}},
                {"webhook": {"url": "https://hooks.example/x?y", "secret": "hook"}}],
        })
    };
    let table = [
        ("/report", json!(" "), "report:"),
        ("/period", json!("tomorrow"), "period:"),
        ("/timezone", json!("Europe Brussels"), "timezone:"),
        ("/when", json!({"every_minutes": 4}), "when.every_minutes:"),
        ("/when", json!({"every_minutes": 1_441}), "when.every_minutes:"),
        ("/when", json!({"hourly": {"minute": 60}}), "when.hourly.minute:"),
        ("/when", json!({"daily": {"at": "6:00"}}), "when.daily.at:"),
        ("/when", json!({"daily": {"at": "24:00"}}), "when.daily.at:"),
        ("/when", json!({"weekly": {"on": [], "at": "06:00"}}), "when.weekly.on:"),
        ("/when", json!({"weekly": {"on": ["monday"], "at": "06:60"}}), "when.weekly.at:"),
        ("/when", json!({"monthly": {"day": 0, "at": "06:00"}}), "when.monthly.day:"),
        ("/when", json!({"monthly": {"day": 32, "at": "06:00"}}), "when.monthly.day:"),
        ("/when", json!({"yearly": {}}), "yearly"),
        ("/format", json!("pdf"), "pdf"),
        ("/deliver", json!([]), "deliver:"),
        ("/deliver", json!(vec![json!({"file": {"folder": "a"}}); 11]), "deliver: has 11"),
        ("/deliver", json!([{"file": {}}, {"file": {}}]), "deliver[1]: is there twice"),
        ("/deliver/0/file/folder", json!("../x"), "deliver[0].file.folder:"),
        ("/deliver/0/file/folder", json!("/x"), "deliver[0].file.folder:"),
        ("/deliver/0/file/folder", json!("a//x"), "deliver[0].file.folder:"),
        ("/deliver/0/file", json!({"name": "a/{ext}"}), "deliver[0].file.name:"),
        ("/deliver/0/file", json!({"name": "{extension}"}), "deliver[0].file.name:"),
        ("/deliver/0/file", json!({"name": "{ext"}), "deliver[0].file.name:"),
        ("/deliver/0/file", json!({"name": ".{ext}"}), "deliver[0].file.name:"),
        ("/deliver/1/mail/to", json!([]), "deliver[1].mail.to:"),
        // An address is personal data: documents stay for ever.
        ("/deliver/1/mail/to", json!(["somebody@example.org"]), "deliver[1].mail.to:"),
        ("/deliver/1/mail", json!({"to": ["ops"], "subject": "a\nb"}), "deliver[1].mail.subject:"),
        ("/deliver/2/webhook/url", json!("ftp://x"), "deliver[2].webhook.url:"),
        ("/deliver/2/webhook/url", json!("https://a:b@x/"), "deliver[2].webhook.url:"),
        ("/deliver/2/webhook/url", json!("https:///x"), "deliver[2].webhook.url:"),
        ("/deliver/2/webhook/secret", json!("whsec_abc="), "deliver[2].webhook.secret:"),
        ("/as_user_id", json!(entity(EntityKind::User, "nobody")), "as_user_id:"),
        ("/fromat", json!("csv"), "fromat"),
    ];
    for (path, value, expected) in table {
        let mut document = whole();
        match document.pointer_mut(path) {
            Some(place) => *place = value.clone(),
            None => document[&path[1..]] = value.clone(),
        }
        Scenario::new()
            .when(put(EntityKind::ReportSchedule, "s", document))
            .then_refused(RejectionCode::Invalid, expected);
    }
    let user = entity(EntityKind::User, "reader");
    let mut document = whole();
    document["as_user_id"] = json!(user);
    Scenario::new()
        .given([put(EntityKind::User, "reader", json!({}))])
        .when(put(EntityKind::ReportSchedule, "s", document))
        .then(&["config.report_schedule.created"])
        .when(delete(EntityKind::User, "reader"))
        .then_refused(RejectionCode::Conflict, "as_user_id of report_schedule");
}

#[test]
fn an_alert_rule_names_what_is_there_and_bounds_that_make_sense() {
    let whole = || {
        json!({
            "dataset": "queue_live", "figure": {"column": "in_queue_now"},
            "comparison": "above", "threshold": 10,
        })
    };
    let ratio = |more: serde_json::Value| {
        let mut ratio = json!({"of": ["answered_in_sl_today"], "per": ["answered_today"]});
        ratio.as_object_mut().expect("object").extend(more.as_object().expect("object").clone());
        json!({"ratio": ratio})
    };
    let table = [
        ("dataset", json!("queue_leg"), "dataset: \"queue_leg\" is not one of agent_live, "),
        ("dataset", json!("alerts"), "dataset:"),
        ("figure", json!({"column": "waiting"}), "figure.column: \"waiting\": queue_live has "),
        ("figure", json!({"column": "queue_name"}), "figure.column:"),
        ("figure", json!({"age": "in_queue_now"}), "figure.age:"),
        ("figure", json!({"mean": "in_queue_now"}), "mean"),
        ("figure", ratio(json!({"of": []})), "figure.ratio.of: has 0"),
        ("figure", ratio(json!({"per": vec!["answered_today"; 11]})), "figure.ratio.per: has 11"),
        ("figure", ratio(json!({"per": ["queue_id"]})), "figure.ratio.per: \"queue_id\""),
        ("figure", ratio(json!({"times": 0})), "figure.ratio.times:"),
        ("figure", ratio(json!({"times": 1_000_001})), "figure.ratio.times:"),
        ("figure", ratio(json!({"per_min": 0})), "figure.ratio.per_min:"),
        ("comparison", json!("equal"), "equal"),
        ("clear_threshold", json!(11), "clear_threshold: is 11, must not be greater"),
        ("for_ms", json!(86_400_001), "for_ms:"),
        ("team_ids", json!([entity(EntityKind::Team, "Red")]), "team_ids:"),
        ("queue_ids", json!([entity(EntityKind::Queue, "nobody")]), "queue_ids: no queue has id"),
        ("states", json!(["idle"]), "states: \"idle\": queue_live has no states"),
        ("severity", json!("urgent"), "urgent"),
        ("message", json!("x".repeat(501)), "message: has 501"),
        ("treshold", json!(1), "treshold"),
    ];
    for (field, value, expected) in table {
        let mut document = whole();
        document[field] = value;
        Scenario::new()
            .when(put(EntityKind::AlertRule, "r", document))
            .then_refused(RejectionCode::Invalid, expected);
    }
    let age = json!({
        "dataset": "queue_live", "figure": {"age": "oldest_entered_time"},
        "comparison": "at_least", "threshold": 60_000, "clear_threshold": 60_000,
    });
    for (field, value, expected) in [
        ("comparison", json!("below"), "comparison: an age"),
        ("clear_threshold", json!(-1), "threshold: an age"),
    ] {
        let mut document = age.clone();
        document[field] = value;
        Scenario::new()
            .when(put(EntityKind::AlertRule, "r", document))
            .then_refused(RejectionCode::Invalid, expected);
    }
    let mut below = whole();
    below["comparison"] = json!("below");
    below["clear_threshold"] = json!(9);
    Scenario::new()
        .when(put(EntityKind::AlertRule, "r", below))
        .then_refused(RejectionCode::Invalid, "clear_threshold: is 9, must not be less");
    let idle = |state: &str| {
        json!({
            "dataset": "agent_live", "figure": {"age": "since"}, "comparison": "above",
            "threshold": 600_000, "states": ["not_responding", state],
        })
    };
    Scenario::new()
        .when(put(EntityKind::AlertRule, "r", idle("busy")))
        .then_refused(RejectionCode::Invalid, "states: \"busy\": agent_live has available, idle,");
    for document in [whole(), age, idle("idle"), {
        let mut document = whole();
        document["figure"] = ratio(json!({"times": 100, "per_min": 20}));
        document["message"] = json!("x".repeat(500));
        document["for_ms"] = json!(86_400_000);
        document
    }] {
        Scenario::new()
            .when(put(EntityKind::AlertRule, "r", document))
            .then(&["config.alert_rule.created"]);
    }
    let site = entity(EntityKind::Site, "Berlin");
    let document = json!({
        "dataset": "site_live", "figure": {"column": "available_agents"},
        "comparison": "at_most", "threshold": 0, "site_ids": [site],
    });
    Scenario::new()
        .given([put(EntityKind::Site, "Berlin", json!({}))])
        .when(put(EntityKind::AlertRule, "r", document))
        .then(&["config.alert_rule.created"])
        .when(delete(EntityKind::Site, "Berlin"))
        .then_refused(RejectionCode::Conflict, "site_ids of alert_rule");
}

#[test]
fn the_form_of_a_webhook_subscription_is_checked_by_field() {
    let whole = || {
        json!({
            "url": "https://hooks.example/x", "event_types": ["task.*", "agent.login"],
            "secrets": ["old", "new"],
        })
    };
    let table = [
        ("/url", json!("ftp://hooks.example"), "url:"),
        ("/url", json!("https://me:pass@hooks.example/"), "url:"),
        ("/event_types", json!([]), "event_types:"),
        ("/event_types", json!(["task.*", "task.exploded"]), "event_types[1]:"),
        ("/event_types", json!(["*"]), "event_types[0]:"),
        // A name of the log is not one that integrators know.
        ("/event_types", json!(["interaction.created"]), "event_types[0]:"),
        ("/event_types", json!(["task.*", "task.*"]), "event_types[1]: is there twice"),
        ("/event_types", json!(vec!["task.ended"; 51]), "event_types: has 51"),
        ("/secrets", json!([]), "secrets: has 0"),
        ("/secrets", json!(["a", "b", "c"]), "secrets: has 3"),
        ("/secrets", json!(["a", "a"]), "secrets[1]: is there twice"),
        ("/secrets", json!(["whsec_abc="]), "secrets[0]:"),
        ("/timeout_ms", json!(999), "timeout_ms:"),
        ("/timeout_ms", json!(30_001), "timeout_ms:"),
        ("/max_in_flight", json!(0), "max_in_flight:"),
        ("/max_in_flight", json!(33), "max_in_flight:"),
        ("/description", json!("x".repeat(501)), "description:"),
        ("/eventTypes", json!(["task.*"]), "eventTypes"),
    ];
    for (path, value, expected) in table {
        let mut document = whole();
        document[&path[1..]] = value;
        Scenario::new()
            .when(put(EntityKind::WebhookSubscription, "crm", document))
            .then_refused(RejectionCode::Invalid, expected);
    }
    Scenario::new()
        .when(put(EntityKind::WebhookSubscription, "crm", whole()))
        .then(&["config.webhook_subscription.created"]);
}
