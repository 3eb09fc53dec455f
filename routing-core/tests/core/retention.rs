//! Retention policies and legal holds: what is refused, with the field.

use ledgerline_routing_core::RejectionCode::{Conflict, Invalid};
use ledgerline_schemas::command::Command;
use ledgerline_schemas::config::EntityKind;
use ledgerline_schemas::config::retention::RETAINED_TABLES;
use serde_json::{Value, json};

use crate::scenario::{Scenario, entity, put};

fn policy(name: &str, table: &str, keep_days: u32, past_days: u32) -> Command {
    let document = json!({"table": table, "keep_days": keep_days, "past_days": past_days});
    put(EntityKind::RetentionPolicy, name, document)
}

fn hold(document: Value) -> Command {
    put(EntityKind::LegalHold, "case", document)
}

#[test]
fn every_table_with_rows_that_age_may_have_one_policy() {
    for table in RETAINED_TABLES {
        Scenario::empty()
            .when(policy("one", table, 1, 0))
            .then(&["config.retention_policy.created"])
            .when(policy("one", table, 36_500, 36_500))
            .then(&["config.retention_policy.updated"])
            .when(policy("other", table, 1, 0))
            .then_refused(Conflict, "table");
    }
}

#[test]
fn what_a_policy_cannot_be_is_refused() {
    for (document, field) in [
        (policy("p", "event_log", 1, 0), "table"),
        (policy("p", "config_history", 1, 0), "table"),
        (policy("p", "no_table", 1, 0), "table"),
        (policy("p", "queue_leg", 0, 0), "keep_days"),
        (policy("p", "queue_leg", 36_501, 0), "keep_days"),
        (policy("p", "queue_leg", 1, 36_501), "past_days"),
        (put(EntityKind::RetentionPolicy, "p", json!({"table": "queue_leg"})), "retention_policy"),
    ] {
        Scenario::empty().when(document).then_refused(Invalid, field);
    }
}

#[test]
fn a_hold_names_what_is_there_and_stays_when_it_goes() {
    let site = entity(EntityKind::Site, "osaka");
    let gone = EntityKind::User;
    let user = put(gone, "ann", json!({}));
    let of_ann = |reason: &str| hold(json!({"reason": reason, "agents": [entity(gone, "ann")]}));
    Scenario::empty()
        .given([put(EntityKind::Site, "osaka", json!({})), user])
        .when(hold(json!({"reason": "r", "queues": [site]})))
        .then_refused(Invalid, "queues")
        .when(hold(json!({"reason": "r", "agents": [site]})))
        .then_refused(Invalid, "agents")
        .when(hold(json!({"reason": ""})))
        .then_refused(Invalid, "reason")
        .when(hold(json!({"reason": "x".repeat(501)})))
        .then_refused(Invalid, "reason")
        .when(hold(json!({})))
        .then_refused(Invalid, "legal_hold")
        .when(hold(
            json!({"reason": "r", "to": "2026-01-01T00:00:00Z", "from": "2026-01-01T00:00:01Z"}),
        ))
        .then_refused(Invalid, "to")
        .when(of_ann("r"))
        .then(&["config.legal_hold.created"])
        .when(Command::DeleteEntity { kind: gone, entity_id: entity(gone, "ann"), reason: None })
        .then(&["config.user.deleted"])
        .when(of_ann("another reason"))
        .then(&["config.legal_hold.updated"])
        .when(put(
            EntityKind::LegalHold,
            "other case",
            json!({"reason": "r", "agents": [entity(gone, "ann")]}),
        ))
        .then_refused(Invalid, "agents");
}
