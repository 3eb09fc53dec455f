//! Every formula of docs/metrics.md over a morning whose figures are worked out by hand, and the
//! compatibility views over the same morning.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that cannot go on should stop where it is"
)]

mod morning;

use std::collections::BTreeMap;

use datafusion::arrow::array::ArrayRef;
use datafusion::arrow::util::display::array_value_to_string;
use ledgerline_analyzer_api::query::run_local;
use morning::Morning;

const METRICS: &str = include_str!("../../docs/metrics.md");

/// The formulas by name.
fn formulas() -> BTreeMap<&'static str, String> {
    let mut found = BTreeMap::new();
    for section in METRICS.split("\n### ").skip(1) {
        let name = section.lines().next().unwrap().trim();
        let mut blocks =
            section.split("```sql\n").skip(1).map(|it| it.split("```").next().unwrap());
        let sql = blocks.next().unwrap_or_else(|| panic!("{name} has no formula"));
        assert!(blocks.next().is_none(), "{name} has two formulas");
        assert!(found.insert(name, sql.to_owned()).is_none(), "{name} twice");
    }
    found
}

async fn ask(morning: &Morning, sql: &str) -> Vec<String> {
    let (_, batches) = run_local(morning.snapshot(), &morning.principal(), sql)
        .await
        .unwrap_or_else(|error| panic!("{sql}: {error}"));
    let mut rows = Vec::new();
    for batch in batches {
        for row in 0..batch.num_rows() {
            let cell = |column: &ArrayRef| match array_value_to_string(column, row).unwrap() {
                text if text.is_empty() => "-".to_owned(),
                text => text,
            };
            rows.push(batch.columns().iter().map(cell).collect::<Vec<_>>().join(" "));
        }
    }
    rows
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_formula_gives_what_was_worked_out_by_hand() {
    // Seconds after nine; sales answers within 20 s, care has one call that waits.
    //
    // | leg | entered | left | wait | how | conversation (hold) | wrap-up |
    // |---|---|---|---|---|---|---|
    // | 1 | 10 | 10 | 0 | Ann | 10 to 110 (10), transferred to care | 20 |
    // | 2 | 20 | 35 | 15 | Bob, rings 5 | 35 to 95 | 10 |
    // | 3 | 40 | 140 | 100 | Bob rings 10 for nothing, Ann, rings 10 | 140 to 143 | 10 |
    // | 4 | 50 | 58 | 8 | abandoned | | |
    // | 5 | 60 | 160 | 100 | abandoned while it rings at Bob's for 5 | | |
    // | 6 | 70 | 190 | 120 | longest time in queue | | |
    // | 7 | 80 | 92 | 12 | callback, reached later; a second one is cancelled | | |
    // | 8 | 110 | | | of call 1, waits in care | | |
    //
    // Calls 9 and 10 end in the flow: given up after 6 s, served in 30 s. Every call was created 5 s before
    // its leg, in a flow. Ann is logged in for 600 s, Bob until the quarter ends and beyond.
    let expected: BTreeMap<&str, &str> = [
        ("sl.of_answered", "66.67"),
        ("sl.negative", "40.0"),
        ("sl.ignore", "50.0"),
        ("sl.positive", "60.0"),
        // Legs 1, 2, 4 and 7 of 8.
        ("sl.aws", "50.0"),
        ("sl.genesys", "40.0"),
        // 2 of 8 less leg 4.
        ("sl.8x8", "28.57"),
        ("contacts_offered", "8"),
        ("agent_offers", "5"),
        ("enqueued", "7"),
        ("answered_legs", "3"),
        ("handled_contacts", "3"),
        ("abandoned", "2"),
        // 2 of 7.
        ("abandon_rate", "28.57"),
        ("abandoned_in_sl", "1"),
        ("short_in_ivr", "1"),
        // Call 4 lasted 13 s, of which 8 in the queue.
        ("short_in_queue_of_contact", "0"),
        ("short_in_queue_of_entry", "1"),
        ("sudden_disconnect", "1"),
        ("requeued_after_rona", "1"),
        ("transferred_in", "1"),
        ("dequeued_other", "2 1"),
        ("carried_over", "1"),
        // 115 s over 3, over 2.
        ("asa", "38.333"),
        ("asa_queued", "57.5"),
        ("average_abandon_time", "54.0"),
        ("longest_wait_closed", "120.0"),
        ("longest_waiting_since", "09:01:50"),
        // 355 s of 900; legs 3, 5, 6 and 7.
        ("queue_depth", "0.3944 4"),
        ("ewt", "-1.0"),
        // 100 + 60 + 3 and 20 + 10 + 10 over 3.
        ("aht", "67.667"),
        ("aht_without_wrapup", "54.333"),
        ("talk_time", "153.0"),
        ("hold_time", "10.0"),
        // In contact: Ann 10 to 130 and 140 to 153, Bob 35 to 105: 203 s. Ready: Ann 457 s, Bob 30 + 25 + 740.
        ("occupancy_wall", "13.95"),
        // Available: 600 s and 900 s less 15 s not responding.
        ("occupancy_weighted", "13.67"),
        ("utilization", "13.53"),
        ("rona", "1"),
        ("rona_incl_abandon", "2"),
        // 0, 5 and 10 s.
        ("accept_time", "5.0"),
        // Call 10 of the nine: 1 to 7, 9 and 10.
        ("self_service_rate", "11.11"),
        ("abandoned_in_ivr", "1"),
        // Seven times 5 s, 6 s and 30 s; call 1 entered its second queue from an agent.
        ("average_self_service_time", "7.889"),
        ("callback_success", "50.0"),
        // Call 2 is of the customer of call 1.
        ("first_contact_resolution", "66.67"),
    ]
    .into();
    let morning = Morning::new().await;
    let formulas = formulas();
    let names: Vec<_> = formulas.keys().collect();
    assert_eq!(names, expected.keys().collect::<Vec<_>>());
    let mut wrong = Vec::new();
    for (name, sql) in &formulas {
        let rows = ask(&morning, sql).await;
        if rows != [expected[name]] {
            wrong.push(format!("{name}: {rows:?}, not {}", expected[name]));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    // With three samples allowed it is the median.
    let ewt = formulas["ewt"].replace("< 40", "< 3").replace("> 0.4", "> 4.0");
    assert_eq!(ask(&morning, &ewt).await, ["15.0"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn compatibility_views_show_the_same_rows() {
    let morning = Morning::new().await;
    for (sql, expected) in [
        (
            "select \"abandonedType\", \"contactHandleType\", count(*), sum(\"queueDuration\") from csr \
             where not \"isActive\" group by 1, 2 order by 1, 2",
            vec![
                "agent-connect abandoned 1 100000",
                "new - 1 0",
                "queue abandoned 1 8000",
                "- normal 2 115000",
                "- - 3 132000",
            ],
        ),
        (
            "select \"eventName\", \"previousState\", \"nextState\" from car join csr on \"taskId\" = csr.\"id\" \
             where \"firstQueueId\" <> \"lastQueue.id\" and \"eventName\" in ('parked', 'vt-transfer', 'on-hold') \
             order by car.\"createdTime\", \"eventName\"",
            vec![
                "parked ivr queued",
                "on-hold connected hold",
                "parked wrapup queued",
                "vt-transfer queued queued",
            ],
        ),
        (
            "select \"status\", \"handleType\", count(*), sum(\"handleTime\"), sum(cast(\"isWithinServiceLevel\" as bigint)) \
             from clr group by 1, 2 order by 1, 2",
            vec![
                "ended abandoned 2 - 0",
                "ended dequeued 2 - 0",
                "ended normal 3 203000 2",
                "parked - 1 - 0",
            ],
        ),
        (
            "select \"agentName\", \"isActive\", \"totalDuration\", \"notRespondedCount\", \"holdDuration\" from asr order by 1",
            vec!["ann false 600000 0 10000", "bob true - 1 0"],
        ),
        (
            "select \"state\", count(*), sum(\"duration\") from aar where \"agentName\" = 'bob' group by 1 order by 1",
            vec![
                "available 2 115000",
                "connected 1 60000",
                "not-responding 1 15000",
                "ringing 3 20000",
                "wrapup 1 10000",
            ],
        ),
        // A name of its own hides a view, as it hides a table.
        ("with csr as (select 1 as one) select one from csr", vec!["1"]),
        (
            "select table_name from information_schema.tables \
             where table_schema = 'public' and table_type = 'VIEW' order by 1",
            vec!["aar", "asr", "car", "clr", "csr"],
        ),
        (
            "select relname from pg_class where relkind = 'v' order by 1",
            vec!["aar", "asr", "car", "clr", "csr"],
        ),
    ] {
        assert_eq!(ask(&morning, sql).await, expected, "{sql}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn views_are_what_the_catalog_says() {
    let morning = Morning::new().await;
    let of = |name: &str| {
        format!(
            "select attname, atttypid, col_description(attrelid, attnum) from pg_attribute join pg_class on attrelid = pg_class.oid \
         where relname = '{name}' order by attnum"
        )
    };
    for name in ["aar", "asr", "car", "clr", "csr"] {
        let (schema, _) =
            run_local(morning.snapshot(), &morning.principal(), &format!("select * from {name}"))
                .await
                .unwrap();
        let said = ask(&morning, &of(name)).await;
        assert_eq!(said.len(), schema.fields().len(), "{name}");
        for (said, field) in said.iter().zip(schema.fields()) {
            use datafusion::arrow::datatypes::DataType;
            let oid = match field.data_type() {
                DataType::Utf8 | DataType::Utf8View => 25,
                DataType::Int64 => 20,
                DataType::Boolean => 16,
                DataType::Timestamp(_, Some(_)) => 1184,
                other => panic!("{name}.{}: {other}", field.name()),
            };
            assert!(
                said.starts_with(&format!("{} {oid} ", field.name())),
                "{name}: {said}, {field}"
            );
        }
        let definition = ask(
            &morning,
            &format!("select pg_get_viewdef(oid) from pg_class where relname = '{name}'"),
        )
        .await;
        let rows = ask(&morning, &format!("select count(*) from ({}) x", definition[0])).await;
        assert_eq!(rows, ask(&morning, &format!("select count(*) from {name}")).await, "{name}");
    }
}

/// Questions about the log itself are for those who may read it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_access_log_is_hidden_from_analysts() {
    let morning = Morning::new().await;
    let sql = "select event_type from access_log";
    assert_eq!(ask(&morning, sql).await, ["access.history_viewed"]);
    let analyst = morning.analyst();
    let refused = run_local(morning.snapshot(), &analyst, sql).await;
    assert!(refused.is_err_and(|error| error.to_string().contains("access_log")));
    let listed = "select relname from pg_class where relname in ('access_log', 'config_history')";
    let (_, batches) = run_local(morning.snapshot(), &analyst, listed).await.unwrap();
    assert_eq!(batches.iter().map(|batch| batch.num_rows()).sum::<usize>(), 1);
}
