//! Pages while the log grows: each record once, all at the position of the first page.

use serde_json::{Value, json};

use crate::morning::NINE;
use crate::world::{Searched, append, call_at, id};

const QUERY: &str = "query ($cursor: String, $by: TimeComparator) { taskDetails(timeComparator: $by, \
                     pagination: {cursor: $cursor, size: 2}) { tasks { id } pageInfo { hasNextPage endCursor } } }";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_record_is_on_one_page_while_others_come_in() {
    let it = Searched::new().await;
    for by in ["createdTime", "endedTime"] {
        let (mut found, mut cursor, mut positions, mut pages) =
            (Vec::new(), Value::Null, Vec::new(), 0_u128);
        loop {
            let reply = it.search_with(QUERY, json!({ "cursor": cursor, "by": by })).await;
            let data = reply.data();
            let page = &data["taskDetails"];
            found.extend(
                page["tasks"]
                    .as_array()
                    .unwrap()
                    .iter()
                    .map(|it| it["id"].as_str().unwrap().to_owned()),
            );
            positions.push(reply.json()["extensions"]["position"].clone());
            if page["pageInfo"]["hasNextPage"] == false {
                break;
            }
            cursor = page["pageInfo"]["endCursor"].clone();
            pages += 1;
            // Calls before, between and after those of the pages, all dated in the morning.
            for (second, offset) in [(1, 0), (50, 1), (3_000, 2)] {
                let number = 0x1000 * (1 + u128::from(by == "endedTime")) + pages * 16 + offset;
                append(&it.acme, number, call_at((NINE + second) * 1_000, number));
            }
        }
        // Only those that there were at the first page; by end, call 1 has none.
        let expected: &[u128] = match by {
            "createdTime" => &[1, 2, 3, 4, 5, 6, 7, 9, 10],
            _ => &[4, 7, 2, 3, 5, 6, 9, 10],
        };
        assert_eq!(found, expected.iter().map(|number| id(*number)).collect::<Vec<_>>(), "{by}");
        assert!(positions.windows(2).all(|pair| pair[0] == pair[1]), "{positions:?}");
        let now = it
            .data(
                "{ taskDetails(aggregations: [{field: id, type: count, name: \"n\"}]) \
                           { tasks { aggregation { value } } } }",
            )
            .await;
        let count = now["taskDetails"]["tasks"][0]["aggregation"][0]["value"].as_u64().unwrap();
        assert!(count > 9, "they are there in a new search: {count}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn records_of_one_instant_are_told_apart_by_their_ids() {
    let it = Searched::new().await;
    for number in 0x2000..0x2009 {
        append(&it.acme, number, call_at((NINE + 7) * 1_000, number));
    }
    let (mut found, mut cursor) = (Vec::new(), Value::Null);
    loop {
        let data =
            it.search_with(QUERY, json!({ "cursor": cursor, "by": "createdTime" })).await.data();
        let page = &data["taskDetails"];
        found.extend(
            page["tasks"]
                .as_array()
                .unwrap()
                .iter()
                .map(|it| it["id"].as_str().unwrap().to_owned()),
        );
        cursor = page["pageInfo"]["endCursor"].clone();
        if page["pageInfo"]["hasNextPage"] == false {
            break;
        }
    }
    let mut expected = vec![id(1)];
    expected.extend((0x2000..0x2009).map(id));
    expected.extend([2, 3, 4, 5, 6, 7, 9, 10].map(id));
    assert_eq!(found, expected);
}
