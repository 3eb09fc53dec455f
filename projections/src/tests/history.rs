//! `config_history`, `access_log`, `entry_point_interval`, `metric_definition`: given events, then rows.

use ledgerline_event_store::EventReader as _;
use ledgerline_schemas::config::EntityKind;
use ledgerline_schemas::config::report::Unit;
use ledgerline_schemas::document::Document;
use ledgerline_schemas::event::access::{
    AccessDenied, AccessHistoryViewed, AccessLogRead, AccessQueryRun, AccessRevealed,
};
use ledgerline_schemas::event::flow::{FlowEnded, FlowExit, FlowStarted};
use ledgerline_schemas::event::interaction::{
    InteractionCreated, InteractionEnded, LastStage, TerminatingEnd, TerminationReason,
};
use ledgerline_schemas::event::metric::MetricDefinitionPublished;
use ledgerline_schemas::event::queue::{QueueLeaveReason, QueueSource};
use ledgerline_schemas::event::report::{AccessReportDelivered, AccessReportRun, AttemptOutcome};
use ledgerline_schemas::event::{ConfigChange, ConfigVerb};
use ledgerline_schemas::id::{EntityId, EntryPointId, InteractionId, LegId, RunId};
use ledgerline_schemas::{Actor, ActorType, Position};
use serde_json::json;

use crate::tests::call::{CALL, SALES, created, entered, left};
use crate::tests::script::{Script, advance, fold, open, options, pick, rows};

fn change(
    verb: ConfigVerb,
    entity_version: u32,
    document: Option<serde_json::Value>,
) -> ConfigChange {
    ConfigChange {
        kind: EntityKind::Team,
        verb,
        entity_id: EntityId::from_u128(0x71),
        entity_version,
        before_sha256: None,
        after: document.map(|value| Document::from_value(&value).expect("object")),
        changed_paths: if entity_version == 2 { vec!["/name".into()] } else { Vec::new() },
        reason: (entity_version == 2).then(|| "renamed".to_owned()),
    }
}

/// A team that is made, renamed and deleted, and a site.
fn configured() -> Script {
    let mut script = Script::new();
    script.actor = Actor::new(ActorType::Admin, "root");
    script.at(0, change(ConfigVerb::Created, 1, Some(json!({ "name": "first" }))));
    script.name(EntityKind::Site, EntityId::from_u128(0x81), "Haifa");
    script.at(5_000, change(ConfigVerb::Updated, 2, Some(json!({ "name": "best" }))));
    script.at(9_000, change(ConfigVerb::Deleted, 3, None));
    script
}

const VERSIONS: [&str; 10] = [
    "kind",
    "entity_version",
    "verb",
    "from_position",
    "to_position",
    "valid_from",
    "valid_to",
    "name",
    "document",
    "changed_paths",
];

fn versions(snapshot: &crate::Snapshot) -> Vec<String> {
    let told = rows(snapshot, "config_history");
    told.iter().map(|row| pick(row, &VERSIONS).join(" ").replace("2024-03-01T09:00:", "")).collect()
}

#[test]
fn every_version_of_an_entity_has_its_time_and_positions() {
    let snapshot = fold(&configured());
    let expected = [
        "site 1 created 2 - 00Z - Haifa {\"name\":\"Haifa\"} []",
        "team 1 created 1 3 00Z 05Z first {\"name\":\"first\"} []",
        "team 2 updated 3 4 05Z 09Z best {\"name\":\"best\"} [\"/name\"]",
        "team 3 deleted 4 - 09Z - best - []",
    ];
    assert_eq!(versions(&snapshot), expected);
    let second = &rows(&snapshot, "config_history")[2];
    let columns = ["reason", "changed_by_type", "changed_by_id"];
    assert_eq!(pick(second, &columns), ["renamed", "admin", "root"]);
    let ids = |kind| snapshot.config_ids(kind).len();
    assert_eq!((ids(EntityKind::Site), ids(EntityKind::Team)), (1, 0));
    // What is in force now is what config_entity shows.
    let entities = rows(&snapshot, "config_entity");
    assert_eq!(pick(&entities[1], &["entity_version", "is_deleted"]), ["3", "true"]);
}

#[test]
fn versions_that_are_over_go_to_files_and_the_last_one_stays() {
    let script = configured();
    let dir = tempfile::tempdir().unwrap();
    let mut engine = open(dir.path(), options(1, 0));
    advance(&mut engine, &script.log, script.log.head(), 1).unwrap();
    let snapshot = engine.snapshot().unwrap();
    let table = &snapshot.tables["config_history"];
    let cold: u64 = table.cold.iter().map(|file| file.rows).sum();
    let hot: usize = table.hot.iter().map(|batch| batch.num_rows()).sum();
    assert_eq!((cold, hot), (2, 2));
    assert_eq!(versions(&snapshot), versions(&fold(&script)));
}

#[test]
fn every_read_and_refusal_is_in_the_access_log() {
    let mut script = Script::new();
    let principal = || "ann".to_owned();
    script.at(
        0,
        AccessQueryRun {
            principal: principal(),
            door: "pgwire".into(),
            sql_sha256: "ab".into(),
            as_of_position: Position(7),
            rows: 3,
            masked_columns: vec!["origin".into()],
            outcome: "ok".into(),
            tables: vec!["offer".into(), "queue_leg".into()],
        },
    );
    script.at(
        1,
        AccessLogRead {
            principal: principal(),
            door: "kurrentdb".into(),
            kind: "read".into(),
            stream: "$all".into(),
            group: String::new(),
            from: "end".into(),
            backward: true,
            events_max: Some(10),
            as_of_position: Position(1),
        },
    );
    script.at(2, AccessHistoryViewed { principal: principal(), interaction_id: CALL });
    let (action, reason) = ("sql_query".to_owned(), "no".to_owned());
    script.at(3, AccessDenied { principal: String::new(), action, reason });
    let fields = vec!["7:message.received:body".to_owned()];
    let reason = "complaint 4711".to_owned();
    script.at(4, AccessRevealed { principal: principal(), interaction_id: CALL, reason, fields });
    script.at(
        5,
        AccessReportRun {
            principal: "report-schedule:1".into(),
            outcome: AttemptOutcome::Done,
            position: Position(4),
            rows: 9,
            ..AccessReportRun::default()
        },
    );
    script.at(
        5,
        AccessReportDelivered {
            principal: "report-schedule:1".into(),
            outcome: AttemptOutcome::GivenUp,
            position: Position(4),
            ..AccessReportDelivered::default()
        },
    );
    script.at(5, created(CALL));
    let columns = [
        "position",
        "event_type",
        "principal",
        "door",
        "outcome",
        "sql_sha256",
        "as_of_position",
        "rows",
        "tables",
        "masked_columns",
        "interaction_id",
        "read_kind",
        "stream",
        "consumer_group",
        "read_from",
        "backward",
        "events_max",
        "reveal_reason",
        "revealed_fields",
        "denied_action",
        "denied_reason",
    ];
    let told: Vec<String> = rows(&fold(&script), "access_log")
        .iter()
        .map(|row| pick(row, &columns).join(" ").replace(&CALL.to_string(), "CALL"))
        .collect();
    assert_eq!(
        told,
        [
            "1 access.query_run ann pgwire ok ab 7 3 [\"offer\",\"queue_leg\"] [\"origin\"] - - - - - - - - - - -",
            "2 access.log_read ann kurrentdb - - 1 - - - - read $all - end true 10 - - - -",
            "3 access.history_viewed ann - - - - - - - CALL - - - - - - - - - -",
            "4 access.denied  - denied - - - - - - - - - - - - - - sql_query no",
            "5 access.revealed ann - - - - - - - CALL - - - - - - complaint 4711 \
             [\"7:message.received:body\"] - -",
            "6 access.report_run report-schedule:1 - done - 4 9 - - - - - - - - - - - - -",
            "7 access.report_delivered report-schedule:1 - given_up - 4 - - - - - - - - - - - - - -",
        ]
    );
}

fn ended(
    number: u128,
    terminating_end: TerminatingEnd,
    reason: TerminationReason,
    last_stage: LastStage,
) -> InteractionEnded {
    let interaction_id = InteractionId::from_u128(number);
    InteractionEnded { interaction_id, terminating_end, reason, last_stage }
}

#[test]
fn an_entry_point_counts_its_interactions_up_to_the_first_queue() {
    let mut script = Script::new();
    script.name(EntityKind::EntryPoint, EntityId::from_u128(0x61), "hotline");
    let begin = |script: &mut Script, number: u128, at: i64| {
        let interaction_id = InteractionId::from_u128(number);
        script.at(at, created(interaction_id));
        script.at(
            at,
            FlowStarted {
                interaction_id,
                flow_id: Default::default(),
                flow_version: 1,
                flow_tag: None,
                run_id: RunId::from_u128(number),
            },
        );
    };
    for (number, at) in [(1, 1_000), (2, 2_000), (3, 3_000), (4, 890_000)] {
        begin(&mut script, number, at);
    }
    use LastStage::{Ivr, Queue};
    // Gave up after 4 s; served by the flow in 8 s; failed after 3 s.
    script.at(5_000, ended(1, TerminatingEnd::Customer, TerminationReason::CustomerLeft, Ivr));
    let (interaction_id, run_id) = (InteractionId::from_u128(2), RunId::from_u128(2));
    script.at(10_000, FlowEnded { interaction_id, run_id, exit: FlowExit::Ended });
    script.at(10_000, ended(2, TerminatingEnd::System, TerminationReason::FlowEnded, Ivr));
    script.at(6_000, ended(3, TerminatingEnd::System, TerminationReason::SystemError, Ivr));
    // Queued in the next quarter after 15 s, twice, and abandoned there: not in the IVR.
    let id = InteractionId::from_u128(4);
    let legs = [LegId::from_u128(1), LegId::from_u128(2)];
    script.at(905_000, entered(id, legs[0], SALES, QueueSource::Flow));
    script.at(906_000, left(id, legs[0], SALES, QueueLeaveReason::Moved, 1_000));
    script.at(906_000, entered(id, legs[1], SALES, QueueSource::Flow));
    script.at(907_000, left(id, legs[1], SALES, QueueLeaveReason::Abandoned, 1_000));
    script.at(907_000, ended(4, TerminatingEnd::Customer, TerminationReason::CustomerLeft, Queue));
    // Said once more, it does not count once more; without an entry point nothing counts.
    script.at(908_000, ended(1, TerminatingEnd::Customer, TerminationReason::CustomerLeft, Ivr));
    let nowhere =
        InteractionCreated { entry_point_id: None, ..created(InteractionId::from_u128(5)) };
    script.at(909_000, nowhere);
    let columns = [
        "entry_point_name",
        "created",
        "escalated_to_queue",
        "ended_in_ivr",
        "abandoned_in_ivr",
        "self_service_completed",
        "other_in_ivr",
        "self_service_count",
        "sum_self_service_ms",
    ];
    let all = rows(&fold(&script), "entry_point_interval");
    let told: Vec<_> = all.iter().map(|row| pick(row, &columns).join(" ")).collect();
    assert_eq!(told, ["hotline 4 0 3 1 1 1 3 15000", "hotline 0 1 0 0 0 0 1 15000"]);
    assert_eq!(all[0]["entry_point_id"], EntryPointId::from_u128(0x61).to_string());
}

#[test]
fn a_metric_definition_is_valid_until_the_next_one() {
    let mut script = Script::new();
    let published = |name: &str, definition_version| MetricDefinitionPublished {
        name: name.into(),
        definition_version,
        sql_sha256: format!("hash {definition_version}"),
        sql: Some(format!("formula {definition_version}")),
        record_type: Some("queue_leg".into()),
        unit: Some(Unit::Percent),
        description: None,
    };
    script.at(0, published("sl.negative", 1));
    script.at(1_000, published("aht", 1));
    script.at(2_000, published("sl.negative", 2));
    let columns =
        ["name", "definition_version", "from_position", "to_position", "sql", "sql_sha256"];
    let told: Vec<_> = rows(&fold(&script), "metric_definition")
        .iter()
        .map(|row| pick(row, &columns).join(" "))
        .collect();
    let expected = [
        "aht 1 2 - formula 1 hash 1",
        "sl.negative 1 1 3 formula 1 hash 1",
        "sl.negative 2 3 - formula 2 hash 2",
    ];
    assert_eq!(told, expected);
}

#[test]
fn a_metric_of_the_organization_is_in_force_while_it_is_switched_on() {
    let mut script = Script::new();
    let id = EntityId::from_u128(0x77);
    let changed = |verb, entity_version, after: Option<serde_json::Value>| ConfigChange {
        kind: EntityKind::MetricDefinition,
        verb,
        entity_id: id,
        entity_version,
        before_sha256: None,
        after: after.map(|it| Document::from_value(&it).expect("a document")),
        changed_paths: Vec::new(),
        reason: None,
    };
    let called = |name: &str, sql: &str, active: bool| {
        json!({
            "name": name, "record_type": "queue_leg", "sql": sql, "unit": "ms", "active": active})
    };
    script.at(0, changed(ConfigVerb::Created, 1, Some(called("aht", "avg(a)", true))));
    script.at(1_000, changed(ConfigVerb::Updated, 2, Some(called("aht.ours", "avg(b)", true))));
    script
        .at(2_000, changed(ConfigVerb::Deactivated, 3, Some(called("aht.ours", "avg(b)", false))));
    script.at(3_000, changed(ConfigVerb::Activated, 4, Some(called("aht.ours", "avg(b)", true))));
    script.at(4_000, changed(ConfigVerb::Deleted, 5, None));
    let columns =
        ["name", "origin", "definition_version", "from_position", "to_position", "sql", "unit"];
    let told: Vec<_> = rows(&fold(&script), "metric_definition")
        .iter()
        .map(|row| pick(row, &columns).join(" "))
        .collect();
    let expected = [
        "aht organization 1 1 2 avg(a) ms",
        "aht.ours organization 2 2 3 avg(b) ms",
        "aht.ours organization 4 4 5 avg(b) ms",
    ];
    assert_eq!(told, expected);
}
