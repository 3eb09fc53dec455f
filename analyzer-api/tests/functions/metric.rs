//! Contact-center metrics over legs and intervals.

use proptest::prelude::*;

use crate::ask::{EPOCH, Row, ask, cell, cells, refusal, sample, spread};

/// Legs: outcome, leave_reason, wait so far, wait.
const LEGS: &str = "(VALUES ('answered', 'assigned', 0, 0), ('answered', 'assigned', 20000, 20000), \
    ('answered', 'assigned', 20001, 20001), ('abandoned', 'abandoned', 3000, 3000), \
    ('abandoned', 'abandoned', 60000, 60000), ('other', 'callback_requested', 15000, 15000), \
    ('other', 'overflow', 1000, 1000), ('open', NULL, 19999, NULL), ('open', NULL, 20000, NULL), \
    (NULL, NULL, NULL, NULL)) v(outcome, leave_reason, wait_so_far, wait)";

async fn about(expression: &str, expected: f64) {
    let sql = format!("SELECT {expression} FROM {LEGS}");
    let got: f64 = cell(&sql).await.parse().unwrap_or_else(|_| panic!("{sql} is not a number"));
    assert!((got - expected).abs() < 1e-9, "{expression}: {got}, not {expected}");
}

#[tokio::test]
async fn service_levels_are_those_that_vendors_publish() {
    // In time: two answers, one abandon, one callback request; nine legs queued.
    about("sl_aws(outcome, leave_reason, wait, 20000)", 400.0 / 9.0).await;
    // Answered 3 (2 in time), abandoned 2 (1 short), flowed out 2.
    about("sl_genesys(outcome, wait, 20000, false, true, NULL)", 200.0 / 5.0).await;
    about("sl_genesys(outcome, wait, 20000, true, true, NULL)", 200.0 / 7.0).await;
    about("sl_genesys(outcome, wait, 20000, false, true, 5000)", 200.0 / 4.0).await;
    about("sl_genesys(outcome, wait, 20000, true, true, 5000)", 200.0 / 6.0).await;
    about("sl_genesys(outcome, wait, 20000, false, false, NULL)", 200.0 / 3.0).await;
    about("sl_genesys(outcome, wait, 20000, true, false, NULL)", 200.0 / 5.0).await;
    // Nine entered, one abandoned at once, one still waits below the threshold.
    about("sl_8x8(outcome, wait_so_far, 20000, 5000)", 200.0 / 7.0).await;
    about("sl_8x8(outcome, wait_so_far, 20000, NULL)", 200.0 / 8.0).await;
    // Seven left the queue.
    about("abandon_rate(outcome)", 200.0 / 7.0).await;
    about("abandon_rate(outcome) FILTER (WHERE outcome <> 'other')", 200.0 / 5.0).await;
}

#[tokio::test]
async fn speed_of_answer_and_handle_time() {
    about("asa(outcome, wait)", 40_001.0 / 3.0).await;
    about("asa_queued(outcome, wait)", 40_001.0 / 2.0).await;
    let sql = "SELECT aht(talk, hold, wrapup) FROM (VALUES (1000, 200, 50), (2000, NULL, NULL), \
               (NULL, 900, 900)) v(talk, hold, wrapup)";
    assert_eq!(cell(sql).await, "1625.0");
}

#[tokio::test]
async fn intervals_that_run_at_once() {
    for (intervals, expected) in [
        ("(1, 5), (2, 6), (5, 9), (6, 7)", "2"),
        ("(1, NULL), (2, NULL), (3, 3), (NULL, 9)", "2"),
        ("(1, 2), (2, 3), (3, 4)", "1"),
        ("(4, 4)", "0"),
        ("(1, 10), (2, 9), (3, 8), (10, 11)", "3"),
    ] {
        let sql = format!(
            "SELECT max_concurrent(to_timestamp(s), to_timestamp(e)) FROM (VALUES {intervals}) v(s, e)"
        );
        assert_eq!(cell(&sql).await, expected, "{intervals}");
    }
    let sql = "SELECT max_concurrent(now(), now()) FROM generate_series(1, 0)";
    assert_eq!(cell(sql).await, "0");
}

const WINDOW: &str = "timestamptz '2026-01-01T00:00:00Z', timestamptz '2026-01-01T01:00:00Z'";

async fn depth(samples: &str) -> String {
    let sql = format!(
        "SELECT time_weighted_avg(to_timestamp(1767225600 + m * 60), x, {WINDOW}) \
         FROM (VALUES {samples}) v(m, x)"
    );
    cell(&sql).await
}

#[tokio::test]
async fn means_weighted_by_time() {
    // 15 minutes 4, 30 minutes 2, 15 minutes 8.
    assert_eq!(depth("(0, 4), (15, 2), (45, 8)").await, "4.0");
    // The value before the window holds at its begin; what comes at its end or later does not count.
    assert_eq!(depth("(-90, 100), (-30, 4), (15, 2), (45, 8), (60, 1000)").await, "4.0");
    // Unknown before the first sample and after a null.
    assert_eq!(depth("(30, 6)").await, "6.0");
    assert_eq!(depth("(0, 1), (10, NULL), (50, 3)").await, "2.0");
    assert_eq!(depth("(60, 1)").await, "");
    // The same twice is no contradiction.
    assert_eq!(depth("(0, 5), (0, 5)").await, "5.0");
    let sql = format!(
        "SELECT time_weighted_avg(to_timestamp(1767225600 + m * 60), x, {WINDOW}, p) \
         FROM (VALUES (0, 9, 2), (0, 4, 1), (30, 7, 9), (30, 1, 8)) v(m, x, p)"
    );
    assert_eq!(cell(&sql).await, "8.0");
}

#[tokio::test]
async fn time_in_a_state_is_clipped() {
    let sql = format!(
        "SELECT state_duration(s, to_timestamp(1767225600 + b * 60), \
         to_timestamp(1767225600 + e * 60), w, {WINDOW}) \
         FROM (VALUES ('idle', -10, 5), ('idle', 50, NULL), ('available', 5, 50), ('idle', 70, 80)) v(s, b, e), \
         (VALUES ('idle'), ('available'), ('hold')) k(w) GROUP BY w ORDER BY w"
    );
    assert_eq!(cells(&sql).await, [["2700000"], ["0"], ["900000"]]);
    let sql = format!(
        "SELECT state_duration('idle', now(), now(), 'idle', {WINDOW}) FROM generate_series(1, 0)"
    );
    assert_eq!(cell(&sql).await, "");
}

/// Ann: available all the hour, two chats at once for 20 minutes, one of them 20 more, 5 minutes ringing.
/// Bob: available for half an hour, in a call in the other half that has not ended.
const AGENTS: &str = "(VALUES ('ann', 'available', 0, 60), ('ann', 'connected', 0, 20), \
    ('ann', 'connected', 0, 30), ('ann', 'wrapup', 30, 40), ('ann', 'ringing', 40, 45), \
    ('bob', 'available', 0, 30), ('bob', 'connected', 30, NULL), ('bob', 'idle', -60, 0), \
    ('bob', 'connected', -30, -10)) v(agent, state, b, e)";

#[tokio::test]
async fn occupancy_by_the_clock_and_by_slots() {
    let call = |name: &str, more: &str| {
        format!(
            "{name}(agent, state, to_timestamp(1767225600 + b * 60), \
             to_timestamp(1767225600 + e * 60), {WINDOW}{more})"
        )
    };
    let wall = call("occupancy_wall", "");
    let weighted = call("occupancy_weighted", ", CASE agent WHEN 'ann' THEN 2 ELSE 1 END");
    let sql = format!(
        "SELECT round({wall}, 6), round({weighted}, 6) FROM {AGENTS} GROUP BY agent ORDER BY agent"
    );
    // Ann: busy 40, free 15; 60 minutes of interactions in 2 slots of 55 minutes. Bob: busy 30, free 30.
    assert_eq!(cells(&sql).await, [["72.727273", "54.545455"], ["50.0", "50.0"]]);
    let sql = format!("SELECT round({wall}, 6), round({weighted}, 6) FROM {AGENTS}");
    assert_eq!(cells(&sql).await, [["60.869565", "52.941176"]]);
    let sql = format!("SELECT {wall}, {weighted} FROM {AGENTS} WHERE state = 'idle'");
    assert_eq!(cells(&sql).await, [["", ""]]);
}

#[tokio::test]
async fn what_is_wrong_is_named() {
    let t = "timestamptz '2026-01-01T00:00:00Z'";
    let u = "timestamptz '2026-01-01T01:00:00Z'";
    for (sql, expected) in [
        (format!("max_concurrent({u}, {t})"), "max_concurrent: end is before start: 2026-01-01T00"),
        (format!("max_concurrent(5, {t})"), "max_concurrent: start must be a timestamp, not Int64"),
        (format!("time_weighted_avg({t}, 'x', {t}, {u})"), "value must be a number"),
        (
            format!("time_weighted_avg({t}, 1, {u}, {t})"),
            "time_weighted_avg: to must be after from",
        ),
        (format!("time_weighted_avg({t}, 1, NULL, {t})"), "from must not be null"),
        (
            format!("state_duration('a', {t}, {u}, 'a', {t}, NULL)"),
            "state_duration: to must not be null",
        ),
        (format!("state_duration(1, {t}, {u}, 'a', {t}, {u})"), "state must be text, not Int64"),
        (
            format!("occupancy_wall('a', 'hold', {t}, {u}, {t})"),
            "occupancy_wall takes (agent, state,",
        ),
        (
            format!("occupancy_weighted('a', 'hold', {t}, {u}, {t}, {u}, 0)"),
            "slots must be at least 1, got 0",
        ),
        (
            format!("occupancy_weighted('a', 'hold', {t}, {u}, {t}, {u}, NULL)"),
            "slots must not be null",
        ),
        ("sl_aws('answered', 1, 1, 1)".to_owned(), "sl_aws: leave_reason must be text"),
        (
            "sl_genesys('answered', 1, 1, true, false, 5)".to_owned(),
            "short_abandon_ms must be null",
        ),
        ("sl_genesys('answered', 1, 1, NULL, true, 5)".to_owned(), "flow_outs must not be null"),
        ("sl_genesys('answered', 1, 1, 1, true, 5)".to_owned(), "flow_outs must be true or false"),
        ("sl_8x8('open', NULL, 1, 1)".to_owned(), "wait_ms of an open leg must not be null"),
        ("abandon_rate(1)".to_owned(), "abandon_rate: outcome must be text"),
        ("asa('answered', 1.5)".to_owned(), "queue_duration_ms must be a whole number"),
        ("aht(1, 'x', 1)".to_owned(), "aht: hold_ms must be a whole number, not Utf8"),
        ("aht(DISTINCT 1, 2, 3)".to_owned(), "aht: DISTINCT is not supported"),
    ] {
        let error = refusal(&format!("SELECT {sql}")).await;
        assert!(error.contains(expected), "{sql}: {error}");
    }
    for (sql, expected) in [
        (
            format!("SELECT time_weighted_avg({t}, x, {t}, {u}) FROM (VALUES (1), (2)) v(x)"),
            "value differs between samples of one instant",
        ),
        (
            format!(
                "SELECT time_weighted_avg({t}, 1, {t}, to_timestamp(1767225600 + x * 3600)) \
                 FROM (VALUES (1), (2)) v(x)"
            ),
            "from and to must be one window in a group",
        ),
        (
            format!(
                "SELECT occupancy_weighted('a', 'hold', {t}, {u}, {t}, {u}, x) FROM (VALUES (1), (2)) v(x)"
            ),
            "slots must be one number for agent 'a'",
        ),
    ] {
        let error = refusal(&sql).await;
        assert!(error.contains(expected), "{sql}: {error}");
    }
}

fn row() -> impl Strategy<Value = Row> {
    (
        prop::sample::select(vec!["a", "b", "c"]),
        prop::sample::select(vec!["available", "connected", "hold", "ringing", "idle", "answered"]),
        prop::option::weighted(0.9, 0_i64..30),
        prop::option::weighted(0.9, 0_i64..120),
        prop::option::weighted(0.8, 0_i64..60),
        any::<bool>(),
    )
        .prop_map(|(name, kind, number, start, length, flag)| {
            let end = start.and_then(|start| Some(start + length?));
            Row { name, kind, number, start, end, flag }
        })
}

const CALLS: &str = "max_concurrent(start, \"end\"), \
    max_concurrent(start, \"end\") FILTER (WHERE flag), \
    state_duration(kind, start, \"end\", 'hold', timestamptz '2026-01-01T00:00:20Z', timestamptz '2026-01-01T00:01:20Z'), \
    occupancy_wall(name, kind, start, \"end\", timestamptz '2026-01-01T00:00:20Z', timestamptz '2026-01-01T00:01:20Z'), \
    occupancy_weighted(name, kind, start, \"end\", timestamptz '2026-01-01T00:00:20Z', timestamptz '2026-01-01T00:01:20Z', 3), \
    time_weighted_avg(start, number, timestamptz '2026-01-01T00:00:20Z', timestamptz '2026-01-01T00:01:20Z', number), \
    asa(kind, number), asa_queued(kind, number), aht(number, number, NULL), abandon_rate(kind), \
    sl_aws(kind, kind, number, 10), sl_genesys(kind, number, 10, true, true, 5), sl_8x8(kind, number, 10, 5)";

proptest! {
    #![proptest_config(ProptestConfig::with_cases(8))]

    /// However rows are ordered and spread over files and memory, the answer is the same, and what counting
    /// second by second gives.
    #[test]
    fn order_and_partition_do_not_matter(
        rows in prop::collection::vec((row(), any::<u32>()), 1..60), parts in 2_usize..5,
    ) {
        let (plain, parts) = spread(rows, parts);
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let dir = tempfile::tempdir().unwrap();
        let (one, many) = (sample(dir.path(), std::slice::from_ref(&plain)), sample(dir.path(), &parts));
        for sql in [
            format!("SELECT {CALLS} FROM sample"),
            format!("SELECT flag, {CALLS} FROM sample GROUP BY flag ORDER BY flag"),
        ] {
            let expected = runtime.block_on(ask(&one, &sql)).unwrap();
            prop_assert_eq!(runtime.block_on(ask(&many, &sql)).unwrap(), expected, "{}", sql);
        }

        let running = |second: i64| {
            let at = |row: &&Row| {
                row.start.is_some_and(|start| start <= second && row.end.is_none_or(|end| second < end))
            };
            plain.iter().filter(at).collect::<Vec<_>>()
        };
        let most = (0..200).map(|second| running(second).len()).max().unwrap_or(0);
        let (mut busy, mut free, mut used, mut hold) = (0_i64, 0_i64, 0_i64, 0_i64);
        for second in 20..80 {
            let now = running(second);
            hold += now.iter().filter(|row| row.kind == "hold").count() as i64 * 1_000;
            for agent in ["a", "b", "c"] {
                let has = |kinds: &[&str]| {
                    now.iter().filter(|row| row.name == agent && kinds.contains(&row.kind)).count() as i64
                };
                let interactions = has(&["connected", "hold"]);
                used += interactions;
                if interactions > 0 {
                    busy += 1;
                } else if has(&["available"]) > 0 && has(&["ringing"]) == 0 {
                    free += 1;
                }
            }
        }
        let percent = |part: i64, whole: i64| {
            if whole == 0 { String::new() } else { format!("{:?}", part as f64 * 100.0 / whole as f64) }
        };
        let sql = format!("SELECT {CALLS} FROM sample");
        let text = runtime.block_on(ask(&many, &sql)).unwrap();
        let got: Vec<&str> = text.trim_end().split(',').collect();
        prop_assert_eq!(got[0], most.to_string());
        if plain.iter().any(|row| row.start.is_some()) {
            prop_assert_eq!(got[2], hold.to_string());
        }
        prop_assert_eq!(got[3], percent(busy, busy + free));
        prop_assert_eq!(got[4], percent(used, 3 * (busy + free)));
        prop_assert_eq!(EPOCH % 86_400, 0);
    }
}
