//! Intervals on the clocks of a zone, on a day on which they are moved.

use ledgerline_analyzer_api::Limits;
use ledgerline_event_store::memory::MemoryLog;
use ledgerline_schemas::Timestamp;
use serde_json::json;

use crate::support::{ACME, GLOBEX};
use crate::world::{Searched, append, call_at};

/// 2026-03-29T00:00:00Z; in Brussels the clock goes from 02:00 to 03:00 at 01:00Z.
const DAY: i64 = 1_774_742_400_000;
const MINUTE: i64 = 60_000;

async fn searched() -> Searched {
    let log = MemoryLog::new(ACME, || Timestamp::EPOCH);
    for (number, minute) in (1..).zip([
        -61,          // 2026-03-28 23:59 in Brussels
        -60,          // 00:00
        59,           // 01:59
        60,           // 03:00
        21 * 60 + 59, // 23:59
        22 * 60,      // 2026-03-30 00:00
    ]) {
        append(&log, number, call_at(DAY + minute * MINUTE, number));
    }
    let globex = MemoryLog::new(GLOBEX, || Timestamp::EPOCH);
    Searched::over(log, globex, Limits::default()).await
}

async fn counted(it: &Searched, interval: &str, zone: &str) -> Vec<(i64, i64)> {
    let query = format!(
        "{{ taskDetails(aggregations: [{{field: id, type: count, name: \"n\"}}], aggregationInterval: \
         {{interval: {interval}, timezone: \"{zone}\"}}) {{ tasks {{ intervalStartTime aggregation {{ value }} }} }} }}"
    );
    let data = it.data(&query).await;
    data["taskDetails"]["tasks"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| {
            let begin = row["intervalStartTime"].as_i64().unwrap();
            ((begin - DAY) / MINUTE, row["aggregation"][0]["value"].as_i64().unwrap())
        })
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_day_of_23_hours_is_one_day() {
    let it = searched().await;
    let days = counted(&it, "DAILY", "Europe/Brussels").await;
    assert_eq!(days, [(-60 - 24 * 60, 1), (-60, 4), (22 * 60, 1)]);
    let days = counted(&it, "DAILY", "UTC").await;
    assert_eq!(days, [(-24 * 60, 2), (0, 4)]);
    let hours = counted(&it, "HOURLY", "Europe/Brussels").await;
    assert_eq!(hours, [(-120, 1), (-60, 1), (0, 1), (60, 1), (21 * 60, 1), (22 * 60, 1)]);
    let months = counted(&it, "MONTHLY", "Europe/Brussels").await;
    assert_eq!(months, [(-28 * 24 * 60 - 60, 6)]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn aggregated_rows_have_pages_too() {
    let it = searched().await;
    let query = "query ($cursor: String) { taskDetails(aggregations: [{field: id, type: count, name: \"n\"}], \
                 aggregationInterval: {interval: HOURLY, timezone: \"Europe/Brussels\"}, \
                 pagination: {cursor: $cursor, size: 4}) { tasks { intervalStartTime } \
                 pageInfo { hasNextPage endCursor } } }";
    let first = it.search_with(query, json!({ "cursor": "0" })).await.data();
    let page = &first["taskDetails"];
    assert_eq!(page["tasks"].as_array().unwrap().len(), 4);
    assert_eq!(page["pageInfo"]["hasNextPage"], true);
    let cursor = page["pageInfo"]["endCursor"].clone();
    let second = it.search_with(query, json!({ "cursor": cursor })).await.data();
    let begins: Vec<i64> = [page, &second["taskDetails"]]
        .iter()
        .flat_map(|page| page["tasks"].as_array().unwrap())
        .map(|row| (row["intervalStartTime"].as_i64().unwrap() - DAY) / MINUTE)
        .collect();
    assert_eq!(begins, [-120, -60, 0, 60, 21 * 60, 22 * 60]);
    assert_eq!(second["taskDetails"]["pageInfo"]["hasNextPage"], false);
}
