//! The figures of today and the estimated wait, worked out by hand.

use ledgerline_schemas::event::queue::{QueueLeaveReason, QueueSource};
use ledgerline_schemas::event::wrapup::{WrapUpEnded, WrapUpEndedBy, WrapUpStarted};
use ledgerline_schemas::id::{EntityId, InteractionId, LegId, TeamId, UserId};

use crate::snapshot::Snapshot;
use crate::tests::call::{ANN, SALES, TEAM, created, entered, left, log_in};
use crate::tests::script::{Script, fold, pick, rows};

const SECOND: i64 = 1_000;
const HOUR: i64 = 3_600_000;
/// 2024-03-02T00:00Z: the script begins at 9:00 of the day before.
const MIDNIGHT: i64 = 15 * HOUR;

const QUEUE: [&str; 7] = [
    "offered_today",
    "answered_today",
    "answered_in_sl_today",
    "abandoned_today",
    "abandoned_in_sl_today",
    "other_today",
    "sum_wait_answered_today_ms",
];

fn begin() -> Script {
    let mut script = Script::new();
    script.queue(EntityId::from_u128(SALES), "sales", 20_000, TeamId::from_u128(TEAM));
    script
}

/// A call enters the queue.
fn enter(script: &mut Script, at: i64, number: u128) {
    let id = InteractionId::from_u128(number);
    script.at(at, created(id));
    script.at(at, entered(id, LegId::from_u128(number), SALES, QueueSource::Flow));
}

/// It leaves after so many seconds.
fn leave(script: &mut Script, at: i64, number: u128, reason: QueueLeaveReason, wait_s: u64) {
    let (id, leg_id) = (InteractionId::from_u128(number), LegId::from_u128(number));
    script.at(at, left(id, leg_id, SALES, reason, wait_s * 1_000));
}

fn sales(snapshot: &Snapshot) -> Vec<String> {
    pick(&rows(snapshot, "queue_live")[0], &QUEUE)
}

/// Three calls in the last minutes of a day: one answered in time, one late, one left in time; one waits over midnight.
fn evening() -> Script {
    let mut script = begin();
    let s = &mut script;
    enter(s, MIDNIGHT - 100 * SECOND, 1);
    leave(s, MIDNIGHT - 90 * SECOND, 1, QueueLeaveReason::Assigned, 10);
    enter(s, MIDNIGHT - 90 * SECOND, 2);
    leave(s, MIDNIGHT - 50 * SECOND, 2, QueueLeaveReason::Assigned, 40);
    enter(s, MIDNIGHT - 50 * SECOND, 3);
    leave(s, MIDNIGHT - 45 * SECOND, 3, QueueLeaveReason::Abandoned, 5);
    enter(s, MIDNIGHT - 30 * SECOND, 4);
    script
}

#[test]
fn a_day_counts_what_entered_and_left_in_it() {
    let snapshot = fold(&evening());
    assert_eq!(sales(&snapshot), ["4", "2", "1", "1", "1", "0", "50000"]);
}

#[test]
fn the_first_event_of_a_day_sets_the_figures_to_zero_and_what_waits_counts_where_it_leaves() {
    let mut script = evening();
    script.at(MIDNIGHT, created(InteractionId::from_u128(9)));
    assert_eq!(sales(&fold(&script)), ["0", "0", "0", "0", "0", "0", "0"]);
    // Entered yesterday, answered today.
    leave(&mut script, MIDNIGHT + 5 * SECOND, 4, QueueLeaveReason::Assigned, 35);
    enter(&mut script, MIDNIGHT + 6 * SECOND, 5);
    leave(&mut script, MIDNIGHT + 7 * SECOND, 5, QueueLeaveReason::Overflow, 1);
    assert_eq!(sales(&fold(&script)), ["1", "1", "0", "0", "0", "1", "35000"]);
    let row = &rows(&fold(&script), "queue_live")[0];
    assert_eq!(pick(row, &["offered", "answered"]), ["5", "3"], "the totals go on");
}

#[test]
fn what_comes_late_and_is_dated_into_yesterday_does_not_count_today() {
    let mut script = evening();
    enter(&mut script, MIDNIGHT + SECOND, 5);
    let today = sales(&fold(&script));
    assert_eq!(today, ["1", "0", "0", "0", "0", "0", "0"]);
    // It left before midnight and is told after.
    leave(&mut script, MIDNIGHT - 2 * SECOND, 4, QueueLeaveReason::Abandoned, 28);
    enter(&mut script, MIDNIGHT - SECOND, 6);
    assert_eq!(sales(&fold(&script)), today);
    let row = &rows(&fold(&script), "queue_live")[0];
    assert_eq!(pick(row, &["offered", "abandoned"]), ["6", "2"]);
}

#[test]
fn an_agents_day_is_split_at_midnight() {
    let mut script = begin();
    let s = &mut script;
    s.now = MIDNIGHT - 60 * SECOND;
    log_in(s, ANN);
    enter(s, MIDNIGHT - 40 * SECOND, 1);
    leave(s, MIDNIGHT - 40 * SECOND, 1, QueueLeaveReason::Assigned, 0);
    let (interaction_id, leg_id, agent_id) =
        (InteractionId::from_u128(1), LegId::from_u128(1), UserId::from_u128(ANN));
    s.at(
        MIDNIGHT - 40 * SECOND,
        WrapUpStarted { interaction_id, leg_id, agent_id, auto_end_at: None },
    );
    let figures = |script: &Script, table: &str| {
        pick(&rows(&fold(script), table)[0], &["any_contact_today_ms", "ready_today_ms"])
    };
    // 20 s ready; the contact lasts and is counted at the border.
    assert_eq!(figures(s, "agent_live"), ["0", "20000"]);
    let by = WrapUpEndedBy::Agent;
    s.at(MIDNIGHT + 12 * SECOND, WrapUpEnded { interaction_id, leg_id, agent_id, by });
    assert_eq!(figures(s, "agent_live"), ["12000", "0"]);
    assert_eq!(figures(s, "team_live"), ["12000", "0"]);
    assert_eq!(figures(s, "site_live"), ["12000", "0"]);
    // Ready since; the next quarter counts 15 minutes less 12 s.
    s.at(MIDNIGHT + 15 * 60 * SECOND, created(InteractionId::from_u128(2)));
    assert_eq!(figures(s, "agent_live"), ["12000", "888000"]);
    assert_eq!(figures(s, "site_live"), ["12000", "888000"]);
}

fn ewt(script: &Script) -> String {
    pick(&rows(&fold(script), "queue_live")[0], &["ewt_ms"]).remove(0)
}

/// Forty calls, one a minute, that waited 20 s and 24 s in turn.
fn forty() -> Script {
    let mut script = begin();
    for number in 0..40_u64 {
        let (at, wait_s) = (number as i64 * 60 * SECOND, 20 + 4 * (number % 2));
        enter(&mut script, at, number.into());
        leave(&mut script, at + 30 * SECOND, number.into(), QueueLeaveReason::Assigned, wait_s);
        if number < 39 {
            assert_eq!(ewt(&script), "-", "{number} is too few");
        }
    }
    script
}

#[test]
fn the_estimated_wait_is_the_median_of_enough_waits_of_an_hour() {
    let mut script = forty();
    assert_eq!(ewt(&script), "22000");
    let at = 40 * 60 * SECOND;
    enter(&mut script, at, 40);
    leave(&mut script, at + 23 * SECOND, 40, QueueLeaveReason::Assigned, 23);
    assert_eq!(ewt(&script), "23000", "the one in the middle of 41");
    enter(&mut script, at + 30 * SECOND, 41);
    leave(&mut script, at + 90 * SECOND, 41, QueueLeaveReason::Abandoned, 60);
    assert_eq!(ewt(&script), "23000", "only answered legs count");
    // At 10:15 those of before 9:15 go, and too few are left.
    script.at(75 * 60 * SECOND - 1, created(InteractionId::from_u128(90)));
    assert_eq!(ewt(&script), "23000");
    script.at(75 * 60 * SECOND, created(InteractionId::from_u128(91)));
    assert_eq!(ewt(&script), "-");
}

#[test]
fn waits_that_differ_too_much_give_no_estimate() {
    let mut script = forty();
    assert_eq!(ewt(&script), "22000");
    // Mean (880 + 120) / 41 = 24.4 s, deviation 15.4 s: more than 0.4 of it.
    enter(&mut script, 40 * 60 * SECOND, 40);
    leave(&mut script, 42 * 60 * SECOND, 40, QueueLeaveReason::Assigned, 120);
    assert_eq!(ewt(&script), "-");
}

#[test]
fn calls_answered_at_once_have_an_estimate_of_nothing() {
    let mut script = begin();
    for number in 0..40_u64 {
        enter(&mut script, number as i64 * SECOND, number.into());
        leave(&mut script, number as i64 * SECOND, number.into(), QueueLeaveReason::Assigned, 0);
    }
    assert_eq!(ewt(&script), "0");
}
