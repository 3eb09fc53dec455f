//! `alerts`: what fired and has not cleared, and to whom it is shown.

use ledgerline_schemas::config::EntityKind;
use ledgerline_schemas::config::alert_rule::{AlertComparison, AlertSeverity, DATASETS};
use ledgerline_schemas::event::agent::AgentStateName;
use ledgerline_schemas::event::alert::{AlertCleared, AlertFired, AlertPlace};
use ledgerline_schemas::id::{AlertId, EntityId, QueueId, TeamId};
use ledgerline_schemas::{Position, Timestamp};

use crate::column::Stage;
use crate::table::ColumnType;
use crate::tables;
use crate::tests::call::{SALES, TEAM};
use crate::tests::script::{START, Script, fold, pick, rows};

fn fired(number: u128) -> AlertFired {
    AlertFired {
        alert_id: AlertId::from_u128(number),
        rule_id: EntityId::from_u128(0xb1),
        rule: "crowded".to_owned(),
        severity: AlertSeverity::Critical,
        message: "help".to_owned(),
        dataset: "queue_live".to_owned(),
        row_key: QueueId::from_u128(SALES).to_string(),
        place: AlertPlace { queue_id: Some(QueueId::from_u128(SALES)), ..AlertPlace::default() },
        figure: "in_queue_now".to_owned(),
        comparison: AlertComparison::AtLeast,
        threshold: 10,
        value: 12,
        began_at: Timestamp::from_micros((START + 1_000) * 1_000),
        began_position: Position(2),
        read_position: Position(3),
    }
}

fn cleared(number: u128) -> AlertCleared {
    AlertCleared { alert_id: AlertId::from_u128(number), ..AlertCleared::default() }
}

#[test]
fn an_alert_is_there_from_its_firing_to_its_clearing() {
    let mut script = Script::new();
    script.queue(EntityId::from_u128(SALES), "sales", 20_000, TeamId::from_u128(TEAM));
    script.at(31_000, fired(1));
    script.at(32_000, AlertFired { severity: AlertSeverity::Info, ..fired(2) });
    let found = rows(&fold(&script), "alerts");
    let columns = [
        "rule_name",
        "severity",
        "figure",
        "comparison",
        "threshold",
        "value",
        "began_time",
        "fired_time",
        "queue_name",
        "team_id",
    ];
    assert_eq!(
        pick(&found[0], &columns),
        [
            "crowded",
            "critical",
            "in_queue_now",
            "at_least",
            "10",
            "12",
            "2024-03-01T09:00:01Z",
            "2024-03-01T09:00:31Z",
            "sales",
            "-"
        ]
    );
    script.at(40_000, cleared(1));
    // Told twice, or of an alert that nobody knows.
    script.at(41_000, cleared(1));
    script.at(42_000, cleared(9));
    let found = rows(&fold(&script), "alerts");
    assert_eq!(found.len(), 1);
    assert_eq!(found[0]["severity"], "info");
    // What it is about is found in the log, too.
    let log = rows(&fold(&script), "event_log");
    let of_queue = |row: &&crate::tests::script::Cells| {
        row["event_type"] == "alert.fired" && row.contains_key("queue_id")
    };
    assert_eq!(log.iter().filter(of_queue).count(), 2);
}

/// What rules may name is what the tables have: a column that is added or goes is noticed here.
#[test]
fn rules_know_the_columns_of_the_live_tables() {
    let live = tables::ALL.iter().filter(|def| def.live && def.name != "alerts");
    let names: Vec<&str> = live.clone().map(|def| def.name).collect();
    assert_eq!(DATASETS.iter().map(|it| it.name).collect::<Vec<_>>(), names);
    for (dataset, def) in DATASETS.iter().zip(live) {
        let of = |wanted: ColumnType| -> Vec<&str> {
            let columns = def.columns.iter().filter(|column| column.column_type == wanted);
            columns.map(|it| it.name).filter(|name| *name != "valid_from_position").collect()
        };
        assert_eq!(dataset.numbers, of(ColumnType::Int), "{}", def.name);
        assert_eq!(dataset.times, of(ColumnType::Time), "{}", def.name);
        let mut places: Vec<&str> = ["queue_id", "entry_point_id", "team_id", "site_id"].into();
        places.retain(|name| def.column(name).is_some());
        assert_eq!(dataset.places, places, "{}", def.name);
        assert_eq!(!dataset.states.is_empty(), def.column("state").is_some(), "{}", def.name);
    }
    use AgentStateName::{Available, Idle, LoggedOut, NotResponding};
    let of_agents = [Available, Idle, LoggedOut, NotResponding].map(AgentStateName::name);
    let states = |name| DATASETS.iter().find(|it| it.name == name).map(|it| it.states);
    assert_eq!(states("agent_live"), Some(&of_agents[..]));
    // Of an interaction that has ended there is no row.
    let of_interactions = [
        Stage::Conference,
        Stage::Connected,
        Stage::Consulting,
        Stage::Disconnected,
        Stage::Hold,
        Stage::Ivr,
        Stage::New,
        Stage::Offered,
        Stage::PostCall,
        Stage::Queued,
        Stage::Wrapup,
    ];
    assert_eq!(states("interaction_live"), Some(&of_interactions.map(Stage::name)[..]));
    assert_eq!(EntityKind::parse("alert_rule"), Some(EntityKind::AlertRule));
}
