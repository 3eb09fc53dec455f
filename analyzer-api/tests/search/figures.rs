//! Figures of the morning, each worked out from its script in `tests/morning`.

use serde_json::{Value, json};

use crate::morning::NINE;
use crate::support::ACME;
use crate::world::{Searched, id};

/// Milliseconds of a second of the morning.
fn at(second: i64) -> i64 {
    (NINE + second) * 1_000
}

fn ids(tasks: &Value) -> Vec<String> {
    tasks.as_array().unwrap().iter().map(|task| task["id"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn records_have_the_fields_of_the_views() {
    let it = Searched::new().await;
    let query = format!(
        "{{ taskDetails(from: {}, to: {}) {{ tasks {{ id createdTime endedTime isActive abandonedType queueDuration \
         lastQueue {{ name }} }} pageInfo {{ hasNextPage }} }} }}",
        at(0),
        at(76)
    );
    let reply = it.search(&query).await;
    assert_eq!(reply.status, 200);
    let task = |number: u128,
                created: i64,
                ended: Option<i64>,
                abandoned: Value,
                wait: i64,
                queue: &str| {
        json!({
            "id": id(number), "createdTime": at(created), "endedTime": ended.map(at), "isActive": ended.is_none(),
            "abandonedType": abandoned, "queueDuration": wait, "lastQueue": { "name": queue },
        })
    };
    let expected = json!({ "taskDetails": {
        "tasks": [
            task(1, 5, None, Value::Null, 0, "care"),
            task(2, 15, Some(95), Value::Null, 15_000, "sales"),
            task(3, 35, Some(143), Value::Null, 100_000, "sales"),
            task(4, 45, Some(58), json!("queue"), 8_000, "sales"),
            task(5, 55, Some(160), json!("agent-connect"), 100_000, "sales"),
            task(6, 65, Some(190), Value::Null, 120_000, "sales"),
            task(7, 75, Some(92), Value::Null, 12_000, "sales"),
        ],
        "pageInfo": { "hasNextPage": false },
    } });
    assert_eq!(reply.data(), expected);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn times_bound_by_begin_or_end() {
    let it = Searched::new().await;
    // Call 3 came in at 35 and ended at 143; 35 is in [35, 45), 45 is not.
    for (comparator, from, to, expected) in [
        ("createdTime", 35, 45, vec![3]),
        ("endedTime", 58, 96, vec![4, 7, 2]),
        ("endedTime", 143, 161, vec![3, 5]),
        // What has not ended has no end to compare.
        ("endedTime", 0, 3_600, vec![4, 7, 2, 3, 5, 6, 9, 10]),
    ] {
        let query = format!(
            "{{ taskDetails(from: {}, to: {}, timeComparator: {comparator}) {{ tasks {{ id }} }} }}",
            at(from),
            at(to)
        );
        let expected: Vec<String> = expected.into_iter().map(id).collect();
        assert_eq!(ids(&it.data(&query).await["taskDetails"]["tasks"]), expected, "{query}");
    }
    let all = it.data("{ taskDetails { tasks { id } } }").await;
    assert_eq!(ids(&all["taskDetails"]["tasks"]).len(), 9);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn filters_select_records() {
    let it = Searched::new().await;
    for (filter, expected) in [
        ("isActive: {equals: true}", vec![1]),
        ("abandonedType: {equals: \"queue\"}", vec![4]),
        // A name without quotes, as clients write enumerations.
        ("abandonedType: {equals: queue}", vec![4]),
        ("abandonedType: {notequals: queue}", vec![1, 2, 3, 5, 6, 7, 9, 10]),
        ("abandonedType: {equals: null}", vec![1, 2, 3, 6, 7, 10]),
        ("abandonedType: {notequals: null}", vec![4, 5, 9]),
        ("abandonedType: {in: [queue, new]}", vec![4, 9]),
        ("abandonedType: {notin: [queue, new]}", vec![1, 2, 3, 5, 6, 7, 10]),
        ("queueDuration: {gt: 15000}", vec![3, 5, 6]),
        ("queueDuration: {gte: 15000, lt: 120000}", vec![2, 3, 5]),
        ("queueDuration: {lte: 8000}", vec![1, 4, 9, 10]),
        ("lastQueue: {name: {equals: \"care\"}}", vec![1]),
        ("lastQueue: {name: {startsWith: \"sal\"}, id: {notequals: null}}", vec![2, 3, 4, 5, 6, 7]),
        ("lastQueue: {name: {contains: \"ale\"}}, isContactHandled: {equals: true}", vec![2, 3]),
        ("not: {lastQueue: {name: {equals: \"sales\"}}}", vec![1, 9, 10]),
        ("or: [{isActive: {equals: true}}, {queueDuration: {equals: 8000}}]", vec![1, 4]),
        ("and: [{queueDuration: {gt: 8000}}, {not: {queueDuration: {gt: 15000}}}]", vec![2, 7]),
    ] {
        let query = format!("{{ taskDetails(filter: {{{filter}}}) {{ tasks {{ id }} }} }}");
        let expected: Vec<String> = expected.into_iter().map(id).collect();
        assert_eq!(ids(&it.data(&query).await["taskDetails"]["tasks"]), expected, "{filter}");
    }
    let time = format!("createdTime: {{gte: {}}}", at(75));
    let query = format!("{{ taskDetails(filter: {{{time}}}) {{ tasks {{ id }} }} }}");
    assert_eq!(ids(&it.data(&query).await["taskDetails"]["tasks"]), [7, 9, 10].map(id));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn aggregations_are_grouped_by_the_fields_selected() {
    let it = Searched::new().await;
    let query = "{ taskDetails(aggregations: [
        {field: \"id\", type: count, name: \"all\"},
        {field: \"queueDuration\", type: sum, name: \"wait\"},
        {field: \"queueDuration\", type: max, name: \"longest\"},
        {field: \"queueDuration\", type: average, name: \"mean\", predicate: {queueDuration: {gt: 12000}}},
        {field: \"id\", type: count, name: \"handled\", predicate: {isContactHandled: {equals: true}}},
        {field: \"lastAgent.name\", type: cardinality, name: \"agents\"}
    ]) { tasks { lastQueue { name } aggregation { name value } } } }";
    let data = it.data(query).await;
    let rows: Vec<(Value, Vec<Value>)> = data["taskDetails"]["tasks"]
        .as_array()
        .unwrap()
        .iter()
        .map(|task| {
            let values = task["aggregation"].as_array().unwrap();
            (
                task["lastQueue"]["name"].clone(),
                values.iter().map(|it| it["value"].clone()).collect(),
            )
        })
        .collect();
    // Sales: 15, 100, 8, 100, 120 and 12 seconds; of these 15, 100, 100 and 120 are over 12.
    let expected = [
        (json!("care"), vec![json!(1), json!(0), json!(0), Value::Null, json!(1), json!(1)]),
        (
            json!("sales"),
            vec![json!(6), json!(355_000), json!(120_000), json!(83_750.0), json!(2), json!(2)],
        ),
        (Value::Null, vec![json!(2), json!(0), json!(0), Value::Null, json!(0), json!(0)]),
    ];
    assert_eq!(rows, expected);

    // Without fields it is one row over all.
    let query = "{ taskDetails(aggregations: {field: id, type: count, name: \"n\"}) \
                 { tasks { aggregation { name value } } } }";
    let expected = json!([{ "aggregation": [{ "name": "n", "value": 9 }] }]);
    assert_eq!(it.data(query).await["taskDetails"]["tasks"], expected);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn activities_are_nested_and_paged() {
    let it = Searched::new().await;
    let query = format!(
        "{{ taskDetails(filter: {{id: {{equals: \"{}\"}}}}) {{ tasks {{ id activities {{ totalCount nodes {{ \
         taskId eventName createdTime }} pageInfo {{ hasNextPage }} }} }} }} }}",
        id(4)
    );
    let data = it.data(&query).await;
    let activities = &data["taskDetails"]["tasks"][0]["activities"];
    let step = |event: &str, second: i64| json!({ "taskId": id(4), "eventName": event, "createdTime": at(second) });
    let expected = [
        step("new", 45),
        step("ivr-connected", 45),
        step("parked", 50),
        step("queue.left", 58),
        step("ended", 58),
    ];
    assert_eq!(activities["nodes"], json!(expected));
    assert_eq!(activities["totalCount"], 5);
    assert_eq!(activities["pageInfo"]["hasNextPage"], false);

    // Of all records two at a time, at the position of the first request.
    let whole =
        it.data("{ taskDetails { tasks { id activities { totalCount nodes { id } } } } }").await;
    let mut wanted = Vec::new();
    for task in whole["taskDetails"]["tasks"].as_array().unwrap() {
        let nodes = task["activities"]["nodes"].as_array().unwrap();
        assert_eq!(task["activities"]["totalCount"], nodes.len());
        wanted.extend(nodes.iter().map(|node| node["id"].as_str().unwrap().to_owned()));
    }
    let (mut found, mut after, mut positions) = (Vec::new(), String::new(), Vec::new());
    loop {
        let query = "query ($after: String) { taskDetails { tasks { activities(first: 2, after: $after) \
                     { totalCount nodes { id } pageInfo { hasNextPage endCursor } } } } }";
        let reply = it.search_with(query, json!({ "after": after })).await;
        let data = reply.data();
        positions.push(reply.json()["extensions"]["position"].clone());
        let mut next = None;
        for task in data["taskDetails"]["tasks"].as_array().unwrap() {
            let activities = &task["activities"];
            assert!(activities["totalCount"].as_u64().unwrap() > 1, "{activities}");
            let nodes = activities["nodes"].as_array().unwrap();
            found.extend(nodes.iter().map(|node| node["id"].as_str().unwrap().to_owned()));
            if activities["pageInfo"]["hasNextPage"] == true {
                next = activities["pageInfo"]["endCursor"].as_str().map(str::to_owned);
            }
        }
        match next {
            Some(next) => after = next,
            None => break,
        }
    }
    wanted.sort();
    found.sort();
    assert_eq!(found, wanted);
    assert!(
        positions.len() > 2 && positions.windows(2).all(|pair| pair[0] == pair[1]),
        "{positions:?}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_filter_of_activities_selects_records_and_their_activities() {
    let it = Searched::new().await;
    let query = "{ taskDetails(extFilter: {and: [{activities: {nodes: {eventName: {equals: \"on-hold\"}}}}]}) \
                 { tasks { id activities { nodes { eventName } } } } }";
    let expected =
        json!([{ "id": id(1), "activities": { "nodes": [{ "eventName": "on-hold" }] } }]);
    assert_eq!(it.data(query).await["taskDetails"]["tasks"], expected);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sessions_have_channels() {
    let it = Searched::new().await;
    let query = "{ agentSession { agentSessions { agentName isActive connectedCount connectedDuration \
                 channelInfo { channelType totalDuration activities(first: 100) { totalCount nodes { state duration } } } \
                 activities { totalCount } } } }";
    let data = it.data(query).await;
    let sessions = data["agentSession"]["agentSessions"].as_array().unwrap();
    let named = |name: &str| sessions.iter().find(|it| it["agentName"] == name).unwrap();
    let ann = named("ann");
    assert_eq!(ann["isActive"], false);
    // Ann talked 20 s before and 70 s after a hold, and 3 s; Bob 60 s.
    assert_eq!((&ann["connectedCount"], &ann["connectedDuration"]), (&json!(3), &json!(93_000)));
    let bob = named("bob");
    assert_eq!((&bob["isActive"], &bob["connectedCount"]), (&json!(true), &json!(1)));
    assert_eq!(bob["connectedDuration"], 60_000);
    let channels = bob["channelInfo"].as_array().unwrap();
    let types: Vec<&Value> = channels.iter().map(|channel| &channel["channelType"]).collect();
    assert_eq!(types, [&Value::Null, &json!("voice")]);
    let states = |channel: &Value| -> Vec<(String, Value)> {
        let nodes = channel["activities"]["nodes"].as_array().unwrap().clone();
        nodes
            .into_iter()
            .map(|node| (node["state"].as_str().unwrap().to_owned(), node["duration"].clone()))
            .collect()
    };
    // Rings 30 to 35, talks to 95, wraps up to 105; rings 105 to 115 and 155 to 160.
    let voice: Vec<(String, Value)> = [
        ("ringing", 5_000),
        ("connected", 60_000),
        ("wrapup", 10_000),
        ("ringing", 10_000),
        ("ringing", 5_000),
    ]
    .map(|(state, ms)| (state.to_owned(), json!(ms)))
    .into();
    assert_eq!(states(&channels[1]), voice);
    assert_eq!(channels[1]["totalDuration"], 90_000);
    // Available to 115, not responding to 130, available since.
    let base: Vec<(String, Value)> = [
        ("available", json!(115_000)),
        ("not-responding", json!(15_000)),
        ("available", Value::Null),
    ]
    .map(|(state, ms)| (state.to_owned(), ms))
    .into();
    assert_eq!(states(&channels[0]), base);
    assert_eq!(bob["activities"]["totalCount"], 8);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn legs_are_counted_by_queue() {
    let it = Searched::new().await;
    let query = "{ taskLegDetails(aggregations: [{field: id, type: count, name: \"legs\"}, \
                 {field: \"abandonedSlCount\", type: sum, name: \"short\"}]) \
                 { taskLegs { queue { name } aggregation { value } } } }";
    // Sales: calls 1 to 7; care: the transfer of call 1. Of two abandoned, one waited less than 20 s.
    let expected = json!([
        { "queue": { "name": "care" }, "aggregation": [{ "value": 1 }, { "value": 0 }] },
        { "queue": { "name": "sales" }, "aggregation": [{ "value": 7 }, { "value": 1 }] },
    ]);
    assert_eq!(it.data(query).await["taskLegDetails"]["taskLegs"], expected);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_questions_of_a_request_are_of_one_position_and_recorded() {
    let it = Searched::new().await;
    let query = "{ a: taskDetails { tasks { id activities { totalCount } } } b: agentSession { agentSessions \
                 { agentId channelInfo { channelType activities { totalCount } } } } flowInteractions \
                 { flowInteractions { id } } flowTraceEvents { flowTraceEvents { id } } }";
    let reply = it.search(query).await;
    let body = reply.json();
    assert!(body.get("errors").is_none(), "{body}");
    // In the order of the request, though the first takes longest.
    let places: Vec<Option<usize>> =
        ["\"a\":", "\"b\":", "\"flowInteractions\":{", "\"flowTraceEvents\":{"]
            .iter()
            .map(|key| reply.text.find(key))
            .collect();
    assert!(places.is_sorted() && places[0].is_some(), "{places:?}");
    let position = body["extensions"]["position"].as_u64().unwrap();
    assert_eq!(reply.header("ledgerline-position"), position.to_string());
    let questions = it.questions(ACME);
    // Records and activities; records, channels and activities; records; records.
    assert_eq!(questions.len(), 7);
    for question in questions {
        assert_eq!((question.door.as_str(), question.outcome.as_str()), ("graphql", "ok"));
        assert_eq!(question.as_of_position.0, position);
    }
    // An earlier position: four events of configuration, four of agents, four of the first call.
    let query = "{ taskDetails(asOf: 12) { tasks { id } } }";
    let reply = it.search(query).await;
    assert_eq!(reply.json()["extensions"]["position"], 12);
    assert_eq!(ids(&reply.data()["taskDetails"]["tasks"]), [id(1)]);
}
