//! GraphQL subscriptions over `graphql-transport-ws` as a client meets them: the rows are those of the tables, mistakes
//! are named, ends have the protocol's codes.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should stop where it is")]

mod center;

use std::collections::BTreeMap;
use std::net::SocketAddr;

use center::Center;
use futures::{SinkExt as _, StreamExt as _};
use ledgerline_access::Role;
use ledgerline_realtime::Limits;
use serde_json::{Value as Json, json};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

struct Client {
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
}

impl Client {
    async fn connect(address: SocketAddr, protocol: &str, query: &str) -> Result<Self, Error> {
        let url = format!("ws://{address}/v1/realtime/graphql{query}");
        let mut request = url.into_client_request().unwrap();
        request.headers_mut().insert("sec-websocket-protocol", protocol.parse().unwrap());
        connect_async(request).await.map(|(socket, _)| Self { socket })
    }

    /// A client that was let in.
    async fn open(address: SocketAddr, token: &str) -> Self {
        let mut client = Self::connect(address, "graphql-transport-ws", "").await.unwrap();
        let payload = json!({"authorization": format!("Bearer {token}")});
        client.send(json!({"type": "connection_init", "payload": payload})).await;
        assert_eq!(client.message().await, json!({"type": "connection_ack"}));
        client
    }

    async fn send(&mut self, message: Json) {
        self.socket.send(Message::text(message.to_string())).await.unwrap();
    }

    async fn subscribe(&mut self, id: &str, query: &str) {
        self.send(json!({"type": "subscribe", "id": id, "payload": {"query": query}})).await;
    }

    async fn message(&mut self) -> Json {
        loop {
            match self.socket.next().await.unwrap().unwrap() {
                Message::Text(text) => return serde_json::from_str(&text).unwrap(),
                Message::Ping(_) | Message::Pong(_) => {}
                other => panic!("not a message: {other:?}"),
            }
        }
    }

    async fn end(mut self) -> u16 {
        loop {
            if let Message::Close(Some(close)) = self.socket.next().await.unwrap().unwrap() {
                return close.code.into();
            }
        }
    }
}

/// Rows by id, fed with changes; checks that nothing is left out between two.
#[derive(Default)]
struct Replica {
    rows: BTreeMap<String, Json>,
    position: Option<u64>,
    is_whole: bool,
    token: String,
    resets: usize,
}

impl Replica {
    fn take(&mut self, change: &Json) {
        let id = |row: &Json| row["interaction_id"].as_str().unwrap().to_owned();
        if change["is_reset"] == true {
            (self.rows, self.position) = (BTreeMap::new(), None);
            self.resets += 1;
        }
        if let Some(from) = change["from"].as_u64() {
            assert!(self.position.is_none_or(|position| position == from), "gap: {change}");
        }
        for row in change["upserts"].as_array().unwrap() {
            self.rows.insert(id(row), row.clone());
        }
        for row in change["deletes"].as_array().unwrap() {
            assert!(self.rows.remove(&id(row)).is_some(), "never had {row}");
        }
        self.position = change["position"].as_u64();
        self.is_whole = change["is_whole"] == true;
        self.token = change["token"].as_str().unwrap_or_default().to_owned();
    }

    async fn until(&mut self, client: &mut Client, position: u64) {
        while !self.is_whole || self.position.is_none_or(|it| it < position) {
            let message = client.message().await;
            assert_eq!(
                (&message["type"], &message["id"]),
                (&json!("next"), &json!("1")),
                "{message}"
            );
            self.take(&message["payload"]["data"]["interaction_live"]);
        }
    }
}

/// Asks for everything of a change, and for these columns of rows.
fn changes(columns: &str, arguments: &str) -> String {
    format!(
        "subscription {{ interaction_live(max_hz: 50 {arguments}) {{ is_reset is_whole from position token \
         upserts {{ {columns} }} deletes {{ interaction_id }} }} }}"
    )
}

#[tokio::test]
async fn rows_are_those_of_the_tables_and_go_on_after_a_break() {
    let center = Center::new(Limits { snapshot_rows: 2, ..Limits::default() });
    let address = center.serve().await;
    let token = center.token(Role::Supervisor);
    let mut head = center.step(17).await;
    let columns: Vec<String> = {
        let rows = center.rows("interaction_live", head).await;
        rows[0].as_object().unwrap().keys().cloned().collect()
    };
    let columns = columns.join(" ");
    let mut replica = Replica::default();
    for round in 0..3 {
        let mut client = Client::open(address, &token).await;
        let resume = match round {
            0 => String::new(),
            _ => format!("resume: \"{}\"", replica.token),
        };
        client.subscribe("1", &changes(&columns, &resume)).await;
        for _ in 0..3 {
            replica.until(&mut client, head).await;
            let expected = center.rows("interaction_live", replica.position.unwrap()).await;
            assert_eq!(replica.rows.values().cloned().collect::<Vec<_>>(), expected);
            head = center.step(5).await;
        }
    }
    assert_eq!(replica.resets, 1, "a subscription that resumes does not begin anew");
}

#[tokio::test]
async fn events_come_once_and_in_order() {
    let center = Center::new(Limits { event_page: 3, ..Limits::default() });
    let address = center.serve().await;
    let head = center.step(20).await;
    let mut client = Client::open(address, &center.token(Role::Supervisor)).await;
    client.subscribe("e", "subscription { events(after: 4) { from position events } }").await;
    let (mut found, mut reached) = (Vec::new(), 4);
    while reached < head {
        let message = client.message().await;
        let page = &message["payload"]["data"]["events"];
        assert!(page["from"].is_null() || page["from"] == reached, "{message}");
        found.extend(page["events"].as_array().unwrap().clone());
        reached = page["position"].as_u64().unwrap();
    }
    assert_eq!(found, center.events(4));
    client.send(json!({"type": "complete", "id": "e"})).await;
    client.send(json!({"type": "ping", "payload": {"n": 1}})).await;
    loop {
        let message = client.message().await;
        if message["type"] == "pong" {
            assert_eq!(message["payload"]["n"], 1);
            break;
        }
    }
    // Nothing of it comes any more: the id may be taken again, by another question.
    client.subscribe("e", "{ datasets }").await;
    let answer = client.message().await;
    assert!(
        answer["payload"]["data"]["datasets"].as_array().unwrap().contains(&json!("queue_live"))
    );
    assert_eq!(client.message().await, json!({"type": "complete", "id": "e"}));
}

#[tokio::test]
async fn mistakes_are_named_and_end_nothing() {
    let center = Center::new(Limits { subscriptions: 1, ..Limits::default() });
    let address = center.serve().await;
    let mut client = Client::open(address, &center.token(Role::Supervisor)).await;
    for (query, expected) in [
        ("subscription { queue_dead { position } }", "queue_dead"),
        ("subscription { queue_live { no_such_field } }", "no_such_field"),
        ("subscription { queue_live(filter: {no_such_column: 1}) { position } }", "no_such_column"),
        ("subscription { queue_live(max_hz: 1000) { position } }", "max_hz"),
        ("subscription { events(after: \"x\") { position } }", "after"),
        ("subscription {", "expected"),
    ] {
        client.subscribe("1", query).await;
        let message = client.message().await;
        assert_eq!((&message["type"], &message["id"]), (&json!("error"), &json!("1")), "{query}");
        assert!(message["payload"].to_string().contains(expected), "{query}: {message}");
    }
    client.subscribe("1", "subscription { queue_live { position } }").await;
    client.subscribe("2", "subscription { queue_live { position } }").await;
    let mut seen = [false, false];
    while seen != [true, true] {
        let message = client.message().await;
        seen[0] |= message["type"] == "next";
        seen[1] |=
            message["type"] == "error" && message["payload"].to_string().contains("too many");
    }
}

#[tokio::test]
async fn one_request_cannot_ask_for_more_subscriptions_than_a_connection_may_have() {
    let center = Center::new(Limits { subscriptions: 2, ..Limits::default() });
    let address = center.serve().await;
    let mut client = Client::open(address, &center.token(Role::Supervisor)).await;
    let three = "subscription { a: queue_live { position } b: queue_live { position } c: queue_live { position } }";
    client.subscribe("1", three).await;
    loop {
        let message = client.message().await;
        if message["type"] == "error" {
            assert_eq!(message["payload"][0]["extensions"]["code"], "too_large", "{message}");
            break;
        }
    }
    // What it held is free again.
    let two = "subscription { a: queue_live { position } b: queue_live { position } }";
    client.subscribe("2", two).await;
    let message = client.message().await;
    assert_eq!((&message["type"], &message["id"]), (&json!("next"), &json!("2")), "{message}");
}

/// What tools send, such as GraphiQL and code generators.
const INTROSPECTION: &str = "query IntrospectionQuery { __schema { queryType { name } mutationType { name } \
    subscriptionType { name } types { ...FullType } directives { name description locations \
    args(includeDeprecated: true) { ...InputValue } } } } \
    fragment FullType on __Type { kind name description fields(includeDeprecated: true) { name description \
    args(includeDeprecated: true) { ...InputValue } type { ...TypeRef } isDeprecated deprecationReason } \
    inputFields(includeDeprecated: true) { ...InputValue } interfaces { ...TypeRef } \
    enumValues(includeDeprecated: true) { name description isDeprecated deprecationReason } \
    possibleTypes { ...TypeRef } } \
    fragment InputValue on __InputValue { name description type { ...TypeRef } defaultValue } \
    fragment TypeRef on __Type { kind name ofType { kind name ofType { kind name ofType { kind name \
    ofType { kind name ofType { kind name ofType { kind name ofType { kind name ofType { kind name \
    ofType { kind name } } } } } } } } } }";

/// A subscription and columns for every dataset that is served.
fn assert_whole(schema: &Json) {
    let types = schema["types"].as_array().unwrap();
    let fields = |of: &str| -> BTreeMap<String, Json> {
        let found = types.iter().find(|it| it["name"] == of);
        let fields = found.unwrap_or_else(|| panic!("no type {of}"))["fields"].as_array().unwrap();
        fields.iter().map(|it| (it["name"].as_str().unwrap().to_owned(), it.clone())).collect()
    };
    assert_eq!(schema["subscriptionType"]["name"], "Subscription");
    let subscriptions = fields("Subscription");
    assert!(subscriptions.contains_key("events"));
    let live = ledgerline_projections::tables::ALL.iter().filter(|table| table.live);
    for table in live {
        let change = subscriptions[table.name]["type"]["ofType"]["name"].as_str().unwrap();
        let rows = &fields(change)["upserts"]["type"]["ofType"]["ofType"]["ofType"]["name"];
        let columns: Vec<&str> = table.columns.iter().map(|column| column.name).collect();
        let known = fields(rows.as_str().unwrap());
        assert!(columns.iter().all(|it| known.contains_key(*it)), "{}: {known:?}", table.name);
    }
}

#[tokio::test]
async fn the_schema_explains_itself_over_both_ways() {
    let center = Center::new(Limits::default());
    let address = center.serve().await;
    let token = center.token(Role::Supervisor);
    let mut client = Client::open(address, &token).await;
    client.subscribe("schema", INTROSPECTION).await;
    let over_socket = client.message().await;
    assert_eq!(over_socket["type"], "next", "{over_socket}");
    assert_whole(&over_socket["payload"]["data"]["__schema"]);
    let url = format!("http://{address}/v1/realtime/graphql");
    let ask = async |token: &str, body: String| {
        let request = reqwest::Client::new().post(&url).body(body);
        let answer = request.header("authorization", format!("Bearer {token}"));
        let answer = answer.send().await.unwrap();
        (answer.status().as_u16(), answer.json::<Json>().await.unwrap())
    };
    let question = |query: &str| json!({"query": query}).to_string();
    let (status, over_http) = ask(&token, question(INTROSPECTION)).await;
    assert_eq!((status, &over_http["data"]), (200, &over_socket["payload"]["data"]));
    let (status, answer) = ask(&token, question("subscription { queue_live { position } }")).await;
    assert_eq!(status, 200);
    assert!(answer["errors"].to_string().contains("transport"), "{answer}");
    for (token, body, expected) in [
        ("nonsense".to_owned(), question("{ datasets }"), 401),
        (center.token(Role::Agent), question("{ datasets }"), 403),
        (token.clone(), "{".to_owned(), 400),
        (token.clone(), question(&format!("{{ datasets }}{}", " ".repeat(64 << 10))), 413),
    ] {
        assert_eq!(ask(&token, body).await.0, expected);
    }
}

#[tokio::test]
async fn rights_are_those_of_the_other_doors() {
    let center = Center::new(Limits::default());
    let address = center.serve().await;
    for (role, query) in [
        (Role::Auditor, "subscription { queue_live { position } }"),
        (Role::Analyst, "subscription { events { position } }"),
    ] {
        let mut client = Client::open(address, &center.token(role)).await;
        client.subscribe("1", query).await;
        let message = client.message().await;
        assert_eq!(message["type"], "error", "{message}");
        assert_eq!(message["payload"][0]["extensions"]["code"], "forbidden", "{message}");
    }
}

#[tokio::test]
async fn ends_have_the_codes_of_the_protocol() {
    let center = Center::new(Limits { auth_ms: 300, ..Limits::default() });
    let address = center.serve().await;
    let token = center.token(Role::Supervisor);
    let init = |payload: Json| json!({"type": "connection_init", "payload": payload});
    let subscribe = json!({"type": "subscribe", "id": "1",
        "payload": {"query": "subscription { queue_live { position } }"}});
    let cases = [
        (vec![], 4408),
        (vec![init(json!({"token": "nonsense"}))], 4401),
        (vec![init(json!({}))], 4401),
        (vec![subscribe.clone()], 4401),
        (vec![json!({"type": "dance"})], 4400),
        (vec![init(json!({"token": token})), init(json!({"token": token}))], 4429),
        (vec![init(json!({"token": token})), subscribe.clone(), subscribe.clone()], 4409),
        (vec![init(json!({"token": center.token(Role::Agent)}))], 4403),
    ];
    for (messages, code) in cases {
        let mut client = Client::connect(address, "graphql-transport-ws", "").await.unwrap();
        for message in &messages {
            client.send(message.clone()).await;
        }
        assert_eq!(client.end().await, code, "{messages:?}");
    }
    for (protocol, query, status) in [
        ("graphql-ws", String::new(), 400),
        ("graphql-transport-ws", "?access_token=nonsense".to_owned(), 401),
    ] {
        match Client::connect(address, protocol, &query).await {
            Err(Error::Http(response)) => assert_eq!(response.status(), status),
            other => panic!("let in: {:?}", other.map(|_| ())),
        }
    }
}
