//! What is dropped, held and kept, given a log.

use ledgerline_schemas::config::EntityKind;
use ledgerline_schemas::document::Document;
use ledgerline_schemas::event::queue::{QueueLeaveReason, QueueLeft, QueueSource};
use ledgerline_schemas::event::retention::RetentionApplied;
use ledgerline_schemas::event::{ConfigChange, ConfigVerb};
use ledgerline_schemas::id::{EntityId, InteractionId, LegId, QueueId};
use ledgerline_schemas::{Position, Timestamp};
use serde_json::{Value, json};

use crate::retention::{Due, count};
use crate::tests::call;
use crate::tests::script::{START, Script, fold, pick, rows};
use crate::tests::storage::{ended_like, more_calls};

pub(super) const POLICY: EntityId = EntityId::from_u128(0xf0);
pub(super) const HOLD: EntityId = EntityId::from_u128(0xf1);
const DAY: i64 = 86_400_000;

pub(super) fn instant(ms: i64) -> Timestamp {
    Timestamp::from_micros((START + ms) * 1_000)
}

/// The last number of an id that was made from one.
fn number(cells: &crate::tests::script::Cells, column: &str) -> u128 {
    let id: uuid::Uuid = cells[column].parse().expect("an id");
    id.as_u128()
}

pub(super) fn policy(script: &mut Script, table: &str, keep_days: u32, past_days: u32) {
    let document = json!({
        "name": "of the table", "table": table, "keep_days": keep_days, "past_days": past_days, "active": true,
    });
    script.configure(
        EntityKind::RetentionPolicy,
        POLICY,
        &Document::from_value(&document).unwrap(),
    );
}

pub(super) fn hold(script: &mut Script, id: EntityId, scope: &Value) {
    let mut document = json!({"name": "a case", "reason": "a case", "active": true});
    for (field, value) in scope.as_object().expect("fields") {
        document[field] = value.clone();
    }
    script.configure(EntityKind::LegalHold, id, &Document::from_value(&document).unwrap());
}

pub(super) fn release(script: &mut Script, id: EntityId) {
    let change = ConfigChange {
        kind: EntityKind::LegalHold,
        verb: ConfigVerb::Deleted,
        entity_id: id,
        entity_version: 2,
        before_sha256: None,
        after: None,
        changed_paths: Vec::new(),
        reason: Some("the case is over".into()),
    };
    script.at(script.now, change);
}

/// Drops what ended before `before` ms; gives up the past of what was dropped by `past` ms.
pub(super) fn apply(script: &mut Script, table: &str, before: i64, past: i64) {
    let event = RetentionApplied {
        table: table.to_owned(),
        before: instant(before),
        past_before: instant(past),
        policy_id: POLICY,
        rows_dropped: 5,
        rows_held: 2,
        counted_position: script.log_head(),
    };
    script.at(script.now, event);
}

/// Legs 1 to 6 that ended after 11 to 16 s.
fn six() -> Script {
    let mut script = Script::new();
    more_calls(&mut script, 1, 6);
    script
}

fn legs(script: &Script) -> Vec<u128> {
    let snapshot = fold(script);
    rows(&snapshot, "queue_leg").iter().map(|row| number(row, "leg_id")).collect()
}

fn uuid(number: u128) -> String {
    QueueId::from_u128(number).to_string()
}

type Step<'a> = &'a dyn Fn(&mut Script);

#[test]
fn what_is_dropped_and_what_is_held() {
    let drop_all = |script: &mut Script| apply(script, "queue_leg", 100_000, -1);
    let case: [(&str, &[Step<'_>], &[u128]); 16] = [
        ("nothing was said", &[], &[1, 2, 3, 4, 5, 6]),
        (
            "what ended before goes, what ended at the instant stays",
            &[&|it| apply(it, "queue_leg", 13_000, -1)],
            &[3, 4, 5, 6],
        ),
        (
            "a later run goes further",
            &[&|it| apply(it, "queue_leg", 13_000, -1), &|it| apply(it, "queue_leg", 15_000, -1)],
            &[5, 6],
        ),
        (
            "an earlier instant does not bring anything back",
            &[&|it| apply(it, "queue_leg", 15_000, -1), &|it| apply(it, "queue_leg", 12_000, -1)],
            &[5, 6],
        ),
        ("a run of another table", &[&|it| apply(it, "offer", 100_000, -1)], &[1, 2, 3, 4, 5, 6]),
        (
            "a table that is never dropped from",
            &[&|it| apply(it, "event_log", 100_000, -1)],
            &[1, 2, 3, 4, 5, 6],
        ),
        ("what begins afterwards is not dropped", &[&drop_all, &|it| more_calls(it, 7, 1)], &[7]),
        (
            "a hold of interactions",
            &[&|it| hold(it, HOLD, &json!({"interactions": [uuid(2), uuid(5)]})), &drop_all],
            &[2, 5],
        ),
        (
            "a hold of a queue",
            &[&|it| hold(it, HOLD, &json!({"queues": [uuid(0)]})), &drop_all],
            &[3, 6],
        ),
        (
            "what is named in two fields has to hold together",
            &[
                &|it| {
                    hold(
                        it,
                        HOLD,
                        &json!({"queues": [uuid(0)], "interactions": [uuid(2), uuid(3)]}),
                    )
                },
                &drop_all,
            ],
            &[3],
        ),
        (
            "a hold of agents covers no leg that nobody took",
            &[&|it| hold(it, HOLD, &json!({"agents": [uuid(1)]})), &drop_all],
            &[],
        ),
        (
            "a hold of a time: what overlaps it",
            // Legs last from n to n + 10 seconds.
            &[
                &|it| hold(it, HOLD, &json!({"from": instant(15_000), "to": instant(6_000)})),
                &drop_all,
            ],
            &[5],
        ),
        (
            "a hold of everything",
            &[&|it| hold(it, HOLD, &json!({})), &drop_all],
            &[1, 2, 3, 4, 5, 6],
        ),
        (
            "a hold that is not in force",
            &[&|it| hold(it, HOLD, &json!({"active": false})), &drop_all],
            &[],
        ),
        (
            "a hold that comes later protects what is still there",
            &[
                &|it| apply(it, "queue_leg", 13_000, -1),
                &|it| hold(it, HOLD, &json!({})),
                &drop_all,
            ],
            &[3, 4, 5, 6],
        ),
        (
            "a hold that ended lets the next run drop, and no run before it",
            &[
                &|it| hold(it, HOLD, &json!({"interactions": [uuid(2)]})),
                &drop_all,
                &|it| release(it, HOLD),
                &|it| apply(it, "queue_leg", 11_500, -1),
            ],
            &[],
        ),
    ];
    for (what, steps, expected) in case {
        let mut script = six();
        for step in steps {
            step(&mut script);
        }
        assert_eq!(legs(&script), expected, "{what}");
    }
    let mut script = six();
    hold(&mut script, HOLD, &json!({"interactions": [uuid(2)]}));
    drop_all(&mut script);
    release(&mut script, HOLD);
    assert_eq!(legs(&script), [2], "a hold that ended drops nothing by itself");
}

#[test]
fn what_has_not_ended_stays_and_what_changes_later_is_back_until_the_next_run() {
    let mut script = Script::new();
    let (id, leg_id) = (InteractionId::from_u128(1), LegId::from_u128(1));
    script.at(0, call::created(id));
    script.at(0, call::entered(id, leg_id, call::SALES, QueueSource::Flow));
    apply(&mut script, "queue_leg", DAY, -1);
    apply(&mut script, "customer_session", DAY, -1);
    assert_eq!(legs(&script), [1], "it waits");
    assert_eq!(rows(&fold(&script), "customer_session").len(), 1, "it is active");
    script.at(
        5_000,
        QueueLeft {
            interaction_id: id,
            leg_id,
            queue_id: QueueId::from_u128(call::SALES),
            reason: QueueLeaveReason::Abandoned,
            wait_ms: 5_000,
        },
    );
    assert_eq!(legs(&script), [1], "it was over only after the run");
    apply(&mut script, "queue_leg", DAY, -1);
    assert_eq!(legs(&script), [0_u128; 0]);
    assert_eq!(rows(&fold(&script), "customer_session").len(), 1, "no run was about it");
    script.at(6_000, ended_like(1));
    apply(&mut script, "customer_session", DAY, -1);
    assert_eq!(rows(&fold(&script), "customer_session").len(), 0);
}

#[test]
fn a_conversation_and_wrap_up_that_go_on_are_open() {
    let mut script = call::long_call();
    let legs = rows(&fold(&script), "queue_leg");
    let ended: Vec<_> =
        legs.iter().map(|row| pick(row, &["leg_id", "left_time", "disconnected_time"])).collect();
    assert_eq!(ended.len(), 2, "{ended:?}");
    // One by one: after each event, what has left its queue and is still talked about is not dropped.
    let head = script.log_head();
    apply(&mut script, "queue_leg", DAY, -1);
    let mut seen_open = 0;
    for position in 1..=head.0 {
        let cut = script.cut(Position(position));
        let before = rows(&fold(&cut), "queue_leg");
        let is_open = |row: &&crate::tests::script::Cells| {
            let has = |name: &str| row.contains_key(name);
            !has("left_time")
                || (has("connected_time") && !has("disconnected_time"))
                || (has("wrapup_time") && !has("wrapup_duration_ms"))
        };
        let open: Vec<u128> =
            before.iter().filter(is_open).map(|row| number(row, "leg_id")).collect();
        let mut cut = cut;
        apply(&mut cut, "queue_leg", DAY, -1);
        let after: Vec<u128> =
            rows(&fold(&cut), "queue_leg").iter().map(|row| number(row, "leg_id")).collect();
        assert_eq!(after, open, "position {position}");
        seen_open += open.len();
    }
    assert!(seen_open > 10, "{seen_open}");
}

#[test]
fn a_hold_covers_rows_that_do_not_say_what_they_belong_to() {
    let tables = ["customer_session", "queue_leg", "queue_interval", "entry_point_interval"];
    let left = |scope: Value| -> Vec<usize> {
        let mut script = six();
        hold(&mut script, HOLD, &scope);
        for table in tables {
            apply(&mut script, table, DAY, -1);
        }
        let snapshot = fold(&script);
        tables.iter().map(|table| rows(&snapshot, table).len()).collect()
    };
    // All calls are in one quarter: an interval a queue, and one of the entry point, if it has any.
    let all = left(json!({}));
    assert_eq!(all[..3], [6, 6, 3]);
    // Which queues a session went through is not in its row: it is held with every queue.
    assert_eq!(left(json!({"queues": [uuid(0)]})), [6, 2, 1, 0]);
    // An interval belongs to no interaction.
    assert_eq!(left(json!({"interactions": [uuid(1)]})), [1, 1, 0, 0]);
    assert_eq!(left(json!({"from": instant(DAY)})), [0, 0, 0, 0]);
}

#[test]
fn retention_status_tells_what_was_done() {
    let mut script = six();
    policy(&mut script, "queue_leg", 30, 7);
    let status = |script: &Script| -> Vec<Vec<String>> {
        let columns = [
            "table_name",
            "policy_name",
            "keep_days",
            "past_days",
            "floor_time",
            "applied_position",
            "past_from_position",
            "runs",
            "rows_dropped",
            "rows_held",
        ];
        rows(&fold(script), "retention_status").iter().map(|row| pick(row, &columns)).collect()
    };
    let row = ["queue_leg", "of the table", "30", "7", "-", "-", "0", "0", "0", "-"];
    assert_eq!(status(&script), [row]);
    apply(&mut script, "queue_leg", 13_000, -1);
    let first = script.log_head().0.to_string();
    let floor = "2024-03-01T09:00:13Z";
    let row = ["queue_leg", "of the table", "30", "7", floor, &first, "0", "1", "5", "2"];
    assert_eq!(status(&script), [row]);
    script.now += 1_000;
    let past = script.now;
    apply(&mut script, "queue_leg", 12_000, past - 500);
    let second = script.log_head().0.to_string();
    let row = ["queue_leg", "of the table", "30", "7", floor, &second, &first, "2", "10", "2"];
    assert_eq!(status(&script), [row]);
    // The policy moves to another table: the first one has none any more.
    policy(&mut script, "offer", 1, 0);
    let found = status(&script);
    assert_eq!(found[0][..4], ["offer", "of the table", "1", "0"]);
    assert_eq!(found[1][..4], ["queue_leg", "-", "-", "-"]);
}

#[test]
fn runs_are_due_when_a_day_is_over_a_hold_ended_or_the_past_is_to_be_given_up() {
    let mut script = six();
    let due = |script: &Script, ms: i64| -> Vec<(String, i64)> {
        let snapshot = fold(script);
        let retention = script.retention();
        let found: Vec<Due> = retention.due(instant(ms));
        let before = |due: &Due| (due.before.micros() / 1_000 - START) / 1_000;
        let _ = snapshot;
        found.iter().map(|due| (due.table.to_owned(), before(due))).collect()
    };
    assert_eq!(due(&script, DAY), [], "no policy");
    policy(&mut script, "event_log", 1, 0);
    assert_eq!(due(&script, DAY), [], "nobody can drop from it");
    policy(&mut script, "queue_leg", 2, 1);
    // The logs begin at nine o'clock; floors are begins of days.
    let at = |days: i64| vec![("queue_leg".to_owned(), days * 86_400 - 9 * 3_600)];
    assert_eq!(due(&script, 5 * DAY), at(3));
    hold(&mut script, HOLD, &json!({"queues": [uuid(0)]}));
    script.now = 5 * DAY;
    apply(&mut script, "queue_leg", 3 * DAY - 9 * 3_600_000, 4 * DAY);
    assert_eq!(due(&script, 5 * DAY + 1), [], "it was done");
    assert_eq!(due(&script, 5 * DAY + 14 * 3_600_000), [], "the day is not over");
    assert_eq!(due(&script, 5 * DAY + 15 * 3_600_000), at(4), "the next day");
    // A day and something later, the past of that run is over, whatever the floor says.
    policy(&mut script, "queue_leg", 30, 1);
    assert_eq!(due(&script, 6 * DAY - 1), []);
    assert_eq!(due(&script, 6 * DAY), at(3), "the floor never goes back");
    policy(&mut script, "queue_leg", 30, 10);
    assert_eq!(due(&script, 6 * DAY), []);
    release(&mut script, HOLD);
    assert_eq!(due(&script, 6 * DAY), at(3), "the hold ended");
}

#[test]
fn a_run_counts_what_it_drops_and_what_is_held() {
    let mut script = six();
    policy(&mut script, "queue_leg", 1, 0);
    hold(&mut script, HOLD, &json!({"interactions": [uuid(2), uuid(6)]}));
    apply(&mut script, "queue_leg", 13_500, -1);
    let counted = |script: &Script| {
        let due = script.retention().due(instant(3 * DAY));
        count(&fold(script).tables["queue_leg"], &due[0]).expect("counted")
    };
    // Of the six, 1 and 3 are gone.
    assert_eq!((counted(&script).dropped, counted(&script).held), (2, 2));
    release(&mut script, HOLD);
    assert_eq!((counted(&script).dropped, counted(&script).held), (4, 0));
}
