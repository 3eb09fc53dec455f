//! What is refused: other people's rows, SQL in values, requests that cost too much, arguments that fit nothing.

use axum::body::Body;
use axum::http::Request;
use serde_json::{Value, json};

use crate::support::{ACME, GLOBEX};
use crate::world::{Searched, first_error, id};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_organization_finds_its_own_records_only() {
    let it = Searched::new().await;
    let query = "{ taskDetails { tasks { id activities { totalCount } } pageInfo { endCursor } } }";
    let body = json!({ "query": query });
    let theirs = it.post("globex-analyst", "/v1/search", &body).await.data();
    let expected = json!([{ "id": id(0x6_0000), "activities": { "totalCount": 1 } }]);
    assert_eq!(theirs["taskDetails"]["tasks"], expected);
    assert!(it.questions(ACME).is_empty() && it.questions(GLOBEX).len() == 2);

    // A cursor of one organization is none of another.
    let query = |cursor: &Value| {
        json!({
            "query": "query ($c: String) { taskDetails(pagination: {cursor: $c}) { tasks { id } } }",
            "variables": { "c": cursor },
        })
    };
    let cursor = &theirs["taskDetails"]["pageInfo"]["endCursor"];
    let own = it.post("globex-analyst", "/v1/search", &query(cursor)).await;
    assert_eq!(own.data()["taskDetails"]["tasks"], json!([]));
    let (code, message) = first_error(&it.post("acme-analyst", "/v1/search", &query(cursor)).await);
    assert_eq!(code, "invalid_value");
    assert!(message.contains("is not a cursor of this query"), "{message}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_organization_is_the_tokens() {
    let it = Searched::new().await;
    let body = json!({ "query": "{ taskDetails { tasks { id } } }" });
    for (address, status) in [
        (format!("/search?orgId={ACME}"), 200),
        (format!("/v1/search?orgId={GLOBEX}"), 403),
        ("/search?orgId=x".to_owned(), 403),
    ] {
        assert_eq!(it.post("acme-analyst", &address, &body).await.status, status, "{address}");
    }
    let reply = it.post("acme-agent", "/v1/search", &body).await;
    assert_eq!((reply.status.as_u16(), reply.json()["code"].clone()), (403, json!("not_allowed")));
    let reply = it.post("nobody", "/v1/search", &body).await;
    assert_eq!(reply.status, 401);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn values_are_never_sql() {
    let it = Searched::new().await;
    let query = "query ($v: Name!) { taskDetails(filter: {or: [{id: {equals: $v}}, {contactReason: {in: [$v]}}, \
                 {destination: {contains: $v}}, {lastQueue: {name: {startsWith: $v}}}]}) { tasks { id } } }";
    for value in [
        "' OR '1'='1",
        "'; select 1; --",
        "\" OR \"\"=\"",
        "$1",
        "$2) OR TRUE --",
        "\\' OR TRUE --",
        "%",
        "_",
        "\\",
        "/* */",
        "\u{0}",
    ] {
        let reply = it.search_with(query, json!({ "v": value })).await;
        assert_eq!(reply.data()["taskDetails"]["tasks"], json!([]), "{value:?}: {}", reply.text);
    }
    // The same question with a value that is there finds it, so the tries above did ask.
    let reply = it.search_with(query, json!({ "v": "order" })).await;
    assert_eq!(reply.data()["taskDetails"]["tasks"].as_array().unwrap().len(), 9);
    // Every value is a parameter: the text that ran is one and the same.
    let hashes: std::collections::BTreeSet<String> =
        it.questions(ACME).into_iter().map(|question| question.sql_sha256).collect();
    assert_eq!(hashes.len(), 1, "{hashes:?}");

    // Where a name is wanted it has to be one.
    for (arguments, expected) in [
        (
            "aggregations: [{field: \"id\\\" FROM event_log --\", type: count, name: \"n\"}]",
            "no field id",
        ),
        ("aggregations: [{field: \"1\", type: count, name: \"n\"}]", "no field 1"),
        (
            "aggregations: [{field: id, type: count, name: \"n\"}], aggregationInterval: {interval: DAILY, \
             timezone: \"UTC') FROM event_log --\"}",
            "is not a time zone",
        ),
        ("asOf: \"1; select 1\"", "is neither a position"),
    ] {
        let query = format!("{{ taskDetails({arguments}) {{ tasks {{ id }} }} }}");
        let (_, message) = it.error(&query).await;
        assert!(message.contains(expected), "{arguments}: {message}");
    }
    // The name of a value is text in the answer.
    let query = "{ taskDetails(aggregations: [{field: id, type: count, name: \"\\\"; drop\"}]) \
                 { tasks { aggregation { name value } } } }";
    let expected = json!([{ "aggregation": [{ "name": "\"; drop", "value": 9 }] }]);
    assert_eq!(it.data(query).await["taskDetails"]["tasks"], expected);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bombs_are_refused_before_anything_is_asked() {
    let it = Searched::new().await;
    let aliases = |count: usize| {
        let queries: Vec<String> =
            (0..count).map(|at| format!("q{at}: taskDetails {{ tasks {{ id }} }}")).collect();
        format!("{{ {} }}", queries.join(" "))
    };
    let many = (0..1_100).map(|at| format!("f{at}: id")).collect::<Vec<_>>().join(" ");
    let nested = format!("{{ taskDetails(filter: {}", "{not: ".repeat(60));
    let mut fragments = "{ taskDetails { tasks { ...f0 } } }".to_owned();
    for at in 0..30 {
        fragments.push_str(&format!(
            " fragment f{at} on TaskDetails {{ ...f{next} ...f{next} }}",
            next = at + 1
        ));
    }
    fragments.push_str(" fragment f30 on TaskDetails { id }");
    let activities: Vec<String> =
        (1..=20).map(|at| format!("a{at}: activities(first: {at}) {{ totalCount }}")).collect();
    let activities = format!("{{ taskDetails {{ tasks {{ {} }} }} }}", activities.join(" "));
    for (query, expected) in [
        (aliases(17), "needs 17 questions"),
        (format!("{{ taskDetails {{ tasks {{ {many} }} }} }}"), "the limit is 1000"),
        (nested, "the limit is 48"),
        (fragments, "the limit is 1000"),
        (activities, "needs 21 questions"),
        (
            format!("{{ # {}\n taskDetails {{ tasks {{ id }} }} }}", "x".repeat(70_000)),
            "the limit is 65536",
        ),
    ] {
        let reply = it.search(&query).await;
        let (code, message) = first_error(&reply);
        assert_eq!(code, "invalid_query");
        assert!(message.contains(expected), "{message}");
        assert!(reply.json()["extensions"].get("position").is_none());
    }
    let outcomes: Vec<String> =
        it.questions(ACME).into_iter().map(|question| question.outcome).collect();
    assert_eq!(outcomes, ["invalid_query"; 6], "each refusal is an event");
    assert_eq!(it.search(&aliases(16)).await.data()["q15"]["tasks"].as_array().unwrap().len(), 9);

    let list = json!([{ "query": "{ taskDetails { tasks { id } } }" }]);
    let reply = it.post("acme-analyst", "/v1/search", &list).await;
    assert_eq!((reply.status.as_u16(), &reply.json()["code"]), (400, &json!("unreadable_body")));
    let query = "{ taskDetails(pagination: {size: 1000}) { tasks { activities(first: 100) { totalCount } } } }";
    let (code, message) = it.error(query).await;
    assert_eq!(code, "invalid_value");
    assert!(message.contains("records times activities can be 25000"), "{message}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn arguments_that_fit_nothing_are_named() {
    let it = Searched::new().await;
    for (query, code, expected) in [
        ("{ taskDetails { tasks { id }", "syntax_error", ""),
        ("{ taskDetails { tasks { nothing } } }", "invalid_query", "nothing"),
        ("{ taskDetails(from: \"x\") { tasks { id } } }", "invalid_query", "Long"),
        (
            "{ taskDetails(filter: {nothing: {equals: 1}}) { tasks { id } } }",
            "invalid_query",
            "nothing",
        ),
        ("{ taskDetails(filter: {id: {gt: 1}}) { tasks { id } } }", "invalid_query", "gt"),
        ("{ taskDetails(filter: {}) { tasks { id } } }", "invalid_value", "filter"),
        ("{ taskDetails(filter: {and: []}) { tasks { id } } }", "invalid_value", "and is empty"),
        (
            "{ taskDetails(filter: {id: {in: []}}) { tasks { id } } }",
            "invalid_value",
            "has 0 values",
        ),
        (
            "{ taskDetails(from: 2, to: 1) { tasks { id } } }",
            "invalid_value",
            "from (2) is after to (1)",
        ),
        (
            "{ taskDetails(from: 9223372036854775807) { tasks { id } } }",
            "invalid_value",
            "out of range",
        ),
        ("{ taskDetails(asOf: 99999) { tasks { id } } }", "invalid_value", "is not reached yet"),
        (
            "{ a: taskDetails(asOf: 3) { tasks { id } } b: taskDetails(asOf: 4) { tasks { id } } }",
            "invalid_value",
            "a request is answered at one position",
        ),
        (
            "{ taskDetails(pagination: {cursor: \"AAAA\"}) { tasks { id } } }",
            "invalid_value",
            "is not a cursor",
        ),
        (
            "{ taskDetails(pagination: {size: 1001}) { tasks { id } } }",
            "invalid_value",
            "it can be 1 to 1000",
        ),
        (
            "{ taskDetails { tasks { activities(first: 101) { totalCount } } } }",
            "invalid_value",
            "it can be 1 to 100",
        ),
        ("{ taskDetails { tasks { aggregation { value } } } }", "invalid_value", "aggregations"),
        (
            "{ taskDetails(aggregations: [{field: id, type: sum, name: \"n\"}]) { tasks { id } } }",
            "invalid_value",
            "there is no sum of id",
        ),
        (
            "{ taskDetails(aggregations: [{field: id, type: count, name: \"n\"}]) { tasks { activities { totalCount } } } }",
            "invalid_value",
            "beside aggregations",
        ),
        ("mutation { x }", "invalid_query", ""),
    ] {
        let (found, message) = it.error(query).await;
        assert_eq!(found, code, "{query}: {message}");
        assert!(message.contains(expected), "{query}: {message}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn status_and_media_type_follow_what_the_client_accepts() {
    let it = Searched::new().await;
    let ask = async |accept: &str, query: &str| {
        let request = Request::post("/v1/search")
            .header("content-type", "application/json; charset=utf-8")
            .header("authorization", "Bearer acme-analyst")
            .header("accept", accept)
            .body(Body::from(json!({ "query": query }).to_string()))
            .unwrap();
        let reply = it.send(request).await;
        (reply.status.as_u16(), reply.header("content-type").to_owned())
    };
    let (good, bad) = ("{ taskDetails { tasks { id } } }", "{ nothing }");
    let new = "application/graphql-response+json";
    assert_eq!(ask("*/*", good).await, (200, "application/json".to_owned()));
    assert_eq!(ask("application/json", bad).await, (200, "application/json".to_owned()));
    assert_eq!(ask(new, good).await, (200, new.to_owned()));
    assert_eq!(ask(new, bad).await, (400, new.to_owned()));
}
