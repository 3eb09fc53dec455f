//! The audit's addresses, over real tables of a log in memory: what a row was, what became of it, who looked, and why.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that cannot go on should stop where it is"
)]

mod audited;
mod support;

use std::time::Duration;

use audited::{DECISION, ONE, TWO, append, audited, leg};
use ledgerline_analyzer_api::Limits;
use ledgerline_event_store::EventReader as _;
use ledgerline_schemas::event::Event;
use ledgerline_schemas::event::access::AccessLogRead;
use ledgerline_schemas::id::{DecisionId, QueueId};
use ledgerline_schemas::{Position, StreamId};
use serde_json::{Value, json};

#[tokio::test]
async fn a_row_is_what_it_was_at_any_instant() {
    let it = audited(Limits::default()).await;
    let path = format!("/v1/audit/state/queue_leg/{}", leg(ONE));
    for (at, outcome) in [
        ("2", "open"),
        ("3", "open"),
        ("4", "abandoned"),
        ("1970-01-01T00:00:03.999Z", "open"),
        ("1970-01-01T00:00:04Z", "abandoned"),
    ] {
        let body = it.get(&format!("{path}?at={at}")).await;
        assert_eq!(body["row"]["outcome"], outcome, "{at}");
        assert_eq!(body["row"]["leg_id"], leg(ONE).to_string());
        assert_eq!((&body["table"], &body["at"]), (&json!("queue_leg"), &json!(at)));
    }
    assert_eq!(it.get(&path).await["row"]["outcome"], "abandoned");
    // Whoever sees a row of an interaction has looked at it, before the answer.
    let after = it.log.head();
    it.get(&path).await;
    let viewed = |event: &Event| matches!(event, Event::AccessHistoryViewed(it) if it.interaction_id == ONE && it.principal == "acme-auditor");
    let told = it.accesses(after);
    assert!(told.iter().any(viewed), "{told:?}");
    assert!(told.iter().any(|event| matches!(event, Event::AccessQueryRun(run) if run.outcome == "ok" && run.rows == 1 && run.tables == ["queue_leg"])), "{told:?}");

    let (status, detail) = it.refused(&format!("{path}?at=1")).await;
    assert_eq!(status, 404, "{detail}");
    for (path, expected) in [
        (format!("{path}?at=99999"), "position 99999 is not reached yet"),
        (format!("{path}?at=yesterday"), "neither a position"),
        (format!("{path}?when=1"), "when"),
        ("/v1/audit/state/no_such/1".to_owned(), "table \"no_such\" not found"),
        ("/v1/audit/state/pg_class/1".to_owned(), "table \"pg_class\" not found"),
        ("/v1/audit/state/queue_leg/a%7Cb".to_owned(), "the key of queue_leg is leg_id"),
        ("/v1/audit/state/event_log/x".to_owned(), "no whole number"),
    ] {
        let (status, detail) = it.refused(&path).await;
        assert_eq!(status, 400, "{path}: {detail}");
        assert!(detail.contains(expected), "{path}: {detail}");
    }
    let quote = "/v1/audit/state/queue_leg/'%20or%20'1'='1";
    assert_eq!(it.refused(quote).await.0, 404);
    // A key of several columns, one of them an instant.
    let body = it
        .get(&format!(
            "/v1/audit/state/queue_interval/1970-01-01T00:00:00Z%7C{}%7Cvoice%7C2",
            QueueId::from_u128(4)
        ))
        .await;
    assert_eq!(body["row"]["offered"], 2, "{body}");
    assert_eq!(
        it.get("/v1/audit/state/event_log/3").await["row"]["event_type"],
        "routing.decision_made"
    );
}

#[tokio::test]
async fn a_difference_has_both_forms_of_every_row() {
    let it = audited(Limits::default()).await;
    let body = it.get("/v1/audit/diff?table=queue_leg&from=2&to=6").await;
    let rows = body["rows"].as_array().unwrap();
    assert_eq!(rows.len(), 2, "{body}");
    let (one, two) = (&rows[0], &rows[1]);
    assert_eq!((&one["change"], &two["change"]), (&json!("update"), &json!("insert")));
    assert_eq!(one["key"], json!({"leg_id": leg(ONE).to_string()}));
    assert_eq!(one["before"]["outcome"], "open");
    assert_eq!(one["after"]["outcome"], "abandoned");
    assert_eq!(one["after"]["queue_duration_ms"], 2_000);
    let changed: Vec<&str> =
        one["changed"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
    assert!(changed.contains(&"outcome") && changed.contains(&"queue_duration_ms"), "{changed:?}");
    assert!(!changed.contains(&"leg_id") && !changed.contains(&"queue_id"), "{changed:?}");
    for name in &changed {
        assert_ne!(one["before"][name], one["after"][name], "{name}");
    }
    assert_eq!(two["before"], Value::Null);
    assert_eq!(two["after"]["leg_id"], leg(TWO).to_string());
    assert_eq!(two["changed"], json!([]));
    // The other way round, what came is what went.
    let body = it.get("/v1/audit/diff?table=queue_leg&from=6&to=2").await;
    let changes: Vec<&Value> =
        body["rows"].as_array().unwrap().iter().map(|row| &row["change"]).collect();
    assert_eq!(changes, [&json!("update"), &json!("delete")]);
    assert_eq!(body["rows"][1]["key"]["leg_id"], leg(TWO).to_string());
    // Nothing happened to legs in between, or the same moment twice.
    for range in ["from=2&to=3", "from=4&to=5", "from=6&to=6", "from=1970-01-01T00:00:02Z&to=3"] {
        let body = it.get(&format!("/v1/audit/diff?table=queue_leg&{range}")).await;
        assert_eq!(body["rows"], json!([]), "{range}");
    }
    // One row: whose it is is looked at.
    let after = it.log.head();
    let body =
        it.get(&format!("/v1/audit/diff?table=queue_leg&from=0&to=6&key={}", leg(TWO))).await;
    assert_eq!(body["rows"].as_array().unwrap().len(), 1);
    assert_eq!(body["rows"][0]["change"], "insert");
    let told = it.accesses(after);
    assert!(
        told.iter().any(
            |event| matches!(event, Event::AccessHistoryViewed(it) if it.interaction_id == TWO)
        ),
        "{told:?}"
    );
    // A key with a null column in it (the agent as a whole) joins with itself.
    let body = it.get("/v1/audit/diff?table=agent_interval&from=0&to=6").await;
    assert_eq!(body["rows"], json!([]));
    for (path, expected) in [
        ("/v1/audit/diff?table=queue_leg&from=2", "to"),
        ("/v1/audit/diff?table=queue_leg&from=x&to=3", "neither a position"),
        ("/v1/audit/diff?table=queue_leg&from=1&to=3&key=a%7Cb", "the key of queue_leg"),
        ("/v1/audit/diff?table=queue_leg'&from=1&to=3", "not found"),
        ("/v1/audit/diff?table=queue_leg&from=1&to=3&limit=5", "limit"),
    ] {
        let (status, detail) = it.refused(path).await;
        assert_eq!(status, 400, "{path}: {detail}");
        assert!(detail.contains(expected), "{path}: {detail}");
    }
}

#[tokio::test]
async fn every_table_has_a_state_and_a_difference() {
    let it = audited(Limits::default()).await;
    for def in ledgerline_projections::tables::ALL {
        let body = it.get(&format!("/v1/audit/diff?table={}&from=0&to=6", def.name)).await;
        for row in body["rows"].as_array().unwrap() {
            assert_eq!(row["change"], "insert", "{}", def.name);
            let key: Vec<String> = def
                .key
                .iter()
                .map(|name| match &row["key"][*name] {
                    Value::Null => String::new(),
                    Value::String(text) => text.clone(),
                    other => other.to_string(),
                })
                .collect();
            let path = format!("/v1/audit/state/{}/{}?at=6", def.name, key.join("%7C"));
            assert_eq!(it.get(&path).await["row"], row["after"], "{path}");
        }
        if ["customer_session", "queue_leg", "queue_live", "routing_decision", "event_log"]
            .contains(&def.name)
        {
            assert_ne!(body["rows"], json!([]), "{}", def.name);
        }
    }
}

#[tokio::test]
async fn who_looked_at_an_interaction() {
    let it = audited(Limits::default()).await;
    for (who, interaction) in [("acme-supervisor", ONE), ("acme-administrator", TWO)] {
        let (status, body) =
            it.get_as(who, &format!("/v1/interactions/{interaction}/history")).await;
        assert_eq!(status, 200, "{body}");
    }
    let read = |stream: &str| AccessLogRead {
        principal: "events".to_owned(),
        door: "kurrentdb".to_owned(),
        kind: "subscription".to_owned(),
        stream: stream.to_owned(),
        group: String::new(),
        from: "start".to_owned(),
        backward: false,
        events_max: None,
        as_of_position: Position(6),
    };
    for stream in [format!("interaction-{ONE}"), format!("interaction-{TWO}"), "$all".to_owned()] {
        append(&it.log, StreamId::access("events"), read(&stream));
    }
    let looks = async |path: &str| -> Vec<(String, String, bool)> {
        let body = it.get(path).await;
        let looks = body["looks"].as_array().unwrap().iter().map(|look| {
            let text = |name: &str| look[name].as_str().unwrap().to_owned();
            (text("principal"), text("how"), look["certain"].as_bool().unwrap())
        });
        looks.collect()
    };
    let look = |who: &str, how: &str, certain| (who.to_owned(), how.to_owned(), certain);
    let path = format!("/v1/audit/who-looked?interaction={ONE}");
    let expected = [
        look("acme-supervisor", "history", true),
        look("events", "events", true),
        look("events", "events", false),
    ];
    assert_eq!(looks(&path).await, expected);
    // Between two positions: the first look is event 7.
    assert_eq!(looks(&format!("{path}&to=7")).await, expected[..1]);
    assert_eq!(looks(&format!("{path}&from=7")).await, expected[1..]);
    assert_eq!(looks(&format!("{path}&from=1970-01-01T00:00:07Z&to=9")).await, expected[1..2]);
    // To look at the state of one of its rows is to look at it.
    it.get(&format!("/v1/audit/state/queue_leg/{}", leg(ONE))).await;
    assert_eq!(looks(&path).await.last(), Some(&look("acme-auditor", "history", true)));
    for (path, expected) in [
        ("/v1/audit/who-looked", "either interaction or table"),
        ("/v1/audit/who-looked?interaction=x", "not a UUID"),
        ("/v1/audit/who-looked?interaction=x&table=queue_leg", "either interaction or table"),
    ] {
        let (status, detail) = it.refused(path).await;
        assert_eq!(status, 400, "{path}");
        assert!(detail.contains(expected), "{path}: {detail}");
    }
}

#[tokio::test]
async fn who_asked_about_a_table() {
    let it = audited(Limits::default()).await;
    let asked = [
        ("select count(*) from queue_leg", 200),
        ("select * from clr", 200),
        ("select 1 where exists (select 1 from queue_leg)", 200),
        ("with x as (select leg_id from public.queue_leg) select count(*) from x", 200),
        ("select count(*) from as_of('queue_leg', 2)", 200),
        ("select count(*) from changes('queue_leg', 0, 2)", 200),
        (
            "select count(*) from customer_session s where s.interaction_id in (select interaction_id from queue_leg)",
            200,
        ),
        ("select nothing from queue_leg", 400),
        ("select count(*) from customer_session", 200),
        ("select 'queue_leg'", 200),
        ("select relname from pg_class", 200),
    ];
    for (sql, status) in asked {
        assert_eq!(it.sql("acme-analyst", sql).await, status, "{sql}");
    }
    let body = it.get("/v1/audit/who-looked?table=queue_leg").await;
    let looks = body["looks"].as_array().unwrap();
    // The first seven; the eighth failed before it was known what it reads.
    assert_eq!(looks.len(), 7, "{body}");
    for look in looks {
        assert_eq!(look["principal"], "acme-analyst");
        assert_eq!((&look["door"], &look["outcome"]), (&json!("http"), &json!("ok")));
        assert!(look["rows"].as_i64().is_some() && look["as_of_position"].as_i64().is_some());
    }
    let body = it.get("/v1/audit/who-looked?table=customer_session").await;
    assert_eq!(body["looks"].as_array().unwrap().len(), 2, "{body}");
    // The auditor's own questions are there too.
    let body = it.get("/v1/audit/who-looked?table=access_log").await;
    let auditors: Vec<&Value> =
        body["looks"].as_array().unwrap().iter().map(|look| &look["principal"]).collect();
    assert_eq!(auditors, [&json!("acme-auditor"), &json!("acme-auditor")]);
}

#[tokio::test]
async fn a_decision_explains_itself() {
    let it = audited(Limits::default()).await;
    let after = it.log.head();
    let body = it.get(&format!("/v1/audit/decisions/{DECISION}")).await;
    assert_eq!(body["decision"]["policy"], "longest_available_agent");
    assert_eq!(body["step"]["position"], 3);
    let explain = body["step"]["explain"].as_str().unwrap();
    for part in [
        "contact_queued",
        "longest_available_agent version 1",
        "1 candidates",
        "excluded: 4 idle",
        "longest available",
    ] {
        assert!(explain.contains(part), "{part}: {explain}");
    }
    assert_eq!(body["step"]["data"]["candidates"][0]["rank"], 1);
    let told = it.accesses(after);
    assert!(
        told.iter().any(
            |event| matches!(event, Event::AccessHistoryViewed(it) if it.interaction_id == ONE)
        ),
        "{told:?}"
    );
    let unknown = format!("/v1/audit/decisions/{}", DecisionId::from_u128(9));
    assert_eq!(it.refused(&unknown).await.0, 404);
    assert_eq!(it.refused("/v1/audit/decisions/x").await.0, 400);
}

#[tokio::test]
async fn only_auditors_and_administrators_and_every_refusal_is_on_the_log() {
    let it = audited(Limits::default()).await;
    let paths = [
        format!("/v1/audit/state/queue_leg/{}", leg(ONE)),
        "/v1/audit/diff?table=queue_leg&from=0&to=6".to_owned(),
        "/v1/audit/who-looked?table=queue_leg".to_owned(),
        format!("/v1/audit/decisions/{DECISION}"),
    ];
    for path in &paths {
        for who in ["acme-analyst", "acme-supervisor", "acme-agent"] {
            let after = it.log.head();
            let (status, body) = it.get_as(who, path).await;
            assert_eq!((status, &body["code"]), (403, &json!("not_allowed")), "{who} {path}");
            let told = it.accesses(after);
            assert!(
                matches!(told.as_slice(), [Event::AccessDenied(it)] if it.principal == who && it.action == "audit_read"),
                "{who} {path}: {told:?}"
            );
        }
        assert_eq!(it.get_as("acme-administrator", path).await.0, 200, "{path}");
        assert_eq!(it.get_as("nobody", path).await.0, 401, "{path}");
        // The tables of another organization are not reached by any path.
        let (status, body) = it.get_as("globex-auditor", path).await;
        assert_eq!(status, 503, "{path}: {body}");
        assert!(!body.to_string().contains("abandoned"), "{body}");
    }
}

#[tokio::test]
async fn the_governor_bounds_it() {
    let it = audited(Limits { rows_max: 1, ..Limits::default() }).await;
    let (status, detail) = it.refused("/v1/audit/diff?table=queue_leg&from=0&to=6").await;
    assert_eq!(status, 422, "{detail}");
    assert!(detail.starts_with("too_many_rows"), "{detail}");
    let it = audited(Limits { deadline: Duration::ZERO, ..Limits::default() }).await;
    let (status, detail) = it.refused("/v1/audit/diff?table=queue_leg&from=0&to=6").await;
    assert_eq!(status, 504, "{detail}");
}
