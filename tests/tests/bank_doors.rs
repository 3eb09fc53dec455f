//! The real months by every door: HTTP, the PostgreSQL wire, Arrow Flight SQL and GraphQL give the published figures.

#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot go on should stop where it is"
)]

mod doors;
mod published;

use doors::Doors;
use ledgerline_tests::{succeed, test_data};
use published::{MONTHS, Month};
use serde_json::{Value, json};

/// The clocks of the bank, two hours ahead of UTC in both months until 31 October; days are on them.
const ZONE: &str = "Asia/Jerusalem";

/// The stays in queues of a month, over all, in the order of [`totals`].
fn sql_totals(month: &Month) -> String {
    let when = between("entered_time", month);
    let levels = |threshold_ms: u64| {
        ["sl_of_answered", "sl_negative", "sl_ignore", "sl_positive"]
            .map(|name| format!("{name}(outcome, queue_duration_ms, {threshold_ms})"))
            .join(", ")
    };
    let sessions = between("s.created_time", month);
    format!(
        "select (select count(*) from customer_session s where {sessions}), \
         (select count(*) from customer_session s where {sessions} and not exists \
           (select 1 from queue_leg l where l.interaction_id = s.interaction_id)), \
         count(*), count(*) filter (where answered), \
         count(*) filter (where answered and wait > 0), count(*) filter (where abandoned), \
         sum(wait) filter (where answered) / 1000, max(wait) filter (where answered) / 1000, \
         sum(wait) filter (where abandoned) / 1000, max(wait) filter (where abandoned) / 1000, \
         count(*) filter (where abandoned and wait <= 5000), \
         sum(connected_duration_ms) / 1000, max(connected_duration_ms) / 1000, \
         count(*) filter (where answered and wait <= 20000), \
         count(*) filter (where abandoned and wait <= 20000), \
         count(*) filter (where answered and wait <= 60000), \
         count(*) filter (where abandoned and wait <= 60000), \
         100.0 * count(*) filter (where abandoned) / count(*), \
         avg(wait) filter (where answered) / 1000.0, \
         avg(wait) filter (where answered and wait > 0) / 1000.0, \
         avg(wait) filter (where abandoned) / 1000.0, \
         sum(connected_duration_ms) filter (where answered) / 1000.0 / count(*) filter (where answered), \
         {}, {} \
         from (select outcome, queue_duration_ms, queue_duration_ms as wait, connected_duration_ms, \
               outcome = 'answered' as answered, outcome = 'abandoned' as abandoned \
               from queue_leg where {when}) legs",
        levels(20_000),
        levels(60_000)
    )
}

/// The counts, and then what is published with one or two decimals.
fn totals(month: &Month) -> (Vec<u64>, Vec<(f64, f64)>) {
    let mut counts = vec![
        month.rows - month.phantom,
        month.ivr_ended,
        month.offered,
        month.answered,
        month.answered_after_wait,
        month.abandoned,
        month.wait_answered_s,
        month.longest_wait_answered_s,
        month.wait_abandoned_s,
        month.longest_wait_abandoned_s,
        month.abandoned_within_5_s,
        month.service_s,
        month.longest_service_s,
    ];
    counts.extend(month.within);
    let (tenth, hundredth) = (0.05, 0.005);
    let mut rounded = vec![(month.abandon_rate, hundredth)];
    rounded.extend(
        [month.asa_all_s, month.asa_queued_s, month.average_abandon_s, month.aht_s]
            .map(|it| (it, tenth)),
    );
    rounded.extend(month.sl20.into_iter().chain(month.sl60).map(|it| (it, hundredth)));
    (counts, rounded)
}

fn between(column: &str, month: &Month) -> String {
    let at = |day: &str| format!("cc_utc(timestamp '{day} 00:00:00', '{ZONE}')");
    format!("{column} >= {} and {column} < {}", at(month.from), at(month.to))
}

/// Calls, offered, answered, … of each service type, as [`published::Type`] has them. The type of a call is the reason
/// that the import gave it.
fn sql_types(month: &Month) -> String {
    format!(
        "select s.reason, count(*), count(l.leg_id), \
         count(*) filter (where l.outcome = 'answered'), count(*) filter (where l.outcome = 'abandoned'), \
         count(*) filter (where l.leg_id is null), \
         coalesce(sum(l.queue_duration_ms) filter (where l.outcome = 'answered'), 0) / 1000, \
         coalesce(sum(l.connected_duration_ms), 0) / 1000, \
         count(*) filter (where l.outcome = 'answered' and l.queue_duration_ms <= 20000), \
         count(*) filter (where l.outcome = 'abandoned' and l.queue_duration_ms <= 20000) \
         from customer_session s left join queue_leg l on l.interaction_id = s.interaction_id \
         where {} group by s.reason order by s.reason",
        between("s.created_time", month)
    )
}

fn sql_days(month: &Month) -> String {
    format!(
        "select extract(day from cc_local(created_time, '{ZONE}')) as day, count(*) \
         from customer_session where {} group by 1 order by 1",
        between("created_time", month)
    )
}

/// Rows marked PHANTOM of each day: published counts of days include them, and the import leaves them out.
fn phantoms(file: &str) -> [u64; 32] {
    let mut days = [0; 32];
    for line in file.lines().skip(1) {
        let cells: Vec<&str> = line.split_whitespace().collect();
        let (Some(date), true) = (cells.get(5), cells.contains(&"PHANTOM")) else { continue };
        let day: usize = date.get(4..6).and_then(|it| it.parse().ok()).expect("a day");
        days[day] += 1;
    }
    days
}

fn whole(cell: &str) -> u64 {
    let number: f64 = cell.parse().unwrap_or_else(|_| panic!("{cell:?} is no number"));
    assert!(number >= 0.0 && number.fract() == 0.0, "{cell} is not a whole number");
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "looked at above")]
    let number = number as u64;
    number
}

fn check_totals(said: &[String], month: &Month, door: &str) {
    let (counts, rounded) = totals(month);
    let (of_counts, of_rounded) = said.split_at(counts.len());
    let found: Vec<u64> = of_counts.iter().map(|cell| whole(cell)).collect();
    assert_eq!(found, counts, "{} by {door}", month.name);
    assert_eq!(of_rounded.len(), rounded.len());
    for (cell, (expected, half)) in of_rounded.iter().zip(rounded) {
        let value: f64 = cell.parse().expect("a number");
        assert!(
            (value - expected).abs() < half,
            "{} by {door}: {value} is not {expected}",
            month.name
        );
    }
}

fn check_types(said: &[Vec<String>], month: &Month, door: &str) {
    let mut expected = month.types.to_vec();
    expected.sort_unstable();
    let found: Vec<(&str, Vec<u64>)> = said
        .iter()
        .map(|row| (row[0].as_str(), row[1..].iter().map(|cell| whole(cell)).collect()))
        .collect();
    let expected: Vec<(&str, Vec<u64>)> =
        expected.iter().map(|(name, counts)| (*name, counts.to_vec())).collect();
    assert_eq!(found, expected, "{} by {door}", month.name);
}

fn check_days(said: &[(u64, u64)], month: &Month, phantoms: &[u64; 32], door: &str) {
    let expected: Vec<(u64, u64)> = month
        .days
        .iter()
        .map(|(day, rows)| (u64::from(*day), rows - phantoms[*day as usize]))
        .collect();
    assert_eq!(said, expected, "{} by {door}", month.name);
}

/// `count`, `sum` or `max` of a field, over the records of a predicate.
fn value_of(name: &str, kind: &str, field: &str, predicate: Value) -> Value {
    let mut value = json!({"name": name, "type": kind, "field": field});
    if predicate.is_object() {
        value["predicate"] = predicate;
    }
    value
}

/// What GraphQL counts over the stays in queues.
fn leg_values() -> Vec<Value> {
    let answered = json!({"isTaskLegHandled": {"equals": true}});
    let abandoned = json!({"handleType": {"equals": "abandoned"}});
    let waited = |of: &Value, wait: Value| {
        let mut both = of.clone();
        both["queue"] = json!({"duration": wait});
        both
    };
    let wait = "queue.duration";
    vec![
        value_of("offered", "count", "id", Value::Null),
        value_of("answered", "count", "id", answered.clone()),
        value_of("answered_after_wait", "count", "id", waited(&answered, json!({"gt": 0}))),
        value_of("abandoned", "count", "id", abandoned.clone()),
        value_of("wait_answered", "sum", wait, answered.clone()),
        value_of("longest_answered", "max", wait, answered.clone()),
        value_of("wait_abandoned", "sum", wait, abandoned.clone()),
        value_of("longest_abandoned", "max", wait, abandoned.clone()),
        value_of("abandoned_5", "count", "id", waited(&abandoned, json!({"lte": 5_000}))),
        value_of("service", "sum", "connectedDuration", Value::Null),
        value_of("longest_service", "max", "connectedDuration", Value::Null),
        value_of("answered_20", "count", "id", waited(&answered, json!({"lte": 20_000}))),
        value_of("abandoned_20", "count", "id", waited(&abandoned, json!({"lte": 20_000}))),
        value_of("answered_60", "count", "id", waited(&answered, json!({"lte": 60_000}))),
        value_of("abandoned_60", "count", "id", waited(&abandoned, json!({"lte": 60_000}))),
        value_of("asa_all", "average", wait, answered.clone()),
        value_of("asa_queued", "average", wait, waited(&answered, json!({"gt": 0}))),
        value_of("average_abandon", "average", wait, abandoned),
        value_of("aht", "average", "connectedDuration", answered),
    ]
}

const SEARCH: &str = "query ($from: Long, $to: Long, $legs: [TaskLegDetailsAggregation!], \
    $calls: [TaskDetailsAggregation!], $days: AggregationInterval) { \
    calls: taskDetails(from: $from, to: $to, aggregations: $calls) { tasks { aggregation { name value } } } \
    legs: taskLegDetails(from: $from, to: $to, aggregations: $legs) { taskLegs { aggregation { name value } } } \
    callTypes: taskDetails(from: $from, to: $to, aggregations: $calls, pagination: {size: 100}) { \
      tasks { contactReason aggregation { name value } } } \
    legTypes: taskLegDetails(from: $from, to: $to, aggregations: $legs, pagination: {size: 100}) { \
      taskLegs { queue { name } aggregation { name value } } } \
    days: taskDetails(from: $from, to: $to, aggregations: $calls, aggregationInterval: $days, \
      pagination: {size: 100}) { tasks { intervalStartTime aggregation { name value } } } }";

fn named(row: &Value, name: &str) -> f64 {
    let all = row["aggregation"].as_array().expect("values");
    let found = all.iter().find(|it| it["name"] == name).expect("the value");
    found["value"].as_f64().unwrap_or(0.0)
}

fn text(number: f64) -> String {
    number.to_string()
}

/// The figures as the search gives them, brought into the order of the SQL answers. Rates and service levels are
/// computed from its counts: it has no such aggregation.
fn by_search(found: &Value, month: &Month, phantoms: &[u64; 32]) {
    let door = "GraphQL";
    let calls = &found["calls"]["tasks"][0];
    let legs = &found["legs"]["taskLegs"][0];
    let leg = |name: &str| named(legs, name);
    let mut row = vec![text(named(calls, "calls")), text(named(calls, "ivr_ended"))];
    row.extend(["offered", "answered", "answered_after_wait", "abandoned"].map(|it| text(leg(it))));
    row.extend(
        ["wait_answered", "longest_answered", "wait_abandoned", "longest_abandoned"]
            .map(|it| text(leg(it) / 1_000.0)),
    );
    row.push(text(leg("abandoned_5")));
    row.extend(["service", "longest_service"].map(|it| text(leg(it) / 1_000.0)));
    row.extend(
        ["answered_20", "abandoned_20", "answered_60", "abandoned_60"].map(|it| text(leg(it))),
    );
    row.push(text(100.0 * leg("abandoned") / leg("offered")));
    row.extend(
        ["asa_all", "asa_queued", "average_abandon", "aht"].map(|it| text(leg(it) / 1_000.0)),
    );
    for (answered, abandoned) in [("answered_20", "abandoned_20"), ("answered_60", "abandoned_60")]
    {
        let (a, b) = (leg(answered), leg(abandoned));
        let (all, offered) = (leg("answered"), leg("offered"));
        row.extend(
            [a / all, a / offered, a / (offered - b), (a + b) / offered].map(|it| text(100.0 * it)),
        );
    }
    check_totals(&row, month, door);

    let none = json!({"aggregation": []});
    let of_legs = found["legTypes"]["taskLegs"].as_array().expect("rows");
    let mut types: Vec<Vec<String>> = found["callTypes"]["tasks"]
        .as_array()
        .expect("rows")
        .iter()
        .map(|call| {
            let name = call["contactReason"].as_str().expect("a type");
            let legs = of_legs.iter().find(|it| it["queue"]["name"] == name).unwrap_or(&none);
            let leg = |value: &str| if legs == &none { 0.0 } else { named(legs, value) };
            let mut row = vec![name.to_owned(), text(named(call, "calls"))];
            row.extend(["offered", "answered", "abandoned"].map(|it| text(leg(it))));
            row.push(text(named(call, "ivr_ended")));
            row.extend(["wait_answered", "service"].map(|it| text(leg(it) / 1_000.0)));
            row.extend(["answered_20", "abandoned_20"].map(|it| text(leg(it))));
            row
        })
        .collect();
    types.sort();
    check_types(&types, month, door);

    let mut days: Vec<(i64, u64)> = found["days"]["tasks"]
        .as_array()
        .expect("rows")
        .iter()
        .map(|row| {
            let start = row["intervalStartTime"].as_i64().expect("a time");
            (start, whole(&text(named(row, "calls"))))
        })
        .collect();
    days.sort_unstable();
    let (first, _) = days[0];
    // The hour of the change to winter time, if there is one, is less than half a day.
    let half_day = 43_200_000;
    let days: Vec<(u64, u64)> = days
        .iter()
        .map(|(start, count)| {
            (u64::try_from((start - first + half_day) / 86_400_000 + 1).expect("a day"), *count)
        })
        .collect();
    check_days(&days, month, phantoms, door);
}

#[tokio::test]
async fn every_door_gives_the_published_figures_of_both_months() {
    let Some(folder) = test_data() else {
        eprintln!("skipped: no test data (set LEDGERLINE_TESTDATA)");
        return;
    };
    let temporary = tempfile::tempdir().expect("folder");
    let data = temporary.path().join("data");
    let files = MONTHS.map(|month| folder.join("bank").join(month.file));
    let mut import: Vec<String> =
        ["import", "call-records", "--mapping", "anonymous-bank", "--data"]
            .map(str::to_owned)
            .to_vec();
    import.push(data.to_string_lossy().into_owned());
    import.extend(files.iter().map(|file| file.to_string_lossy().into_owned()));
    let _ = succeed(&import.iter().map(String::as_str).collect::<Vec<_>>());

    let sessions = MONTHS.iter().map(|month| month.rows - month.phantom).sum();
    let mut doors = Doors::open(&data, "anonymous-bank", sessions).await;
    for (month, file) in MONTHS.iter().zip(&files) {
        let phantoms = phantoms(&std::fs::read_to_string(file).expect("readable"));
        let (totals, types, days) = (sql_totals(month), sql_types(month), sql_days(month));
        for door in doors::SQL {
            check_totals(&doors.ask(door, &totals).await.remove(0), month, door);
            check_types(&doors.ask(door, &types).await, month, door);
            let days = doors.ask(door, &days).await;
            let days: Vec<_> = days.iter().map(|row| (whole(&row[0]), whole(&row[1]))).collect();
            check_days(&days, month, &phantoms, door);
        }
        let borders = format!(
            "select (extract(epoch from cc_utc(timestamp '{} 00:00:00', '{ZONE}')) * 1000)::bigint, \
             (extract(epoch from cc_utc(timestamp '{} 00:00:00', '{ZONE}')) * 1000)::bigint",
            month.from, month.to
        );
        let borders = doors.ask("HTTP", &borders).await.remove(0);
        let ivr_ended = value_of("ivr_ended", "count", "id", json!({"queueCount": {"equals": 0}}));
        let variables = json!({
            "from": whole(&borders[0]), "to": whole(&borders[1]),
            "legs": leg_values(),
            "calls": [value_of("calls", "count", "id", Value::Null), ivr_ended],
            "days": {"interval": "DAILY", "timezone": ZONE},
        });
        let found = doors.search(SEARCH, variables).await;
        by_search(&found, month, &phantoms);
    }
    doors.close();
}
